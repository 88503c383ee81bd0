"""Every request and answer of the REST interface as a struct: what validates is also what the OpenAPI document says.

Requests are decoded into these structs and refuse unknown fields. Answers are built as views (the same for REST and
feeds) and described by the structs below; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import limits
from engine.messages.refs import CLIENT_ID_PATTERN

SideName = Literal["buy", "sell"]
TypeName = Literal["limit", "market"]
TimeInForceName = Literal["gtc", "ioc", "fok"]
PhaseName = Literal["closed", "pre_open", "call", "no_cancel", "frozen", "continuous", "halted"]
RoleName = Literal["read", "trade", "operate", "admin"]
StateName = Literal["open", "partial", "filled", "cancelled"]
IntervalName = Literal["1s", "1m", "5m", "15m", "1h", "1d"]

# Shown in the document; the venue itself says `malformed`, `id_invalid` and so on for what does not match.
_DECIMAL = {"pattern": r"^-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?$"}
PriceText = Annotated[str, Meta(max_length=32, extra_json_schema=_DECIMAL, examples=["335.25"])]
QuantityText = Annotated[
    str, Meta(max_length=32, extra_json_schema={"pattern": r"^[1-9][0-9]{0,12}$"}, examples=["275"])
]
ClientId = Annotated[
    str, Meta(max_length=64, extra_json_schema={"pattern": CLIENT_ID_PATTERN}, examples=["lot-17.offer-1"])
]
OrderIdText = Annotated[str, Meta(pattern=r"^[0-9]{1,19}$")]
Symbol = Annotated[str, Meta(max_length=32, examples=["PE-WASHED-AA"])]
TimeText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
SaleId = Annotated[int, Meta(ge=1, le=limits.SALES_MAX)]
LotNumber = Annotated[int, Meta(ge=1, le=limits.SALE_LOTS_MAX)]
AccountId = Annotated[int, Meta(ge=1, le=limits.ACCOUNTS_MAX)]
Cursor = Annotated[str, Meta(max_length=64, pattern=r"^[0-9A-Za-z:._-]*$")]
Limit = Annotated[int, Meta(ge=1, le=limits.PAGE_LIMIT_MAX)]
MinSeq = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="With a key: wait up to 1 s until this sequence is in the answer.")
]


class Request(Struct, forbid_unknown_fields=True, kw_only=True):
    """A body. What it does not name is refused."""


class Query(Struct, forbid_unknown_fields=True, kw_only=True):
    """Query parameters."""

    min_seq: MinSeq = 0


# Requests


class OrderRequest(Request):
    instrument: Symbol
    side: SideName
    quantity: QuantityText
    client_order_id: ClientId
    type: TypeName = "limit"
    price: PriceText | None = None
    time_in_force: TimeInForceName = "gtc"


class OrderBatchRequest(Request):
    orders: Annotated[list[OrderRequest], Meta(min_length=1, max_length=limits.HTTP_ORDERS_PER_BATCH_MAX)]


class ReplaceRequest(Request):
    price: PriceText
    quantity: QuantityText
    client_order_id: ClientId
    time_in_force: TimeInForceName = "gtc"


class BidRequest(Request):
    lot: LotNumber
    maximum: PriceText
    client_bid_id: ClientId


class AccountRequest(Request):
    account: AccountId
    label: Annotated[str, Meta(min_length=1, max_length=256)]
    kind: Literal["coop", "importer", "operator", "analyst", "other"] = "other"


class KeyRequest(Request):
    account: AccountId
    roles: Annotated[list[RoleName], Meta(min_length=1, max_length=4)]
    expires_at: TimeText | None = None
    key_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class SaleLotRequest(Request):
    seller: AccountId
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    bags: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)]
    bag_kg: PriceText
    attributes: dict[str, str] = {}


class SaleRequest(Request):
    sale_id: SaleId
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    opening: PriceText
    increment: PriceText
    tick_size: PriceText
    price_unit: Annotated[str, Meta(max_length=32)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    clock_seconds: Annotated[int, Meta(ge=1, le=24 * 3600)]
    open_seconds: Annotated[int, Meta(ge=1, le=30 * 24 * 3600)]
    lots: Annotated[list[SaleLotRequest], Meta(min_length=1, max_length=limits.SALE_LOTS_MAX)]


class EndSaleRequest(Request):
    why: Annotated[str, Meta(max_length=256)] = ""


class PhaseRequest(Request):
    phase: PhaseName


class UncrossRequest(Request):
    phase: Literal["continuous", "closed"]


# Queries


class DepthQuery(Query):
    depth: Annotated[int, Meta(ge=1, le=limits.BOOK_DEPTH_MAX)] = 25


class PageQuery(Query):
    limit: Limit = limits.PAGE_LIMIT_DEFAULT
    cursor: Cursor = ""


class CandleQuery(PageQuery):
    interval: IntervalName = "1m"


class AuctionsQuery(PageQuery):
    instrument: Symbol | None = None


class OrdersQuery(Query):
    client_order_id: ClientId | None = None


class CancelQuery(Query):
    client_order_id: ClientId
    instrument: Symbol | None = None


# Answers


class ErrorItem(Struct):
    pointer: str
    code: str
    detail: str


class ProblemBody(Struct):
    """RFC 9457; `code` is stable. Further members may stand beside these."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ErrorItem] | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET


