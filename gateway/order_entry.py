"""Requests into command rows, and events back into answers: the one translation that REST and WebSocket share.

It checks what a row cannot express (a decimal off the tick, a name that nothing has) and leaves every market rule to
the engine. The account of a row is always the key's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from struct import Struct
from typing import Any, Protocol

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, OrderType, Reason, RefForm, Side, TimeInForce, name_of
from engine.domain import units
from engine.domain.instruments import Instrument
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.machine import Machine
from engine.markets.sale_views import account_view
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Bid
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND, ROW_VERSION
from gateway.forms import Form, scale_of
from gateway.problems import Problem, of_reason

# kind side type tif flags stp version ref_form | instrument account connection price | qty order | ref | ext body
_ROW = Struct("<8B3Ii2q2Q2I").pack
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_TYPES = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
_TIFS = {"gtc": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
_NO_REF = (RefForm.NONE, 0, 0)


class ReplaceRequest(Protocol):
    """Prices and quantities are decimal text in JSON, ticks and lots in msgpack."""

    @property
    def price(self) -> Any: ...

    @property
    def quantity(self) -> Any: ...

    @property
    def time_in_force(self) -> str: ...

    @property
    def client_order_id(self) -> str: ...


class OrderRequest(ReplaceRequest, Protocol):
    """A new order."""

    @property
    def instrument(self) -> str: ...

    @property
    def side(self) -> str: ...

    @property
    def type(self) -> str: ...


@dataclass(slots=True)
class Entry:
    """One command on its way: the row, a long id's text, and what the answer echoes."""

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


def batch_of(entries: Sequence[Entry]) -> Batch:
    rows = np.frombuffer(b"".join(entry.row for entry in entries), COMMAND)
    return Batch(rows, blob=b"".join(entry.body for entry in entries))


