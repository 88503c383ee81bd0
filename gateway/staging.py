"""A directory that is there whole or not at all: filled beside its name, synced, and renamed when all of it is checked.

TARGET.partial/   while it is being filled; what a killed process leaves never bears the name
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from gateway.offline import Refused

PARTIAL = ".partial"
CHUNK_BYTES = 1024 * 1024
HASH_BYTES = 32


class Copied(NamedTuple):
    bytes: int
    blake2b: str  # BLAKE2b-256, hexadecimal


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """An empty directory to fill; it becomes `target` when the block ends well and goes when it does not.

    Raises Refused: `target` is there and not empty, or another process is filling it; OSError.
    """
    target = Path(os.path.abspath(target))
    check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL)
    partial.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{partial} is being filled by another process") from None
        _empty(partial)  # what a killed one left
        try:
            yield partial
            sync_tree(partial)
            _rename(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _sync(target.parent)
    finally:
        os.close(handle)


def check_free(target: Path) -> None:
    """Raises Refused unless nothing, or an empty directory, stands at `target`."""
    if target.is_dir():
        if any(target.iterdir()):
            raise Refused(f"{target} is not empty: name a directory that does not exist")
    elif os.path.lexists(target):
        raise Refused(f"{target} is there and no directory")


def copy_file(source: Path, target: Path) -> Copied:
    """Copy the bytes that are there now, synced. Raises OSError."""
    with open(source, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        return write_file(target, _chunks(file.fileno(), size))


def write_file(target: Path, chunks: Iterator[bytes]) -> Copied:
    """A new file, synced; its folder is made where missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = blake2b(digest_size=HASH_BYTES), 0
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640), "wb", buffering=0) as file:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
            digest.update(chunk)
            size += len(chunk)
        os.fdatasync(file.fileno())
    return Copied(size, digest.hexdigest())


def read_back(path: Path) -> Copied:
    """Length and hash of a file as the disk gives it, past the page cache where the system allows. Raises OSError."""
    digest, size = blake2b(digest_size=HASH_BYTES), 0
    with open(path, "rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for chunk in _chunks(file.fileno(), None):
            digest.update(chunk)
            size += len(chunk)
    return Copied(size, digest.hexdigest())


def sync_tree(folder: Path) -> None:
    """Make the names under a directory durable."""
    for place, _, _ in os.walk(folder, topdown=False):
        _sync(Path(place))


def _chunks(handle: int, size: int | None) -> Iterator[bytes]:
    at = 0
    while size is None or at < size:
        chunk = os.pread(handle, CHUNK_BYTES if size is None else min(CHUNK_BYTES, size - at), at)
        if not chunk:
            return
        yield chunk
        at += len(chunk)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _rename(partial: Path, target: Path) -> None:
    try:
        os.rename(partial, target)  # over an empty directory, too
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.EXDEV):
            raise Refused(f"{target} is the top of a file system: name a directory in it") from None
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise Refused(f"{target} has been made meanwhile") from None
        raise


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
