"""Reading a log while its writer lives, from another process: durable records only.

Record n is known durable when a valid record n+1 stands after it (it was written after n's sync), or when a segment
that begins beyond n exists. The empty record that follows within milliseconds of the last one lets a follower finish.
"""

from __future__ import annotations

from pathlib import Path

from engine.limits import RECORD_BYTES_MAX, SEGMENT_HEADER_BYTES
from engine.log.files import Files
from engine.log.interface import LogCorrupt, Tail
from engine.log.record import Record, padded
from engine.log.segments import Walk, list_segments, read_segment_header

READ_BYTES_IDLE = 16 * 1024  # looked at when nothing was new the last time
READ_BYTES = 8 * RECORD_BYTES_MAX


class LogReader:
    """`poll` returns the next durable records, none when there is nothing new.

    tail    where to begin (a snapshot's place); records before it are passed over

    Nothing is ever written. Raises LogCorrupt when a durable record is damaged, ValueError when the records asked for
    are no longer in the directory.
    """

    def __init__(self, files: Files, directory: Path, *, shard: int = 0, tail: Tail | None = None) -> None:
        self.files, self.directory, self.shard = files, Path(directory), shard
        self.tail = tail or Tail()  # the next record to hand out follows this
        self._path: Path | None = None
        self._handle: int | None = None
        self._at = 0  # where the next record stands
        self._window = READ_BYTES

    def poll(self, max_records: int = 1_000) -> list[Record]:
        """Up to `max_records` records (and READ_BYTES), in order."""
        while True:
            # Listed before the bytes are read: whatever stands before a later segment is then durable and visible.
            paths = list_segments(self.files, self.directory)
            if self._handle is None and not self._enter(paths):
                return []
            assert self._path is not None
            begun = int(self._path.stem)
            later = next((number for path in paths if (number := int(path.stem)) > begun), None)
            records = self._take(max_records, later)
            if records or later != self.tail.next_number:
                return records
            self.close()  # this segment is read to its end; the next one follows

    def close(self) -> None:
        if self._handle is not None:
            self.files.close(self._handle)
        self._handle = self._path = None

    def _enter(self, paths: list[Path]) -> bool:
        """Open the segment that holds the next record and find its place; False when there is none yet."""
        paths = [path for path in paths if int(path.stem) <= self.tail.next_number] or paths[:1]
        if not paths:
            return False
        path = paths[-1]
        if int(path.stem) > self.tail.next_number:
            raise ValueError(f"the log begins at record {int(path.stem)}, not {self.tail.next_number}")
        self._handle, self._path = self.files.open(path, writable=False), path
        header = read_segment_header(self.files, self._handle, path, self.shard)
        self._at = SEGMENT_HEADER_BYTES
        if header.tail.next_number == self.tail.next_number:
            found = header.tail
        else:
            buffer = self.files.pread(self._handle, self.files.size(self._handle), 0)
            walk = Walk(path.name, buffer, header.tail, self.shard)
            for record in walk:
                if record.number + 1 == self.tail.next_number:
                    break
            found, self._at = walk.tail, walk.at
        if found != self.tail:
            why = f"record {self.tail.next_number - 1} is not the one that was read before"
            raise LogCorrupt(path.name, self._at, self.tail.next_seq, why)
        return True

    def _take(self, max_records: int, later: int | None) -> list[Record]:
        """Durable records from the present place on; `later` is the first record of the next segment, if any."""
        walk, durable = self._look(max_records, self._window, later)
        if not durable and not walk.clean():
            # Half written, or damaged: a second look, wider, decides; what a witness calls durable was there before it.
            walk, durable = self._look(max_records, READ_BYTES, later)
            witness = None if durable else walk.witness()
            if witness:
                walk, durable = self._look(max_records, READ_BYTES, later)
                if not durable:
                    self._corrupt(walk, f"record {witness.number}")
        if not durable and later is not None and later > self.tail.next_number:
            self._corrupt(walk, f"the segment of record {later}")
        for record in durable:
            self.tail = self.tail.after(record)
            self._at += padded(len(record.raw))
        self._window = READ_BYTES if durable else READ_BYTES_IDLE
        return durable

    def _look(self, max_records: int, window: int, later: int | None) -> tuple[Walk, list[Record]]:
        """The walk over what stands here now, and of its records those known durable."""
        assert self._handle is not None and self._path is not None
        buffer = self.files.pread(self._handle, window, self._at)
        walk = Walk(self._path.name, buffer, self.tail, self.shard, at=0)
        found = []
        for record in walk:
            found.append(record)
            if len(found) > max_records:
                break
        vouched = max(found[-1].durable_through if found else 0, (later or 0) - 1)
        return walk, [record for record in found[:max_records] if record.number <= vouched]

    def _corrupt(self, walk: Walk, witness: str) -> None:
        why = f"{walk.trouble}; {witness} after it says that it was durable"
        raise LogCorrupt(walk.name, self._at + walk.at, walk.tail.next_seq, why)
