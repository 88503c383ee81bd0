"""A status file: whole at any moment, and told even where nothing more can be written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from engine.limits import STATUS_FILE_BYTES
from gateway.status_file import StatusFile, read_status


def test_it_says_the_last_thing_and_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.status"
    status = StatusFile(path)
    status.write(state="starting", seq=None)
    first = path.stat().st_ino
    status.write(state="starting", seq=None)
    assert path.stat().st_ino == first
    status.write(state="serving", seq=7)
    assert path.stat().st_ino != first and read_status(path) == {"state": "serving", "seq": 7}
    assert json.loads(path.read_text()) == read_status(path)
    StatusFile(path).write(state="stopped")
    assert read_status(path) == {"state": "stopped"}
    assert path.stat().st_size == STATUS_FILE_BYTES


def test_a_why_of_any_length_and_alphabet_fits(tmp_path: Path) -> None:
    path = tmp_path / "a.status"
    StatusFile(path).write(state="failed", why="☕" * 100_000, seq=2**63)
    told = read_status(path)
    assert told is not None and set(told["why"]) == {"☕"} and path.stat().st_size == STATUS_FILE_BYTES


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0" * 100, b"\xff"])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.status"
    assert read_status(path) is None
    path.write_bytes(content)
    assert read_status(path) is None


def test_a_reader_never_sees_half(tmp_path: Path) -> None:
    path, done = tmp_path / "a.status", threading.Event()
    status = StatusFile(path)
    status.write(n=0)

    def write() -> None:
        for n in range(1, 2_000):
            status.write(n=n, why="x" * (n % 1_000))
        done.set()

    threading.Thread(target=write).start()
    seen = [0]
    while not done.is_set():
        told = read_status(path)
        assert told is not None
        seen.append(told["n"])
    assert seen == sorted(seen) and len(set(seen)) > 2


def test_where_no_file_can_be_written_nothing_is_raised(tmp_path: Path) -> None:
    StatusFile(tmp_path / "missing" / "a.status").write(state="serving")
    assert not (tmp_path / "missing").exists()