class TimeAnswer(Struct):
    now: TimeText


class Move(Struct):
    at: TimeText
    phase: PhaseName
    uncross: bool


class InstrumentStatus(Struct):
    instrument: str
    phase: PhaseName
    next_moves: list[Move]


class StatusAnswer(Struct):
    venue: str
    now: TimeText
    ready: bool
    storage: Annotated[str, Meta(pattern="^(ok|low)$")]
    instruments: list[InstrumentStatus]
    as_of: int | UnsetType = UNSET


class InstrumentAnswer(Struct):
    instrument_id: int
    symbol: str
    name: str
    commodity: str
    tick_size: str
    price_decimals: int
    price_unit: str
    lot_size: str
    lot_unit: str
    lot_kg: str | None
    qty_decimals: int
    currency: str
    value_numerator: str
    value_denominator: str
    price_min: str
    price_max: str
    qty_max: str
    reference: str | None
    rules: str
    phase: PhaseName
    next_moves: list[Move]
    attributes: dict[str, str]
    source: str
    as_of: int | UnsetType = UNSET


class InstrumentsAnswer(Struct):
    instruments: list[InstrumentAnswer]
    as_of: int | UnsetType = UNSET


LevelText = tuple[str, str, int]


class BookAnswer(Struct):
    instrument: str
    phase: PhaseName
    seq: int
    bids: list[LevelText]
    asks: list[LevelText]
    ts_engine: TimeText
    as_of: int | UnsetType = UNSET


class TradeAnswer(Struct):
    trade_id: int
    price: str
    quantity: str
    side: SideName | None
    kind: Literal["continuous", "call"]
    ts_engine: TimeText


class TradesAnswer(Struct):
    instrument: str
    trades: list[TradeAnswer]
    next_cursor: str | None = None
    as_of: int | UnsetType = UNSET


class CandleAnswer(Struct):
    start: TimeText
    open: str
    high: str
    low: str
    close: str
    volume: str
    trades: int


class CandlesAnswer(Struct):
    instrument: str
    interval: IntervalName
    candles: list[CandleAnswer]
    next_cursor: str | None = None
    as_of: int | UnsetType = UNSET


class AuctionAnswer(Struct):
    instrument: str
    phase: PhaseName
    price: str | None
    volume: str
    surplus: str
    imbalance: str
    side: SideName | None
    reference: str | None
    uncross_at: TimeText | None
    curve: list[tuple[str, str, str]]
    ts_engine: TimeText
    as_of: int | UnsetType = UNSET


class PastAuction(Struct):
    instrument: str
    auction: int  # running number of the instrument
    price: str | None
    volume: str
    surplus: str
    imbalance: str
    side: SideName | None
    reference: str | None
    rules: str
    ts_engine: TimeText


class AuctionsAnswer(Struct):
    auctions: list[PastAuction]
    next_cursor: str | None = None
    as_of: int | UnsetType = UNSET