class Desk:
    """Drafts commands against the venue as it stands and reads their outcomes."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    # Requests

    def new(self, account: int, request: OrderRequest) -> Entry:
        """Raises Problem: instrument_unknown, malformed, off_tick, off_lot, price_range, qty_range, id_invalid."""
        listing = self.listing(request.instrument)
        form, hi, lo, body = ref_of(request.client_order_id)
        side, kind, tif = _SIDES[request.side], _TYPES[request.type], _TIFS[request.time_in_force]
        if kind == OrderType.MARKET:
            if request.price is not None:
                raise of_reason(Reason.PRICE_NOT_ALLOWED)
            price = 0
        elif request.price is None:
            raise Problem("missing_field", "A limit order has a price.", pointer="/price")
        else:
            price = ticks_of(request.price, listing.tick_size)
        qty = lots_of(request.quantity)
        row = _ROW(
            CommandKind.NEW, side, kind, tif, 0, 0, ROW_VERSION, form, listing.instrument, account, 0,
            price, qty, 0, hi, lo, 0, len(body),
        )  # fmt: skip
        return Entry(
            row, body, CommandKind.NEW, listing, account, side, kind, tif, price, qty, 0, request.client_order_id
        )

    def replace(self, account: int, order: int, request: ReplaceRequest, known: Known | None = None) -> Entry:
        """Price and open quantity anew under the same id; `known` names an order that is no longer open, so that a
        repeated request is the same command. Raises Problem as `new`, and order_unknown."""
        target = self.known(order) or known
        if target is None:
            raise of_reason(Reason.ORDER_UNKNOWN)
        listing = self.machine.venue.instruments[target.instrument]
        form, hi, lo, body = ref_of(request.client_order_id)
        price, qty = ticks_of(request.price, listing.tick_size), lots_of(request.quantity)
        tif = _TIFS[request.time_in_force]
        row = _ROW(
            CommandKind.REPLACE, target.side, target.type, tif, 0, 0, ROW_VERSION, form, listing.instrument, account,
            0, price, qty, order, hi, lo, 0, len(body),
        )  # fmt: skip
        return Entry(
            row, body, CommandKind.REPLACE, listing, account, target.side, target.type, tif, price, qty, order,
            request.client_order_id,
        )  # fmt: skip

    def cancel(self, account: int, order: int) -> Entry:
        """Cancel by the venue's order id. Raises Problem: order_unknown when no open order has it."""
        target = self.known(order)
        if target is None:
            raise of_reason(Reason.ORDER_UNKNOWN)
        listing = self.machine.venue.instruments[target.instrument]
        return self._cancel(account, listing, order, _NO_REF, b"", target.side, None)

    def cancel_by_text(self, account: int, client_order_id: str, symbol: str | None = None) -> Entry:
        """Cancel by the caller's own id. The instrument is looked up where it is not given."""
        form, hi, lo, body = ref_of(client_order_id)
        if symbol is not None:
            listing = self.listing(symbol)
            return self._cancel(account, listing, 0, (form, hi, lo), body, 0, client_order_id)
        order = self.machine.hot.order_of_text(account, form, hi, lo)
        target = None if order is None else self.known(order)
        if target is None:
            raise Problem(
                "order_unknown", "There is no open order by this name.", pointer="/client_order_id", status=404
            )
        listing = self.machine.venue.instruments[target.instrument]
        return self._cancel(account, listing, 0, (form, hi, lo), body, target.side, client_order_id)

    def bid(self, account: int, sale: int, lot: int, maximum: str, client_bid_id: str) -> Batch:
        """A proxy bid. Raises Problem: sale_unknown, malformed, off_tick, price_range, id_invalid."""
        terms = self.machine.venue.sales.get(sale)
        if terms is None:
            raise of_reason(Reason.SALE_UNKNOWN)
        form, hi, lo, _ = ref_of(client_bid_id, "/client_bid_id")
        ticks = ticks_of(maximum, terms.tick_size, "/maximum")
        return cold(Bid(sale, lot, ticks), account=account, ref=(form, hi, lo))

    def listing(self, symbol: str, pointer: str = "/instrument") -> Instrument:
        listing = self.machine.venue.instrument(symbol)
        if listing is None:
            raise Problem("instrument_unknown", "There is no such instrument.", pointer=pointer)
        return listing

    def known(self, order: int) -> Known | None:
        """What names an open order, None when there is none by this id."""
        row = self.machine.hot.order(order)
        if row is None:
            return None
        return Known(int(row["account"]), int(row["instrument"]), int(row["side"]), int(row["type"]))

    def _cancel(
        self, account: int, listing: Instrument, order: int, ref: tuple[int, int, int], body: bytes, side: int,
        text: str | None,
    ) -> Entry:  # fmt: skip
        form, hi, lo = ref
        row = _ROW(
            CommandKind.CANCEL, 0, 0, 0, 0, 0, ROW_VERSION, form, listing.instrument, account, 0,
            0, 0, order, hi, lo, 0, len(body),
        )  # fmt: skip
        return Entry(row, body, CommandKind.CANCEL, listing, account, side=side, order=order, client_order_id=text)

    # Outcomes

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
        return self._entered(form, entry, events, seq, ts_ns)

    def bid_answer(self, account: int, sale: int, lot: int, maximum: str, events: np.ndarray, seq: int) -> dict:
        """The answer to a bid: the bidder's own place in the lot, now. Raises Problem for a refusal."""
        first = events[0]
        kind = EventKind(int(first["kind"]))
        duplicate = kind == EventKind.DUPLICATE
        if kind in (EventKind.REJECTED, EventKind.BID_LATE) or (duplicate and first["reason"]):
            raise of_reason(int(first["reason"]) or Reason.BID_LATE, seq=seq)
        seen = account_view(self.machine.venue.sales[sale], account).lots[lot - 1]
        return {
            "status": "accepted",
            "sale": sale,
            "lot": lot,
            "leading": bool(seen.you_lead),
            "price": seen.price,
            "maximum": seen.your_maximum or maximum,
            "duplicate": duplicate,
            "seq": int(first["counter_order"]) if duplicate else seq,
        }

    def _refusal(self, reason: int, event: np.void, **extra: Any) -> Problem:
        if reason == Reason.STALE_REF:
            extra["last_taken"] = int(event["counter_order"])
        return of_reason(reason, **extra)

    def _entered(self, form: Form, entry: Entry, events: np.ndarray, seq: int, ts_ns: int) -> dict[str, Any]:
        order, filled, cancelled = int(events["order"][0]), 0, 0
        fills = []
        scale = scale_of(entry.listing.tick_size)
        for event in events[1:]:
            qty = int(event["qty"])
            if event["kind"] == EventKind.FILL:
                filled += qty
                fills.append(
                    {
                        "price": form.price(int(event["price"]), scale),
                        "quantity": form.qty(qty),
                        "fill_id": f"{seq}-{int(event['index'])}",
                    }
                )
            elif event["kind"] == EventKind.CANCELLED:
                cancelled += qty
        rest = entry.qty - filled - cancelled
        view = self._order_view(form, entry, order, filled, rest, seq, ts_ns)
        view["state"] = "cancelled" if cancelled else "filled" if not rest else "partial" if filled else "open"
        if cancelled:
            view["reason"] = name_of(Reason, int(events["reason"][-1]))
        view["duplicate"] = False
        view["fills"] = fills
        return view

    def _order_view(
        self, form: Form, entry: Entry, order: int, filled: int, rest: int, seq: int, ts_ns: int
    ) -> dict[str, Any]:
        priced = entry.type != OrderType.MARKET
        return {
            "status": "accepted",
            "order_id": form.order_id(order),
            "client_order_id": entry.client_order_id,
            "instrument": entry.listing.symbol,
            "side": name_of(Side, entry.side),
            "type": name_of(OrderType, entry.type),
            "price": form.price(entry.price, scale_of(entry.listing.tick_size)) if priced else None,
            "quantity": form.qty(entry.qty),
            "filled_quantity": form.qty(filled),
            "open_quantity": form.qty(rest),
            "time_in_force": name_of(TimeInForce, entry.tif),
            "seq": seq,
            "ts_engine": form.time(ts_ns),
        }

    def _duplicate(self, form: Form, entry: Entry, order: int, seq: int, ts_ns: int) -> dict[str, Any]:
        row = self.machine.hot.order(order)
        if row is None:
            view = self._order_view(form, entry, order, 0, 0, seq, ts_ns)
            view |= {"filled_quantity": None, "open_quantity": form.qty(0), "state": None}
        else:
            entered, rest = int(row["entered_qty"]), int(row["qty"])
            view = self._order_view(form, entry, order, entered - rest, rest, seq, ts_ns)
            view["state"] = "open" if rest == entered else "partial"
        view["duplicate"] = True
        return view

    def _cancelled(self, form: Form, entry: Entry, event: np.void, seq: int, ts_ns: int) -> dict[str, Any]:
        unpriced = bool(int(event["flags"]) & EventFlag.UNPRICED)
        price = form.price(int(event["price"]), scale_of(entry.listing.tick_size))
        return {
            "status": "accepted",
            "order_id": form.order_id(int(event["order"])),
            "client_order_id": entry.client_order_id,
            "instrument": entry.listing.symbol,
            "side": name_of(Side, int(event["side"])),
            "price": None if unpriced else price,
            "cancelled_quantity": form.qty(int(event["qty"])),
            "open_quantity": form.qty(0),
            "state": "cancelled",
            "seq": seq,
            "ts_engine": form.time(ts_ns),
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What a command about an existing order must repeat of it."""

    account: int
    instrument: int
    side: int
    type: int


def own_events(events: np.ndarray) -> np.ndarray:
    """EVENT[k] without what timers caused: those events only stand under the same sequence."""
    by_timer = (events["flags"] & EventFlag.BY_TIMER) != 0
    return events[~by_timer] if by_timer.any() else events


def ref_of(text: str, pointer: str = "/client_order_id") -> tuple[RefForm, int, int, bytes]:
    """(form, hi, lo, body) of a text id; the body is the text where the ref is only its digest."""
    try:
        form, hi, lo = text_ref(text)
    except ValueError as error:
        raise Problem("id_invalid", f"{error}.", pointer=pointer) from None
    return form, hi, lo, text.encode("ascii") if form == RefForm.DIGEST else b""


def ticks_of(price: str | int, tick_size: Fraction, pointer: str = "/price") -> int:
    """Ticks of a price on the wire, in the range that a row can hold."""
    try:
        ticks = price if isinstance(price, int) else units.price_to_ticks(price, tick_size)
    except units.UnitError as error:
        raise Problem(error.code, f"{error}.", pointer=pointer, status=422) from None
    if abs(ticks) > PRICE_TICKS_MAX:
        raise Problem("price_range", f"The price is more than {PRICE_TICKS_MAX} ticks.", pointer=pointer)
    return ticks


def lots_of(quantity: str | int, pointer: str = "/quantity") -> int:
    """Lots of a quantity on the wire, 1 to QTY_LOTS_MAX."""
    try:
        lots = quantity if isinstance(quantity, int) else units.qty_to_lots(quantity)
    except units.UnitError as error:
        raise Problem(error.code, f"{error}.", pointer=pointer, status=422) from None
    if not 1 <= lots <= QTY_LOTS_MAX:
        raise Problem("qty_range", f"The quantity must be from 1 to {QTY_LOTS_MAX}.", pointer=pointer)
    return lots
