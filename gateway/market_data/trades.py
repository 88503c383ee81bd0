"""The trades feed: every fill once, numbered by instrument from the first of the log; one message a tick."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind
from engine.machine import Machine
from gateway.access import chosen
from gateway.forms import Form
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.views import Trade, trade_view

RECENT_TRADES = 50  # in a snapshot, newest first
ASIDE_FILLS_MAX = 10_000
MESSAGE_TRADES_MAX = 500  # a busier tick sends several messages


class TradesFeed:
    """`take` after each record, also of a replay: the numbers run over the whole log.

    Fills are only put aside in `take`; they are numbered and shown when someone asks, or when many have gathered.
    """

    def __init__(self, machine: Machine, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.first_seq, self._later, self.started_ns = machine, first_seq, later, started_ns
        self.counts: dict[int, int] = {}
        self._aside: list[tuple[np.ndarray, int]] = []  # EVENT[n] of FILL, ts_ns
        self._aside_fills = 0
        self._recent: dict[int, list[Trade]] = {}  # oldest first
        self._channels: dict[int, Channel] = {}
        self._pending: dict[int, list[Trade]] = {}

    def take(self, events: np.ndarray, kinds: np.ndarray, ts_ns: int) -> None:
        places = np.flatnonzero(kinds == EventKind.FILL)
        if len(places):
            fills = chosen(events, places)
            self._aside.append((fills, ts_ns))
            self._aside_fills += len(fills)
            if self._aside_fills > ASIDE_FILLS_MAX:
                self._number()

    def recent(self, instrument: int) -> list[Trade]:
        """The last RECENT_TRADES of an instrument, oldest first."""
        self._number()
        return self._recent.get(instrument, [])

    def tick(self) -> None:
        if not any(channel.readers for channel in self._channels.values()):
            return
        self._number()
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

    def _number(self) -> None:
        """Number what was put aside, keep the last of each instrument, and what its readers have yet to hear."""
        aside, self._aside, self._aside_fills = self._aside, [], 0
        if not aside:
            return
        fills = np.concatenate([fills for fills, _ in aside])
        times = np.repeat(np.array([ts_ns for _, ts_ns in aside]), [len(fills) for fills, _ in aside])
        instruments = fills["instrument"]
        for instrument in set(instruments.tolist()):
            own = instruments == instrument
            self._number_of(instrument, chosen(fills, np.flatnonzero(own)), times[own])

    def _number_of(self, instrument: int, fills: np.ndarray, times: np.ndarray) -> None:
        count = self.counts[instrument] = self.counts.get(instrument, 0) + len(fills)
        channel = self._channels.get(instrument)
        read = channel is not None and bool(channel.readers)
        if not read:
            fills, times = fills[-RECENT_TRADES:], times[-RECENT_TRADES:]
        calls = ((fills["flags"] & EventFlag.AUCTION) != 0).tolist()
        columns = (fills[name].tolist() for name in ("price", "qty", "side"))
        numbers = range(count - len(fills) + 1, count + 1)
        trades = [Trade(*fields) for fields in zip(numbers, *columns, calls, times.tolist(), strict=True)]
        self._recent[instrument] = (self._recent.get(instrument, []) + trades)[-RECENT_TRADES:]
        if read:
            self._pending.setdefault(instrument, []).extend(trades)

    def _snapshot(self, instrument: int) -> tuple[View, int]:
        """Recent trades that the channel has told or will not tell again."""
        recent = self.recent(instrument)
        untold = len(self._pending.get(instrument, ()))
        told = recent[: max(0, len(recent) - untold)]
        return self._view(instrument, told[::-1]), told[-1].ts_ns if told else self.started_ns

    def _view(self, instrument: int, trades: list[Trade]) -> View:
        listing = self.machine.venue.instruments[instrument]

        def view(form: Form) -> dict[str, Any]:
            return {"trades": [trade_view(form, listing, trade) for trade in trades]}

        return view
