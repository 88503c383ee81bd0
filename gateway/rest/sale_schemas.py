"""Requests and answers about sales. What a mechanism shows and takes stands beside the fields that all have:
`gateway/sales/fields.py` says how its structs look on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from engine import limits
from gateway.rest.schemas import (
    AccountId,
    ClientId,
    LotAnswer,
    LotNumber,
    PriceText,
    Query,
    Request,
    SaleId,
    TimeText,
)

Moment = str | float | int | None  # RFC 3339 in UTC, or seconds from now
Object = dict[str, Any]
DigestText = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
Why = Annotated[str, Meta(max_length=256)]
MoneyText = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,2})?$")]


class BidRequest(Request):
    """Lot and maximum of an English sale, or an offer of any mechanism: {"kind": ...}."""

    client_bid_id: ClientId
    lot: LotNumber | None = None
    maximum: PriceText | None = None
    offer: Object | None = None


class SaleLotRequest(Request):
    seller: AccountId
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    bags: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)]
    bag_kg: PriceText
    attributes: dict[str, str] = {}
    number: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0  # in the catalogue
    group: Annotated[int, Meta(ge=0, le=limits.SALE_LOTS_MAX)] = 0
    opening: PriceText | None = None  # None: the sale's
    reserve: PriceText | None = None
    reserve_shown: bool = False
    least_bags: Annotated[int, Meta(ge=0, le=limits.QTY_LOTS_MAX)] = 0  # 0: sold whole


class StagesRequest(Request):
    viewing: Moment = None
    registration: Moment = None
    prebids: Moment = None
    live: Moment = None  # nothing: at once


class SaleRequest(Request):
    """With `mechanism`: a sale of any kind. Without: a Helmsman sale, with opening, increment and the two times."""

    sale_id: SaleId
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    tick_size: PriceText
    price_unit: Annotated[str, Meta(max_length=32)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    lots: Annotated[list[SaleLotRequest], Meta(min_length=1, max_length=limits.SALE_LOTS_MAX)]
    mechanism: Object | None = None
    opening: PriceText | None = None
    increment: PriceText | None = None
    clock_seconds: Annotated[int, Meta(ge=1, le=24 * 3600)] | None = None
    open_seconds: Annotated[int, Meta(ge=1, le=30 * 24 * 3600)] | None = None
    stages: StagesRequest = field(default_factory=StagesRequest)
    season: Annotated[int, Meta(ge=0, le=limits.SEASONS_MAX)] = 0
    registration: Literal["open", "agreement", "admission"] = "open"
    agreement: DigestText = ""
    approve_bids: bool = False
    after: Object = {}
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 1


class RegisterRequest(Request):
    agreement: DigestText = ""


class AdmitRequest(Request):
    account: AccountId
    admitted: bool = True
    limit: MoneyText | None = None  # in the sale's currency
    why: Why = ""


class DecideRequest(Request):
    accept: bool
    why: Why = ""


class WhyRequest(Request):
    why: Why = ""


class SalesQuery(Query):
    season: Annotated[int, Meta(ge=0, le=limits.SEASONS_MAX)] = 0  # 0: any
    stage: Literal["", "planned", "viewing", "registration", "prebids", "live", "finished", "void"] = ""


class ResultsQuery(Query):
    format: Literal["", "json", "csv"] = ""  # "": as Accept says


class StagesAnswer(Struct):
    viewing: TimeText | None
    registration: TimeText | None
    prebids: TimeText | None
    live: TimeText | None


class SaleAnswer(Struct):
    """Fields of its mechanism stand beside these; what is one's own begins with you_ or your_."""

    sale_id: int
    version: int
    title: str
    mechanism: str
    stage: Literal["planned", "viewing", "registration", "prebids", "live", "finished", "void"]
    state: Literal["open", "pending", "finished"]
    season: int
    registration: Literal["open", "agreement", "admission"]
    agreement: str
    approve_bids: bool
    stages: StagesAnswer
    stage_due: TimeText | None
    tick_size: str
    price_unit: str
    currency: str
    value_numerator: str
    value_denominator: str
    lots: list[Object]
    operator: Object | UnsetType = UNSET
    as_of: int | UnsetType = UNSET


class SalesAnswer(Struct):
    sales: list[SaleAnswer]
    as_of: int | UnsetType = UNSET


class PastResult(Struct):
    """So many bags went at this price."""

    price: str
    bags: int
    value: str


class PastLotAnswer(LotAnswer, kw_only=True):
    sold_bags: int
    results: list[PastResult]
    your_bags: int | UnsetType = UNSET


class PastSaleAnswer(Struct):
    """A finished sale, as history keeps it."""

    sale_id: int
    version: int
    title: str
    mechanism: str
    stage: str
    state: Literal["finished", "void"]
    season: int
    opening: str
    increment: str
    tick_size: str
    price_unit: str
    currency: str
    value_numerator: str
    value_denominator: str
    clock_seconds: int
    open_until: TimeText | None
    clock_due: TimeText | None
    lots: list[PastLotAnswer]
    finished_at: TimeText


class PastSalesAnswer(Struct):
    sales: list[PastSaleAnswer]
    next_cursor: str | UnsetType | None = UNSET
    as_of: int | UnsetType = UNSET


class BidAnswer(Struct):
    """The own place in the lot now; fields of the mechanism's own view of it stand beside."""

    status: Literal["accepted", "waits"]
    sale: int
    lot: int
    duplicate: bool
    seq: int
    leading: bool | UnsetType = UNSET
    price: str | UnsetType | None = UNSET
    maximum: str | UnsetType | None = UNSET


class OwnBid(Struct):
    bid: int  # sequence of its command
    lot: int
    maximum: str
    bags: int  # of a divided lot; 0: the whole
    normal: bool
    waits: bool  # for the operator's decision


class OwnBidsAnswer(Struct):
    sale_id: int
    mechanism: str
    lots: list[Object]  # those with something of one's own: fields that begin with you_ or your_
    bids: list[OwnBid]  # of English sales, by arrival
    as_of: int | UnsetType = UNSET


class ResultAnswer(Struct):
    lot: int
    title: str
    state: Literal["open", "sold", "unsold"]
    bags: int
    price: str | None
    value: str | None
    award: int | None
    buyer: str | None


class ResultsAnswer(Struct):
    sale_id: int
    title: str
    stage: str
    price_unit: str
    currency: str
    results: list[ResultAnswer]
    as_of: int | UnsetType = UNSET
