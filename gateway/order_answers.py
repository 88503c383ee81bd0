"""Events back into answers: what one command came to, as its sender may see it.

A command's events may concern orders of others too (stops that it elected, makers that it cancelled): an answer is
read from those of its own order alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    name_of,
)
from engine.domain.instruments import Instrument
from engine.machine import Machine
from gateway.forms import Form, scale_of
from gateway.market_data.views import listed
from gateway.order_terms import UNPRICED_TYPES
from gateway.problems import Problem, of_reason
from gateway.sales.showing import own_part


@dataclass(slots=True)
class Entry:
    """One command on its way: the row, a long id's text, its extension row, and what the answer echoes."""

    row: bytes
    body: bytes
    kind: CommandKind
    listing: Instrument
    account: int
    side: int = 0
    type: int = 0
    tif: int = 0
    price: int = 0
    qty: int = 0
    order: int = 0
    client_order_id: str | None = None
    extension: bytes = b""
    display_qty: int = 0
    stop_price: int | None = None
    expire_at: int = 0


@dataclass(slots=True)
class Life:
    """What the events of one command leave of its own order."""

    order: int
    type: int
    price: int
    stop_price: int | None  # None: it does not wait for one
    filled: int = 0
    reduced: int = 0
    cancelled: int = 0
    reason: int = 0


