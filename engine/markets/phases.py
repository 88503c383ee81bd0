"""Phases of a book and the uncross: by an operator's command, or by a calendar's timer.

`engine.codes.PHASE_MOVES` is the table of legal moves. CONTINUOUS is entered only by an uncross.
"""

from __future__ import annotations

from engine.codes import PHASE_MOVES, UNCROSS_FROM, UNCROSS_TO, EventFlag, EventKind, Phase, Reason, TimerKind
from engine.limits import TIMERS_MAX
from engine.markets.call_auction import clear
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.venue import Timer

MOVED_TO = frozenset().union(*PHASE_MOVES.values())  # phases that a move can lead to


def set_phase(turn: Turn, body: bodies.SetPhase) -> Reason:
    reason = _move_refused(turn, body.instrument, body.phase)
    if reason == Reason.NONE:
        _move(turn, body.instrument, body.phase)
    return reason


def uncross(turn: Turn, body: bodies.Uncross) -> Reason:
    reason = _uncross_refused(turn, body.instrument, body.phase)
    if reason == Reason.NONE:
        _uncross(turn, body.instrument, body.phase)
    return reason


def schedule(turn: Turn, body: bodies.Schedule) -> Reason:
    """Set a timer for each entry that is not known yet.

    An entry is known by (instrument, version, due): a repeat does nothing, whenever it comes. New entries must be due
    later than this command. A higher version replaces what lower ones still had to do; a lower one comes too late.
    A move that no phase allows is refused here; whether it is legal from the phase of the day, when it is due.
    """
    venue = turn.venue
    if body.instrument not in venue.instruments:
        return Reason.INSTRUMENT_UNKNOWN
    current = venue.calendars.get(body.instrument, 0)
    new: dict[int, bodies.ScheduleEntry] = {}
    for entry in body.entries:
        if (body.instrument, body.version, entry.due_ns) in venue.schedule_keys:
            continue
        if entry.due_ns in new:
            return Reason.BODY_INVALID
        if entry.phase not in (UNCROSS_TO if entry.uncross else MOVED_TO):
            return Reason.PHASE_MOVE_ILLEGAL
        new[entry.due_ns] = entry
    if new and body.version < current:
        return Reason.CALENDAR_SUPERSEDED
    if any(due_ns <= turn.ts_ns for due_ns in new):
        return Reason.DUE_IN_PAST
    if len(venue.timers) + len(new) > TIMERS_MAX:
        return Reason.LIMIT_REACHED

    if new and body.version > current:
        for timer in venue.moves_of(body.instrument):
            venue.timers.cancel(timer.timer)
        venue.calendars[body.instrument] = body.version
    for due_ns, entry in sorted(new.items()):
        venue.schedule_keys.add((body.instrument, body.version, due_ns))
        kind = TimerKind.UNCROSS if entry.uncross else TimerKind.PHASE_MOVE
        venue.timers.set(
            turn.ts_ns, due_ns, kind, subject=body.instrument, phase=entry.phase, version=body.version
        )  # fmt: skip
    turn.emit(EventKind.SCHEDULED, instrument=body.instrument, qty=len(new))
    return Reason.NONE


def move_due(turn: Turn, timer: Timer) -> None:
    """A calendar's move. One that is not legal any more says so and changes nothing.

    A halt is an operator's, and holds until an operator ends it: no calendar moves a halted book.
    """
    reason = _move_refused(turn, timer.subject, timer.phase)
    if reason == Reason.NONE and turn.hot.phase(timer.subject) == Phase.HALTED:
        reason = Reason.PHASE_MOVE_ILLEGAL
    if reason == Reason.NONE:
        _move(turn, timer.subject, timer.phase)
    else:
        turn.emit(EventKind.REJECTED, instrument=timer.subject, reason=reason, order=timer.timer)


def uncross_due(turn: Turn, timer: Timer) -> None:
    """A calendar's uncross. One that is not legal any more says so and changes nothing."""
    reason = _uncross_refused(turn, timer.subject, timer.phase)
    if reason == Reason.NONE:
        _uncross(turn, timer.subject, timer.phase)
    else:
        turn.emit(EventKind.REJECTED, instrument=timer.subject, reason=reason, order=timer.timer)


def _move_refused(turn: Turn, instrument: int, phase: int) -> Reason:
    if instrument not in turn.venue.instruments:
        return Reason.INSTRUMENT_UNKNOWN
    legal = PHASE_MOVES[Phase(turn.hot.phase(instrument))]
    return Reason.NONE if phase in legal else Reason.PHASE_MOVE_ILLEGAL


def _uncross_refused(turn: Turn, instrument: int, phase: int) -> Reason:
    if instrument not in turn.venue.instruments:
        return Reason.INSTRUMENT_UNKNOWN
    legal = turn.hot.phase(instrument) in UNCROSS_FROM and phase in UNCROSS_TO
    return Reason.NONE if legal else Reason.PHASE_MOVE_ILLEGAL


def _move(turn: Turn, instrument: int, phase: int) -> None:
    old = turn.hot.phase(instrument)
    turn.hot.set_phase(instrument, phase)
    turn.emit(EventKind.PHASE, instrument=instrument, reason=phase, qty=old)


def _uncross(turn: Turn, instrument: int, phase: int) -> None:
    """Trade the whole call at one price, then move on.

    The auction price is kept as `last_auction` and does not become the reference. The reference is published (a world
    price, a farm-gate price) and changes only by SET_REFERENCE: were it to follow each auction, a thin call could
    walk it away step by step, and every later tie would be settled towards the walk.
    """
    listing = turn.venue.instruments[instrument]
    price, volume, surplus = clear(turn.hot.curve(instrument), listing.reference, listing.rules)
    fills = turn.hot.uncross(instrument, price, volume, ts_ns=turn.ts_ns, command=turn.command, first_index=turn.index)
    turn.extend(fills)
    flags = EventFlag.NO_PRICE if price is None else 0
    if price is not None:
        turn.venue.instruments[instrument] = listing.with_last_auction(price)
    turn.emit(
        EventKind.UNCROSSED, instrument=instrument, price=price or 0, qty=volume, leaves=surplus, flags=flags
    )  # fmt: skip
    _move(turn, instrument, phase)
