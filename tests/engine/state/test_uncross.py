"""Live uncrosses under every rule set: kernel against oracle, from the curve to the last remainder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import CommandKind, EventKind, OrderType, Phase, Rest, TimeInForce, Unpriced
from engine.domain.curve import Clearing
from engine.limits import WINDOW_TICKS_MIN
from engine.markets.call_auction import clear
from engine.markets.rule_sets import RULE_SETS, SHARINGS
from engine.oracle import books as oracle
from engine.state import books as kernel
from engine.state.hot import Hot
from engine.state.room import EVENT_BUFFER_ROWS_MIN
from tests.engine.book_flows import Batch, Twins

LIVE = sorted(name for name, rule in SHARINGS.items() if rule.rest != Rest.NOBODY)
BOOK = 1


def set_up(hot: Hot, classes: bool, deposit: bool) -> Hot:
    """A book in CALL; accounts 4.. are co-ops, all have stock and limits."""
    hot.list_instrument(BOOK, multiplier=3, price_min=-1_000, price_max=1_000, qty_max=10**6, currency=2,
                        deposit=deposit, classes=classes)  # fmt: skip
    hot.set_phase(BOOK, Phase.CALL)
    for account in range(1, 7):
        hot.open_account(account)
        hot.set_account(account, frozen=False, group=0, coop=account > 3)
        if deposit:
            assert hot.add_stock(account, BOOK, 10**6)
        if account % 2:
            hot.set_limits(account, 2, buy_max=10**12, sell_max=10**12, orders_max=1_000)
    return hot


class Drawn(NamedTuple):
    side: int
    price: int | None
    lots: int
    account: int
    kind: int  # of a limit: plain, iceberg, for one uncross; without: market, market-to-limit, the same for one uncross
    display: int


ORDERS = st.lists(
    st.builds(
        Drawn,
        st.integers(0, 1),
        st.one_of(st.integers(-3, 3), st.integers(-3, 3), st.integers(-1, 1), st.integers(-200, 200), st.none()),
        st.integers(1, 9),
        st.integers(1, 6),
        st.sampled_from([0, 0, 0, 1, 1, 2]),
        st.integers(1, 4),
    ),
    max_size=24,
)


def batch_of(orders: list[Drawn]) -> Batch:
    """Each order a command of its own."""
    batch = Batch()
    for side, price, lots, account, kind, display in orders:
        fields: dict[str, int] = {"tif": TimeInForce.AT_AUCTION if kind == 2 else TimeInForce.GTC}
        if price is None:
            fields["type"] = OrderType.MARKET if kind == 0 else OrderType.MARKET_TO_LIMIT
        elif kind == 1:
            fields |= {"type": OrderType.ICEBERG, "price": price, "display_qty": min(display, lots)}
        else:
            fields["price"] = price
        batch.add(CommandKind.NEW, side=side, qty=lots, account=account, **fields)
    return batch


def twins_of(orders: list[Drawn], classes: bool, deposit: bool, loaded: bool) -> Twins:
    """An oracle and two kernels with these orders, one of which stops after every few events. `loaded`: the kernels
    come from the oracle's state instead of taking the orders themselves."""
    oracles = [set_up(oracle.Books(), classes, deposit)]
    kernels: list[Hot] = [
        kernel.Books(window_ticks=WINDOW_TICKS_MIN, event_rows=EVENT_BUFFER_ROWS_MIN, hash_seed=1),
        kernel.Books(hash_seed=2),
    ]
    if not loaded:
        oracles += [set_up(hot, classes, deposit) for hot in kernels]
    entered = Twins(*oracles, compare_every=10**9)
    if orders:
        assert (entered.run(batch_of(orders))["kind"] == EventKind.ACCEPTED).all()
    if loaded:
        for hot in kernels:
            hot.load(entered.first.sections())
    both = Twins(entered.first, *kernels, compare_every=10**9)
    both.seq, both.ts_ns = entered.seq, entered.ts_ns
    both.compare()
    return both


def uncross(both: Twins, rules: str, sharing: str, reference: int | None, block: int) -> tuple[Clearing, np.ndarray]:
    """The clearing and its events; the curves of all compared before."""
    curves = [hot.curve(BOOK) for hot in both.all]
    for curve in curves[1:]:
        for ours, theirs in zip(curves[0], curve, strict=True):
            assert np.array_equal(ours, theirs)
    rule_set = RULE_SETS[rules]
    clearing = clear(curves[1], reference, rules)
    events = both.told(
        "uncross",
        BOOK,
        clearing.price_ticks,
        clearing.volume_lots,
        sharing=SHARINGS[sharing],
        unpriced_last=rule_set.unpriced == Unpriced.LAST,
        block_seq=block,
    )
    return clearing, events


@settings(max_examples=400, deadline=None)
@given(
    ORDERS,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["harvest", "nse", "euronext_utp"]),
    st.sampled_from(LIVE),
    st.integers(-4, 4),
    st.integers(0, 26),
)
def test_kernel_and_oracle_agree(orders, classes, deposit, loaded, rules, sharing, reference, block):
    both = twins_of(orders, classes, deposit, loaded)
    clearing, events = uncross(both, rules, sharing, reference, block)
    both.compare()
    both.compare_readers()
    fills = events[events["kind"] == EventKind.FILL]
    assert fills["qty"].sum() == clearing.volume_lots
    left = both.first.curve(BOOK)
    assert left.unpriced_buy_lots == left.unpriced_sell_lots == 0
    again, more = uncross(both, rules, sharing, reference, block)
    assert again.price_ticks is None and len(more) == 0, "what is left neither crosses nor has to end"


