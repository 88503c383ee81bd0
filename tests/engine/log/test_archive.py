"""Old segments, compressed: nothing is lost on the way, and every reader goes on through both kinds."""

from __future__ import annotations

import contextlib
from pathlib import Path
from random import Random

import pytest

from engine.log.archive import FOLDER, PACKED, archive_before, list_all, list_archived
from engine.log.files import RealFiles
from engine.log.follow import LogReader
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from tests.engine.log.builders import fill, tail_after
from tests.faulty_files import FaultyFiles
from tests.simulation.disk import Disk, SimFiles

SEGMENT = 16 * 1024


def written(directory, counts=(1, 60, 0, 7) * 20):
    log = LocalLog.open(RealFiles(), directory, segment_bytes=SEGMENT)
    records = fill(log, list(counts))
    return log, records


def opened(directory) -> LocalLog:
    return LocalLog.open(RealFiles(), directory, writable=False)


def test_only_segments_wholly_at_or_below_the_number_move(tmp_path):
    log, records = written(tmp_path)
    firsts = [number for number, _ in list_all(RealFiles(), tmp_path)]
    assert len(firsts) > 6
    assert archive_before(RealFiles(), tmp_path, firsts[3] - 2) == firsts[:2], "one record of the third is needed"
    assert archive_before(RealFiles(), tmp_path, firsts[3] - 1) == firsts[2:3]
    assert archive_before(RealFiles(), tmp_path, 10**9) == firsts[3:-1], "never the one that is written"
    assert list_archived(RealFiles(), tmp_path) == firsts[:-1]
    assert sorted(path.name for path in tmp_path.glob("*.seg")) == [f"{firsts[-1]:016d}.seg"]
    log.close()
    log = LocalLog.open(RealFiles(), tmp_path, segment_bytes=SEGMENT)
    assert (log.first_number, log.tail.next_number) == (firsts[-1], len(records) + 1)
    assert [record.raw for record in log.read()] == [record.raw for record in records]


@pytest.mark.parametrize("start", [0, 1, 13, 40, 79])
def test_every_reader_goes_on_through_both(tmp_path, start):
    log, records = written(tmp_path)
    archive_before(RealFiles(), tmp_path, 45)
    assert list_archived(RealFiles(), tmp_path)
    log.close()
    place = tail_after(records, start)
    assert [record.number for record in opened(tmp_path).read(place)] == list(range(start + 1, len(records) + 1))
    reader = LogReader(RealFiles(), tmp_path, tail=place)
    found = []
    while more := reader.poll(7):
        found += more
    assert [record.raw for record in found] == [record.raw for record in records[start:-1]]


def test_a_segment_that_moves_between_two_listings_is_in_one_of_them(tmp_path):
    log, _ = written(tmp_path)
    log.close()
    firsts = [number for number, _ in list_all(RealFiles(), tmp_path)]

    class Moving(RealFiles):
        """The archiver comes in right after the first folder was listed."""

        def listdir(self, directory):
            names = super().listdir(directory)
            archive_before(RealFiles(), tmp_path, firsts[2] - 1)
            return names

    assert [number for number, _ in list_all(Moving(), tmp_path)] == firsts
    assert list_archived(RealFiles(), tmp_path) == firsts[:2], "it did move"


def test_a_reader_is_not_disturbed_while_segments_move(tmp_path):
    log, records = written(tmp_path)
    log.close()
    reader, found = LogReader(RealFiles(), tmp_path), []
    walking = opened(tmp_path).read()
    walked = [next(walking) for _ in range(5)]
    for number in range(0, len(records), 3):
        found += reader.poll(2)
        archive_before(RealFiles(), tmp_path, number)
        walked += [record for record in (next(walking, None), next(walking, None)) if record]
    while more := reader.poll():
        found += more
    assert [record.raw for record in found] == [record.raw for record in records[:-1]]
    assert [record.raw for record in [*walked, *walking]] == [record.raw for record in records]


def test_a_failure_anywhere_leaves_each_segment_in_one_place_at_least(tmp_path):
    """Each call fails in turn; what is found afterwards reads whole, and the next attempt goes on."""
    _, records = written(tmp_path / "whole")
    calls = 0
    while True:
        directory = tmp_path / f"failing-{calls}"
        log, records = written(directory)
        log.close()
        files = FaultyFiles(RealFiles())
        files.fail_after(calls)
        try:
            archive_before(files, directory, 30)
        except OSError:
            pass
        else:
            break
        assert [record.raw for record in opened(directory).read()] == [record.raw for record in records]
        assert archive_before(RealFiles(), directory, 30) or calls > 5
        assert [record.raw for record in opened(directory).read()] == [record.raw for record in records]
        calls += 1
    assert calls > 10


