"""Requests and answers about awards: what was sold in sales, to whom, and what became of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import limits
from gateway.rest.schemas import AccountId, Limit, PriceText, Query, Request, SaleId, TimeText

Bags = Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)]
Label = Annotated[str, Meta(max_length=256)]
AwardStateName = Literal[
    "provisional", "allowance_asked", "disputed", "final", "offered", "rejected", "declined", "void"
]
ActName = Literal[
    "accept", "reject", "ask_allowance", "agree_allowance", "refuse_allowance", "dispute", "decide", "void"
]


class AwardsQuery(Query, kw_only=True):
    """One's own, the newest first; an operator's: all."""

    sale: Annotated[int, Meta(ge=0, le=limits.SALES_MAX)] = 0  # 0: of every sale
    before: Annotated[int, Meta(ge=0, le=limits.AWARDS_MAX)] = 0  # award; 0: from the newest on
    limit: Limit = limits.PAGE_LIMIT_DEFAULT


class ContractQuery(Query, kw_only=True):
    lang: Literal["en", "es"] = "en"  # of the page that `Accept: text/html` asks for


class SettleRequest(Request, kw_only=True):
    """One act. Buyer: accept, reject, ask_allowance. Seller: agree_allowance, refuse_allowance. Either: dispute.
    Operator: decide, void."""

    act: ActName
    price: PriceText | None = None  # ask_allowance and agree_allowance name one, decide may
    outcome: Literal["accepted", "rejected"] | None = None  # of decide
    why: Label = ""


class ShareRequest(Request, kw_only=True):
    bags: Bags
    account: AccountId | None = None  # an account of the venue, or
    label: Label = ""  # whoever the lead calls so


class SplitRequest(Request, kw_only=True):
    """Who gets how many bags: they add up to the award."""

    shares: Annotated[list[ShareRequest], Meta(min_length=1, max_length=limits.AWARD_SHARES_MAX)]


class Party(Struct):
    account: int
    label: str


class ShareAnswer(Struct):
    bags: int
    account: int | None
    label: str


class PassageAnswer(Struct):
    """One step: from here on it is in this state."""

    time: TimeText
    state: AwardStateName
    by: Literal["buyer", "seller", "operator", "venue"]
    price: PriceText  # of an allowance: that is asked for
    why: str


class AwardAnswer(Struct):
    award: int
    sale_id: SaleId
    sale_title: str
    lot: int
    lot_title: str
    you_are: Literal["buyer", "seller", "operator"]
    buyer: Party
    seller: Party
    bags: int
    bag_kg: str
    price: PriceText
    price_unit: str
    currency: str
    value: str
    state: AwardStateName
    due: TimeText | None  # of whose turn it is; None: nobody's
    asked_price: PriceText | None  # of the allowance that the seller has to answer
    instead_of: int | None  # the award whose bags these were
    contract: str | None  # number of the confirmation; None: there is none (yet, or any more)
    history: list[PassageAnswer]
    shares: list[ShareAnswer] | UnsetType = UNSET  # the buyer's to see, and the operator's


class AwardsAnswer(Struct):
    awards: list[AwardAnswer]
    next_before: int | None  # for the next page; None: there is no more


class SettledAnswer(Struct):
    status: Literal["accepted"]
    award: AwardAnswer
    seq: int
    duplicate: bool


class DocumentAnswer(Struct):
    title: str
    sha256: str


class ContractAnswer(Struct):
    """A confirmation as data; with `Accept: text/html` the same as a page to print."""

    contract: str
    award: int
    venue: str
    sale_id: int
    sale_title: str
    concluded_at: TimeText
    state: AwardStateName
    provisional_until: TimeText | None
    silence: Literal["accepted", "rejected"] | None  # what it counts as when the buyer says nothing
    seller: Party
    buyer: Party
    lot: int
    goods: str
    attributes: dict[str, str]
    bags: int
    bag_kg: str
    net_kg: str
    tolerance_percent: str
    net_kg_min: str
    net_kg_max: str
    franchise_percent: str
    price: PriceText
    price_unit: str
    currency: str
    value: str
    form: str
    edition: str
    sample_term: str
    incoterm: str
    place: str
    shipment_from: str
    shipment_to: str
    payment: str
    arbitration: str
    documents: list[DocumentAnswer]