class LotAnswer(Struct):
    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    price: str | None
    minimum_bid: str | None
    bids: int
    state: Literal["open", "sold", "passed_in"]
    value: str | None
    you_lead: bool | UnsetType = UNSET
    your_maximum: str | UnsetType | None = UNSET
    you_sell: bool | UnsetType = UNSET
    you_won: bool | UnsetType = UNSET


class SaleAnswer(Struct):
    sale_id: int
    title: str
    state: Literal["open", "pending", "finished"]
    opening: str
    increment: str
    tick_size: str
    price_unit: str
    currency: str
    value_numerator: str
    value_denominator: str
    clock_seconds: int
    open_until: TimeText
    clock_due: TimeText | None
    lots: list[LotAnswer]
    as_of: int | UnsetType = UNSET
    finished_at: TimeText | UnsetType = UNSET  # in history


class SalesAnswer(Struct):
    sales: list[SaleAnswer]
    next_cursor: str | UnsetType | None = UNSET
    as_of: int | UnsetType = UNSET


class BidAnswer(Struct):
    status: Literal["accepted"]
    sale: int
    lot: int
    leading: bool
    price: str | None
    maximum: str
    duplicate: bool
    seq: int


class OwnFill(Struct):
    price: str
    quantity: str
    fill_id: str


class OrderAnswer(Struct):
    status: Literal["accepted"]
    order_id: str
    client_order_id: str | None
    instrument: str
    side: SideName
    type: TypeName
    price: str | None
    quantity: str
    filled_quantity: str | None
    open_quantity: str
    time_in_force: TimeInForceName
    seq: int
    ts_engine: TimeText
    state: StateName | None
    duplicate: bool
    as_of: int
    reason: str | UnsetType = UNSET
    fills: list[OwnFill] | UnsetType = UNSET


class OrderBatchAnswer(Struct):
    results: list[dict[str, Any]]  # an order answer or a problem each, in the order of the request
    as_of: int


class CancelAnswer(Struct):
    status: Literal["accepted"]
    order_id: str
    client_order_id: str | None
    instrument: str
    side: SideName
    price: str | None
    cancelled_quantity: str
    open_quantity: str
    state: Literal["cancelled"]
    seq: int
    ts_engine: TimeText
    as_of: int


class OrderState(Struct):
    order_id: str
    client_order_id: str | None
    instrument: str
    side: SideName
    type: TypeName
    price: str | None
    quantity: str
    filled_quantity: str
    open_quantity: str
    time_in_force: TimeInForceName
    state: StateName
    reason: str | UnsetType | None = UNSET
    seq: int | UnsetType = UNSET
    ts_engine: TimeText | UnsetType = UNSET
    closed_seq: int | UnsetType | None = UNSET
    closed_at: TimeText | UnsetType | None = UNSET
    as_of: int | UnsetType = UNSET


class OrdersAnswer(Struct):
    orders: list[OrderState]
    as_of: int
    next_cursor: str | UnsetType | None = UNSET


class FillAnswer(Struct):
    fill_id: str
    order_id: str
    instrument: str
    side: SideName
    price: str
    quantity: str
    value: str | None
    currency: str | None
    role: Literal["maker", "taker", "call"]
    kind: Literal["continuous", "call"]
    trade_id: int
    seq: int
    ts_engine: TimeText


class FillsAnswer(Struct):
    fills: list[FillAnswer]
    next_cursor: str | None
    as_of: int


class AccountAnswer(Struct):
    account: int
    label: str
    kind: str
    as_of: int | UnsetType = UNSET
    roles: list[RoleName] | UnsetType = UNSET
    open_orders: int | UnsetType = UNSET


class AccountsAnswer(Struct):
    accounts: list[AccountAnswer]
    as_of: int


class KeyAnswer(Struct):
    account: int
    roles: list[RoleName]
    key_hash: str
    expires_at: TimeText | None
    seq: int
    token: str | UnsetType = UNSET  # shown once; the venue keeps its hash


class DoneAnswer(Struct):
    status: Literal["accepted"]
    seq: int
    duplicate: bool


class UncrossAnswer(Struct):
    status: Literal["accepted"]
    instrument: str
    phase: PhaseName
    price: str | None
    volume: str
    surplus: str
    seq: int
    duplicate: bool
