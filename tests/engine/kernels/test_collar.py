"""Collars and the curve valued at their edges: kernel against oracle, and the published band."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.curve import Curve
from engine.kernels import collar as kernel
from engine.kernels.price_rule import BPS
from engine.markets.call_auction import clear
from engine.oracle import collar as oracle
from tests.auctions import buy, conformance_vectors, curve_of, orders, references, sell

ANCHORS = st.integers(-(10**18), 10**18)


@given(ANCHORS, ANCHORS, st.integers(0, BPS), st.integers(0, 10**18))
def test_the_kernel_agrees_with_the_oracle(low, high, bps, least):
    assert kernel.collar(low, high, bps, least) == oracle.collar(low, high, bps, least)


@pytest.mark.parametrize("vector", conformance_vectors("price_collar"), ids=lambda vector: str(vector["id"]))
def test_published_collars(vector):
    values = {name: Fraction(str(value)) for name, value in (vector["input"] | vector["expected"]).items()}
    tick = Fraction(1, 100)
    bid, ask, least = (int(values[name] / tick) for name in ("bid", "ask", "min_abs"))
    low, high = kernel.collar(bid, ask, int(values["pct"] * BPS), least)
    assert (low * tick, high * tick) == (values["low"], values["high"])


@pytest.mark.parametrize(
    ("shown", "anchors", "bps", "least", "band"),
    [
        ("a percentage of the middle", (1_000, 1_100), 1_000, 50, (895, 1_205)),
        ("the floor where that is more", (100, 110), 1_000, 50, (50, 160)),
        ("a part of a tick is no tick", (99, 100), 1_000, 0, (90, 109)),
        ("of the amount, below zero", (-1_000, -1_000), 1_000, 0, (-1_100, -900)),
        ("a floor alone about nothing", (0, 0), 1_000, 5, (-5, 5)),
    ],
)
def test_one_rule_at_a_time(shown, anchors, bps, least, band):
    assert kernel.collar(*anchors, bps, least) == band, shown
    assert oracle.collar(*anchors, bps, least) == band, shown


def valued(curve: Curve, low: int, high: int) -> Curve:
    prices, bought, sold = np.empty((3, curve.prices_ticks.size + 2), np.int64)
    n = kernel.value_at_collar(*curve, low, high, prices, bought, sold)
    return Curve(prices[:n], bought[:n], sold[:n], 0, 0)


@given(orders(max_size=20), st.integers(-8, 8), st.integers(0, 12))
def test_curves_at_a_collar_agree_with_the_oracle(book, low, width):
    ours, theirs = valued(curve_of(book), low, low + width), oracle.value_at_collar(curve_of(book), low, low + width)
    for column, other in zip(ours, theirs, strict=True):
        assert np.array_equal(column, other)


@given(orders(max_size=20), references(), st.integers(-8, 8), st.integers(0, 12))
def test_a_call_at_a_collar_prints_inside_it(book, reference, low, width):
    price, volume, _ = clear(curve_of(book), reference, "iex", (low, low + width))
    assert price is None or low <= price <= low + width
    free = clear(curve_of(book), reference, "iex")
    assert volume <= free.volume_lots or free.price_ticks is None, "a collar never makes volume"


def test_unpriced_buying_is_willing_up_to_the_edge_alone():
    book = [buy(5), sell(5, 12)]
    assert clear(curve_of(book), 10, "iex", (9, 11)) == (None, 0, 0)
    assert clear(curve_of(book), 10, "iex", (9, 12)) == (12, 5, 0)
    assert clear(curve_of(book), 10, "iex").price_ticks == 12
