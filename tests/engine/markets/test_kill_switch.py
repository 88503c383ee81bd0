"""The kill switch: what is refused, what goes on, what stands still, and how it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from engine.codes import CommandKind, EventKind, Phase, Reason, Side, TimeInForce, TimerKind
from engine.markets.sales.english import market_of
from engine.messages import bodies
from engine.messages.batch import cold
from tests.recorder import HOTS, SECOND_NS, Recorder, auction_sale, bid_of, kinds, of_kind, order_row, refusal, venue_on

pytestmark = pytest.mark.parametrize("hot", HOTS)


def running(hot: type) -> Recorder:
    """Instrument 1 in a call that a calendar will end; 2 trades; one sale waits for bids, of another the clock runs."""
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), bodies.SetPhase(2, Phase.CALL), bodies.Uncross(2, Phase.CONTINUOUS))
    recorder.do(order_row(1, Side.BUY, 6_600, 2), order_row(2, Side.SELL, 6_700, 2, instrument=2))
    at_ns = recorder.ts_ns
    recorder.do(
        bodies.Schedule(
            1,
            1,
            (
                bodies.ScheduleEntry(at_ns + 100 * SECOND_NS, Phase.CONTINUOUS, uncross=True),
                bodies.ScheduleEntry(at_ns + 200 * SECOND_NS, Phase.CALL),
                bodies.ScheduleEntry(at_ns + 50 * SECOND_NS, 0, day_end=True),
            ),
        ),
        auction_sale(at_ns),
        auction_sale(at_ns, 2, lots=1),
    )
    recorder.do(bid_of(2, 1, 400, sale=2))
    return recorder


def dues(recorder: Recorder) -> dict[tuple[int, int], int]:
    return {(timer.kind, timer.subject): timer.due_ns for timer in recorder.machine.venue.timers}


def test_nothing_new_and_cancels_go_on(hot):
    recorder = running(hot)
    (event,) = recorder.do(bodies.KillSwitch(True, "a drill"))
    assert (event["kind"], event["qty"], event["leaves"]) == (EventKind.KILL_SWITCHED, 1, 0)
    assert recorder.machine.venue.stop.why == "a drill"
    recorder.restart(hot)
    order = int(recorder.machine.hot.orders_of(1)["order"][0])
    for refused in (
        order_row(1, Side.BUY, 6_600, 2),
        order_row(1, Side.BUY, 6_600, 2, instrument=2),
        order_row(1, Side.BUY, 6_601, 2, kind=CommandKind.REPLACE, order=order),
        order_row(1, Side.BUY, 0, 1, kind=CommandKind.AMEND, order=order),
        bid_of(2, 1, 500, sale=2),
        bodies.Uncross(1, Phase.CONTINUOUS),
    ):
        assert refusal(recorder.do(refused)) == Reason.VENUE_STOPPED
    assert kinds(recorder.do(order_row(1, Side.BUY, 0, 0, kind=CommandKind.CANCEL, order=order))) == [
        EventKind.CANCELLED
    ]
    assert kinds(recorder.do(bodies.SetPhase(1, Phase.HALTED))) == [EventKind.PHASE]


def test_it_can_end_every_order(hot):
    recorder = running(hot)
    events = recorder.do(bodies.KillSwitch(True, cancel=True))
    assert kinds(events) == [EventKind.CANCELLED] * 2 + [EventKind.KILL_SWITCHED]
    assert set(events["reason"][:2]) == {Reason.BY_OPERATOR} and events["leaves"][-1] == 2
    assert kinds(recorder.do(bodies.KillSwitch(True, cancel=True))) == [EventKind.KILL_SWITCHED], (
        "again, with nothing left"
    )


def test_a_repeat_changes_nothing(hot):
    recorder = running(hot)
    assert refusal(recorder.do(bodies.KillSwitch(False))) == Reason.ALREADY_EXISTS
    assert refusal(recorder.do(bodies.KillSwitch(False, cancel=True))) == Reason.BODY_INVALID
    recorder.do(bodies.KillSwitch(True))
    since_ns = recorder.machine.venue.stop.since_ns
    assert refusal(recorder.do(bodies.KillSwitch(True), after_s=5)) == Reason.ALREADY_EXISTS
    recorder.do(bodies.KillSwitch(True, cancel=True), after_s=5)
    assert recorder.machine.venue.stop.since_ns == since_ns


def test_clocks_stand_still_and_go_on_as_after_an_outage(hot):
    recorder = running(hot)
    before = dues(recorder)
    recorder.do(bodies.KillSwitch(True), after_s=10)
    assert {kind for kind, _ in dues(recorder)} == {TimerKind.CLIENT_ID_SWEEP, TimerKind.DAY_END}
    assert not recorder.machine.outage_clock_runs()
    recorder.restart(hot)
    events = recorder.do(bodies.Time(), after_s=1_000)
    assert kinds(events) == [EventKind.TIMER, EventKind.DONE] and events["reason"][0] == TimerKind.DAY_END
    events = recorder.do(bodies.KillSwitch(False), after_s=90)
    assert kinds(events) == [EventKind.KILL_SWITCHED, EventKind.CLOCK]
    away_ns = 1_090 * SECOND_NS
    assert (events["qty"][0], events["leaves"][0], events["order"][1]) == (0, away_ns, 2)
    now = dues(recorder)
    for key in ((TimerKind.UNCROSS, 1), (TimerKind.PHASE_MOVE, 1), (TimerKind.SALE_OPEN_UNTIL, 1)):
        assert now[key] == before[key] + away_ns
    assert now[TimerKind.SALE_CLOCK, 2] == recorder.ts_ns + 180 * SECOND_NS
    sales = recorder.machine.venue.sales
    assert market_of(sales[1]).open_until_ns == now[TimerKind.SALE_OPEN_UNTIL, 1]
    assert market_of(sales[2]).clocks[0].due_ns == now[TimerKind.SALE_CLOCK, 2]
    assert kinds(recorder.do(bid_of(2, 1, 500, sale=1)))[0] == EventKind.BID_ACCEPTED
    assert kinds(recorder.do(order_row(1, Side.BUY, 6_600, 2))) == [EventKind.ACCEPTED]


def test_what_is_set_meanwhile_stands_still_from_then_on(hot):
    recorder = running(hot)
    recorder.do(bodies.KillSwitch(True))
    recorder.do(bodies.Time(), after_s=100)
    due_ns = recorder.ts_ns + 5 * SECOND_NS
    recorder.do(bodies.Schedule(2, 1, (bodies.ScheduleEntry(due_ns, Phase.HALTED),)), auction_sale(recorder.ts_ns, 3))
    recorder.do(bodies.KillSwitch(False), after_s=20)
    assert dues(recorder)[TimerKind.PHASE_MOVE, 2] == due_ns + 20 * SECOND_NS
    assert dues(recorder)[TimerKind.SALE_OPEN_UNTIL, 3] == recorder.ts_ns + 600 * SECOND_NS


def test_what_is_given_up_meanwhile_does_not_come_back(hot):
    recorder = running(hot)
    recorder.do(bodies.KillSwitch(True))
    later = bodies.ScheduleEntry(recorder.ts_ns + 500 * SECOND_NS, Phase.PRE_OPEN)
    recorder.do(bodies.Schedule(1, 2, (later,)), bodies.EndSale(2))
    recorder.do(bodies.KillSwitch(False), after_s=1)
    assert [move.phase for move in recorder.machine.venue.moves_of(1)] == [Phase.PRE_OPEN]
    assert (TimerKind.SALE_CLOCK, 2) not in dues(recorder)


def test_orders_and_switches_of_time_go_on(hot):
    recorder = running(hot)
    recorder.do(
        order_row(1, Side.BUY, 6_500, 2, tif=TimeInForce.GTD, expire_at=recorder.ts_ns + 30 * SECOND_NS),
        cold(bodies.CancelAfter(40 * SECOND_NS), account=2),
    )
    recorder.do(bodies.KillSwitch(True))
    events = recorder.do(bodies.Time(), after_s=60)
    fired = of_kind(events, EventKind.TIMER)["reason"].tolist()
    assert fired == [TimerKind.EXPIRY, TimerKind.CANCEL_AFTER, TimerKind.DAY_END]
    assert of_kind(events, EventKind.CANCELLED)["reason"].tolist() == [Reason.EXPIRED, Reason.BY_CANCEL_AFTER]


def test_an_outage_meanwhile_is_part_of_the_stop(hot):
    recorder = running(hot)
    before = dues(recorder)[TimerKind.UNCROSS, 1]
    recorder.do(bodies.KillSwitch(True))
    last_ns = recorder.ts_ns
    assert kinds(recorder.do(bodies.Resume(last_ns, last_ns + 30 * SECOND_NS), after_s=30)) == [EventKind.RESUMED]
    recorder.do(bodies.KillSwitch(False), after_s=5)
    assert dues(recorder)[TimerKind.UNCROSS, 1] == before + 35 * SECOND_NS


def test_a_frozen_account_bids_no_more(hot):
    recorder = running(hot)
    recorder.do(bodies.SetAccount(2, frozen=True))
    assert refusal(recorder.do(bid_of(2, 1, 500, sale=1))) == Reason.ACCOUNT_FROZEN
    assert np.all(recorder.do(bid_of(3, 1, 500, sale=1))["kind"] != EventKind.REJECTED)
