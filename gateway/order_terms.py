"""An order's terms on their way from the wire into a command row and its extension row."""

from __future__ import annotations

from fractions import Fraction
from struct import Struct
from typing import Any, NamedTuple, Protocol

from engine.codes import OrderFlag, OrderType, Reason, StpMode, TimeInForce
from engine.domain import units
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from gateway.forms import time_ns
from gateway.problems import Problem, of_reason

TIFS = {tif.name.lower(): tif for tif in TimeInForce}
STP = {mode.name.lower(): mode for mode in StpMode}
UNPRICED_TYPES = (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP)
STOP_TYPES = (OrderType.STOP, OrderType.STOP_LIMIT)
# display_qty min_qty stop_price target_form | expire_at valid_until | principal group target
_EXTENSION = Struct("<2qiB3x2q2I2Q").pack


class TermsRequest(Protocol):
    """Prices, quantities and times are text in JSON; ticks, lots and ns in msgpack."""

    @property
    def price(self) -> Any: ...

    @property
    def quantity(self) -> Any: ...

    @property
    def client_order_id(self) -> str: ...

    @property
    def time_in_force(self) -> str: ...

    @property
    def post_only(self) -> bool: ...

    @property
    def slide(self) -> bool: ...

    @property
    def all_or_none(self) -> bool: ...

    @property
    def stp(self) -> str: ...

    @property
    def stp_scope(self) -> str: ...

    @property
    def display_quantity(self) -> Any: ...

    @property
    def minimum_quantity(self) -> Any: ...

    @property
    def stop_price(self) -> Any: ...

    @property
    def expire_at(self) -> Any: ...

    @property
    def valid_until(self) -> Any: ...


class Terms(NamedTuple):
    """`extension` is one EXTENSION row, or nothing where all of it would be zero."""

    tif: int
    flags: int
    stp: int
    price: int
    qty: int
    display_qty: int
    stop_price: int | None
    expire_at: int
    extension: bytes


def terms_of(request: TermsRequest, type_: int, tick_size: Fraction) -> Terms:
    """Raises Problem: missing_field, malformed, off_tick, off_lot, price_range, qty_range, price_not_allowed,
    terms_conflict."""
    tif, stp = TIFS[request.time_in_force], STP[request.stp]
    flags = (
        OrderFlag.POST_ONLY * request.post_only
        | OrderFlag.SLIDE * request.slide
        | OrderFlag.ALL_OR_NONE * request.all_or_none
        | OrderFlag.STP_GROUP * (request.stp_scope == "group" and stp != StpMode.NONE)
    )
    price = _price_of(request, type_, tick_size)
    stop_price = _stop_price_of(request, type_, tick_size)
    display_qty = _lots_or_0(request.display_quantity, "/display_quantity")
    min_qty = _lots_or_0(request.minimum_quantity, "/minimum_quantity")
    expire_at, valid_until = _ns_or_0(request.expire_at, "/expire_at"), _ns_or_0(request.valid_until, "/valid_until")
    if tif == TimeInForce.GTD and not expire_at:
        raise Problem("missing_field", "A gtd order says when it expires.", pointer="/expire_at")
    return Terms(
        tif,
        flags,
        stp,
        price,
        lots_of(request.quantity),
        display_qty,
        stop_price,
        expire_at,
        extension_row(display_qty, min_qty, stop_price or 0, expire_at, valid_until),
    )


def extension_row(
    display_qty: int = 0, min_qty: int = 0, stop_price: int = 0, expire_at: int = 0, valid_until: int = 0
) -> bytes:
    """One EXTENSION row, nothing where all of it would be zero."""
    if not (display_qty or min_qty or stop_price or expire_at or valid_until):
        return b""
    return _EXTENSION(display_qty, min_qty, stop_price, 0, expire_at, valid_until, 0, 0, 0, 0)


def valid_until_of(request: Any) -> int:
    return _ns_or_0(request.valid_until, "/valid_until")


def _price_of(request: TermsRequest, type_: int, tick_size: Fraction) -> int:
    if type_ in UNPRICED_TYPES:
        if request.price is not None:
            raise of_reason(Reason.PRICE_NOT_ALLOWED)
        return 0
    if request.price is None:
        raise Problem("missing_field", "An order of this type has a price.", pointer="/price")
    return ticks_of(request.price, tick_size)


def _stop_price_of(request: TermsRequest, type_: int, tick_size: Fraction) -> int | None:
    """A row cannot tell a stop price of 0 from none: both ways round it is asked for here."""
    if type_ not in STOP_TYPES:
        if request.stop_price is not None:
            problem = of_reason(Reason.TERMS_CONFLICT)
            problem.pointer = "/stop_price"
            raise problem
        return None
    if request.stop_price is None:
        raise Problem("missing_field", "A stop order has a stop price.", pointer="/stop_price")
    return ticks_of(request.stop_price, tick_size, "/stop_price")


def _lots_or_0(quantity: str | int | None, pointer: str) -> int:
    return 0 if quantity is None else lots_of(quantity, pointer)


def _ns_or_0(time: str | int | None, pointer: str) -> int:
    if time is None:
        return 0
    try:
        ns = time if isinstance(time, int) else time_ns(time)
    except ValueError as error:
        raise Problem("invalid_field", f"{error}.", pointer=pointer) from None
    return ns or 1  # 0 would be none


def ticks_of(price: str | int, tick_size: Fraction, pointer: str = "/price") -> int:
    """Ticks of a price on the wire, in the range that a row can hold."""
    try:
        ticks = price if isinstance(price, int) else units.price_to_ticks(price, tick_size)
    except units.UnitError as error:
        raise Problem(error.code, f"{error}.", pointer=pointer, status=422) from None
    if abs(ticks) > PRICE_TICKS_MAX:
        raise Problem("price_range", f"The price is more than {PRICE_TICKS_MAX} ticks.", pointer=pointer)
    return ticks


def lots_of(quantity: str | int, pointer: str = "/quantity", least: int = 1) -> int:
    """Lots of a quantity on the wire, `least` to QTY_LOTS_MAX."""
    try:
        lots = quantity if isinstance(quantity, int) else units.qty_to_lots(quantity)
    except units.UnitError as error:
        raise Problem(error.code, f"{error}.", pointer=pointer, status=422) from None
    if not least <= lots <= QTY_LOTS_MAX:
        raise Problem("qty_range", f"The quantity must be from {least} to {QTY_LOTS_MAX}.", pointer=pointer)
    return lots
