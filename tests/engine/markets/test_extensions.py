"""Calls whose price lies outside their corridor: extended a bounded time, then printed or halted, or forced."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import EventKind, Phase, Side, TimerKind
from engine.limits import EXTENSIONS_MAX
from engine.machine import Machine
from engine.markets.extensions import Outcome
from engine.messages import bodies
from engine.oracle.books import Books
from tests.recorder import HOTS, SECOND_NS, Recorder, coffee, kinds, of_kind, open_venue, order_row, venue_on

MINUTE_NS = 60 * SECOND_NS
EXTENDED = [EventKind.TIMER, EventKind.CALL_EXTENDED, EventKind.DONE]


def in_call(hot: type, **terms: object) -> Recorder:
    """Instrument 1 in a call; its collar is 6,605 to 6,805, each extension wider by the half of the first half."""
    recorder = venue_on(hot, instruments=0)
    declared = {"collar_floor": 100, "extension_ns": MINUTE_NS, "extensions_max": 2, "widen_bps": 5_000}
    recorder.do(coffee(1, **(declared | terms)), bodies.SetPhase(1, Phase.CALL))
    return recorder


def crossing(recorder: Recorder, price: int, qty: int = 5) -> None:
    recorder.do(order_row(1, Side.BUY, price, qty), order_row(2, Side.SELL, price, qty))


@pytest.mark.parametrize("hot", HOTS)
def test_it_is_extended_with_a_wider_corridor_each_time(hot):
    recorder = in_call(hot)
    crossing(recorder, 6_900)
    seen = recorder.machine.outlook(1)
    assert seen == ((6_900, 5, 0), (6_605, 6_805), 0, Outcome.EXTENDS)
    soon = bodies.ScheduleEntry(recorder.ts_ns + SECOND_NS, Phase.CONTINUOUS, uncross=True)
    recorder.do(bodies.Schedule(1, 1, (soon,)))
    events = recorder.do(bodies.Time(), after_s=1)
    assert kinds(events) == EXTENDED
    told = events[1]
    assert (told["price"], told["qty"], told["leaves"]) == (6_900, 1, recorder.ts_ns + MINUTE_NS)
    assert recorder.machine.hot.phase(1) == Phase.CALL
    (move,) = recorder.machine.venue.moves_of(1)
    assert (move.due_ns, move.kind, move.phase) == (recorder.ts_ns + MINUTE_NS, TimerKind.UNCROSS, Phase.CONTINUOUS)
    assert recorder.machine.outlook(1)[1:] == ((6_555, 6_855), 1, Outcome.EXTENDS)
    recorder.restart(hot)
    assert kinds(recorder.do(bodies.Time(), after_s=60)) == EXTENDED
    assert recorder.machine.outlook(1)[1:] == ((6_505, 6_905), 2, Outcome.PRINTS), "it lies inside by now"
    events = recorder.do(bodies.Time(), after_s=60)
    assert kinds(events) == [EventKind.TIMER, EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE, EventKind.DONE]
    assert recorder.machine.venue.extensions == {} and recorder.machine.venue.moves_of(1) == []


@pytest.mark.parametrize("hot", HOTS)
@pytest.mark.parametrize(("outcome", "phase"), [("print", Phase.CONTINUOUS), ("halt", Phase.HALTED)])
def test_after_the_last_one_it_prints_or_waits_for_the_operator(hot, outcome, phase):
    recorder = in_call(hot, after_extensions=outcome)
    crossing(recorder, 9_000)
    assert kinds(recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))) == [EventKind.CALL_EXTENDED]
    assert kinds(recorder.do(bodies.Time(), after_s=60)) == EXTENDED
    assert recorder.machine.outlook(1).outcome is (Outcome.HALTS if outcome == "halt" else Outcome.PRINTS)
    events = recorder.do(bodies.Time(), after_s=60)
    assert recorder.machine.hot.phase(1) == phase and recorder.machine.venue.extensions == {}
    if outcome == "print":
        assert of_kind(events, EventKind.FILL)["price"].tolist() == [9_000]
        return
    assert kinds(events) == [EventKind.TIMER, EventKind.CALL_HELD, EventKind.PHASE, EventKind.DONE]
    assert (events["price"][1], events["qty"][1]) == (9_000, 2)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    assert kinds(recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))) == [EventKind.CALL_EXTENDED], "a call of its own"
    forced = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS, force=True))
    assert kinds(forced) == [EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE]
    assert recorder.machine.venue.moves_of(1) == [], "the extension's uncross is gone"


@pytest.mark.parametrize("hot", HOTS)
def test_without_extensions_the_outcome_comes_at_once(hot):
    recorder = in_call(hot, extensions_max=0, after_extensions="halt")
    crossing(recorder, 9_000)
    events = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    assert kinds(events) == [EventKind.CALL_HELD, EventKind.PHASE] and events["reason"][1] == Phase.HALTED
    plain = in_call(hot, extensions_max=0)
    crossing(plain, 9_000)
    assert kinds(plain.do(bodies.Uncross(1, Phase.CONTINUOUS)))[0] == EventKind.FILL


@pytest.mark.parametrize("hot", HOTS)
def test_a_call_that_finds_no_price_is_not_extended(hot):
    recorder = in_call(hot)
    recorder.do(order_row(1, Side.BUY, 9_000, 5))
    assert kinds(recorder.do(bodies.Uncross(1, Phase.CLOSED))) == [EventKind.UNCROSSED, EventKind.PHASE]


@pytest.mark.parametrize("hot", HOTS)
def test_a_call_that_is_broken_off_is_not_uncrossed_later(hot):
    recorder = in_call(hot)
    crossing(recorder, 9_000)
    recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    recorder.do(bodies.SetPhase(1, Phase.HALTED))
    assert recorder.machine.venue.extensions == {} and recorder.machine.venue.moves_of(1) == []
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    assert kinds(recorder.do(bodies.Time(), after_s=120)) == [EventKind.DONE]
    assert recorder.machine.outlook(1).extensions == 0


@pytest.mark.parametrize("hot", HOTS)
def test_a_newer_calendar_leaves_a_running_extension(hot):
    recorder = in_call(hot)
    crossing(recorder, 9_000)
    recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    later = bodies.ScheduleEntry(recorder.ts_ns + 10 * MINUTE_NS, Phase.CALL)
    recorder.do(bodies.Schedule(1, 5, (later,)))
    assert [move.kind for move in recorder.machine.venue.moves_of(1)] == [TimerKind.UNCROSS, TimerKind.PHASE_MOVE]
    assert kinds(recorder.do(bodies.Time(), after_s=60)) == EXTENDED


@pytest.mark.parametrize("hot", HOTS)
def test_a_newer_calendar_replaces_one_of_version_0(hot):
    recorder = in_call(hot)
    for version in (0, 1):
        at = bodies.ScheduleEntry(recorder.ts_ns + (version + 5) * MINUTE_NS, Phase.NO_CANCEL)
        recorder.do(bodies.Schedule(1, version, (at,)))
    assert [move.due_ns for move in recorder.machine.venue.moves_of(1)] == [recorder.ts_ns + 6 * MINUTE_NS]


@pytest.mark.parametrize("hot", HOTS)
def test_an_outage_moves_an_extension(hot):
    recorder = in_call(hot)
    crossing(recorder, 9_000)
    recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    due_ns, last_ns = recorder.machine.venue.moves_of(1)[0].due_ns, recorder.ts_ns
    recorder.do(bodies.Resume(last_ns, last_ns + 10 * MINUTE_NS), after_s=600)
    assert recorder.machine.venue.moves_of(1)[0].due_ns == due_ns + 10 * MINUTE_NS


@given(
    prices=st.lists(st.integers(6_300, 7_200), min_size=1, max_size=EXTENSIONS_MAX + 3),
    extensions=st.integers(0, EXTENSIONS_MAX),
    widen=st.integers(0, 20_000),
    halts=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_print_lies_inside_or_comes_after_all_extensions(prices, extensions, widen, halts):
    """However the price wanders: so many extensions at most, then the declared outcome; no print outside before."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder, instruments=0)
    recorder.do(
        coffee(
            1, collar_floor=100, extension_ns=SECOND_NS, extensions_max=extensions, widen_bps=widen,
            after_extensions="halt" if halts else "print",
        ),
        bodies.SetPhase(1, Phase.CALL),
    )  # fmt: skip
    qty = 1
    for price in prices:
        qty *= 2
        recorder.do(order_row(1, Side.BUY, price, qty), order_row(2, Side.SELL, price, qty))
        if recorder.machine.hot.phase(1) != Phase.CALL:
            break
        before = recorder.machine.outlook(1)
        events = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
        found, (low, high) = before.clearing.price_ticks, before.corridor
        inside = low <= found <= high
        assert before.extensions <= extensions
        if inside or (before.extensions == extensions and not halts):
            assert set(of_kind(events, EventKind.FILL)["price"]) == {found}
        elif before.extensions < extensions:
            assert kinds(events) == [EventKind.CALL_EXTENDED]
        else:
            assert kinds(events) == [EventKind.CALL_HELD, EventKind.PHASE] and events["reason"][1] == Phase.HALTED
