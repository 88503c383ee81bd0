"""What must hold for every call, checked on generated books; worked examples through the curve of a book."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.codes import Unpriced
from engine.markets.call_auction import clear, clear_flat, supply_demand, trades_of
from engine.markets.rule_sets import BY_TIME, RULE_SETS
from engine.oracle import clearing as oracle
from engine.oracle.allocation import Order
from gateway.auction_file import limits_in_ticks, read_auction_file, reference_in_ticks, tick_of
from tests.auctions import buy, conformance_vectors, curve_of, flat_of, in_blocks, orders, references, sell

REFERENCE = st.integers(-8, 8)
RULES = st.sampled_from(sorted(RULE_SETS))
FIRST = sorted(name for name, rule_set in RULE_SETS.items() if rule_set.unpriced != Unpriced.LAST)


def harvest(book: list[Order], reference: int | None):
    return clear(curve_of(book), reference)


def curves_at(book: list[Order], price: int) -> tuple[int, int]:
    curve = curve_of(book)
    return oracle.demand_at(curve, price), oracle.supply_at(curve, price)


@settings(max_examples=300)
@given(orders(), references())
def test_harvest_is_the_best_of_every_tick(book, reference):
    """The rule read out loud over the whole grid, tick by tick."""
    prices = [order.price_ticks for order in book if order.price_ticks is not None]
    grid = prices + ([] if reference is None else [reference])
    ticks = range(min(grid), max(grid) + 1) if grid else []
    at = {tick: curves_at(book, tick) for tick in ticks}
    greatest = max((min(both) for both in at.values()), default=0)
    got = harvest(book, reference)
    if greatest == 0:
        assert got == (None, 0, 0)
        return
    kept = [tick for tick in ticks if min(at[tick]) == greatest]
    surplus = {tick: at[tick][0] - at[tick][1] for tick in kept}
    least = min(map(abs, surplus.values()))
    kept = [tick for tick in kept if abs(surplus[tick]) == least]
    signs = {(surplus[tick] > 0) - (surplus[tick] < 0) for tick in kept}
    if signs == {1}:
        price = kept[-1]
    elif signs == {-1}:
        price = kept[0]
    else:
        if signs == {-1, 1}:
            kept = [max(t for t in kept if surplus[t] > 0), min(t for t in kept if surplus[t] < 0)]
        price = (kept[0] + kept[-1]) // 2 if reference is None else sorted([kept[0], reference, kept[-1]])[1]
    assert got == (price, greatest, at[price][0] - at[price][1])


@given(orders(), REFERENCE, st.data())
def test_more_buying_never_lowers_price_or_volume(book, reference, data):
    """A limit below every candidate is left out: beside unpriced selling it opens prices that nobody had named."""
    before = harvest(book, reference)
    lowest = min([reference, *(order.price_ticks for order in book if order.price_ticks is not None)])
    raised = [i for i, order in enumerate(book) if order.is_buy and order.price_ticks is not None]
    if raised and data.draw(st.booleans()):
        place = data.draw(st.sampled_from(raised))
        up = book[place].price_ticks + data.draw(st.integers(1, 6))
        after_book = [*book[:place], book[place]._replace(price_ticks=up), *book[place + 1 :]]
    else:
        limit = data.draw(st.one_of(st.none(), st.integers(lowest, 8)))
        after_book = [*book, buy(data.draw(st.integers(1, 5)), limit)]
    after = harvest(after_book, reference)
    assert after.volume_lots >= before.volume_lots
    if before.price_ticks is not None:
        assert after.price_ticks >= before.price_ticks


@given(orders(unpriced=False), REFERENCE, st.integers(1, 5), st.integers(-20, 20))
def test_without_unpriced_orders_any_more_buying_never_lowers_the_price(book, reference, qty, limit):
    before, after = harvest(book, reference), harvest([*book, buy(qty, limit)], reference)
    assert after.volume_lots >= before.volume_lots
    if before.price_ticks is not None:
        assert after.price_ticks >= before.price_ticks


def test_a_bid_below_every_candidate_can_lower_the_price_of_unpriced_selling():
    book = [buy(1, 0), sell(2)]
    assert harvest(book, 5) == (0, 1, -1)
    assert harvest([*book, buy(1, -2)], 5) == (-2, 2, 0)


@given(orders(), references(), st.integers(-1_000, 1_000))
def test_prices_shift_with_the_orders(book, reference, shift):
    moved = [o if o.price_ticks is None else o._replace(price_ticks=o.price_ticks + shift) for o in book]
    before, after = harvest(book, reference), harvest(moved, None if reference is None else reference + shift)
    expected = None if before.price_ticks is None else before.price_ticks + shift
    assert after == before._replace(price_ticks=expected)


@given(orders(), references(), st.integers(1, 10**9))
def test_volume_scales_with_the_quantities(book, reference, factor):
    scaled = [order._replace(qty_lots=order.qty_lots * factor) for order in book]
    before, after = harvest(book, reference), harvest(scaled, reference)
    assert after == (before.price_ticks, before.volume_lots * factor, before.surplus_lots * factor)


@given(orders(), REFERENCE)
def test_the_mirrored_book_has_the_mirrored_price(book, reference):
    mirrored = [
        order._replace(is_buy=not order.is_buy, price_ticks=None if order.price_ticks is None else -order.price_ticks)
        for order in book
    ]
    before, after = harvest(book, reference), harvest(mirrored, -reference)
    assert after.volume_lots == before.volume_lots
    if before.price_ticks is not None:
        assert (after.price_ticks, after.surplus_lots) == (-before.price_ticks, -before.surplus_lots)


@given(orders(), references(), st.randoms(use_true_random=False))
def test_arrival_decides_fills_inside_a_price_alone(book, reference, random):
    shuffled = list(enumerate(book))
    random.shuffle(shuffled)
    before = clear_flat(flat_of(book), reference)
    after = clear_flat(flat_of([order for _, order in shuffled]), reference)
    assert after.clearing == before.clearing

    def by_level(book: list[Order], fills: np.ndarray) -> dict[tuple[bool, int | None], int]:
        sums: dict[tuple[bool, int | None], int] = {}
        for order, lots in zip(book, fills.tolist(), strict=True):
            sums[order.is_buy, order.price_ticks] = sums.get((order.is_buy, order.price_ticks), 0) + lots
        return sums

    assert by_level(book, before.fills) == by_level([order for _, order in shuffled], after.fills)


@settings(max_examples=300)
@given(orders(max_size=20), references(), st.lists(st.integers(0, 1), max_size=8), st.sampled_from(sorted(RULE_SETS)))
def test_fills_conserve_and_are_rational(book, reference, gaps, rules):
    book = in_blocks(book, gaps)
    flat = flat_of(book, blocks=True)
    result = clear_flat(flat, reference, rules)
    price, fills = result.clearing.price_ticks, result.fills.tolist()
    bought = sum(lots for order, lots in zip(book, fills, strict=True) if order.is_buy)
    sold = sum(lots for order, lots in zip(book, fills, strict=True) if not order.is_buy)
    assert bought == sold == result.clearing.volume_lots
    partial = {True: 0, False: 0}
    for order, lots in zip(book, fills, strict=True):
        assert 0 <= lots <= order.qty_lots
        if lots and order.price_ticks is not None:
            assert price <= order.price_ticks if order.is_buy else price >= order.price_ticks
        partial[order.is_buy] += 0 < lots < order.qty_lots
    if RULE_SETS[rules].sharing == BY_TIME:
        assert max(partial.values()) <= 1, "under time priority at most one order of a side is partly filled"
    traded = np.zeros(len(book), np.int64)
    for buyer, seller, lots in trades_of(flat, result, rules).tolist():
        assert lots > 0 and book[buyer].is_buy and not book[seller].is_buy
        traded[buyer] += lots
        traded[seller] += lots
    assert traded.tolist() == fills


@given(orders(max_size=20), references(), st.sampled_from(FIRST))
def test_better_prices_fill_first(book, reference, rules):
    fills = clear_flat(flat_of(book), reference, rules).fills.tolist()
    for order, lots in zip(book, fills, strict=True):
        for other, theirs in zip(book, fills, strict=True):
            if order.is_buy != other.is_buy or order.price_ticks is None or not lots:
                continue
            sign = 1 if order.is_buy else -1
            if other.price_ticks is None or sign * other.price_ticks > sign * order.price_ticks:
                assert theirs == other.qty_lots


@given(orders(max_size=20, unpriced=False), references(), RULES)
def test_what_is_left_does_not_trade_again(book, reference, rules):
    result = clear_flat(flat_of(book), reference, rules)
    left = [
        order._replace(qty_lots=order.qty_lots - lots)
        for order, lots in zip(book, result.fills.tolist(), strict=True)
        if lots < order.qty_lots
    ]
    assert clear(curve_of(left), reference, rules) == (None, 0, 0)


@given(orders(), references(), st.sampled_from(sorted(RULE_SETS)))
def test_a_flat_call_has_the_price_of_the_book(book, reference, rules):
    assert clear_flat(flat_of(book), reference, rules).clearing == clear(curve_of(book), reference, rules)


@given(orders())
def test_supply_and_demand_are_the_cumulated_curve(book):
    assume(any(order.price_ticks is not None for order in book))
    prices, demand, supply = supply_demand(curve_of(book))
    for price, wanted, offered in zip(prices.tolist(), demand.tolist(), supply.tolist(), strict=True):
        assert (wanted, offered) == curves_at(book, price)
    assert (np.diff(demand) <= 0).all() and (np.diff(supply) >= 0).all()


def test_a_grid_of_a_billion_ticks_costs_two_levels():
    book = [buy(5, 10**9), sell(5, -(10**9))]
    assert harvest(book, 123_456_789) == (123_456_789, 5, 0)


def test_unknown_rules_are_a_key_error():
    with pytest.raises(KeyError):
        clear(curve_of([buy(1, 1), sell(1, 1)]), None, "nobody")


def test_every_rule_set_names_its_source():
    assert all(rule_set.source for rule_set in RULE_SETS.values())
    named = {vector["rule_set"] for vector in conformance_vectors()}
    assert named <= set(RULE_SETS), "every rule set of the worked examples is there"


@pytest.mark.parametrize("vector", conformance_vectors(), ids=lambda vector: str(vector["id"]))
def test_worked_examples_through_the_curve_of_a_book(vector):
    call = read_auction_file(json.dumps(vector).encode())
    references = [] if call.reference is None else [call.reference]
    tick = call.tick or tick_of(call, references)
    limits = limits_in_ticks(call, tick)
    book = [
        Order(side == 0, None if is_unpriced else int(limit), int(qty))
        for side, limit, is_unpriced, qty in zip(call.side, limits, call.unpriced, call.qty_lots, strict=True)
    ]
    reference = None if call.reference is None else reference_in_ticks(call.reference, tick)
    got = clear(curve_of(book), reference, vector["rule_set"])
    assert got == oracle.clear(curve_of(book), reference, RULE_SETS[vector["rule_set"]].price)
    expected = vector["expected"]
    price = expected["price"]
    assert got.price_ticks == (None if price is None else Fraction(str(price)) / tick)
    assert got.volume_lots == expected.get("volume", expected.get("volume_computed_here"))
    assert got.surplus_lots == expected.get("surplus_buy_minus_sell", got.surplus_lots)
