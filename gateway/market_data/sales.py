"""The sales feed: the public view of each sale that changed, conflated; and the same view for REST."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from engine.codes import EventKind, SaleState
from engine.machine import Machine
from engine.markets.sales.views import public_view
from engine.messages.audience import AUDIENCE
from engine.state.sales.sale import Sale
from engine.state.venue import Venue
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.sales.showing import seen_view

_OF_NO_SALE = (EventKind.LOT_DESCRIBED, EventKind.SEASON_DEFINED)
_SALE_KINDS = np.zeros(256, bool)
_SALE_KINDS[
    [
        kind
        for kind, audience in AUDIENCE.items()
        if audience.public and kind >= EventKind.SALE_OPENED and kind not in _OF_NO_SALE
    ]
] = True
FINISHED_SHOWN = 10  # finished sales beside the running ones; older ones are history
LARGE_SALE_LOTS = 100  # beyond, an update tells the lots that changed


def shown_sales(venue: Venue) -> list[Sale]:
    """Running sales and the newest finished ones, by number."""
    running = [number for number, sale in venue.sales.items() if sale.state != SaleState.FINISHED]
    finished = [number for number, sale in venue.sales.items() if sale.state == SaleState.FINISHED]
    return [venue.sales[number] for number in sorted(running + sorted(finished)[-FINISHED_SHOWN:])]


class SalesFeed:
    """`take` after each record, `tick` now and then. An update of a large sale has the lots that changed since the one
    before, and says so: `partial`."""

    def __init__(self, machine: Machine, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.changed_ns = machine, started_ns
        self.channel = Channel(Name("sales"), "", first_seq, self._snapshot, conflated=True, later=later)
        self._dirty: set[int] = set()
        self._told: dict[int, dict[int, Any]] = {}  # lots of large sales as the last message had them, by their number

    def take(self, events: np.ndarray, kinds: np.ndarray, ts_ns: int) -> None:
        changed = _SALE_KINDS[kinds]
        if changed.any():
            self.changed_ns = ts_ns
            self._dirty.update(events["order"][changed].tolist())

    def tick(self) -> None:
        dirty, self._dirty = self._dirty, set()
        if not self.channel.readers:
            self._told.clear()
            return
        for number in sorted(dirty):
            sale = self.machine.venue.sales.get(number)
            assert sale is not None, "a public event of a sale names it"
            self.channel.publish(self._view(sale), self.changed_ns)

    def _view(self, sale: Sale) -> View:
        seen = public_view(sale)
        lots = getattr(seen.market, "lots", ())
        if len(lots) <= LARGE_SALE_LOTS:
            return lambda form: {"sale": sale.sale} | seen_view(form, seen)
        now = {lot.lot: lot for lot in lots}
        before, self._told[sale.sale] = self._told.get(sale.sale), now
        if before is None:
            return lambda form: {"sale": sale.sale} | seen_view(form, seen)
        some = tuple(lot for number, lot in now.items() if lot != before.get(number))
        part = replace(seen, market=replace(seen.market, lots=some))
        return lambda form: {"sale": sale.sale, "partial": True} | seen_view(form, part)

    def _snapshot(self) -> tuple[View, int]:
        seen = [(sale.sale, public_view(sale)) for sale in shown_sales(self.machine.venue)]
        for number, view in seen:
            if number not in self._told and len(getattr(view.market, "lots", ())) > LARGE_SALE_LOTS:
                self._told[number] = {lot.lot: lot for lot in view.market.lots}  # type: ignore[attr-defined]
        return lambda form: {"sales": [seen_view(form, view) for _, view in seen]}, self.changed_ns
