"""The status feed: the phase of every instrument, its collar and its next calendar moves, whether the venue's disk is
nearly full and whether its operator has stopped it, told as soon as one changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventKind
from engine.machine import Machine
from gateway.forms import Form
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.moves import Moves
from gateway.market_data.views import status_view

_KINDS = np.zeros(256, bool)
_KINDS[
    [
        EventKind.PHASE,
        EventKind.SCHEDULED,
        EventKind.INSTRUMENT_LISTED,
        EventKind.INSTRUMENT_CHANGED,
        EventKind.INSTRUMENT_DELISTED,
        EventKind.COLLAR_SET,
        EventKind.CALL_EXTENDED,
        EventKind.CALL_HELD,
        EventKind.KILL_SWITCHED,
    ]
] = True


def storage_word(low: bool) -> str:
    return "low" if low else "ok"


class StatusFeed:
    def __init__(self, machine: Machine, moves: Moves, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.moves, self.changed_ns = machine, moves, started_ns
        self.storage_low = False
        self.channel = Channel(Name("status"), "", first_seq, self._snapshot, conflated=True, later=later)

    def take(self, events: np.ndarray, kinds: np.ndarray, ts_ns: int) -> None:
        changed = _KINDS[kinds]
        if not changed.any():
            return
        self.changed_ns = ts_ns
        if self.channel.readers:
            view = self._view(sorted(set(events["instrument"][changed].tolist())))
            self.channel.publish(view, ts_ns)

    def storage(self, low: bool, now_ns: int) -> None:
        """New orders, bids and sales are refused for want of disk space, or no longer."""
        self.storage_low, self.changed_ns = low, now_ns
        if self.channel.readers:
            self.channel.publish(self._view([]), now_ns)

    def _snapshot(self) -> tuple[View, int]:
        return self._view(sorted(self.machine.venue.instruments)), self.changed_ns

    def _view(self, instruments: list[int]) -> View:
        venue, hot = self.machine.venue, self.machine.hot
        seen = [
            (venue.instruments[i], hot.phase(i), list(self.moves.of(i))) for i in instruments if i in venue.instruments
        ]
        gone = [venue.delisted[i].symbol for i in instruments if i in venue.delisted]
        storage, stopped = storage_word(self.storage_low), venue.stop is not None

        def view(form: Form) -> dict[str, Any]:
            message = {
                "instruments": [status_view(form, *status) for status in seen],
                "storage": storage,
                "stopped": stopped,
            }
            return message | {"delisted": gone} if gone else message

        return view