class Answers:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def answer(self, form: Form, entry: Entry, events: np.ndarray, seq: int, ts_ns: int) -> dict[str, Any]:
        """The answer to one command from its own events. Raises Problem for a refusal, the first one again included.

        A duplicate of an order that has ended has no state here: `state` is None, history knows more.
        """
        first = events[0]
        kind = EventKind(int(first["kind"]))
        if kind == EventKind.REJECTED:
            raise self._refusal(int(first["reason"]), first, seq=seq)
        if kind == EventKind.DUPLICATE:
            if first["reason"]:
                raise self._refusal(int(first["reason"]), first, seq=int(first["counter_order"]), duplicate=True)
            return self._duplicate(form, entry, int(first["order"]), int(first["counter_order"]), ts_ns)
        if entry.kind == CommandKind.CANCEL:
            return self._cancelled(form, entry, first, seq, ts_ns)
        if entry.kind == CommandKind.AMEND:
            return self._amended(form, entry, first, seq, ts_ns)
        return self._entered(form, entry, events, seq, ts_ns)

    def bid_answer(
        self, form: Form, account: int, sale: int, lot: int, maximum: str | None, events: np.ndarray, seq: int
    ) -> dict[str, Any]:
        """The answer to a bid: the bidder's own place in the lot, now. Raises Problem for a refusal."""
        first = events[0]
        kind = EventKind(int(first["kind"]))
        duplicate = kind == EventKind.DUPLICATE
        if kind in (EventKind.REJECTED, EventKind.BID_LATE) or (duplicate and first["reason"]):
            raise of_reason(int(first["reason"]) or Reason.BID_LATE, seq=seq)
        own = own_part(form, self.machine.venue.sales[sale], lot, account)
        view = {
            "status": "waits" if (events["kind"] == EventKind.BID_WAITS).any() else "accepted",
            "sale": sale,
            "lot": lot,
            "duplicate": bool(duplicate),
            "seq": int(first["counter_order"]) if duplicate else seq,
        }
        if maximum is not None:
            view |= {"leading": bool(own.get("you_lead")), "maximum": own.get("your_maximum") or maximum}
        return view | own

    def _refusal(self, reason: int, event: np.void, **extra: Any) -> Problem:
        if reason == Reason.STALE_REF:
            extra["last_taken"] = int(event["counter_order"])
        return of_reason(reason, **extra)

    def mass_cancel_answer(self, form: Form, events: np.ndarray, seq: int) -> dict[str, Any]:
        """The report of a mass cancel. Raises Problem for a refusal."""
        first = events[0]
        self._raise_refused(first, seq)
        if first["kind"] == EventKind.DUPLICATE:
            return {"status": "accepted", "seq": int(first["counter_order"]), "duplicate": True}
        report = events[events["kind"] == EventKind.MASS_CANCELLED][0]
        return {
            "status": "accepted",
            "cancelled_orders": int(report["qty"]),
            "cancelled_quantity": form.qty(int(report["leaves"])),
            "remaining_orders": int(report["order"]),
            "orders": [self._cancelled_order(form, event) for event in events[events["kind"] == EventKind.CANCELLED]],
            "seq": seq,
            "duplicate": False,
        }

    def cancel_after_answer(self, form: Form, events: np.ndarray, seq: int) -> dict[str, Any]:
        """When the account's orders will be cancelled; in the answer to a repeat, as it is now. Raises Problem for a
        refusal."""
        first = events[0]
        self._raise_refused(first, seq)
        duplicate = bool(first["kind"] == EventKind.DUPLICATE)
        if duplicate:
            due_ns = self.machine.venue.cancel_after_due(int(first["account"]))
        else:
            due_ns = int(events[events["kind"] == EventKind.CANCEL_AFTER_SET][0]["leaves"])
        return {
            "status": "accepted",
            "cancel_at": form.time(due_ns) if due_ns else None,
            "seq": int(first["counter_order"]) if duplicate else seq,
            "duplicate": duplicate,
        }

    def _raise_refused(self, event: np.void, seq: int) -> None:
        if event["kind"] == EventKind.REJECTED or (event["kind"] == EventKind.DUPLICATE and event["reason"]):
            raise of_reason(int(event["reason"]), seq=seq)

    def _cancelled_order(self, form: Form, event: np.void) -> dict[str, Any]:
        listing = listed(self.machine.venue, int(event["instrument"]))
        unpriced = bool(int(event["flags"]) & EventFlag.UNPRICED)
        return {
            "order_id": form.order_id(int(event["order"])),
            "instrument": listing.symbol,
            "side": name_of(Side, int(event["side"])),
            "price": None if unpriced else form.price(int(event["price"]), scale_of(listing.tick_size)),
            "cancelled_quantity": form.qty(int(event["qty"])),
        }

    def _entered(self, form: Form, entry: Entry, events: np.ndarray, seq: int, ts_ns: int) -> dict[str, Any]:
        life = Life(int(events["order"][0]), entry.type, int(events["price"][0]), None)
        if int(events["flags"][0]) & EventFlag.STOP:
            life.stop_price = entry.stop_price
        fills, scale = [], scale_of(entry.listing.tick_size)
        for event in events[1:]:
            if event["kind"] == EventKind.FILL and life.order in (event["order"], event["counter_order"]):
                fills.append(
                    {
                        "price": form.price(int(event["price"]), scale),
                        "quantity": form.qty(int(event["qty"])),
                        "fill_id": f"{seq}-{int(event['index'])}",
                    }
                )
                life.filled += int(event["qty"])
            elif event["order"] == life.order:
                _live_on(life, event)
        rest = entry.qty - life.filled - life.reduced - life.cancelled
        view = self._order_view(form, entry, life, rest, seq, ts_ns)
        view["quantity"] = form.qty(entry.qty - life.reduced)
        if life.cancelled:
            view["state"] = "cancelled"
        elif not rest:
            view["state"] = "filled"
        else:
            view["state"] = _open_state(life)
        if life.reason:
            view["reason"] = name_of(Reason, life.reason)
        if life.reduced:
            view["reduced_quantity"] = form.qty(life.reduced)
        view["duplicate"] = False
        view["fills"] = fills
        return view

    def _amended(self, form: Form, entry: Entry, first: np.void, seq: int, ts_ns: int) -> dict[str, Any]:
        life = Life(int(first["order"]), entry.type, int(first["price"]), entry.stop_price)
        away = first["kind"] == EventKind.CANCELLED
        rest = 0 if away else int(first["qty"])
        life.filled = 0 if away else entry.qty - rest
        view = self._order_view(form, entry, life, rest, seq, ts_ns)
        if away:
            view |= {"filled_quantity": None, "state": "cancelled", "reason": name_of(Reason, int(first["reason"]))}
        else:
            view["state"] = _open_state(life)
        return view | {"duplicate": False, "priority_kept": not away and not int(first["leaves"])}

    def _order_view(
        self, form: Form, entry: Entry, life: Life, rest: int, seq: int, ts_ns: int
    ) -> dict[str, Any]:  # fmt: skip
        scale = scale_of(entry.listing.tick_size)
        priced = life.type not in UNPRICED_TYPES
        return {
            "status": "accepted",
            "order_id": form.order_id(life.order),
            "client_order_id": entry.client_order_id,
            "instrument": entry.listing.symbol,
            "side": name_of(Side, entry.side),
            "type": name_of(OrderType, life.type),
            "price": form.price(life.price, scale) if priced else None,
            "quantity": form.qty(entry.qty),
            "filled_quantity": form.qty(life.filled),
            "open_quantity": form.qty(rest),
            "time_in_force": name_of(TimeInForce, entry.tif),
            "display_quantity": form.qty(entry.display_qty) if entry.display_qty else None,
            "stop_price": None if life.stop_price is None else form.price(life.stop_price, scale),
            "expire_at": form.time(entry.expire_at) if entry.expire_at else None,
            "seq": seq,
            "ts_engine": form.time(ts_ns),
        }

    def _duplicate(self, form: Form, entry: Entry, order: int, seq: int, ts_ns: int) -> dict[str, Any]:
        row = self.machine.hot.order(order)
        if row is None:
            view = self._order_view(form, entry, Life(order, entry.type, entry.price, None), 0, seq, ts_ns)
            view |= {"filled_quantity": None, "open_quantity": form.qty(0), "state": None}
        else:
            entered, rest = int(row["entered_qty"]), int(row["qty"])
            extra = self.machine.hot.extra_of(order)
            waits = extra is not None and bool(extra["waiting"])
            stop_price = int(extra["stop_price"]) if extra is not None and waits else None
            life = Life(order, int(row["type"]), int(row["price"]), stop_price, filled=entered - rest)
            view = self._order_view(form, entry, life, rest, seq, ts_ns)
            view["state"] = _open_state(life)
        view["duplicate"] = True
        return view

    def _cancelled(self, form: Form, entry: Entry, event: np.void, seq: int, ts_ns: int) -> dict[str, Any]:
        view = {"status": "accepted"} | self._cancelled_order(form, event)
        return view | {
            "client_order_id": entry.client_order_id,
            "open_quantity": form.qty(0),
            "state": "cancelled",
            "seq": seq,
            "ts_engine": form.time(ts_ns),
        }


def _open_state(life: Life) -> str:
    return "waiting" if life.stop_price is not None else "partial" if life.filled else "open"


def _live_on(life: Life, event: np.void) -> None:
    """An event of the order itself, other than a fill."""
    kind, qty = EventKind(int(event["kind"])), int(event["qty"])
    if kind == EventKind.CANCELLED:
        life.cancelled, life.reason = qty, int(event["reason"])
    elif kind == EventKind.REDUCED:
        life.reduced += qty
    elif kind == EventKind.REPRICED:
        life.type, life.price = OrderType.LIMIT, int(event["price"])
    elif kind == EventKind.TRIGGERED:
        unpriced = int(event["flags"]) & EventFlag.UNPRICED
        life.type, life.stop_price = OrderType.MARKET if unpriced else OrderType.LIMIT, None


def own_events(events: np.ndarray) -> np.ndarray:
    """EVENT[k] without what timers caused: those events only stand under the same sequence."""
    by_timer = (events["flags"] & EventFlag.BY_TIMER) != 0
    return events[~by_timer] if by_timer.any() else events
