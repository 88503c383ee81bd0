"""The log in a local directory: pre-zeroed segments, one write and one sync per record, one writer.

Opening finds the end. A bad record is corruption only if a later one (or a later segment) says that it was durable;
otherwise it is the torn end of a write that nobody was told about: it is cut, zeroed, synced and noted.
"""

from __future__ import annotations

import contextlib
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.limits import RECORD_BYTES_MAX, SEGMENT_BYTES, SEGMENT_HEADER_BYTES
from engine.log.archive import content, is_packed, list_all, list_archived, read_packed
from engine.log.files import Files, Locked
from engine.log.interface import LogCorrupt, LogFailed, Tail
from engine.log.record import Record, padded
from engine.log.segments import (
    PREPARED,
    SegmentHeader,
    Walk,
    check_segment_header,
    list_segments,
    prepare_segment,
    publish_segment,
    segment_name,
    zero,
)
from engine.log.skips import skips_of

LOCK = "lock"


@dataclass(frozen=True, slots=True)
class End:
    """Where the records of the last segment end."""

    path: Path
    segment_bytes: int
    at: int  # byte after the last record
    last: Record | None  # the last record, None in a segment without one
    torn: str | None  # what follows is no record and not nothing: why


class LocalLog:
    """See `interface.Log`. `open` is the way in."""

    def __init__(self, files: Files, directory: Path, shard: int, segment_bytes: int) -> None:
        self.files, self.directory, self.shard, self.segment_bytes = files, directory, shard, segment_bytes
        self.notes: list[str] = []
        self.skips: frozenset[int] = frozenset()
        self.tail = Tail()
        self.generation = 0
        self.durable_number = 0
        self.first_number = 1
        self.live = False
        self._epoch: int | None = None  # claimed
        self.failed: str | None = None  # set in the thread where it happens
        self._lock: int | None = None
        self._handle: int | None = None  # of the last segment, when writable
        self._at = 0  # where the next record goes in it
        self._segment_end = 0  # where it ends
        self._rooms = threading.Lock()
        self._prepared = False

    @classmethod
    def open(
        cls,
        files: Files,
        directory: Path,
        *,
        shard: int = 0,
        writable: bool = True,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> LocalLog:
        """Find the end of the log in `directory`.

        writable   takes the directory's lock, creates what is missing, cuts a torn tail and makes the rest durable
        read only  changes nothing; while a writer lives, its last record is left out until the next one vouches for it

        Raises Locked, LogCorrupt, LogFailed.
        """
        directory = Path(directory)
        log = cls(files, directory, shard, segment_bytes)
        if not writable:
            log._look()
            return log
        try:
            files.makedirs(directory)
            log._lock = files.lock(directory / LOCK)
            log._settle(log._scan())
        except BaseException as error:
            with contextlib.suppress(LogFailed):  # the first trouble is the one that is told
                log.close()
            if isinstance(error, OSError) and not isinstance(error, Locked):
                raise LogFailed(f"cannot open the log in {directory}: {error}") from error
            raise
        return log

    # Opening

    def _look(self) -> None:
        """Scan without the lock. A writer that lives may complete two records while the first is being read, which
        then looks damaged: what is damaged at a second look is."""
        self.live = self.files.locked(self.directory / LOCK)
        try:
            self._scan()
        except (LogCorrupt, FileNotFoundError):
            if not self.live:
                raise
            self._scan()

    def _scan(self) -> End | None:
        """Walk every record of every segment: `tail`, `skips` and `durable_number`, and where the last one ends.

        While somebody else writes, the last record counts only when something after it vouches for it.
        """
        skips: set[int] = set()
        vouched = 0
        end: End | None = None
        paths = list_segments(self.files, self.directory)
        if not paths and (archived := list_archived(self.files, self.directory)):
            why = f"the archive goes up to the segment of record {archived[-1]}, but no later segment is there"
            raise LogCorrupt("(none)", 0, 0, why)
        if paths:
            self.first_number = int(paths[0].stem)
        for index, path in enumerate(paths):
            header, walk = self._walk(path)
            if index and header.tail != self.tail:
                raise LogCorrupt(path.name, 0, self.tail.next_seq, f"it does not follow {paths[index - 1].name}")
            vouched = max(vouched, header.first_number - 1)
            last = None
            for record in walk:
                skips.update(skips_of(record.batch))
                vouched = max(vouched, record.durable_through)
                self.generation = record.generation
                last = record
            self.tail = walk.tail
            torn = None
            if index + 1 < len(paths):
                self._check_whole(walk, int(paths[index + 1].stem))
            elif not walk.clean() or len(walk.buffer) < header.segment_bytes:
                witness = walk.witness()
                if witness:
                    why = f"{walk.trouble}; record {witness.number} after it says that it was durable"
                    raise LogCorrupt(path.name, walk.at, walk.tail.next_seq, why)
                torn = str(walk.trouble)
            end = End(path, header.segment_bytes, walk.at, last, torn)
        if not self.generation and (archived := list_archived(self.files, self.directory)):
            self.generation = self._last_archived_generation(archived[-1])
        self.skips = frozenset(skips)
        self.durable_number = vouched if self.live else self.tail.next_number - 1
        return end

    def _last_archived_generation(self, number: int) -> int:
        """Of the last record before the plain segments, when these have none yet."""
        _, walk = self._walk(dict(list_all(self.files, self.directory))[number])
        return max((record.generation for record in walk), default=0)

    def _walk(self, path: Path) -> tuple[SegmentHeader, Walk]:
        buffer = read_packed(self.files, path) if is_packed(path) else content(self.files, path)
        header = check_segment_header(buffer, path, self.shard)
        return header, Walk(path.name, buffer, header.tail, self.shard)

    def _check_whole(self, walk: Walk, following: int) -> None:
        """A segment with one after it holds every record up to that one's first, `following`."""
        if walk.tail.next_number != following:
            why = f"{walk.trouble}; {segment_name(following)} after it says that it was durable"
            raise LogCorrupt(walk.name, walk.at, walk.tail.next_seq, why)

    def _settle(self, end: End | None) -> None:
        """Make the end durable: cut what is torn, write the last record once more, sync."""
        if PREPARED in self.files.listdir(self.directory):
            self.files.unlink(self.directory / PREPARED)
        if end is None:
            self._rotate()
            return
        self._handle, self._at, self._segment_end = self.files.open(end.path), end.at, end.segment_bytes
        if end.torn:
            zero(self.files, self._handle, end.at, max(end.segment_bytes, self.files.size(self._handle)))
            self.notes.append(
                f"cut a torn tail: {end.path.name} from byte {end.at}, command sequence {self.tail.next_seq} "
                f"({end.torn}); it was never acknowledged"
            )
        if end.last is not None:
            # A killed writer may have left it in the page cache alone, and after a failed sync not even dirty.
            self.files.pwrite(self._handle, end.last.raw, end.at - padded(len(end.last.raw)))
        self.files.fdatasync(self._handle)
        self.files.fsync_dir(self.directory)

    # Writing

    def claim(self, epoch: int | None = None) -> Tail:
        """See `interface.Log`. The directory's lock is the fence; the epoch tells records of different starts apart."""
        assert self._lock is not None, "only a writable log is claimed"
        self._epoch = self.tail.epoch + 1 if epoch is None else epoch
        assert self._epoch >= self.tail.epoch, f"epoch {self._epoch} is below {self.tail.epoch}"
        return self.tail._replace(epoch=self._epoch)

    def write(self, record: Record) -> None:
        """One pwrite, one fdatasync. Raises LogFailed, from then on always."""
        if self.failed:
            raise LogFailed(self.failed)
        self._check(record)
        room = padded(len(record.raw))
        assert room <= min(RECORD_BYTES_MAX, self.segment_bytes - SEGMENT_HEADER_BYTES)
        try:
            if self._at + room > self._segment_end:
                self._rotate()
            self.files.pwrite(self._handle, record.raw, self._at)  # type: ignore[arg-type]
            self.files.fdatasync(self._handle)  # type: ignore[arg-type]
        except OSError as error:
            raise self.lost(record, error) from error
        self.kept(record)

    def place(self, record: Record) -> tuple[int, int] | None:
        """(handle, offset) where a record goes, for a writer of the caller's own, who then says `kept` or `lost`. None
        where `write` has more to do: a new segment, or to say that the log has failed."""
        self._check(record)
        if self.failed or self._handle is None or self._at + padded(len(record.raw)) > self._segment_end:
            return None
        return self._handle, self._at

    def kept(self, record: Record) -> None:
        """The record is durable in its place."""
        self._at += padded(len(record.raw))
        self.tail, self.generation = self.tail.after(record), record.generation
        self.durable_number = record.number

    def lost(self, record: Record, error: OSError) -> LogFailed:
        """The record was not written, or not synced: nothing is written any more."""
        return self._fail(f"record {record.number} could not be made durable: {error}")

    def _check(self, record: Record) -> None:
        assert self._handle is not None and record.epoch == self._epoch and record.shard == self.shard, (
            "the writer claims before it writes"
        )
        assert not self.tail.fault(record), self.tail.fault(record)

    def wants_room(self) -> bool:
        """True once the segment is half full and the next one is not prepared."""
        return not self._prepared and self._at > self._segment_end // 2

    def make_room(self) -> None:
        """Zero and sync the next segment ahead of its need. A second call waits for the first and does nothing."""
        with self._rooms:
            if self.failed:
                raise LogFailed(self.failed)
            if self._prepared:
                return
            try:
                prepare_segment(self.files, self.directory, self.segment_bytes)
            except OSError as error:
                raise self._fail(f"the next segment could not be prepared: {error}") from error
            self._prepared = True

    def _fail(self, why: str) -> LogFailed:
        """Nothing is written any more. The first trouble is the one that is told."""
        self.failed = self.failed or why
        return LogFailed(self.failed)

    def _rotate(self) -> None:
        self.make_room()
        with self._rooms:
            full = self._handle
            _, self._handle = publish_segment(self.files, self.directory, self.shard, self.segment_bytes, self.tail)
            self._at, self._segment_end = SEGMENT_HEADER_BYTES, self.segment_bytes
            self._prepared = False
            if full is not None:
                self.files.close(full)

    # Reading

    def read(self, after: Tail = Tail()) -> Iterator[Record]:
        """See `interface.Log`."""
        end, place = self.durable_number, after
        if place.next_number > end + 1:
            why = f"the log ends at record {end}, but record {place.next_number - 1} was durable once"
            raise LogCorrupt("(end)", 0, self.tail.next_seq, why)
        while place.next_number <= end or place is after:
            found = self._segment_of(place.next_number)
            if found is None and place.next_number > end:
                return
            if found is None:
                raise ValueError(
                    f"neither the log in {self.directory} nor its archive holds record {place.next_number}"
                )
            walk, following = found
            records = iter(walk)
            while walk.tail.next_number < place.next_number and next(records, None):
                pass
            if walk.tail != place:
                why = f"record {place.next_number - 1} is not the one that was there before"
                raise LogCorrupt(walk.name, walk.at, place.next_seq, why)
            for record in records:
                if record.number > end:
                    return
                yield record
            place = walk.tail
            if following is not None:
                self._check_whole(walk, following)
            elif place.next_number <= end:
                raise LogCorrupt(walk.name, walk.at, place.next_seq, f"{walk.trouble}; it was durable")

    def skips_from(self, number: int) -> frozenset[int]:
        """See `interface.Log`."""
        if number >= self.first_number:
            return self.skips
        found: set[int] = set(self.skips)
        places = list_all(self.files, self.directory)
        for (_, path), (following, _) in pairwise(places):
            if number < following <= self.first_number:
                for record in self._walk(path)[1]:
                    found.update(skips_of(record.batch))
        return frozenset(found)

    def has(self, number: int) -> bool:
        """See `interface.Log`."""
        places = list_all(self.files, self.directory)
        return bool(places) and places[0][0] <= number <= self.durable_number

    def _segment_of(self, number: int) -> tuple[Walk, int | None] | None:
        """A walk over the segment that holds a record (or would), and the first record of the one after it."""
        for _ in range(2):  # it may just be moving to the archive
            places = list_all(self.files, self.directory)
            at = bisect_right(places, number, key=lambda place: place[0]) - 1
            if at < 0:
                return None
            try:
                _, walk = self._walk(places[at][1])
            except FileNotFoundError:
                continue
            return walk, places[at + 1][0] if at + 1 < len(places) else None
        raise LogCorrupt(places[at][1].name, 0, 0, "it is listed but cannot be opened")

    def close(self) -> None:
        """Release the lock. Nothing is written: what was durable is. Raises LogFailed when the system does not close a
        file; the lock is released all the same."""
        trouble = None
        for handle in (self._handle, self._lock):
            if handle is not None:
                try:
                    self.files.close(handle)
                except OSError as error:
                    trouble = trouble or error
        self._handle = self._lock = None
        if trouble is not None:
            raise self._fail(f"the log could not be closed: {trouble}") from trouble
