"""The small tables beside this file, read as exact numbers. SOURCES.md says where they come from."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Lot(NamedTuple):
    """One real, graded lot of green coffee."""

    lot_id: str
    species: str  # "Arabica" or "Robusta"
    country: str
    region: str
    variety: str
    process: str  # washed, natural, honey, semi-washed, other; "" where it is not stated
    harvest_year: str
    bags: int
    bag_kg: Fraction
    score: Fraction  # cup points, 0 to 100
    moisture_pct: str


_PROCESSES = {
    "washed": "washed",
    "natural": "natural",
    "honey": "honey",
    "semi-washed": "semi-washed",
    "Semi Washed": "semi-washed",
    "SEMI-LAVADO": "semi-washed",
    "Double Anaerobic Washed": "washed",
    "Honey,Mossto": "honey",
    "": "",
}


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def lots() -> tuple[Lot, ...]:
    """The 913 lots, in the order of their ids."""
    return tuple(
        Lot(
            row["lot_id"], row["species"], row["country"], row["region"], row["variety"],
            _PROCESSES.get(row["processing"], "other"), row["harvest_year"], int(row["bags"]),
            Fraction(row["bag_weight_kg"]), Fraction(row["total_cup_points"]), row["moisture_pct"],
        )
        for row in sorted(_rows("coffee_lots.csv"), key=lambda row: row["lot_id"])
    )  # fmt: skip


def monthly_price(series: str, month: str) -> Fraction:
    """Price of a World Bank series in a month ("2026-05"). Raises KeyError(series) or KeyError(month)."""
    for row in _rows("prices_monthly.csv"):
        if row["month"] == month:
            return Fraction(row[series])
    raise KeyError(month)


def quinoa_price(year: str) -> Fraction:
    """Farm price of quinoa in Peru over a year, in soles/kg, weighted by the tonnes of each month. KeyError(year)."""
    months = [row for row in _rows("quinoa_peru_monthly.csv") if row["month"].startswith(f"{year}-")]
    if not months:
        raise KeyError(year)
    tonnes = sum(Fraction(row["production_t"]) for row in months)
    return (
        sum((Fraction(row["production_t"]) * Fraction(row["farmgate_pen_kg"]) for row in months), Fraction(0)) / tonnes
    )
