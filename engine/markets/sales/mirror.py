"""A reverse auction seen in a mirror is an English one: a price of p ticks there is MIRROR - p, so the lowest leads.

Its table of decrements becomes one of increments: a row that holds from its start up to below the next one's holds in
the mirror from just above the next one's image, that price not included, to its own, included.
"""

from __future__ import annotations

from engine.limits import PRICE_TICKS_MAX
from engine.messages.sales.english import English, Step
from engine.messages.sales.reverse import Reverse
from engine.messages.sales.terms import SaleLot

MIRROR = PRICE_TICKS_MAX + 1  # so that no price is 0 there, which means none


def mirrored(ticks: int) -> int:
    """Its own inverse."""
    return MIRROR - ticks


def terms_in(terms: Reverse) -> English:
    """What ranks bids: opening and table, nothing of clocks."""
    return English(mirrored(terms.opening), table_in(terms.decrements), clock_ns=0, normal_bids=terms.open_bids)


def table_in(decrements: tuple[Step, ...]) -> tuple[Step, ...]:
    rows, start = [], 0
    for row in reversed(decrements):
        rows.append(Step(start, row.increment))
        start = mirrored(row.start) + 1
    return tuple(rows)


def lot_in(lot: SaleLot) -> SaleLot:
    return SaleLot(
        lot.seller,
        lot.title,
        lot.bags,
        lot.bag_grams,
        opening=lot.opening and mirrored(lot.opening),
        reserve=lot.reserve and mirrored(lot.reserve),
        least_bags=lot.least_bags,
    )
