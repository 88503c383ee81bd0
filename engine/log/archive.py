"""Old segments of the log, compressed: DIR/archive/NUMBER.seg.zst, whole and unchanged inside.

A segment moves there when the older of the kept snapshots stands at or beyond its last record: a start no longer needs
it. Nothing is ever lost on the way: the compressed file is synced, renamed, its directory synced, read back and
compared before the plain one is unlinked. Whoever reads a log from its beginning (verify, replay, a follower made anew)
reads on through both.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import zstandard

from engine.limits import ARCHIVE_CHUNK_BYTES, SEGMENT_BYTES_MAX
from engine.log.files import Files
from engine.log.interface import LogCorrupt
from engine.log.record import BadRecord
from engine.log.segments import SUFFIX, Walk, decode_segment_header, list_segments, segment_name

FOLDER = "archive"
PACKED = f"{SUFFIX}.zst"
TEMPORARY = f"{PACKED}.tmp"
LEVEL = 3  # of zstd
RECORDS_BETWEEN_PAUSES = 128  # checked before a segment moves


def list_archived(files: Files, directory: Path) -> list[int]:
    """First record numbers of the archived segments of the log in `directory`, rising."""
    names = [name.removesuffix(PACKED) for name in files.listdir(directory / FOLDER) if name.endswith(PACKED)]
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def list_all(files: Files, directory: Path) -> list[tuple[int, Path]]:
    """(first record number, path) of every segment, archived or not, rising; a plain one wins."""
    plain = list_segments(files, directory)  # first: what is archived between the two looks is seen twice, not never
    places = {number: directory / FOLDER / f"{number:016d}{PACKED}" for number in list_archived(files, directory)}
    places |= {int(path.stem): path for path in plain}
    return sorted(places.items())


def first_number_of(path: Path) -> int:
    """Number of the first record of a segment, archived or not."""
    return int(path.name.partition(".")[0])


def is_packed(path: Path) -> bool:
    return path.name.endswith(PACKED)


def read_packed(files: Files, path: Path) -> bytes:
    """Bytes of an archived segment, as they were. Raises LogCorrupt, OSError."""
    packed = content(files, path)
    try:
        size = zstandard.get_frame_parameters(packed).content_size  # memory is taken for as much as it says
        if not 0 < size <= SEGMENT_BYTES_MAX:
            raise zstandard.ZstdError(f"its header says {size} bytes")
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise LogCorrupt(f"{FOLDER}/{path.name}", 0, 0, f"it cannot be decompressed: {error}") from error


def archive_before(
    files: Files, directory: Path, number: int, *, pause: Callable[[], None] = lambda: None
) -> list[int]:
    """Archive every segment whose records are all at or below `number`. Returns their first numbers. `pause` is called
    between small pieces of the work. Raises OSError, LogCorrupt."""
    paths = list_segments(files, directory)
    done = []
    for path, following in pairwise(paths):
        if int(following.stem) - 1 > number:
            break
        _archive(files, directory, int(path.stem), int(following.stem), pause)
        done.append(int(path.stem))
    return done


def _archive(files: Files, directory: Path, first: int, following: int, pause: Callable[[], None]) -> None:
    plain, folder = directory / segment_name(first), directory / FOLDER
    files.makedirs(folder)
    raw = content(files, plain)
    _check(plain, raw, following, pause)
    target = folder / f"{first:016d}{PACKED}"
    if target.name not in files.listdir(folder) or read_packed(files, target) != raw:
        _write(files, folder / f"{first:016d}{TEMPORARY}", target, raw, pause)
        if read_packed(files, target) != raw:
            raise LogCorrupt(f"{FOLDER}/{target.name}", 0, 0, "it does not read back as it was written")
    # Names that an archiver made which was then killed may not be durable yet: the file's, and the folder's own.
    files.fsync_dir(folder)
    files.fsync_dir(directory)
    files.unlink(plain)
    files.fsync_dir(directory)


def _check(plain: Path, raw: bytes, following: int, pause: Callable[[], None]) -> None:
    """A segment is archived with every record up to the next one's first, or not at all: a damaged one stays where it
    is found at the next start. Raises LogCorrupt."""
    try:
        header = decode_segment_header(raw)
    except BadRecord as bad:
        raise LogCorrupt(plain.name, 0, 0, str(bad)) from bad
    walk = Walk(plain.name, raw, header.tail, header.shard)
    for record in walk:
        if record.number % RECORDS_BETWEEN_PAUSES == 0:
            pause()
    if walk.tail.next_number != following:
        raise LogCorrupt(plain.name, walk.at, walk.tail.next_seq, f"{walk.trouble}; a segment follows it")


def _write(files: Files, temporary: Path, target: Path, raw: bytes, pause: Callable[[], None]) -> None:
    if temporary.name in files.listdir(temporary.parent):
        files.unlink(temporary)
    handle = files.open(temporary, create=True)
    packer, at = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj(size=len(raw)), 0
    try:
        for start in range(0, len(raw) + 1, ARCHIVE_CHUNK_BYTES):
            chunk = raw[start : start + ARCHIVE_CHUNK_BYTES]
            piece = packer.compress(chunk) if chunk else b""
            if start + ARCHIVE_CHUNK_BYTES > len(raw):
                piece += packer.flush()
            if piece:
                files.pwrite(handle, piece, at)
                files.fdatasync(handle)
                at += len(piece)
            pause()
    finally:
        files.close(handle)
    files.rename(temporary, target)
    files.fsync_dir(target.parent)


def content(files: Files, path: Path) -> bytes:
    """All bytes of a file. Raises OSError."""
    handle = files.open(path, writable=False)
    try:
        return files.pread(handle, files.size(handle), 0)
    finally:
        files.close(handle)
