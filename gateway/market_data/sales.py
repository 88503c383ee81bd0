"""The sales feed: the public view of each sale that changed, conflated; and the same view for REST."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventKind, SaleState
from engine.machine import Machine
from engine.markets.sales.english_views import EnglishView, LotView
from engine.markets.sales.views import SaleView, account_view, public_view
from engine.state.sales.sale import Sale
from engine.state.venue import Venue
from gateway.forms import Form
from gateway.market_data.channel import Channel, Later, Name, View

_SALE_KINDS = np.zeros(256, bool)
_SALE_KINDS[
    [
        EventKind.SALE_OPENED,
        EventKind.LOT_PRICE,
        EventKind.CLOCK,
        EventKind.LOT_SOLD,
        EventKind.LOT_PASSED_IN,
        EventKind.SALE_FINISHED,
        EventKind.SALE_PLANNED,
        EventKind.SALE_STAGE,
        EventKind.SALE_VOIDED,
        EventKind.LOT_CHANGED,
        EventKind.ROUND,
    ]
] = True
FINISHED_SHOWN = 10  # finished sales beside the running ones; older ones are history
_OWN = ("you_lead", "your_maximum", "you_sell", "you_won")


def sale_view(form: Form, sale: Sale, account: int | None = None) -> dict[str, Any]:
    """A sale as everyone sees it, or with one account's own place in it. Prices are decimal text in every form."""
    seen = public_view(sale) if account is None else account_view(sale, account)
    return seen_view(form, sale, seen, own=account is not None)


def seen_view(form: Form, sale: Sale, seen: SaleView, *, own: bool) -> dict[str, Any]:
    market = seen.market
    assert isinstance(market, EnglishView)
    return {
        "sale_id": seen.sale_id,
        "title": seen.title,
        "state": seen.state,
        "opening": market.opening,
        "increment": market.increment,
        "tick_size": seen.tick_size,
        "price_unit": seen.price_unit,
        "currency": seen.currency,
        "value_numerator": str(seen.value_numerator),
        "value_denominator": str(seen.value_denominator),
        "clock_seconds": market.clock_ns // 10**9,
        "open_until": form.time(market.open_until_ns),
        "clock_due": None if market.clock_due_ns is None else form.time(market.clock_due_ns),
        "lots": [lot_view(lot, own=own) for lot in market.lots],
    }


def lot_view(lot: LotView, *, own: bool) -> dict[str, Any]:
    view: dict[str, Any] = {
        "lot": lot.lot,
        "title": lot.title,
        "bags": lot.bags,
        "bag_kg": lot.bag_kg,
        "attributes": lot.attributes,
        "price": lot.price,
        "minimum_bid": lot.minimum_bid,
        "bids": lot.bids,
        "state": lot.state,
        "value": lot.value,
    }
    if own:
        view |= {name: getattr(lot, name) for name in _OWN}
    return view


def shown_sales(venue: Venue) -> list[Sale]:
    """Running sales and the newest finished ones, by number."""
    running = [number for number, sale in venue.sales.items() if sale.state != SaleState.FINISHED]
    finished = [number for number, sale in venue.sales.items() if sale.state == SaleState.FINISHED]
    return [venue.sales[number] for number in sorted(running + sorted(finished)[-FINISHED_SHOWN:])]


class SalesFeed:
    """`take` after each record, `tick` now and then."""

    def __init__(self, machine: Machine, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.changed_ns = machine, started_ns
        self.channel = Channel(Name("sales"), "", first_seq, self._snapshot, conflated=True, later=later)
        self._dirty: set[int] = set()

    def take(self, events: np.ndarray, kinds: np.ndarray, ts_ns: int) -> None:
        changed = _SALE_KINDS[kinds]
        if changed.any():
            self.changed_ns = ts_ns
            self._dirty.update(events["order"][changed].tolist())

    def tick(self) -> None:
        dirty, self._dirty = self._dirty, set()
        if not self.channel.readers:
            return
        for number in sorted(dirty):
            sale = self.machine.venue.sales[number]
            self.channel.publish(self._view(sale), self.changed_ns)

    def _view(self, sale: Sale) -> View:
        seen = public_view(sale)
        return lambda form: {"sale": sale.sale} | seen_view(form, sale, seen, own=False)

    def _snapshot(self) -> tuple[View, int]:
        sales = shown_sales(self.machine.venue)

        def view(form: Form) -> dict[str, Any]:
            return {"sales": [sale_view(form, sale) for sale in sales]}

        return view, self.changed_ns
