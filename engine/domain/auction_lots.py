"""An auction lot as its seller describes it: what it is, how it was graded, who attests what, where and when it goes.

The structs are the body in the log, the JSON of the API and the schema of both. Their bounds keep a lot small;
`auction_lot_rules.py` says what a sound one is. Weights are grams, cup scores and moisture hundredths (of a point, of a
percent), areas square metres, dates ISO text; "" and 0 mean that nothing is said. Nothing here names a person:
co-operatives, stations and certifiers are organisations, a grader is named by licence or institute.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from engine import limits

Text = Annotated[str, Meta(max_length=limits.LOT_TEXT_CHARS_MAX)]
Word = Annotated[str, Meta(pattern=r"^[a-z0-9_]{0,32}\Z")]  # of a list that the rules know
Country = Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z", description="ISO 3166-1 alpha-2")]
Date = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z", description="of the document, which is kept elsewhere")]
Grams = Annotated[int, Meta(ge=0, le=limits.LOT_NUMBER_MAX)]
Count = Annotated[int, Meta(ge=0, le=limits.LOT_NUMBER_MAX)]
Hundredths = Annotated[int, Meta(ge=0, le=10_000)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field that it does not know is refused."""


class Component(Part, frozen=True, kw_only=True):
    """One delivery that went into the lot. The parts weigh what the lot weighs."""

    source: Text  # co-operative, washing station, delivery number
    grams: Grams
    country: Country = ""
    region: Text = ""


class Grading(Part, frozen=True, kw_only=True):
    grade: Text = ""  # "SHB EP", "AA"
    score: Hundredths = 0  # cup points
    grader: Text = ""  # institute or licence
    graded: Date = ""
    moisture: Hundredths = 0
    defects_1: Count | None = None  # full category-1 defects in 350 g
    defects_2: Count | None = None
    quakers: Count | None = None  # in 100 g roasted
    screen: Text = ""  # "15+", in 1/64 inch


class Certificate(Part, frozen=True, kw_only=True):
    """It speaks for the lot's seller (`account`), or for the co-operative that the lot names (`holder`)."""

    scheme: Word
    number: Text
    holder: Text = ""
    account: Annotated[int, Meta(ge=0, le=limits.ACCOUNTS_MAX)] = 0
    products: Annotated[tuple[Word, ...], Meta(max_length=limits.LOT_SCOPE_MAX)] = ()  # that it covers
    valid_from: Date
    valid_to: Date
    certifier: Text = ""
    sha256: Sha256 = ""


class Place(Part, frozen=True, kw_only=True):
    name: Text
    kind: Word  # origin_place, origin_port, destination_place, destination_port
    country: Country = ""


class Sample(Part, frozen=True, kw_only=True):
    kind: Word  # offer, type, stock_lot, pre_shipment
    grams: Grams = 0
    at: Text = ""  # where it can be had
    ready: Date = ""


class Document(Part, frozen=True, kw_only=True):
    kind: Word  # cupping_form, certificate_of_origin, photograph
    title: Text = ""
    sha256: Sha256


class Plots(Part, frozen=True, kw_only=True):
    """Plots of land in one document of coordinates."""

    kind: Word  # point, polygon
    count: Annotated[int, Meta(ge=1, le=limits.LOT_NUMBER_MAX)] = 1
    largest_m2: Count
    country: Country
    sha256: Sha256


class Eudr(Part, frozen=True, kw_only=True):
    """What Regulation (EU) 2023/1115 asks for a consignment."""

    hs_code: Annotated[str, Meta(pattern=r"^[0-9]{4,10}\Z")]
    harvest_from: Date
    harvest_to: Date
    plots: Annotated[tuple[Plots, ...], Meta(max_length=limits.LOT_PLOTS_MAX)] = ()
    deforestation_free: bool = False  # the seller attests: since 31 December 2020
    operator: Word = "large"  # or "small" (micro or small, by the end of 2024): when the law begins for it
    dds_reference: Annotated[str, Meta(max_length=64)] = ""  # due diligence statement, or declaration identifier


class AuctionLot(Part, frozen=True, kw_only=True):
    """`lot_grams` 0: bags x bag_grams. A lot of over 40 t says how many containers it is."""

    product: Word
    title: Text = ""
    country: Country
    region: Text = ""
    cooperative: Text = ""
    crop_year: Annotated[str, Meta(max_length=16)] = ""  # "2025" or "2025/2026"
    variety: Text = ""
    process: Text = ""
    package: Word = "bag"
    bags: Count
    bag_grams: Grams
    lot_grams: Grams = 0
    containers: Count = 0
    components: Annotated[tuple[Component, ...], Meta(max_length=limits.LOT_COMPONENTS_MAX)] = ()
    grading: Grading = Grading()
    claims: Annotated[tuple[Word, ...], Meta(max_length=limits.LOT_SCOPE_MAX)] = ()  # specialty, or a scheme
    certificates: Annotated[tuple[Certificate, ...], Meta(max_length=limits.LOT_CERTIFICATES_MAX)] = ()
    incoterm: Annotated[str, Meta(pattern=r"^([A-Z]{3})?\Z")] = ""  # of 2020
    place: Place | None = None
    shipment_from: Date = ""
    shipment_to: Date = ""
    destination: Country = ""  # where it is meant for; else the country of a named destination
    firm_until_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0  # until then the seller offers it; 0: while it is here
    samples: Annotated[tuple[Sample, ...], Meta(max_length=limits.LOT_SAMPLES_MAX)] = ()
    documents: Annotated[tuple[Document, ...], Meta(max_length=limits.LOT_DOCUMENTS_MAX)] = ()
    eudr: Eudr | None = None

    @property
    def grams(self) -> int:
        """What it weighs: what is stated, else what the bags come to."""
        return self.lot_grams or self.bags * self.bag_grams
