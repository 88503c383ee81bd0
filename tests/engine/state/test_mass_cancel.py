"""Cancels by others than the owner: exactly the orders meant, by rising id, whatever the event buffer."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from engine.codes import CommandKind, EventFlag, EventKind, OrderType, Phase, Reason, RefForm, Side, TimeInForce
from engine.messages.refs import text_ref
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.hot import SIDE_BOTH, TIF_ANY, Which
from tests.engine.book_flows import Batch
from tests.engine.terms import Desk, add

WIDE = dict(multiplier=1, price_min=-1_000, price_max=10**6, qty_max=10**6)
MAKERS = [Oracle, Books, lambda: Books(window_ticks=64, event_rows=2, hash_seed=3)]
TIFS = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD, TimeInForce.AT_AUCTION)


@pytest.fixture(params=MAKERS, ids=["oracle", "kernel", "kernel, small"])
def desk(request) -> Desk:
    """303 orders of 5 accounts in 4 books, one of them in classes, of every type and time in force; slots used anew."""
    desk, random = Desk(request.param()), Random(7)
    desk.is_audited = False
    for instrument in (1, 2, 3, 4):
        desk.hot.list_instrument(instrument, **WIDE, classes=instrument == 3)
        desk.hot.set_phase(instrument, Phase.CALL)
    for account in range(1, 6):
        desk.hot.open_account(account)
        desk.hot.set_account(account, frozen=False, group=account % 2, coop=account > 3)
    for number in range(300):
        type_ = random.choice(list(OrderType))
        fields = dict(account=random.randrange(1, 6), instrument=random.randrange(1, 4), side=random.randrange(2))
        fields |= dict(type=type_, tif=random.choice(TIFS), qty=random.randrange(1, 50))
        if type_ in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.ICEBERG):
            fields["price"] = 100 + random.choice((0, 1, -1, 5_000))
        if type_ in (OrderType.STOP, OrderType.STOP_LIMIT):
            fields["stop_price"] = 100 + random.choice((0, 1, 9_000))
        if type_ == OrderType.ICEBERG:
            fields["display_qty"] = random.randrange(1, fields["qty"] + 1)
        if (
            type_ in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.ICEBERG)
            and fields["tif"] == TimeInForce.AT_AUCTION
        ):
            fields["tif"] = TimeInForce.GTC
        if fields["tif"] == TimeInForce.GTD:
            fields["expire_at"] = 10**9 + random.randrange(3)
        if number % 3 == 0:
            fields["ref"] = f"id-{number}"
        desk.run(add(Batch(), CommandKind.NEW, **fields))
        if number % 4 == 0:
            own = desk.hot.orders_of(fields["account"])
            gone = own[random.randrange(len(own))]
            desk.reason(
                CommandKind.CANCEL, account=fields["account"], instrument=gone["instrument"], order=gone["order"]
            )
    # A book of so few that it is walked, while of the others every slot is looked at.
    desk.new(instrument=4, account=4, type=OrderType.MARKET)
    desk.new(instrument=4, account=1, price=10**6, side=Side.SELL, tif=TimeInForce.DAY)
    desk.new(instrument=4, account=2, type=OrderType.STOP, side=Side.SELL, stop_price=90)
    desk.is_audited = True
    return desk


def expected(desk: Desk, which: Which) -> list[int]:
    orders = np.concatenate([desk.hot.orders_of(account) for account in range(1, 6)])
    meant = np.ones(len(orders), bool)
    if which.account:
        meant &= orders["account"] == which.account
    if which.instrument:
        meant &= orders["instrument"] == which.instrument
    if which.side != SIDE_BOTH:
        meant &= orders["side"] == which.side
    if which.tif != TIF_ANY:
        meant &= orders["tif"] == which.tif
    return sorted(orders["order"][meant].tolist())


WHICH = [
    Which(),
    Which(account=2),
    Which(instrument=3),
    Which(instrument=1, side=Side.SELL),
    Which(account=4, instrument=2),
    Which(account=5, side=Side.BUY),
    Which(tif=TimeInForce.DAY),
    Which(instrument=2, tif=TimeInForce.DAY),
    Which(instrument=2, tif=TimeInForce.GTC),
    Which(account=1, instrument=3, side=Side.BUY, tif=TimeInForce.GTD),
    Which(account=99),
    Which(instrument=4),
    Which(instrument=4, side=Side.SELL),
    Which(account=2, instrument=4),
    Which(instrument=4, tif=TimeInForce.DAY),
]


@pytest.mark.parametrize("which", WHICH, ids=str)
def test_those_meant_end_by_rising_id_and_no_others(desk, which):
    ids, before = expected(desk, which), {order: desk.hot.order(order) for order in expected(desk, Which())}
    waits = {order for order in before if (x := desk.hot.extra_of(order)) is not None and x["waiting"]}
    assert desk.hot.has_orders(which) == bool(ids)
    events = desk.events_of("cancel", which, Reason.BY_OPERATOR)
    assert events["order"].tolist() == ids
    assert set(events["kind"].tolist()) <= {EventKind.CANCELLED} and set(events["reason"].tolist()) <= {
        Reason.BY_OPERATOR
    }
    for event in events:
        view = before[int(event["order"])]
        assert all(event[name] == view[name] for name in ("qty", "price", "account", "instrument", "side"))
        unpriced = view["type"] in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP)
        flags = (EventFlag.UNPRICED if unpriced else 0) | (EventFlag.STOP if int(event["order"]) in waits else 0)
        assert event["flags"] == flags
    assert expected(desk, Which()) == sorted(set(before) - set(ids)) and not desk.hot.has_orders(which)
    assert len(desk.events_of("cancel", which, Reason.BY_OPERATOR)) == 0


def test_text_ids_of_cancelled_orders_close(desk):
    named = [view for view in desk.hot.orders_of(1) if view["ref_form"] == RefForm.TEXT]
    assert named
    desk.ts_ns = 77
    desk.events_of("cancel", Which(account=1), Reason.BY_CANCEL_AFTER)
    rows = desk.hot.sections()["client_ids"]
    rows = rows[rows["account"] == 1]
    assert (rows["closed_ns"] != -1).all() and (rows["closed_ns"] == 77).sum() == len(named)
    assert desk.hot.order_of_text(1, *text_ref("id-0")) is None


def test_kernel_and_oracle_end_the_same(desk):
    other = Desk(Oracle() if isinstance(desk.hot, Books) else Books(event_rows=3))
    other.hot.load(desk.hot.sections())
    other.ts_ns = desk.ts_ns
    for which in WHICH[:0:-1]:
        ours = desk.events_of("cancel", which, Reason.BY_MASS_CANCEL)
        assert ours.tobytes() == other.events_of("cancel", which, Reason.BY_MASS_CANCEL).tobytes()
        ours, theirs = dict(desk.hot.canonical()), dict(other.hot.canonical())
        assert ours == theirs
