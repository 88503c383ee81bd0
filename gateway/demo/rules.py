"""What a configuration may say about a demo season: the [coffee] and [season] tables."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from engine.messages.bodies import Code

SignedDecimal = Annotated[str, Meta(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,12})?$")]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$")]
Month = Annotated[str, Meta(pattern=r"^[0-9]{4}(-(0[1-9]|1[0-2]))?$")]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class Grade(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lots of at least `score_from` cup points, up to the next grade."""

    label: Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,6}$")]
    score_from: Decimal
    plus: SignedDecimal = "0"  # differential to the reference series, in the price unit


class SeriesNames(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Columns of gateway/data/prices_monthly.csv."""

    arabica: str
    robusta: str


class CoffeeRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instruments out of the graded lots: one for each origin, process, grade and bag weight with enough on offer."""

    calendar: str
    tick_size: Decimal
    price_unit: str
    price_max: Decimal
    currency: str
    bags_min: Count  # of all lots of an instrument together
    lots_min: Count
    bag_kg_min: Decimal
    month: Month
    series: SeriesNames
    grades: tuple[Grade, ...]
    origins: dict[str, SignedDecimal] = {}  # differential by country, in the price unit


class Harvest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What co-ops offer of an instrument for which no table of real lots exists."""

    symbol: Code
    offers: Count
    lots_per_offer: Count
    origin: str


class SaleRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The Helmsman sales beside the books: the best-scored small lots, one sale after another."""

    lots: Annotated[int, Meta(ge=1, le=50)]
    sales: Annotated[int, Meta(ge=1, le=50)]  # different sales before the first is repeated with new numbers
    bags_min: Count
    bags_max: Count
    opening: Decimal
    increment: Decimal
    tick_size: Decimal
    price_unit: str
    currency: str
    clock_seconds: Annotated[int, Meta(ge=1, le=86_400)]
    open_seconds: Annotated[int, Meta(ge=1, le=86_400)]
    pause_seconds: Annotated[int, Meta(ge=1, le=86_400)]  # between the end of a sale and the next one


class Season(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who takes part in the demo and how eagerly."""

    importers: Annotated[int, Meta(ge=1, le=30)]
    coops_per_origin: Annotated[int, Meta(ge=1, le=5)]
    offers_per_season: Count  # about so many offers in each book: its lots are cut into parts of a fitting size
    offers_per_book: Annotated[int, Meta(ge=1, le=200)]  # sell offers that the co-ops keep open in each book
    bids_per_book: Annotated[int, Meta(ge=1, le=200)]  # bids that the importers keep open in each book
    actions_per_second: Annotated[float, Meta(gt=0, le=100)]  # of all clients together
    minutes: Annotated[int, Meta(ge=1, le=1_440)]  # length of the season that `--fast` plays
    sale: SaleRule
    harvests: tuple[Harvest, ...] = ()
