"""The auction feed: what an uncross now would give, for instruments whose orders are being collected.

Computed when the book or the phase changed, at most once an interval, and only for instruments that someone reads.
Every message stands alone; the curve behind the price comes with the snapshot and then at most once a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.domain.curve import Clearing
from engine.machine import Machine
from engine.markets.call_auction import supply_demand
from gateway.forms import Form
from gateway.market_data.book import BookFeed
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.moves import Moves
from gateway.market_data.views import COLLECTING, Indication, auction_view, listed, thinned


def indication_of(machine: Machine, moves: Moves, instrument: int) -> Indication:
    """The indication as it is now; without price, volume and curve outside the phases that collect orders."""
    phase = machine.hot.phase(instrument)
    reference = machine.venue.instruments[instrument].reference
    if phase not in COLLECTING:
        return Indication(Clearing(None, 0, 0), None, reference, phase, moves.uncross_ns(instrument), [])
    outlook = machine.outlook(instrument)
    clearing = outlook.clearing
    prices, demand, supply = supply_demand(machine.hot.curve(instrument))
    points = list(zip(prices.tolist(), demand.tolist(), supply.tolist(), strict=True))
    curve = thinned(points, clearing.price_ticks)
    return Indication(clearing, outlook, reference, phase, moves.uncross_ns(instrument), curve)


class AuctionFeed:
    """`mark` touched instruments, `tick` once an interval."""

    def __init__(self, book: BookFeed, moves: Moves, first_seq: int, later: Later, curve_ns: int) -> None:
        self.book, self.machine = book, book.machine
        self.moves, self.first_seq, self._later = moves, first_seq, later
        self.curve_ns = curve_ns  # least time between two curves of an instrument
        self._channels: dict[int, Channel] = {}
        self._dirty: set[int] = set()
        self._told: dict[int, Indication] = {}
        self._curve_ns: dict[int, int] = {}  # when the readers of an instrument last got a curve
        self._owed: set[int] = set()  # instruments whose curve changed since

    def mark(self, instruments: Iterable[int]) -> None:
        self._dirty.update(i for i in instruments if i in self._channels)

    def tick(self, now_ns: int) -> None:
        dirty, self._dirty = self._dirty, set()
        for instrument in sorted(dirty | {i for i in self._owed if self._curve_is_due(i, now_ns)}):
            channel = self._channels.get(instrument)
            if channel is None or not channel.readers:
                continue
            new, old = indication_of(self.machine, self.moves, instrument), self._told.get(instrument)
            if old is None or new.curve != old.curve:
                self._owed.add(instrument)
            curve = instrument in self._owed and self._curve_is_due(instrument, now_ns)
            if new == old and not curve:
                continue
            self._told[instrument] = new
            if curve:
                self._owed.discard(instrument)
                self._curve_ns[instrument] = now_ns
            channel.publish(self._view(instrument, new, curve=curve), self.book.ts_ns(instrument))

    def _curve_is_due(self, instrument: int, now_ns: int) -> bool:
        return now_ns - self._curve_ns.get(instrument, 0) >= self.curve_ns

    def channel(self, instrument: int) -> Channel:
        channel = self._channels.get(instrument)
        if channel is None:
            symbol = self.machine.venue.instruments[instrument].symbol
            channel = self._channels[instrument] = Channel(
                Name("auction", instrument),
                symbol,
                self.first_seq,
                lambda: self._snapshot(instrument),
                conflated=True,
                later=self._later,
            )
        return channel

    def delist(self, instrument: int) -> None:
        """Its readers hear nothing more."""
        channel = self._channels.pop(instrument, None)
        if channel is not None:
            channel.close()

    def _snapshot(self, instrument: int) -> tuple[View, int]:
        new = indication_of(self.machine, self.moves, instrument)
        return self._view(instrument, new, curve=True), self.book.ts_ns(instrument)

    def _view(self, instrument: int, indication: Indication, *, curve: bool) -> View:
        listing = listed(self.machine.venue, instrument)

        def view(form: Form) -> dict[str, Any]:
            return auction_view(form, listing, indication, curve=curve)

        return view
