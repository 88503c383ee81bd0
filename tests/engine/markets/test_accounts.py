"""Accounts: groups and classes only while nothing is open, freezes, limits by currency, deposited lots."""

from __future__ import annotations

import pytest

from engine import limits
from engine.codes import AccountFlag, EventKind, OrderFlag, Phase, Reason, Side, StpMode
from engine.markets import accounts
from engine.messages import bodies
from tests.recorder import HOTS, coffee, continuous, kinds, of_kind, order_row, refusal, venue_on

pytestmark = pytest.mark.parametrize("hot", HOTS)


def test_what_is_not_said_stays(hot):
    recorder = venue_on(hot)
    for body, group, leaves in [
        (bodies.SetAccount(1, group=7), 7, 0),
        (bodies.SetAccount(1, coop=True), 7, AccountFlag.COOP),
        (bodies.SetAccount(1, frozen=True), 7, AccountFlag.COOP | AccountFlag.FROZEN),
        (bodies.SetAccount(1, group=0, frozen=False), 0, AccountFlag.COOP),
    ]:
        (event,) = recorder.do(body)
        assert (event["kind"], event["account"]) == (EventKind.ACCOUNT_SET, 1)
        assert (event["order"], event["qty"], event["leaves"]) == (group, 0, leaves)
    account = recorder.machine.venue.accounts[1]
    assert (account.label, account.group, account.coop, account.frozen) == ("member 1", 0, True, False)


def test_group_and_class_change_only_while_nothing_is_open(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL), order_row(1, Side.BUY, 6_700, 5))
    for change in (
        bodies.SetAccount(1, group=7),
        bodies.SetAccount(1, coop=True),
        bodies.SetAccount(1, 7, cancel=True),
    ):
        expected = Reason.BODY_INVALID if change.cancel else Reason.ORDERS_OPEN
        assert refusal(recorder.do(change)) == expected
    assert kinds(recorder.do(bodies.SetAccount(1, group=0, frozen=True))) == [EventKind.ACCOUNT_SET], "nothing changes"
    assert refusal(recorder.do(bodies.SetAccount(9, group=1))) == Reason.ACCOUNT_UNKNOWN


