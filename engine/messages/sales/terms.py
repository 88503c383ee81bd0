"""PLAN_SALE: the terms of one sale, whatever its mechanism. They are data with a version, fixed when the sale opens."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.messages.body import (
    AccountId,
    Body,
    Currency,
    DecimalText,
    FloorTicks,
    Label,
    QtyLots,
    SaleId,
    TimeNs,
)
from engine.messages.sales.after import After
from engine.messages.sales.clock import Clock
from engine.messages.sales.dutch import Dutch
from engine.messages.sales.english import English
from engine.messages.sales.japanese import Japanese
from engine.messages.sales.packages import Packages
from engine.messages.sales.reverse import Reverse
from engine.messages.sales.sealed import Sealed

Terms = English | Sealed | Dutch | Reverse | Japanese | Clock | Packages


class Unit(Body, frozen=True):
    """price in the wire = ticks x tick_size per `price_unit`; minor units of the currency = ticks x grams x numerator /
    denominator, rounded once, half to even."""

    tick_size: DecimalText
    price_unit: Label  # "USc/lb"
    currency: Currency
    value_numerator: Annotated[int, Meta(ge=1, le=2**62)]
    value_denominator: Annotated[int, Meta(ge=1, le=2**62)]


class Stages(Body, frozen=True):
    """When each stage begins; 0: it is left out. Each that is there is later than the one before."""

    viewing_ns: TimeNs = 0
    registration_ns: TimeNs = 0
    prebids_ns: TimeNs = 0
    live_ns: TimeNs = 0  # 0, and nothing else is there: at once


class SaleLot(Body, frozen=True):
    seller: AccountId  # of a reverse auction: who buys
    title: Label
    bags: QtyLots
    bag_grams: Annotated[int, Meta(ge=1_000, le=100_000)]
    attributes: dict[str, str] = {}  # origin, variety, score, ...: shown
    number: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0  # in the catalogue; 0: described here alone
    group: Annotated[int, Meta(ge=0, le=limits.SALE_LOTS_MAX)] = 0  # lots of one group share a clock where that is said
    opening: FloorTicks = 0  # 0: the sale's
    reserve: FloorTicks = 0  # 0: none. Its seller's and the operator's secret, unless it is shown
    reserve_shown: bool = False
    least_bags: Annotated[int, Meta(ge=0, le=limits.QTY_LOTS_MAX)] = 0  # smallest part that is sold; 0: sold whole


class SaleTerms(Body, frozen=True):
    sale: SaleId
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    title: Label
    unit: Unit
    stages: Stages
    lots: Annotated[tuple[SaleLot, ...], Meta(min_length=1, max_length=limits.SALE_LOTS_MAX)]
    mechanism: Terms
    season: Annotated[int, Meta(ge=0, le=limits.SEASONS_MAX)] = 0  # 0: none
    # open: any account. agreement: one that has registered, accepting it. admission: and that the operator admitted.
    registration: Annotated[str, Meta(pattern=r"^(open|agreement|admission)\Z")] = "open"
    agreement: Annotated[bytes, Meta(max_length=32)] = b""  # BLAKE2b-256 of the text; none: empty
    approve_bids: bool = False  # English: a bid waits until the operator has decided
    after: After = After()
