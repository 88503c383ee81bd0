"""What a client may say on a WebSocket: one struct an op, in JSON and in msgpack.

The two forms differ where the wire does: prices, quantities and order ids are text in JSON, integers in msgpack; packed
rows exist in msgpack alone. Unknown fields are refused, so that a misspelt one is never silently left out.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from engine.limits import HTTP_ORDERS_PER_BATCH_MAX, SALE_LOTS_MAX, SALES_MAX
from gateway.problems import of_validation
from gateway.rest.schemas import (
    ClientId,
    PriceText,
    QuantityText,
    SideName,
    Symbol,
    TimeInForceName,
    TypeName,
)

Id = Annotated[str, Meta(max_length=64)] | int | None
OrderIdText = Annotated[str, Meta(pattern=r"^[0-9]{1,19}$")]
OrderIdNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Ticks = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
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


class Unsubscribe(Message, tag="unsubscribe"):
    channel: Annotated[str, Meta(max_length=32)]
    instrument: Annotated[str, Meta(max_length=32)] | None = None
    depth: int | None = None


class Resync(Message, tag="resync", kw_only=True):
    channel: Annotated[str, Meta(max_length=32)]
    instrument: Annotated[str, Meta(max_length=32)] | None = None
    depth: int | None = None
    from_seq: Annotated[int, Meta(ge=0, le=2**63 - 1)] = msgspec.field(name="from")


class OneOrder(Struct, forbid_unknown_fields=True, kw_only=True):
    """One of several in an `orders` message."""

    instrument: Symbol
    side: SideName
    quantity: QuantityText
    client_order_id: ClientId
    type: TypeName = "limit"
    price: PriceText | None = None
    time_in_force: TimeInForceName = "gtc"


class Order(OneOrder, tag="order", tag_field="op", kw_only=True):
    id: Id = None


class OrdersMessage(Message, tag="orders"):
    orders: Annotated[list[OneOrder], Orders]


class Cancel(Message, tag="cancel"):
    order_id: OrderIdText | None = None
    client_order_id: ClientId | None = None
    instrument: Symbol | None = None


class Replace(Message, tag="replace"):
    order_id: OrderIdText
    price: PriceText
    quantity: QuantityText
    client_order_id: ClientId
    instrument: Symbol | None = None
    time_in_force: TimeInForceName = "gtc"


class BidMessage(Message, tag="bid"):
    sale: Annotated[int, Meta(ge=1, le=SALES_MAX)]
    lot: Annotated[int, Meta(ge=1, le=SALE_LOTS_MAX)]
    maximum: PriceText
    client_bid_id: ClientId


class OneOrderPacked(Struct, forbid_unknown_fields=True, kw_only=True):
    instrument: Symbol
    side: SideName
    quantity: Ticks
    client_order_id: ClientId
    type: TypeName = "limit"
    price: Ticks | None = None
    time_in_force: TimeInForceName = "gtc"


class OrdersBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A msgpack body of POST /v1/orders/batch."""

    orders: Annotated[list[OneOrderPacked], Orders]


class ReplaceBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A msgpack body of POST /v1/orders/{order_id}/replace."""

    price: Ticks
    quantity: Ticks
    client_order_id: ClientId
    time_in_force: TimeInForceName = "gtc"


class OrderPacked(OneOrderPacked, tag="order", tag_field="op", kw_only=True):
    id: Id = None


class OrdersPacked(Message, tag="orders"):
    orders: Annotated[list[OneOrderPacked], Orders]


class CancelPacked(Message, tag="cancel"):
    order_id: OrderIdNumber | None = None
    client_order_id: ClientId | None = None
    instrument: Symbol | None = None


class ReplacePacked(Message, tag="replace"):
    order_id: OrderIdNumber
    price: Ticks
    quantity: Ticks
    client_order_id: ClientId
    instrument: Symbol | None = None
    time_in_force: TimeInForceName = "gtc"


class Rows(Message, tag="rows"):
    """Whole COMMAND rows of 64 bytes."""

    rows: bytes


_BOTH = Auth | Ping | Subscribe | Unsubscribe | Resync | BidMessage
_JSON: Any = msgspec.json.Decoder(_BOTH | Order | OrdersMessage | Cancel | Replace)
_PACK: Any = msgspec.msgpack.Decoder(_BOTH | OrderPacked | OrdersPacked | CancelPacked | ReplacePacked | Rows)


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
