"""The only disk user's view of a disk: a dozen calls, so that a simulated disk can stand in its place.

Nothing is durable until its handle was synced, and no name until its directory was. Every call raises OSError as the
system does; none retries.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import Protocol

LOCK_WAIT_SECONDS = 0.5  # longer than any reader looks at the lock
PID_CHARS = 15


class Locked(OSError):
    """Another process holds the lock. `holder` is its pid, None when it cannot be told."""

    def __init__(self, path: Path, holder: int | None) -> None:
        who = f"process {holder}" if holder else "another process"
        super().__init__(errno.EWOULDBLOCK, f"{path.parent} is in use by {who}; one venue at a time may write there")
        self.holder = holder

    def __str__(self) -> str:
        return str(self.strerror)


class Files(Protocol):
    """Handles are ints; paths are absolute or relative to where the process stands."""

    def makedirs(self, directory: Path) -> None:
        """Create a directory and its parents where missing; their names are durable on return."""
        ...

    def listdir(self, directory: Path) -> list[str]:
        """Names in the directory, sorted; empty when it does not exist."""
        ...

    def fsync_dir(self, directory: Path) -> None: ...

    def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
        """Raises FileNotFoundError, or FileExistsError when it is to be created and is there."""
        ...

    def close(self, handle: int) -> None: ...

    def size(self, handle: int) -> int: ...

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        """Up to `length` bytes; fewer only at the end of the file."""
        ...

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        """Write all of `data` in one call; a short write is an error."""
        ...

    def truncate(self, handle: int, length: int) -> None:
        """Cut the file to `length` bytes; durable after the next sync of the handle."""
        ...

    def fdatasync(self, handle: int) -> None: ...

    def rename(self, source: Path, target: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def free_bytes(self, directory: Path) -> int:
        """Space that this process may still fill on the file system of a directory."""
        ...

    def lock(self, path: Path) -> int:
        """Take the exclusive lock of a file, created where missing, until it is closed or the process ends. Raises
        Locked."""
        ...

    def locked(self, path: Path) -> bool:
        """Whether some process holds the lock just now."""
        ...


class RealFiles:
    """The operating system's files."""

    def makedirs(self, directory: Path) -> None:
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        for path in reversed(missing):
            self.fsync_dir(path.parent)

    def listdir(self, directory: Path) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except FileNotFoundError:
            return []

    def fsync_dir(self, directory: Path) -> None:
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
        return os.open(path, flags | (os.O_CREAT | os.O_EXCL if create else 0), 0o640)

    def close(self, handle: int) -> None:
        os.close(handle)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        data = os.pread(handle, length, offset)
        while 0 < len(data) < length:
            more = os.pread(handle, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        written = os.pwrite(handle, data, offset)
        if written != len(data):
            os.pwrite(handle, data[written:], offset + written)  # raises why: on a disk that fills up, that it is full
            raise OSError(errno.EIO, f"short write: {written} of {len(data)} bytes")

    def truncate(self, handle: int, length: int) -> None:
        os.ftruncate(handle, length)

    def fdatasync(self, handle: int) -> None:
        if sys.platform == "darwin":  # there a plain sync stops at the drive's cache
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(handle)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def free_bytes(self, directory: Path) -> int:
        found = os.statvfs(directory)
        return found.f_bavail * found.f_frsize

    def lock(self, path: Path) -> int:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            deadline = time.monotonic() + LOCK_WAIT_SECONDS
            while not _try_lock(handle, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    text = os.pread(handle, 32, 0).strip()
                    raise Locked(path, int(text) if text.isdigit() else None)
                time.sleep(0.02)
            os.pwrite(handle, f"{os.getpid():<{PID_CHARS}}\n".encode(), 0)  # in place: it needs no room on a full disk
        except BaseException:
            os.close(handle)
            raise
        return handle

    def locked(self, path: Path) -> bool:
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return not _try_lock(handle, fcntl.LOCK_SH)
            finally:
                os.close(handle)
        return False


def _try_lock(handle: int, mode: int) -> bool:
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
