"""What happens when a timer is due, and what an outage does to one that was waiting.

| timer           | when due                   | after an outage |
| PHASE_MOVE      | the calendar's move        | later by the outage: members had no venue to act on |
| UNCROSS         | the calendar's uncross     | later by the outage, so that the call keeps its length |
| SALE_OPEN_UNTIL | lots without a bid pass in | later by the outage (as its mechanism says) |
| SALE_CLOCK      | lots of a sale close       | Helmsman: the whole clock again from now (as its mechanism says) |
| CLIENT_ID_SWEEP | old text ids are forgotten | as due: it is about time, not about people |
| SALE_STAGE      | the sale's next stage begins | later by the outage |
| SALE_ROUND      | as its mechanism says      | as its mechanism says |
| AWARD_DUE       | the deadline of an award   | later by the outage |
| EXPIRY          | gtd orders end             | as due: the order says a time of the world |
| CANCEL_AFTER    | an account's orders end    | as due: nobody was there to renew it |
| DAY_END         | day orders end             | as due: the day is over |

While the kill switch is on, those that an outage moves stand still, and go on as after one.
"""

from __future__ import annotations

from collections.abc import Callable

from engine import limits
from engine.codes import EventKind, Reason, TimerKind
from engine.markets import mass_cancel, phases
from engine.markets.sales import awards, frame
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.hot import Hot
from engine.state.venue import Timer, Venue

SWEEP_EVERY_NS = 3600 * 10**9


def sweep_due(turn: Turn, timer: Timer) -> None:
    """Forget what need not be remembered any longer: text ids, hot and cold, and keys of past calendar entries.

    A past entry that comes again after its key is gone is still refused: it is due in the past.
    """
    venue = turn.venue
    turn.hot.sweep_client_ids(turn.ts_ns)
    forget_ns = turn.ts_ns - limits.CLIENT_ID_MEMORY_NS
    venue.forget(forget_ns)
    venue.schedule_keys = {key for key in venue.schedule_keys if key[2] > forget_ns}
    arm_sweep(turn)


def arm_sweep(turn: Turn) -> None:
    turn.venue.timers.set(turn.ts_ns, turn.ts_ns + SWEEP_EVERY_NS, TimerKind.CLIENT_ID_SWEEP)


FIRE: dict[TimerKind, Callable[[Turn, Timer], None]] = {
    TimerKind.PHASE_MOVE: phases.move_due,
    TimerKind.UNCROSS: phases.uncross_due,
    TimerKind.SALE_OPEN_UNTIL: frame.due,
    TimerKind.SALE_CLOCK: frame.due,
    TimerKind.SALE_ROUND: frame.due,
    TimerKind.SALE_STAGE: frame.stage_due,
    TimerKind.AWARD_DUE: awards.due,
    TimerKind.CLIENT_ID_SWEEP: sweep_due,
    TimerKind.CANCEL_AFTER: mass_cancel.cancel_after_due,
    TimerKind.DAY_END: phases.day_end_due,
}
assert set(FIRE) == set(TimerKind) - {TimerKind.EXPIRY}, "every timer does something; EXPIRY is kept with the orders"


def next_due(venue: Venue, hot: Hot) -> int | None:
    """Venue time at which something is due, or None."""
    moments = [due for due in (venue.timers.next_due(), hot.next_expiry()) if due is not None]
    return min(moments, default=None)


def fire_due(turn: Turn, *, skipped: bool = False) -> None:
    """Fire all that is due at the turn's time, in (due, kind, id) order; each names itself first.

    skipped  an operator's SKIP passes over the sequence that these belong to: each is dropped and says so. Expiries are
             not dropped, for the orders would stay for ever: they come with the next record
    """
    turn.by_timer = True
    while True:
        timer, expiry = turn.venue.timers.peek(), None if skipped else turn.hot.next_expiry()
        first = timer is None or (expiry is not None and (expiry, TimerKind.EXPIRY) < (timer.due_ns, timer.kind))
        if expiry is not None and expiry <= turn.ts_ns and first:
            _expire(turn, expiry)
            continue
        if timer is None or timer.due_ns > turn.ts_ns:
            break
        turn.venue.timers.cancel(timer.timer)
        turn.emit(EventKind.TIMER, order=timer.timer, leaves=timer.due_ns, reason=timer.kind)
        if skipped:
            _drop(turn, timer)
        else:
            FIRE[timer.kind](turn, timer)
    turn.by_timer = False


def _expire(turn: Turn, due_ns: int) -> None:
    turn.emit(EventKind.TIMER, leaves=due_ns, reason=TimerKind.EXPIRY)
    turn.extend(turn.hot.expire(due_ns, command=turn.command, first_index=turn.index, ts_ns=turn.ts_ns))


def _drop(turn: Turn, timer: Timer) -> None:
    turn.emit(EventKind.SKIPPED, order=timer.timer)
    if timer.kind == TimerKind.CLIENT_ID_SWEEP:
        arm_sweep(turn)
    elif timer.kind == TimerKind.CANCEL_AFTER:
        del turn.venue.cancel_after[timer.subject]


def resume(turn: Turn, body: bodies.Resume) -> Reason:
    """The venue was away from `last_ts_ns` to `now_ns`: treat each waiting timer as the table above says.

    A clock of the machine that stands before the log's last time means no outage that could be measured: 0.
    """
    outage_ns = max(0, body.now_ns - body.last_ts_ns)
    turn.emit(EventKind.RESUMED, qty=outage_ns)
    for timer in list(turn.venue.timers):
        go_on(turn, timer, outage_ns)
    return Reason.NONE


def go_on(turn: Turn, timer: Timer, away_ns: int) -> None:
    """A timer that waits, after nobody could act for so long."""
    timers = turn.venue.timers
    if timer.kind in (TimerKind.PHASE_MOVE, TimerKind.UNCROSS):
        timers.postpone(timer, timer.due_ns + away_ns)
    elif timer.kind in (TimerKind.SALE_OPEN_UNTIL, TimerKind.SALE_CLOCK, TimerKind.SALE_ROUND):
        frame.resumed(turn, timer, away_ns)
    elif timer.kind == TimerKind.SALE_STAGE:
        frame.stage_resumed(turn, timer, away_ns)
    elif timer.kind == TimerKind.AWARD_DUE:
        awards.resume(turn, timer, away_ns)
