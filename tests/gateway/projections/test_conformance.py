"""What every sink must survive: down, slow, wiped, put back from an old backup, killed, two writers at once.

Each test ends with the same question: does the store hold what a fresh fold of the log gives, no row missing, none
twice? And while a sink is in trouble, the follower writes events down to the end of the log as if it were alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from gateway.child import EXIT_ENDED, EXIT_TROUBLE
from gateway.feeding import Feeding
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, sink_status_file
from gateway.projections.sqlite import StaleWriter
from gateway.status_file import read_status
from tests.gateway.children import Rows, end, events_seq, kill, rows_of, start, wait_for
from tests.gateway.projections.under_test import KINDS, SinkUnderTest
from tests.gateway.seasons import Season, write_log

KILLS = 20
SEGMENT_BYTES = 64 * 1024


class Crash(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=51, turns=60)


@pytest.fixture(scope="module")
def small() -> Season:
    return Season(seed=52, turns=8, rows_per_turn=10)


@pytest.fixture(scope="module")
def expected(season: Season) -> Rows:
    return rows_of(season)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SinkUnderTest]:
    made = request.param(tmp_path)
    yield made
    made.heal()


class House:
    """A data directory with a log that grows, its follower, and the sink as a process."""

    def __init__(self, data: Path, season: Season, under_test: SinkUnderTest) -> None:
        self.data, self.season, self.under_test = data, season, under_test
        self.log = LocalLog.open(RealFiles(), data / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
        self.log.claim(season.records[0].epoch)
        self.records = iter(season.records)
        self.seq = 0  # of the last record whose durability is vouched for
        self.follower = start("gateway.follower", data)
        self.start_sink()

    def start_sink(self) -> None:
        self.sink = start(f"gateway.sink {self.under_test.name}", self.data)

    def grow(self, records: int) -> int:
        """Write so many more records; returns the sequence that everyone can reach now."""
        for _ in range(records):
            record = next(self.records, None)
            if record is None:
                break
            self.seq = record.first_seq - 1
            self.log.write(record)
        return self.seq

    def followed(self) -> None:
        """Nobody else is delayed: events stand to the end of what is durable."""
        wait_for(lambda: events_seq(self.data) >= self.seq, "the follower at the end of the log")

    def caught_up(self) -> None:
        wait_for(lambda: self.under_test.seq() >= self.seq, f"the sink at {self.seq}")

    def hears(self) -> None:
        """The sink that runs now has told its status: before, SIGTERM would just kill it."""
        wait_for(lambda: self.state().get("pid") == self.sink.pid, "a status of this sink")

    def state(self) -> dict:
        return read_status(self.data / sink_status_file(self.under_test.name)) or {"state": None}

    def finish(self, expected: Rows) -> None:
        self.grow(10**9)
        self.followed()
        self.caught_up()
        self.hears()
        assert end(self.sink)[0] == EXIT_ENDED
        assert self.under_test.dump() == expected

    def close(self) -> None:
        for process in (self.sink, self.follower):
            if process.poll() is None:
                kill(process)
        self.log.close()


@pytest.fixture
def house(tmp_path: Path, season: Season, under_test: SinkUnderTest) -> Iterator[House]:
    made = House(tmp_path, season, under_test)
    yield made
    made.close()


# As a process


def test_down_it_is_tried_again_and_nobody_else_waits(house: House, expected: Rows) -> None:
    third = len(house.season.records) // 3
    house.grow(third)
    house.caught_up()
    house.hears()
    assert end(house.sink)[0] == EXIT_ENDED
    house.under_test.break_down()
    house.start_sink()
    house.grow(third)
    house.followed()
    wait_for(lambda: house.state()["state"] == "waiting", "that the sink says that it waits")
    assert house.state()["why"] and house.sink.poll() is None
    house.under_test.heal()
    house.caught_up()
    house.finish(expected)


def test_slow_it_delays_only_itself(house: House, expected: Rows) -> None:
    """Others hold the store up for 0.7 s at a time."""
    half = len(house.season.records) // 2
    house.grow(20)
    house.caught_up()
    house.under_test.slow_down(0.7)
    house.grow(half)
    started = time.monotonic()
    house.followed()
    assert house.under_test.seq() < house.seq, f"the events were there before the rows, {time.monotonic() - started} s"
    house.under_test.heal()
    house.finish(expected)


def test_wiped_it_is_made_anew_from_the_first_event(house: House, expected: Rows) -> None:
    house.grow(len(house.season.records) // 2)
    house.caught_up()
    kill(house.sink)
    house.under_test.wipe()
    assert house.under_test.seq() == 0
    house.start_sink()
    house.finish(expected)


def test_an_old_backup_put_back_is_brought_up_to_date(house: House, expected: Rows) -> None:
    quarter = len(house.season.records) // 4
    old = house.grow(quarter)
    house.caught_up()
    house.under_test.backup()
    house.grow(quarter)
    house.caught_up()
    kill(house.sink)
    house.under_test.restore()
    assert old <= house.under_test.seq() < house.seq
    house.start_sink()
    house.finish(expected)


def test_killed_at_random_moments_nothing_is_missing_and_nothing_twice(house: House, expected: Rows) -> None:
    """kill -9 of the sink, sometimes of the follower too, while the log grows."""
    chance = random.Random(3)
    share = -(-len(house.season.records) // KILLS)
    stood = set()
    for turn in range(KILLS):
        house.grow(share)
        if turn % 2:
            time.sleep(chance.uniform(0.0, 0.5))
        else:
            more = min(max(stood, default=-1), house.seq - 1)
            wait_for(lambda more=more: house.under_test.seq() > more, "progress, or all that there is")
        kill(house.sink)
        if turn % 5 == 4:
            kill(house.follower)
            house.follower = start("gateway.follower", house.data)
        stood.add(house.under_test.seq())
        house.start_sink()
    assert len(stood) >= KILLS // 4
    house.finish(expected)


def test_two_writers_at_once_write_every_row_once(house: House, expected: Rows) -> None:
    """Whoever comes second is fenced, ends, and is started again, as the venue does; in the end one of them stays."""
    name = f"gateway.sink {house.under_test.name}"
    others = [start(name, house.data)]
    fenced = 0
    share = len(house.season.records) // 12
    for _ in range(12):
        house.grow(share)
        house.followed()
        time.sleep(0.1)
        for place, process in enumerate(others):
            if process.poll() is not None:
                assert process.returncode == EXIT_TROUBLE
                process.communicate()
                fenced += 1
                others[place] = start(name, house.data)
        if house.sink.poll() is not None:
            assert house.sink.returncode == EXIT_TROUBLE
            house.sink.communicate()
            fenced += 1
            house.start_sink()
    for process in (*others, house.sink):
        if process.poll() is None:
            kill(process)
    house.start_sink()
    assert fenced >= 1, "they met"
    house.finish(expected)


def test_a_store_of_another_venue_is_made_anew(house: House, small: Season, expected: Rows) -> None:
    kill(house.sink)
    house.under_test.wipe()
    other = house.under_test.open()
    for found in zip(small.records, small.events, small.digests, strict=True):
        other.take(*found)
    other.flush()
    other.close()
    house.grow(len(house.season.records) // 2)
    house.start_sink()
    house.finish(expected)


def test_a_store_ahead_of_lost_events_waits_for_them(house: House, expected: Rows) -> None:
    """Power was lost: the store was synced and the events were not. The log gives them again; no row is made anew."""
    house.grow(len(house.season.records) // 2)
    house.caught_up()
    kill(house.sink)
    kill(house.follower)
    (live,) = (house.data / EVENTS_FOLDER).glob("*.evt")
    with live.open("r+b") as file:
        file.truncate(live.stat().st_size // 2)
    before = house.under_test.seq()
    assert events_seq(house.data) < before
    house.start_sink()
    house.hears()
    time.sleep(0.5)
    assert house.under_test.seq() == before
    house.follower = start("gateway.follower", house.data)
    house.grow(10**9)
    house.followed()
    house.caught_up()
    house.hears()
    code, stderr = end(house.sink)
    assert code == EXIT_ENDED and "anew" not in stderr
    assert house.under_test.dump() == expected


def test_a_store_ahead_of_a_shorter_log_is_made_anew(tmp_path: Path, small: Season, under_test: SinkUnderTest) -> None:
    """The log was put back from a backup older than the store."""
    sink = under_test.open()
    for found in zip(small.records, small.events, small.digests, strict=True):
        sink.take(*found)
    sink.flush()
    sink.close()
    upto = len(small.records) // 2
    write_log(small.records[:upto], tmp_path / LOG_FOLDER).close()
    processes = [start("gateway.follower", tmp_path), start(f"gateway.sink {under_test.name}", tmp_path)]
    seq = small.records[upto - 1].first_seq - 1
    wait_for(lambda: under_test.seq() == seq, "the end of the shorter log")
    wait_for(lambda: (tmp_path / sink_status_file(under_test.name)).exists(), "its status")
    codes = [end(process)[0] for process in processes]
    assert codes == [EXIT_ENDED, EXIT_ENDED]
    whole = rows_of(small)
    assert under_test.dump() != whole and len(under_test.dump()["orders"]) < len(whole["orders"])


# In this process, at every step of a write


def write_events(season: Season, data: Path) -> None:
    writer = EventWriter(RealFiles(), data / EVENTS_FOLDER, segment_bytes=SEGMENT_BYTES)
    for found in zip(season.records, season.events, season.digests, strict=True):
        writer.append(*found)
    while writer.tend():
        pass
    writer.close()


def feed(data: Path, sink: object, at_most: int = 7) -> None:
    """From the cursor to the end of the events, a transaction each poll."""
    reader = EventReader(RealFiles(), data / EVENTS_FOLDER, max(0, sink.cursor.number - 1))
    feeding = Feeding(reader, sink, lambda: 10**9)
    try:
        while feeding.step(at_most):
            feeding.finish()
        feeding.finish()
    finally:
        reader.close()


def test_killed_between_any_two_steps(tmp_path: Path, small: Season, under_test: SinkUnderTest) -> None:
    """Crash at the n-th step for every n, then another process goes on from what is stored."""
    write_events(small, tmp_path)
    whole, steps = rows_of(small), []
    sink = under_test.open(steps.append)
    feed(tmp_path, sink)
    sink.close()
    assert under_test.dump() == whole and len(steps) > 50
    for crash_at in range(len(steps)):
        under_test.wipe()
        left = crash_at

        def step(name: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash(name)

        sink = None
        with pytest.raises(Crash):
            sink = under_test.open(step)
            feed(tmp_path, sink)
        if sink is not None:
            under_test.abandon(sink)
        again = under_test.open()
        feed(tmp_path, again, at_most=1_000)
        again.close()
        assert under_test.dump() == whole, f"crash at step {crash_at} ({steps[crash_at]})"


def test_a_second_writer_between_any_two_steps_fences_the_first(
    tmp_path: Path, small: Season, under_test: SinkUnderTest
) -> None:
    """Another process writes between two transactions of this one: this one's next fails as a whole."""
    write_events(small, tmp_path)
    whole = rows_of(small)
    first = under_test.open()
    reader = EventReader(RealFiles(), tmp_path / EVENTS_FOLDER)
    feeding = Feeding(reader, first, lambda: 10**9)
    feeding.step(5)
    feeding.finish()
    second = under_test.open()
    feed(tmp_path, second)
    assert under_test.dump() == whole
    with pytest.raises(StaleWriter):
        while feeding.step(5):
            feeding.finish()
    assert under_test.dump() == whole
    for sink in (first, second):
        sink.close()
    reader.close()
