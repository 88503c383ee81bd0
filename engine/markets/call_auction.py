"""Call auction: one price for a book (`clear`), or price and fills for orders without a book (`clear_flat`).

The venue calls `clear` on a book's curve and lets the book hand out the volume; `qhatu clear` and the benchmark call
`clear_flat`, or `clear_books` for many small books at once. All find the price with the same kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.codes import Unpriced
from engine.domain.curve import Clearing, Curve
from engine.kernels import allocation, flat_call
from engine.kernels.clearing import KEPT, cumulate, find_price
from engine.kernels.collar import value_at_collar
from engine.limits import QTY_LOTS_MAX, SIDE_TOTAL_LOTS_MAX
from engine.markets.rule_sets import RULE_SETS

NOTHING = Clearing(None, 0, 0)
FLAT_PRICE_TICKS_MAX = 10**18  # |price| in a flat call: any price below it, however far apart
LADDER_TICKS_PER_ORDER = 8  # a ladder wider than this is mostly empty: ranking the prices by a sort is cheaper
LADDER_TICKS_MIN = 4_096


def clear(
    curve: Curve, reference_ticks: int | None, rules: str = "harvest", collar_ticks: tuple[int, int] | None = None
) -> Clearing:
    """Price, volume and surplus at which a book would trade now, in O(levels). Raises KeyError for unknown rules."""
    rule_set = RULE_SETS[rules]
    if rule_set.unpriced == Unpriced.AT_COLLAR and collar_ticks is not None:
        curve = _at_collar(curve, *collar_ticks)
    found, price, volume, surplus = find_price(
        curve.prices_ticks,
        curve.buy_lots,
        curve.sell_lots,
        int(curve.unpriced_buy_lots),
        int(curve.unpriced_sell_lots),
        reference_ticks is not None,
        0 if reference_ticks is None else int(reference_ticks),
        rule_set.price,
        np.empty(KEPT, np.int64),
    )
    return Clearing(price, volume, surplus) if found else NOTHING


def _at_collar(curve: Curve, low: int, high: int) -> Curve:
    prices, buy, sell = np.empty((3, curve.prices_ticks.size + 2), np.int64)
    columns = (curve.prices_ticks, curve.buy_lots, curve.sell_lots)
    unpriced = (int(curve.unpriced_buy_lots), int(curve.unpriced_sell_lots))
    n = value_at_collar(*columns, *unpriced, low, high, prices, buy, sell)
    return Curve(prices[:n], buy[:n], sell[:n], 0, 0)


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


class FlatWork(NamedTuple):
    """Working memory of the kernels of a flat call."""

    table: np.ndarray  # int64[2 * (ranks + 2)] or longer
    levels: np.ndarray  # int64[6, levels + 2] or longer
    places: np.ndarray  # int64[2, orders] or longer
    kept: np.ndarray  # int64[KEPT]
    margins: np.ndarray  # int64[3, 2]
    counts: np.ndarray  # int64[3]
    no_prices: np.ndarray  # int64[0]


class Scratch:
    """Working memory of `clear_flat`, for a caller that clears again and again.

    Memory that is new at every call costs a page fault per 4 KiB: 10^5 orders on 65,536 ticks take 10.5 ns an order
    with them and 4 without.
    """

    def __init__(self) -> None:
        self._work = FlatWork(
            np.empty(0, np.int64),
            np.empty((6, 0), np.int64),
            np.empty((2, 0), np.int64),
            np.empty(KEPT, np.int64),
            np.empty((3, 2), np.int64),
            np.empty(3, np.int64),
            np.empty(0, np.int64),
        )

    def work(self, ranks: int, orders: int) -> FlatWork:
        """Memory for a call of so many prices and orders, with anything in it; an earlier call's is void."""
        work, levels = self._work, min(ranks, orders) + 3
        if work.table.size < 2 * (ranks + 2):
            work = work._replace(table=np.empty(2 * (ranks + 2), np.int64))
        if work.levels.shape[1] < levels:
            work = work._replace(levels=np.empty((6, levels), np.int64))
        if work.places.shape[1] < orders:
            work = work._replace(places=np.empty((2, orders), np.int64))
        self._work = work
        return work


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
    collar_ticks: tuple[int, int] | None = None,
    out: np.ndarray | None = None,
    scratch: Scratch | None = None,
) -> FlatClearing:
    """Price of a call and every order's fill, in about three passes over the columns.

    collar_ticks  lowest and highest price, for rule sets that value orders at a collar
    out           int64[n] to write the fills to, or None for a new array
    scratch       memory to work in, or None for new memory
    raises        KeyError for unknown rules; ValueError for a side, price, quantity or total out of bounds
    """
    rule_set = RULE_SETS[rules]
    low, high = _check(orders)
    ladder = _ladder(orders, low, high)
    work = (scratch or Scratch()).work(ladder.ranks, orders.side.size)
    fills = np.empty(orders.side.size, np.int64) if out is None else out
    found, price, volume, surplus = flat_call.clear_one(
        orders._replace(price_ticks=ladder.price, block=work.no_prices if orders.block is None else orders.block),
        ladder.lowest,
        ladder.ranks,
        work.no_prices if ladder.price_of_rank is None else ladder.price_of_rank,
        work,
        rule_set.switches,
        reference_ticks is not None,
        0 if reference_ticks is None else int(reference_ticks),
        collar_ticks is not None,
        *((0, 0) if collar_ticks is None else collar_ticks),
        fills,
    )
    return FlatClearing(Clearing(price, volume, surplus) if found else NOTHING, fills, ladder)


