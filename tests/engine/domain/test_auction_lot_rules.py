"""The rules of a lot's description: one row for each, with the change that breaks it, the code and the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engine import limits
from engine.domain.auction_lot_rules import WARNINGS, findings, is_crop_year, kg, percent, refused
from engine.domain.auction_lots import (
    AuctionLot,
    Certificate,
    Component,
    Document,
    Eudr,
    Grading,
    Place,
    Plots,
    Sample,
)

SELLER = 7
NOW_NS = 1_780_000_000 * 10**9  # 28 May 2026
HASH = "ab" * 32
PLOTS = Plots(kind="polygon", count=12, largest_m2=52_000, country="PE", sha256=HASH)
EUDR = Eudr(
    hs_code="09011190", harvest_from="2026-04-01", harvest_to="2026-05-20", plots=(PLOTS,), deforestation_free=True,
    dds_reference="26PEXYZ123",
)  # fmt: skip
CERTIFICATE = Certificate(
    scheme="organic_eu", number="PE-BIO-101", holder="Cooperativa Alto Valle", account=SELLER,
    products=("coffee_green",), valid_from="2026-01-01", valid_to="2027-06-30", certifier="PE-BIO-144", sha256=HASH,
)  # fmt: skip
GRADING = Grading(
    grade="SHB EP", score=8_650, grader="Q 4711", graded="2026-05-10", moisture=1_120, defects_1=0, defects_2=3,
    quakers=0, screen="15+",
)  # fmt: skip
LOT = AuctionLot(
    product="coffee_green", title="Alto Valle washed", country="PE", region="Cajamarca",
    cooperative="Cooperativa Alto Valle", crop_year="2025/2026", variety="Caturra", process="washed", bags=275,
    bag_grams=69_000, lot_grams=18_975_000, containers=1,
    components=(Component(source="a", grams=10_000_000), Component(source="b", grams=8_975_000)), grading=GRADING,
    claims=("specialty", "organic_eu"), certificates=(CERTIFICATE,), incoterm="FOB",
    place=Place(name="Callao", kind="origin_port", country="PE"), shipment_from="2026-08-01", shipment_to="2027-01-31",
    destination="DE", firm_until_ns=NOW_NS + 1,
    samples=(Sample(kind="offer", grams=350, at="Jaén", ready="2026-06-01"),),
    documents=(Document(kind="cupping_form", title="Form", sha256=HASH),), eudr=EUDR,
)  # fmt: skip


def told(lot: AuctionLot) -> list[tuple[str, str]]:
    return [(one.code, one.field) for one in findings(lot, SELLER, NOW_NS)]


def test_a_lot_with_everything_has_nothing_to_be_said_of() -> None:
    assert findings(LOT, SELLER, NOW_NS) == []
    assert msgspec.json.decode(msgspec.json.encode(LOT), type=AuctionLot) == LOT


def test_a_lot_with_the_least_is_taken() -> None:
    least = AuctionLot(product="coffee_green", country="PE", bags=1, bag_grams=1_000)
    assert told(least) == [("CROP_YEAR", "/crop_year")] and not refused(least, SELLER, NOW_NS)
    assert least.grams == 1_000


def certificate(**change: Any) -> dict[str, Any]:
    return {"certificates": (replace(CERTIFICATE, **change),)}


def eudr(**change: Any) -> dict[str, Any]:
    return {"eudr": replace(EUDR, **change)}


def plots(**change: Any) -> dict[str, Any]:
    return eudr(plots=(PLOTS, replace(PLOTS, **change)))


def grading(**change: Any) -> dict[str, Any]:
    return {"grading": replace(GRADING, **change)}


WITHOUT_PARTS: dict[str, Any] = {"components": (), "lot_grams": 0}
CASES: list[tuple[dict[str, Any], str, str]] = [
    # 1: quantity and mass balance
    ({**WITHOUT_PARTS, "bags": 0}, "QTY_STEP", "/bags"),
    ({"components": (), "lot_grams": 18_870_000}, "WEIGHT_MISMATCH", "/lot_grams"),
    ({"components": (Component(source="a", grams=18_974_999),)}, "WEIGHT_MISMATCH", "/components"),
    # 2: bags and containers
    ({**WITHOUT_PARTS, "bags": 200, "bag_grams": 13_800_000}, "BAG_RANGE", "/bag_grams"),
    ({**WITHOUT_PARTS, "bag_grams": 999}, "BAG_RANGE", "/bag_grams"),
    ({**WITHOUT_PARTS, "bag_grams": 100_001}, "BAG_RANGE", "/bag_grams"),
    ({**WITHOUT_PARTS, "bags": 580, "containers": 0}, "LOT_RANGE", "/lot_grams"),
    ({**WITHOUT_PARTS, "containers": limits.LOT_CONTAINERS_MAX + 1}, "LOT_RANGE", "/containers"),
    # 3: units
    ({"package": ""}, "UNIT_MISSING", "/package"),
    ({"package": "crate"}, "UNIT_UNKNOWN", "/package"),
    ({"product": "gold"}, "UNIT_UNKNOWN", "/product"),
    # 9: claims and certificates
    ({"claims": ("fairtrade",)}, "CERT_MISSING", "/claims/0"),
    (certificate(valid_to="2027-01-30"), "CERT_EXPIRED", "/certificates/0/valid_to"),
    (certificate(valid_from="2026-08-02"), "CERT_EXPIRED", "/certificates/0/valid_to"),
    (certificate(products=("cocoa_beans",)), "CERT_SCOPE", "/certificates/0/products"),
    (certificate(account=8, holder="Somebody"), "CERT_SCOPE", "/certificates/0/holder"),
    (certificate(number=""), "CERT_SCOPE", "/certificates/0/number"),
    (certificate(scheme="handshake"), "CERT_SCOPE", "/certificates/0/scheme"),
    # 10: Incoterms
    ({"incoterm": "DAT"}, "INCOTERM_PLACE", "/incoterm"),
    ({"incoterm": ""}, "INCOTERM_PLACE", "/incoterm"),
    ({"place": None}, "INCOTERM_PLACE", "/place"),
    ({"place": Place(name="", kind="origin_port")}, "INCOTERM_PLACE", "/place"),
    ({"place": Place(name="Jaén", kind="origin_place", country="PE")}, "INCOTERM_PLACE", "/place/kind"),
    ({"incoterm": "CIF"}, "INCOTERM_PLACE", "/place/kind"),
    (
        {"incoterm": "CIF", "place": Place(name="Callao", kind="destination_port", country="PE")},
        "INCOTERM_PLACE", "/place/country",
    ),
    # 11: periods
    ({"shipment_to": "2026-07-31", "shipment_from": "2026-08-01"}, "PERIOD", "/shipment_to"),
    ({"shipment_to": ""}, "PERIOD", "/shipment_to"),
    ({"shipment_from": "2026-05-01", "shipment_to": "2026-05-27"}, "PERIOD", "/shipment_to"),
    ({"crop_year": "TEST"}, "PERIOD", "/crop_year"),
    ({"shipment_to": "2027-02-29"}, "PERIOD", "/shipment_to"),
    (grading(graded="2026-05-29"), "PERIOD", "/grading/graded"),
    # 12: grade
    (grading(moisture=2_001), "GRADE_RANGE", "/grading/moisture"),
    (grading(moisture=499), "GRADE_RANGE", "/grading/moisture"),
    (grading(defects_2=limits.LOT_DEFECTS_MAX + 1), "GRADE_RANGE", "/grading/defects_2"),
    (grading(grader=""), "GRADE_SOURCE", "/grading/grader"),
    (grading(graded=""), "GRADE_SOURCE", "/grading/grader"),
    (grading(score=7_999), "GRADE_CLAIM", "/grading/score"),
    (grading(moisture=999), "GRADE_CLAIM", "/grading/moisture"),
    (grading(moisture=1_201), "GRADE_CLAIM", "/grading/moisture"),
    (grading(defects_1=1), "GRADE_CLAIM", "/grading/defects_1"),
    (grading(defects_1=None), "GRADE_CLAIM", "/grading/defects_1"),
    (grading(defects_2=6), "GRADE_CLAIM", "/grading/defects_2"),
    (grading(moisture=1_250), "MOISTURE", "/grading/moisture"),
    # 13: deforestation law
    ({"eudr": None}, "EUDR_PLOTS", "/eudr/plots"),
    (eudr(plots=()), "EUDR_PLOTS", "/eudr/plots"),
    (plots(kind="point", largest_m2=40_001), "EUDR_PLOTS", "/eudr/plots/1/kind"),
    (plots(kind="circle"), "EUDR_PLOTS", "/eudr/plots/1/kind"),
    (plots(country="EC"), "EUDR_PLOTS", "/eudr/plots/1/country"),
    (plots(sha256=""), "EUDR_PLOTS", "/eudr/plots/1/sha256"),
    (eudr(deforestation_free=False), "EUDR_PLOTS", "/eudr/deforestation_free"),
    (eudr(hs_code="180100"), "EUDR_REF", "/eudr/hs_code"),
    (eudr(harvest_from="", harvest_to=""), "EUDR_REF", "/eudr/harvest_from"),
    (eudr(dds_reference=""), "EUDR_REF", "/eudr/dds_reference"),
    (eudr(operator="medium"), "EUDR_REF", "/eudr/operator"),
    # 15: firm until
    ({"firm_until_ns": NOW_NS}, "VALIDITY", "/firm_until_ns"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "field"), CASES, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(CASES)]
)
def test_one_change_breaks_one_rule(change: dict[str, Any], code: str, field: str) -> None:
    lot = replace(LOT, **change)
    found = findings(lot, SELLER, NOW_NS)
    assert (code, field) in told(lot)
    assert all(one.text.endswith(".") and "{" not in one.text for one in found)
    assert refused(lot, SELLER, NOW_NS) is any(one.code not in WARNINGS for one in found)


@pytest.mark.parametrize(
    "change",
    [
        {**WITHOUT_PARTS, "bag_grams": limits.BAG_GRAMS_MAX},
        {**WITHOUT_PARTS, "bags": 1, "bag_grams": limits.BAG_GRAMS_MIN},
        {**WITHOUT_PARTS, "bags": 400, "bag_grams": 100_000, "containers": 0},  # 40 t
        {**WITHOUT_PARTS, "bags": 550, "containers": 2},
        {"components": (), "lot_grams": 18_900_000},  # 0.4 %
        plots(kind="point", largest_m2=40_000),
        eudr(dds_reference="", operator="small"),  # shipped before the law begins for it
        {"eudr": None, "destination": "US"},
        {"incoterm": "FOB", "place": Place(name="Mombasa", kind="origin_port", country="KE")},
        certificate(account=8),  # the co-operative's own
        certificate(valid_from="2026-08-01", valid_to="2027-01-31"),
    ],
)  # fmt: skip
def test_what_stands_on_the_boundary_is_taken(change: dict[str, Any]) -> None:
    assert told(replace(LOT, **change)) == []


def test_a_european_port_makes_it_a_lot_for_the_union() -> None:
    hamburg = Place(name="Hamburg", kind="destination_port", country="DE")
    lot = replace(LOT, incoterm="CIF", place=hamburg, destination="", eudr=None)
    assert told(lot) == [("EUDR_PLOTS", "/eudr/plots")]
    bananas = replace(lot, product="bananas", package="box", grading=Grading(), claims=(), certificates=())
    assert told(bananas) == [], "the law names no bananas"


@pytest.mark.parametrize(
    ("text", "plausible"),
    [
        ("2025", True), ("2025/2026", True), ("2027", True), ("2028", False), ("2025/2027", False),
        ("2026/2025", False),
        ("1999", False), ("2000", True), ("mmm", False), ("4T/10", False), ("2025/26", False), ("２０２５", False),
    ],
)  # fmt: skip
def test_crop_years(text: str, plausible: bool) -> None:
    assert is_crop_year(text, "2026-05-28") is plausible


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("components", limits.LOT_COMPONENTS_MAX),
        ("claims", limits.LOT_SCOPE_MAX),
        ("certificates", limits.LOT_CERTIFICATES_MAX),
        ("samples", limits.LOT_SAMPLES_MAX),
        ("documents", limits.LOT_DOCUMENTS_MAX),
        ("title", limits.LOT_TEXT_CHARS_MAX),
    ],
)
def test_a_description_stays_small(field: str, most: int) -> None:
    one = msgspec.to_builtins(LOT)[field][:1]
    plain = msgspec.to_builtins(LOT)
    assert msgspec.convert(plain | {field: one * most}, AuctionLot)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | {field: one * (most + 1)}, AuctionLot)


def test_plots_and_scopes_stay_few() -> None:
    plain = msgspec.to_builtins(EUDR)
    assert msgspec.convert(plain | {"plots": plain["plots"] * limits.LOT_PLOTS_MAX}, Eudr)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | {"plots": plain["plots"] * (limits.LOT_PLOTS_MAX + 1)}, Eudr)
    plain = msgspec.to_builtins(CERTIFICATE)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | {"products": ["coffee_green"] * (limits.LOT_SCOPE_MAX + 1)}, Certificate)


@pytest.mark.parametrize(
    "change",
    [
        {"country": "Peru"}, {"shipment_from": "1.8.2026"}, {"bags": 10**12 + 1}, {"bags": 2.5}, {"bags": "2"},
        {"surprise": 1}, {"eudr": {"hs_code": "coffee"}}, {"incoterm": "fob"},
    ],
)  # fmt: skip
def test_what_has_no_form_is_no_lot(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(LOT) | change, AuctionLot)


def test_numbers_as_people_write_them() -> None:
    assert [kg(grams) for grams in (13_800_000_000, 453, 69_500, 0)] == ["13,800,000", "0.453", "69.5", "0"]
    assert [percent(value) for value in (1_150, 8_000, 1_205, 5)] == ["11.5", "80", "12.05", "0.05"]
