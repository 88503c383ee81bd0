"""Price of a call auction, step by step as the rules are written. Twin of `engine/kernels/clearing.py`."""

from __future__ import annotations

from itertools import pairwise

from engine.codes import Grid, LastStep, Pressure
from engine.domain.curve import Clearing, Curve
from engine.kernels.price_rule import BPS, PriceRule

NOTHING = Clearing(None, 0, 0)


def demand_at(curve: Curve, price: int) -> int:
    """Lots that would be bought at `price`: unpriced orders and limits at it or above."""
    return int(curve.unpriced_buy_lots) + sum(
        int(lots) for limit, lots in zip(curve.prices_ticks, curve.buy_lots, strict=True) if limit >= price
    )


def supply_at(curve: Curve, price: int) -> int:
    """Lots that would be sold at `price`: unpriced orders and limits at it or below."""
    return int(curve.unpriced_sell_lots) + sum(
        int(lots) for limit, lots in zip(curve.prices_ticks, curve.sell_lots, strict=True) if limit <= price
    )


def candidates(curve: Curve, reference: int | None, grid: int) -> list[range]:
    """Runs of neighbouring prices, lowest first, over each of which demand and supply stay the same."""
    limits = [int(limit) for limit in curve.prices_ticks]
    quoted = [] if reference is None else [reference]
    if not limits:
        return [range(price, price + 1) for price in quoted]
    if grid == Grid.LIMITS:
        points = limits
    elif grid == Grid.LIMITS_AND_REFERENCE:
        points = limits + quoted
    elif grid == Grid.OVERLAP:
        bids = [limit for limit, lots in zip(limits, curve.buy_lots, strict=True) if lots]
        asks = [limit for limit, lots in zip(limits, curve.sell_lots, strict=True) if lots]
        crossed = bids and asks and max(bids) >= min(asks)
        points = [limit for limit in limits if min(asks) <= limit <= max(bids)] if crossed else quoted
    else:  # every tick: the points where something changes, and all that lies between two of them
        ends = sorted({*limits, *quoted} if grid == Grid.TICKS_AND_REFERENCE else limits)
        runs = [range(ends[0], ends[0] + 1)]
        for low, high in pairwise(ends):
            runs += [range(low + 1, high), range(high, high + 1)]
        return [run for run in runs if len(run)]
    return [range(point, point + 1) for point in sorted(set(points))]


def _rounded_share(reference: int, bps: int, up: bool) -> int:
    exact = reference * (BPS + bps)
    return -(-exact // BPS) if up else exact // BPS


def _clamp(value: int, low: int, high: int) -> int:
    return low if value < low else high if value > high else value


def price_of(curve: Curve, reference: int | None, rule: PriceRule) -> int | None:
    """The auction price, or None when nothing trades."""
    # 1. greatest volume
    runs = candidates(curve, reference, rule.grid)
    volume = {run: min(demand_at(curve, run[0]), supply_at(curve, run[0])) for run in runs}
    greatest = max(volume.values(), default=0)
    if greatest == 0:
        return None
    kept = [run for run in runs if volume[run] == greatest]
    # 2. least surplus
    surplus = {run: demand_at(curve, run[0]) - supply_at(curve, run[0]) for run in kept}
    if rule.least_surplus:
        least = min(abs(size) for size in surplus.values())
        kept = [run for run in kept if abs(surplus[run]) == least]
    low, high = kept[0][0], kept[-1][-1]
    buying = [run for run in kept if surplus[run] > 0]
    selling = [run for run in kept if surplus[run] < 0]
    # 3. pressure
    if rule.pressure != Pressure.NONE and buying == kept:
        if rule.pressure == Pressure.BANDED and reference is not None:
            return _clamp(_rounded_share(reference, rule.band_bps, up=True), low, high)
        return high
    if rule.pressure != Pressure.NONE and selling == kept:
        if rule.pressure == Pressure.BANDED and reference is not None:
            return _clamp(_rounded_share(reference, -rule.band_bps, up=False), low, high)
        return low
    # 4. what decides among the rest
    if rule.last == LastStep.HIGHEST:
        return high
    if rule.last == LastStep.LOWEST:
        return low
    if rule.last == LastStep.MIDPOINT:
        return (low + high) // 2
    if reference is not None and rule.last in (LastStep.NEAREST, LastStep.NEAREST_OR_REFERENCE):
        nearest = {_clamp(reference, run[0], run[-1]) for run in kept}
        distance = min(abs(price - reference) for price in nearest)
        tied = [price for price in nearest if abs(price - reference) == distance]
        return reference if len(tied) == 2 and rule.last == LastStep.NEAREST_OR_REFERENCE else max(tied)
    if buying and selling:
        low, high = buying[-1][-1], selling[0][0]
    return (low + high) // 2 if reference is None else _clamp(reference, low, high)


def clear(curve: Curve, reference_ticks: int | None, rule: PriceRule) -> Clearing:
    """Price, volume and surplus of a call auction under one row of switches."""
    price = price_of(curve, reference_ticks, rule)
    if price is None:
        return NOTHING
    demand, supply = demand_at(curve, price), supply_at(curve, price)
    return Clearing(price, min(demand, supply), demand - supply)
