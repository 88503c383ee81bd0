"""What a client may say on a WebSocket: one struct an op, in JSON and in msgpack.

The two forms differ where the wire does: prices, quantities and order ids are text in JSON, integers in msgpack; packed
rows exist in msgpack alone. Unknown fields are refused, so that a misspelt one is never silently left out.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from engine.limits import CANCEL_AFTER_NS_MAX, HTTP_ORDERS_PER_BATCH_MAX, SALE_LOTS_MAX, SALES_MAX
from gateway.problems import of_validation
from gateway.rest.schemas import (
    ClientId,
    OrderOptions,
    OrderRequest,
    OrderTerms,
    PriceText,
    QuantityText,
    SideName,
    Symbol,
    TimeText,
    TypeName,
)

Id = Annotated[str, Meta(max_length=64)] | int | None
OrderIdText = Annotated[str, Meta(pattern=r"^[0-9]{1,19}$")]
OrderIdNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Ticks = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
TimeNs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SaleNumber = Annotated[int, Meta(ge=1, le=SALES_MAX)]
Orders = Meta(min_length=1, max_length=HTTP_ORDERS_PER_BATCH_MAX)


class Message(Struct, tag_field="op", forbid_unknown_fields=True, kw_only=True):
    id: Id = None


class Auth(Message, tag="auth"):
    token: Annotated[str, Meta(max_length=256)]


class Ping(Message, tag="ping"):
    pass


class Subscribe(Message, tag="subscribe"):
    channel: Annotated[str, Meta(max_length=32)]
    instrument: Annotated[str, Meta(max_length=32)] | None = None
    depth: int | None = None
    sale: SaleNumber | None = None


class Unsubscribe(Message, tag="unsubscribe"):
    channel: Annotated[str, Meta(max_length=32)]
    instrument: Annotated[str, Meta(max_length=32)] | None = None
    depth: int | None = None
    sale: SaleNumber | None = None


class Resync(Message, tag="resync", kw_only=True):
    channel: Annotated[str, Meta(max_length=32)]
    instrument: Annotated[str, Meta(max_length=32)] | None = None
    depth: int | None = None
    sale: SaleNumber | None = None
    from_seq: Annotated[int, Meta(ge=0, le=2**63 - 1)] = msgspec.field(name="from")


class Order(OrderRequest, tag="order", tag_field="op", kw_only=True):
    id: Id = None


class OrdersMessage(Message, tag="orders"):
    orders: Annotated[list[OrderRequest], Orders]


class Cancel(Message, tag="cancel"):
    order_id: OrderIdText | None = None
    client_order_id: ClientId | None = None
    instrument: Symbol | None = None


class Replace(OrderTerms, tag="replace", tag_field="op", kw_only=True):
    id: Id = None
    order_id: OrderIdText | None = None
    target_client_order_id: ClientId | None = None  # instead of the venue's id
    instrument: Symbol | None = None


class Amend(Message, tag="amend"):
    quantity: QuantityText
    client_order_id: ClientId
    order_id: OrderIdText | None = None
    target_client_order_id: ClientId | None = None  # instead of the venue's id
    valid_until: TimeText | None = None


class MassCancel(Message, tag="cancel_all"):
    """Every open order of the account, or those of one instrument, of one side."""

    instrument: Symbol | None = None
    side: SideName | None = None


class CancelAfter(Message, tag="cancel_after"):
    """Cancel every open order of the account unless this is said again in time; 0: off."""

    timeout_seconds: Annotated[int, Meta(ge=0, le=CANCEL_AFTER_NS_MAX // 10**9)]


class BidMessage(Message, tag="bid", kw_only=True):
    """Lot and maximum, or an offer of any mechanism: {"kind": ...}."""

    sale: SaleNumber
    client_bid_id: ClientId
    lot: Annotated[int, Meta(ge=1, le=SALE_LOTS_MAX)] | None = None
    maximum: PriceText | None = None
    offer: dict[str, Any] | None = None


class TermsPacked(OrderOptions, kw_only=True):
    """As OrderTerms: prices in ticks, quantities in lots, times in ns."""

    quantity: Ticks
    client_order_id: ClientId
    price: Ticks | None = None
    display_quantity: Ticks | None = None
    minimum_quantity: Ticks | None = None
    stop_price: Ticks | None = None
    expire_at: TimeNs | None = None
    valid_until: TimeNs | None = None


class OneOrderPacked(TermsPacked, kw_only=True):
    instrument: Symbol
    side: SideName
    type: TypeName = "limit"


class OrdersBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A msgpack body of POST /v1/orders/batch."""

    orders: Annotated[list[OneOrderPacked], Orders]


class ReplaceBody(TermsPacked, kw_only=True):
    """A msgpack body of POST /v1/orders/{order_id}/replace."""


class AmendBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A msgpack body of POST /v1/orders/{order_id}/amend."""

    quantity: Ticks
    client_order_id: ClientId
    valid_until: TimeNs | None = None


class OrderPacked(OneOrderPacked, tag="order", tag_field="op", kw_only=True):
    id: Id = None


class OrdersPacked(Message, tag="orders"):
    orders: Annotated[list[OneOrderPacked], Orders]


class CancelPacked(Message, tag="cancel"):
    order_id: OrderIdNumber | None = None
    client_order_id: ClientId | None = None
    instrument: Symbol | None = None


class ReplacePacked(TermsPacked, tag="replace", tag_field="op", kw_only=True):
    id: Id = None
    order_id: OrderIdNumber | None = None
    target_client_order_id: ClientId | None = None  # instead of the venue's id
    instrument: Symbol | None = None


class AmendPacked(Message, tag="amend"):
    quantity: Ticks
    client_order_id: ClientId
    order_id: OrderIdNumber | None = None
    target_client_order_id: ClientId | None = None  # instead of the venue's id
    valid_until: TimeNs | None = None


class Rows(Message, tag="rows"):
    """Whole COMMAND rows of 64 bytes, and the EXTENSION rows of 64 bytes that their `extension` numbers from 1."""

    rows: bytes
    extensions: bytes = b""


_BOTH = Auth | Ping | Subscribe | Unsubscribe | Resync | BidMessage | MassCancel | CancelAfter
_JSON: Any = msgspec.json.Decoder(_BOTH | Order | OrdersMessage | Cancel | Replace | Amend)
_PACK: Any = msgspec.msgpack.Decoder(
    _BOTH | OrderPacked | OrdersPacked | CancelPacked | ReplacePacked | AmendPacked | Rows
)


class _JustId(Struct):
    id: Id = None


_JSON_ID: Any = msgspec.json.Decoder(_JustId)
_PACK_ID: Any = msgspec.msgpack.Decoder(_JustId)


def decode(data: str | bytes, *, text: bool) -> Any:
    """One client message. Raises Problem with the pointer of what does not fit; `extra["id"]` is the sender's id."""
    try:
        return (_JSON if text else _PACK).decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        problem = of_validation(error)
        if problem.pointer == "/op":
            problem.code = "op_unknown" if problem.code == "invalid_field" else problem.code
        problem.extra["id"] = _id_of(data, text=text)
        raise problem from None


def _id_of(data: str | bytes, *, text: bool) -> Id:
    """The id of a message that otherwise does not fit, so that its sender can tell which it was."""
    try:
        return (_JSON_ID if text else _PACK_ID).decode(data).id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
