"""The curve of a live book for its call, in O(levels)."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel
from engine.kernels.constants import RANK_NONE
from engine.kernels.levels import find_level, next_rank


@kernel
def prices_of(s, side, sign, prices, lots):
    """Prices of a side, best first, and all lots open at each: hidden ones, and both classes.

    sign          in   int64     -1 for buys, 1 for sells: what makes a rank a price
    prices, lots  out  int64[n]  filled as far as they go
    returns       int64          how many prices there are
    """
    classes = s.sides[side].classes != 0
    count = np.int64(0)
    rank = np.int64(s.sides[side].best)
    while rank != RANK_NONE:
        total = np.int64(s.levels[find_level(s, side, rank)].total)
        behind = next_rank(s, side, rank)
        price = rank >> 1 if classes else rank
        if classes and behind == 2 * price + 1:
            total += s.levels[find_level(s, side, behind)].total
            behind = next_rank(s, side, behind)
        if count < prices.size:
            prices[count], lots[count] = sign * price, total
        count += 1
        rank = behind
    return count


@kernel
def merge(buy_prices, buy_lots, sell_prices, sell_lots, prices, buy, sell):
    """One curve from both sides.

    buy_prices, sell_prices  in   int64[b], int64[s]  falling; rising
    prices, buy, sell        out  int64[b + s]        rising, filled to the returned length
    """
    i, j, n = buy_prices.size - 1, np.int64(0), np.int64(0)
    while i >= 0 or j < sell_prices.size:
        if j == sell_prices.size or (i >= 0 and buy_prices[i] < sell_prices[j]):
            prices[n], buy[n], sell[n] = buy_prices[i], buy_lots[i], 0
            i -= 1
        elif i < 0 or sell_prices[j] < buy_prices[i]:
            prices[n], buy[n], sell[n] = sell_prices[j], 0, sell_lots[j]
            j += 1
        else:
            prices[n], buy[n], sell[n] = buy_prices[i], buy_lots[i], sell_lots[j]
            i -= 1
            j += 1
        n += 1
    return n
