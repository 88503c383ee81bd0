"""Phases of a book, the uncross and the end of a day: by an operator's command, or by a calendar's timer.

`engine.codes.PHASE_MOVES` is the table of legal moves. CONTINUOUS is entered only by an uncross.
"""

from __future__ import annotations

from engine.codes import (
    PHASE_MOVES,
    UNCROSS_FROM,
    UNCROSS_TO,
    EventFlag,
    EventKind,
    Phase,
    Reason,
    Side,
    TimeInForce,
    TimerKind,
    Unpriced,
)
from engine.limits import TIMERS_MAX
from engine.markets import extensions, random_end
from engine.markets.extensions import Outcome
from engine.markets.rule_sets import RULE_SETS
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.hot import Which
from engine.state.venue import Timer

MOVED_TO = frozenset().union(*PHASE_MOVES.values())  # phases that a move can lead to


def set_phase(turn: Turn, body: bodies.SetPhase) -> Reason:
    reason = _move_refused(turn, body.instrument, body.phase)
    if reason == Reason.NONE:
        _move(turn, body.instrument, body.phase)
    return reason


def uncross(turn: Turn, body: bodies.Uncross) -> Reason:
    reason = _uncross_refused(turn, body.instrument, body.phase)
    if reason == Reason.NONE and turn.venue.stop is not None:
        reason = Reason.VENUE_STOPPED
    if reason == Reason.NONE:
        _uncross(turn, body.instrument, body.phase, force=body.force)
    return reason


def schedule(turn: Turn, body: bodies.Schedule) -> Reason:
    """Set a timer for each entry that is not known yet.

    An entry is known by (instrument, version, due): a repeat does nothing, whenever it comes. New entries must be due
    later than this command. A higher version replaces what lower ones still had to do; a lower one comes too late.
    A move that no phase allows is refused here; whether it is legal from the phase of the day, when it is due.
    """
    venue, instrument = turn.venue, body.instrument
    if instrument not in venue.instruments:
        return Reason.INSTRUMENT_UNKNOWN
    current = venue.calendars.get(instrument, 0)
    new: dict[int, bodies.ScheduleEntry] = {}
    seeds: set[bytes] = set()
    for entry in body.entries:
        if (instrument, body.version, entry.due_ns) in venue.schedule_keys:
            continue
        if entry.due_ns in new or not _well_formed(entry):
            return Reason.BODY_INVALID
        if entry.seed and (entry.seed in seeds or entry.seed in venue.timers.seeds):
            return Reason.BODY_INVALID  # the first to be revealed would tell of the others
        if not entry.day_end and entry.phase not in (UNCROSS_TO if entry.uncross else MOVED_TO):
            return Reason.PHASE_MOVE_ILLEGAL
        new[entry.due_ns] = entry
        seeds.add(entry.seed)
    if new and body.version < current:
        return Reason.CALENDAR_SUPERSEDED
    if any(due_ns <= turn.ts_ns for due_ns in new):
        return Reason.DUE_IN_PAST
    if len(venue.timers) + len(new) > TIMERS_MAX:
        return Reason.LIMIT_REACHED

    if new and body.version > current:
        extension = venue.extensions.get(instrument)
        for timer in venue.timers.of_calendar(instrument):
            if extension is None or timer.timer != extension.timer:
                venue.timers.cancel(timer.timer)
                random_end.reveal(turn, timer)
        venue.calendars[instrument] = body.version
    turn.emit(EventKind.SCHEDULED, instrument=instrument, qty=len(new))
    for due_ns, entry in sorted(new.items()):
        venue.schedule_keys.add((instrument, body.version, due_ns))
        _set_timer(turn, body, entry)
    return Reason.NONE


def _well_formed(entry: bodies.ScheduleEntry) -> bool:
    """A random end has a window and a whole seed, and is an uncross's; the end of a day is nothing else."""
    if entry.random_ns or entry.seed:
        return entry.uncross and entry.random_ns > 0 and len(entry.seed) == random_end.SEED_BYTES and not entry.day_end
    return not entry.day_end or (entry.phase == 0 and not entry.uncross)


