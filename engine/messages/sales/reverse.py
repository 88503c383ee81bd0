"""Reverse auctions: suppliers bid down. The rule is in `engine/markets/sales/reverse.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.messages.body import Body, FloorTicks, LotNumber, PositiveTicks, TimeNs
from engine.messages.sales.english import Bags, ClockNs, Step


class Reverse(Body, frozen=True, tag="reverse"):
    """A lot is what its `seller` wants to buy; its reserve is the most that it pays, shown or not."""

    opening: PositiveTicks  # highest price that is taken, of the lots that name none
    # From `start` on, that price included, the next bid is so much lower, until the next row begins. The first is at 0.
    decrements: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=limits.SALE_INCREMENT_ROWS_MAX)]
    ends_ns: TimeNs
    clock_ns: ClockNs = 0  # overtime; 0: none
    stop_ns: TimeNs = 0  # hard stop; 0: none
    scope: Annotated[str, Meta(pattern=r"^(all|group|lot)\Z")] = "all"  # which lots share an end
    open_bids: bool = False  # bids are taken at their full amount; else they are minima, kept secret
    premium: bool = False  # what is bid down is a premium on top of another price: it may come to 0


class ReverseOffer(Body, frozen=True, tag="reverse"):
    """The least that the row's account will take. Only its owner ever sees it."""

    lot: LotNumber
    minimum: FloorTicks
    bags: Bags = 0  # of a lot that is divided; 0: the whole
    least_bags: Bags = 0  # no part smaller than this; 0: the lot's own
