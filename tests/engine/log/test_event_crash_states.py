"""Power is lost, or a call fails, at every single call that event segments make of the disk, again and again.

A short life of a writer (rotation, compression, a restart in between) is cut off at its first call, its second, and so
on. Whatever is left, a writer opens on it, holds everything that was synced, a reader can read it, and the log's
records make the rest anew, with the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.files import Files
from tests.engine.log.builders import decided
from tests.engine.log.test_crash_states import CountedDisk, CountedFiles
from tests.simulation.disk import Disk, SimFiles
from tests.simulation.loop import Crash

DIRECTORY = Path("/events")
SEGMENT_BYTES = 16 * 1024
GIVEN = decided([1, 0, 60, 2, 0, 55, 7, 1, 1, 60, 3])
OUTCOMES = 4  # of chance for each place


def live(disk: CountedDisk, synced: list[int]) -> None:
    """The life that is cut off; `synced` gets the records that were durable in it."""
    for upto in (len(GIVEN) // 2, len(GIVEN)):
        writer = EventWriter(CountedFiles(disk), DIRECTORY, segment_bytes=SEGMENT_BYTES)
        for place, decision in enumerate(GIVEN[:upto]):
            writer.append(*decision)
            writer.flush()
            if place % 3 == 2:
                writer.sync()
                synced.append(writer.end.number)
        while writer.tend():
            pass
        writer.close()
        synced.append(writer.end.number)


def calls_of_a_whole_life() -> int:
    disk = CountedDisk(Random(0), None)
    live(disk, [])
    return disk.calls


CALLS = calls_of_a_whole_life()


def read(files: Files) -> list[tuple[bytes, bytes, bytes]]:
    reader, found = EventReader(files, DIRECTORY), []
    while more := reader.poll(3):
        found += [(record.raw, events.tobytes(), digest) for record, events, digest in more]
    reader.close()
    return found


NUMBERS = [0, *(record.number for record, _, _ in GIVEN if record.count)]
WANTED = [(record.raw, events.tobytes(), digest) for record, events, digest in GIVEN if record.count]


def recovered(disk: Disk, synced: list[int]) -> None:
    files = SimFiles(disk)
    writer = EventWriter(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    assert writer.end.number >= max(synced, default=0)
    found = read(files)
    assert found == WANTED[: len(found)]
    assert writer.end.number == NUMBERS[len(found)]
    for decision in GIVEN:
        writer.append(*decision)
    while writer.tend():
        pass
    writer.close()
    assert read(files) == WANTED
    disk.lose_power()
    writer = EventWriter(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    assert writer.notes == [] and writer.end.number == GIVEN[-1][0].number
    writer.close()
    assert read(files) == WANTED
    assert not [name for name in files.listdir(DIRECTORY) if name.endswith(".tmp")]


def test_a_life_has_many_places_to_die():
    assert CALLS > 60


@pytest.mark.parametrize("place", range(1, CALLS + 1))
def test_power_lost_at_any_call_leaves_what_was_synced(place):
    for outcome in range(OUTCOMES):
        synced: list[int] = []
        disk = CountedDisk(Random(1_000 * place + outcome), place)
        with pytest.raises(Crash):
            live(disk, synced)
        disk.lose_power()
        recovered(disk, synced)


@pytest.mark.parametrize("place", range(1, CALLS + 1))
def test_killed_at_any_call_the_cache_is_readable(place):
    """The process is killed; the machine goes on. A reader is never told of damage, before or after the restart."""
    synced: list[int] = []
    disk = CountedDisk(Random(place), place)
    with pytest.raises(Crash):
        live(disk, synced)
    found = read(SimFiles(disk))
    assert found == WANTED[: len(found)]
    recovered(disk, synced)


@pytest.mark.parametrize("place", range(1, CALLS + 1))
def test_a_failing_call_then_a_restart_then_lost_power_loses_nothing_synced(place):
    """After the failed sync the cache shows more than the disk holds; what the next writer calls synced is."""
    for outcome in range(OUTCOMES // 2):
        synced: list[int] = []
        disk = CountedDisk(Random(1_000 * place + outcome), place, fails=True)
        with pytest.raises(OSError, match="planted"):
            live(disk, synced)
        writer = EventWriter(SimFiles(disk), DIRECTORY, segment_bytes=SEGMENT_BYTES)
        synced.append(writer.end.number)
        disk.lose_power()
        recovered(disk, synced)
