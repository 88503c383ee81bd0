"""The band of a call and the curve valued at its edges, as the rules say it. Twin of `engine/kernels/collar.py`."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np

from engine.domain.curve import Curve


def collar(low_anchor: int, high_anchor: int, bps: int, least: int) -> tuple[int, int]:
    """The greater of `bps` of the anchors' middle, rounded down, and `least` ticks, on either side."""
    middle = Fraction(low_anchor + high_anchor, 2)
    width = max(floor(abs(middle) * bps / 10_000), least)
    return low_anchor - width, high_anchor + width


def value_at_collar(curve: Curve, low: int, high: int) -> Curve:
    """Every order valued by itself: an unpriced one at its edge, a limit beyond the collar at the edge."""
    bought: dict[int, int] = {high: int(curve.unpriced_buy_lots)}
    sold: dict[int, int] = {low: int(curve.unpriced_sell_lots)}
    for price, buy, sell in zip(
        curve.prices_ticks.tolist(), curve.buy_lots.tolist(), curve.sell_lots.tolist(), strict=True
    ):
        bought[min(price, high)] = bought.get(min(price, high), 0) + buy
        sold[max(price, low)] = sold.get(max(price, low), 0) + sell
    limits = {price for side in (bought, sold) for price, lots in side.items() if lots}
    prices = sorted(limits | {low, high})
    return Curve(
        np.array(prices, dtype=np.int64),
        np.array([bought.get(price, 0) for price in prices], dtype=np.int64),
        np.array([sold.get(price, 0) for price in prices], dtype=np.int64),
        0,
        0,
    )
