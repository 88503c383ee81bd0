"""Sales of other mechanisms than the English one, for tests: account 1 sells (or tenders), 2 to 5 bid."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from engine.codes import EventKind, Reason
from engine.machine import Machine
from engine.markets.sales import views
from engine.messages import bodies
from engine.messages.audience import AUDIENCE
from engine.messages.batch import Batch, cold
from engine.messages.sales.commands import Offer
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Terms, Unit
from engine.oracle.books import Books
from engine.state.sales.sale import Sale
from tests.recorder import Recorder, of_kind, open_venue

UNIT = Unit("0.01", "USD/lb", "USD", 100_000, 45_359_237)


def plan(mechanism: Terms, lots: tuple[SaleLot, ...], **changes: Any) -> SaleTerms:
    fields: dict[str, Any] = {"sale": 1, "version": 1, "title": "of the week", "unit": UNIT, "stages": Stages()}
    return SaleTerms(**(fields | {"lots": lots, "mechanism": mechanism} | changes))


def held(mechanism: Terms, lots: tuple[SaleLot, ...], **changes: Any) -> Recorder:
    """A venue with sale 1 live."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    events = recorder.do(plan(mechanism, lots, **changes))
    assert EventKind.REJECTED not in events["kind"], Reason(int(events["reason"][-1]))
    return recorder


def offer_of(account: int, offer: Offer) -> Batch:
    return cold(bodies.Bid(1, offer), account=account)


def sale_in(recorder: Recorder) -> Sale:
    return recorder.machine.venue.sales[1]


def reason_of(events: np.ndarray) -> Reason:
    """Of the newest command's answer: NONE where it was not refused."""
    refused = np.isin(events["kind"], [EventKind.REJECTED, EventKind.BID_LATE])
    return Reason(int(events["reason"][refused][-1])) if refused.any() else Reason.NONE


def results(events: list[np.ndarray]) -> list[tuple[int, ...]]:
    """(lot, buyer, seller, price, bags) of all that was sold, in order."""
    sold = of_kind(np.concatenate(events), EventKind.LOT_SOLD)
    columns = ("instrument", "account", "counter_account", "price", "qty")
    return [tuple(int(one[name]) for name in columns) for one in sold]


def seen_by_others(recorder: Recorder, events: list[np.ndarray], owners: set[int]) -> str:
    """Everything that the public, the operator and accounts other than `owners` are shown, as text."""
    sale = sale_in(recorder)
    seen: list[Any] = [views.public_view(sale), views.operator_view(sale).market]
    seen += [views.account_view(sale, account) for account in range(1, 6) if account not in owners]
    for event in np.concatenate(events):
        audience = AUDIENCE[EventKind(int(event["kind"]))]
        fields = audience.public | audience.operator
        fields |= audience.account if int(event["account"]) not in owners else frozenset()
        fields |= audience.counter if int(event["counter_account"]) not in owners else frozenset()
        seen.append({name: int(event[name]) for name in sorted(fields) if name in event.dtype.names})
    return "\n".join(msgspec.json.encode(one).decode() for one in seen)


def same_again(recorder: Recorder, events: list[np.ndarray]) -> None:
    """A replay of all records gives the same events (of the last so many) and the same state."""
    again, replayed = recorder.replayed(Books)
    assert all(np.array_equal(a, b) for a, b in zip(events, replayed[-len(events) :], strict=True))
    assert again.state_hash() == recorder.machine.state_hash()
