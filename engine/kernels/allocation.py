"""Who gets how much in a flat call auction: orders as columns, in time order, no book.

Every order has a key in [1, T] that is higher the better its limit is for its own side, whichever side that is; T is
the number of prices. Unpriced orders have the key T + 1. Two sides of one table, indexed by key, then hold everything:
its cumulated sums from the top are demand and supply, and the fills of one side are decided by one comparison with the
key at its margin. Only orders exactly at the margin are counted one by one, in arrival order; the rest of the work has
no branch to mispredict, which is worth a factor of three at a million orders.

`rank` is the place of an order's price among the T prices, lowest first: the price itself less the lowest, or its place
among the distinct prices when they are far apart.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, step

_BUY, _SELL = 0, 1


@step
def _key(side, rank, is_unpriced, prices, unpriced_key):
    """Key of an order: higher is better for its own side."""
    key = rank + 1 if side == _BUY else prices - rank
    return unpriced_key if is_unpriced else key


@kernel
def survey(side, price, unpriced, qty):
    """Extremes of a flat call, for the caller's checks.

    returns (int64 x 4)  lowest and highest price of the orders with a limit, (1, 0) when none has one;
                         least and greatest quantity, (1, 1) without orders
            bool         every side is 0 or 1
    """
    n = side.size
    low, high = np.int64(2**62), np.int64(-(2**62))
    least, most = np.int64(2**62), np.int64(-(2**62))
    sides = np.uint8(0)
    for i in range(n):
        p = np.int64(price[i])
        low = min(low, np.int64(2**62) if unpriced[i] else p)
        high = max(high, np.int64(-(2**62)) if unpriced[i] else p)
        least = min(least, qty[i])
        most = max(most, qty[i])
        sides |= side[i]
    if low > high:
        low, high = np.int64(1), np.int64(0)
    if n == 0:
        least, most = np.int64(1), np.int64(1)
    return low, high, least, most, sides <= 1


@kernel
def sum_by_key(side, price, unpriced, qty, lowest, prices, table):
    """Add each order's lots to its cell.

    side      in   uint8[n]  0 buy, 1 sell
    price     in   int32[n]  ticks or ranks; price - lowest is the rank; anything where `unpriced`
    unpriced  in   uint8[n]  1: no limit
    qty       in   int64[n]  lots, > 0
    lowest    in   int64     the price of rank 0
    prices    in   int64     T, how many ranks there are
    table     out  int64[2 * (T + 2)]  lots by side * (T + 2) + key, zero before
    """
    stride = prices + 2
    for i in range(side.size):
        s = np.int64(side[i])
        key = _key(s, np.int64(price[i]) - lowest, unpriced[i] != 0, prices, prices + 1)
        table[s * stride + key] += qty[i]


@kernel
def levels_of(table, prices, ranks, buy, sell):
    """Ranks with any lots, rising, and their lots on both sides.

    table            in   int64[2 * (T + 2)]  as `sum_by_key` left it
    ranks, buy, sell out  int64[>= 1 + min(T, orders)]  filled to the returned length
    returns          int64                    how many levels there are
    """
    stride = prices + 2
    n = 0
    for rank in range(prices):
        b, s = table[rank + 1], table[stride + prices - rank]
        ranks[n], buy[n], sell[n] = rank, b, s
        n += (b != 0) | (s != 0)
    return n


@kernel
def levels_near_crossing(table, prices, ranks, buy, sell):
    """Of `levels_of`, those that decide the price: all of greatest volume and the next one beyond them on either side.

    The lots beyond are given as if they had no limit, so that `find_price` sees the same demand and supply at every
    price that can win: every rule but OVERLAP picks among prices of the greatest volume that any price has.

    returns  (int64 n, int64 demand, int64 supply)  levels; lots bought above the last of them, unpriced orders
             included; lots sold below the first of them, likewise
    """
    stride = prices + 2
    top = prices + 1
    demand, supply = table[top], table[stride + top]
    for key in range(1, top):
        demand += table[key]
    crossing = np.int64(0)
    while crossing < prices:
        sold = table[stride + prices - crossing]
        if supply + sold >= demand:
            break
        supply += sold
        demand -= table[crossing + 1]
        crossing += 1
    # Below the crossing the volume is the supply, which rises up to it; from there on it is the demand, which falls.
    if crossing == 0:
        volume = demand
    elif crossing == prices:
        volume = supply
    else:
        volume = max(supply, demand)
    first, below = crossing, supply
    while first > 0:
        first -= 1
        at = below
        below -= table[stride + prices - first]
        if at < volume and (table[first + 1] != 0 or below != at):
            break
    n = np.int64(0)
    supply = below
    rank = first
    while rank < crossing:
        b, s = table[rank + 1], table[stride + prices - rank]
        ranks[n], buy[n], sell[n] = rank, b, s
        n += (b != 0) | (s != 0)
        rank += 1
    while rank < prices:
        b, s = table[rank + 1], table[stride + prices - rank]
        ranks[n], buy[n], sell[n] = rank, b, s
        n += (b != 0) | (s != 0)
        rank += 1
        at = demand
        demand -= b
        if at < volume and (b != 0) | (s != 0):
            break
    return n, demand, supply


@kernel
def margin_of(table, side, prices, eligible_key, willing, volume, unpriced_first):
    """Where one side's priority order runs out of volume, from its worst order that is willing upwards.

    eligible_key    int64  key of the worst limit that may trade at the price; T + 1 when none may
    willing         int64  lots of the orders that may trade
    volume          int64  lots to hand out, 0 < volume <= willing
    unpriced_first  bool   unpriced orders come before the best limit (key T + 1) or after the worst eligible (key 0)
    returns         (int64 full_above, int64 margin, int64 left)  orders with a key above `full_above` fill in full,
                    those at `margin` share `left` lots, the others get nothing
    """
    row = side * (prices + 2)
    excess = willing - volume
    if not unpriced_first:
        unpriced = table[row + prices + 1]
        if excess < unpriced:
            return eligible_key - 1, np.int64(0), unpriced - excess
        excess -= unpriced
    for key in range(eligible_key, prices + 2):
        lots = table[row + key]
        if excess < lots:
            return key, key, lots - excess
        excess -= lots
    return prices + 1, prices + 1, np.int64(0)


@kernel
def fill_by_time(side, price, unpriced, qty, lowest, prices, unpriced_first, full_above, margin, left, fills):
    """Lots each order trades: better than the margin in full, at the margin by arrival, worse nothing.

    side .. prices      in       as in `sum_by_key`
    full_above, margin  in       int64[2]  by side, as `margin_of` returns them
    left                in, out  int64[2]  lots to share at the margin; what is left over afterwards
    fills               out      int64[n]  lots, 0 <= fill <= qty

    The three pairs are read by index and the fill is a product, because a choice by side in the source becomes a
    branch that is wrong every other time: 5.5 against 1.1 ns an order.
    """
    unpriced_key = prices + 1 if unpriced_first else np.int64(0)
    for i in range(side.size):
        s = np.int64(side[i])
        q = qty[i]
        key = _key(s, np.int64(price[i]) - lowest, unpriced[i] != 0, prices, unpriced_key)
        fill = q * np.int64(key > full_above[s])
        if key == margin[s]:
            fill = min(q, left[s])
            left[s] -= fill
        fills[i] = fill


@kernel
def fill_better(side, price, unpriced, qty, lowest, prices, unpriced_first, full_above, margin, fills, places, counts):
    """As `fill_by_time`, but the orders at the margin get nothing yet: their places are noted, by arrival.

    places  out  int64[2, >= n]  by side, filled to the counts
    counts  out  int64[3]        orders noted, by side; lots of all orders. The last is there to be written: where the
                                 fill is the quantity's only use, the compiler puts its load behind a branch (9 to 17
                                 against 1.1 ns an order)
    """
    unpriced_key = prices + 1 if unpriced_first else np.int64(0)
    counts[0] = counts[1] = 0
    lots = np.int64(0)
    for i in range(side.size):
        s = np.int64(side[i])
        q = qty[i]
        lots += q
        key = _key(s, np.int64(price[i]) - lowest, unpriced[i] != 0, prices, unpriced_key)
        fills[i] = q * np.int64(key > full_above[s])
        if key == margin[s]:
            count = counts[s]
            places[s, count] = i
            counts[s] = count + 1
    counts[2] = lots


@kernel
def priority_order(side, price, unpriced, lowest, prices, unpriced_first, fills, wanted_side, ends, order):
    """Orders of one side that trade, best first and by arrival inside a key (a counting sort).

    ends     scratch  int64[T + 2]
    order    out      int64[n]  places, filled to the returned length
    """
    unpriced_key = prices + 1 if unpriced_first else np.int64(0)
    ends[:] = 0
    for i in range(side.size):
        if side[i] == wanted_side and fills[i] > 0:
            ends[_key(wanted_side, np.int64(price[i]) - lowest, unpriced[i] != 0, prices, unpriced_key)] += 1
    n = np.int64(0)
    for key in range(prices + 1, -1, -1):
        count = ends[key]
        ends[key] = n
        n += count
    for i in range(side.size):
        if side[i] == wanted_side and fills[i] > 0:
            key = _key(wanted_side, np.int64(price[i]) - lowest, unpriced[i] != 0, prices, unpriced_key)
            order[ends[key]] = i
            ends[key] += 1
    return n


@kernel
def zip_trades(buys, sells, fills, trade_buy, trade_sell, trade_qty):
    """Pair two sides in priority order, the best buy with the best sell first.

    buys, sells  in   int64[b], int64[s]  places of the orders that trade, in priority order
    fills        in   int64[n]            lots of each order; both sides have the same sum
    trade_*      out  int64[>= b + s]     filled to the returned length
    """
    n = b = s = 0
    buy_left = fills[buys[0]] if buys.size else np.int64(0)
    sell_left = fills[sells[0]] if sells.size else np.int64(0)
    while b < buys.size and s < sells.size:
        lots = min(buy_left, sell_left)
        trade_buy[n], trade_sell[n], trade_qty[n] = buys[b], sells[s], lots
        n += 1
        buy_left -= lots
        sell_left -= lots
        if buy_left == 0:
            b += 1
            buy_left = fills[buys[b]] if b < buys.size else np.int64(0)
        if sell_left == 0:
            s += 1
            sell_left = fills[sells[s]] if s < sells.size else np.int64(0)
    return n


@kernel
def ranks_of_sorted(packed, index_bits, price_of_rank, rank):
    """Ranks of prices from their sorted packing.

    packed         in   int64[n]  (price - lowest) << index_bits | place, sorted
    price_of_rank  out  int64[n]  distinct (price - lowest), rising, filled to the returned length
    rank           out  int32[n]  rank of the price at each place
    """
    mask = (np.int64(1) << index_bits) - 1
    ranks = np.int64(0)
    for i in range(packed.size):
        price = packed[i] >> index_bits
        if ranks == 0 or price != price_of_rank[ranks - 1]:
            price_of_rank[ranks] = price
            ranks += 1
        rank[packed[i] & mask] = ranks - 1
    return ranks
