"""What follows the hammer: the terms of it in a sale, and SETTLE and SPLIT, the acts of parties and operator."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from engine import limits
from engine.messages.body import AwardId, Body, FloorTicks, Label, PositiveTicks, QtyLots

Days = Annotated[int, Meta(ge=0, le=limits.AWARD_NS_MAX)]  # ns; 0 where there is none
Bps = Annotated[int, Meta(ge=0, le=10_000)]
DateText = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")]
AccountOrNone = Annotated[int, Meta(ge=0, le=limits.ACCOUNTS_MAX)]


class Document(Body, frozen=True):
    """A paper that the contract refers to, by its hash."""

    title: Label
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]  # SHA-256


class Contract(Body, frozen=True):
    """What a confirmation states beside lot, price and parties. Nothing here is decided upon."""

    form: Annotated[str, Meta(pattern=r"^(escc|gca|other|)\Z")] = ""
    edition: Annotated[str, Meta(max_length=32)] = ""
    tolerance_bps: Bps = 300  # of the quantity, either way
    franchise_bps: Bps = 0  # loss of weight above it is made good; ESCC: 50
    sample_term: Annotated[
        str, Meta(pattern=r"^(sas_no_approval_no_sale|sas_repeat|sas_choice|pre_shipment|stock_lot|type|)\Z")
    ] = ""
    incoterm: Annotated[str, Meta(pattern=r"^(EXW|FCA|FAS|FOB|CFR|CIF|CPT|CIP|DAP|DPU|DDP|)\Z")] = ""  # 2020
    place: Label = ""  # part of the Incoterm
    shipment_from: DateText = ""
    shipment_to: DateText = ""
    payment: Label = ""  # "cash against documents"
    arbitration: Label = ""
    documents: Annotated[tuple[Document, ...], Meta(max_length=limits.AWARD_DOCUMENTS_MAX)] = ()


class After(Body, frozen=True):
    """Without a sample to approve, what the hammer sells is final."""

    sample_ns: Days = 0  # the buyer has so long to approve the sample; 0: there is none to approve
    silence: Literal["accepted", "rejected"] = "accepted"  # what is declared when the buyer said nothing in time
    answer_ns: Days = 0  # the seller has so long to answer a claim for allowance; 0: as long as `sample_ns`
    rejected: Literal["unsold", "next_bidder"] = "unsold"  # what becomes of bags that are rejected
    offer_ns: Days = 0  # next_bidder: so long stands the offer at that bidder's own price
    names: bool = False  # buyers are published with the results
    contract: Contract = Contract()


class Accept(Body, frozen=True, tag="accept"):
    """Buyer: the sample is approved; or the offer to the next bidder is taken."""


class Reject(Body, frozen=True, tag="reject"):
    """Buyer: the sample is not approved; or the offer is declined."""

    why: Label = ""


class AskAllowance(Body, frozen=True, tag="ask_allowance"):
    """Buyer: accepts at a lower price, if the seller agrees."""

    price: PositiveTicks
    why: Label = ""


class AgreeAllowance(Body, frozen=True, tag="agree_allowance"):
    """Seller: at that price, then. It names the price, so that nobody agrees to what was changed meanwhile."""

    price: PositiveTicks


class RefuseAllowance(Body, frozen=True, tag="refuse_allowance"):
    """Seller: the buyer is to accept or reject what was sold."""

    why: Label = ""


class Dispute(Body, frozen=True, tag="dispute"):
    """Either party: the operator decides."""

    why: Label = ""


class Decide(Body, frozen=True, tag="decide"):
    """Operator (gateways let nobody else say so): an award that is not final, or disputed, is accepted (at `price`, 0:
    as it stands) or rejected."""

    outcome: Literal["accepted", "rejected"]
    price: FloorTicks = 0
    why: Label = ""


class VoidAward(Body, frozen=True, tag="void"):
    """Operator, as above: nothing of the award holds."""

    why: Label = ""


Act = Accept | Reject | AskAllowance | AgreeAllowance | RefuseAllowance | Dispute | Decide | VoidAward


class Settle(Body, frozen=True):
    award: AwardId
    act: Act


class Share(Body, frozen=True):
    """Bags of one member of a buying group: an account of the venue, or whoever the lead calls so."""

    bags: QtyLots
    account: AccountOrNone = 0
    label: Label = ""


class Split(Body, frozen=True):
    """The lead of a buying group says who gets how many bags. It stays liable for all of them."""

    award: AwardId
    shares: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=limits.AWARD_SHARES_MAX)]
