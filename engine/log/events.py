"""Event segments: what the venue decided, record by record, beside the commands that led there. For sinks to read.

    header 4,096 B | frame | frame ...                 frame: header 64 B | record, padded to 64 B | events 64 B each

A frame holds one record with commands (records without any have no events and no frame): its raw bytes, its event rows
and the event digest after them. The digest chains frames: it is BLAKE2b-128 over the digest before and the rows, and
the record's first sequence follows the last of the frame before. All little-endian.

A live segment `{number}.evt` is named by its first record; closed ones become `{number}.evt.zst`, the same bytes under
zstd. Segments are derived: the log gives them again, so whatever is damaged may be cut and written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import google_crc32c
import numpy as np

from engine.limits import (
    EVENT_FRAME_BYTES_MAX,
    RECORD_ALIGN_BYTES,
    RECORD_BYTES_MAX,
    ROW_BYTES,
    SEGMENT_HEADER_BYTES,
)
from engine.log.files import Files
from engine.log.record import DIGEST_BYTES, GENESIS_DIGEST, BadRecord, Record, chain_events, decode_record, padded
from engine.messages.rows import EVENT

SEGMENT_MAGIC = int.from_bytes(b"QHES", "little")
FRAME_MAGIC = int.from_bytes(b"QHE1", "little")
VERSION = 1
LIVE, PACKED = ".evt", ".evt.zst"
TEMPORARY = ".tmp"

# magic, version, crc (CRC32C over the 4,096 bytes, this field read as zero), shard, first number; number, sequence and
# event digest before it
_SEGMENT = Struct("<IIIIQQQ16s")
# magic, crc (CRC32C over the whole frame, this field read as zero), length, number, synced number, record bytes,
# events, event digest after
FRAME = Struct("<IIQQQII16s8x")
FRAME_HEADER_BYTES = FRAME.size
assert FRAME_HEADER_BYTES == RECORD_ALIGN_BYTES == ROW_BYTES, "frames and their events stand on multiples of 64 B"


class EventEnd(NamedTuple):
    """Where events end: the record of the last frame."""

    number: int = 0  # record
    seq: int = 0  # its last command
    event_digest: bytes = GENESIS_DIGEST  # of all events up to it


class EventsCorrupt(Exception):
    """A frame that was whole is damaged or missing. The log still gives it."""

    def __init__(self, segment: str, offset: int, number: int, why: str) -> None:
        super().__init__(f"event segment {segment} is damaged at byte {offset}, after record {number}: {why}")
        self.segment, self.offset, self.number, self.why = segment, offset, number, why


class EventsDiffer(Exception):
    """The log and the event segments disagree: the segments were made from another log."""


class BadFrame(ValueError):
    """The bytes are no whole frame. `length` is what its header says it has, None where there is no header."""

    def __init__(self, why: str, length: int | None = None) -> None:
        super().__init__(why)
        self.length = length


@dataclass(frozen=True, slots=True)
class Frame:
    record: Record
    events: np.ndarray  # EVENT[n]
    event_digest: bytes  # after the record
    synced_number: int  # of the last record whose frame was known durable when this one was written
    length: int  # bytes

    @property
    def end(self) -> EventEnd:
        return EventEnd(self.record.number, self.record.next_seq - 1, self.event_digest)

    def fault(self, end: EventEnd, shard: int) -> str | None:
        """Why this frame cannot follow `end`, or None when it does."""
        record = self.record
        if record.shard != shard:
            return f"record {record.number} belongs to shard {record.shard}, not {shard}"
        if record.number <= end.number:
            return f"record {record.number} stands after record {end.number}"
        if record.first_seq != end.seq + 1:
            return f"record {record.number} begins at command {record.first_seq}, not {end.seq + 1}"
        if chain_events(end.event_digest, self.events) != self.event_digest:
            return f"the events of record {record.number} do not lead to its digest"
        return None


def encode_frame(record: Record, events: np.ndarray, event_digest: bytes, synced_number: int) -> bytes:
    """`record` has commands; `events` (EVENT[n]) are its rows, `event_digest` is the digest after them."""
    assert record.count and len(event_digest) == DIGEST_BYTES
    room = padded(len(record.raw))
    length = FRAME_HEADER_BYTES + room + len(events) * ROW_BYTES
    assert length <= EVENT_FRAME_BYTES_MAX
    head = FRAME.pack(FRAME_MAGIC, 0, length, record.number, synced_number, len(record.raw), len(events), event_digest)
    frame = b"".join((head, record.raw, bytes(room - len(record.raw)), events.tobytes()))
    return frame[:4] + google_crc32c.value(frame).to_bytes(4, "little") + frame[8:]


def decode_frame(buffer: bytes, at: int = 0) -> Frame:
    """The frame that begins at `at`. Raises BadFrame unless header, lengths, checksum and record all agree."""
    if len(buffer) - at < FRAME_HEADER_BYTES:
        raise BadFrame(f"{len(buffer) - at} bytes are left, a frame header is {FRAME_HEADER_BYTES}")
    magic, crc, length, number, synced_number, record_bytes, count, event_digest = FRAME.unpack_from(buffer, at)
    if magic != FRAME_MAGIC:
        raise BadFrame(f"no frame magic (found {magic:#010x})")
    at_events = FRAME_HEADER_BYTES + padded(record_bytes)
    if length != at_events + count * ROW_BYTES or length > EVENT_FRAME_BYTES_MAX or record_bytes > RECORD_BYTES_MAX:
        raise BadFrame(f"length {length} is not that of its parts")
    if len(buffer) - at < length:
        raise BadFrame(f"{len(buffer) - at} bytes are left, the frame has {length}", length)
    raw = buffer[at : at + length]
    if crc != google_crc32c.value(raw[:4] + b"\0\0\0\0" + raw[8:]):
        raise BadFrame("checksum differs", length)
    try:
        record = decode_record(raw[FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + record_bytes])
    except BadRecord as bad:
        raise BadFrame(f"its record is none: {bad}", length) from bad
    if record.number != number or len(record.raw) != record_bytes or not record.count:
        raise BadFrame(f"it holds record {record.number}, not {number}", length)
    return Frame(record, np.frombuffer(raw, EVENT, count, at_events), event_digest, synced_number, length)


def later_frame(buffer: bytes, at: int, number: int) -> Frame | None:
    """A whole frame beyond the one missing at `at`, of a record after `number`: then that one was written, too."""
    start = at + RECORD_ALIGN_BYTES
    words = np.frombuffer(buffer, "<u4", count=len(buffer) // 4)[start // 4 :: RECORD_ALIGN_BYTES // 4]
    for place in np.flatnonzero(words == FRAME_MAGIC):
        try:
            frame = decode_frame(buffer, start + int(place) * RECORD_ALIGN_BYTES)
        except BadFrame:
            continue
        if frame.record.number > number:
            return frame
    return None


def encode_header(shard: int, first_number: int, end: EventEnd) -> bytes:
    """Header of the segment whose first frame is of record `first_number` and follows `end`."""
    raw = _SEGMENT.pack(SEGMENT_MAGIC, VERSION, 0, shard, first_number, end.number, end.seq, end.event_digest).ljust(
        SEGMENT_HEADER_BYTES, b"\0"
    )
    return raw[:8] + google_crc32c.value(raw).to_bytes(4, "little") + raw[12:]


def decode_header(raw: bytes, name: str, shard: int) -> EventEnd:
    """Where the events before the segment `name` end. Raises BadFrame."""
    if len(raw) < SEGMENT_HEADER_BYTES:
        raise BadFrame(f"the segment ends after {len(raw)} bytes, within its header")
    magic, version, crc, of_shard, first_number, *end = _SEGMENT.unpack_from(raw)
    if magic != SEGMENT_MAGIC:
        raise BadFrame(f"no segment magic (found {magic:#010x})")
    if crc != google_crc32c.value(raw[:8] + b"\0\0\0\0" + raw[12:SEGMENT_HEADER_BYTES]):
        raise BadFrame("checksum of the segment header differs")
    if version != VERSION:
        raise BadFrame(f"event segment version {version}; this release reads {VERSION}")
    if of_shard != shard:
        raise BadFrame(f"it belongs to shard {of_shard}, not {shard}")
    if first_number != number_of(name):
        raise BadFrame(f"its header says record {first_number}")
    return EventEnd(*end)


def live_name(first_number: int) -> str:
    return f"{first_number:016d}{LIVE}"


def packed_name(first_number: int) -> str:
    return f"{first_number:016d}{PACKED}"


def number_of(name: str) -> int | None:
    """First record of the segment with this file name, None for another file."""
    stem = name.removesuffix(".zst").removesuffix(LIVE)
    return int(stem) if name in (stem + LIVE, stem + PACKED) and stem.isascii() and stem.isdigit() else None


def list_segments(files: Files, directory: Path) -> list[tuple[int, Path]]:
    """(first record, path) of every segment in order. Where both forms are there, the plain one counts: the packed one
    may not have been compared yet."""
    found: dict[int, str] = {}
    for name in files.listdir(directory):  # sorted: a packed name comes after its plain one
        number = number_of(name)
        if number is not None:
            found.setdefault(number, name)
    return [(number, directory / found[number]) for number in sorted(found)]


def remove_events(files: Files, directory: Path) -> None:
    """Delete every event segment, the last one first: what a crash leaves is a whole beginning."""
    names = [name for name in files.listdir(directory) if number_of(name) is not None or name.endswith(TEMPORARY)]
    for name in reversed(names):
        files.unlink(directory / name)
    if names:
        files.fsync_dir(directory)
