"""Collars: within which prices takers trade, and the corridor of a call's price.

    half of the collar    = the greater of collar_floor and collar_bps of |reference|, rounded up to a tick
    half of the corridor  = that, wider by widen_bps of it for each extension of the call, rounded up
    collar, corridor      = reference - half .. reference + half, both included

A percentage alone is nothing around a reference of zero: differentials need a floor. Without a reference, or with
neither floor nor percentage, there is no collar.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.codes import EventFlag, EventKind
from engine.domain.instruments import Instrument
from engine.limits import PRICE_TICKS_MAX
from engine.markets.turn import Turn

BPS = 10_000


class Bounds(NamedTuple):
    """Prices, both included."""

    low: int
    high: int


EVERYWHERE = Bounds(-PRICE_TICKS_MAX, PRICE_TICKS_MAX)  # no collar


def corridor_of(listing: Instrument, extensions: int) -> Bounds:
    """Within which a call that was extended so often may print; without any extension it is the collar."""
    reference = listing.reference
    if reference is None or not (listing.collar_floor or listing.collar_bps):
        return EVERYWHERE
    half = max(listing.collar_floor, _share(abs(reference), listing.collar_bps))
    half += _share(half, extensions * listing.widen_bps)
    return Bounds(max(reference - half, -PRICE_TICKS_MAX), min(reference + half, PRICE_TICKS_MAX))


def collar_of(listing: Instrument) -> Bounds:
    return corridor_of(listing, 0)


def _share(ticks: int, bps: int) -> int:
    """So many bps of a number of ticks, rounded up."""
    return -(-ticks * bps // BPS)


def follow(turn: Turn, listing: Instrument, before: Bounds = EVERYWHERE) -> None:
    """Give the book the collar of its listing, and tell of it, where it is not the one from before."""
    collar = collar_of(listing)
    if collar == before:
        return
    turn.hot.set_collar(listing.instrument, collar.low, collar.high)
    flags = EventFlag.NO_PRICE if collar == EVERYWHERE else 0
    low, high = (0, 0) if flags else collar
    turn.emit(EventKind.COLLAR_SET, instrument=listing.instrument, qty=low, leaves=high, flags=flags)
