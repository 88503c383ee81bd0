"""What is sold here, and what a sound lot of it looks like: facts of the trade, each with its source."""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """Moisture in hundredths of a percent: outside `moisture_possible` it is a typing error, outside `moisture_usual`
    worth a warning."""

    hs: str  # first digits of its code in the Harmonized System
    packages: frozenset[str]
    eudr: bool = False  # in scope of Regulation (EU) 2023/1115
    moisture_possible: tuple[int, int] = (0, 10_000)
    moisture_usual: tuple[int, int] = (0, 10_000)
    scored: bool = False  # has cup points and counts of defects


_SACKS = frozenset({"bag", "box", "bulk_bag"})
_BOXES = frozenset({"box", "crate", "bag"})

PRODUCTS: dict[str, Product] = {
    # usual: SCA, 10 to 12 %; possible: ours
    "coffee_green": Product("0901", _SACKS, True, (500, 2_000), (1_000, 1_200), True),
    # ISO 2451: 8.0 % on loading
    "cocoa_beans": Product("1801", _SACKS, True, (300, 1_200), (0, 800)),
    "bananas": Product("0803", _BOXES),
    # Codex: 13.0 %
    "quinoa": Product("1008", _SACKS, False, (300, 2_000), (0, 1_300)),
    "maize_giant_white": Product("1005", _SACKS, False, (300, 2_500), (0, 1_450)),
    "grapes": Product("0806", _BOXES),
    "asparagus": Product("0709", _BOXES),
    "mangoes": Product("0804", _BOXES),
    "blueberries": Product("0810", _BOXES),
}

# Incoterms 2020: each rule, and the kinds of place that may be named with it (a store at the destination: ex works).
INCOTERM_PLACES: dict[str, frozenset[str]] = {
    "EXW": frozenset({"origin_place", "destination_place"}),
    "FCA": frozenset({"origin_place", "origin_port"}),
    "FAS": frozenset({"origin_port"}),
    "FOB": frozenset({"origin_port"}),
    "CFR": frozenset({"destination_port"}),
    "CIF": frozenset({"destination_port"}),
    "CPT": frozenset({"destination_place", "destination_port"}),
    "CIP": frozenset({"destination_place", "destination_port"}),
    "DAP": frozenset({"destination_place", "destination_port"}),
    "DPU": frozenset({"destination_place", "destination_port"}),
    "DDP": frozenset({"destination_place", "destination_port"}),
}

EUROPEAN_UNION = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
        "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip
# Regulation (EU) 2025/2650: first day that the deforestation law applies, by the size of the operator.
EUDR_FROM = {"large": "2026-12-30", "small": "2027-06-30"}
EUDR_POINT_M2_MAX = 40_000  # a plot of over 4 ha is told as a polygon

CERTIFICATE_SCHEMES = frozenset(
    {
        "fairtrade", "fair_trade_usa", "organic_eu", "organic_nop", "organic_jas", "rainforest_alliance", "spp",
        "phytosanitary", "ico_origin",
    }
)  # fmt: skip
