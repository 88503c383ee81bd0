"""English sales: Helmsman and timed, with maxima bid by proxy. The rule is in `engine/markets/sales/english.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.messages.body import Body, FloorTicks, LotNumber, PositiveTicks, PriceTicks, TimeNs

ClockNs = Annotated[int, Meta(ge=0, le=limits.SALE_CLOCK_NS_MAX)]
Bags = Annotated[int, Meta(ge=0, le=limits.QTY_LOTS_MAX)]


class Step(Body, frozen=True):
    """From `start` on, that price included, the next bid is `increment` higher, until the next row begins."""

    start: FloorTicks
    increment: Annotated[int, Meta(ge=1, le=limits.SALE_INCREMENTS_MAX)]


class English(Body, frozen=True, tag="english"):
    """`helmsman`: each clock runs for `clock_ns` and starts again with what changes. `timed`: lots end at a fixed time,
    `clock_ns` is the overtime. `scope` says which lots share a clock."""

    opening: PositiveTicks  # of the lots that name none
    increments: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=limits.SALE_INCREMENT_ROWS_MAX)]
    clock_ns: ClockNs  # timed: 0, no overtime
    open_until_ns: TimeNs = 0  # helmsman: lots without a bid by then pass in, and the clocks start for the rest
    style: Annotated[str, Meta(pattern=r"^(helmsman|timed)\Z")] = "helmsman"
    scope: Annotated[str, Meta(pattern=r"^(all|group|lot)\Z")] = "all"
    ends_ns: TimeNs = 0  # timed: end of the first clock
    stagger_ns: ClockNs = 0  # timed: each next clock ends so much later
    stop_ns: TimeNs = 0  # hard stop: whatever any clock says; 0: none
    normal_bids: bool = False  # beside maxima: bids that are taken at their full amount


class EnglishOffer(Body, frozen=True, tag="english"):
    """A proxy bid: the most that the row's account will pay. Only its owner ever sees it."""

    lot: LotNumber
    maximum: PriceTicks
    bags: Bags = 0  # of a lot that is divided; 0: the whole
    least_bags: Bags = 0  # no part smaller than this; 0: the lot's own
    normal: bool = False  # taken at its full amount at once
