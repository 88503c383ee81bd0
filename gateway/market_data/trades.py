"""The trades feed: every fill once, numbered by instrument from the first of the log; one message a tick."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind
from engine.machine import Machine
from gateway.forms import Form
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.views import Trade, trade_view

RECENT_TRADES = 50  # in a snapshot, newest first
MESSAGE_TRADES_MAX = 500  # a busier tick sends several messages


class TradesFeed:
    """`take` after each record, also of a replay: the numbers run over the whole log."""

    def __init__(self, machine: Machine, first_seq: int, later: Later) -> None:
        self.machine, self.first_seq, self._later = machine, first_seq, later
        self.counts: dict[int, int] = {}
        self.recent: dict[int, list[Trade]] = {}  # oldest first
        self._channels: dict[int, Channel] = {}
        self._pending: dict[int, list[Trade]] = {}

    def take(self, events: np.ndarray, kinds: np.ndarray, ts_ns: int) -> None:
        fills = events[kinds == EventKind.FILL]
        if not len(fills):
            return
        instruments = fills["instrument"]
        for instrument in set(instruments.tolist()):
            self._take_fills(instrument, fills[instruments == instrument], ts_ns)

    def tick(self) -> None:
        pending, self._pending = self._pending, {}
        for instrument, trades in pending.items():
            for start in range(0, len(trades), MESSAGE_TRADES_MAX):
                view = self._view(instrument, trades[start : start + MESSAGE_TRADES_MAX])
                self._channels[instrument].publish(view, trades[-1].ts_ns)

    def channel(self, instrument: int) -> Channel:
        channel = self._channels.get(instrument)
        if channel is None:
            channel = self._channels[instrument] = Channel(
                Name("trades", instrument),
                self.machine.venue.instruments[instrument].symbol,
                self.first_seq,
                lambda: self._snapshot(instrument),
                conflated=False,
                later=self._later,
            )
        return channel

    def _take_fills(self, instrument: int, fills: np.ndarray, ts_ns: int) -> None:
        count = self.counts.get(instrument, 0)
        self.counts[instrument] = count + len(fills)
        channel = self._channels.get(instrument)
        read = channel is not None and bool(channel.readers)
        wanted = fills if read else fills[-RECENT_TRADES:]
        number = count + len(fills) - len(wanted)
        calls = ((wanted["flags"] & EventFlag.AUCTION) != 0).tolist()
        columns = zip(wanted["price"].tolist(), wanted["qty"].tolist(), wanted["side"].tolist(), calls, strict=True)
        trades = [Trade(number + k, *fields, ts_ns) for k, fields in enumerate(columns, 1)]
        self.recent[instrument] = (self.recent.get(instrument, []) + trades)[-RECENT_TRADES:]
        if read:
            self._pending.setdefault(instrument, []).extend(trades)

    def _snapshot(self, instrument: int) -> tuple[View, int]:
        """Recent trades that the channel has told or will not tell again."""
        untold = len(self._pending.get(instrument, ()))
        recent = self.recent.get(instrument, [])
        told = recent[: max(0, len(recent) - untold)]
        return self._view(instrument, told[::-1]), self.machine.ts_ns

    def _view(self, instrument: int, trades: list[Trade]) -> View:
        listing = self.machine.venue.instruments[instrument]

        def view(form: Form) -> dict[str, Any]:
            return {"trades": [trade_view(form, listing, trade) for trade in trades]}

        return view
