"""Call auction: one price for a book (`clear`), or price and fills for orders without a book (`clear_flat`).

The venue calls `clear` on a book's curve and lets the book hand out the volume; `qhatu clear` and the benchmark call
`clear_flat`. Both find the price with the same kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.codes import Sharing
from engine.domain.curve import Clearing, Curve
from engine.kernels import allocation
from engine.kernels.clearing import KEPT, cumulate, find_price
from engine.kernels.price_rule import PriceRule
from engine.limits import QTY_LOTS_MAX, SIDE_TOTAL_LOTS_MAX
from engine.markets.rule_sets import RULE_SETS

NOTHING = Clearing(None, 0, 0)
FLAT_PRICE_TICKS_MAX = 10**18  # |price| in a flat call: any price below it, however far apart
LADDER_TICKS_PER_ORDER = 8  # a ladder wider than this is mostly empty: ranking the prices by a sort is cheaper
LADDER_TICKS_MIN = 4_096


def clear(curve: Curve, reference_ticks: int | None, rules: str = "harvest") -> Clearing:
    """Price, volume and surplus at which a book would trade now, in O(levels). Raises KeyError for unknown rules."""
    found, price, volume, surplus = find_price(
        curve.prices_ticks,
        curve.buy_lots,
        curve.sell_lots,
        int(curve.unpriced_buy_lots),
        int(curve.unpriced_sell_lots),
        reference_ticks is not None,
        0 if reference_ticks is None else int(reference_ticks),
        RULE_SETS[rules].price,
        np.empty(KEPT, np.int64),
    )
    return Clearing(price, volume, surplus) if found else NOTHING


def supply_demand(curve: Curve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(price_ticks, demand_lots, supply_lots), int64[n] each: both curves cumulated, unpriced orders included."""
    demand, supply = np.empty_like(curve.buy_lots), np.empty_like(curve.sell_lots)
    cumulate(
        curve.buy_lots,
        curve.sell_lots,
        int(curve.unpriced_buy_lots),
        int(curve.unpriced_sell_lots),
        demand,
        supply,
    )
    return curve.prices_ticks, demand, supply


class FlatOrders(NamedTuple):
    """Orders of one call as columns of the same length, earliest first."""

    side: np.ndarray  # uint8[n]  0 buy, 1 sell
    price_ticks: np.ndarray  # int32[n] or int64[n]; anything where unpriced
    unpriced: np.ndarray  # uint8[n]  1: no limit
    qty_lots: np.ndarray  # int64[n]
    block: np.ndarray | None = None  # int64[n]  time block, not falling; for rule sets that share by it


class Ladder(NamedTuple):
    """How prices became ranks 0..ranks-1, lowest first."""

    price: np.ndarray  # int32[n]  price - lowest is the rank
    lowest: int
    ranks: int
    price_of_rank: np.ndarray | None  # int64[ranks] in ticks; None: rank r is the price lowest + r


class Scratch:
    """Working memory of `clear_flat`, for a caller that clears again and again.

    Memory that is new at every call costs a page fault per 4 KiB: 10^5 orders on 65,536 ticks take 10.5 ns an order
    with them and 4 without.
    """

    def __init__(self) -> None:
        self._table = np.empty(0, np.int64)
        self._levels = np.empty((3, 0), np.int64)

    def table(self, cells: int) -> np.ndarray:
        """int64[cells] of zeros; what an earlier call returned is void."""
        if self._table.size < cells:
            self._table = np.empty(cells, np.int64)
        table = self._table[:cells]
        table[:] = 0
        return table

    def levels(self, most: int) -> np.ndarray:
        """int64[3, >= most] with anything in it."""
        if self._levels.shape[1] < most:
            self._levels = np.empty((3, most), np.int64)
        return self._levels


class FlatClearing(NamedTuple):
    clearing: Clearing
    fills: np.ndarray  # int64[n]  lots each order trades
    ladder: Ladder


def _ladder(orders: FlatOrders, low: int, high: int) -> Ladder:
    """Direct addressing where the prices lie close together, ranks by a sort where they do not."""
    n = orders.side.size
    if high - low < max(LADDER_TICKS_MIN, LADDER_TICKS_PER_ORDER * n):
        if orders.price_ticks.dtype == np.int32:
            return Ladder(orders.price_ticks, low, high - low + 1, None)
        offset = np.where(orders.unpriced, 0, orders.price_ticks - low).astype(np.int32)
        return Ladder(offset, 0, high - low + 1, np.arange(low, high + 1))
    above = np.where(orders.unpriced, 0, orders.price_ticks - np.int64(low))
    index_bits = max(1, (n - 1).bit_length())
    if (high - low).bit_length() + index_bits <= 63:
        rank, price_of_rank = np.empty(n, np.int32), np.empty(n, np.int64)
        packed = (above << index_bits) | np.arange(n)
        packed.sort()
        ranks = allocation.ranks_of_sorted(packed, index_bits, price_of_rank, rank)
        return Ladder(rank, 0, ranks, price_of_rank[:ranks] + low)
    distinct, inverse = np.unique(above, return_inverse=True)
    return Ladder(inverse.astype(np.int32), 0, distinct.size, distinct + low)


