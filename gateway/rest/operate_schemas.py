"""Requests and answers of the operator's routes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine import limits
from engine.messages.bodies import Code, Currency, Label
from gateway.rest.schemas import (
    AccountId,
    LimitsOf,
    PriceText,
    QuantityText,
    Request,
    SideName,
    StockOf,
    Symbol,
)

Why = Annotated[str, Meta(max_length=256)]
Worth = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,18})$")]  # |price in ticks| x lots x multiplier
SignedLots = Annotated[str, Meta(pattern=r"^-?[1-9][0-9]{0,18}$")]
Bps = Annotated[int, Meta(ge=0, le=limits.COLLAR_BPS_MAX)]


class KillSwitchRequest(Request):
    on: bool
    cancel: bool = False  # with `on`: every open order
    why: Why = ""


class AccountChangeRequest(Request):
    """What is left out stays."""

    group: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None
    coop: bool | None = None
    frozen: bool | None = None
    cancel: bool = False  # of one that is frozen: its open orders
    why: Why = ""


class LimitsRequest(Request):
    """0: no limit."""

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    buy_max: Worth = "0"
    sell_max: Worth = "0"
    orders_max: Annotated[int, Meta(ge=0, le=limits.ORDERS_MAX)] = 0


class DepositRequest(Request):
    instrument: Symbol
    lots: SignedLots  # negative: taken out
    why: Why = ""


class OperatorCancelRequest(Request):
    """Orders that fulfil all that is said, in any phase."""

    account: AccountId | None = None
    instrument: Symbol | None = None
    side: SideName | None = None


class InstrumentRequest(Request):
    """A new instrument, closed at first. Prices are decimal text in `price_unit`."""

    symbol: Code
    name: Label
    commodity: Label
    tick_size: PriceText
    price_unit: Literal["USc/lb", "USD/lb", "USD/t", "USD/kg", "PEN/kg"]
    lot_kg: PriceText
    lot_unit: Label
    currency: Currency
    price_min: PriceText | None = None
    price_max: PriceText | None = None
    qty_max: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)] = 1_000_000
    reference: PriceText | None = None
    rules: Annotated[str, Meta(pattern="^[a-z0-9_]{1,40}$")] = "harvest"
    attributes: dict[str, str] = {}
    source: Annotated[str, Meta(max_length=256)] = ""
    multiplier: Annotated[int, Meta(ge=1, le=limits.MULTIPLIER_MAX)] = 1
    deposit: bool = False
    classes: bool = False
    collar_floor: PriceText | None = None
    collar_bps: Bps = 0
    extension_seconds: Annotated[int, Meta(ge=0, le=limits.EXTENSION_NS_MAX // 10**9)] = 0
    extensions_max: Annotated[int, Meta(ge=0, le=limits.EXTENSIONS_MAX)] = 0
    widen_bps: Annotated[int, Meta(ge=0, le=limits.WIDEN_BPS_MAX)] = 0
    after_extensions: Literal["print", "halt"] = "print"


class InstrumentChangeRequest(Request):
    """What is left out stays. Half a collar is the greater of its floor and so many bps of the reference."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    attributes: dict[str, str] | None = None
    source: Annotated[str, Meta(max_length=256)] | None = None
    reference: PriceText | None = None
    qty_max: QuantityText | None = None
    rules: Annotated[str, Meta(pattern="^[a-z0-9_]{1,40}$")] | None = None
    collar_floor: PriceText | None = None
    collar_bps: Bps | None = None
    extension_seconds: Annotated[int, Meta(ge=0, le=limits.EXTENSION_NS_MAX // 10**9)] | None = None
    extensions_max: Annotated[int, Meta(ge=0, le=limits.EXTENSIONS_MAX)] | None = None
    widen_bps: Annotated[int, Meta(ge=0, le=limits.WIDEN_BPS_MAX)] | None = None
    after_extensions: Literal["print", "halt"] | None = None


class DelistRequest(Request):
    why: Why = ""


class ReferenceRequest(Request):
    reference: PriceText | None  # None: there is none


class BustRequest(Request):
    why: Why = ""


class CorrectRequest(Request):
    price: PriceText
    quantity: QuantityText
    why: Why = ""


class KillSwitchAnswer(Struct):
    status: Literal["accepted"]
    on: bool
    cancelled_orders: int
    seq: int
    duplicate: bool
    as_of: int


class AccountChangeAnswer(Struct):
    status: Literal["accepted"]
    account: int
    group: int
    coop: bool
    frozen: bool
    cancelled_orders: int
    seq: int
    duplicate: bool
    as_of: int


class AccountDetail(Struct):
    account: int
    label: str
    kind: str
    group: int
    coop: bool
    frozen: bool
    open_orders: int
    limits: list[LimitsOf]
    stock: list[StockOf]
    as_of: int


class DepositAnswer(Struct):
    status: Literal["accepted"]
    account: int
    instrument: str
    lots: str  # there are now
    seq: int
    duplicate: bool
    as_of: int


class DelistAnswer(Struct):
    status: Literal["accepted"]
    instrument: str
    cancelled_orders: int
    seq: int
    duplicate: bool
    as_of: int


class CorrectionAnswer(Struct):
    """A trade as it holds from here on; `busted`: as if it had not been."""

    status: Literal["accepted"]
    fill_id: str
    instrument: str
    price: str
    quantity: str
    busted: bool
    seq: int
    duplicate: bool
    as_of: int
