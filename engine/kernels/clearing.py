"""Price of a call auction from a book's curve, in O(levels).

Demand falls and supply rises with the price, and both change only at limits. So every tick between two neighbouring
limits has the same demand and supply, and a grid of a billion ticks is a walk over the limits and the gaps between
them, lowest first.

Bounds (the caller's to keep): each side's total, unpriced included, is at most SIDE_TOTAL_LOTS_MAX = 2**62 lots, so a
surplus fits; |price| and |reference| are at most 10**18 ticks, so a distance fits.
"""

from __future__ import annotations

from engine.codes import Grid, LastStep, Pressure
from engine.kernels.compiled import kernel, step
from engine.kernels.price_rule import BPS

_FAR = 3 * 10**18  # beyond every price (10**18) and every distance between two (2 * 10**18)

# What the walk keeps of the candidates that are best so far: int64[KEPT], by these names.
_VOLUME, _SURPLUS, _LOW, _HIGH, _HAS_BUY, _BUY_HIGH, _HAS_SELL, _SELL_LOW, _HAS_EVEN, _NEAR, _DISTANCE = range(11)
KEPT = 11


@step
def midpoint(low, high):
    """Middle of two int64, half rounded down (towards minus infinity), for any pair without overflow."""
    return (low & high) + ((low ^ high) >> 1)


@step
def clamp(value, low, high):
    return min(max(value, low), high)


@step
def band_edge(reference, bps):
    """The reference moved by bps basis points of itself: rounded up when bps > 0, down when bps < 0."""
    whole, rest = reference // BPS, reference % BPS
    if bps >= 0:
        return reference + whole * bps - (-rest * bps) // BPS
    return reference + whole * bps + (rest * bps) // BPS


@step
def _consider(kept, rule, low, high, demand, supply, has_reference, reference):
    """Weigh the candidates low..high, which share one demand and one supply and lie above all seen before."""
    volume = min(demand, supply)
    surplus = demand - supply
    size = abs(surplus) if rule.least_surplus else 0
    if volume < kept[_VOLUME] or (volume == kept[_VOLUME] and size > kept[_SURPLUS]):
        return
    if volume > kept[_VOLUME] or size < kept[_SURPLUS]:
        kept[_VOLUME], kept[_SURPLUS], kept[_LOW] = volume, size, low
        kept[_HAS_BUY] = kept[_HAS_SELL] = kept[_HAS_EVEN] = 0
        kept[_DISTANCE] = _FAR
    kept[_HIGH] = high
    if surplus > 0:
        kept[_HAS_BUY] = 1
        kept[_BUY_HIGH] = high
    elif surplus < 0:
        if not kept[_HAS_SELL]:
            kept[_SELL_LOW] = low
        kept[_HAS_SELL] = 1
    else:
        kept[_HAS_EVEN] = 1
    if has_reference:
        near = clamp(reference, low, high)
        distance = abs(near - reference)
        if distance == kept[_DISTANCE] and rule.last == LastStep.NEAREST_OR_REFERENCE:
            kept[_NEAR] = reference
        elif distance <= kept[_DISTANCE]:
            kept[_NEAR], kept[_DISTANCE] = near, distance


@step
def _candidates(rule, prices, buy, sell, has_reference, reference):
    """Where candidates may lie: limits in [limit_low, limit_high], ticks between limits in [gap_low, gap_high]."""
    n = prices.size
    if has_reference:
        reference_low, reference_high = reference, reference
    else:
        reference_low, reference_high = 1, 0  # nowhere
    limit_low, limit_high = -_FAR, _FAR
    gap_low, gap_high = 1, 0
    if n == 0 or rule.grid == Grid.LIMITS_AND_REFERENCE:
        gap_low, gap_high = reference_low, reference_high
    elif rule.grid == Grid.TICKS:
        gap_low, gap_high = prices[0], prices[n - 1]
    elif rule.grid == Grid.TICKS_AND_REFERENCE:
        gap_low, gap_high = prices[0], prices[n - 1]
        if has_reference:
            gap_low, gap_high = min(gap_low, reference), max(gap_high, reference)
    elif rule.grid == Grid.OVERLAP:
        limit_low, limit_high = _FAR, -_FAR
        for i in range(n):
            if sell[i] > 0 and limit_low == _FAR:
                limit_low = prices[i]
            if buy[i] > 0:
                limit_high = prices[i]
        if limit_low > limit_high:
            limit_low, limit_high = reference_low, reference_high
            gap_low, gap_high = reference_low, reference_high
    return limit_low, limit_high, gap_low, gap_high


