"""The price of a call auction: kernel against oracle over every switch, and a table of single rules."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core.dispatcher import Dispatcher

from engine.codes import Grid, LastStep, Pressure
from engine.domain.curve import Clearing, Curve
from engine.kernels import allocation, collar, flat_call, sharing
from engine.kernels import clearing as kernel
from engine.kernels.price_rule import BPS, PriceRule
from engine.limits import PRICE_TICKS_MAX, SIDE_TOTAL_LOTS_MAX
from engine.markets.call_auction import clear_books, clear_flat, trades_of
from engine.markets.rule_sets import RULE_SETS, SHARINGS
from engine.oracle import clearing as oracle
from tests.auctions import buy, conformance_vectors, curve_of, flat_of, orders, references, sell

RULES = st.builds(
    PriceRule,
    st.sampled_from([int(grid) for grid in Grid]),
    st.integers(0, 1),
    st.sampled_from([int(pressure) for pressure in Pressure]),
    st.sampled_from([0, 1, 500, 2_500, BPS]),
    st.sampled_from([int(step) for step in LastStep]),
)


def find(curve: Curve, reference: int | None, rule: PriceRule) -> Clearing:
    found, price, volume, surplus = kernel.find_price(
        curve.prices_ticks,
        curve.buy_lots,
        curve.sell_lots,
        curve.unpriced_buy_lots,
        curve.unpriced_sell_lots,
        reference is not None,
        reference or 0,
        rule,
        np.empty(kernel.KEPT, np.int64),
    )
    return Clearing(price if found else None, volume, surplus)


@settings(max_examples=800)
@given(orders(), references(), RULES)
def test_the_kernel_agrees_with_the_oracle_under_every_combination_of_switches(book, reference, rule):
    curve = curve_of(book)
    assert find(curve, reference, rule) == oracle.clear(curve, reference, rule)


WIDE_PRICES = st.one_of(
    st.sampled_from([-PRICE_TICKS_MAX, PRICE_TICKS_MAX, -(10**18), 10**18, -1, 0, 1]), st.integers(-(10**18), 10**18)
)


@st.composite
def wide_curves(draw: st.DrawFn) -> Curve:
    """Curves at the bounds: any price, and totals of both sides up to SIDE_TOTAL_LOTS_MAX."""
    prices = sorted(draw(st.sets(WIDE_PRICES, max_size=6)))
    columns = []
    for _ in range(2):
        left, lots = SIDE_TOTAL_LOTS_MAX, []
        for _ in range(len(prices) + 1):
            lots.append(draw(st.one_of(st.just(0), st.just(left), st.integers(0, left))))
            left -= lots[-1]
        columns.append(lots)
    bought, sold = columns
    return Curve(
        np.array(prices, dtype=np.int64),
        np.array(bought[1:], dtype=np.int64),
        np.array(sold[1:], dtype=np.int64),
        bought[0],
        sold[0],
    )


@settings(max_examples=300)
@given(wide_curves(), st.one_of(st.none(), WIDE_PRICES), RULES)
def test_nothing_overflows_at_the_bounds(curve, reference, rule):
    assert find(curve, reference, rule) == oracle.clear(curve, reference, rule)


@given(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62))
def test_midpoint_rounds_half_a_tick_down(low, high):
    assert kernel.midpoint(low, high) == (low + high) // 2


@pytest.mark.parametrize("vector", conformance_vectors("price_rule"), ids=lambda vector: str(vector["id"]))
def test_published_price_rules(vector):
    """The ends of the range of greatest volume, as one buy and one sell make it."""
    low, high = vector["input"]["max_volume_range"]
    curve, rule = curve_of([buy(5, high), sell(5, low)]), RULE_SETS[vector["rule_set"]].price
    assert find(curve, None, rule).price_ticks == vector["expected"]["price"]
    assert oracle.price_of(curve, None, rule) == vector["expected"]["price"]


@given(st.integers(-(10**18), 10**18), st.integers(0, BPS))
def test_a_band_is_rounded_outwards(reference, bps):
    exact = Fraction(reference * (BPS + bps), BPS)
    assert kernel.band_edge(reference, bps) == ceil(exact)
    assert kernel.band_edge(reference, -bps) == floor(Fraction(reference * (BPS - bps), BPS))


CASES = [
    # what is shown, rules, reference, orders, expected price, volume, surplus
    ("nothing crosses", "harvest", 10, [buy(5, 9), sell(5, 11)], None, 0, 0),
    ("an empty book", "harvest", 10, [], None, 0, 0),
    ("only unpriced orders take the reference", "harvest", 10, [buy(5), sell(3)], 10, 3, 2),
    ("only unpriced orders, no reference", "harvest", None, [buy(5), sell(3)], None, 0, 0),
    ("only unpriced orders, on limits too", "xetra", 10, [buy(5), sell(3)], 10, 3, 2),
    ("all surplus buys: highest", "harvest", 0, [buy(9, 8), sell(5, 4)], 8, 5, 4),
    ("all surplus sells: lowest", "harvest", 99, [buy(5, 8), sell(9, 4)], 4, 5, -4),
    ("no surplus: the reference inside", "harvest", 6, [buy(5, 8), sell(5, 4)], 6, 5, 0),
    ("no surplus: the reference above", "harvest", 20, [buy(5, 8), sell(5, 4)], 8, 5, 0),
    ("no surplus: the reference below", "harvest", -20, [buy(5, 8), sell(5, 4)], 4, 5, 0),
    ("no reference: the middle", "harvest", None, [buy(5, 8), sell(5, 4)], 6, 5, 0),
    ("no reference: half a tick down", "harvest", None, [buy(5, 7), sell(5, 4)], 5, 5, 0),
    ("half a tick down below zero", "harvest", None, [buy(5, -4), sell(5, -7)], -6, 5, 0),
    (
        "every tick counts, not limits alone",
        "harvest",
        None,
        [buy(4, 11), buy(1, 9), sell(4, 9), sell(2, 11)],
        10,
        4,
        0,
    ),
    ("the same book on limits", "xetra", None, [buy(4, 11), buy(1, 9), sell(4, 9), sell(2, 11)], 9, 4, 1),
    ("the reference is a candidate", "harvest", 10, [buy(4), sell(4, 9)], 10, 4, 0),
    ("the reference is no candidate of xetra", "xetra", 10, [buy(4), sell(4, 9)], 9, 4, 0),
    ("surplus on both sides narrows first", "harvest", 99, [buy(2, 5), buy(1, 4), sell(2, 4), sell(1, 5)], 5, 2, -1),
    (
        "surplus on both sides, nearest",
        "bnb_four_step_5pct",
        9,
        [buy(2, 8), buy(1, 4), sell(2, 2), sell(1, 5)],
        8,
        2,
        -1,
    ),
    ("bids over the band", "bnb_four_step_5pct", 90, [sell(50, 92), buy(100, 99)], 95, 50, 50),
    ("offers under the band", "bnb_four_step_5pct", 110, [buy(50, 120), sell(100, 92)], 104, 50, -50),
    ("the range of limits that cross", "hkex_iep", 6, [buy(1), buy(5, 8), sell(6, 5), buy(9, 2)], 5, 6, 0),
    ("limits that do not cross: reference", "hkex_iep", 7, [buy(3), sell(2), buy(5, 5), sell(5, 9)], 7, 2, 1),
    ("reference half-way between two", "nse", 6, [buy(5, 8), sell(5, 4)], 6, 5, 0),
    ("half-way without that rule: the higher", "tsx_cop", 6, [buy(5, 8), sell(5, 4)], 8, 5, 0),
    ("nearest of two limits", "tsx_cop", 5, [buy(5, 8), sell(5, 4)], 4, 5, 0),
    ("highest", "max_volume_highest_price", None, [buy(5, 8), sell(9, 4)], 8, 5, -4),
    ("last offer accepted", "pay_as_clear_marginal_supply", None, [buy(5, 8), sell(9, 4)], 4, 5, -4),
    ("middle of the volume range", "midpoint_of_max_volume_range", None, [buy(5, 8), buy(3, 6), sell(5, 4)], 6, 5, 3),
]


@pytest.mark.parametrize(("shown", "rules", "reference", "book", "price", "volume", "surplus"), CASES)
def test_one_rule_at_a_time(shown, rules, reference, book, price, volume, surplus):
    curve, rule = curve_of(book), RULE_SETS[rules].price
    assert find(curve, reference, rule) == (price, volume, surplus), shown
    assert oracle.clear(curve, reference, rule) == (price, volume, surplus), shown


def test_no_deciding_kernel_computes_with_floats():
    curve = curve_of([buy(5, 8), sell(5, 4)])
    find(curve, None, RULE_SETS["harvest"].price)
    flat = flat_of([buy(5, 8), sell(5, 4)], blocks=True)
    trades_of(flat, clear_flat(flat, None, "bnb_four_step_5pct"))
    clear_flat(flat, 5, "iex", collar_ticks=(4, 6))
    clear_books(flat, np.array([0, 2]))
    collar.collar(1_000, 1_100, 1_000, 50)
    collar.value_at_collar(*curve, 4, 6, *np.empty((3, 4), np.int64))
    sharing.share_margin(
        np.arange(2), np.zeros(2, np.int64), np.full(2, 5), 3, SHARINGS["by_time"], np.empty(2, np.int64)
    )
    used = {
        name: item
        for module in (kernel, allocation, sharing, collar, flat_call)
        for name, item in vars(module).items()
        if isinstance(item, Dispatcher)
    }
    assert {"find_price", "sum_by_key", "margin_of", "fill_by_time", "share_margin", "clear_one", "clear_books"} <= set(
        used
    )
    for name, function in used.items():
        afresh = njit(function.py_func)  # code that came from the cache cannot be inspected
        for signature in function.signatures:
            afresh.compile(signature)
        for code in afresh.inspect_llvm().values():
            assert "define " in code
            assert " double" not in code and " float " not in code, name
