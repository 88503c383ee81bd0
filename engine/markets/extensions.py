"""Volatility extensions: a call whose price lies outside its corridor prints nothing and goes on, a bounded time.

Each extension lasts `extension_ns` and has a wider corridor (`engine/markets/collars.py`). After `extensions_max` of
them the outcome that the instrument declares: the price stands all the same, or the book is halted for the operator.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from engine.codes import EventKind, TimerKind
from engine.domain.curve import Clearing, Curve
from engine.domain.instruments import Instrument
from engine.markets.call_auction import clear
from engine.markets.collars import EVERYWHERE, Bounds, corridor_of
from engine.markets.turn import Turn
from engine.state.venue import Extension, Venue


class Outcome(Enum):
    """Of an uncross. The names are what JSON shows."""

    PRINTS = "prints"
    EXTENDS = "extends"
    HALTS = "halts"


class Outlook(NamedTuple):
    """What an uncross now would come to."""

    clearing: Clearing
    corridor: Bounds
    extensions: int  # so far
    outcome: Outcome


def extensions_of(venue: Venue, instrument: int) -> int:
    """How often the present call was extended."""
    extension = venue.extensions.get(instrument)
    return 0 if extension is None else extension.count


def clearing_of(venue: Venue, listing: Instrument, curve: Curve) -> Clearing:
    """Price, volume and surplus of a call that ended now. Rules that value orders at a collar take the corridor."""
    corridor = corridor_of(listing, extensions_of(venue, listing.instrument))
    return clear(curve, listing.reference, listing.rules, None if corridor == EVERYWHERE else corridor)


def outlook(venue: Venue, listing: Instrument, clearing: Clearing) -> Outlook:
    count = extensions_of(venue, listing.instrument)
    corridor = corridor_of(listing, count)
    price = clearing.price_ticks
    if price is None or corridor.low <= price <= corridor.high:
        outcome = Outcome.PRINTS
    elif count < listing.extensions_max:
        outcome = Outcome.EXTENDS
    else:
        outcome = Outcome.HALTS if listing.after_extensions == "halt" else Outcome.PRINTS
    return Outlook(clearing, corridor, count, outcome)


def extend(turn: Turn, listing: Instrument, price_ticks: int, phase: int) -> None:
    """The call goes on; its next uncross leads to `phase`."""
    venue, instrument = turn.venue, listing.instrument
    count = extensions_of(venue, instrument) + 1
    over(venue, instrument)
    due_ns = turn.ts_ns + listing.extension_ns
    timer = venue.timers.set(turn.ts_ns, due_ns, TimerKind.UNCROSS, subject=instrument, phase=phase)
    venue.extensions[instrument] = Extension(count, timer.timer)
    turn.emit(EventKind.CALL_EXTENDED, instrument=instrument, price=price_ticks, qty=count, leaves=due_ns)


def over(venue: Venue, instrument: int) -> None:
    """The call has ended, or its next uncross is another."""
    extension = venue.extensions.pop(instrument, None)
    if extension is not None:
        venue.timers.cancel(extension.timer)