@step
def _choose(kept, rule, has_reference, reference):
    """The price among the candidates kept: pressure, then the last step."""
    low, high = kept[_LOW], kept[_HIGH]
    one_sided = kept[_HAS_BUY] != kept[_HAS_SELL] and not kept[_HAS_EVEN]
    if rule.pressure != Pressure.NONE and one_sided:
        banded = rule.pressure == Pressure.BANDED and has_reference
        if kept[_HAS_BUY]:
            return clamp(band_edge(reference, rule.band_bps), low, high) if banded else high
        return clamp(band_edge(reference, -rule.band_bps), low, high) if banded else low
    if rule.last == LastStep.HIGHEST:
        return high
    if rule.last == LastStep.LOWEST:
        return low
    if rule.last == LastStep.MIDPOINT:
        return midpoint(low, high)
    if has_reference and rule.last != LastStep.CLAMP:
        return kept[_NEAR]
    if kept[_HAS_BUY] and kept[_HAS_SELL]:
        low, high = kept[_BUY_HIGH], kept[_SELL_LOW]
    if has_reference:
        return clamp(reference, low, high)
    return midpoint(low, high)


@step
def demand_and_supply_at(prices, buy, sell, unpriced_buy, unpriced_sell, price):
    """Lots wanted at `price` or above and offered at `price` or below, unpriced orders included."""
    demand, supply = unpriced_buy, unpriced_sell
    for i in range(prices.size):
        if prices[i] >= price:
            demand += buy[i]
        if prices[i] <= price:
            supply += sell[i]
    return demand, supply


@kernel
def find_price(prices, buy, sell, unpriced_buy, unpriced_sell, has_reference, reference, rule, kept):
    """The auction price of one book under one rule set.

    prices         in  int64[n]  distinct limits, rising, in ticks
    buy, sell      in  int64[n]  lots at exactly that limit, >= 0, not cumulated
    unpriced_*     in  int64     lots willing at every price
    has_reference  in  bool      whether `reference` (ticks) counts
    rule           in  PriceRule
    kept           scratch  int64[KEPT]
    returns        (bool, int64, int64, int64)  whether anything trades; price in ticks, volume, surplus (buy minus
                   sell at the price). (False, 0, 0, 0) when nothing crosses or when the rule leaves no price, as with
                   only unpriced orders and no reference.

    Rule: engine/kernels/price_rule.py; the rows and their sources: engine/markets/rule_sets.py.
    """
    n = prices.size
    limit_low, limit_high, gap_low, gap_high = _candidates(rule, prices, buy, sell, has_reference, reference)
    kept[:] = 0
    demand, supply = unpriced_buy, unpriced_sell
    for i in range(n):
        demand += buy[i]
    below = -_FAR
    for i in range(n + 1):
        if demand < supply and demand < kept[_VOLUME]:
            break  # beyond the crossing the volume is the demand, which only falls from here
        above = prices[i] if i < n else _FAR
        low, high = max(below + 1, gap_low), min(above - 1, gap_high)
        if low <= high:
            _consider(kept, rule, low, high, demand, supply, has_reference, reference)
        if i < n:
            supply += sell[i]
            if limit_low <= above <= limit_high:
                _consider(kept, rule, above, above, demand, supply, has_reference, reference)
            demand -= buy[i]
            below = above
    if kept[_VOLUME] == 0:
        return False, 0, 0, 0
    price = _choose(kept, rule, has_reference, reference)
    demand, supply = demand_and_supply_at(prices, buy, sell, unpriced_buy, unpriced_sell, price)
    return True, price, min(demand, supply), demand - supply


@kernel
def cumulate(buy, sell, unpriced_buy, unpriced_sell, demand, supply):
    """Demand and supply at each limit.

    buy, sell       in   int64[n]  lots at exactly that limit, lowest limit first
    demand, supply  out  int64[n]  lots wanted at that limit or above, offered at that limit or below
    """
    total = unpriced_sell
    for i in range(sell.size):
        total += sell[i]
        supply[i] = total
    total = unpriced_buy
    for i in range(buy.size - 1, -1, -1):
        total += buy[i]
        demand[i] = total