def test_a_frozen_account_may_cancel_and_nothing_else(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    first, second = recorder.do(order_row(1, Side.BUY, 6_700, 5), order_row(1, Side.BUY, 6_701, 5))["order"].tolist()
    recorder.do(bodies.SetAccount(1, frozen=True))
    assert refusal(recorder.do(order_row(1, Side.BUY, 6_700, 5))) == Reason.ACCOUNT_FROZEN
    cancelled = recorder.do(order_row(1, Side.BUY, 0, 0, kind=2, order=first))
    assert kinds(cancelled) == [EventKind.CANCELLED]
    ended = recorder.do(bodies.SetAccount(1, frozen=True, cancel=True))
    assert kinds(ended) == [EventKind.CANCELLED, EventKind.ACCOUNT_SET]
    assert (ended["order"][0], ended["reason"][0], ended["qty"][1]) == (second, Reason.BY_OPERATOR, 1)
    recorder.do(bodies.SetAccount(1, frozen=False))
    assert kinds(recorder.do(order_row(1, Side.BUY, 6_700, 5))) == [EventKind.ACCEPTED]


def test_a_group_is_what_self_trade_prevention_sees(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetAccount(1, group=7), bodies.SetAccount(2, group=7))
    continuous(recorder, 1)
    recorder.do(order_row(1, Side.SELL, 6_700, 5))
    taker = order_row(2, Side.BUY, 6_700, 5, stp=StpMode.CANCEL_TAKER, flags=OrderFlag.STP_GROUP)
    events = recorder.do(taker)
    assert kinds(events) == [EventKind.ACCEPTED, EventKind.CANCELLED]
    assert events["reason"][1] == Reason.SELF_TRADE


def test_limits_are_by_currency_and_count_what_is_open(hot):
    recorder = venue_on(hot)
    recorder.do(coffee(3, currency="PEN"), bodies.SetPhase(1, Phase.CALL), bodies.SetPhase(3, Phase.CALL))
    recorder.do(order_row(1, Side.BUY, 1_000, 5))
    (event,) = recorder.do(bodies.SetLimits(1, "USD", buy_max=10_000, sell_max=0, orders_max=3))
    assert event["kind"] == EventKind.LIMITS_SET
    assert [int(event[name]) for name in ("account", "instrument", "qty", "leaves", "order")] == [1, 1, 10_000, 0, 3]
    assert refusal(recorder.do(order_row(1, Side.BUY, 1_001, 5))) == Reason.LIMIT_NOTIONAL
    assert kinds(recorder.do(order_row(1, Side.BUY, 1_000, 5))) == [EventKind.ACCEPTED]
    assert kinds(recorder.do(order_row(1, Side.BUY, 1_001, 5, instrument=3))) == [EventKind.ACCEPTED], "other currency"
    recorder.do(order_row(1, Side.SELL, 9_000, 500))
    assert refusal(recorder.do(order_row(1, Side.SELL, 9_000, 1))) == Reason.LIMIT_ORDERS
    assert recorder.machine.hot.limits_of(1, 1) == (10_000, 9_000 * 500, 3)
    recorder.do(bodies.SetLimits(1, "USD"))
    assert recorder.machine.venue.account_limits == {}
    assert kinds(recorder.do(order_row(1, Side.BUY, 1_001, 5))) == [EventKind.ACCEPTED]


def test_limits_are_refused_for_what_is_not_there(hot, monkeypatch):
    recorder = venue_on(hot)
    assert refusal(recorder.do(bodies.SetLimits(9, "USD", 1))) == Reason.ACCOUNT_UNKNOWN
    assert refusal(recorder.do(bodies.SetLimits(1, "EUR", 1))) == Reason.CURRENCY_UNKNOWN
    monkeypatch.setattr(accounts, "ACCOUNT_LIMITS_MAX", 1)
    recorder.do(bodies.SetLimits(1, "USD", 1))
    assert refusal(recorder.do(bodies.SetLimits(2, "USD", 1))) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(bodies.SetLimits(1, "USD", 2))) == [EventKind.LIMITS_SET]
    assert kinds(recorder.do(bodies.SetLimits(2, "USD"))) == [EventKind.LIMITS_SET]


def test_deposited_lots_can_be_sold_once_and_taken_out_when_free(hot):
    recorder = venue_on(hot)
    recorder.do(coffee(3, deposit=True))
    continuous(recorder, 3)
    assert refusal(recorder.do(order_row(1, Side.SELL, 6_700, 1, instrument=3))) == Reason.STOCK_SHORT
    (event,) = recorder.do(bodies.Deposit(1, 3, 40))
    assert (event["kind"], event["qty"], event["leaves"]) == (EventKind.DEPOSITED, 40, 40)
    recorder.do(order_row(1, Side.SELL, 6_700, 30, instrument=3))
    assert refusal(recorder.do(bodies.Deposit(1, 3, -11))) == Reason.STOCK_SHORT
    (event,) = recorder.do(bodies.Deposit(1, 3, -10))
    assert (event["qty"], event["leaves"]) == (-10, 30)
    fill = of_kind(recorder.do(order_row(2, Side.BUY, 6_700, 12, instrument=3)), EventKind.FILL)
    assert fill["qty"].tolist() == [12]
    assert (recorder.machine.hot.stock_of(1, 3), recorder.machine.hot.stock_of(2, 3)) == ((18, 18), (12, 0))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bodies.Deposit(9, 3, 1), Reason.ACCOUNT_UNKNOWN),
        (bodies.Deposit(1, 9, 1), Reason.INSTRUMENT_UNKNOWN),
        (bodies.Deposit(1, 1, 1), Reason.STOCK_NOT_KEPT),
        (bodies.Deposit(1, 3, 0), Reason.QTY_RANGE),
        (bodies.Deposit(1, 3, -1), Reason.STOCK_SHORT),
        (bodies.Deposit(2, 3, limits.SIDE_TOTAL_LOTS_MAX), Reason.SIDE_TOTAL_RANGE),
    ],
)
def test_a_deposit_is_refused_with_its_reason(hot, body, reason):
    recorder = venue_on(hot)
    recorder.do(coffee(3, deposit=True), bodies.Deposit(2, 3, 1))
    assert refusal(recorder.do(body)) == reason
