"""Fills and trades of a flat call: kernels against the oracle, by every path to the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import Unpriced
from engine.markets import call_auction
from engine.markets.call_auction import BookCalls, FlatOrders, Scratch, clear_books, clear_flat, trades_of
from engine.markets.rule_sets import RULE_SETS
from engine.oracle import allocation as oracle
from engine.oracle import clearing as price_oracle
from engine.oracle import collar as collar_oracle
from engine.oracle.allocation import Order
from tests.auctions import buy, curve_of, flat_of, in_blocks, orders, references, sell

RULE_NAMES = st.sampled_from(sorted(RULE_SETS))


Collar = tuple[int, int] | None


def by_the_rule(
    book: list[Order], reference: int | None, rules: str, collar: Collar = None
) -> tuple[object, list[int], list]:
    """Clearing, fills and trades of the oracles."""
    rule_set = RULE_SETS[rules]
    curve = curve_of(book)
    if rule_set.unpriced == Unpriced.AT_COLLAR and collar is not None:
        curve = collar_oracle.value_at_collar(curve, *collar)
    clearing = price_oracle.clear(curve, reference, rule_set.price)
    fills = oracle.fill(
        book,
        clearing.price_ticks,
        clearing.volume_lots,
        unpriced_first=rule_set.unpriced != Unpriced.LAST,
        sharing=rule_set.sharing,
    )
    trades = oracle.zip_trades(book, fills, clearing.price_ticks, unpriced_first=rule_set.unpriced != Unpriced.LAST)
    return clearing, fills, trades


def by_the_kernel(
    flat: FlatOrders, reference: int | None, rules: str, collar: Collar = None
) -> tuple[object, list[int], list]:
    result = clear_flat(flat, reference, rules, collar_ticks=collar)
    trades = [tuple(trade) for trade in trades_of(flat, result, rules).tolist()]
    return result.clearing, result.fills.tolist(), trades


@settings(max_examples=600)
@given(orders(max_size=20), st.lists(st.integers(0, 1), max_size=8), references(), RULE_NAMES)
def test_the_kernels_agree_with_the_oracle(book, gaps, reference, rules):
    book = in_blocks(book, gaps)
    assert by_the_kernel(flat_of(book, blocks=True), reference, rules) == by_the_rule(book, reference, rules)


@settings(max_examples=300)
@given(orders(max_size=20), references(), st.integers(-7, 7), st.integers(0, 9))
def test_orders_valued_at_a_collar(book, reference, low, width):
    collar = (low, low + width)
    answer = by_the_kernel(flat_of(book), reference, "iex", collar)
    assert answer == by_the_rule(book, reference, "iex", collar)
    price = answer[0].price_ticks
    assert price is None or low <= price <= low + width


@settings(max_examples=300)
@given(orders(low=-60, high=60, max_size=40), references(), RULE_NAMES)
def test_sparse_ladders(book, reference, rules):
    """Few orders on many ticks, so that the levels near the crossing are few of all and far apart."""
    assert by_the_kernel(flat_of(book, blocks=True), reference, rules) == by_the_rule(book, reference, rules)


@settings(max_examples=200)
@given(
    st.lists(orders(max_size=8), max_size=6),
    st.lists(references(), min_size=6, max_size=6),
    RULE_NAMES,
    st.lists(st.integers(0, 1), max_size=4),
    st.sampled_from([1, 1, 10**6]),
    st.booleans(),
)
def test_many_books_are_each_its_own_call(books, quoted, rules, gaps, spread, with_references):
    """In one go, and in two ranges by two callers; a spread of 10^6 ticks takes books out of the fast path."""
    books = [
        [o if o.price_ticks is None else o._replace(price_ticks=o.price_ticks * spread) for o in in_blocks(book, gaps)]
        for book in books
    ]
    quoted = [0 if each is None else each for each in quoted[: len(books)]]
    flat = flat_of([order for book in books for order in book], blocks=True)
    starts = np.cumsum([0, *map(len, books)])
    at = np.array(quoted, np.int64) if with_references else None
    whole = clear_books(flat, starts, at, rules)
    halves = BookCalls(*(np.full_like(column, -1) for column in whole))
    scratch = Scratch()
    for part in (range(len(books) // 2), range(len(books) // 2, len(books))):
        clear_books(flat, starts, at, rules, books=part, out=halves, scratch=scratch)
    for ours, theirs in zip(whole, halves, strict=True):
        assert ours.tolist() == theirs.tolist()
    for number, book in enumerate(books):
        clearing, fills, _ = by_the_rule(book, quoted[number] if with_references else None, rules)
        got = tuple(int(column[number]) for column in whole[:3])
        assert got == (clearing.price_ticks or 0, clearing.volume_lots, clearing.surplus_lots)
        assert whole.fills[starts[number] : starts[number + 1]].tolist() == fills


def test_what_is_no_division_into_books_is_refused():
    flat = flat_of([buy(5, 6), sell(7, 5)])
    for starts in ([], [0], [0, 1], [1, 2], [0, 2, 1, 2], [0, 3]):
        with pytest.raises(ValueError, match="starts"):
            clear_books(flat, np.array(starts, np.int64))
    for books in (range(2), range(-1, 1), range(0, 1, 2)):
        with pytest.raises(ValueError, match="books"):
            clear_books(flat, np.array([0, 2]), books=books)
    with pytest.raises(ValueError, match="int32"):
        clear_books(flat._replace(price_ticks=flat.price_ticks.astype(np.int64)), np.array([0, 2]))
    flat.qty_lots[1] = 0
    with pytest.raises(ValueError, match="quantity"):
        clear_books(flat, np.array([0, 2]))


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


CASES = [
    # what is shown, rules, reference, orders, fills
    ("better prices first", "harvest", 5, [buy(5, 6), buy(5, 7), sell(7, 5)], [2, 5, 7]),
    ("then arrival", "harvest", 5, [buy(5, 6), buy(5, 6), sell(7, 5)], [5, 2, 7]),
    ("unpriced before limits", "harvest", 5, [buy(5, 6), buy(5), sell(7, 5)], [2, 5, 7]),
    ("unpriced after limits where the rules say so", "nse", 5, [buy(5, 6), buy(5), sell(7, 5)], [5, 2, 7]),
    ("unpriced alone share by arrival", "harvest", 5, [buy(5), buy(5), sell(7)], [5, 2, 7]),
    ("limits beyond the price get nothing", "harvest", 5, [buy(5, 6), buy(9, 3), sell(7, 4)], [5, 0, 5]),
    ("the margin may be better than the price", "xetra", 5, [buy(9, 8), buy(1, 5), sell(9, 5)], [9, 0, 9]),
    ("in proportion, a lot each", "harvest_pro_rata", 5, [buy(5, 6), buy(9, 6), sell(7, 6)], [3, 4, 7]),
    ("unpriced alone in proportion", "harvest_pro_rata", 5, [buy(4), buy(4), sell(4, 5)], [2, 2, 4]),
    ("shares of one lot dropped", "cme_iop_pro_rata", 5, [buy(3, 6), buy(9, 6), sell(4, 6)], [1, 3, 4]),
    ("the top order first", "cme_iop_top_order", 5, [buy(3, 6), buy(9, 6), buy(9, 6), sell(9, 6)], [3, 3, 3, 9]),
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
