"""Many orders at once: whose, where, in which phase; the dead-man switch; one report each."""

from __future__ import annotations

import numpy as np
import pytest

from engine import limits
from engine.codes import EventKind, OrderType, Phase, Reason, Side, TimeInForce, TimerKind
from engine.markets import mass_cancel
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.refs import text_ref
from tests.recorder import HOTS, SECOND_NS, Recorder, kinds, of_kind, order_row, refusal, venue_on

pytestmark = pytest.mark.parametrize("hot", HOTS)


def with_orders(hot: type) -> Recorder:
    """Accounts 1 and 2, each with a buy, a sell and a waiting stop in both instruments, 2 lots each."""
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), bodies.SetPhase(2, Phase.CALL))
    for instrument in (1, 2):
        for account in (1, 2):
            recorder.do(
                order_row(account, Side.BUY, 6_600, 2, instrument=instrument),
                order_row(account, Side.SELL, 6_800, 2, instrument=instrument),
                order_row(account, Side.BUY, 0, 2, instrument=instrument, type=OrderType.STOP, stop_price=6_900),
            )
    return recorder


def own(by: int, **fields: int) -> Batch:
    return cold(bodies.MassCancel(**fields), account=by)


def told(events: np.ndarray) -> tuple[int, ...]:
    """The report: account, instrument, reason, orders, lots, orders that stay."""
    report = events[-1]
    assert report["kind"] == EventKind.MASS_CANCELLED and len(events) == report["qty"] + 1
    return tuple(int(report[name]) for name in ("account", "instrument", "reason", "qty", "leaves", "order"))


@pytest.mark.parametrize(
    ("batch", "report"),
    [
        (own(1), (1, 0, Reason.BY_MASS_CANCEL, 6, 12, 0)),
        (own(1, account=1), (1, 0, Reason.BY_MASS_CANCEL, 6, 12, 0)),
        (own(1, instrument=2), (1, 2, Reason.BY_MASS_CANCEL, 3, 6, 0)),
        (own(1, side=0), (1, 0, Reason.BY_MASS_CANCEL, 4, 8, 0)),
        (own(1, instrument=1, side=1), (1, 1, Reason.BY_MASS_CANCEL, 1, 2, 0)),
        (own(3), (3, 0, Reason.BY_MASS_CANCEL, 0, 0, 0)),
        (cold(bodies.MassCancel(by_operator=True)), (0, 0, Reason.BY_OPERATOR, 12, 24, 0)),
        (cold(bodies.MassCancel(2, 1, by_operator=True), account=1), (2, 1, Reason.BY_OPERATOR, 3, 6, 0)),
        (cold(bodies.MassCancel(0, 1, 1, by_operator=True)), (0, 1, Reason.BY_OPERATOR, 2, 4, 0)),
    ],
)
def test_those_that_fulfil_all_that_is_said_end(hot, batch, report):
    recorder = with_orders(hot)
    events = recorder.do(batch)
    assert told(events) == report
    ended = events[:-1]
    assert ended["kind"].tolist() == [EventKind.CANCELLED] * len(ended)
    assert np.all(np.diff(ended["order"]) > 0) and set(ended["reason"]) <= {report[2]}
    assert sum(len(recorder.machine.hot.orders_of(account)) for account in (1, 2)) == 12 - report[3]


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (own(1, account=2), Reason.NOT_PERMITTED),
        (own(0), Reason.ACCOUNT_UNKNOWN),
        (own(0, account=2), Reason.NOT_PERMITTED),
        (own(1, instrument=9), Reason.INSTRUMENT_UNKNOWN),
        (cold(bodies.MassCancel(77, by_operator=True)), Reason.ACCOUNT_UNKNOWN),
    ],
)
def test_it_is_refused_with_its_reason(hot, batch, reason):
    recorder = with_orders(hot)
    assert refusal(recorder.do(batch)) == reason
    assert len(recorder.machine.hot.orders_of(1)) == 6


def test_where_no_cancel_is_allowed_own_orders_stay_and_are_counted(hot):
    recorder = with_orders(hot)
    recorder.do(bodies.SetPhase(1, Phase.NO_CANCEL))
    assert refusal(recorder.do(own(1, instrument=1))) == Reason.PHASE_FORBIDS
    assert told(recorder.do(own(1))) == (1, 0, Reason.BY_MASS_CANCEL, 3, 6, 3)
    assert set(recorder.machine.hot.orders_of(1)["instrument"]) == {1}
    operator = bodies.MassCancel(1, by_operator=True)
    assert told(recorder.do(operator)) == (1, 0, Reason.BY_OPERATOR, 3, 6, 0)


