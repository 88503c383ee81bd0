"""Reading a log while its writer lives, from another process: durable records only.

Record n is known durable when a valid record n+1 stands after it (it was written after n's sync), or when a segment
that begins beyond n exists. The empty record that follows within milliseconds of the last one lets a follower finish.
"""

from __future__ import annotations

from pathlib import Path

from engine.limits import RECORD_BYTES_MAX, SEGMENT_HEADER_BYTES
from engine.log.archive import first_number_of, is_packed, list_all, read_packed
from engine.log.files import Files
from engine.log.interface import LogCorrupt, Tail
from engine.log.record import Record, padded
from engine.log.segments import Walk, check_segment_header, list_segments

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
        self._packed: bytes | None = None  # an archived segment's bytes, in place of a handle
        self._at = 0  # where the next record stands
        self._window = READ_BYTES

    def poll(self, max_records: int = 1_000) -> list[Record]:
        """Up to `max_records` records (and READ_BYTES), in order."""
        while True:
            # Listed before the bytes are read: whatever stands before a later segment is then durable and visible.
            numbers = [int(path.stem) for path in list_segments(self.files, self.directory)]
            if self._path is None and not self._enter():
                return []
            assert self._path is not None
            begun = first_number_of(self._path)
            if begun not in numbers:  # it is archived, and so may others be
                numbers = [number for number, _ in list_all(self.files, self.directory)]
            later = next((number for number in numbers if number > begun), None)
            records = self._take(max_records, later)
            if records or later != self.tail.next_number:
                return records
            self.close()  # this segment is read to its end; the next one follows

    def close(self) -> None:
        if self._handle is not None:
            self.files.close(self._handle)
        self._handle = self._path = self._packed = None

    def _open(self) -> Path | None:
        """The segment that holds the next record, open or unpacked; None when there is none yet."""
        for _ in range(2):  # it may just be moving to the archive
            places = list_all(self.files, self.directory)
            if not places:
                return None
            path = next((path for number, path in reversed(places) if number <= self.tail.next_number), None)
            if path is None:
                raise ValueError(f"the log and its archive begin at record {places[0][0]}, not {self.tail.next_number}")
            try:
                if is_packed(path):
                    self._packed = read_packed(self.files, path)
                else:
                    self._handle = self.files.open(path, writable=False)
            except FileNotFoundError:
                continue
            return path
        raise FileNotFoundError(path)

    def _bytes(self, length: int, at: int) -> bytes:
        if self._packed is not None:
            return self._packed[at : at + length]
        assert self._handle is not None
        return self.files.pread(self._handle, length, at)

    def _enter(self) -> bool:
        """Open the segment that holds the next record and find its place; False when there is none yet."""
        path = self._open()
        if path is None:
            return False
        self._path = path
        header = check_segment_header(self._bytes(SEGMENT_HEADER_BYTES, 0), path, self.shard)
        self._at = SEGMENT_HEADER_BYTES
        if header.tail.next_number == self.tail.next_number:
            found = header.tail
        else:
            buffer = self._packed or self._bytes(self.files.size(self._handle or 0), 0)
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
        assert self._path is not None
        buffer = self._bytes(window, self._at)
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
