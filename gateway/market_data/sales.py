"""The sales feeds: of all sales, and of one. What everyone may see of a sale that changed, conflated.

A snapshot is whole. An update has the head of the sale and every field of its mechanism; of a sale of many lots it has
those lots alone that differ from what the update before told, and says so: `partial`. What is compared is the public
view itself, so that a new mechanism is fed without a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from engine.codes import EventKind, SaleState
from engine.machine import Machine
from engine.markets.sales.views import SaleView, public_view
from engine.messages.audience import AUDIENCE
from engine.state.sales.sale import Sale
from engine.state.venue import Venue
from gateway.forms import Form
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
WHOLE_LOTS_MAX = 10  # of a sale whose updates are whole


def shown_sales(venue: Venue) -> list[Sale]:
    """Running sales and the newest finished ones, by number."""
    running = [number for number, sale in venue.sales.items() if sale.state != SaleState.FINISHED]
    finished = [number for number, sale in venue.sales.items() if sale.state == SaleState.FINISHED]
    return [venue.sales[number] for number in sorted(running + sorted(finished)[-FINISHED_SHOWN:])]


class SalesFeed:
    """`take` after each record, `tick` now and then: at most one update of a sale each."""

    def __init__(self, machine: Machine, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.changed_ns = machine, started_ns
        self._first_seq, self._later = first_seq, later
        self.channel = Channel(Name("sales"), "", first_seq, self._snapshot, conflated=True, later=later)
        self._of: dict[int, Channel] = {}  # of one sale, once somebody has asked
        self._dirty: set[int] = set()
        self.on_frozen: Callable[[list[int]], None] = lambda sales: None  # their problems wait for proposals
        # Lots of sales of many, as the last update had them. A snapshot may have told more, never less.
        self._told: dict[int, dict[int, Struct]] = {}

    def of(self, number: int) -> Channel | None:
        """The channel of one sale; None when there is no such sale."""
        if number not in self._of and number in self.machine.venue.sales:
            self._of[number] = Channel(
                Name("sale", number), "", self._first_seq, lambda: self._snapshot_of(number), conflated=True,
                later=self._later,
            )  # fmt: skip
        return self._of.get(number)

    def take(self, events: np.ndarray, kinds: np.ndarray, ts_ns: int) -> None:
        changed = _SALE_KINDS[kinds]
        if changed.any():
            self.changed_ns = ts_ns
            self._dirty.update(events["order"][changed].tolist())
            frozen = kinds == EventKind.PROBLEM_FROZEN
            if frozen.any():
                self.on_frozen(events["order"][frozen].tolist())

    def tick(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for number in sorted(dirty):
            sale = self.machine.venue.sales[number]
            own = self._of.get(number)
            channels = [channel for channel in (self.channel, own) if channel is not None]
            read = [channel for channel in channels if channel.readers]
            for channel in channels:
                if not channel.readers:
                    channel.restart(channel.seq + 1)  # who comes back has missed this, and is given a snapshot
            if not read:
                self._told.pop(number, None)
                continue
            view = self._update(sale)
            for channel in read:
                channel.publish(view, self.changed_ns)

    def _update(self, sale: Sale) -> View:
        seen = public_view(sale)
        lots = lots_of(seen)
        before = self._told.pop(sale.sale, None)
        if len(lots) > WHOLE_LOTS_MAX and sale.state != SaleState.FINISHED:
            self._told[sale.sale] = lots
        if before is None or before.keys() != lots.keys():
            return lambda form: {"sale": sale.sale} | seen_view(form, seen)
        changed = tuple(lot for number, lot in lots.items() if lot != before[number])
        part = replace(seen, market=replace(seen.market, lots=changed))
        return lambda form: {"sale": sale.sale, "partial": True} | seen_view(form, part)

    def _whole(self, sale: Sale) -> SaleView:
        """What a new reader begins with; the next update tells at least what changed since."""
        seen = public_view(sale)
        lots = lots_of(seen)
        if len(lots) > WHOLE_LOTS_MAX and sale.state != SaleState.FINISHED:
            self._told.setdefault(sale.sale, lots)
        return seen

    def _snapshot(self) -> tuple[View, int]:
        seen = [self._whole(sale) for sale in shown_sales(self.machine.venue)]

        def view(form: Form) -> dict[str, Any]:
            return {"sales": [seen_view(form, one) for one in seen]}

        return view, self.changed_ns

    def _snapshot_of(self, number: int) -> tuple[View, int]:
        seen = self._whole(self.machine.venue.sales[number])
        return lambda form: {"sale": number} | seen_view(form, seen), self.changed_ns


def lots_of(seen: SaleView) -> dict[int, Struct]:
    """Views of the lots, by number."""
    return {lot.lot: lot for lot in getattr(seen.market, "lots", ())}
