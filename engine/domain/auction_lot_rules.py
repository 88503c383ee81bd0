"""Whether the description of an auction lot holds together: every finding with a code, the field and a sentence.

An error refuses the lot; a warning is told and nothing else. What the codes stand for, and whose rule each one is:

    QTY_STEP         a positive whole number of bags
    UNIT_MISSING     a bag weight without unit is no weight; in a description: no package is named
    UNIT_UNKNOWN     a product or a package that is not traded here
    BAG_RANGE        a bag weighs 1 to 100 kg
    LOT_RANGE        1 kg to 40 t in a container; more only in a stated, whole number of them
    WEIGHT_MISMATCH  bags x bag weight = lot weight within 0.5 % (ESCC's weight franchise); parts = lot, to the gram
    PERIOD           dates that there are, in order; a crop year such as 2025 or 2025/2026, not "TEST"
    GRADE_RANGE      moisture, defects and score within what the product can have
    GRADE_SOURCE     a score says who gave it, and when
    GRADE_CLAIM      specialty: 10-12 % moisture, no category-1 and at most 5 category-2 defects, 80 points (SCA)
    MOISTURE         warning: outside what is usual for the product
    CROP_YEAR        warning: none is given
    CERT_MISSING     a claim without certificate
    CERT_EXPIRED     a certificate that does not hold for the whole shipment window (none given: today)
    CERT_SCOPE       one that does not cover the product, or neither the seller nor the co-operative
    INCOTERM_PLACE   a rule of Incoterms 2020 with a named place of its kind, destinations outside the origin
    EUDR_PLOTS       for the European Union: plots in the lot's country, polygons above 4 ha, free of deforestation
    EUDR_REF         and the HS code, the harvest, and from the day the law applies the reference of the statement
    VALIDITY         an offer is firm until a time to come
    DUPLICATE        the same number twice in one file

That bids keep to ticks and increments, and that nobody bids on a lot of one's own group, is checked where they bid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.domain.auction_lots import AuctionLot, Certificate
from engine.domain.dates import date_of, is_date
from engine.domain.products import (
    CERTIFICATE_SCHEMES,
    EUDR_FROM,
    EUDR_POINT_M2_MAX,
    EUROPEAN_UNION,
    INCOTERM_PLACES,
    PRODUCTS,
    Product,
)
from engine.limits import (
    BAG_GRAMS_MAX,
    BAG_GRAMS_MIN,
    CONTAINER_GRAMS_MAX,
    CROP_YEAR_MIN,
    LOT_CONTAINERS_MAX,
    LOT_DEFECTS_MAX,
    LOT_GRAMS_MIN,
    LOT_WEIGHT_TOLERANCE_BPS,
)

WARNINGS = frozenset({"MOISTURE", "CROP_YEAR"})
SPECIALTY_SCORE_MIN = 8_000
SPECIALTY_MOISTURE = (1_000, 1_200)
SPECIALTY_DEFECTS_2_MAX = 5
_CROP_YEAR = re.compile(r"([0-9]{4})(?:/([0-9]{4}))?", re.ASCII)


class Finding(NamedTuple):
    """`field` is a JSON pointer into the lot."""

    code: str
    field: str
    text: str

    @property
    def is_error(self) -> bool:
        return self.code not in WARNINGS


def findings(lot: AuctionLot, seller: int, now_ns: int) -> list[Finding]:
    """All that is to be said of a lot that account `seller` offers at `now_ns`, in the order of its fields."""
    today = date_of(now_ns)
    product = PRODUCTS.get(lot.product)
    if product is None:
        return [Finding("UNIT_UNKNOWN", "/product", f"{lot.product!r} is not traded here; {_one_of(PRODUCTS)}.")]
    return [
        *_quantity(lot, product),
        *_crop_year(lot, today),
        *_grading(lot, product, today),
        *_period("/shipment_from", lot.shipment_from, "/shipment_to", lot.shipment_to),
        *_certificates(lot, seller, today),
        *_delivery(lot, today),
        *_eudr(lot, product),
        *_validity(lot, now_ns),
        *_dates(lot),
    ]


def refused(lot: AuctionLot, seller: int, now_ns: int) -> bool:
    """One error is enough."""
    return any(finding.is_error for finding in findings(lot, seller, now_ns))


def _quantity(lot: AuctionLot, product: Product) -> Iterator[Finding]:
    if not lot.package:
        yield Finding("UNIT_MISSING", "/package", "It is not said what the bags are.")
    elif lot.package not in product.packages:
        yield Finding(
            "UNIT_UNKNOWN", "/package", f"{lot.product} comes in no {lot.package}; {_one_of(product.packages)}."
        )
    if lot.bags < 1:
        yield Finding("QTY_STEP", "/bags", f"{lot.bags} bags; a lot has a whole number of them, from 1.")
    if not BAG_GRAMS_MIN <= lot.bag_grams <= BAG_GRAMS_MAX:
        yield Finding(
            "BAG_RANGE", "/bag_grams", f"{lot.bags} bags of {kg(lot.bag_grams)} kg; a bag weighs 1 to 100 kg."
        )
    packed = lot.bags * lot.bag_grams
    if lot.lot_grams and abs(packed - lot.lot_grams) * 10_000 > lot.lot_grams * LOT_WEIGHT_TOLERANCE_BPS:
        text = f"{lot.bags} bags of {kg(lot.bag_grams)} kg are {kg(packed)} kg, not {kg(lot.lot_grams)} kg."
        yield Finding("WEIGHT_MISMATCH", "/lot_grams", text)
    most = max(lot.containers, 1) * CONTAINER_GRAMS_MAX
    if lot.containers > LOT_CONTAINERS_MAX:
        yield Finding("LOT_RANGE", "/containers", f"{lot.containers} containers; at most {LOT_CONTAINERS_MAX}.")
    elif not LOT_GRAMS_MIN <= lot.grams <= most:
        yield Finding("LOT_RANGE", "/lot_grams", f"{kg(lot.grams)} kg; a lot has 1 to {kg(most)} kg in its containers.")
    parts = sum(part.grams for part in lot.components)
    if lot.components and parts != lot.grams:
        text = f"The parts weigh {kg(parts)} kg, the lot {kg(lot.grams)} kg."
        yield Finding("WEIGHT_MISMATCH", "/components", text)


def _crop_year(lot: AuctionLot, today: str) -> Iterator[Finding]:
    if not lot.crop_year:
        yield Finding("CROP_YEAR", "/crop_year", "No crop year is given.")
    elif not is_crop_year(lot.crop_year, today):
        yield Finding("PERIOD", "/crop_year", f"{lot.crop_year!r} is no crop year such as 2025 or 2025/2026.")


def is_crop_year(text: str, today: str) -> bool:
    """One year, or two that follow each other, neither long ago nor far ahead."""
    found = _CROP_YEAR.fullmatch(text)
    if found is None:
        return False
    first = int(found[1])
    last = int(found[2] or first)
    return first >= CROP_YEAR_MIN and last - first in (0, 1) and last <= int(today[:4]) + 1


def _grading(lot: AuctionLot, product: Product, today: str) -> Iterator[Finding]:
    grading, at = lot.grading, "/grading"
    low, high = product.moisture_possible
    usual_low, usual_high = product.moisture_usual
    if grading.moisture and not low <= grading.moisture <= high:
        text = f"{percent(grading.moisture)} % moisture; {lot.product} has {percent(low)} to {percent(high)} %."
        yield Finding("GRADE_RANGE", f"{at}/moisture", text)
    elif grading.moisture and not usual_low <= grading.moisture <= usual_high:
        text = f"{percent(grading.moisture)} % moisture; usual is {percent(usual_low)} to {percent(usual_high)} %."
        yield Finding("MOISTURE", f"{at}/moisture", text)
    for name in ("defects_1", "defects_2", "quakers"):
        count = getattr(grading, name)
        if count is not None and count > LOT_DEFECTS_MAX:
            yield Finding("GRADE_RANGE", f"{at}/{name}", f"{count}; a sample has at most {LOT_DEFECTS_MAX}.")
    if grading.score and not product.scored:
        yield Finding("GRADE_RANGE", f"{at}/score", f"{lot.product} has no cup score.")
    if grading.score and not (grading.grader and grading.graded):
        yield Finding("GRADE_SOURCE", f"{at}/grader", "A score needs its grader and the date.")
    if is_date(grading.graded) and grading.graded > today:
        yield Finding("PERIOD", f"{at}/graded", f"{grading.graded} is still to come.")
    if "specialty" in lot.claims:
        yield from _specialty(lot, product)


def _specialty(lot: AuctionLot, product: Product) -> Iterator[Finding]:
    grading, (low, high) = lot.grading, SPECIALTY_MOISTURE
    if not product.scored:
        yield Finding("GRADE_CLAIM", "/claims", f"There is no specialty {lot.product}.")
        return
    if grading.score < SPECIALTY_SCORE_MIN:
        text = f"Specialty has 80 points or more, not {percent(grading.score)}."
        yield Finding("GRADE_CLAIM", "/grading/score", text)
    if not low <= grading.moisture <= high:
        text = f"Specialty has 10 to 12 % moisture, not {percent(grading.moisture)} %."
        yield Finding("GRADE_CLAIM", "/grading/moisture", text)
    if grading.defects_1 != 0:
        yield Finding("GRADE_CLAIM", "/grading/defects_1", "Specialty has no category-1 defect, and says so.")
    if grading.defects_2 is None or grading.defects_2 > SPECIALTY_DEFECTS_2_MAX:
        yield Finding("GRADE_CLAIM", "/grading/defects_2", "Specialty has at most 5 category-2 defects, and says so.")


def _certificates(lot: AuctionLot, seller: int, today: str) -> Iterator[Finding]:
    held = {certificate.scheme for certificate in lot.certificates}
    for n, claim in enumerate(lot.claims):
        if claim != "specialty" and claim not in held:
            text = f"It claims to be {claim}, and has no certificate of that scheme."
            yield Finding("CERT_MISSING", f"/claims/{n}", text)
    for n, certificate in enumerate(lot.certificates):
        yield from _certificate(f"/certificates/{n}", certificate, lot, seller, today)


def _certificate(at: str, certificate: Certificate, lot: AuctionLot, seller: int, today: str) -> Iterator[Finding]:
    if certificate.scheme not in CERTIFICATE_SCHEMES:
        text = f"{certificate.scheme!r} is no scheme known here; {_one_of(CERTIFICATE_SCHEMES)}."
        yield Finding("CERT_SCOPE", f"{at}/scheme", text)
    if not certificate.number:
        yield Finding("CERT_SCOPE", f"{at}/number", "A certificate has a number.")
    if lot.product not in certificate.products:
        yield Finding("CERT_SCOPE", f"{at}/products", f"Certificate {certificate.number} does not cover {lot.product}.")
    named = bool(lot.cooperative) and certificate.holder == lot.cooperative
    if certificate.account != seller and not named:
        text = f"Certificate {certificate.number} covers neither the seller nor the lot's co-operative."
        yield Finding("CERT_SCOPE", f"{at}/holder", text)
    first, last = lot.shipment_from or today, lot.shipment_to or lot.shipment_from or today
    if certificate.valid_from > first or certificate.valid_to < last:
        text = (
            f"Certificate {certificate.number} holds from {certificate.valid_from} to {certificate.valid_to}, "
            f"and the shipment is from {first} to {last}."
        )
        yield Finding("CERT_EXPIRED", f"{at}/valid_to", text)


def _delivery(lot: AuctionLot, today: str) -> Iterator[Finding]:
    if lot.incoterm or lot.place is not None:
        kinds = INCOTERM_PLACES.get(lot.incoterm)
        if kinds is None:
            text = f"{lot.incoterm!r} is no rule of Incoterms 2020; {_one_of(INCOTERM_PLACES)}."
            yield Finding("INCOTERM_PLACE", "/incoterm", text)
        elif lot.place is None or not lot.place.name:
            yield Finding("INCOTERM_PLACE", "/place", f"{lot.incoterm} is nothing without its named place.")
        elif lot.place.kind not in kinds:
            text = f"{lot.incoterm} {lot.place.name} names {lot.place.kind!r}; {_one_of(kinds)}."
            yield Finding("INCOTERM_PLACE", "/place/kind", text)
        elif lot.place.kind.startswith("destination") and lot.place.country == lot.country:
            text = f"{lot.place.name} lies where the lot comes from, and is no destination of it."
            yield Finding("INCOTERM_PLACE", "/place/country", text)
    if is_date(lot.shipment_to) and lot.shipment_to < today:
        yield Finding("PERIOD", "/shipment_to", f"The shipment was to be over on {lot.shipment_to}.")


def destination_of(lot: AuctionLot) -> str:
    """The country that it is meant for; "": that is not said."""
    if lot.destination or lot.place is None or not lot.place.kind.startswith("destination"):
        return lot.destination
    return lot.place.country


def _eudr(lot: AuctionLot, product: Product) -> Iterator[Finding]:
    if not product.eudr or destination_of(lot) not in EUROPEAN_UNION:
        return
    eudr = lot.eudr
    if eudr is None or not eudr.plots:
        yield Finding("EUDR_PLOTS", "/eudr/plots", f"{lot.product} for the European Union names its plots of land.")
        return
    countries = {lot.country, *(part.country for part in lot.components if part.country)}
    for n, plots in enumerate(eudr.plots):
        at = f"/eudr/plots/{n}"
        if plots.kind not in ("point", "polygon"):
            yield Finding("EUDR_PLOTS", f"{at}/kind", f"{plots.kind!r} is neither point nor polygon.")
        elif plots.kind == "point" and plots.largest_m2 > EUDR_POINT_M2_MAX:
            text = f"A plot of {plots.largest_m2} m2 is over 4 ha and needs a polygon."
            yield Finding("EUDR_PLOTS", f"{at}/kind", text)
        if plots.country not in countries:
            text = f"A plot in {plots.country or 'no country'} grew no lot from {lot.country}."
            yield Finding("EUDR_PLOTS", f"{at}/country", text)
        if not plots.sha256:
            yield Finding("EUDR_PLOTS", f"{at}/sha256", "The document of coordinates is named by its hash.")
    if not eudr.deforestation_free:
        text = "The seller attests that no plot was deforested after 31 December 2020."
        yield Finding("EUDR_PLOTS", "/eudr/deforestation_free", text)
    if not eudr.hs_code.startswith(product.hs):
        yield Finding("EUDR_REF", "/eudr/hs_code", f"The HS code of {lot.product} begins with {product.hs}.")
    if not (eudr.harvest_from and eudr.harvest_to):
        yield Finding("EUDR_REF", "/eudr/harvest_from", "The harvest has a first and a last day.")
    yield from _period("/eudr/harvest_from", eudr.harvest_from, "/eudr/harvest_to", eudr.harvest_to)
    begins = EUDR_FROM.get(eudr.operator)
    if begins is None:
        yield Finding("EUDR_REF", "/eudr/operator", f"{eudr.operator!r} is no size; {_one_of(EUDR_FROM)}.")
    elif not eudr.dds_reference and lot.shipment_to >= begins:
        text = f"From {begins} a {eudr.operator} operator states the reference of its due diligence statement."
        yield Finding("EUDR_REF", "/eudr/dds_reference", text)


def _validity(lot: AuctionLot, now_ns: int) -> Iterator[Finding]:
    if lot.firm_until_ns and lot.firm_until_ns <= now_ns:
        yield Finding("VALIDITY", "/firm_until_ns", "The time until which the offer is firm is over.")


def _period(from_at: str, first: str, to_at: str, last: str) -> Iterator[Finding]:
    if bool(first) != bool(last):
        yield Finding("PERIOD", to_at if first else from_at, "A period has a first and a last day.")
    elif first > last:
        yield Finding("PERIOD", to_at, f"{last} is before {first}.")


def _dates(lot: AuctionLot) -> Iterator[Finding]:
    """Days that the calendar has."""
    named = {
        "/grading/graded": lot.grading.graded,
        "/shipment_from": lot.shipment_from,
        "/shipment_to": lot.shipment_to,
    }
    for n, certificate in enumerate(lot.certificates):
        named[f"/certificates/{n}/valid_from"] = certificate.valid_from or "none"
        named[f"/certificates/{n}/valid_to"] = certificate.valid_to or "none"
    for n, sample in enumerate(lot.samples):
        named[f"/samples/{n}/ready"] = sample.ready
    if lot.eudr is not None:
        named |= {"/eudr/harvest_from": lot.eudr.harvest_from, "/eudr/harvest_to": lot.eudr.harvest_to}
    for at, date in named.items():
        if date and not is_date(date):
            yield Finding("PERIOD", at, f"{date!r} is no day of the calendar.")


def kg(grams: int) -> str:
    """13800000 -> "13,800", 453 -> "0.453"."""
    whole, part = divmod(grams, 1000)
    return f"{whole:,}" + (f".{part:03d}".rstrip("0") if part else "")


def percent(hundredths: int) -> str:
    """1150 -> "11.5", 8000 -> "80"."""
    whole, part = divmod(hundredths, 100)
    return f"{whole}" + (f".{part:02d}".rstrip("0") if part else "")


def _one_of(words: object) -> str:
    return "it is one of " + ", ".join(sorted(words))  # type: ignore[call-overload]
