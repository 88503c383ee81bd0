"""Who gets how much in a call auction, order by order. Twin of `engine/kernels/allocation.py`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from engine.domain.sharing_rule import SharingRule
from engine.oracle.sharing import share_margin


class Order(NamedTuple):
    """One order of a call; its place in the list is its arrival."""

    is_buy: bool
    price_ticks: int | None  # None: unpriced
    qty_lots: int
    block: int = 0


def in_priority(orders: Sequence[Order], is_buy: bool, price_ticks: int, unpriced_first: bool) -> list[int]:
    """Places of the orders of one side that may trade at the price: unpriced first (or last), price, arrival."""

    def rank(place: int) -> tuple[bool, int, int]:
        limit = orders[place].price_ticks
        return (
            (limit is None) != unpriced_first,
            0 if limit is None else -limit if is_buy else limit,
            place,
        )

    def willing(order: Order) -> bool:
        limit = order.price_ticks
        return limit is None or (limit >= price_ticks if is_buy else limit <= price_ticks)

    return sorted((i for i, order in enumerate(orders) if order.is_buy == is_buy and willing(order)), key=rank)


def fill(
    orders: Sequence[Order],
    price_ticks: int | None,
    volume_lots: int,
    *,
    unpriced_first: bool = True,
    sharing: SharingRule,
) -> list[int]:
    """Lots each order trades: level by level until the volume runs out, and that level by the sharing rule."""
    fills = [0] * len(orders)
    if price_ticks is None:
        return fills
    for is_buy in (True, False):
        left = volume_lots
        queue = in_priority(orders, is_buy, price_ticks, unpriced_first)
        for _, group in groupby(queue, lambda i: orders[i].price_ticks):
            places = list(group)
            quantities = [orders[place].qty_lots for place in places]
            shares = quantities
            if left < sum(quantities):
                shares = share_margin(quantities, [orders[place].block for place in places], left, sharing)
            for place, share in zip(places, shares, strict=True):
                fills[place] = share
            left -= min(left, sum(quantities))
    return fills


def zip_trades(
    orders: Sequence[Order], fills: Sequence[int], price_ticks: int | None, *, unpriced_first: bool = True
) -> list[tuple[int, int, int]]:
    """(place of the buy, place of the sell, lots): lot by lot, the k-th bought from the k-th sold."""
    if price_ticks is None:
        return []
    ends: list[list[tuple[int, int]]] = []  # per side: (lots traded up to and with this order, place)
    for is_buy in (True, False):
        total, side = 0, []
        for place in in_priority(orders, is_buy, price_ticks, unpriced_first):
            if fills[place]:
                total += fills[place]
                side.append((total, place))
        ends.append(side)
    trades, done = [], 0
    for cut in sorted({total for side in ends for total, _ in side}):
        buy, sell = (next(place for total, place in side if total >= cut) for side in ends)
        trades.append((buy, sell, cut - done))
        done = cut
    return trades
