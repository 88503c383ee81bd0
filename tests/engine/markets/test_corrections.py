"""Trades of the past: busted once, corrected within their terms; stock goes back where it is kept."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from engine.codes import EventKind, Reason, Side
from engine.markets import corrections
from engine.messages import bodies
from engine.messages.views import account_view, operator_view, public_view
from tests.recorder import HOTS, Recorder, coffee, continuous, kinds, of_kind, order_row, refusal, venue_on

pytestmark = pytest.mark.parametrize("hot", HOTS)
BUYER, SELLER = 2, 1


def traded(hot: type) -> tuple[Recorder, bodies.BustTrade]:
    """A fill of 12 lots at 6,700 in a book that keeps stock, and the bust that names it."""
    recorder = venue_on(hot)
    recorder.do(coffee(3, deposit=True), bodies.Deposit(SELLER, 3, 40))
    continuous(recorder, 3)
    recorder.do(order_row(SELLER, Side.SELL, 6_700, 12, instrument=3))
    events = recorder.do(bodies.Time(), order_row(BUYER, Side.BUY, 6_700, 12, instrument=3))
    (fill,) = of_kind(events, EventKind.FILL)
    seq = recorder.records[-1].first_seq + int(fill["command"])
    return recorder, bodies.BustTrade(seq, int(fill["index"]), 3, 6_700, 12, BUYER, SELLER, "a slip")


def corrected(bust: bodies.BustTrade, price: int, qty: int) -> bodies.CorrectTrade:
    told = structs.asdict(bust)
    why = told.pop("why")
    return bodies.CorrectTrade(**told, new_price=price, new_qty=qty, why=why)


def stock(recorder: Recorder) -> tuple[int, int]:
    return tuple(recorder.machine.hot.stock_of(account, 3)[0] for account in (SELLER, BUYER))


def test_a_busted_trade_is_as_if_it_had_not_been(hot):
    recorder, bust = traded(hot)
    last = recorder.machine.hot.last(3)
    assert stock(recorder) == (28, 12)
    events = recorder.do(bust)
    assert kinds(events) == [EventKind.TRADE_BUSTED]
    event = events[0]
    assert [int(event[name]) for name in ("instrument", "price", "qty")] == [3, 6_700, 12]
    assert [int(event[name]) for name in ("account", "counter_account")] == [BUYER, SELLER]
    assert [int(event[name]) for name in ("order", "counter_order")] == [bust.seq, bust.index]
    assert (stock(recorder), recorder.machine.hot.last(3)) == ((40, 0), last)
    recorder.restart(hot)
    for again in (bust, corrected(bust, 6_700, 11)):
        assert refusal(recorder.do(again)) == Reason.ALREADY_BUSTED
    assert stock(recorder) == (40, 0)


def test_a_correction_gives_back_what_it_takes_away(hot):
    recorder, bust = traded(hot)
    (event,) = recorder.do(corrected(bust, 6_650, 10))
    assert event["kind"] == EventKind.TRADE_CORRECTED
    assert [int(event[name]) for name in ("price", "qty", "leaves")] == [6_650, 10, 12]
    assert stock(recorder) == (30, 10)
    assert refusal(recorder.do(bust)) == Reason.TRADE_UNKNOWN, "those terms hold no longer"
    now = structs.replace(bust, price=6_650, qty=10)
    assert kinds(recorder.do(corrected(now, 6_600, 10))) == [EventKind.TRADE_CORRECTED]
    assert kinds(recorder.do(structs.replace(now, price=6_600))) == [EventKind.TRADE_BUSTED]
    assert stock(recorder) == (40, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instrument": 9}, Reason.INSTRUMENT_UNKNOWN),
        ({"buyer": 99}, Reason.ACCOUNT_UNKNOWN),
        ({"seller": 99}, Reason.ACCOUNT_UNKNOWN),
        ({"seq": 10**6}, Reason.TRADE_UNKNOWN),
        ({"price": 100_001}, Reason.TRADE_UNKNOWN),
        ({"qty": 13}, Reason.STOCK_SHORT),
    ],
)
def test_a_bust_is_refused_with_its_reason(hot, changes, reason):
    recorder, bust = traded(hot)
    assert refusal(recorder.do(structs.replace(bust, **changes))) == reason
    assert stock(recorder) == (28, 12) and recorder.machine.venue.corrections == {}


@pytest.mark.parametrize(
    ("price", "qty", "reason"),
    [
        (6_700, 12, Reason.ALREADY_EXISTS),
        (6_700, 13, Reason.QTY_RANGE),
        (100_001, 12, Reason.PRICE_BAND),
    ],
)
def test_a_correction_is_refused_with_its_reason(hot, price, qty, reason):
    recorder, bust = traded(hot)
    assert refusal(recorder.do(corrected(bust, price, qty))) == reason
    assert stock(recorder) == (28, 12) and recorder.machine.venue.corrections == {}


def test_lots_that_the_buyer_has_promised_do_not_go_back(hot):
    recorder, bust = traded(hot)
    recorder.do(order_row(BUYER, Side.SELL, 6_900, 5, instrument=3))
    assert refusal(recorder.do(bust)) == Reason.STOCK_SHORT
    assert refusal(recorder.do(corrected(bust, 6_700, 4))) == Reason.STOCK_SHORT
    assert kinds(recorder.do(corrected(bust, 6_700, 5))) == [EventKind.TRADE_CORRECTED]
    assert stock(recorder) == (35, 5)


def test_the_register_is_bounded(hot, monkeypatch):
    recorder, bust = traded(hot)
    monkeypatch.setattr(corrections, "BUSTS_MAX", 1)
    recorder.do(corrected(bust, 6_650, 12))
    other = structs.replace(bust, seq=1, index=0)
    assert refusal(recorder.do(other)) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(structs.replace(bust, price=6_650))) == [EventKind.TRADE_BUSTED], "its name is there"


def test_a_trade_of_a_delisted_book_or_without_stock_can_be_busted(hot):
    recorder, bust = traded(hot)
    continuous(recorder, 1)
    recorder.do(order_row(SELLER, Side.SELL, 6_700, 3))
    recorder.do(order_row(BUYER, Side.BUY, 6_700, 3))
    plain = bodies.BustTrade(recorder.machine.seq, 1, 1, 6_700, 3, BUYER, SELLER)
    assert kinds(recorder.do(plain)) == [EventKind.TRADE_BUSTED]
    recorder.do(bodies.SetPhase(3, 0), bodies.DelistInstrument(3))
    assert kinds(recorder.do(bust)) == [EventKind.TRADE_BUSTED]


def test_everyone_hears_of_it_and_only_the_parties_by_name(hot):
    recorder, bust = traded(hot)
    events = recorder.do(bust)
    public = public_view(events)[0]
    assert (public["price"], public["qty"]) == (6_700, 12)
    for name in ("account", "counter_account", "order", "counter_order", "command"):
        assert not public[name]
    buyer, seller = account_view(events, BUYER)[0], account_view(events, SELLER)[0]
    assert (buyer["account"], buyer["counter_account"], buyer["order"]) == (BUYER, 0, bust.seq)
    assert (seller["account"], seller["counter_account"], seller["order"]) == (0, SELLER, bust.seq)
    assert np.array_equal(operator_view(events), events)
