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
def margin_of(table, side, prices, eligible_key, volume, unpriced_first):
    """Where one side's priority order runs out of volume.

    eligible_key    int64  key of the worst limit that may trade at the price; T + 1 when none may
    volume          int64  lots to hand out, at most what the eligible and the unpriced orders of the side have
    unpriced_first  bool   unpriced orders come before the best limit (key T + 1) or after the worst eligible (key 0)
    returns         (int64 full_above, int64 margin, int64 left)  orders with a key above `full_above` fill in full,
                    those at `margin` share `left` lots, the others get nothing
    """
    row = side * (prices + 2)
    left = volume
    if unpriced_first:
        if left <= table[row + prices + 1]:
            return prices + 1, prices + 1, left
        left -= table[row + prices + 1]
    for key in range(prices, eligible_key - 1, -1):
        if left <= table[row + key]:
            return key, key, left
        left -= table[row + key]
    return eligible_key - 1, np.int64(0), left


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
def orders_at(side, price, unpriced, lowest, prices, unpriced_first, wanted_side, key, found):
    """Places of the orders of one side that have this key, in arrival order, into found[n]; returns how many."""
    unpriced_key = prices + 1 if unpriced_first else np.int64(0)
    n = 0
    for i in range(side.size):
        if side[i] == wanted_side:
            mine = _key(wanted_side, np.int64(price[i]) - lowest, unpriced[i] != 0, prices, unpriced_key)
            if mine == key:
                found[n] = i
                n += 1
    return n


@step
def share_floor(part, whole, total):
    """floor(part * whole / total) without a wider integer, for 0 <= part, 0 <= whole < total <= 2**62."""
    quotient, rest = np.int64(0), np.int64(0)
    for bit in range(62, -1, -1):
        quotient, rest = quotient * 2, rest * 2
        if rest >= total:
            quotient, rest = quotient + 1, rest - total
        if (part >> bit) & 1:
            rest += whole
            if rest >= total:
                quotient, rest = quotient + 1, rest - total
    return quotient


@kernel
def share_by_time_block(orders, block, qty, left, fills):
    """Share `left` lots among orders at one margin: whole blocks in time order, the block that is cut pro rata.

    orders  in   int64[m]  places of the orders, in arrival order
    block   in   int64[n]  time block of every order, not falling over `orders`
    qty     in   int64[n]  lots
    left    in   int64     lots to share, at most what the orders have
    fills   out  int64[n]  lots of those orders

    Rule: BNB Beacon Chain matching: floor of the proportional share, then one lot each in arrival order until nothing
          is left.
    """
    first = 0
    while first < orders.size:
        last, total = first, np.int64(0)
        while last < orders.size and block[orders[last]] == block[orders[first]]:
            total += qty[orders[last]]
            last += 1
        given = np.int64(0)
        for place in range(first, last):
            order = orders[place]
            fills[order] = qty[order] if left >= total else share_floor(qty[order], left, total)
            given += fills[order]
        left -= given
        if given < total:
            for place in range(first, last):
                if left == 0:
                    break
                fills[orders[place]] += 1
                left -= 1
        first = last


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
