"""Calendars into the log: ahead of the clock, whole rounds, repeated harmlessly, and brought back after an absence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.codes import EventKind, Phase
from engine.log.memory import MemoryLog
from engine.machine import Machine
from engine.markets.random_end import commitment, content_of
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Resume, SetPhase, Time
from engine.messages.rows import EVENT
from engine.oracle.books import Books
from gateway.calendars import Entry
from gateway.config import Config, genesis, load
from gateway.inbox import Busy, Outcome, Reply
from gateway.scheduler import REOPEN_NS, Scheduler, catch_up
from gateway.sequencer import Stamp

SECOND = 10**9
NOON = 1_780_401_600 * SECOND  # 2 June 2026, 12:00 UTC
CONFIG = """
venue = "test"
[[instruments]]
symbol = "COCOA-T"
name = "Cocoa"
commodity = "cocoa beans"
tick_size = "1"
price_unit = "USD/t"
lot_kg = "1000"
lot_unit = "tonne"
currency = "USD"
calendar = "minute"
"""
MINUTE = """
version = 1
time_zone = "America/Lima"
hours_ahead = 0.1
[[sessions]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "24:00"
every = 60
cycle = [{ after = 35, phase = "call" }, { after = 55, phase = "no_cancel" }, { after = 60, uncross = "continuous" }]
"""


class House:
    """A machine on a clock that is moved by hand; what the scheduler sends is applied at once."""

    def __init__(self, config: Config, now_ns: int = NOON) -> None:
        self.config, self.machine, self.at_ns = config, Machine(Books()), now_ns
        self.stamp = Stamp(MemoryLog().claim(), 0)
        self.sent: list[Batch] = []
        self.full = False
        self.secrets = 0
        self.events = np.zeros(0, EVENT)
        self.apply(cold(Resume(now_ns, now_ns)))
        for batch in genesis(config):
            self.apply(batch)
        self.start()

    def start(self) -> None:
        self.scheduler = Scheduler(self, self, self.machine, self.config)  # type: ignore[arg-type]

    def now_ns(self) -> int:
        return self.at_ns

    def secret(self, size: int) -> bytes:
        self.secrets += 1
        return self.secrets.to_bytes(size, "little")

    def submit(self, batch: Batch, reply: Reply) -> None:
        if self.full:
            raise Busy
        self.sent.append(batch)
        first_seq = self.machine.seq + 1
        reply(Outcome("applied", first_seq, self.at_ns, self.apply(batch), 0))

    def apply(self, batch: Batch):
        record = self.stamp.record(batch, self.at_ns, self.machine.seq, self.machine.event_digest)
        events = self.machine.apply(record)
        self.events = np.concatenate([self.events, events])
        return events

    def after(self, seconds: float) -> Phase:
        """The phase after so many seconds, every second told to the machine."""
        for _ in range(int(seconds)):
            self.at_ns += SECOND
            due = self.machine.next_due()
            if due is not None and due <= self.at_ns:
                self.apply(cold(Time()))
        return self.phase

    def outage(self, seconds: int) -> None:
        before_ns, self.at_ns = self.at_ns, self.at_ns + seconds * SECOND
        self.apply(cold(Resume(before_ns, self.at_ns)))
        self.start()

    @property
    def phase(self) -> Phase:
        return Phase(self.machine.hot.phase(1))

    @property
    def ahead(self) -> list[tuple[int, Phase]]:
        """(seconds from now, phase) of the moves that wait."""
        return [((t.due_ns - self.at_ns) // SECOND, Phase(t.phase)) for t in self.machine.venue.moves_of(1)]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "minute.toml").write_text(MINUTE)
    (tmp_path / "venue.toml").write_text(CONFIG)
    return load(tmp_path / "venue.toml")


def test_a_new_venue_opens_by_a_call_and_follows_its_calendar(config: Config) -> None:
    house = House(config)
    house.scheduler.top_up()
    assert house.ahead[:4] == [(2, Phase.CALL), (22, Phase.CONTINUOUS), (35, Phase.CALL), (55, Phase.NO_CANCEL)]
    assert house.phase is Phase.CLOSED
    assert [house.after(2), house.after(20), house.after(13), house.after(20), house.after(5)] == [
        Phase.CALL, Phase.CONTINUOUS, Phase.CALL, Phase.NO_CANCEL, Phase.CONTINUOUS,
    ]  # fmt: skip


def test_only_what_is_missing_is_sent(config: Config) -> None:
    house = House(config)
    house.scheduler.top_up()
    sent = len(house.sent)
    house.scheduler.top_up()
    assert len(house.sent) == sent
    house.after(60)
    house.scheduler.top_up()
    assert len(house.sent) == sent + 1 and len(house.ahead) == 3 * 6


RANDOM = """
version = 1
time_zone = "America/Lima"
hours_ahead = 0.1
[[sessions]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "24:00"
every = 60
cycle = [
  { after = 10, phase = "call" }, { after = 20, day_end = true },
  { after = 40, uncross = "continuous", random_seconds = 20 },
]
"""


def test_a_random_end_is_committed_to_and_revealed_and_its_seed_is_told_nowhere_before(
    config: Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calendars" / "minute.toml").write_text(RANDOM)
    house = House(load(tmp_path / "venue.toml"))
    house.scheduler.top_up()
    assert house.secrets > 3, "each random end has a seed of its own"
    events = house.events
    committed = events[events["kind"] == EventKind.SEED_COMMITTED]
    assert len(committed) == house.secrets and not (events["kind"] == EventKind.SEED_REVEALED).any()
    moves = house.machine.venue.moves_of(1)
    announced = next(move for move in moves if move.random_ns)
    assert (announced.due_ns - NOON) // SECOND % 60 == 40 and announced.random_ns == 20 * SECOND
    house.after(60)
    revealed = house.events[house.events["kind"] == EventKind.SEED_REVEALED]
    seed = content_of(*(int(revealed[0][name]) for name in ("order", "counter_order", "qty", "leaves")))
    assert seed == (1).to_bytes(32, "little")
    bound = content_of(*(int(committed[0][name]) for name in ("order", "counter_order", "qty", "leaves")))
    assert commitment(seed) == bound and house.phase is Phase.CONTINUOUS
    said = capfd.readouterr()
    assert seed.hex() not in said.out + said.err and repr(seed) not in said.out + said.err


def test_a_restart_repeats_and_changes_nothing(config: Config) -> None:
    house = House(config)
    house.scheduler.top_up()
    house.after(40)
    before = [(timer.due_ns, timer.phase) for timer in house.machine.venue.moves_of(1)]
    house.start()
    house.scheduler.top_up()
    after = [(timer.due_ns, timer.phase) for timer in house.machine.venue.moves_of(1)]
    assert after[: len(before)] == before, "one more round at the end, the others as they were"
    assert len(after) == len(before) + 3 and len(set(after)) == len(after)


def test_a_full_inbox_and_a_refusal_are_tried_again(config: Config) -> None:
    house = House(config)
    house.full = True
    house.scheduler.top_up()
    assert house.ahead == []
    house.full = False
    house.scheduler.top_up()
    assert house.ahead


def test_an_outage_inside_a_round_moves_all_of_it(config: Config) -> None:
    house = House(config)
    house.scheduler.top_up()
    house.after(40)  # in the call, 15 s before no_cancel and 20 s before the uncross
    house.outage(7)
    assert house.phase is Phase.CALL and house.ahead[:2] == [(15, Phase.NO_CANCEL), (20, Phase.CONTINUOUS)]
    house.scheduler.top_up()
    assert house.after(15) is Phase.NO_CANCEL and house.after(5) is Phase.CONTINUOUS
    calls = 0
    for _ in range(10):  # shifted and fresh rounds may overlap; each minute still has its auction
        house.scheduler.top_up()
        phases = {house.after(1) for _ in range(60)}
        calls += Phase.CALL in phases and Phase.CONTINUOUS in phases
    assert calls == 10


@pytest.mark.parametrize("seconds", [1, 10, 24, 25, 26, 35, 59, 60, 61, 100, 355, 3_600, 100_000])
def test_any_outage_ends_in_an_auction_every_minute(config: Config, seconds: int) -> None:
    house = House(config)
    house.scheduler.top_up()
    house.after(50)
    house.outage(seconds)
    house.scheduler.top_up()
    house.after(60)
    for _ in range(8):
        house.scheduler.top_up()
        phases = {house.after(1) for _ in range(60)}
        assert phases >= {Phase.CALL, Phase.CONTINUOUS}


def test_a_halt_is_the_operators_to_end(config: Config) -> None:
    house = House(config)
    house.scheduler.top_up()
    house.after(25)
    house.apply(cold(SetPhase(1, int(Phase.HALTED))))
    house.start()
    assert catch_up(Phase.HALTED, Phase.CONTINUOUS, house.at_ns, None) == []


AT = 1_000 * SECOND
LATER = AT + 60 * SECOND


@pytest.mark.parametrize(
    ("phase", "meant", "following", "expected"),
    [
        (Phase.CLOSED, Phase.CLOSED, None, []),
        (Phase.CONTINUOUS, Phase.CONTINUOUS, None, []),
        (Phase.CONTINUOUS, Phase.CLOSED, None, [(0, Phase.CLOSED, False)]),
        (Phase.CLOSED, Phase.PRE_OPEN, None, [(0, Phase.PRE_OPEN, False)]),
        (Phase.CLOSED, Phase.CALL, None, [(0, Phase.CALL, False)]),
        (Phase.CLOSED, Phase.NO_CANCEL, None, [(0, Phase.CALL, False)]),
        (Phase.CALL, Phase.NO_CANCEL, None, []),
        (Phase.CALL, Phase.CLOSED, None, []),  # only an uncross leads out of a call
        (Phase.CLOSED, Phase.CONTINUOUS, None, [(0, Phase.CALL, False), (20, Phase.CONTINUOUS, True)]),
        (Phase.CALL, Phase.CONTINUOUS, None, [(20, Phase.CONTINUOUS, True)]),
        (
            Phase.CLOSED, Phase.CONTINUOUS, Entry(LATER, Phase.CALL, False),
            [(0, Phase.CALL, False), (20, Phase.CONTINUOUS, True)],
        ),
        (Phase.CLOSED, Phase.CONTINUOUS, Entry(AT + SECOND, Phase.CALL, False), [(0, Phase.CALL, False)]),
        (Phase.CLOSED, Phase.CONTINUOUS, Entry(AT + SECOND, Phase.CLOSED, False), []),
        (Phase.HALTED, Phase.CONTINUOUS, None, []),
    ],
)  # fmt: skip
def test_the_way_back(phase: Phase, meant: Phase, following: Entry | None, expected: list) -> None:
    found = [((e.due_ns - AT) // SECOND, e.phase, e.uncross) for e in catch_up(phase, meant, AT, following)]
    assert found == expected
    assert REOPEN_NS == 20 * SECOND
