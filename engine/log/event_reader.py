"""Reading event segments while their writer lives, from another process: whole frames only, chain checked.

A frame that is half written is waited for. A damaged one before a whole one (or before the next segment) raises. The
writer may compress and unlink a segment meanwhile: an open one is read to its end, one that is gone is looked for anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import zstandard

from engine.limits import EVENT_PACK_BYTES, EVENT_READ_BYTES, SEGMENT_HEADER_BYTES
from engine.log.events import (
    LIVE,
    BadFrame,
    EventEnd,
    EventsCorrupt,
    Frame,
    decode_frame,
    decode_header,
    later_frame,
    list_segments,
)
from engine.log.files import Files
from engine.log.record import Record

READ_BYTES_IDLE = 16 * 1024  # looked at when nothing was new the last time
LIST_POLLS = 8  # idle polls until only each so many looks for a later segment: there may be a thousand to list
REOPEN_POLLS = 32  # idle polls until the live segment is opened anew: it may have been removed and made again
assert REOPEN_POLLS % LIST_POLLS == 0, "only a poll that lists comes so far"
LOOKS_MAX = 8  # for a segment that the writer has just compressed and unlinked


class Source(Protocol):
    """Bytes of one segment, whatever its form."""

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`; fewer only at the end. Raises BadFrame when they cannot be had."""
        ...

    def size(self) -> int | None:
        """Bytes in it, None when only reading to the end tells."""
        ...

    def close(self) -> None: ...


class PlainSource:
    """A live or closed segment as it was written."""

    def __init__(self, files: Files, path: Path) -> None:
        self._files = files
        self._handle = files.open(path, writable=False)

    def read(self, at: int, length: int) -> bytes:
        return self._files.pread(self._handle, length, at)

    def size(self) -> int | None:
        return self._files.size(self._handle)

    def close(self) -> None:
        self._files.close(self._handle)


class PackedSource:
    """A compressed segment, read forwards: `at` never falls."""

    def __init__(self, files: Files, path: Path) -> None:
        self._files = files
        self._handle = files.open(path, writable=False)
        self._stream = zstandard.ZstdDecompressor().decompressobj()
        self._packed_at = 0
        self._start = 0  # offset of the first byte held
        self._held = bytearray()

    def read(self, at: int, length: int) -> bytes:
        assert at >= self._start
        while self._start + len(self._held) < at + length and not self._stream.eof:
            piece = self._files.pread(self._handle, EVENT_PACK_BYTES, self._packed_at)
            self._packed_at += len(piece)
            try:
                if not piece:
                    raise zstandard.ZstdError("it ends before its end")
                self._held += self._stream.decompress(piece)
            except zstandard.ZstdError as error:
                raise BadFrame(f"it cannot be decompressed: {error}") from error
            if self._start + len(self._held) <= at:
                self._start += len(self._held)
                self._held.clear()
        if self._stream.eof and self._stream.unused_data:
            raise BadFrame("something follows its compressed end")
        drop = at - self._start
        if drop > EVENT_PACK_BYTES:
            del self._held[:drop]
            self._start, drop = at, 0
        return bytes(self._held[drop : drop + length])

    def size(self) -> int | None:
        return None

    def close(self) -> None:
        self._files.close(self._handle)


