"""What happens when a timer is due, and what an outage does to one that was waiting.

| timer           | when due                   | after an outage |
| PHASE_MOVE      | the calendar's move        | later by the outage: members had no venue to act on |
| UNCROSS         | the calendar's uncross     | later by the outage, so that the call keeps its length |
| SALE_OPEN_UNTIL | lots without a bid pass in | later by the outage |
| SALE_CLOCK      | the sale is finished       | the whole clock again from now |
| CLIENT_ID_SWEEP | old text ids are forgotten | as due: it is about time, not about people |
"""

from __future__ import annotations

from collections.abc import Callable

from engine import limits
from engine.codes import EventKind, Reason, TimerKind
from engine.markets import helmsman, phases
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.venue import Timer

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
    TimerKind.SALE_OPEN_UNTIL: lambda turn, timer: helmsman.open_until_reached(turn, turn.venue.sales[timer.subject]),
    TimerKind.SALE_CLOCK: lambda turn, timer: helmsman.clock_ran_out(turn, turn.venue.sales[timer.subject]),
    TimerKind.CLIENT_ID_SWEEP: sweep_due,
}
# Timers that an outage would extend: while one waits, the log must say at least every 10 s that the venue is alive.
EXTENDED = frozenset({TimerKind.PHASE_MOVE, TimerKind.UNCROSS, TimerKind.SALE_OPEN_UNTIL, TimerKind.SALE_CLOCK})
assert set(FIRE) <= set(TimerKind)


def fire_due(turn: Turn, *, skipped: bool = False) -> None:
    """Fire all timers due at the turn's time, in (due, kind, id) order; each names itself first.

    skipped  an operator's SKIP passes over the sequence that these timers belong to: each is dropped and says so
    """
    turn.by_timer = True
    while (timer := turn.venue.timers.pop_due(turn.ts_ns)) is not None:
        turn.emit(EventKind.TIMER, order=timer.timer, leaves=timer.due_ns, reason=timer.kind)
        if not skipped:
            FIRE[timer.kind](turn, timer)
            continue
        turn.emit(EventKind.SKIPPED, order=timer.timer)
        if timer.kind == TimerKind.CLIENT_ID_SWEEP:
            arm_sweep(turn)
    turn.by_timer = False


def resume(turn: Turn, body: bodies.Resume) -> Reason:
    """The venue was away from `last_ts_ns` to `now_ns`: treat each waiting timer as the table above says.

    A clock of the machine that stands before the log's last time means no outage that could be measured: 0.
    """
    outage_ns = max(0, body.now_ns - body.last_ts_ns)
    turn.emit(EventKind.RESUMED, qty=outage_ns)
    timers = turn.venue.timers
    for timer in list(timers):
        if timer.kind in (TimerKind.PHASE_MOVE, TimerKind.UNCROSS):
            timers.postpone(timer, timer.due_ns + outage_ns)
        elif timer.kind == TimerKind.SALE_OPEN_UNTIL:
            moved = timers.postpone(timer, timer.due_ns + outage_ns)
            turn.venue.sales[timer.subject].open_until_ns = moved.due_ns
        elif timer.kind == TimerKind.SALE_CLOCK:
            helmsman.restart_clock(turn, turn.venue.sales[timer.subject])
    return Reason.NONE
