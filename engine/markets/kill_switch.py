"""The operator's kill switch: nothing new in the whole venue, calendars and sale clocks stand still, cancels go on.

What it does to each timer is what an outage does (`engine/markets/timers.py`): those that an outage moves stand still,
each from when the switch came on or, if that was later, from when it was set; the others go on.
"""

from __future__ import annotations

from engine.codes import EventKind, Reason
from engine.markets import timers
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.hot import Which
from engine.state.venue import Stop


def kill_switch(turn: Turn, body: bodies.KillSwitch) -> Reason:
    if body.cancel and not body.on:
        return Reason.BODY_INVALID
    if body.on == (turn.venue.stop is not None) and not body.cancel:
        return Reason.ALREADY_EXISTS
    if body.on:
        _on(turn, body)
    else:
        _off(turn)
    return Reason.NONE


def _on(turn: Turn, body: bodies.KillSwitch) -> None:
    venue = turn.venue
    if venue.stop is None:
        venue.stop = Stop(turn.ts_ns, body.why)
        venue.timers.hold(turn.ts_ns)
        turn.hot.set_stopped(True)
    orders = turn.cancel(Which(), Reason.BY_OPERATOR).orders if body.cancel else 0
    turn.emit(EventKind.KILL_SWITCHED, qty=1, leaves=orders)


def _off(turn: Turn) -> None:
    stop = turn.venue.stop
    assert stop is not None
    turn.venue.stop = None
    turn.hot.set_stopped(False)
    turn.emit(EventKind.KILL_SWITCHED, qty=0, leaves=turn.ts_ns - stop.since_ns)
    for held in turn.venue.timers.release():
        timers.go_on(turn, held.timer, turn.ts_ns - held.since_ns)
