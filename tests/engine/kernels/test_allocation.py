"""Fills and trades of a flat call: kernels against the oracle, by every path to the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import Sharing
from engine.kernels import allocation as kernel
from engine.markets import call_auction
from engine.markets.call_auction import FlatOrders, Scratch, clear_flat, trades_of
from engine.markets.rule_sets import RULE_SETS
from engine.oracle import allocation as oracle
from engine.oracle import clearing as price_oracle
from engine.oracle.allocation import Order
from tests.auctions import buy, conformance_vectors, curve_of, flat_of, in_blocks, orders, references, sell

RULE_NAMES = st.sampled_from(sorted(RULE_SETS))


def by_the_rule(book: list[Order], reference: int | None, rules: str) -> tuple[object, list[int], list]:
    """Clearing, fills and trades of the oracles."""
    rule_set = RULE_SETS[rules]
    clearing = price_oracle.clear(curve_of(book), reference, rule_set.price)
    fills = oracle.fill(
        book,
        clearing.price_ticks,
        clearing.volume_lots,
        unpriced_first=rule_set.unpriced_first,
        by_time_block=rule_set.sharing == Sharing.TIME_BLOCKS,
    )
    trades = oracle.zip_trades(book, fills, clearing.price_ticks, unpriced_first=rule_set.unpriced_first)
    return clearing, fills, trades


def by_the_kernel(flat: FlatOrders, reference: int | None, rules: str) -> tuple[object, list[int], list]:
    result = clear_flat(flat, reference, rules)
    trades = [tuple(trade) for trade in trades_of(flat, result, rules).tolist()]
    return result.clearing, result.fills.tolist(), trades


@settings(max_examples=600)
@given(orders(max_size=20), st.lists(st.integers(0, 1), max_size=8), references(), RULE_NAMES)
def test_the_kernels_agree_with_the_oracle(book, gaps, reference, rules):
    book = in_blocks(book, gaps)
    assert by_the_kernel(flat_of(book, blocks=True), reference, rules) == by_the_rule(book, reference, rules)


@settings(max_examples=300)
@given(orders(max_size=20), references(), RULE_NAMES, st.sampled_from([1, 10**3, 10**6, 10**17]))
def test_prices_far_apart_give_the_same_fills(book, reference, rules, spread):
    wide = [o if o.price_ticks is None else o._replace(price_ticks=o.price_ticks * spread) for o in book]
    far = None if reference is None else reference * spread
    blocks = list(range(len(wide)))
    wide = [order._replace(block=block) for order, block in zip(wide, blocks, strict=True)]
    assert by_the_kernel(flat_of(wide, np.int64, blocks=True), far, rules) == by_the_rule(wide, far, rules)


@given(orders(max_size=20), references())
def test_a_ladder_and_ranks_are_the_same_auction(book, reference):
    flat = flat_of(book)
    ladder = clear_flat(flat, reference)
    try:
        call_auction.LADDER_TICKS_MIN = call_auction.LADDER_TICKS_PER_ORDER = 0
        ranked = clear_flat(flat, reference)
    finally:
        call_auction.LADDER_TICKS_MIN, call_auction.LADDER_TICKS_PER_ORDER = 4_096, 8
    assert ranked.clearing == ladder.clearing
    assert ranked.fills.tolist() == ladder.fills.tolist()
    assert trades_of(flat, ranked).tolist() == trades_of(flat, ladder).tolist()


def test_kept_memory_changes_nothing():
    scratch, out = Scratch(), np.empty(3, np.int64)
    for book in ([buy(5, 900), buy(5, -900), sell(7, 3)], [buy(9, 2), sell(4, 2), sell(4)], [sell(1), buy(3), buy(1)]):
        fresh = clear_flat(flat_of(book), 7)
        kept = clear_flat(flat_of(book), 7, out=out, scratch=scratch)
        assert kept.clearing == fresh.clearing and out.tolist() == fresh.fills.tolist()


@given(st.integers(0, 2**62), st.integers(1, 2**62), st.data())
def test_shares_are_exact_without_a_wider_integer(part, total, data):
    whole = data.draw(st.integers(0, total - 1))
    part = min(part, total)
    assert kernel.share_floor(part, whole, total) == part * whole // total


def share(quantities: list[int], blocks: list[int], lots: int) -> list[int]:
    fills = np.zeros(len(quantities), np.int64)
    kernel.share_by_time_block(
        np.arange(len(quantities)), np.array(blocks, np.int64), np.array(quantities, np.int64), lots, fills
    )
    return fills.tolist()


def shares_by_time_block() -> list[pytest.param]:
    """Published shares by time block whose numbers are all whole lots: (quantities, blocks, lots to share, shares)."""
    cases = []
    for vector in conformance_vectors("margin_allocation"):
        if vector["rule_set"] in {"time_blocks_then_pro_rata", "pro_rata_floor_to_lot_then_lots_by_time"}:
            rows = vector["input"].get("orders") or [{"qty": qty, "time": 0} for qty in vector["input"]["order_qty"]]
            lot, shared = vector["input"]["lot"], vector["input"]["allocate"]
            numbers = [shared, *(row["qty"] for row in rows), *vector["expected"]["alloc"]]
            if not any(number % lot for number in numbers):
                quantities = [row["qty"] // lot for row in rows]
                shares = [qty // lot for qty in vector["expected"]["alloc"]]
                blocks = [row["time"] for row in rows]
                cases.append(pytest.param(quantities, blocks, shared // lot, shares, id=vector["id"]))
    return cases


@pytest.mark.parametrize(("quantities", "blocks", "lots", "shares"), shares_by_time_block())
def test_published_shares_by_time_block(quantities, blocks, lots, shares):
    assert share(quantities, blocks, lots) == shares
    book = [Order(True, 1, qty, block) for qty, block in zip(quantities, blocks, strict=True)]
    assert oracle.fill([*book, sell(lots, 1)], 1, lots, by_time_block=True)[:-1] == shares


CASES = [
    # what is shown, rules, reference, orders, fills
    ("better prices first", "harvest", 5, [buy(5, 6), buy(5, 7), sell(7, 5)], [2, 5, 7]),
    ("then arrival", "harvest", 5, [buy(5, 6), buy(5, 6), sell(7, 5)], [5, 2, 7]),
    ("unpriced before limits", "harvest", 5, [buy(5, 6), buy(5), sell(7, 5)], [2, 5, 7]),
    ("unpriced after limits where the rules say so", "nse", 5, [buy(5, 6), buy(5), sell(7, 5)], [5, 2, 7]),
    ("unpriced alone share by arrival", "harvest", 5, [buy(5), buy(5), sell(7)], [5, 2, 7]),
    ("limits beyond the price get nothing", "harvest", 5, [buy(5, 6), buy(9, 3), sell(7, 4)], [5, 0, 5]),
    ("the margin may be better than the price", "xetra", 5, [buy(9, 8), buy(1, 5), sell(9, 5)], [9, 0, 9]),
]


@pytest.mark.parametrize(("shown", "rules", "reference", "book", "fills"), CASES)
def test_one_rule_at_a_time(shown, rules, reference, book, fills):
    assert by_the_kernel(flat_of(book), reference, rules)[1] == fills, shown
    assert by_the_rule(book, reference, rules)[1] == fills, shown


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("side", 2, "side"),
        ("qty_lots", 0, "quantity"),
        ("qty_lots", -1, "quantity"),
        ("qty_lots", 10**12 + 1, "quantity"),
        ("price_ticks", 10**18 + 1, "price"),
    ],
)
def test_what_no_kernel_may_see_is_refused(column, value, what):
    flat = flat_of([buy(5, 6), sell(7, 5)], np.int64)
    getattr(flat, column)[1] = value
    with pytest.raises(ValueError, match=what):
        clear_flat(flat)


def test_a_side_is_bounded_as_a_whole():
    n = 2**62 // 10**12 + 2
    flat = FlatOrders(np.zeros(n, np.uint8), np.zeros(n, np.int32), np.zeros(n, np.uint8), np.full(n, 10**12))
    with pytest.raises(ValueError, match="one side"):
        clear_flat(flat)
    flat.side[: n // 2] = 1
    assert clear_flat(flat).clearing.volume_lots == n // 2 * 10**12


def test_columns_of_different_lengths_are_refused():
    flat = flat_of([buy(5, 6), sell(7, 5)])
    with pytest.raises(ValueError, match="lengths"):
        clear_flat(flat._replace(qty_lots=flat.qty_lots[:1]))
