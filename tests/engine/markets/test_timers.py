"""Ends of days and orders, and the order in which what is due at one time fires."""

from __future__ import annotations

import pytest

from engine.codes import EventFlag, EventKind, OrderType, Phase, Reason, Side, TimeInForce, TimerKind
from engine.markets.timers import SWEEP_EVERY_NS
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from tests.recorder import (
    HOTS,
    SECOND_NS,
    Recorder,
    continuous,
    day_order,
    kinds,
    of_kind,
    order_row,
    refusal,
    venue_on,
)

pytestmark = pytest.mark.parametrize("hot", HOTS)


def gtd(recorder: Recorder, account: int, price: int, after_s: float, **fields: int) -> Batch:
    expire_at = recorder.ts_ns + int(after_s * SECOND_NS)
    return order_row(account, Side.BUY, price, 5, tif=TimeInForce.GTD, expire_at=expire_at, **fields)


def day_end(recorder: Recorder, after_s: float, instrument: int = 1, **changes: object) -> bodies.Schedule:
    entry = bodies.ScheduleEntry(recorder.ts_ns + int(after_s * SECOND_NS), **({"phase": 0, "day_end": True} | changes))
    return bodies.Schedule(instrument, 1, (entry,))


# --- good till date --------------------------------------------------------------------------------------------------


def test_orders_end_at_their_time_by_id_one_timer_for_each_time(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), bodies.SetPhase(2, Phase.CALL))
    entered = recorder.do(
        gtd(recorder, 1, 6_600, 20), gtd(recorder, 2, 6_601, 10), gtd(recorder, 3, 6_602, 20, instrument=2),
        order_row(1, Side.BUY, 6_603, 5),
    )  # fmt: skip
    first, second, third, _ = entered["order"].tolist()
    start_ns = recorder.ts_ns
    assert recorder.machine.next_due() == start_ns + 10 * SECOND_NS
    recorder.restart(hot)
    assert kinds(recorder.do(bodies.Time(), after_s=9.9)) == [EventKind.DONE]
    events = recorder.do(bodies.Time(), order_row(1, Side.BUY, 6_600, 1), after_s=20)
    assert kinds(events) == [
        EventKind.TIMER, EventKind.CANCELLED, EventKind.TIMER, EventKind.CANCELLED, EventKind.CANCELLED,
        EventKind.DONE, EventKind.ACCEPTED,
    ]  # fmt: skip
    timers = of_kind(events, EventKind.TIMER)
    assert timers["leaves"].tolist() == [start_ns + 10 * SECOND_NS, start_ns + 20 * SECOND_NS]
    assert set(timers["reason"]) == {TimerKind.EXPIRY} and set(timers["order"]) == {0}
    ended = of_kind(events, EventKind.CANCELLED)
    assert ended["order"].tolist() == [second, first, third] and set(ended["reason"]) == {Reason.EXPIRED}
    assert (events["flags"] & EventFlag.BY_TIMER != 0).tolist() == [True] * 5 + [False] * 2
    assert events["index"].tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert recorder.machine.next_due() == recorder.machine.venue.timers.next_due()


def test_an_outage_does_not_extend_them(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), gtd(recorder, 1, 6_600, 10))
    assert not recorder.machine.outage_clock_runs()
    last_ns = recorder.ts_ns
    events = recorder.do(bodies.Resume(last_ns, last_ns + 60 * SECOND_NS), after_s=60)
    assert kinds(events) == [EventKind.RESUMED, EventKind.TIMER, EventKind.CANCELLED]
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 1]


def test_a_skip_leaves_them_to_the_next_record(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), gtd(recorder, 1, 6_600, 10), day_end(recorder, 10))
    recorder.do(bodies.Time(), after_s=10)
    poison = recorder.records[-1].first_seq
    recorder.do(bodies.Time(), after_s=1)
    _, events = recorder.replayed(hot, frozenset({poison}))
    assert kinds(events[-2]) == [EventKind.TIMER, EventKind.SKIPPED, EventKind.SKIPPED], "the day's end is dropped"
    assert kinds(events[-1]) == [EventKind.TIMER, EventKind.CANCELLED, EventKind.DONE]


def test_what_is_due_at_one_time_fires_by_kind(hot):
    recorder = venue_on(hot)
    recorder.ts_ns += SWEEP_EVERY_NS - 30 * SECOND_NS
    recorder.do(bodies.SetPhase(1, Phase.CALL), bodies.SetPhase(2, Phase.CALL))
    recorder.do(
        cold(bodies.CancelAfter(30 * SECOND_NS), account=2), day_end(recorder, 30), gtd(recorder, 1, 6_600, 30),
        day_order(1, Side.BUY, 6_600, 5), order_row(2, Side.BUY, 6_600, 5),
        bodies.Schedule(2, 1, (bodies.ScheduleEntry(recorder.ts_ns + 30 * SECOND_NS, Phase.HALTED),)),
    )  # fmt: skip
    events = recorder.do(bodies.Time(), after_s=30)
    assert of_kind(events, EventKind.TIMER)["reason"].tolist() == [
        TimerKind.PHASE_MOVE, TimerKind.CLIENT_ID_SWEEP, TimerKind.EXPIRY, TimerKind.CANCEL_AFTER, TimerKind.DAY_END
    ]  # fmt: skip
    assert of_kind(events, EventKind.CANCELLED)["reason"].tolist() == [
        Reason.EXPIRED, Reason.BY_CANCEL_AFTER, Reason.DAY_ENDED
    ]  # fmt: skip


