"""The simulated disk itself: what it keeps, loses, refuses and spoils."""

from __future__ import annotations

import errno
from pathlib import Path
from random import Random

import pytest

from tests.simulation.disk import SECTOR, Disk, Faults, SimFiles

FOLDER = Path("/disk/folder")
ONE, TWO = FOLDER / "one", FOLDER / "two"


def disk(seed: int = 1) -> tuple[Disk, SimFiles]:
    found = Disk(Random(seed))
    files = SimFiles(found)
    files.makedirs(FOLDER)
    return found, files


def write(files: SimFiles, path: Path, data: bytes, *, synced: bool = True) -> int:
    handle = files.open(path, create=path.name not in files.listdir(path.parent))
    files.pwrite(handle, data, 0)
    if synced:
        files.fdatasync(handle)
    return handle


def read(files: SimFiles, path: Path) -> bytes:
    handle = files.open(path)
    return files.pread(handle, files.size(handle), 0)


def test_a_name_lasts_once_its_directory_is_synced_and_bytes_once_the_file_is():
    kept, lost = set(), set()
    for seed in range(40):
        found, files = disk(seed)
        write(files, ONE, b"a" * 4 * SECTOR)
        files.fsync_dir(FOLDER)
        write(files, TWO, b"b")
        files.pwrite(files.open(ONE), b"c" * 4 * SECTOR, 0)
        found.lose_power()
        kept.add(TWO.name in files.listdir(FOLDER))
        left = read(files, ONE)
        assert len(left) == 4 * SECTOR and set(left) <= set(b"ac")
        lost.add(bytes(left[::SECTOR]))
    assert kept == {True, False} and {b"aaaa", b"cccc"} < lost, "whole, nothing, and torn"


def test_a_rename_replaces_in_one_step():
    for seed in range(20):
        found, files = disk(seed)
        write(files, ONE, b"old")
        write(files, TWO, b"new")
        files.fsync_dir(FOLDER)
        files.rename(TWO, ONE)
        found.lose_power()
        assert (files.listdir(FOLDER), read(files, ONE)) in ((["one"], b"new"), (["one", "two"], b"old"))


def test_a_full_disk_takes_what_fits_and_says_so_and_goes_on_with_what_is_there():
    found, files = disk()
    handle = write(files, ONE, bytes(1_000))
    found.capacity = 1_500
    assert files.free_bytes(FOLDER) == 500
    with pytest.raises(OSError) as full:
        files.pwrite(handle, b"x" * 1_000, 1_000)
    assert full.value.errno == errno.ENOSPC and files.size(handle) == 1_500
    files.pwrite(handle, b"y" * 1_500, 0)
    files.truncate(handle, 200)
    assert files.free_bytes(FOLDER) == 1_300


def test_every_kind_of_call_fails():
    found, files = disk()
    write(files, ONE, b"x")
    bad = SimFiles(found, Faults(error_rate=1.0))
    handle = bad._give(found.folders[str(FOLDER)].entries["one"])
    for call in (
        lambda: bad.listdir(FOLDER),
        lambda: bad.makedirs(FOLDER / "deeper"),
        lambda: bad.fsync_dir(FOLDER),
        lambda: bad.free_bytes(FOLDER),
        lambda: bad.open(ONE),
        lambda: bad.pread(handle, 1, 0),
        lambda: bad.pwrite(handle, b"y", 0),
        lambda: bad.truncate(handle, 0),
        lambda: bad.fdatasync(handle),
        lambda: bad.rename(ONE, TWO),
        lambda: bad.unlink(ONE),
        lambda: bad.lock(ONE),
    ):
        with pytest.raises(OSError, match="planted"):
            call()
    assert read(files, ONE) == b"x"


def test_rot_is_seen_until_it_is_overwritten_or_healed():
    found, files = disk()
    handle = write(files, ONE, b"\0" * 8)
    inode = found.folders[str(FOLDER)].entries["one"]
    found.rot(inode, 2, 1)
    found.rot(inode, 5, 4)
    assert (read(files, ONE), found.rotten()) == (b"\0\0\1\0\0\4\0\0", [str(ONE)])
    files.pwrite(handle, b"\7", 2)
    files.fdatasync(handle)
    found.heal()
    assert (read(files, ONE), found.rotten()) == (b"\0\0\7\0\0\0\0\0", [])
