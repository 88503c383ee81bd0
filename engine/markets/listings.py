"""Instruments at run time: changed, delisted. Tick, multiplier, price range and currency are for ever."""

from __future__ import annotations

from typing import Any

from engine.codes import UNCROSS_FROM, EventFlag, EventKind, Phase, Reason
from engine.domain.units import UnitError
from engine.markets import collars, extensions, random_end
from engine.markets.registers import LIVE_RULE_SETS
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.hot import Which

# Of a call: an open one keeps those that it began with.
CALL_FIELDS = (
    "rules", "collar_floor", "collar_bps", "extension_ns", "extensions_max", "widen_bps", "after_extensions",
)  # fmt: skip
FIELDS = ("name", "attributes", "source", "reference", "qty_max", *CALL_FIELDS)


def change_instrument(turn: Turn, body: bodies.ChangeInstrument) -> Reason:
    """Orders that are open stay, whatever the new greatest quantity."""
    venue, old = turn.venue, turn.venue.instruments.get(body.instrument)
    if old is None:
        return Reason.INSTRUMENT_UNKNOWN
    said: dict[str, Any] = {name: value for name in FIELDS if (value := getattr(body, name)) is not None}
    other_call = any(said.get(name, getattr(old, name)) != getattr(old, name) for name in CALL_FIELDS)
    if other_call and turn.hot.phase(body.instrument) in UNCROSS_FROM:
        return Reason.PHASE_FORBIDS
    if said.get("rules", old.rules) not in LIVE_RULE_SETS:
        return Reason.RULES_UNKNOWN
    if body.reference is not None and not old.in_band(body.reference):
        return Reason.PRICE_BAND
    try:
        new = old.changed(**said)
    except UnitError:
        return Reason.BODY_INVALID
    venue.instruments[body.instrument] = new
    if new.qty_max != old.qty_max:
        turn.hot.change_instrument(body.instrument, qty_max=new.qty_max)
    turn.emit(EventKind.INSTRUMENT_CHANGED, instrument=body.instrument)
    if new.reference != old.reference:
        assert new.reference is not None, "a change takes no reference away"
        turn.emit(EventKind.REFERENCE_SET, instrument=body.instrument, price=new.reference)
    collars.follow(turn, new, collars.collar_of(old))
    return Reason.NONE


def set_reference(turn: Turn, body: bodies.SetReference) -> Reason:
    """Publish a reference price, or none. It must be a price that an order could have."""
    old = turn.venue.instruments.get(body.instrument)
    if old is None:
        return Reason.INSTRUMENT_UNKNOWN
    if body.reference is not None and not old.in_band(body.reference):
        return Reason.PRICE_BAND
    new = turn.venue.instruments[body.instrument] = old.with_reference(body.reference)
    flags = EventFlag.NO_PRICE if body.reference is None else 0
    turn.emit(EventKind.REFERENCE_SET, instrument=body.instrument, price=body.reference or 0, flags=flags)
    collars.follow(turn, new, collars.collar_of(old))
    return Reason.NONE


def delist_instrument(turn: Turn, body: bodies.DelistInstrument) -> Reason:
    """The book ends, with its orders, its stock and all that its calendar still had to do. Its listing is kept for
    those who read history; the random ends that will not be are revealed."""
    venue, instrument = turn.venue, body.instrument
    if instrument not in venue.instruments:
        return Reason.INSTRUMENT_UNKNOWN
    if turn.hot.phase(instrument) not in (Phase.CLOSED, Phase.HALTED):
        return Reason.PHASE_FORBIDS
    orders = turn.cancel(Which(instrument=instrument), Reason.DELISTED).orders
    for timer in venue.timers.of_calendar(instrument):
        venue.timers.cancel(timer.timer)
        random_end.reveal(turn, timer)
    extensions.over(venue, instrument)
    venue.calendars.pop(instrument, None)
    venue.schedule_keys = {key for key in venue.schedule_keys if key[0] != instrument}
    turn.hot.delist_instrument(instrument)
    venue.delisted[instrument] = venue.instruments.pop(instrument)
    turn.emit(EventKind.INSTRUMENT_DELISTED, instrument=instrument, qty=orders)
    return Reason.NONE
