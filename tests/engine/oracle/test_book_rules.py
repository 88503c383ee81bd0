"""The rules of the book by small worked cases, on the oracle and on the kernel: what a reader can check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.codes import CommandKind, EventFlag, EventKind, FeeClass, OrderType, Phase, Reason, Side, TimeInForce
from engine.messages.refs import text_ref
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.hot import Hot, Space
from tests.engine.book_flows import Batch, set_up

NEW, CANCEL, REPLACE = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE
BUY, SELL = Side.BUY, Side.SELL
IOC, FOK, MARKET = TimeInForce.IOC, TimeInForce.FOK, OrderType.MARKET


def oid(slot: int, life: int = 1) -> int:
    return life << 32 | slot


@pytest.fixture(params=[Oracle, Books], ids=["oracle", "kernel"])
def hot(request) -> Hot:
    return set_up(request.param())


def told(hot: Hot, batch: Batch, seq: int = 1) -> list[tuple]:
    """Events in short: (kind, order, price, qty), for fills also (counter order, leaves), then the reason if any."""
    _, events = hot.run(*batch.arrays(), 0, first_seq=seq, ts_ns=1)
    short = []
    for e in events:
        row = (EventKind(e["kind"]).name.lower(), int(e["order"]), int(e["price"]), int(e["qty"]))
        if e["kind"] == EventKind.FILL:
            row += (int(e["counter_order"]), int(e["leaves"]))
        if e["reason"]:
            row += (Reason(e["reason"]).name.lower(),)
        short.append(row)
    return short


def levels(hot: Hot, side: int) -> list[tuple[int, int, int]]:
    return [level.tolist() for level in hot.depth(1, side, 10)]


def test_best_price_first_then_oldest_at_the_makers_price(hot):
    batch = Batch().add(NEW, side=SELL, price=102, qty=5).add(NEW, side=SELL, price=101, qty=5)
    batch.add(NEW, side=SELL, price=101, qty=5, account=2).add(NEW, side=BUY, price=103, qty=12, account=3)
    assert told(hot, batch)[3:] == [
        ("accepted", oid(3), 103, 12),
        ("fill", oid(3), 101, 5, oid(1), 0),
        ("fill", oid(3), 101, 5, oid(2), 0),
        ("fill", oid(3), 102, 2, oid(0), 3),
    ]
    assert levels(hot, SELL) == [(102, 3, 1)] and levels(hot, BUY) == []


def test_a_fill_names_both_parties_and_its_fee_class(hot):
    batch = Batch().add(NEW, side=BUY, price=100, qty=5, account=2).add(NEW, side=SELL, price=99, qty=3, account=3)
    _, events = hot.run(*batch.arrays(), 0, first_seq=1, ts_ns=1)
    fill = events[-1]
    assert (fill["account"], fill["counter_account"], fill["side"]) == (3, 2, SELL)
    assert fill["fee_class"] == FeeClass.CONTINUOUS and fill["flags"] == EventFlag.LAST and fill["command"] == 1


def test_what_is_left_of_a_limit_order_rests_and_of_an_ioc_or_market_order_does_not(hot):
    batch = Batch().add(NEW, side=SELL, price=100, qty=4).add(NEW, price=100, qty=6, tif=IOC)
    batch.add(NEW, side=SELL, price=100, qty=4).add(NEW, type=MARKET, qty=6)
    batch.add(NEW, side=SELL, price=100, qty=4).add(NEW, price=100, qty=6)
    found = told(hot, batch)
    assert found[3] == ("cancelled", oid(1), 100, 2, "ioc_remainder")
    assert found[7] == ("cancelled", oid(3), 0, 2, "market_remainder")
    assert levels(hot, BUY) == [(100, 2, 1)] and levels(hot, SELL) == []


def test_fill_or_kill_trades_whole_or_not_at_all(hot):
    told(hot, Batch().add(NEW, side=SELL, price=100, qty=4).add(NEW, side=SELL, price=101, qty=4))
    assert told(hot, Batch().add(NEW, price=101, qty=9, tif=FOK))[1:] == [
        ("cancelled", oid(2), 101, 9, "fok_unfillable")
    ]
    assert told(hot, Batch().add(NEW, price=100, qty=5, tif=FOK))[1][4] == "fok_unfillable"
    found = told(hot, Batch().add(NEW, price=101, qty=8, tif=FOK))
    assert [event[0] for event in found] == ["accepted", "fill", "fill"]
    assert told(hot, Batch().add(NEW, type=MARKET, qty=1, tif=FOK))[1][4] == "fok_unfillable"


def test_a_replace_keeps_the_id_and_loses_priority_even_onto_the_same_price(hot):
    told(hot, Batch().add(NEW, price=100, qty=5).add(NEW, price=100, qty=5, account=2))
    assert told(hot, Batch().add(REPLACE, order=oid(0), price=100, qty=5)) == [("replaced", oid(0), 100, 5)]
    fills = told(hot, Batch().add(NEW, side=SELL, price=100, qty=10, account=3))[1:]
    assert [fill[4] for fill in fills] == [oid(1), oid(0)]


def test_a_replace_may_trade_and_end_its_order(hot):
    told(hot, Batch().add(NEW, price=90, qty=5).add(NEW, side=SELL, price=100, qty=7, account=2))
    assert told(hot, Batch().add(REPLACE, order=oid(0), price=100, qty=4)) == [
        ("replaced", oid(0), 100, 4),
        ("fill", oid(0), 100, 4, oid(1), 3),
    ]
    assert told(hot, Batch().add(CANCEL, order=oid(0)))[0][-1] == "order_unknown"


def test_cancel_of_a_partly_filled_order_gives_back_what_is_open(hot):
    told(hot, Batch().add(NEW, price=100, qty=10).add(NEW, side=SELL, price=100, qty=4, account=2))
    assert told(hot, Batch().add(CANCEL, order=oid(0))) == [("cancelled", oid(0), 100, 6, "by_owner")]
    assert levels(hot, BUY) == []


def test_the_best_price_moves_on_when_its_level_empties(hot):
    """By fill, by cancel and by replace, inside a window and far outside it."""
    batch = Batch()
    for price in (100, 101, 102, 170, 5_000_000):
        batch.add(NEW, side=SELL, price=price, qty=1)
    told(hot, batch)
    told(hot, Batch().add(NEW, price=100, qty=1, account=2))
    assert levels(hot, SELL)[0][0] == 101
    told(hot, Batch().add(CANCEL, order=oid(1)))
    assert levels(hot, SELL)[0][0] == 102
    told(hot, Batch().add(REPLACE, side=SELL, order=oid(2), price=171, qty=1))
    assert [level[0] for level in levels(hot, SELL)] == [170, 171, 5_000_000]
    fills = told(hot, Batch().add(NEW, type=MARKET, qty=3, account=2))[1:]
    assert [fill[2] for fill in fills] == [170, 171, 5_000_000] and levels(hot, SELL) == []


def test_an_order_from_the_middle_of_its_level_leaves_the_others_in_order(hot):
    batch = Batch()
    for _ in range(4):
        batch.add(NEW, price=100, qty=1)
    told(hot, batch.add(CANCEL, order=oid(1)).add(CANCEL, order=oid(3)).add(NEW, price=100, qty=1))
    fills = told(hot, Batch().add(NEW, side=SELL, price=100, qty=9, account=2))[1:]
    assert [fill[4] for fill in fills] == [oid(0), oid(2), oid(4)]


@pytest.mark.parametrize("make", [Oracle, Books], ids=["oracle", "kernel"])
def test_ids_of_ended_orders_stay_dead_when_their_slots_live_again(make):
    hot = set_up(make(Space(slots_initial=2)))
    told(hot, Batch().add(NEW, price=1).add(NEW, price=2).add(CANCEL, order=oid(1)).add(CANCEL, order=oid(0)))
    assert told(hot, Batch().add(NEW, price=3).add(NEW, price=4)) == [
        ("accepted", oid(1, 2), 3, 10),  # the ring is FIFO: slot 1 was given back first
        ("accepted", oid(0, 2), 4, 10),
    ]
    assert told(hot, Batch().add(NEW, price=5)) == [("accepted", oid(2), 5, 10)]  # the ring doubled: slots 2 and 3
    assert told(hot, Batch().add(CANCEL, order=oid(0)))[0][-1] == "order_unknown"
    assert hot.order(oid(0)) is None and hot.order(oid(0, 2))["price"] == 4


def test_a_text_id_names_its_order_for_cancels_replaces_and_retries(hot):
    long = "a-client-id-of-32-characters-000"
    told(hot, Batch().add(NEW, price=100, ref="one").add(NEW, price=101, ref=long))
    assert hot.text_of(oid(0)) == "one" and hot.text_of(oid(1)) == long
    assert hot.order_of_text(1, *text_ref(long)) == oid(1) and hot.order_of_text(2, *text_ref("one")) is None
    assert told(hot, Batch().add(NEW, price=100, ref="one"), seq=9) == [("duplicate", oid(0), 0, 0)]
    assert told(hot, Batch().add(REPLACE, price=99, qty=3, ref="two", target="one")) == [("replaced", oid(0), 99, 3)]
    assert hot.order_of_text(1, *text_ref("two")) == oid(0) and hot.text_of(oid(0)) == "one"
    assert told(hot, Batch().add(CANCEL, ref="two")) == [("cancelled", oid(0), 99, 3, "by_owner")]
    assert told(hot, Batch().add(CANCEL, ref=long))[0][:2] == ("cancelled", oid(1))
    assert hot.text_of(oid(1)) is None and told(hot, Batch().add(CANCEL, ref=long))[0][-1] == "order_unknown"


def test_in_a_call_nothing_trades_and_unpriced_orders_wait(hot):
    hot.set_phase(1, Phase.CALL)
    batch = Batch().add(NEW, price=105, qty=5).add(NEW, side=SELL, price=95, qty=4).add(NEW, type=MARKET, qty=2)
    assert [event[0] for event in told(hot, batch)] == ["accepted"] * 3
    curve = hot.curve(1)
    assert curve.prices_ticks.tolist() == [95, 105]
    assert curve.buy_lots.tolist() == [0, 5] and curve.sell_lots.tolist() == [4, 0]
    assert (curve.unpriced_buy_lots, curve.unpriced_sell_lots) == (2, 0)


def test_the_uncross_serves_unpriced_first_then_price_then_time(hot):
    hot.set_phase(1, Phase.CALL)
    batch = Batch().add(NEW, price=105, qty=5).add(NEW, price=106, qty=5).add(NEW, type=MARKET, qty=3)
    batch.add(NEW, side=SELL, price=100, qty=9, account=2).add(NEW, side=SELL, type=MARKET, qty=1, account=3)
    told(hot, batch)
    events = hot.uncross(1, 105, 10, command=2, first_index=1, ts_ns=5)
    fills = [tuple(int(e[name]) for name in ("order", "counter_order", "qty", "leaves")) for e in events]
    assert fills == [
        (oid(2), oid(4), 1, 0),
        (oid(2), oid(3), 2, 7),
        (oid(1), oid(3), 5, 2),
        (oid(0), oid(3), 2, 0),
    ]
    assert set(events["price"].tolist()) == {105} and set(events["command"].tolist()) == {2}
    assert events["index"].tolist() == [1, 2, 3, 4]
    assert set(events["flags"].tolist()) == {EventFlag.AUCTION} and set(events["fee_class"].tolist()) == {FeeClass.CALL}
    assert levels(hot, BUY) == [(105, 3, 1)]


def test_an_uncross_without_a_price_only_ends_unpriced_orders(hot):
    hot.set_phase(1, Phase.CALL)
    told(hot, Batch().add(NEW, type=MARKET, qty=3).add(NEW, price=10, qty=1).add(NEW, type=MARKET, side=SELL, qty=2))
    hot.set_phase(1, Phase.FROZEN)
    events = hot.uncross(1, None, 0, command=0, first_index=0, ts_ns=5)
    assert [(int(e["order"]), int(e["qty"]), int(e["reason"])) for e in events] == [
        (oid(0), 3, Reason.UNPRICED_REMAINDER),
        (oid(2), 2, Reason.UNPRICED_REMAINDER),
    ]
    assert len(hot.orders_of(1)) == 1


def test_an_uncross_of_more_than_is_willing_is_a_bug(hot):
    hot.set_phase(1, Phase.CALL)
    told(hot, Batch().add(NEW, price=105, qty=5).add(NEW, side=SELL, price=100, qty=5))
    with pytest.raises((AssertionError, StopIteration)):
        hot.uncross(1, 105, 6, command=0, first_index=0, ts_ns=0)


def test_views_of_an_order_and_of_an_account(hot):
    told(hot, Batch().add(NEW, price=100, qty=9, ref="one").add(NEW, side=SELL, price=100, qty=4, account=2), seq=40)
    view = hot.order(oid(0))
    assert (view["seq"], view["qty"], view["entered_qty"], view["account"]) == (40, 5, 9, 1)
    assert (view["type"], view["tif"], view["ref_form"]) == (OrderType.LIMIT, TimeInForce.GTC, 2)
    told(hot, Batch().add(NEW, price=101, qty=1))
    assert hot.orders_of(1)["order"].tolist() == [oid(0), oid(2)] and len(hot.orders_of(3)) == 0
    assert np.array_equal(hot.orders_of(1)[0], view)
