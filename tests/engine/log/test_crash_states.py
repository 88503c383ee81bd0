"""Power is lost at every single call of the disk, with chance deciding what of the unsynced is left, again and again.

A short life of a log (opening, records over several segments, a restart in between, room made ahead) is cut off at its
first call, its second, and so on. Whatever is found afterwards, the log opens, holds every acknowledged record, and at
most one more; and it goes on. Bits of what was durable are never asked for again: nothing here is retried.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from engine.log.interface import LogFailed
from engine.log.local import LocalLog
from engine.log.record import Record
from tests.engine.log.builders import Chain, batch_of
from tests.simulation.disk import Disk, SimFiles
from tests.simulation.loop import Crash

DIRECTORY = Path("/log")
SEGMENT_BYTES = 16 * 1024
SIZES = [1, 0, 60, 2, 90, 90, 0, 7, 120, 1, 1, 60]
OUTCOMES = 12  # of chance for each place


class CountedDisk(Disk):
    """Ends the process at call number `crash_at`, or lets that call fail."""

    def __init__(self, chance: Random, crash_at: int | None, *, fails: bool = False) -> None:
        super().__init__(chance)
        self.calls, self.crash_at, self.fails = 0, crash_at, fails


class CountedFiles(SimFiles):
    def _trouble(self, name: str, *, changes: bool = True) -> None:
        if not changes:
            return
        disk = self.disk
        assert isinstance(disk, CountedDisk)
        disk.calls += 1
        if disk.calls == disk.crash_at:
            if disk.fails:
                raise OSError(5, f"planted: {name}")
            raise Crash(name)


def live(disk: CountedDisk, acknowledged: list[Record]) -> None:
    """The life that is cut off."""
    for sizes in (SIZES, SIZES[::-1]):
        log = LocalLog.open(CountedFiles(disk), DIRECTORY, segment_bytes=SEGMENT_BYTES)
        chain = Chain(log.claim())
        for size in sizes:
            record = chain.record(batch_of(size, seed=chain.tail.next_seq))
            log.write(record)
            acknowledged.append(record)
            if log.wants_room():
                log.make_room()
        log.close()


def calls_of_a_whole_life() -> int:
    disk = CountedDisk(Random(0), None)
    live(disk, [])
    return disk.calls


CALLS = calls_of_a_whole_life()


def recovered(disk: Disk, acknowledged: list[Record]) -> None:
    files = SimFiles(disk)
    log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    found = [record.raw for record in log.read()]
    wanted = [record.raw for record in acknowledged]
    assert found[: len(wanted)] == wanted and len(found) <= len(wanted) + 1
    record = Chain(log.claim()).record(batch_of(3))
    log.write(record)
    log.close()
    disk.lose_power()
    log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    assert [record.raw for record in log.read()] == [*found, record.raw] and log.notes == []
    log.close()


def test_a_life_has_many_places_to_die():
    assert CALLS > 100


@pytest.mark.parametrize("place", range(1, CALLS + 1))
def test_power_lost_at_any_call_loses_nothing_acknowledged(place):
    for outcome in range(OUTCOMES):
        acknowledged: list[Record] = []
        disk = CountedDisk(Random(1_000 * place + outcome), place)
        with pytest.raises(Crash):
            live(disk, acknowledged)
        disk.lose_power()
        recovered(disk, acknowledged)


@pytest.mark.parametrize("place", range(1, CALLS + 1))
def test_a_failing_call_then_a_restart_then_lost_power_loses_nothing_acknowledged(place):
    """The call fails, the process ends, the next one starts on what the cache still shows; then power is lost."""
    for outcome in range(OUTCOMES // 2):
        acknowledged: list[Record] = []
        disk = CountedDisk(Random(1_000 * place + outcome), place, fails=True)
        with pytest.raises(LogFailed):
            live(disk, acknowledged)
        disk.locks.clear()
        log = LocalLog.open(SimFiles(disk), DIRECTORY, segment_bytes=SEGMENT_BYTES)
        seen = list(log.read())
        assert [record.raw for record in seen][: len(acknowledged)] == [record.raw for record in acknowledged]
        log.close()
        disk.lose_power()
        recovered(disk, seen)