class BookCalls(NamedTuple):
    """Outcome of many flat calls."""

    price_ticks: np.ndarray  # int64[b]  0 where the volume is 0
    volume_lots: np.ndarray  # int64[b]
    surplus_lots: np.ndarray  # int64[b]
    fills: np.ndarray  # int64[n]


def clear_books(
    orders: FlatOrders,
    starts: np.ndarray,
    references_ticks: np.ndarray | None = None,
    rules: str = "harvest",
    *,
    books: range | None = None,
    out: BookCalls | None = None,
    scratch: Scratch | None = None,
) -> BookCalls:
    """Price of each of many flat calls and every order's fill; entered once, because entering costs what a book does.

    The GIL is released, so threads of the caller may each take a range of the books, with one `out` for all of them
    and a scratch each. A book costs its orders and the ticks between its lowest and its highest limit.

    orders            columns of all books, book by book; price_ticks int32
    starts            int64[b + 1]  where each book begins, not falling; the last is where the orders end
    references_ticks  int64[b]      one a book, or None for none
    books             which to clear, in steps of 1; None for all
    out               arrays to write to, or None for new ones
    raises            KeyError for unknown rules; ValueError as `clear_flat`, and for starts that are no division
    """
    rule_set, n = RULE_SETS[rules], orders.side.size
    if not starts.size or starts[0] != 0 or starts[-1] != n or (np.diff(starts) < 0).any():
        raise ValueError("starts rise from 0 to the number of orders")
    if len({column.size for column in orders if column is not None}) != 1 or orders.price_ticks.dtype != np.int32:
        raise ValueError("the columns of flat calls have one length, and prices are int32")
    if n * QTY_LOTS_MAX > SIDE_TOTAL_LOTS_MAX:
        raise ValueError(f"more than {SIDE_TOTAL_LOTS_MAX // QTY_LOTS_MAX} orders")
    books = range(starts.size - 1) if books is None else books
    if books.step != 1 or not 0 <= books.start <= books.stop < starts.size:
        raise ValueError(f"there are {starts.size - 1} books")
    if out is None:
        prices, volumes, surpluses = np.empty((3, starts.size - 1), np.int64)
        out = BookCalls(prices, volumes, surpluses, np.empty(n, np.int64))
    widest = int(np.diff(starts[books.start : books.stop + 1]).max(initial=0))
    ticks = max(LADDER_TICKS_MIN, LADDER_TICKS_PER_ORDER * widest)
    work = (scratch or Scratch()).work(ticks, widest)
    first = books.start
    while True:  # the kernel stops at a book that is not for it: limits far apart, or something to refuse
        first = flat_call.clear_books(
            orders._replace(block=work.no_prices if orders.block is None else orders.block),
            starts,
            first,
            books.stop,
            ticks,
            work,
            rule_set.switches,
            references_ticks is not None,
            work.no_prices if references_ticks is None else references_ticks,
            QTY_LOTS_MAX,
            *out,
        )
        if first == books.stop:
            return out
        mine = slice(int(starts[first]), int(starts[first + 1]))
        each = FlatOrders._make(None if column is None else column[mine] for column in orders)
        reference = None if references_ticks is None else int(references_ticks[first])
        clearing = clear_flat(each, reference, rules, out=out.fills[mine]).clearing
        out.price_ticks[first] = clearing.price_ticks or 0
        out.volume_lots[first], out.surplus_lots[first] = clearing.volume_lots, clearing.surplus_lots
        first += 1


def trades_of(orders: FlatOrders, result: FlatClearing, rules: str = "harvest") -> np.ndarray:
    """int64[t, 3] of (place of the buy, place of the sell, lots): both sides zipped in priority order."""
    ladder, first = result.ladder, RULE_SETS[rules].unpriced != Unpriced.LAST
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