def test_it_goes_on_when_account_or_venue_are_stopped(hot):
    recorder = with_orders(hot)
    recorder.do(bodies.SetAccount(1, frozen=True), bodies.KillSwitch(True))
    assert told(recorder.do(own(1)))[3] == 6


def after(account: int, seconds: float) -> Batch:
    return cold(bodies.CancelAfter(int(seconds * SECOND_NS)), account=account)


def test_an_account_that_is_not_heard_of_loses_its_orders_once(hot):
    recorder = with_orders(hot)
    (event,) = recorder.do(after(1, 60))
    assert (event["kind"], event["account"]) == (EventKind.CANCEL_AFTER_SET, 1)
    assert event["leaves"] == recorder.ts_ns + 60 * SECOND_NS
    recorder.do(after(1, 60), after_s=50)
    assert kinds(recorder.do(bodies.Time(), after_s=59)) == [EventKind.DONE]
    recorder.restart(hot)
    events = recorder.do(bodies.Time(), after_s=1)
    assert events["reason"][0] == TimerKind.CANCEL_AFTER and kinds(events)[-1] == EventKind.DONE
    assert told(events[1:-1]) == (1, 0, Reason.BY_CANCEL_AFTER, 6, 12, 0)
    assert recorder.machine.venue.cancel_after == {}
    recorder.do(order_row(1, Side.BUY, 6_600, 2))
    assert kinds(recorder.do(bodies.Time(), after_s=600)) == [EventKind.DONE], "once"


def test_zero_turns_it_off(hot):
    recorder = with_orders(hot)
    recorder.do(after(1, 60))
    (event,) = recorder.do(after(1, 0))
    assert event["leaves"] == 0 and recorder.machine.venue.cancel_after == {}
    assert kinds(recorder.do(bodies.Time(), after_s=600)) == [EventKind.DONE]


def test_it_fires_after_an_outage_as_due(hot):
    recorder = with_orders(hot)
    recorder.do(after(1, 60), after(2, 6_000))
    last_ns = recorder.ts_ns
    events = recorder.do(bodies.Resume(last_ns, last_ns + 600 * SECOND_NS), after_s=600)
    assert kinds(events)[:2] == [EventKind.RESUMED, EventKind.TIMER]
    assert events["leaves"][1] == last_ns + 60 * SECOND_NS
    assert of_kind(events, EventKind.MASS_CANCELLED)["account"].tolist() == [1]
    assert not recorder.machine.outage_clock_runs(), "nobody's time is extended"


def test_it_does_no_more_than_the_account_could(hot):
    recorder = with_orders(hot)
    recorder.do(after(1, 60), bodies.SetPhase(1, Phase.NO_CANCEL))
    events = recorder.do(bodies.Time(), after_s=60)
    assert told(events[1:-1]) == (1, 0, Reason.BY_CANCEL_AFTER, 3, 6, 3)


def test_its_refusals(hot, monkeypatch):
    recorder = with_orders(hot)
    assert refusal(recorder.do(after(0, 60))) == Reason.ACCOUNT_UNKNOWN
    assert (
        refusal(recorder.do(cold(bodies.CancelAfter(limits.CANCEL_AFTER_NS_MIN - 1), account=1))) == Reason.BODY_INVALID
    )
    monkeypatch.setattr(mass_cancel, "TIMERS_MAX", len(recorder.machine.venue.timers) + 1)
    recorder.do(after(1, 60))
    assert refusal(recorder.do(after(2, 60))) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(after(1, 61))) == [EventKind.CANCEL_AFTER_SET], "a renewal takes the room it has"


def test_a_skip_drops_it_with_its_register(hot):
    recorder = with_orders(hot)
    recorder.do(after(1, 60))
    recorder.do(bodies.Time(), after_s=60)
    machine, events = recorder.replayed(hot, frozenset({recorder.records[-1].first_seq}))
    assert kinds(events[-1]) == [EventKind.TIMER, EventKind.SKIPPED, EventKind.SKIPPED]
    assert machine.venue.cancel_after == {} and len(machine.hot.orders_of(1)) == 6


def test_a_mass_cancel_under_a_text_id_is_answered_once(hot):
    recorder = with_orders(hot)
    batch = cold(bodies.MassCancel(), account=1, ref=text_ref("all-out"))
    recorder.do(batch)
    recorder.do(order_row(1, Side.BUY, 6_600, 2, tif=TimeInForce.DAY))
    assert kinds(recorder.do(batch)) == [EventKind.DUPLICATE]
    assert len(recorder.machine.hot.orders_of(1)) == 1
