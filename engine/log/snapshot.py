"""A snapshot: the whole state after one record, in one file, so that a start need not replay the log from record 1.

    header 4,096 B | directory (msgpack), padded to 64 B | section, padded to 64 B | section ... to the end of the file

The header says where in the log it stands (the `Tail` after its record), which generation of the rules made it, and the
hashes of the state and of all events until there. The directory names the sections, their dtypes and places. Header,
directory and every section have a CRC32C over all of their bytes, padding included: a damaged bit anywhere is seen.

It is written under another name in small synced pieces, renamed, and the directory synced: what bears the name is
whole. A snapshot is derived from the log and is never needed to tell what happened, only to tell it soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import msgspec
import numpy as np

from engine.limits import SNAPSHOT_CHUNK_BYTES, SNAPSHOT_DIRECTORY_BYTES_MAX, SNAPSHOTS_KEPT
from engine.log.files import Files
from engine.log.interface import Tail

MAGIC = int.from_bytes(b"QHN1", "little")
VERSION = 1
SUFFIX = ".snap"
TEMPORARY = ".snap.tmp"
HEADER_BYTES = 4_096
ALIGN_BYTES = 64

HEADER = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u4"),
        ("crc", "<u4"),  # CRC32C over the 4,096 bytes, this field read as zero
        ("shard", "<u4"),
        ("generation", "<u4"),
        ("epoch", "<u4"),  # of the last record
        ("next_seq", "<u8"),
        ("next_number", "<u8"),
        ("ts_ns", "<i8"),  # of the last record
        ("digest", "V16"),  # of the last record
        ("event_digest", "V16"),
        ("state_hash", "V16"),
        ("file_bytes", "<u8"),
        ("directory_bytes", "<u4"),  # without padding
        ("directory_crc", "<u4"),  # with padding
        ("state_ts_ns", "<i8"),  # of the last record that had commands
        ("reserved", f"V{HEADER_BYTES - 120}"),
    ]
)
assert HEADER.itemsize == HEADER_BYTES

Section = np.ndarray | bytes


class BadSnapshot(ValueError):
    """The file is no whole snapshot, or its state is not the one it says."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"snapshot {name} cannot be used: {why}")
        self.name, self.why = name, why


@dataclass(slots=True)
class Snapshot:
    """`sections` by name: arrays of one dimension, or bytes. Those under "extra/" belong to no rule (folds of events
    that a reader wants soon after a start); the state hash covers the others."""

    shard: int
    generation: int
    tail: Tail  # of the log after the record it stands at
    ts_ns: int  # venue time of the last command
    event_digest: bytes
    state_hash: bytes
    sections: dict[str, Section]
    made_by: dict[str, str] = field(default_factory=dict)  # versions, for a reader of the file
    migrated: tuple[int, bytes] | None = None  # generation and state hash that it had in its file, once it was migrated

    @property
    def number(self) -> int:
        """Record it stands at."""
        return self.tail.next_number - 1

    @property
    def seq(self) -> int:
        return self.tail.next_seq - 1


class _Entry(msgspec.Struct, array_like=True):
    name: str
    form: list[tuple[str, str]] | str | None  # dtype description; None: bytes
    count: int  # rows, or bytes
    offset: int
    crc: int  # of the section with its padding


class _Directory(msgspec.Struct, array_like=True):
    made_by: dict[str, str]
    entries: list[_Entry]


def snapshot_name(number: int) -> str:
    return f"{number:016d}{SUFFIX}"


def list_snapshots(files: Files, directory: Path) -> list[int]:
    """Record numbers of the snapshots in a directory, newest first. Names that are no number are not ours."""
    names = [name.removesuffix(SUFFIX) for name in files.listdir(directory) if name.endswith(SUFFIX)]
    return sorted((int(name) for name in names if name.isascii() and name.isdigit()), reverse=True)


