"""The band round a reference in which a call may print, and the curve of orders that are valued at its edges."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel
from engine.kernels.price_rule import BPS


@kernel
def collar(low_anchor, high_anchor, bps, least):
    """Lowest and highest price of the band: the anchors moved apart by the greater of a percentage and a floor.

    low_anchor, high_anchor  int64  ticks, at most 10**18 either way: bid and ask, or twice the same reference
    bps                      int64  0..BPS, of the middle of the anchors (of its amount, where that is negative)
    least                    int64  ticks, 0..10**18: what a percentage of a small price may not go below
    returns                  (int64, int64)

    Rule: Nasdaq crosses: 0.50 or 10 % of the bid-ask midpoint, whichever is greater, below the bid and above the ask;
          IEX the same about the midpoint itself. The percentage is rounded down to a whole tick, so that the band is
          never wider than the rule.
    """
    twice = abs(low_anchor + high_anchor)
    whole, part = twice // (2 * BPS), twice % (2 * BPS)
    width = max(least, whole * bps + part * bps // (2 * BPS))
    return low_anchor - width, high_anchor + width


@kernel
def value_at_collar(prices, buy, sell, unpriced_buy, unpriced_sell, low, high, valued, valued_buy, valued_sell):
    """The curve in which no order is willing beyond the collar, and unpriced orders are willing up to its edge.

    prices .. unpriced_sell  in   a curve, as `find_price` takes it
    low, high                in   int64         ticks, low <= high
    valued, valued_buy, valued_sell  out  int64[>= n + 2]  prices rising and their lots, filled to the returned length
    returns                       int64

    A buy limit below the collar and a sell limit above it keep their price: nothing is sold below, or bought above it,
    so no price out there has any volume.

    Rule: IEX auctions: market orders, and limits more aggressive than the collar, are priced at the collar.
    """
    bought, sold = unpriced_buy, unpriced_sell  # at the edges
    for i in range(prices.size):
        bought += buy[i] if prices[i] > high else 0
        sold += sell[i] if prices[i] < low else 0
    n = np.int64(0)
    low_done = high_done = False
    for i in range(prices.size + 1):
        price = prices[i] if i < prices.size else high + 1
        if not low_done and price >= low:
            low_done = True
            valued[n], valued_buy[n], valued_sell[n] = low, 0, sold
            n += 1
        if not high_done and price >= high:
            high_done = True
            if valued[n - 1] != high:
                valued[n], valued_buy[n], valued_sell[n] = high, 0, 0
                n += 1
            valued_buy[n - 1] += bought
        if i == prices.size:
            break
        b, s = buy[i] if price <= high else 0, sell[i] if price >= low else 0
        if price in (low, high):
            valued_buy[n - 1] += b
            valued_sell[n - 1] += s
        elif b > 0 or s > 0:
            valued[n], valued_buy[n], valued_sell[n] = price, b, s
            n += 1
    return n
