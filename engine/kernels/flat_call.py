"""A flat call from columns to fills: sums by key, the price, each side's margin, the fills. One book, or many in a row.

Working memory is the caller's. A table of 2 * (T + 2) cells is zeroed and half of it walked for every book, so T should
be of the order of the number of orders; `engine/markets/call_auction.py` ranks the prices where it would not be.
"""

from __future__ import annotations

import numpy as np

from engine.codes import Grid, ProRata, Unpriced
from engine.kernels.allocation import (
    fill_better,
    fill_by_time,
    levels_near_crossing,
    levels_of,
    margin_of,
    sum_by_key,
    survey,
)
from engine.kernels.clearing import clamp, find_price
from engine.kernels.collar import value_at_collar
from engine.kernels.compiled import kernel, step
from engine.kernels.sharing import share_margin


@step
def _price(table, ranks, lowest, price_of_rank, work, rules, has_reference, reference, has_collar, low, high):
    """Price, volume and surplus from the table of sums, as `find_price` returns them."""
    top = ranks + 1
    at, buy, sell = work.levels[0], work.levels[1], work.levels[2]
    bought, sold = table[top], table[ranks + 2 + top]
    valued = rules.unpriced == Unpriced.AT_COLLAR and has_collar
    if valued or rules.price.grid == Grid.OVERLAP:
        n = levels_of(table, ranks, at, buy, sell)
    else:
        n, bought, sold = levels_near_crossing(table, ranks, at, buy, sell)
    for i in range(n):
        at[i] = at[i] + lowest if price_of_rank.size == 0 else price_of_rank[at[i]]
    if valued:
        at, buy, sell = work.levels[3], work.levels[4], work.levels[5]
        n = value_at_collar(
            work.levels[0, :n], work.levels[1, :n], work.levels[2, :n], bought, sold, low, high, at, buy, sell
        )
        bought = sold = np.int64(0)
    return find_price(at[:n], buy[:n], sell[:n], bought, sold, has_reference, reference, rules.price, work.kept)


@step
def _eligible_keys(ranks, lowest, price_of_rank, price):
    """Keys of the worst buy and of the worst sell that may trade at the price; T + 1 when no limit may."""
    if price_of_rank.size == 0:
        rank = price - lowest
        return clamp(rank, 0, ranks) + 1, ranks - clamp(rank, -1, ranks - 1)
    below, at_or_below = np.int64(0), ranks  # how many prices are below it; found by halving
    while below < at_or_below:
        middle = (below + at_or_below) // 2
        if price_of_rank[middle] < price:
            below = middle + 1
        else:
            at_or_below = middle
    worst_sell = below if below < ranks and price_of_rank[below] == price else below - 1
    return below + 1, ranks - worst_sell


@step
def _clear(orders, lowest, ranks, price_of_rank, work, rules, has_reference, reference, has_collar, low, high, fills):
    """One book; see `clear_one`."""
    side, price, unpriced, qty, block = orders
    table = work.table[: 2 * (ranks + 2)]
    table[:] = 0
    sum_by_key(side, price, unpriced, qty, lowest, ranks, table)
    found, at, volume, surplus = _price(
        table, ranks, lowest, price_of_rank, work, rules, has_reference, reference, has_collar, low, high
    )
    if not found:
        fills[:] = 0
        return found, at, volume, surplus
    first = rules.unpriced != Unpriced.LAST
    buy_key, sell_key = _eligible_keys(ranks, lowest, price_of_rank, at)
    full_above, margin, left = work.margins[0], work.margins[1], work.margins[2]
    full_above[0], margin[0], left[0] = margin_of(table, 0, ranks, buy_key, volume + max(surplus, 0), volume, first)
    full_above[1], margin[1], left[1] = margin_of(table, 1, ranks, sell_key, volume - min(surplus, 0), volume, first)
    sharing = rules.sharing
    if (sharing.by_block and block.size == 0) or (sharing.pro_rata == ProRata.NONE and not sharing.by_block):
        fill_by_time(side, price, unpriced, qty, lowest, ranks, first, full_above, margin, left, fills)
    else:
        counts = work.counts
        fill_better(side, price, unpriced, qty, lowest, ranks, first, full_above, margin, fills, work.places, counts)
        for s in range(2):
            share_margin(work.places[s, : counts[s]], block, qty, left[s], sharing, fills)
    return found, at, volume, surplus


@kernel
def clear_one(
    orders, lowest, ranks, price_of_rank, work, rules, has_reference, reference, has_collar, low, high, fills
):
    """Price and fills of one flat call.

    orders         in   FlatOrders  columns of n orders by arrival; `block` empty when there is none
    lowest, ranks  in   int64       price - lowest is the rank of a limit, in [0, ranks)
    price_of_rank  in   int64[ranks]  in ticks; empty: the price of rank r is lowest + r
    work           in   FlatWork    scratch
    rules          in   CallRule
    reference, low, high  in  int64  ticks; read when has_reference, has_collar
    fills          out  int64[n]    lots each order trades
    returns        as `find_price`
    """
    return _clear(
        orders, lowest, ranks, price_of_rank, work, rules, has_reference, reference, has_collar, low, high, fills
    )


@kernel
def clear_books(
    orders, starts, first, last, ticks, work, rules, has_references, references, qty_max, prices, volumes, surpluses,
    fills
):  # fmt: skip
    """Books first..last-1 of many flat calls, up to the first that is not for this kernel. Returns it, or `last`.

    orders       in   FlatOrders  columns of all books, book by book; price_ticks int32
    starts       in   int64[b+1]  where the orders of each book begin; the last is where they end
    ticks        in   int64       widest range of limits that the working memory can hold
    references   in   int64[b]    ticks; read when has_references
    qty_max      in   int64       largest quantity that is no error
    prices, volumes, surpluses  out  int64[b]  all 0 without a price
    fills        out  int64[n]

    Not for it: limits further apart than `ticks`, a side that is none, a quantity out of bounds.
    """
    for book in range(first, last):
        a, z = starts[book], starts[book + 1]
        side, price, unpriced, qty = (
            orders.side[a:z],
            orders.price_ticks[a:z],
            orders.unpriced[a:z],
            orders.qty_lots[a:z],
        )
        block = orders.block[a:z] if orders.block.size else orders.block
        low, high, least, most, sides = survey(side, price, unpriced, qty)
        if not sides or least < 1 or most > qty_max or high - low >= ticks:
            return book
        _, prices[book], volumes[book], surpluses[book] = _clear(
            (side, price, unpriced, qty, block), low, high - low + 1, work.no_prices, work, rules,
            has_references, references[book] if has_references else np.int64(0), False, 0, 0, fills[a:z],
        )  # fmt: skip
    return last
