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
TypeName = Literal["limit", "market", "market_to_limit", "stop", "stop_limit", "iceberg"]
TimeInForceName = Literal["gtc", "ioc", "fok", "day", "gtd", "at_auction"]
StpName = Literal["none", "cancel_taker", "cancel_maker", "cancel_both", "decrement"]
StpScopeName = Literal["account", "group"]
PhaseName = Literal["closed", "pre_open", "call", "no_cancel", "frozen", "continuous", "halted"]
RoleName = Literal["read", "trade", "operate", "admin"]
StateName = Literal["waiting", "open", "partial", "filled", "cancelled"]  # waiting: a stop that was not triggered
FillStateName = Literal["done", "corrected", "busted"]  # an operator's word on it: price and quantity are what holds
IntervalName = Literal["1s", "1m", "5m", "15m", "1h", "1d"]

# Shown in the document; the venue itself says `malformed`, `id_invalid` and so on for what does not match.
_DECIMAL = {"pattern": r"^-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?$"}
PriceText = Annotated[str, Meta(max_length=32, extra_json_schema=_DECIMAL, examples=["335.25"])]
QuantityText = Annotated[
    str, Meta(max_length=32, extra_json_schema={"pattern": r"^[1-9][0-9]{0,12}$"}, examples=["275"])
]
TotalText = Annotated[
    str, Meta(max_length=32, extra_json_schema={"pattern": r"^(0|[1-9][0-9]{0,12})$"}, examples=["200"])
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


class OrderOptions(Request, kw_only=True):
    """What a new or replaced order may say beside its instrument, side, price and quantity; the same in every form."""

    time_in_force: TimeInForceName = "gtc"
    post_only: bool = False  # refused when it would trade at once
    slide: bool = False  # with post_only: one tick behind the best price of the other side instead
    all_or_none: bool = False  # on entry: trades whole at once, or ends
    stp: StpName = "cancel_taker"  # self-trade prevention; the mode of the order that comes later decides
    stp_scope: StpScopeName = "account"


class OrderTerms(OrderOptions, kw_only=True):
    quantity: QuantityText
    client_order_id: ClientId
    price: PriceText | None = None
    display_quantity: QuantityText | None = None  # of an iceberg: shown at a time
    minimum_quantity: QuantityText | None = None  # on entry: so much trades at once, or the order ends
    stop_price: PriceText | None = None
    expire_at: TimeText | None = None  # with time_in_force gtd
    valid_until: TimeText | None = None  # of the request: later it is refused


class OrderRequest(OrderTerms, kw_only=True):
    instrument: Symbol
    side: SideName
    type: TypeName = "limit"


class OrderBatchRequest(Request):
    orders: Annotated[list[OrderRequest], Meta(min_length=1, max_length=limits.HTTP_ORDERS_PER_BATCH_MAX)]


class ReplaceRequest(OrderTerms, kw_only=True):
    """All terms anew; `quantity` is what is open afterwards."""


class AmendRequest(Request):
    quantity: TotalText  # total, what was filled of it included; no more than that: the rest is cancelled
    client_order_id: ClientId
    valid_until: TimeText | None = None


class MassCancelRequest(Request):
    instrument: Symbol | None = None  # None: any
    side: SideName | None = None


class CancelAfterRequest(Request):
    timeout_seconds: Annotated[int, Meta(ge=0, le=limits.CANCEL_AFTER_NS_MAX // 10**9)]  # 0: off


class AccountRequest(Request):
    account: AccountId
    label: Annotated[str, Meta(min_length=1, max_length=256)]
    kind: Literal["coop", "importer", "operator", "analyst", "other"] = "other"


class KeyRequest(Request):
    account: AccountId
    roles: Annotated[list[RoleName], Meta(min_length=1, max_length=4)]
    expires_at: TimeText | None = None
    key_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class PhaseRequest(Request):
    phase: PhaseName


class UncrossRequest(Request):
    phase: Literal["continuous", "closed"]
    force: bool = False  # whatever the price: the call is not extended


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


class TargetQuery(Query):
    target_client_order_id: ClientId  # of the open order


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
    random_seconds: int  # the uncross comes at a secret moment within so much after `at`; 0: at it


class PriceRange(Struct):
    """Both included."""

    low: str
    high: str


class InstrumentStatus(Struct):
    instrument: str
    phase: PhaseName
    collar: PriceRange | None  # within which takers trade
    next_moves: list[Move]


class StatusAnswer(Struct):
    venue: str
    now: TimeText
    ready: bool
    storage: Annotated[str, Meta(pattern="^(ok|low)$")]
    stopped: bool  # by its operator: no orders or bids are taken, cancels are
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
    multiplier: str  # of |price in ticks| x lots, in limits
    deposit: bool  # sells need deposited lots
    classes: bool  # inside one price the orders of co-ops come first
    collar: PriceRange | None
    collar_floor: str
    collar_bps: int
    extension_seconds: int
    extensions_max: int
    widen_bps: int
    after_extensions: Literal["print", "halt"]
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
    state: FillStateName | UnsetType = UNSET


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
    extensions: int  # of this call so far
    outcome: Literal["prints", "extends", "halts"] | None
    corridor: PriceRange | None  # outside which the call is extended
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


class RandomEnd(Struct):
    """The call ends at announced_at + BLAKE2b-256(seed, instrument_id u4, announced_at in ns i8) mod window_ns; numbers
    are little-endian, and an outage moves both times by its length."""

    announced_at: TimeText
    window_ns: str
    commitment: str  # BLAKE2b-256 of the seed
    committed_at: TimeText
    seed: str | None  # once the call has ended
    revealed_at: TimeText | None


class RandomEndsAnswer(Struct):
    instrument: str
    random_ends: list[RandomEnd]
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
    display_quantity: str | None
    stop_price: str | None  # of a stop that waits
    expire_at: TimeText | None
    seq: int
    ts_engine: TimeText
    state: StateName | None
    duplicate: bool
    as_of: int
    reason: str | UnsetType = UNSET
    fills: list[OwnFill] | UnsetType = UNSET
    reduced_quantity: str | UnsetType = UNSET  # by self-trade prevention
    priority_kept: bool | UnsetType = UNSET  # of an amend


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


class CancelledOrder(Struct):
    order_id: str
    instrument: str
    side: SideName
    price: str | None
    cancelled_quantity: str


class MassCancelAnswer(Struct):
    """The report is left out of the answer to a repeat: it was told the first time."""

    status: Literal["accepted"]
    seq: int
    duplicate: bool
    as_of: int
    cancelled_orders: int | UnsetType = UNSET
    cancelled_quantity: str | UnsetType = UNSET
    remaining_orders: int | UnsetType = UNSET  # in books whose phase allows no cancel
    orders: list[CancelledOrder] | UnsetType = UNSET


class CancelAfterAnswer(Struct):
    status: Literal["accepted"]
    cancel_at: TimeText | None
    seq: int
    duplicate: bool
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
    display_quantity: str | None
    stop_price: str | None
    expire_at: TimeText | None
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
    state: FillStateName
    seq: int
    ts_engine: TimeText


class FillsAnswer(Struct):
    fills: list[FillAnswer]
    next_cursor: str | None
    as_of: int


class LimitsOf(Struct):
    """What an account may have open in a currency, and has; worth = |price in ticks| x lots x multiplier."""

    currency: str
    buy_max: str
    sell_max: str
    orders_max: int
    buy_used: str
    sell_used: str
    orders_used: int


class StockOf(Struct):
    instrument: str
    lots: str
    promised: str  # to open sells


class AccountAnswer(Struct):
    account: int
    label: str
    kind: str
    as_of: int | UnsetType = UNSET
    roles: list[RoleName] | UnsetType = UNSET
    open_orders: int | UnsetType = UNSET
    group: int | UnsetType = UNSET
    coop: bool | UnsetType = UNSET
    frozen: bool | UnsetType = UNSET
    limits: list[LimitsOf] | UnsetType = UNSET
    stock: list[StockOf] | UnsetType = UNSET


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
