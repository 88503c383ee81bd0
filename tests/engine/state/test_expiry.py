"""Gtd orders end when they are due, by rising id, however else some of them ended before."""

from __future__ import annotations

from random import Random

import pytest

from engine.codes import CommandKind, EventKind, OrderType, Phase, Reason, Side, TimeInForce
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from tests.engine.book_flows import Batch
from tests.engine.terms import Desk, add

GTD = TimeInForce.GTD
MAKERS = [Oracle, Books, lambda: Books(window_ticks=64, event_rows=2, hash_seed=3)]


@pytest.fixture(params=MAKERS, ids=["oracle", "kernel", "kernel, small"])
def desk(request) -> Desk:
    desk = Desk(request.param())
    desk.hot.list_instrument(1, multiplier=1, price_min=1, price_max=10**6, qty_max=10**6)
    desk.hot.set_phase(1, Phase.CONTINUOUS)
    for account in (1, 2):
        desk.hot.open_account(account)
    return desk


def test_the_earliest_is_known_and_ends_first(desk):
    assert desk.hot.next_expiry() is None
    late = desk.new(price=5, tif=GTD, expire_at=30)
    first = desk.new(price=5, tif=GTD, expire_at=20)
    second = desk.new(price=4, tif=GTD, expire_at=20, type=OrderType.ICEBERG, display_qty=2)
    stop = desk.new(type=OrderType.STOP, stop_price=9, tif=GTD, expire_at=20)
    desk.new(price=5, tif=TimeInForce.DAY)
    assert desk.hot.next_expiry() == 20
    desk.ts_ns = 20
    events = desk.events_of("expire", 20)
    assert events["order"].tolist() == [first, second, stop]
    assert set(events["reason"].tolist()) == {Reason.EXPIRED} and set(events["kind"].tolist()) == {EventKind.CANCELLED}
    assert events["flags"].tolist() == [0, 0, 16 | 64] and events["qty"].tolist() == [10, 10, 10]
    assert desk.hot.next_expiry() == 30
    assert desk.events_of("expire", 30)["order"].tolist() == [late] and desk.hot.next_expiry() is None


def test_an_order_that_ends_or_is_replaced_expires_no_more(desk):
    filled = desk.new(price=5, qty=1, tif=GTD, expire_at=20)
    cancelled = desk.new(price=4, tif=GTD, expire_at=20)
    kept = desk.new(price=3, tif=GTD, expire_at=20)
    now_gtc = desk.new(price=3, tif=GTD, expire_at=20)
    later = desk.new(price=3, tif=GTD, expire_at=20)
    now_gtd = desk.new(price=3)
    desk.new(price=5, qty=1, side=Side.SELL, account=2)
    assert desk.hot.order(filled) is None
    assert desk.reason(CommandKind.CANCEL, order=cancelled) == Reason.BY_OWNER
    assert desk.reason(CommandKind.REPLACE, order=now_gtc, price=2) == 0
    assert desk.reason(CommandKind.REPLACE, order=later, price=2, tif=GTD, expire_at=25) == 0
    assert desk.reason(CommandKind.REPLACE, order=now_gtd, price=2, tif=GTD, expire_at=20) == 0
    assert desk.hot.extra_of(now_gtc) is None and desk.hot.extra_of(later)["expire_at"] == 25
    desk.ts_ns = 20
    assert desk.events_of("expire", 20)["order"].tolist() == [kept, now_gtd]
    assert desk.hot.next_expiry() == 25


@pytest.mark.parametrize("seed", range(4))
def test_the_heap_keeps_order_over_a_long_flow(desk, seed):
    """Against the definition: the least expire_at of what is open."""
    random, due_of = Random(seed), {}
    for step in range(150):
        batch = Batch()
        for _ in range(random.randrange(1, 8)):
            if due_of and random.randrange(3) == 0:
                order = random.choice(sorted(due_of))
                del due_of[order]
                batch.add(CommandKind.CANCEL, order=order)
            else:
                add(
                    batch,
                    CommandKind.NEW,
                    price=random.randrange(1, 50),
                    tif=GTD,
                    expire_at=desk.ts_ns + 1 + random.randrange(40),
                )
        for event in desk.run(batch):
            if event["kind"] == EventKind.ACCEPTED:
                due_of[int(event["order"])] = int(desk.hot.extra_of(int(event["order"]))["expire_at"])
        assert desk.hot.next_expiry() == min(due_of.values(), default=None)
        desk.ts_ns += random.randrange(12)
        while due_of and min(due_of.values()) <= desk.ts_ns:
            due = desk.hot.next_expiry()
            ids = sorted(order for order, at in due_of.items() if at == due)
            assert desk.events_of("expire", due)["order"].tolist() == ids
            for order in ids:
                del due_of[order]
        if step % 40 == 39:
            other = Desk(Books(event_rows=3) if isinstance(desk.hot, Oracle) else Oracle())
            other.hot.load(desk.hot.sections())
            assert other.hot.next_expiry() == desk.hot.next_expiry()
            other.seq, other.ts_ns, desk = desk.seq, desk.ts_ns, other
