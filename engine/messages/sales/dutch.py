"""Dutch clock: the price falls until somebody takes. The rule is in `engine/markets/sales/dutch.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.messages.body import Body, LotNumber, PositiveTicks
from engine.messages.sales.english import Bags, ClockNs

IntervalNs = Annotated[int, Meta(ge=limits.SALE_INTERVAL_NS_MIN, le=limits.SALE_CLOCK_NS_MAX)]
StepTicks = Annotated[int, Meta(ge=1, le=limits.SALE_INCREMENTS_MAX)]


class Dutch(Body, frozen=True, tag="dutch"):
    start: PositiveTicks  # of the lots that name no opening
    floor: PositiveTicks  # last price, of the lots that name no reserve
    decrement: StepTicks
    interval_ns: IntervalNs  # how long each price stands
    pause_ns: ClockNs = 0  # after a part was taken the price stands at least so long
    in_turn: bool = False  # lots one after another; else all clocks fall together
    exact: bool = False  # a take that names another price than the clock's is refused; else the lower one counts


class DutchOffer(Body, frozen=True, tag="dutch"):
    """Take now, at the price that the clock shows, and at no more than `price`."""

    lot: LotNumber
    price: PositiveTicks  # that the bidder saw
    bags: Bags = 0  # of a divided lot; 0: all that is left
