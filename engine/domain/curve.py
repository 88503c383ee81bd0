"""Supply and demand of one book, as the call auction sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """Open quantity at each limit, lowest price first. Unpriced orders are willing at every price."""

    prices_ticks: np.ndarray  # int64[n]  distinct limits, rising
    buy_lots: np.ndarray  # int64[n]  bought at exactly that limit (not cumulated)
    sell_lots: np.ndarray  # int64[n]  sold at exactly that limit
    unpriced_buy_lots: int
    unpriced_sell_lots: int


class Clearing(NamedTuple):
    """Outcome of a call auction's price rule."""

    price_ticks: int | None  # None: nothing trades
    volume_lots: int
    surplus_lots: int  # buy minus sell at the price, signed; 0 without a price
