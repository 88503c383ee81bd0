"""Random ends: committed to before, drawn by the seed alone, shown by nobody until they are there."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import EventKind, Phase, Reason, Side, TimerKind
from engine.limits import RANDOM_END_NS_MAX
from engine.markets.random_end import commitment, content_of, end_ns
from engine.messages import bodies
from engine.messages.rows import EVENT
from engine.messages.views import operator_view, public_view
from engine.state.venue import Venue
from tests.recorder import HOTS, SECOND_NS, Recorder, coffee, kinds, of_kind, order_row, refusal, venue_on

SEED = bytes(range(32))
WINDOW_NS = 30 * SECOND_NS


def entry(due_ns: int, seed: bytes = SEED, **changes: object) -> bodies.ScheduleEntry:
    fields = {"phase": Phase.CONTINUOUS, "uncross": True, "random_ns": WINDOW_NS, "seed": seed}
    return bodies.ScheduleEntry(due_ns, **(fields | changes))


def carried(event: np.void) -> bytes:
    return content_of(*(int(event[name]) for name in ("order", "counter_order", "qty", "leaves")))


@given(
    seed=st.binary(min_size=32, max_size=32),
    instrument=st.integers(1, 65_535),
    due_ns=st.integers(0, 2**62),
    window_ns=st.integers(1, RANDOM_END_NS_MAX),
)
def test_the_end_lies_in_its_window_and_depends_on_the_seed_alone(seed, instrument, due_ns, window_ns):
    end = end_ns(seed, instrument, due_ns, window_ns)
    assert due_ns <= end < due_ns + window_ns
    about = instrument.to_bytes(4, "little") + due_ns.to_bytes(8, "little")
    assert end - due_ns == int.from_bytes(blake2b(seed + about, digest_size=32).digest(), "little") % window_ns


def test_ends_are_spread_over_the_window():
    """Of 4,000 seeds every tenth of the window has its share: 400, give or take six standard deviations."""
    ends = [end_ns(number.to_bytes(32, "little"), 1, 0, 10**9) // 10**8 for number in range(4_000)]
    assert all(abs(ends.count(tenth) - 400) < 6 * 19 for tenth in range(10))


@pytest.mark.parametrize("hot", HOTS)
def test_it_is_committed_to_kept_and_revealed(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), order_row(1, Side.BUY, 6_700, 5), order_row(2, Side.SELL, 6_700, 5))
    due_ns = recorder.ts_ns + 10 * SECOND_NS
    events = recorder.do(bodies.Schedule(1, 1, (entry(due_ns),)))
    assert kinds(events) == [EventKind.SCHEDULED, EventKind.RANDOM_END, EventKind.SEED_COMMITTED]
    assert (events["leaves"][1], events["qty"][1]) == (due_ns, WINDOW_NS)
    told = public_view(events)
    assert carried(told[2]) == commitment(SEED) == blake2b(SEED, digest_size=32).digest()

    real_ns = end_ns(SEED, 1, due_ns, WINDOW_NS)
    assert recorder.machine.next_due() == real_ns
    recorder.ts_ns = real_ns - 1
    assert kinds(recorder.do(bodies.Time())) == [EventKind.DONE]
    recorder.restart(hot)
    recorder.ts_ns = real_ns
    events = recorder.do(bodies.Time())
    assert kinds(events) == [
        EventKind.TIMER, EventKind.SEED_REVEALED, EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE, EventKind.DONE
    ]  # fmt: skip
    seed = carried(public_view(of_kind(events, EventKind.SEED_REVEALED))[0])
    assert seed == SEED and end_ns(seed, 1, due_ns, WINDOW_NS) == events["leaves"][0]
    assert recorder.machine.venue.timers.seeds == set()


@pytest.mark.parametrize("hot", HOTS)
def test_nobody_is_shown_the_real_end_before(hot):
    """Neither an event of any reader nor the calendar as feeds show it differs with the seed, but for its hash."""
    shown = []
    for seed in (SEED, SEED[::-1]):
        recorder = venue_on(hot)
        due_ns = recorder.ts_ns + 10 * SECOND_NS
        later = bodies.ScheduleEntry(due_ns + WINDOW_NS + 1, Phase.CALL)
        events = recorder.do(bodies.SetPhase(1, Phase.CALL), bodies.Schedule(1, 1, (entry(due_ns, seed), later)))
        real_ns = end_ns(seed, 1, due_ns, WINDOW_NS)
        start_ns = recorder.ts_ns
        more = [recorder.do(bodies.Resume(start_ns, start_ns + 3 * SECOND_NS), after_s=3), recorder.do(bodies.Time())]
        events = np.concatenate([events, *more])
        assert real_ns not in {int(value) for name in EVENT.names for value in events[name]}
        events = operator_view(events)
        moves = recorder.machine.venue.moves()
        assert [move.due_ns for move in moves] == [due_ns + 3 * SECOND_NS, due_ns + WINDOW_NS + 1 + 3 * SECOND_NS]
        assert [move.random_ns for move in moves] == [WINDOW_NS, 0]
        shown.append((events[events["kind"] != EventKind.SEED_COMMITTED].tobytes(), moves))
    assert shown[0] == shown[1]


def test_an_outage_moves_both_times():
    venue = Venue()
    timer = venue.timers.set(0, 105, TimerKind.UNCROSS, subject=1, version=1, random_ns=10, announced_ns=100, seed=SEED)
    moved = venue.timers.postpone(timer, 205)
    assert (moved.due_ns, moved.announced_ns, moved.seed, moved.timer) == (205, 200, SEED, timer.timer)
    assert venue.moves() == [(200, TimerKind.UNCROSS, 1, 0, 10)] and venue.timers.seeds == {SEED}


@pytest.mark.parametrize("hot", HOTS)
def test_a_random_end_that_is_given_up_is_revealed(hot):
    recorder = venue_on(hot)
    due_ns = recorder.ts_ns + 10 * SECOND_NS
    recorder.do(bodies.Schedule(1, 1, (entry(due_ns),)))
    events = recorder.do(bodies.Schedule(1, 2, (entry(due_ns, SEED[::-1]),)))
    assert kinds(events)[:2] == [EventKind.SEED_REVEALED, EventKind.SCHEDULED] and carried(events[0]) == SEED
    assert recorder.machine.venue.timers.seeds == {SEED[::-1]}


@pytest.mark.parametrize("hot", HOTS)
@pytest.mark.parametrize(
    "changes",
    [
        {"seed": b""},
        {"seed": SEED[1:]},
        {"random_ns": 0},
        {"uncross": False, "phase": Phase.CALL},
        {"day_end": True, "uncross": False, "phase": 0},
    ],
)
def test_a_window_without_a_whole_seed_is_no_entry(hot, changes):
    recorder = venue_on(hot)
    body = bodies.Schedule(1, 1, (entry(recorder.ts_ns + SECOND_NS, **changes),))
    assert refusal(recorder.do(body)) == Reason.BODY_INVALID


@pytest.mark.parametrize("hot", HOTS)
def test_a_seed_decides_one_end_alone(hot):
    recorder = venue_on(hot)
    first, second = (entry(recorder.ts_ns + n * 100 * SECOND_NS) for n in (1, 2))
    assert refusal(recorder.do(bodies.Schedule(1, 1, (first, second)))) == Reason.BODY_INVALID
    recorder.do(bodies.Schedule(1, 1, (first,)))
    assert refusal(recorder.do(bodies.Schedule(2, 1, (second,)))) == Reason.BODY_INVALID
    assert recorder.do(bodies.Schedule(1, 1, (first,)))["qty"].tolist() == [0], "a repeat does nothing"


@pytest.mark.parametrize("hot", HOTS)
def test_an_end_that_finds_no_call_is_revealed_and_says_so(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.Schedule(1, 1, (entry(recorder.ts_ns + SECOND_NS),)))
    events = recorder.do(bodies.Time(), after_s=60)
    assert kinds(events) == [EventKind.TIMER, EventKind.SEED_REVEALED, EventKind.REJECTED, EventKind.DONE]


@pytest.mark.parametrize("hot", HOTS)
def test_the_extension_of_a_random_end_has_a_known_end(hot):
    recorder: Recorder = venue_on(hot, instruments=0)
    recorder.do(coffee(1, collar_floor=10, extension_ns=SECOND_NS, extensions_max=1), bodies.SetPhase(1, Phase.CALL))
    recorder.do(order_row(1, Side.BUY, 9_000, 5), order_row(2, Side.SELL, 9_000, 5))
    recorder.do(bodies.Schedule(1, 1, (entry(recorder.ts_ns + SECOND_NS),)))
    events = recorder.do(bodies.Time(), after_s=60)
    assert kinds(events)[:3] == [EventKind.TIMER, EventKind.SEED_REVEALED, EventKind.CALL_EXTENDED]
    assert recorder.machine.venue.moves_of(1)[0].random_ns == 0