def _check(orders: FlatOrders) -> tuple[int, int]:
    """Lowest and highest limit. Raises ValueError for what no kernel may see."""
    if len({column.size for column in orders if column is not None}) != 1:
        raise ValueError("the columns of a flat call have different lengths")
    low, high, least, most, sides = allocation.survey(orders.side, orders.price_ticks, orders.unpriced, orders.qty_lots)
    if not sides:
        raise ValueError("side is 0 (buy) or 1 (sell)")
    if max(abs(low), abs(high)) > FLAT_PRICE_TICKS_MAX:
        raise ValueError(f"a price is beyond {FLAT_PRICE_TICKS_MAX} ticks")
    if least < 1 or most > QTY_LOTS_MAX:
        raise ValueError(f"a quantity is outside 1..{QTY_LOTS_MAX} lots")
    if most * orders.side.size > SIDE_TOTAL_LOTS_MAX:
        for side in (0, 1):
            lots = orders.qty_lots[orders.side == side]
            if (int((lots >> 20).sum()) << 20) + int((lots & 0xFFFFF).sum()) > SIDE_TOTAL_LOTS_MAX:
                raise ValueError(f"one side has more than {SIDE_TOTAL_LOTS_MAX} lots in all")
    return low, high


def clear_flat(
    orders: FlatOrders,
    reference_ticks: int | None = None,
    rules: str = "harvest",
    *,
    out: np.ndarray | None = None,
    scratch: Scratch | None = None,
) -> FlatClearing:
    """Price of a call and every order's fill, in about three passes over the columns.

    out      int64[n] to write the fills to, or None for a new array
    scratch  memory to work in, or None for new memory
    raises   KeyError for unknown rules; ValueError for a side, price, quantity or total out of bounds
    """
    rule_set = RULE_SETS[rules]
    low, high = _check(orders)
    ladder = _ladder(orders, low, high)
    ranks = ladder.ranks
    columns = (orders.side, ladder.price, orders.unpriced)
    scratch = scratch or Scratch()
    table = scratch.table(2 * (ranks + 2))
    allocation.sum_by_key(*columns, orders.qty_lots, ladder.lowest, ranks, table)
    clearing = _price(table, ladder, scratch, reference_ticks, rule_set.price)
    fills = np.empty(orders.side.size, np.int64) if out is None else out
    if clearing.price_ticks is None:
        fills[:] = 0
        return FlatClearing(clearing, fills, ladder)

    first = rule_set.unpriced_first
    best_sell_rank, best_buy_rank = _eligible_ranks(ladder, clearing.price_ticks)
    eligible_keys = (best_buy_rank + 1, ranks - best_sell_rank)
    margins = np.empty((3, 2), np.int64)  # full_above, margin, left; by side
    for side, key in enumerate(eligible_keys):
        margins[:, side] = allocation.margin_of(table, side, ranks, key, clearing.volume_lots, first)
    full_above, margin, left = margins
    shared = left.copy()  # the kernel counts it down
    allocation.fill_by_time(*columns, orders.qty_lots, ladder.lowest, ranks, first, full_above, margin, shared, fills)
    if rule_set.sharing == Sharing.TIME_BLOCKS and orders.block is not None:
        found = np.empty(orders.side.size, np.int64)
        for side in (0, 1):
            n = allocation.orders_at(*columns, ladder.lowest, ranks, first, side, margin[side], found)
            allocation.share_by_time_block(found[:n], orders.block, orders.qty_lots, left[side], fills)
    return FlatClearing(clearing, fills, ladder)


def _price(
    table: np.ndarray, ladder: Ladder, scratch: Scratch, reference_ticks: int | None, rule: PriceRule
) -> Clearing:
    """Price from the table of sums; the same kernel as for a book."""
    ranks, buy, sell = scratch.levels(1 + min(ladder.ranks, ladder.price.size))
    n = allocation.levels_of(table, ladder.ranks, ranks, buy, sell)
    prices = ranks[:n] + ladder.lowest if ladder.price_of_rank is None else ladder.price_of_rank[ranks[:n]]
    top = ladder.ranks + 1
    found, price, volume, surplus = find_price(
        prices,
        buy[:n],
        sell[:n],
        int(table[top]),
        int(table[ladder.ranks + 2 + top]),
        reference_ticks is not None,
        0 if reference_ticks is None else reference_ticks,
        rule,
        np.empty(KEPT, np.int64),
    )
    return Clearing(price, volume, surplus) if found else NOTHING


def _eligible_ranks(ladder: Ladder, price_ticks: int) -> tuple[int, int]:
    """(highest rank at or below the price, lowest rank at or above it): the worst sell and buy that may trade."""
    if ladder.price_of_rank is None:
        rank = price_ticks - ladder.lowest
        return min(rank, ladder.ranks - 1), max(rank, 0)
    return (
        int(np.searchsorted(ladder.price_of_rank, price_ticks, side="right")) - 1,
        int(np.searchsorted(ladder.price_of_rank, price_ticks, side="left")),
    )


def trades_of(orders: FlatOrders, result: FlatClearing, rules: str = "harvest") -> np.ndarray:
    """int64[t, 3] of (place of the buy, place of the sell, lots): both sides zipped in priority order."""
    ladder, first = result.ladder, RULE_SETS[rules].unpriced_first
    n = orders.side.size
    ends = np.empty(ladder.ranks + 2, np.int64)
    sides = []
    for side in (0, 1):
        order = np.empty(n, np.int64)
        columns = (orders.side, ladder.price, orders.unpriced, ladder.lowest, ladder.ranks, first, result.fills)
        sides.append(order[: allocation.priority_order(*columns, side, ends, order)])
    buys, sells = sides
    buy, sell, lots = (np.empty(buys.size + sells.size, np.int64) for _ in range(3))
    count = allocation.zip_trades(buys, sells, result.fills, buy, sell, lots)
    return np.column_stack((buy[:count], sell[:count], lots[:count]))
