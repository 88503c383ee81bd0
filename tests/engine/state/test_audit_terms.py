"""The audit finds faults in what only some orders have: each planted one is named."""

from __future__ import annotations

import pytest

from engine.codes import OrderType, Phase, Side, StpMode, TimeInForce
from engine.limits import PRICE_TICKS_MAX
from engine.state.audit import Unsound, audit
from engine.state.books import Books
from tests.engine.terms import Desk

WIDE = dict(multiplier=1, price_min=1, price_max=PRICE_TICKS_MAX, qty_max=1_000)


@pytest.fixture
def books() -> Books:
    """Slots: 0 an iceberg, 1 a gtd order, 2 a later one, 3 a stop, 4 a sell of stock, 5 a buy in its book, 6 asks for
    its owner's."""
    books = Books(window_ticks=64)
    books.list_instrument(1, **WIDE, currency=3)
    books.list_instrument(2, **WIDE, deposit=True)
    for instrument in (1, 2):
        books.set_phase(instrument, Phase.CALL)
    for account in (1, 2):
        books.open_account(account)
        books.set_account(account, frozen=False, group=5 * (account - 1), coop=False)
    books.set_limits(1, 3, buy_max=10**12, sell_max=0, orders_max=0)
    assert books.add_stock(2, 2, 50)
    desk = Desk(books)
    desk.new(price=100, type=OrderType.ICEBERG, display_qty=3)
    desk.new(price=100, tif=TimeInForce.GTD, expire_at=1_000)
    desk.new(price=99, tif=TimeInForce.GTD, expire_at=2_000)
    desk.new(type=OrderType.STOP, stop_price=120)
    desk.new(instrument=2, price=50, side=Side.SELL, account=2)
    desk.new(instrument=2, price=40)
    desk.new(price=98, stp=StpMode.CANCEL_TAKER)
    return books


def side(books: Books, name: str, place: int, value: int) -> None:
    books.state.sides[name][4 + place] = value


FAULTS = {
    "shows 4 of 3": lambda b: b.state.extras["shown"].__setitem__(0, 4),
    "lots hidden": lambda b: b.state.extras["shown"].__setitem__(0, 2),
    "names another order": lambda b: b.state.extras["order"].__setitem__(0, 77),
    "its extra is another's": lambda b: b.state.links["extra"].__setitem__(1, 0),
    "type or tif": lambda b: b.state.extras["tif"].__setitem__(0, 9),
    "ioc or fok at rest": lambda b: b.state.extras["tif"].__setitem__(0, TimeInForce.IOC),
    "type and price": lambda b: b.state.extras["type"].__setitem__(0, OrderType.MARKET),
    "a stop waits": lambda b: b.state.extras["waiting"].__setitem__(3, 0),
    "on the level of another price": lambda b: b.state.extras["stop_price"].__setitem__(3, 121),
    "a row of extras is lost": lambda b: b.state.meta["extras_used"].__setitem__(0, 5),
    "heap of expiries is not": lambda b: b.state.meta["expiries"].__setitem__(0, 1),
    "its place in the heap": lambda b: b.state.extras["heap_place"].__setitem__(1, 1),
    "expires before its parent": lambda b: b.state.extras["expire_at"].__setitem__(1, 3_000),
    "stops counted wrongly": lambda b: b.state.books["stops"].__setitem__(1, 0),
    "lots of waiting stops": lambda b: side(b, "waiting", Side.BUY, 9),
    "classes of a side": lambda b: b.state.books["flags"].__setitem__(1, 2),
    "holds nothing, but should": lambda b: b.state.orders["flags"].__iand__(~0x40 & 0xFF),
    "limits counted wrongly": lambda b: b.state.meta["limits"].__setitem__(0, 2),
    "limited without a limit": lambda b: b.state.accounts["limited"].__setitem__(2, 1),
    "currency 3: orders": lambda b: b.state.limits["orders"].__iadd__(1),
    "currency 3: buy_used": lambda b: b.state.limits["buy_used"].__iadd__(1),
    "rows of stock counted wrongly": lambda b: b.state.meta["stocks"].__setitem__(0, 1),
    "lots promised": lambda b: b.state.stocks["reserved"].__iadd__(1),
    "in 2: orders": lambda b: b.state.stocks["orders"].__iadd__(1),
    "lots deposited": lambda b: b.state.books["deposited"].__setitem__(2, 49),
    "an order is in no chain": lambda b: b.state.orders["flags"].__setitem__(6, b.state.orders["flags"][6] & 0x7F),
    "chain that is not kept": lambda b: b.state.meta["chained"].__setitem__(0, 0),
    "chains counted wrongly": lambda b: b.state.meta["chains"].__setitem__(0, 9),
    "another's chain": lambda b: b.state.accounts["group"].__setitem__(2, 6),
    "order before it in its chain": lambda b: b.state.links["own_prev"].__setitem__(6, 3),
    "chains are not all open orders": lambda b: b.state.links["own_next"].__setitem__(6, -1),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found(books, what):
    FAULTS[what](books)
    with pytest.raises(Unsound, match=what):
        audit(books)
