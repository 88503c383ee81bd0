"""Write and sync in a thread that never asks for Python's lock.

    loop: `begin` -> eventfd -> thread: pwrite, fdatasync -> eventfd `done` -> loop: `finish`

A thread of Python's own waits for the lock twice a record, while the loop applies the one before: that cost more
processor than the writing. This one runs compiled code alone, and calls the C library as `RealFiles` does: the same two
calls, any failure of which is final.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import weakref
from typing import Any

import numpy as np
from numba import types
from numba.core import typing

from engine.kernels.compiled import kernel

AVAILABLE = sys.platform == "linux"  # elsewhere there are no eventfds, and a sync is another call
STOP = -1  # as a handle
JOIN_SECONDS = 1.0  # a sync that hangs holds back no exit

JOB = np.dtype(
    [
        ("handle", "<i4"),
        ("error", "<i4"),  # errno; 0: durable
        ("data", "<u8"),  # address
        ("length", "<i8"),
        ("offset", "<i8"),
        ("word", "<u8"),  # what goes through an eventfd
    ]
)
_EINTR, _EIO = errno.EINTR, errno.EIO


def _libc(name: str, result: types.Type, *arguments: types.Type) -> Any:
    """A function of the C library, found by its name when the kernel is loaded."""
    return types.ExternalFunction(name, typing.signature(result, *arguments))


_read = _libc("read", types.int64, types.int32, types.uintp, types.int64)
_write = _libc("write", types.int64, types.int32, types.uintp, types.int64)
_pwrite = _libc("pwrite", types.int64, types.int32, types.uintp, types.int64, types.int64)
_fdatasync = _libc("fdatasync", types.int32, types.int32)
_errno_at = _libc("__errno_location", types.uintp)
_memcpy = _libc("memcpy", types.uintp, types.uintp, types.uintp, types.int64)


@kernel
def _serve(asked, done, jobs, word_at, error_at):
    """Jobs one by one until one says STOP.

    asked, done  in       int64, handles of eventfds: there is a job, it is done
    jobs         in, out  JOB[1]; word_at, error_at: addresses of its fields
    """
    job = jobs[0]
    while True:
        if _read(asked, word_at, 8) != 8:
            _memcpy(error_at, _errno_at(), 4)
            if job.error == _EINTR:
                continue
            return
        if job.handle == STOP:
            return
        job.error = 0
        written = _pwrite(job.handle, job.data, job.length, job.offset)
        if 0 <= written < job.length:  # the rest tells why: on a disk that fills up, that it is full
            job.error = _EIO
            written = _pwrite(job.handle, job.data + written, job.length - written, job.offset + written)
        if written < 0 or (job.error == 0 and _fdatasync(job.handle) != 0):
            _memcpy(error_at, _errno_at(), 4)
        job.word = 1
        _write(done, word_at, 8)


class Writer:
    """One job at a time. `done` is a handle that becomes readable when it is over."""

    def __init__(self) -> None:
        self._asked, self.done = os.eventfd(0), os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._jobs = np.zeros(1, JOB)
        self._data: bytes | None = None  # of the job in hand
        at = self._jobs.__array_interface__["data"][0]
        places = [at + JOB.fields[name][1] for name in ("word", "error")]  # type: ignore[index]
        thread = threading.Thread(
            target=_run, args=(self._asked, self.done, self._jobs, *places), name="log", daemon=True
        )
        thread.start()
        self.close = weakref.finalize(self, _stop, thread, self._asked, self.done, self._jobs)

    def begin(self, handle: int, data: bytes, offset: int) -> None:
        """Write all of `data` (not empty) and sync the handle."""
        assert self._data is None, "one job at a time"
        self._data = data
        address = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
        self._jobs[0] = (handle, 0, address, len(data), offset, 0)
        os.eventfd_write(self._asked, 1)

    def finish(self) -> OSError | None:
        """What went wrong with the job, None when its data are durable. Raises BlockingIOError while it runs."""
        os.eventfd_read(self.done)
        self._data = None
        number = int(self._jobs["error"][0])
        return OSError(number, os.strerror(number)) if number else None


def _run(asked: int, done: int, jobs: np.ndarray, word_at: int, error_at: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _serve(asked, done, jobs, word_at, error_at)


def _stop(thread: threading.Thread, asked: int, done: int, jobs: np.ndarray) -> None:
    """End the thread once it is idle; one that hangs in a call keeps its handles."""
    if thread.is_alive():
        jobs["handle"][0] = STOP
        os.eventfd_write(asked, 1)
        thread.join(JOIN_SECONDS)
    if not thread.is_alive():
        os.close(asked)
        os.close(done)
