"""The thread that writes without Python's lock: what it does is what `RealFiles` does, failures included."""

from __future__ import annotations

import errno
import os
import resource
import select
import threading
from pathlib import Path

import pytest

from engine.log.writer import AVAILABLE, Writer

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="there are no eventfds here")


def run(writer: Writer, handle: int, data: bytes, offset: int) -> OSError | None:
    writer.begin(handle, data, offset)
    assert select.select([writer.done], [], [], 10)[0]
    return writer.finish()


def test_what_is_written_stands_where_it_belongs(tmp_path: Path) -> None:
    writer = Writer()
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    parts = [os.urandom(1 + 997 * k) for k in range(40)]
    for k, part in enumerate(parts):
        assert run(writer, handle, part, k * 40_000) is None
    for k, part in enumerate(parts):
        assert os.pread(handle, len(part), k * 40_000) == part
    os.close(handle)
    writer.close()


def test_it_is_not_over_before_it_is(tmp_path: Path) -> None:
    writer = Writer()
    with pytest.raises(BlockingIOError):
        writer.finish()
    assert run(writer, os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), b"x", 0) is None
    with pytest.raises(BlockingIOError):
        writer.finish()
    writer.close()


@pytest.mark.parametrize(
    ("path", "number"),
    [("/dev/full", errno.ENOSPC), ("/dev/null", errno.EINVAL)],  # cannot be written, cannot be synced
)
def test_a_call_that_fails_says_why_and_the_next_job_is_none_the_worse(tmp_path: Path, path: str, number: int) -> None:
    writer = Writer()
    handle, good = os.open(path, os.O_RDWR), os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    error = run(writer, handle, b"abc", 0)
    assert error is not None and error.errno == number
    assert run(writer, good, b"abc", 0) is None
    os.close(handle)
    gone = run(writer, handle, b"abc", 0)
    assert gone is not None and gone.errno == errno.EBADF
    writer.close()


def test_a_short_write_is_an_error_that_tells_what_stood_in_its_way(tmp_path: Path) -> None:
    writer = Writer()
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        error = run(writer, handle, bytes(6_000), 7_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.fstat(handle).st_size == 10_000, "a part of it was written"
    assert error is not None and error.errno == errno.EFBIG
    os.close(handle)
    writer.close()


def test_the_thread_ends_with_its_owner() -> None:
    threads, handles = threading.active_count(), len(os.listdir("/proc/self/fd"))
    writer = Writer()
    assert threading.active_count() == threads + 1
    del writer
    assert threading.active_count() == threads and len(os.listdir("/proc/self/fd")) == handles
