"""The record: one batch of commands, one sync. Encoding, decoding and the chain that ties records together.

    header 128 B | rows 64 B x count | extension rows 64 B x extensions | blob | zero padding to 64 B

All little-endian. `crc` is CRC32C over the whole record (padding left out) with the crc field itself read as zero.
`prev_digest` is BLAKE2b-128 of the record before, as it stands on disk: altering any record breaks every later one.
`number` counts records; `durable_through` is the number of the last record known durable when this one was written, so
that a reader of a damaged file can tell a torn tail (never acknowledged) from corruption (once durable).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

import google_crc32c
import numpy as np

from engine.codes import GENERATION as GENERATION
from engine.limits import (
    RECORD_ALIGN_BYTES,
    RECORD_BYTES_MAX,
    RECORD_COMMANDS_MAX,
    RECORD_HEADER_BYTES,
    ROW_BYTES,
)
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, EXTENSION

MAGIC = int.from_bytes(b"QHR1", "little")
DIGEST_BYTES = 16
GENESIS_DIGEST = bytes(DIGEST_BYTES)  # prev_digest of record 1, and the event digest before any event

HEADER = np.dtype(
    [
        ("magic", "<u4"),
        ("length", "<u4"),  # bytes, header to end of blob, padding left out
        ("crc", "<u4"),
        ("shard", "<u4"),
        ("generation", "<u4"),  # of the rules
        ("epoch", "<u4"),  # of the writer
        ("first_seq", "<u8"),  # of the first command; of the next command where count = 0
        ("count", "<u4"),
        ("extensions", "<u4"),
        ("blob_length", "<u4"),
        ("flags", "<u4"),  # zero so far
        ("ts_ns", "<i8"),
        ("number", "<u8"),  # of this record, from 1
        ("prev_digest", "V16"),
        ("durable_through", "<u8"),  # record number
        ("applied_seq", "<u8"),  # last command the writer had applied
        ("event_digest", "V16"),  # of all events up to applied_seq
        ("reserved", "V16"),
    ]
)
_PACKED = Struct("<IIIIIIQIIIIqQ16sQQ16s16s")  # the same fields: reading them one by one as NumPy scalars costs 5 us
assert HEADER.itemsize == _PACKED.size == RECORD_HEADER_BYTES


class BadRecord(ValueError):
    """The bytes are no whole record. The message says what is wrong with them."""


@dataclass(slots=True)
class Record:
    """One decoded record. `raw` are its bytes without padding; `digest` is BLAKE2b-128 of them."""

    shard: int
    generation: int
    epoch: int
    first_seq: int
    ts_ns: int
    number: int
    prev_digest: bytes
    durable_through: int
    applied_seq: int
    event_digest: bytes
    batch: Batch
    raw: bytes
    digest: bytes

    @property
    def count(self) -> int:
        return len(self.batch)

    @property
    def next_seq(self) -> int:
        return self.first_seq + self.count


def padded(length: int) -> int:
    """`length` rounded up to the record alignment."""
    return -(-length // RECORD_ALIGN_BYTES) * RECORD_ALIGN_BYTES


def encode_record(
    batch: Batch,
    *,
    shard: int,
    generation: int,
    epoch: int,
    first_seq: int,
    ts_ns: int,
    number: int,
    prev_digest: bytes,
    durable_through: int,
    applied_seq: int,
    event_digest: bytes,
) -> Record:
    """A record with its bytes and digest. Raises ValueError when the batch is over RECORD_COMMANDS_MAX or the whole
    over RECORD_BYTES_MAX: a caller splits batches before it comes here."""
    length = RECORD_HEADER_BYTES + batch.nbytes
    if len(batch) > RECORD_COMMANDS_MAX or length > RECORD_BYTES_MAX:
        raise ValueError(f"batch of {len(batch)} commands, {length} bytes does not fit one record")
    assert int(batch.rows["body_length"].sum()) == len(batch.blob), "bodies and blob disagree"
    assert len(prev_digest) == len(event_digest) == DIGEST_BYTES
    head = _PACKED.pack(
        MAGIC, length, 0, shard, generation, epoch, first_seq, len(batch), len(batch.extensions), len(batch.blob),
        0, ts_ns, number, prev_digest, durable_through, applied_seq, event_digest, b"",
    )  # fmt: skip
    body = b"".join((batch.rows.tobytes(), batch.extensions.tobytes(), batch.blob))
    crc = google_crc32c.extend(google_crc32c.value(head), body)
    raw = b"".join((head[:8], crc.to_bytes(4, "little"), head[12:], body))
    return Record(
        shard, generation, epoch, first_seq, ts_ns, number, prev_digest, durable_through, applied_seq, event_digest,
        batch, raw, digest_of(raw),
    )  # fmt: skip


def digest_of(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=DIGEST_BYTES).digest()


def decode_record(buffer: bytes | memoryview, at: int = 0) -> Record:
    """The record that begins at `at`. Raises BadRecord unless header, lengths and checksum all agree.

    The chain (number, prev_digest, first_seq) is the reader's to check: it needs the record before.
    """
    view = memoryview(buffer)[at:]
    if len(view) < RECORD_HEADER_BYTES:
        raise BadRecord(f"{len(view)} bytes are left, a header is {RECORD_HEADER_BYTES}")
    (
        magic, length, crc, shard, generation, epoch, first_seq, count, extensions, blob_length, _flags, ts_ns, number,
        prev_digest, durable_through, applied_seq, event_digest, _reserved,
    ) = _PACKED.unpack_from(view)  # fmt: skip
    if magic != MAGIC:
        raise BadRecord(f"no record magic (found {magic:#010x})")
    if length > RECORD_BYTES_MAX or count > RECORD_COMMANDS_MAX:
        raise BadRecord(f"length {length} or count {count} over the limit")
    if length != RECORD_HEADER_BYTES + (count + extensions) * ROW_BYTES + blob_length:
        raise BadRecord(f"length {length} is not that of its parts")
    if len(view) < length:
        raise BadRecord(f"{len(view)} bytes are left, the record has {length}")
    raw = bytes(view[:length])
    if crc != google_crc32c.value(raw[:8] + b"\0\0\0\0" + raw[12:]):
        raise BadRecord("checksum differs")
    at_extensions = RECORD_HEADER_BYTES + count * ROW_BYTES
    at_blob = at_extensions + extensions * ROW_BYTES
    batch = Batch(
        np.frombuffer(raw, COMMAND, count, RECORD_HEADER_BYTES),
        np.frombuffer(raw, EXTENSION, extensions, at_extensions),
        raw[at_blob:],
    )
    if int(batch.rows["body_length"].sum(dtype=np.int64)) != blob_length:
        raise BadRecord("bodies and blob disagree")
    return Record(
        shard, generation, epoch, first_seq, ts_ns, number, prev_digest, durable_through, applied_seq, event_digest,
        batch, raw, digest_of(raw),
    )  # fmt: skip


def chain_events(event_digest: bytes, events: np.ndarray) -> bytes:
    """Event digest after one record: BLAKE2b-128 over the digest before and the record's event rows (EVENT[n])."""
    return blake2b(event_digest + events.tobytes(), digest_size=DIGEST_BYTES).digest()