# --- days ------------------------------------------------------------------------------------------------------------


def test_day_orders_end_with_the_day_of_their_book(hot):
    recorder = venue_on(hot)
    continuous(recorder, 1, 2)
    recorder.do(
        day_order(1, Side.BUY, 6_600, 5),
        order_row(1, Side.BUY, 6_601, 5),
        day_order(2, Side.BUY, 6_602, 5, instrument=2),
        day_order(2, Side.BUY, 0, 5, type=OrderType.STOP, stop_price=6_900),
        day_end(recorder, 30),
    )
    assert recorder.machine.venue.moves_of(1) == [], "nothing that a feed shows as a move"
    assert not recorder.machine.outage_clock_runs()
    last_ns = recorder.ts_ns
    recorder.restart(hot)
    events = recorder.do(bodies.Resume(last_ns, last_ns + 60 * SECOND_NS), after_s=60)
    assert kinds(events) == [EventKind.RESUMED, EventKind.TIMER, EventKind.CANCELLED, EventKind.CANCELLED]
    assert (events["reason"][1], set(events["reason"][2:])) == (TimerKind.DAY_END, {Reason.DAY_ENDED})
    assert recorder.machine.hot.phase(1) == Phase.CONTINUOUS
    assert [len(recorder.machine.hot.orders_of(account)) for account in (1, 2)] == [1, 1]


@pytest.mark.parametrize("by_uncross", [False, True])
def test_day_orders_end_when_their_book_closes(hot, by_uncross):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    recorder.do(day_order(1, Side.BUY, 6_600, 5), order_row(1, Side.BUY, 6_601, 5), day_order(2, Side.SELL, 6_700, 5))
    if by_uncross:
        events = recorder.do(bodies.Uncross(1, Phase.CLOSED))
        assert kinds(events)[0] == EventKind.UNCROSSED
    else:
        recorder.do(bodies.SetPhase(1, Phase.HALTED))
        events = recorder.do(bodies.SetPhase(1, Phase.CLOSED))
    assert kinds(events)[-3:] == [EventKind.PHASE, EventKind.CANCELLED, EventKind.CANCELLED]
    assert set(events["reason"][-2:]) == {Reason.DAY_ENDED}
    assert (events["flags"] & EventFlag.LAST).tolist() == [0] * (len(events) - 1) + [1]


def test_a_newer_calendar_has_its_own_day_ends(hot):
    recorder = venue_on(hot)
    recorder.do(day_end(recorder, 30))
    newer = bodies.Schedule(1, 2, (bodies.ScheduleEntry(recorder.ts_ns + 60 * SECOND_NS, 0, day_end=True),))
    recorder.do(newer)
    (timer,) = recorder.machine.venue.timers.of_calendar(1)
    assert timer.due_ns == recorder.ts_ns + 60 * SECOND_NS


@pytest.mark.parametrize("changes", [{"uncross": True}, {"phase": Phase.CALL}])
def test_the_end_of_a_day_is_nothing_else(hot, changes):
    recorder = venue_on(hot)
    assert refusal(recorder.do(day_end(recorder, 30, **changes))) == Reason.BODY_INVALID


# --- stops after an uncross ------------------------------------------------------------------------------------------


def waiting_stop(hot: type) -> Recorder:
    """A stop that the call's price elects, and an offer behind that price for it to trade with."""
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    recorder.do(
        order_row(1, Side.BUY, 6_700, 5), order_row(2, Side.SELL, 6_700, 5), order_row(2, Side.SELL, 6_710, 5),
        order_row(3, Side.BUY, 0, 2, type=OrderType.STOP, stop_price=6_700),
    )  # fmt: skip
    return recorder


def test_a_call_that_goes_on_elects_the_stops_of_its_price(hot):
    recorder = waiting_stop(hot)
    events = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    assert kinds(events) == [
        EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE, EventKind.TRIGGERED, EventKind.FILL
    ]  # fmt: skip
    assert (events["price"][-1], events["qty"][-1]) == (6_710, 2)
    assert events["index"].tolist() == list(range(5))
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 0, 0, 1]


def test_a_call_that_closes_elects_nothing(hot):
    recorder = waiting_stop(hot)
    events = recorder.do(bodies.Uncross(1, Phase.CLOSED))
    assert kinds(events) == [EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE]
    assert len(recorder.machine.hot.orders_of(3)) == 1


def test_by_a_timer_it_is_the_same_and_says_so(hot):
    recorder = waiting_stop(hot)
    at = bodies.ScheduleEntry(recorder.ts_ns + SECOND_NS, Phase.CONTINUOUS, uncross=True)
    recorder.do(bodies.Schedule(1, 1, (at,)))
    events = recorder.do(bodies.Time(), after_s=1)
    assert kinds(events)[-3:] == [EventKind.TRIGGERED, EventKind.FILL, EventKind.DONE]
    assert (events["flags"] & EventFlag.BY_TIMER != 0).tolist() == [True] * 6 + [False]
