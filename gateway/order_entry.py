"""Requests into command rows, and events back into answers: the one translation that REST and WebSocket share.

It checks what a row cannot express (a decimal off the tick, a name that nothing has) and leaves every market rule to
the engine. The account of a row is always the key's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Protocol

import numpy as np

from engine.codes import CommandKind, OrderType, Reason, RefForm, Side, TimeInForce
from engine.domain.instruments import Instrument
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Bid, CancelAfter, MassCancel
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.messages.sales.commands import Offer
from engine.state.sales.sale import Sale
from gateway.order_answers import Answers, Entry
from gateway.order_terms import TermsRequest, extension_row, lots_of, terms_of, valid_until_of
from gateway.problems import Problem, of_reason
from gateway.sales.offers import BidTerms, offer_of

# kind side type tif flags stp version ref_form | instrument account connection price | qty order | ref | ext body
_ROW = Struct("<8B3Ii2q2Q2I").pack
SIDES = {side.name.lower(): side for side in Side}
TYPES = {kind.name.lower(): kind for kind in OrderType}
TIFS = {tif.name.lower(): tif for tif in TimeInForce}
NANOSECONDS = 10**9
_NO_REF = (RefForm.NONE, 0, 0)


class OrderRequest(TermsRequest, Protocol):
    """A new order."""

    @property
    def instrument(self) -> str: ...

    @property
    def side(self) -> str: ...

    @property
    def type(self) -> str: ...


class AmendRequest(Protocol):
    @property
    def quantity(self) -> Any: ...

    @property
    def client_order_id(self) -> str: ...

    @property
    def valid_until(self) -> Any: ...


class MassCancelRequest(Protocol):
    @property
    def instrument(self) -> str | None: ...

    @property
    def side(self) -> str | None: ...


def batch_of(entries: Sequence[Entry]) -> Batch:
    """Extension rows are numbered in the order of their commands."""
    raw, extensions = b"".join(entry.row for entry in entries), b"".join(entry.extension for entry in entries)
    blob = b"".join(entry.body for entry in entries)
    if not extensions:
        return Batch(np.frombuffer(raw, COMMAND), blob=blob)
    rows = np.frombuffer(bytearray(raw), COMMAND)
    having = rows["extension"] != 0
    rows["extension"][having] = np.arange(1, having.sum() + 1)
    return Batch(rows, np.frombuffer(extensions, EXTENSION), blob)


class Desk(Answers):
    """Drafts commands against the venue as it stands and reads their outcomes."""

    def new(self, account: int, request: OrderRequest) -> Entry:
        """Raises Problem as `terms_of`, and instrument_unknown, id_invalid."""
        listing = self.listing(request.instrument)
        side, kind = SIDES[request.side], TYPES[request.type]
        return self._entry(CommandKind.NEW, account, listing, side, kind, 0, request)

    def replace(self, account: int, order: int, request: TermsRequest, known: Known | None = None) -> Entry:
        """All terms anew under the same id; `known` names an order that is no longer open, so that a repeated request
        is the same command. Raises Problem as `new`, and order_unknown."""
        target = self.known(order) or known
        if target is None:
            raise of_reason(Reason.ORDER_UNKNOWN)
        listing = self.machine.venue.instruments[target.instrument]
        return self._entry(CommandKind.REPLACE, account, listing, target.side, target.type, order, request)

    def amend(self, account: int, order: int, request: AmendRequest, known: Known | None = None) -> Entry:
        """Another total quantity; less of it keeps the order's place. `known` as in `replace`. Raises Problem."""
        target = self.known(order) or known
        if target is None:
            raise of_reason(Reason.ORDER_UNKNOWN)
        listing = self.machine.venue.instruments[target.instrument]
        form, hi, lo, body = ref_of(request.client_order_id)
        qty, extension = lots_of(request.quantity, least=0), extension_row(valid_until=valid_until_of(request))
        row = _ROW(
            CommandKind.AMEND, 0, 0, 0, 0, 0, ROW_VERSION, form, listing.instrument, account, 0,
            0, qty, order, hi, lo, bool(extension), len(body),
        )  # fmt: skip
        return Entry(
            row, body, CommandKind.AMEND, listing, account, target.side, target.type, target.tif, target.price, qty,
            order, request.client_order_id, extension, target.display_qty, target.stop_price, target.expire_at,
        )  # fmt: skip

    def mass_cancel(self, account: int, request: MassCancelRequest, ref: tuple[int, int, int] = _NO_REF) -> Batch:
        """Every open order of the account that fulfils all that is said. Raises Problem: instrument_unknown."""
        instrument = 0 if request.instrument is None else self.listing(request.instrument).instrument
        side = None if request.side is None else int(SIDES[request.side])
        return cold(MassCancel(0, instrument, side), account=account, ref=ref)

    def cancel_after(self, account: int, timeout_seconds: int, ref: tuple[int, int, int] = _NO_REF) -> Batch:
        return cold(CancelAfter(timeout_seconds * NANOSECONDS), account=account, ref=ref)

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
        target = self.known(self.named(account, client_order_id))
        assert target is not None, "an order found by its name is open"
        listing = self.machine.venue.instruments[target.instrument]
        return self._cancel(account, listing, 0, (form, hi, lo), body, target.side, client_order_id)

    def named(self, account: int, client_order_id: str, pointer: str = "/client_order_id") -> int:
        """The venue's id of the open order that its owner named so. Raises Problem: id_invalid, order_unknown."""
        form, hi, lo, _ = ref_of(client_order_id, pointer)
        order = self.machine.hot.order_of_text(account, form, hi, lo)
        if order is None:
            raise Problem("order_unknown", "There is no open order by this name.", pointer=pointer, status=404)
        return order

    def bid(self, account: int, number: int, request: BidTerms, sealed: Offer | None = None) -> tuple[Batch, int]:
        """A maximum on a lot, or an offer of any mechanism (`sealed`: the offer that was made of it); and the lot that
        it is about (0: none alone). Raises Problem: sale_unknown, malformed, off_tick, price_range, id_invalid,
        invalid_field."""
        sale = self.sale(number)
        form, hi, lo, _ = ref_of(request.client_bid_id, "/client_bid_id")
        offer = sealed or offer_of(sale, request)
        return cold(Bid(number, offer), account=account, ref=(form, hi, lo)), getattr(offer, "lot", 0)

    def sale(self, number: int) -> Sale:
        sale = self.machine.venue.sales.get(number)
        if sale is None:
            raise of_reason(Reason.SALE_UNKNOWN)
        return sale

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
        extra = self.machine.hot.extra_of(order)
        peak, stop_price, expire_at = 0, None, 0
        if extra is not None:
            peak, expire_at = int(extra["peak"]), int(extra["expire_at"])
            stop_price = int(extra["stop_price"]) if extra["waiting"] else None
        return Known(
            int(row["account"]), int(row["instrument"]), int(row["side"]), int(row["type"]), int(row["tif"]),
            int(row["price"]), peak, stop_price, expire_at,
        )  # fmt: skip

    def _entry(
        self, kind: CommandKind, account: int, listing: Instrument, side: int, type_: int, order: int,
        request: TermsRequest,
    ) -> Entry:  # fmt: skip
        form, hi, lo, body = ref_of(request.client_order_id)
        terms = terms_of(request, type_, listing.tick_size)
        row = _ROW(
            kind, side, type_, terms.tif, terms.flags, terms.stp, ROW_VERSION, form, listing.instrument, account, 0,
            terms.price, terms.qty, order, hi, lo, bool(terms.extension), len(body),
        )  # fmt: skip
        return Entry(
            row, body, kind, listing, account, side, type_, terms.tif, terms.price, terms.qty, order,
            request.client_order_id, terms.extension, terms.display_qty, terms.stop_price, terms.expire_at,
        )  # fmt: skip

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


@dataclass(frozen=True, slots=True)
class Known:
    """What a command about an existing order must repeat of it."""

    account: int
    instrument: int
    side: int
    type: int
    tif: int = TimeInForce.GTC
    price: int = 0
    display_qty: int = 0
    stop_price: int | None = None  # of one that waits for it
    expire_at: int = 0


def ref_of(text: str, pointer: str = "/client_order_id") -> tuple[RefForm, int, int, bytes]:
    """(form, hi, lo, body) of a text id; the body is the text where the ref is only its digest."""
    try:
        form, hi, lo = text_ref(text)
    except ValueError as error:
        raise Problem("id_invalid", f"{error}.", pointer=pointer) from None
    return form, hi, lo, text.encode("ascii") if form == RefForm.DIGEST else b""
