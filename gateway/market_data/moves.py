"""Calendar moves still to come, by instrument: read from the engine's timers once for all readers."""

from __future__ import annotations

import numpy as np

from engine.codes import EventKind, TimerKind
from engine.state.venue import Move, Venue
from gateway.market_data.views import NEXT_MOVES

_CHANGES = np.zeros(256, bool)
_CHANGES[
    [
        EventKind.TIMER,
        EventKind.SCHEDULED,
        EventKind.RESUMED,
        EventKind.PHASE,
        EventKind.CALL_EXTENDED,
        EventKind.INSTRUMENT_DELISTED,
        EventKind.KILL_SWITCHED,
    ]
] = True


class Moves:
    """`take` after each record; `of(instrument)` gives the next NEXT_MOVES, soonest first."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._stale = True
        self._next: dict[int, list[Move]] = {}
        self._uncross: dict[int, int] = {}

    def take(self, kinds: np.ndarray) -> None:
        if not self._stale and _CHANGES[kinds].any():
            self._stale = True

    def of(self, instrument: int) -> list[Move]:
        self._refresh()
        return self._next.get(instrument, [])

    def uncross_ns(self, instrument: int) -> int | None:
        """Venue time of the next uncross that the calendar has for the instrument."""
        self._refresh()
        return self._uncross.get(instrument)

    def _refresh(self) -> None:
        if not self._stale:
            return
        self._next, self._uncross, self._stale = {}, {}, False
        for move in self.venue.moves():
            moves = self._next.setdefault(move.instrument, [])
            if len(moves) < NEXT_MOVES:
                moves.append(move)
            if move.kind == TimerKind.UNCROSS:
                self._uncross.setdefault(move.instrument, move.due_ns)