class EventReader:
    """`poll` returns the next records with their events, none when there is nothing new.

    after_number    records up to this one are passed over
    end             the last frame that was read

    Nothing is ever written. Raises EventsCorrupt; ValueError when the records asked for are no longer there.
    """

    def __init__(self, files: Files, directory: Path, after_number: int = 0, *, shard: int = 0) -> None:
        self.files, self.directory, self.shard, self.after_number = files, Path(directory), shard, after_number
        self.end = EventEnd()
        self._told: EventEnd | None = None  # the last frame handed out
        self._source: Source | None = None
        self._path = Path()
        self._first = 0  # first record of the segment that is open
        self._at = 0  # where the next frame stands in it
        self._window = EVENT_READ_BYTES
        self._idle = 0  # polls without anything new

    def poll(self, max_records: int = 1_000) -> list[tuple[Record, np.ndarray, bytes]]:
        """Up to `max_records` records (and about EVENT_READ_BYTES), each with its events and the digest after them."""
        if self._source is not None:
            found = self._new(self._take(max_records, None)[0])
            if found:
                return found
            if self._idle >= LIST_POLLS and self._idle % LIST_POLLS:
                self._idle += 1
                return []
        looks, again = 0, False
        while True:
            # Listed before the bytes are read: whatever stands before a later segment was written before it.
            segments = list_segments(self.files, self.directory)
            try:
                if self._source is None and not self._enter(segments):
                    return []
                later = next((segment for segment in segments if segment[0] > self._first), None)
                frames, ended = self._take(max_records, later[0] if later else None)
                went_on = ended and later is not None and self._next(*later, again)
            except FileNotFoundError:
                looks += 1
                if looks > LOOKS_MAX:
                    raise
                continue
            found = self._new(frames)
            if found:
                return found
            if ended and later is not None:
                again = not went_on
                if again:
                    self._reopen()
            elif not frames:
                if self._idle and self._idle % REOPEN_POLLS == 0:
                    self._reopen()
                self._idle += 1
                return []

    def _new(self, frames: list[Frame]) -> list[tuple[Record, np.ndarray, bytes]]:
        """What of these frames was asked for."""
        found = [
            (frame.record, frame.events, frame.event_digest)
            for frame in frames
            if frame.record.number > self.after_number
        ]
        self._idle = 0 if found else self._idle
        return found

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = None

    # Segments

    def _enter(self, segments: list[tuple[int, Path]]) -> bool:
        """Open the segment that holds the next record; False when there is none yet."""
        if not segments:
            return False
        wanted = max(self.after_number, self.end.number) + 1
        first, path = next((found for found in reversed(segments) if found[0] <= wanted), segments[0])
        source, before = self._open(path)
        if before.number > wanted - 1:
            source.close()
            raise ValueError(f"the events in {self.directory} begin after record {before.number}, not {wanted - 1}")
        self._source, self._path, self._first, self._at = source, path, first, SEGMENT_HEADER_BYTES
        self.end, self.after_number = before, wanted - 1
        return True

    def _next(self, first: int, path: Path, again: bool) -> bool:
        """Go on to the next segment. False when it does not follow: what is open may have been removed and made anew;
        `again` when it was opened anew already."""
        source, before = self._open(path)
        if before != self.end:
            source.close()
            if again:
                raise EventsCorrupt(path.name, 0, self.end.number, f"it does not follow {self._path.name}")
            return False
        self.close()
        self._source, self._path, self._first, self._at = source, path, first, SEGMENT_HEADER_BYTES
        return True

    def _open(self, path: Path) -> tuple[Source, EventEnd]:
        """A segment, and where the events before it end."""
        source: Source = (PlainSource if path.name.endswith(LIVE) else PackedSource)(self.files, path)
        try:
            return source, decode_header(source.read(0, SEGMENT_HEADER_BYTES), path.name, self.shard)
        except BadFrame as bad:
            source.close()
            raise EventsCorrupt(path.name, 0, self.end.number, str(bad)) from bad
        except BaseException:
            source.close()
            raise

    def _reopen(self) -> None:
        """The live segment as it is called now, at the same place; by number when its name is gone."""
        if isinstance(self._source, PlainSource):
            self.close()
            try:
                self._source = PlainSource(self.files, self._path)
            except FileNotFoundError:
                self.after_number = max(self.after_number, self.end.number)

    # Frames

    def _take(self, max_records: int, later: int | None) -> tuple[list[Frame], bool]:
        """Whole frames from the present place on, and whether nothing at all follows them."""
        frames, trouble = self._find(max_records, self._window)
        # Half written, or damaged. What a second look still finds damaged before a whole frame is.
        if trouble is not None and self._what_follows(later):
            frames, trouble = self._find(max_records, EVENT_READ_BYTES)
            witness = trouble is not None and self._what_follows(later)
            if witness:
                raise EventsCorrupt(self._path.name, self._at, self.end.number, f"{trouble}; {witness} follows it")
        for frame in frames:
            if frame.record.number > self.after_number:
                if self._told not in (None, self.end):
                    why = f"record {self.end.number} before it is not the one that was read before"
                    raise EventsCorrupt(self._path.name, self._at, self.end.number, why)
                self._told = frame.end
            self.end = frame.end
            self._at += frame.length
        self._window = EVENT_READ_BYTES if frames else READ_BYTES_IDLE
        return frames, not frames and trouble is None

    def _find(self, max_records: int, window: int) -> tuple[list[Frame], BadFrame | None]:
        """Whole frames that stand here, or why none does; both empty at the end."""
        frames, trouble, looked = self._look(max_records, window)
        if trouble is not None and not frames and window < EVENT_READ_BYTES:
            frames, trouble, looked = self._look(max_records, EVENT_READ_BYTES)
        length = trouble.length if trouble is not None and not frames else None
        if length is not None and length > looked and self._holds(length):
            frames, trouble, looked = self._look(max_records, length)
        return frames, None if frames else trouble

    def _look(self, max_records: int, window: int) -> tuple[list[Frame], BadFrame | None, int]:
        """Frames in the next `window` bytes, why no more stand there (None: nothing does), and how many bytes there
        are."""
        assert self._source is not None
        try:
            buffer = self._source.read(self._at, window)
        except BadFrame as bad:
            raise EventsCorrupt(self._path.name, self._at, self.end.number, str(bad)) from bad
        frames: list[Frame] = []
        end, at = self.end, 0
        while len(frames) < max_records and at < len(buffer):
            try:
                frame = decode_frame(buffer, at)
            except BadFrame as bad:
                return frames, bad, len(buffer)
            fault = frame.fault(end, self.shard)
            if fault:
                raise EventsCorrupt(self._path.name, self._at + at, end.number, fault)
            frames.append(frame)
            end, at = frame.end, at + frame.length
        return frames, None, len(buffer)

    def _holds(self, length: int) -> bool:
        assert self._source is not None
        size = self._source.size()
        return size is None or size - self._at >= length

    def _what_follows(self, later: int | None) -> str | None:
        """What stands after the frame that is missing here, and so says that it was whole once."""
        assert self._source is not None
        if later is not None:
            return f"the segment of record {later}"
        size = self._source.size()
        rest = self._source.read(self._at, EVENT_READ_BYTES if size is None else max(0, size - self._at))
        frame = later_frame(rest, 0, self.end.number)
        return f"record {frame.record.number}" if frame is not None else None
