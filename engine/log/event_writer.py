"""Writing event segments: one writer, a few frames a write, a sync about every mebibyte.

Nothing waits for these syncs; what a crash takes is decided and written again. Opening finds the last whole frame and
cuts what follows. A closed segment is compressed slice by slice (`tend`):

    compress to a temporary file, sync -> rename, sync the directory -> read back, compare -> unlink the plain one
"""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import zstandard

from engine.limits import EVENT_PACK_BYTES, EVENT_SEGMENT_BYTES, EVENT_SYNC_BYTES, SEGMENT_HEADER_BYTES
from engine.log.event_reader import EventReader, PackedSource, PlainSource, Source
from engine.log.events import (
    LIVE,
    TEMPORARY,
    BadFrame,
    EventEnd,
    EventsDiffer,
    decode_frame,
    decode_header,
    encode_frame,
    encode_header,
    list_segments,
    live_name,
    packed_name,
)
from engine.log.files import Files
from engine.log.record import Record

ZSTD_LEVEL = 3
CHECK_RECORDS = 100  # read at a time before a segment is compressed


class EventWriter:
    """`append` records in order, `flush` for readers, `sync` for good.

    end      the last frame, buffered ones included
    notes    what an operator should know about how it was opened

    Raises OSError, from the first one on always; EventsCorrupt when the last closed segment cannot be read.
    """

    def __init__(
        self, files: Files, directory: Path, *, shard: int = 0, segment_bytes: int = EVENT_SEGMENT_BYTES
    ) -> None:
        self.files, self.directory, self.shard, self.segment_bytes = files, Path(directory), shard, segment_bytes
        self.end = EventEnd()
        self.notes: list[str] = []
        self._handle: int | None = None  # of the live segment
        self._live = 0  # its first record
        self._at = SEGMENT_HEADER_BYTES  # where the next byte goes in it
        self._buffer: list[bytes] = []
        self._buffered = 0  # bytes
        self._unsynced = 0  # bytes
        self._synced_number = 0
        self._failed: str | None = None
        self._stored: EventReader | None = None  # frames that were there before, to compare with
        self._expected: deque[tuple[int, bytes]] = deque()
        self._packing: Generator[None, None, None] | None = None
        self._may_pack = True  # whether a closed segment may still be plain
        files.makedirs(self.directory)
        with self._writing():
            self._open()

    # Opening

    def _open(self) -> None:
        for name in self.files.listdir(self.directory):
            if name.endswith(TEMPORARY):
                self.files.unlink(self.directory / name)
        while segments := list_segments(self.files, self.directory):
            first_number, path = segments[-1]
            if not path.name.endswith(LIVE):
                self._read_packed(path)
                break
            if self._settle(first_number, path):
                break
            self.files.unlink(path)
        self.files.fsync_dir(self.directory)
        self._synced_number = self.end.number

    def _settle(self, first_number: int, path: Path) -> bool:
        """Find the end of the live segment, cut what follows, and make the rest durable. False without a header."""
        handle = self.files.open(path)
        try:
            buffer = self.files.pread(handle, self.files.size(handle), 0)
            try:
                end = decode_header(buffer, path.name, self.shard)
            except BadFrame as bad:
                self.notes.append(f"dropped event segment {path.name} ({bad}); it is made anew from the log")
                self.files.close(handle)
                return False
            at, trouble, frames = SEGMENT_HEADER_BYTES, "", []
            while at < len(buffer):
                try:
                    frame = decode_frame(buffer, at)
                    trouble = frame.fault(end, self.shard) or ""
                except BadFrame as bad:
                    trouble = str(bad)
                if trouble:
                    break
                frames.append((frame.record.number, at))
                synced_number, end = frame.synced_number, frame.end
                at += frame.length
            if trouble:
                self.notes.append(
                    f"cut event segment {path.name} at byte {at}, after record {end.number} ({trouble}); the rest is"
                    " made anew from the log"
                )
                self.files.truncate(handle, at)
            if frames:
                # A killed writer may have left these in the page cache alone, and after a failed sync not even dirty.
                unsure = next((place for number, place in frames if number > synced_number), at)
                for start in range(unsure, at, EVENT_SYNC_BYTES):
                    self.files.pwrite(handle, buffer[start : min(start + EVENT_SYNC_BYTES, at)], start)
            self.files.fdatasync(handle)
        except BaseException:
            with contextlib.suppress(OSError):
                self.files.close(handle)
            raise
        self._handle, self._live, self._at, self.end = handle, first_number, at, end
        return True

    def _read_packed(self, path: Path) -> None:
        """The last segment is a closed one: a live one was not begun, or is gone."""
        reader = EventReader(self.files, self.directory, int(path.name.split(".")[0]) - 1, shard=self.shard)
        try:
            while reader.poll():
                pass
        finally:
            reader.close()
        self.end = reader.end

    # Writing

    def begin_after(self, end: EventEnd) -> None:
        """The first events to come are those of the record after `end`. Only where there are none yet."""
        assert self.end == EventEnd() and self._handle is None
        self.end, self._synced_number = end, end.number

    def append(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        """Take one applied record, its events (EVENT[n]) and the digest after them. One without commands is passed
        over; one at or below `end` is compared with its frame. Raises EventsDiffer, EventsCorrupt."""
        if not record.count:
            return
        if record.number <= self.end.number:
            self._compare(record, event_digest)
            return
        if record.first_seq != self.end.seq + 1:
            raise EventsDiffer(
                f"record {record.number} begins at command {record.first_seq}; the events end at command {self.end.seq}"
            )
        frame = encode_frame(record, events, event_digest, self._synced_number)
        if self._handle is not None and self._at + self._buffered == SEGMENT_HEADER_BYTES:
            if self._live != record.number:
                raise EventsDiffer(f"the events go on with record {self._live}, the log with record {record.number}")
        elif self._handle is None or self._at + self._buffered + len(frame) > self.segment_bytes:
            self._begin_segment(record.number)
        self._buffer.append(frame)
        self._buffered += len(frame)
        self.end = EventEnd(record.number, record.next_seq - 1, event_digest)
        if self._buffered >= EVENT_SYNC_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was appended: readers see it from here on."""
        data = b"".join(self._buffer)
        with self._writing():
            for start in range(0, len(data), EVENT_SYNC_BYTES):
                piece = data[start : start + EVENT_SYNC_BYTES]
                assert self._handle is not None
                self.files.pwrite(self._handle, piece, self._at)
                self._at += len(piece)
                self._unsynced += len(piece)
                if self._unsynced >= EVENT_SYNC_BYTES:
                    self.files.fdatasync(self._handle)
                    self._unsynced = 0
        self._buffer, self._buffered = [], 0
        if not self._unsynced:
            self._synced_number = self.end.number

    def sync(self) -> None:
        """Everything up to `end` is durable on return."""
        self.flush()
        with self._writing():
            if self._handle is not None and self._unsynced:
                self.files.fdatasync(self._handle)
        self._unsynced, self._synced_number = 0, self.end.number

    def close(self) -> None:
        """Sync and let go. A compression under way is left; the next writer begins it anew."""
        try:
            if self._failed is None:
                self.sync()
        finally:
            if self._packing is not None:
                self._packing.close()
            if self._stored is not None:
                self._stored.close()
            if self._handle is not None:
                self.files.close(self._handle)
            self._handle = self._packing = self._stored = None

    def _begin_segment(self, number: int) -> None:
        """Close the live segment durably and begin the one of record `number`."""
        self.sync()
        path, beside = self.directory / live_name(number), self.directory / (live_name(number) + TEMPORARY)
        with self._writing():
            if self._handle is not None:
                self.files.close(self._handle)
                self._handle, self._may_pack = None, True
            self._handle = self.files.open(beside, create=True)
            self.files.pwrite(self._handle, encode_header(self.shard, number, self.end), 0)
            self.files.fdatasync(self._handle)
            self.files.rename(beside, path)
            self.files.fsync_dir(self.directory)
        self._live, self._at = number, SEGMENT_HEADER_BYTES

    def _compare(self, record: Record, event_digest: bytes) -> None:
        if record.number == self.end.number:
            found, stored = self.end.event_digest, record.number
        else:
            if self._stored is None:
                self.flush()
                self._stored = EventReader(self.files, self.directory, record.number - 1, shard=self.shard)
            if not self._expected:
                self._expected.extend((frame.number, digest) for frame, _, digest in self._stored.poll())
            stored, found = self._expected.popleft() if self._expected else (0, b"")
        if stored != record.number or found != event_digest:
            raise EventsDiffer(
                f"the events of record {record.number} (command {record.next_seq - 1}) are not the log's"
            )
        if record.number == self.end.number and self._stored is not None:
            self._stored.close()
            self._stored = None
            self._expected.clear()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """After an OSError nobody knows what became durable, and asking again would say yes: it is final."""
        if self._failed:
            raise OSError(errno.EIO, self._failed)
        try:
            yield
        except OSError as error:
            self._failed = f"the events in {self.directory} could not be written: {error}"
            raise

    # Compressing

    def tend(self) -> bool:
        """Compress or compare one slice of a closed segment; a few milliseconds. False when there is nothing left."""
        with self._writing():
            if self._packing is None:
                if not self._may_pack:
                    return False
                closed = [
                    number
                    for number, path in list_segments(self.files, self.directory)
                    if path.name.endswith(LIVE) and not (self._handle is not None and number == self._live)
                ]
                if not closed:
                    self._may_pack = False
                    return False
                self._packing = self._pack(closed[0])
            try:
                next(self._packing)
            except StopIteration:
                self._packing = None
        return True

    def _pack(self, number: int) -> Generator[None, None, None]:
        """One closed segment, a slice at a time."""
        plain, packed = self.directory / live_name(number), self.directory / packed_name(number)
        if packed.name not in self.files.listdir(self.directory):
            yield from self._check(number)
            yield from self._compress(plain, packed)
        same = yield from self._same(plain, packed)
        if same:
            self.files.unlink(plain)
        else:  # it was damaged between two starts; the plain one is whole
            self.files.unlink(packed)
        self.files.fsync_dir(self.directory)

    def _check(self, number: int) -> Generator[None, None, None]:
        """Read every frame of a closed segment: damage is found while the log still gives it again. Raises
        EventsCorrupt."""
        following = min((first for first, _ in list_segments(self.files, self.directory) if first > number), default=0)
        with contextlib.closing(EventReader(self.files, self.directory, number - 1, shard=self.shard)) as reader:
            while (told := reader.poll(CHECK_RECORDS)) and told[-1][0].number < following - 1:
                yield

    def _compress(self, plain: Path, packed: Path) -> Generator[None, None, None]:
        beside = packed.with_name(packed.name + TEMPORARY)
        if beside.name in self.files.listdir(self.directory):
            self.files.unlink(beside)
        compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj()
        source, target = self.files.open(plain, writable=False), self.files.open(beside, create=True)
        try:
            at, written, unsynced = 0, 0, 0
            while piece := self.files.pread(source, EVENT_PACK_BYTES, at):
                at += len(piece)
                out = compressor.compress(piece)
                self.files.pwrite(target, out, written)
                written, unsynced = written + len(out), unsynced + len(out)
                if unsynced >= EVENT_SYNC_BYTES:
                    self.files.fdatasync(target)
                    unsynced = 0
                yield
            self.files.pwrite(target, compressor.flush(), written)
            self.files.fdatasync(target)
        finally:
            self.files.close(source)
            self.files.close(target)
        self.files.rename(beside, packed)
        self.files.fsync_dir(self.directory)

    def _same(self, plain: Path, packed: Path) -> Generator[None, None, bool]:
        """Whether the packed segment, read back, is the plain one."""
        left: Source = PlainSource(self.files, plain)
        try:
            right: Source = PackedSource(self.files, packed)
            try:
                at = 0
                while True:
                    piece = left.read(at, EVENT_PACK_BYTES)
                    try:
                        if piece != right.read(at, EVENT_PACK_BYTES):
                            return False
                    except BadFrame:
                        return False
                    if not piece:
                        return True
                    at += len(piece)
                    yield
            finally:
                right.close()
        finally:
            left.close()