def test_damage_in_the_archive_is_named(tmp_path):
    log, _ = written(tmp_path)
    archive_before(RealFiles(), tmp_path, 45)
    log.close()
    path = tmp_path / FOLDER / f"{list_archived(RealFiles(), tmp_path)[1]:016d}{PACKED}"
    image = bytearray(path.read_bytes())
    image[len(image) // 2] ^= 4
    path.write_bytes(image)
    with pytest.raises(LogCorrupt, match=path.name):
        list(opened(tmp_path).read())
    path.unlink()
    with pytest.raises(LogCorrupt, match="says that it was durable"):
        list(opened(tmp_path).read())


def test_an_archive_without_its_log_is_refused(tmp_path):
    log, _ = written(tmp_path)
    archive_before(RealFiles(), tmp_path, 10**9)
    log.close()
    for path in tmp_path.glob("*.seg"):
        path.unlink()
    with pytest.raises(LogCorrupt, match="no later segment"):
        LocalLog.open(RealFiles(), tmp_path, segment_bytes=SEGMENT)


def test_records_that_are_nowhere_are_named(tmp_path):
    log, records = written(tmp_path)
    archive_before(RealFiles(), tmp_path, 45)
    log.close()
    for path in (tmp_path / FOLDER).iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="holds record 1"):
        list(opened(tmp_path).read())
    with pytest.raises(ValueError, match="not 1"):
        LogReader(RealFiles(), tmp_path).poll()
    assert list(opened(tmp_path).read(tail_after(records, 60)))


@pytest.mark.parametrize("bit", range(8 * 16))
def test_a_flipped_bit_in_the_head_of_an_archived_segment_is_refused_or_changes_nothing(tmp_path, bit):
    """The head says how large the segment is: nothing, or more memory than there is, with some bits flipped."""
    log, records = written(tmp_path, (1, 60, 0, 7) * 5)
    log.close()
    archive_before(RealFiles(), tmp_path, 10)
    path = tmp_path / FOLDER / f"{list_archived(RealFiles(), tmp_path)[0]:016d}{PACKED}"
    damaged = bytearray(path.read_bytes())
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        found = [record.raw for record in opened(tmp_path).read()]
    except LogCorrupt as corrupt:
        assert corrupt.segment == f"{FOLDER}/{path.name}"
    else:
        assert found == [record.raw for record in records]


def test_a_damaged_segment_stays_where_it_is(tmp_path):
    """Archived, its damage would lie hidden until somebody reads the log from the beginning."""
    log, _ = written(tmp_path)
    log.close()
    first, path = list_all(RealFiles(), tmp_path)[0]
    raw = bytearray(path.read_bytes())
    raw[SEGMENT // 2] ^= 4
    path.write_bytes(raw)
    with pytest.raises(LogCorrupt, match=path.name):
        archive_before(RealFiles(), tmp_path, 10**9)
    assert path.read_bytes() == raw and first not in list_archived(RealFiles(), tmp_path)


class Killed(Exception):
    """The process ended at a call."""


class MortalFiles(SimFiles):
    """Of a process that is killed at its n-th call that changes something."""

    def __init__(self, disk: Disk, calls: int) -> None:
        super().__init__(disk)
        self.calls = calls

    def _trouble(self, name: str, *, changes: bool = True) -> None:
        if changes:
            self.calls -= 1
            if self.calls < 0:
                raise Killed(name)


@pytest.mark.parametrize("first_calls", range(16))
def test_an_archiver_killed_and_another_that_loses_power_lose_nothing(first_calls):
    """Names that the first one left may not be durable yet when the second one finds them."""
    directory = Path("/venue/log")
    for second_calls in range(16):
        disk = Disk(Random(first_calls * 16 + second_calls))
        files = SimFiles(disk)
        log = LocalLog.open(files, directory, segment_bytes=SEGMENT)
        records = fill(log, [60] * 8)
        log.close()
        for calls in (first_calls, second_calls):
            with contextlib.suppress(Killed):
                archive_before(MortalFiles(disk, calls), directory, 10)
        disk.lose_power()
        left = LocalLog.open(SimFiles(disk), directory, writable=False)
        assert [record.raw for record in left.read()] == [record.raw for record in records]