def write_snapshot(
    files: Files, directory: Path, snapshot: Snapshot, *, pause: Callable[[], None] = lambda: None
) -> Path:
    """Write, sync, rename, sync the directory. `pause` is called after every synced piece, so that the log's own
    commits on the same disk never wait for long. Raises OSError; then nothing bears the name."""
    files.makedirs(directory)
    temporary = directory / f"{snapshot.number:016d}{TEMPORARY}"
    if temporary.name in files.listdir(directory):
        files.unlink(temporary)
    handle = files.open(temporary, create=True)
    try:
        at = 0
        for piece in _pieces(snapshot):
            files.pwrite(handle, piece, at)
            files.fdatasync(handle)
            at += len(piece)
            pause()
    finally:
        files.close(handle)
    path = directory / snapshot_name(snapshot.number)
    files.rename(temporary, path)
    files.fsync_dir(directory)
    return path


def prune_snapshots(files: Files, directory: Path) -> None:
    """Keep the SNAPSHOTS_KEPT newest, and of every earlier generation its last one: the next generation began there.
    The others go, and what a killed writer left."""
    removed = [directory / name for name in files.listdir(directory) if name.endswith(TEMPORARY)]
    later: int | None = None  # generation of the snapshot that follows
    for place, number in enumerate(list_snapshots(files, directory)):
        path = directory / snapshot_name(number)
        try:
            generation: int | None = read_header(files, path).generation
        except BadSnapshot:
            generation = later
        if place >= SNAPSHOTS_KEPT and generation == later:
            removed.append(path)
        later = generation
    for path in removed:
        files.unlink(path)
    if removed:
        files.fsync_dir(directory)


def read_header(files: Files, path: Path) -> Snapshot:
    """Everything but the sections. Raises BadSnapshot, OSError."""
    handle = files.open(path, writable=False)
    try:
        return _header(path.name, files.pread(handle, HEADER_BYTES, 0), files.size(handle))[0]
    finally:
        files.close(handle)


def read_snapshot(files: Files, path: Path) -> Snapshot:
    """The snapshot with its sections (views of what was read). Raises BadSnapshot unless every byte is as it was
    written, OSError."""
    handle = files.open(path, writable=False)
    try:
        size = files.size(handle)
        raw = files.pread(handle, size, 0)
    finally:
        files.close(handle)
    snapshot, directory_bytes, directory_crc = _header(path.name, raw[:HEADER_BYTES], len(raw))
    view = memoryview(raw)
    end = HEADER_BYTES + _padded(directory_bytes)
    if google_crc32c.value(raw[HEADER_BYTES:end]) != directory_crc:
        raise BadSnapshot(path.name, "the checksum of its directory differs")
    try:
        directory = msgspec.msgpack.decode(view[HEADER_BYTES : HEADER_BYTES + directory_bytes], type=_Directory)
        for entry in directory.entries:
            form = None if entry.form is None else np.dtype(entry.form)
            length = entry.count * (1 if form is None else form.itemsize)
            if entry.offset != end or not 0 <= length <= len(raw) - end:
                raise BadSnapshot(path.name, f"section {entry.name} is not where it should be")
            end += _padded(length)
            if google_crc32c.value(bytes(view[entry.offset : end])) != entry.crc:
                raise BadSnapshot(path.name, f"the checksum of section {entry.name} differs")
            if form is None:
                snapshot.sections[entry.name] = bytes(view[entry.offset : entry.offset + length])
            else:
                snapshot.sections[entry.name] = np.frombuffer(raw, form, entry.count, entry.offset)
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        if isinstance(error, BadSnapshot):
            raise
        raise BadSnapshot(path.name, f"its directory cannot be read: {error}") from error
    if end != len(raw):
        raise BadSnapshot(path.name, f"{len(raw) - end} bytes follow its last section")
    snapshot.made_by = directory.made_by
    return snapshot


def section_group(
    sections: dict[str, Section], prefix: str, forms: dict[str, np.dtype | None] | None = None
) -> dict[str, Any]:
    """Sections under a prefix, without it. Raises ValueError where `forms` (dtype; None: bytes) says otherwise."""
    group = {name.removeprefix(prefix): part for name, part in sections.items() if name.startswith(prefix)}
    for name, form in (forms or {}).items():
        part = group[name]
        if (part.dtype if isinstance(part, np.ndarray) else None) != form:
            raise ValueError(f"section {prefix}{name} has another form")
    return group


