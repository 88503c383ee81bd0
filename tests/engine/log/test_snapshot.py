"""Snapshot files: every byte counts, what bears the name is whole, and the right ones are kept."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from engine.limits import SNAPSHOT_CHUNK_BYTES
from engine.log.files import RealFiles
from engine.log.interface import Tail
from engine.log.snapshot import (
    HEADER_BYTES,
    BadSnapshot,
    Snapshot,
    list_snapshots,
    prune_snapshots,
    read_header,
    read_snapshot,
    snapshot_name,
    write_snapshot,
)
from engine.state.hot import ORDER_VIEW
from tests.engine.book_flows import assert_same_sections
from tests.faulty_files import FaultyFiles

FILES = RealFiles()


def snapshot_at(number: int, *, orders: int = 3, generation: int = 1) -> Snapshot:
    rows = np.zeros(orders, ORDER_VIEW)
    rows["order"], rows["qty"] = np.arange(orders) + 1, 7
    sections = {
        "hot/orders": rows,
        "cold/accounts": b"\x93abc",
        "hot/texts": b"",
        "hot/ring": np.arange(5, dtype="<i4"),
    }
    tail = Tail(next_seq=10 * number + 1, next_number=number + 1, digest=b"d" * 16, ts_ns=77, epoch=3)
    return Snapshot(0, generation, tail, 76, b"e" * 16, b"s" * 16, sections, {"qhatu": "0.1.0"})


def test_what_is_written_is_read_again(tmp_path):
    for number, orders in ((1, 0), (2, 1), (3, 20_000)):
        told = snapshot_at(number, orders=orders)
        path = write_snapshot(FILES, tmp_path, told)
        found = read_snapshot(FILES, path)
        assert_same_sections(told.sections, found.sections)
        assert (found.tail, found.ts_ns, found.event_digest, found.state_hash) == (
            told.tail, told.ts_ns, told.event_digest, told.state_hash,
        )  # fmt: skip
        assert (found.number, found.seq, found.generation, found.made_by) == (number, 10 * number, 1, told.made_by)
        assert read_header(FILES, path).tail == told.tail
    assert list_snapshots(FILES, tmp_path) == [3, 2, 1]
    assert path.stat().st_size > 3 * SNAPSHOT_CHUNK_BYTES


def test_every_bit_and_every_length_counts(tmp_path):
    path = write_snapshot(FILES, tmp_path, snapshot_at(5))
    image = path.read_bytes()
    chance = Random(5)
    places = {*range(120 * 8), *(chance.randrange(8 * HEADER_BYTES) for _ in range(300))}
    places |= set(range(8 * HEADER_BYTES, 8 * len(image)))  # directory, sections and all padding
    for bit in sorted(places):
        damaged = bytearray(image)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(BadSnapshot, match=path.name):
            read_snapshot(FILES, path)
    for length in [*range(0, len(image), 97), len(image) - 1]:
        path.write_bytes(image[:length])
        with pytest.raises(BadSnapshot):
            read_snapshot(FILES, path)
    path.write_bytes(image + bytes(64))
    with pytest.raises(BadSnapshot, match="bytes"):
        read_snapshot(FILES, path)
    path.write_bytes(image)
    assert read_snapshot(FILES, path).number == 5


def test_a_renamed_snapshot_is_not_believed(tmp_path):
    path = write_snapshot(FILES, tmp_path, snapshot_at(5))
    other = path.rename(tmp_path / snapshot_name(6))
    with pytest.raises(BadSnapshot, match="says record 5"):
        read_snapshot(FILES, other)


def test_a_failure_anywhere_leaves_what_was_there(tmp_path):
    calls = 0
    while True:
        directory = tmp_path / str(calls)
        write_snapshot(FILES, directory, snapshot_at(1))
        files = FaultyFiles(FILES)
        files.fail_after(calls)
        try:
            write_snapshot(files, directory, snapshot_at(2, orders=5_000))
        except OSError:
            pass
        else:
            break
        for number in list_snapshots(FILES, directory):
            assert read_snapshot(FILES, directory / snapshot_name(number)).number == number
        assert 1 in list_snapshots(FILES, directory)
        write_snapshot(FILES, directory, snapshot_at(2))
        prune_snapshots(FILES, directory)
        assert sorted(path.name for path in directory.iterdir()) == [snapshot_name(1), snapshot_name(2)]
        calls += 1
    assert calls > 8


def test_two_are_kept_and_the_last_of_an_earlier_generation(tmp_path):
    generations = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2}
    for number, generation in generations.items():
        write_snapshot(FILES, tmp_path, snapshot_at(number, generation=generation))
    prune_snapshots(FILES, tmp_path)
    assert list_snapshots(FILES, tmp_path) == [6, 5, 3], "the end of generation 1 is where generation 2 began"
    prune_snapshots(FILES, tmp_path)
    assert list_snapshots(FILES, tmp_path) == [6, 5, 3]


def test_names_that_are_no_snapshot_are_left_alone(tmp_path):
    for name in ("notes.txt", "x.snap", "٣.snap"):
        Path(tmp_path / name).write_text("mine")
    write_snapshot(FILES, tmp_path, snapshot_at(1))
    prune_snapshots(FILES, tmp_path)
    assert list_snapshots(FILES, tmp_path) == [1] and (tmp_path / "notes.txt").exists()


def test_every_piece_is_small_and_followed_by_a_pause(tmp_path):
    pieces, pauses = [], []

    class Watched(RealFiles):
        def pwrite(self, handle: int, data: bytes, offset: int) -> None:
            pieces.append(len(data))
            super().pwrite(handle, data, offset)

    write_snapshot(Watched(), tmp_path, snapshot_at(1, orders=20_000), pause=lambda: pauses.append(1))
    assert max(pieces) <= SNAPSHOT_CHUNK_BYTES and len(pauses) == len(pieces) > 5
