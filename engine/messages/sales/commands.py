"""What bidders and operators say of a sale that is planned."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.domain.auction_lots import AuctionLot
from engine.messages.body import AccountId, Body, Label, SaleId
from engine.messages.sales.clock import ClockOffer, ClockProxy
from engine.messages.sales.dutch import DutchOffer
from engine.messages.sales.english import EnglishOffer
from engine.messages.sales.japanese import JapaneseOffer
from engine.messages.sales.packages import PackagesOffer
from engine.messages.sales.reverse import ReverseOffer
from engine.messages.sales.sealed import SealedOffer

Offer = EnglishOffer | SealedOffer | DutchOffer | ReverseOffer | JapaneseOffer | ClockOffer | ClockProxy | PackagesOffer


class Bid(Body, frozen=True):
    """What the row's account offers, as the mechanism of the sale understands it."""

    sale: SaleId
    offer: Offer


class EndSale(Body, frozen=True):
    """Operator's: end a sale now; the mechanism says what that means."""

    sale: SaleId
    why: Label = ""


class VoidSale(Body, frozen=True):
    """Operator's: nothing of the sale holds."""

    sale: SaleId
    why: Label = ""


class Register(Body, frozen=True):
    """The row's account will bid, and accepts the agreement that the terms name."""

    sale: SaleId
    agreement: Annotated[bytes, Meta(max_length=32)] = b""


class Admit(Body, frozen=True):
    """Operator's: an account may bid, or may not; `limit_minor` bounds what its bids may come to (0: no bound)."""

    sale: SaleId
    account: AccountId
    admitted: bool
    limit_minor: Annotated[int, Meta(ge=0, le=limits.NOTIONAL_MAX)] = 0
    why: Label = ""


class DecideBid(Body, frozen=True):
    """Operator's: take a bid that waits, or void one. `bid` is the sequence of its command."""

    sale: SaleId
    bid: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    accept: bool
    why: Label = ""


class DescribeLot(Body, frozen=True):
    """A lot of the catalogue, by its seller or an operator: version 1, later the next one."""

    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    seller: AccountId
    lot: AuctionLot