def _header(name: str, raw: bytes, file_bytes: int) -> tuple[Snapshot, int, int]:
    """The snapshot without sections, and length and checksum of its directory."""
    if len(raw) < HEADER_BYTES:
        raise BadSnapshot(name, f"the file ends after {len(raw)} bytes, within its header")
    header = np.frombuffer(raw, HEADER)[0]
    if header["magic"] != MAGIC:
        raise BadSnapshot(name, f"no snapshot magic (found {int(header['magic']):#010x})")
    if int(header["crc"]) != google_crc32c.value(raw[:8] + b"\0\0\0\0" + raw[12:]):
        raise BadSnapshot(name, "the checksum of its header differs")
    if header["version"] != VERSION:
        raise BadSnapshot(name, f"its format is version {int(header['version'])}; this release reads {VERSION}")
    if int(header["file_bytes"]) != file_bytes:
        raise BadSnapshot(name, f"the file has {file_bytes} bytes, it was written with {int(header['file_bytes'])}")
    tail = Tail(
        int(header["next_seq"]),
        int(header["next_number"]),
        bytes(header["digest"]),
        int(header["ts_ns"]),
        int(header["epoch"]),
    )
    if name != snapshot_name(tail.next_number - 1):
        raise BadSnapshot(name, f"its header says record {tail.next_number - 1}")
    found = Snapshot(
        int(header["shard"]),
        int(header["generation"]),
        tail,
        int(header["state_ts_ns"]),
        bytes(header["event_digest"]),
        bytes(header["state_hash"]),
        {},
    )
    return found, int(header["directory_bytes"]), int(header["directory_crc"])


def _pieces(snapshot: Snapshot) -> Iterator[bytes]:
    """The bytes of the file, in pieces of at most SNAPSHOT_CHUNK_BYTES."""
    bodies = [_bytes_of(part) for part in snapshot.sections.values()]
    entries, offset = [], 0
    for (name, part), body in zip(snapshot.sections.items(), bodies, strict=True):
        form: Any = None if isinstance(part, bytes) else (part.dtype.descr if part.dtype.names else part.dtype.str)
        entries.append(
            _Entry(name, form, len(part), offset, google_crc32c.extend(google_crc32c.value(body), _fill(body)))
        )
        offset += _padded(len(body))
    directory = _Directory(snapshot.made_by, entries)
    size = len(msgspec.msgpack.encode(directory))
    while True:  # offsets take more bytes once they are absolute
        begin = HEADER_BYTES + _padded(size)
        moved = [_Entry(e.name, e.form, e.count, begin + e.offset, e.crc) for e in entries]
        encoded = msgspec.msgpack.encode(_Directory(snapshot.made_by, moved))
        if _padded(len(encoded)) == _padded(size):
            break
        size = len(encoded)
    assert len(encoded) <= SNAPSHOT_DIRECTORY_BYTES_MAX
    padded_directory = encoded + _fill(encoded)
    yield _encode_header(snapshot, begin + offset, len(encoded), google_crc32c.value(padded_directory))
    yield padded_directory
    for body in bodies:
        for at in range(0, len(body), SNAPSHOT_CHUNK_BYTES):
            yield body[at : at + SNAPSHOT_CHUNK_BYTES]
        if fill := _fill(body):
            yield fill


def _encode_header(snapshot: Snapshot, file_bytes: int, directory_bytes: int, directory_crc: int) -> bytes:
    header, tail = np.zeros((), HEADER), snapshot.tail
    header["magic"], header["version"] = MAGIC, VERSION
    header["shard"], header["generation"], header["epoch"] = snapshot.shard, snapshot.generation, tail.epoch
    header["next_seq"], header["next_number"], header["ts_ns"] = tail.next_seq, tail.next_number, tail.ts_ns
    header["state_ts_ns"] = snapshot.ts_ns
    for name, value in (
        ("digest", tail.digest),
        ("event_digest", snapshot.event_digest),
        ("state_hash", snapshot.state_hash),
    ):
        header[name] = np.void(value)
    header["file_bytes"] = file_bytes
    header["directory_bytes"], header["directory_crc"] = directory_bytes, directory_crc
    header["crc"] = google_crc32c.value(header.tobytes())
    return header.tobytes()


def _bytes_of(part: Section) -> bytes:
    return part if isinstance(part, bytes) else part.tobytes()


def _fill(body: bytes) -> bytes:
    return bytes(_padded(len(body)) - len(body))


def _padded(length: int) -> int:
    return -(-length // ALIGN_BYTES) * ALIGN_BYTES
