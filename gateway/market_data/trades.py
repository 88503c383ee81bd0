"""The trades feed: every fill once, numbered by instrument from the first of the log; one message a tick."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.machine import Machine
from gateway.forms import Form
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.views import Trade, listed, trade_view
from gateway.trade_fold import TradeFold

MESSAGE_TRADES_MAX = 500  # a busier tick sends several messages


class TradesFeed:
    """`take` after each record, also of a replay: the numbers run over the whole log."""

    def __init__(self, machine: Machine, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.first_seq, self._later, self.started_ns = machine, first_seq, later, started_ns
        self.fold = TradeFold()
        self._channels: dict[int, Channel] = {}
        self._pending: dict[int, list[Trade]] = {}

    def take(self, events: np.ndarray, ts_ns: int) -> None:
        if self.fold.take(events, ts_ns):
            self._number()

    def recent(self, instrument: int) -> list[Trade]:
        """The last RECENT_TRADES of an instrument, oldest first."""
        self._number()
        return trades_of(self.fold.recent(instrument))

    def tick(self) -> None:
        if not any(channel.readers for channel in self._channels.values()):
            return
        self._number()
        pending, self._pending = self._pending, {}
        pending = {instrument: trades for instrument, trades in pending.items() if instrument in self._channels}
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

    def _number(self) -> None:
        """Number what was put aside, and keep what readers have yet to hear."""
        for instrument, trades in self.fold.number().items():
            channel = self._channels.get(instrument)
            if channel is not None and channel.readers:
                self._pending.setdefault(instrument, []).extend(trades_of(trades))
            elif channel is not None:
                self._pending.pop(instrument, None)
                channel.restart(channel.seq + 1)  # who comes back with an earlier seq needs a snapshot: it missed these

    def delist(self, instrument: int) -> None:
        """Its readers hear nothing more."""
        channel = self._channels.pop(instrument, None)
        if channel is not None:
            channel.close()

    def _snapshot(self, instrument: int) -> tuple[View, int]:
        """Recent trades that the channel has told or will not tell again."""
        recent = self.recent(instrument)
        untold = len(self._pending.get(instrument, ()))
        told = recent[: max(0, len(recent) - untold)]
        return self._view(instrument, told[::-1]), told[-1].ts_ns if told else self.started_ns

    def _view(self, instrument: int, trades: list[Trade]) -> View:
        listing = listed(self.machine.venue, instrument)

        def view(form: Form) -> dict[str, Any]:
            return {"trades": [trade_view(form, listing, trade) for trade in trades]}

        return view


def trades_of(trades: np.ndarray) -> list[Trade]:
    """TRADE[n] as the views take them."""
    names = ("number", "price", "qty", "side", "call", "ts_ns")
    columns = zip(*(trades[name].tolist() for name in names), strict=True)
    return [Trade(number, price, qty, side, bool(call), ts_ns) for number, price, qty, side, call, ts_ns in columns]
