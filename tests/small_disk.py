"""A real file system of a few MiB, for tests that fill one."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextmanager
def small_disk(path: Path, mib: int, *, read_only: bool = False) -> Iterator[Path]:
    """A tmpfs of so many MiB mounted at `path`. Needs root, or sudo without a password; the test is skipped where both
    are missing."""
    path.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0777" + ",ro" * read_only, "qhatu-test", str(path)]
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        mounted = subprocess.run([*prefix, *options], capture_output=True, text=True)
        why = mounted.stderr.strip()
    except FileNotFoundError as error:
        why = str(error)
    if why or mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here (root, or sudo without a password, can): {why}")
    try:
        yield path
    finally:
        subprocess.run([*prefix, "umount", "--lazy", str(path)], check=True)


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill(disk: Path, leave: int = 0) -> None:
    """Take all but `leave` bytes with a ballast file; with 0 until the system says that the disk is full."""
    chunk = bytes(4096)
    with open(disk / BALLAST, "ab", buffering=0) as ballast:
        while not leave or free_bytes(disk) > leave:
            try:
                ballast.write(chunk)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                return


def free(disk: Path) -> None:
    (disk / BALLAST).unlink()
