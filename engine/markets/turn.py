"""A turn: what a cold rule sees of the moment it decides in, and where it writes its events.

A rule is `rule(turn, body) -> Reason`. It checks completely, then mutates: any reason but NONE means that it changed
and emitted nothing, and the machine reports the refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.codes import EventFlag, EventKind, Reason
from engine.messages.rows import EVENT, joined
from engine.state.hot import Hot, Which
from engine.state.venue import Venue

NO_EVENTS = np.zeros(0, EVENT)


class Cancelled(NamedTuple):
    orders: int
    lots: int


class Turn:
    """Events of one record, command after command, with exact indices and LAST flags.

    command, index   row of the record in hand, and the index of its next event
    seq, account     of that command; account 0 is the venue itself
    ts_ns            time of the record
    by_timer         events are caused by a timer, not by the command
    """

    __slots__ = ("_chunks", "_rows", "account", "by_timer", "command", "first_seq", "hot", "index", "ts_ns", "venue")

    def __init__(self, venue: Venue, hot: Hot, *, first_seq: int, ts_ns: int) -> None:
        self.venue, self.hot = venue, hot
        self.first_seq, self.ts_ns = first_seq, ts_ns
        self.command = self.account = self.index = 0
        self.by_timer = False
        self._rows: list[tuple[int, ...]] = []
        self._chunks: list[np.ndarray] = []

    @property
    def seq(self) -> int:
        return self.first_seq + self.command

    def begin(self, command: int, account: int) -> None:
        """Turn to a command of the record. Its events count from 0; the first one's go on after those of timers."""
        if command != self.command:
            self.command, self.index = command, 0
        self.account = account

    def emit(
        self, kind: EventKind, *, side: int = 0, flags: int = 0, reason: int = 0, fee_class: int = 0,
        instrument: int = 0, price: int = 0, account: int = 0, counter_account: int = 0, order: int = 0,
        counter_order: int = 0, qty: int = 0, leaves: int = 0,
    ) -> None:  # fmt: skip
        """One event. A field that its kind does not use stays 0."""
        if self.by_timer:
            flags |= EventFlag.BY_TIMER
        self._rows.append((
            kind, side, flags, reason, fee_class, self.command, self.index, instrument, price, account,
            counter_account, order, counter_order, qty, leaves,
        ))  # fmt: skip
        self.index += 1

    def extend(self, events: np.ndarray) -> None:
        """EVENT[n] of the hot state for the command in hand, already numbered from `index`."""
        if not len(events):
            return
        assert int(events["index"][0]) == self.index, "events of the hot state continue the command's own"
        if self.by_timer:
            events = events.copy()
            events["flags"] |= np.uint16(EventFlag.BY_TIMER)
        self._flush()
        self._chunks.append(events)
        self.index += len(events)

    def cancel(self, which: Which, reason: Reason) -> Cancelled:
        """Cancel orders, by rising id, each with its event."""
        events = self.hot.cancel(which, reason, command=self.command, first_index=self.index, ts_ns=self.ts_ns)
        self.extend(events)
        qty = events["qty"]
        lots = (int((qty >> 20).sum()) << 20) + int((qty & 0xFFFFF).sum())
        return Cancelled(len(events), lots)

    def answered(self, events: np.ndarray) -> None:
        """EVENT[n] of whole hot commands, complete with indices and LAST flags."""
        self._flush()
        self._chunks.append(events)

    def close(self) -> None:
        """End the command in hand: its newest event is its last."""
        assert self.index > 0, "every command has an event"
        if self._rows:
            newest = list(self._rows[-1])
            newest[2] |= EventFlag.LAST
            self._rows[-1] = tuple(newest)
        else:
            self._chunks[-1] = self._chunks[-1].copy()
            self._chunks[-1]["flags"][-1] |= EventFlag.LAST

    def events(self) -> np.ndarray:
        """EVENT[n] of the whole record."""
        self._flush()
        if not self._chunks:
            return NO_EVENTS
        return self._chunks[0] if len(self._chunks) == 1 else joined(self._chunks)

    def _flush(self) -> None:
        if self._rows:
            self._chunks.append(events_of(self._rows))
            self._rows = []


def events_of(rows: Sequence[tuple[int, ...]]) -> np.ndarray:
    """EVENT[n] of tuples in the order of its fields."""
    return np.array(rows, EVENT)