def order(side: int, price: int | None, lots: int, account: int = 1, kind: int = 0, display: int = 1) -> Drawn:
    return Drawn(side, price, lots, account, kind, display)


BUY, SELL = 0, 1
ICEBERG = TO_LIMIT = 1  # kinds of Drawn
TO_LIMIT_FOR_ONE = LIMIT_FOR_ONE = 2
C, R, F, P = EventKind.CANCELLED, EventKind.CLASS_REPORT, EventKind.FILL, EventKind.REPRICED
CASES = [
    # what is shown, classes, sharing, orders, (kind, account, price, lots) of what they come to
    (
        "the level that is cut is shared, the ones above fill",
        False,
        "pro_rata_floor_to_lot_then_lots_by_time",
        [order(BUY, 2, 3, 1), order(BUY, 1, 4, 2), order(BUY, 1, 4, 3), order(SELL, 1, 8, 4)],
        [(F, 1, 1, 3), (F, 2, 1, 3), (F, 3, 1, 2)],
    ),
    (
        "an iceberg trades from the whole and keeps its place",
        False,
        "by_time",
        [order(BUY, 1, 9, 1, ICEBERG, 2), order(BUY, 1, 4, 2), order(SELL, 1, 7, 4)],
        [(F, 1, 1, 7)],
    ),
    (
        "market-to-limit takes the price, a market order ends, orders for one uncross end",
        False,
        "by_time",
        [
            order(BUY, None, 9, 1, TO_LIMIT),
            order(BUY, None, 4, 2),
            order(BUY, None, 4, 3, TO_LIMIT_FOR_ONE),
            order(BUY, -5, 4, 3, LIMIT_FOR_ONE),
            order(SELL, 1, 7, 4),
        ],
        [(F, 1, 1, 7), (P, 1, 1, 2), (C, 2, 0, 4), (C, 3, 0, 4), (C, 3, -5, 4)],
    ),
    (
        "co-ops first inside the price, and what that changed",
        True,
        "by_time",
        [order(BUY, 1, 5, 1), order(BUY, 1, 4, 4), order(BUY, 2, 1, 2), order(SELL, 1, 8, 3)],
        [(F, 2, 1, 1), (F, 4, 1, 4), (F, 1, 1, 3), (R, 0, 1, (4, 2))],
    ),
    (
        "no report where the classes change nothing",
        True,
        "by_time",
        [order(BUY, 1, 4, 4), order(BUY, 1, 5, 1), order(SELL, 1, 8, 3)],
        [(F, 4, 1, 4), (F, 1, 1, 4)],
    ),
    (
        "against a share in proportion",
        True,
        "pro_rata_floor_to_lot_then_lots_by_time",
        [order(BUY, 1, 6, 1), order(BUY, 1, 6, 4), order(SELL, 1, 6, 3)],
        [(F, 4, 1, 6), (R, 0, 1, (6, 3))],
    ),
]


@pytest.mark.parametrize(("shown", "classes", "sharing", "orders", "expected"), CASES, ids=[case[0] for case in CASES])
def test_one_rule_at_a_time(shown, classes, sharing, orders, expected):
    both = twins_of(orders, classes, False, False)
    _, events = uncross(both, "harvest", sharing, 1, 0)
    rows = [
        (kind, int(row["account"]), int(row["price"]), (qty, int(row["leaves"])) if kind == R else qty)
        for row in events
        for kind, qty in [(EventKind(row["kind"]), int(row["qty"]))]
    ]
    assert rows == expected, shown


def test_the_iceberg_shows_what_its_peaks_leave():
    both = twins_of([order(BUY, 1, 9, 1, ICEBERG, 4), order(BUY, 1, 4, 2), order(SELL, 1, 6, 4)], False, False, False)
    uncross(both, "harvest", "by_time", 1, 0)
    first = both.first.sections()["orders"][0]
    assert (first["account"], first["qty"]) == (1, 3), "it is still the first of its level"
    assert both.do("extra_of", int(first["order"]))["shown"] == 2, "4 and 2 of the next 4 are gone"


def test_orders_that_do_not_trade_are_not_walked():
    """Their links lead nowhere while the uncross runs."""
    books = set_up(kernel.Books(), False, False)
    far = [
        order(side, price, 5) for price in (1, 7, 8, 9) for side in (BUY, SELL) if (price > 1) == (side == SELL)
    ] * 30
    trading = [order(BUY, 4, 5), order(BUY, 3, 5), order(BUY, 3, 5), order(BUY, 3, 5), order(SELL, 3, 7)]
    rows, extensions, _ = batch_of(far + trading).arrays()
    _, events = books.run(rows, extensions, None, 0, first_seq=1, ts_ns=1)
    slots = events["order"][: len(far)] & 0xFFFFFFFF
    for links in ("next", "prev"):
        books.state.orders[links][slots] = 2**30
    price, volume, _ = clear(books.curve(BOOK), 3, "harvest")
    fills = books.uncross(BOOK, price, volume, command=0, first_index=0, ts_ns=2)
    assert fills["qty"].tolist() == [5, 2]