def _set_timer(turn: Turn, body: bodies.Schedule, entry: bodies.ScheduleEntry) -> None:
    kind = TimerKind.DAY_END if entry.day_end else TimerKind.UNCROSS if entry.uncross else TimerKind.PHASE_MOVE
    due_ns = entry.due_ns
    if entry.random_ns:
        due_ns = random_end.end_ns(entry.seed, body.instrument, entry.due_ns, entry.random_ns)
    timer = turn.venue.timers.set(
        turn.ts_ns, due_ns, kind, subject=body.instrument, phase=entry.phase, version=body.version,
        random_ns=entry.random_ns, announced_ns=entry.due_ns if entry.random_ns else 0, seed=entry.seed,
    )  # fmt: skip
    if entry.random_ns:
        random_end.commit(turn, timer)


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
    random_end.reveal(turn, timer)
    reason = _uncross_refused(turn, timer.subject, timer.phase)
    if reason == Reason.NONE:
        _uncross(turn, timer.subject, timer.phase, force=False)
    else:
        turn.emit(EventKind.REJECTED, instrument=timer.subject, reason=reason, order=timer.timer)


def day_end_due(turn: Turn, timer: Timer) -> None:
    _end_day(turn, timer.subject)


def _end_day(turn: Turn, instrument: int) -> None:
    turn.cancel(Which(instrument=instrument, tif=TimeInForce.DAY), Reason.DAY_ENDED)


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
    """Into another phase, with all that this begins or ends: a call, its extensions, and where the book closes the
    day."""
    old = turn.hot.phase(instrument)
    turn.hot.set_phase(instrument, phase)
    turn.emit(EventKind.PHASE, instrument=instrument, reason=phase, qty=old)
    if phase not in UNCROSS_FROM:
        extensions.over(turn.venue, instrument)
    elif old not in UNCROSS_FROM:
        turn.venue.instruments[instrument] = turn.venue.instruments[instrument].with_call(turn.seq)
    if phase == Phase.CLOSED:
        _end_day(turn, instrument)


def _uncross(turn: Turn, instrument: int, phase: int, *, force: bool) -> None:
    """Trade the whole call at one price, then move on; or extend it, or halt the book, where its price lies outside the
    corridor and nobody forces it.

    The auction price is kept as `last_auction` and does not become the reference. The reference is published (a world
    price, a farm-gate price) and changes only by SET_REFERENCE: were it to follow each auction, a thin call could
    walk it away step by step, and every later tie would be settled towards the walk.

    Where orders are valued at a collar, limits that meet beyond it alone do not trade: a book that they leave crossed
    is halted instead of traded on.
    """
    listing = turn.venue.instruments[instrument]
    clearing = extensions.clearing_of(turn.venue, listing, turn.hot.curve(instrument))
    price, volume, surplus = clearing
    found = extensions.outlook(turn.venue, listing, clearing)
    if price is not None and not force:
        if found.outcome is Outcome.EXTENDS:
            extensions.extend(turn, listing, price, phase)
            return
        if found.outcome is Outcome.HALTS:
            turn.emit(EventKind.CALL_HELD, instrument=instrument, price=price, qty=found.extensions)
            _move(turn, instrument, Phase.HALTED)
            return
    rules = RULE_SETS[listing.rules]
    fills = turn.hot.uncross(
        instrument,
        price,
        volume,
        sharing=rules.sharing,
        unpriced_last=rules.unpriced == Unpriced.LAST,
        block_seq=listing.call_seq,
        command=turn.command,
        first_index=turn.index,
        ts_ns=turn.ts_ns,
    )
    turn.extend(fills)
    flags = EventFlag.NO_PRICE if price is None else 0
    if price is not None:
        turn.venue.instruments[instrument] = listing.with_last_auction(price)
    turn.emit(
        EventKind.UNCROSSED, instrument=instrument, price=price or 0, qty=volume, leaves=surplus, flags=flags
    )  # fmt: skip
    if phase == Phase.CONTINUOUS and rules.unpriced == Unpriced.AT_COLLAR and _is_crossed(turn, instrument):
        turn.emit(EventKind.CALL_HELD, instrument=instrument, price=price or 0, qty=found.extensions, flags=flags)
        _move(turn, instrument, Phase.HALTED)
        return
    _move(turn, instrument, phase)
    if phase == Phase.CONTINUOUS:
        terms = {"seq": turn.seq, "command": turn.command, "first_index": turn.index, "ts_ns": turn.ts_ns}
        turn.extend(turn.hot.elect(instrument, **terms))


def _is_crossed(turn: Turn, instrument: int) -> bool:
    best = [turn.hot.depth(instrument, side, 1)["price"] for side in Side]
    return all(len(prices) for prices in best) and best[Side.BUY][0] >= best[Side.SELL][0]
