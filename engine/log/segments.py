"""A segment: one file of the log, of fixed length, zeroed and synced before its first record is written into it.

    header 4,096 B | record, padded to 64 B | record ... | zeros

A segment is named by the number of its first record. It is prepared under another name, gets its header when the record
before its first is durable, and is then renamed and the directory synced: a header that is there is whole, and says
that every record before it was durable.

How a file is read: records follow each other from the header on. Where no whole record stands, either nothing but
zeros follows (the end), or a valid record further on says that the bad one was once durable (corruption: refuse), or
neither (a torn tail: a write that was never acknowledged).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

from engine.limits import RECORD_ALIGN_BYTES, SEGMENT_HEADER_BYTES
from engine.log.files import Files
from engine.log.interface import LogCorrupt, Tail
from engine.log.record import MAGIC as RECORD_MAGIC
from engine.log.record import BadRecord, Record, decode_record, padded

MAGIC = int.from_bytes(b"QHS1", "little")
VERSION = 1
SUFFIX = ".seg"
PREPARED = "prepared.tmp"  # the next segment, zeroed, not yet part of the log
# Written and synced at a time while commits go on beside it. Of a commit's 110 us becomes about 300 at this size, 700
# and more at 1 MiB; a whole segment takes 0.1 to 0.3 s.
ZERO_CHUNK_BYTES = 256 * 1024

HEADER = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u4"),
        ("crc", "<u4"),  # CRC32C over the 4,096 bytes, this field read as zero
        ("shard", "<u4"),
        ("segment_bytes", "<u8"),
        ("first_number", "<u8"),  # of the first record
        ("first_seq", "<u8"),  # of the first record
        ("prev_ts_ns", "<i8"),  # of the record before
        ("prev_digest", "V16"),  # of the record before
        ("prev_epoch", "<u4"),  # of the record before
        ("reserved", f"V{SEGMENT_HEADER_BYTES - 68}"),
    ]
)
assert HEADER.itemsize == SEGMENT_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    shard: int
    segment_bytes: int
    tail: Tail  # of the log before this segment

    @property
    def first_number(self) -> int:
        return self.tail.next_number


def segment_name(first_number: int) -> str:
    return f"{first_number:016d}{SUFFIX}"


def encode_segment_header(shard: int, segment_bytes: int, tail: Tail) -> bytes:
    header = np.zeros((), HEADER)
    header["magic"], header["version"], header["shard"] = MAGIC, VERSION, shard
    header["segment_bytes"] = segment_bytes
    header["first_number"], header["first_seq"] = tail.next_number, tail.next_seq
    header["prev_ts_ns"], header["prev_epoch"] = tail.ts_ns, tail.epoch
    header["prev_digest"] = np.void(tail.digest)
    header["crc"] = google_crc32c.value(header.tobytes())
    return header.tobytes()


def decode_segment_header(raw: bytes) -> SegmentHeader:
    """Raises BadRecord when the 4,096 bytes are no segment header."""
    if len(raw) < SEGMENT_HEADER_BYTES:
        raise BadRecord(f"the file ends after {len(raw)} bytes, within its header")
    raw = bytes(raw[:SEGMENT_HEADER_BYTES])
    header = np.frombuffer(raw, HEADER)[0]
    if header["magic"] != MAGIC:
        raise BadRecord(f"no segment magic (found {int(header['magic']):#010x})")
    if int(header["crc"]) != google_crc32c.value(raw[:8] + b"\0\0\0\0" + raw[12:]):
        raise BadRecord("checksum of the segment header differs")
    if header["version"] != VERSION:
        raise BadRecord(f"segment version {int(header['version'])}; this release reads {VERSION}")
    tail = Tail(
        int(header["first_seq"]),
        int(header["first_number"]),
        bytes(header["prev_digest"]),
        int(header["prev_ts_ns"]),
        int(header["prev_epoch"]),
    )
    return SegmentHeader(int(header["shard"]), int(header["segment_bytes"]), tail)


def list_segments(files: Files, directory: Path) -> list[Path]:
    """Segments of a directory in order of their first record. Raises LogCorrupt for a name that is no number."""
    names = [name for name in files.listdir(directory) if name.endswith(SUFFIX)]
    for name in names:
        if not (name[: -len(SUFFIX)].isascii() and name[: -len(SUFFIX)].isdigit()):
            raise LogCorrupt(name, 0, 0, "a segment is named by a record number")
    return [directory / name for name in sorted(names, key=lambda name: int(name[: -len(SUFFIX)]))]


def check_segment_header(raw: bytes, path: Path, shard: int) -> SegmentHeader:
    """Header of a segment from its first bytes. Raises LogCorrupt."""
    try:
        header = decode_segment_header(raw)
    except BadRecord as bad:
        raise LogCorrupt(path.name, 0, 0, str(bad)) from bad
    if not path.name.startswith(segment_name(header.first_number)):
        raise LogCorrupt(path.name, 0, header.tail.next_seq, f"its header says record {header.first_number}")
    if header.shard != shard:
        raise LogCorrupt(path.name, 0, header.tail.next_seq, f"it belongs to shard {header.shard}, not {shard}")
    return header


def prepare_segment(files: Files, directory: Path, segment_bytes: int) -> Path:
    """A file of zeros, synced, under the prepared name; whatever was left there before is replaced."""
    path = directory / PREPARED
    if PREPARED in files.listdir(directory):
        files.unlink(path)
    handle = files.open(path, create=True)
    try:
        zero(files, handle, 0, segment_bytes)
    finally:
        files.close(handle)
    return path


def publish_segment(files: Files, directory: Path, shard: int, segment_bytes: int, tail: Tail) -> tuple[Path, int]:
    """Turn the prepared file into the segment that follows `tail`. Returns its path and open handle."""
    path = directory / segment_name(tail.next_number)
    handle = files.open(directory / PREPARED)
    files.pwrite(handle, encode_segment_header(shard, segment_bytes, tail), 0)
    files.fdatasync(handle)
    files.rename(directory / PREPARED, path)
    files.fsync_dir(directory)
    return path, handle


def zero(files: Files, handle: int, start: int, end: int) -> None:
    """Write zeros from `start` to `end` and sync them."""
    for at in range(start, end, ZERO_CHUNK_BYTES):
        files.pwrite(handle, bytes(min(ZERO_CHUNK_BYTES, end - at)), at)
        files.fdatasync(handle)


class Walk:
    """Records of one segment's bytes, chain checked, and where and why they end."""

    def __init__(self, name: str, buffer: bytes, tail: Tail, shard: int, at: int = SEGMENT_HEADER_BYTES) -> None:
        self.name, self.buffer, self.tail, self.shard, self.at = name, buffer, tail, shard, at
        self.trouble: BadRecord | None = None  # why no record stands at `at`; None before the end

    def __iter__(self) -> Iterator[Record]:
        """Raises LogCorrupt for a whole record that does not follow the one before."""
        while True:
            try:
                record = decode_record(self.buffer, self.at)
            except BadRecord as bad:
                self.trouble = bad
                return
            fault = self.tail.fault(record)
            if record.shard != self.shard:
                fault = f"record {record.number} belongs to shard {record.shard}, not {self.shard}"
            if fault:
                raise LogCorrupt(self.name, self.at, self.tail.next_seq, fault)
            self.tail = self.tail.after(record)
            self.at += padded(len(record.raw))
            yield record

    def clean(self) -> bool:
        """Whether nothing but zeros follows the last record."""
        return not np.frombuffer(self.buffer, np.uint8, offset=min(self.at, len(self.buffer))).any()

    def witness(self) -> Record | None:
        """A valid record beyond the end that says the record missing at `at` was durable."""
        start = self.at + RECORD_ALIGN_BYTES
        words = np.frombuffer(self.buffer, "<u4", count=len(self.buffer) // 4)[start // 4 :: RECORD_ALIGN_BYTES // 4]
        for place in np.flatnonzero(words == RECORD_MAGIC):
            try:
                record = decode_record(self.buffer, start + int(place) * RECORD_ALIGN_BYTES)
            except BadRecord:
                continue
            if record.shard == self.shard and record.number > self.tail.next_number <= record.durable_through:
                return record
        return None
