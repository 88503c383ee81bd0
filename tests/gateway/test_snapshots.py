"""Keeping snapshots: when, how many, what is archived after them, and what trouble does (nothing to the machine)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.flow import market
from engine.limits import SNAPSHOTS_KEPT
from engine.log.archive import list_archived
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.segments import list_segments
from engine.log.snapshot import list_snapshots
from engine.machine import Machine
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, Folding, Standing, compiled_books, rebuild
from gateway.snapshots import TROUBLE_SECONDS, Keeper, keep
from tests.faulty_files import FaultyFiles

FILES = RealFiles()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def records() -> list:
    return [applied.record for applied in market(6_000, 50, seed=9)]


def written(data: Path, records: list) -> Folding:
    """A log of those records, and a machine that applied them."""
    log = LocalLog.open(FILES, data / LOG_FOLDER, segment_bytes=64 * 1024)
    log.claim(1)
    folding = Folding(Standing(Machine(compiled_books())))
    for record in records:
        log.write(record)
        folding.apply(record)
    log.close()
    return folding


def numbers(data: Path) -> list[int]:
    return list_snapshots(FILES, data / SNAPSHOT_FOLDER)


def test_one_is_due_after_so_many_commands_or_so_long_or_when_asked_for(tmp_path, records):
    folding, clock = written(tmp_path, records[:10]), Clock()
    seq, trades = folding.seq, folding.trades
    keeper = Keeper(FILES, tmp_path, every_commands=100, every_seconds=60.0, clock=clock)
    keeper.stands_on(seq)
    assert not keeper.due(seq) and not keeper.due(seq + 99) and keeper.due(seq + 100)
    clock.now += 60.0
    assert keeper.due(seq + 1) and not keeper.due(seq), "an idle venue makes none"
    clock.now -= 30.0
    keeper.ask()
    assert keeper.due(seq + 1) and not keeper.due(seq), "the state is on disk already"
    keeper.stands_on(0)
    assert keeper.due(seq)
    keeper.begin(folding.machine, folding.tail, trades)
    assert not keeper.due(seq + 10**6), "one at a time"
    assert keeper.finish() is None and keeper.look() is None
    assert keeper.seq == seq and numbers(tmp_path) == [10] and not keeper.due(seq + 1)


def test_two_are_kept_and_the_log_before_the_older_is_archived(tmp_path, records):
    folding = written(tmp_path, records)
    want = folding.machine.state_hash()
    ends = (40, 70, 100)
    for end in ends:
        part = Folding(Standing(Machine(compiled_books())))
        for record in records[:end]:
            part.apply(record)
        keep(FILES, tmp_path, part.machine.snapshot(part.tail, part.trades.sections()))
    assert numbers(tmp_path) == [100, 70] and len(numbers(tmp_path)) == SNAPSHOTS_KEPT
    plain = [int(path.stem) for path in list_segments(FILES, tmp_path / LOG_FOLDER)]
    archived = list_archived(FILES, tmp_path / LOG_FOLDER)
    assert archived and plain[0] <= 71 < plain[1], "every segment that ends at or before record 70"
    assert rebuild(tmp_path).snapshot == 100 and rebuild(tmp_path).machine.state_hash() == want
    assert rebuild(tmp_path, whole=True).machine.state_hash() == want


def test_trouble_with_the_disk_is_told_and_tried_again(tmp_path, records):
    """Each call of the disk fails once: the machine goes on, what was kept stays sound, a later attempt succeeds."""
    failures = 0
    for calls in range(0, 200, 3):
        data = tmp_path / str(calls)
        folding, clock, files = written(data, records[:60]), Clock(), FaultyFiles(FILES)
        keeper = Keeper(files, data, clock=clock)
        keeper.ask()
        files.fail_after(calls)
        assert keeper.due(folding.seq)
        keeper.begin(folding.machine, folding.tail, folding.trades)
        told = keeper.finish()
        if told is None:
            break
        failures += 1
        assert "no snapshot could be kept" in told and not keeper.due(folding.seq)
        clock.now += TROUBLE_SECONDS
        assert keeper.due(folding.seq)
        assert rebuild(data).machine.state_hash() == folding.machine.state_hash()
        keeper.files = FILES
        keeper.begin(folding.machine, folding.tail, folding.trades)
        assert keeper.finish() is None and numbers(data) == [60]
        assert rebuild(data).machine.state_hash() == folding.machine.state_hash()
    assert failures > 3


def test_the_machine_goes_on_while_it_is_written(tmp_path, records):
    folding = written(tmp_path, records)
    part = Folding(Standing(Machine(compiled_books())))
    for record in records[:30]:
        part.apply(record)
    before = part.machine.state_hash()
    keeper = Keeper(FILES, tmp_path)
    keeper.begin(part.machine, part.tail, part.trades)
    for record in records[30:]:
        part.apply(record)
    assert keeper.finish() is None
    assert part.machine.state_hash() == folding.machine.state_hash() != before
    assert rebuild(tmp_path).snapshot == 30 and rebuild(tmp_path).machine.state_hash() == folding.machine.state_hash()


def test_a_fault_that_nobody_thought_of_is_no_snapshot(tmp_path, records):
    class Broken(type(FILES)):
        def rename(self, source: Path, target: Path) -> None:
            raise ZeroDivisionError("planted")

    folding = written(tmp_path, records[:10])
    keeper = Keeper(Broken(), tmp_path)
    keeper.begin(folding.machine, folding.tail, folding.trades)
    told = keeper.finish()
    assert told is not None and "ZeroDivisionError" in told
    assert keeper.seq == 0 and numbers(tmp_path) == []
