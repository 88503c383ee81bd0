"""What the season's lots become: instruments with books, and auction lots for the Helmsman sales.

Every lot has one use at most: the best-scored small lots are kept for the sales; the others belong to the instrument of
their origin, process, grade and bag weight, if that has enough on offer; the rest stay unlisted.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any, NamedTuple

from engine.domain.units import decimal_text
from gateway.data.tables import Lot, lots, monthly_price
from gateway.demo.rules import CoffeeRule, Grade, SaleRule

COUNTRY_CODES = {
    "Brazil": "BR", "Burundi": "BI", "China": "CN", "Colombia": "CO", "Costa Rica": "CR", "El Salvador": "SV",
    "Ethiopia": "ET", "Guatemala": "GT", "Haiti": "HT", "Honduras": "HN", "India": "IN", "Indonesia": "ID",
    "Kenya": "KE", "Laos": "LA", "Madagascar": "MG", "Malawi": "MW", "Mexico": "MX", "Myanmar": "MM",
    "Nicaragua": "NI", "Panama": "PA", "Papua New Guinea": "PG", "Peru": "PE", "Rwanda": "RW", "Taiwan": "TW",
    "Tanzania": "TZ", "Thailand": "TH", "Uganda": "UG", "United States": "US", "United States (Hawaii)": "US",
    "Vietnam": "VN",
}  # fmt: skip


class Group(NamedTuple):
    """Lots that are one good: what an instrument's book trades."""

    symbol: str
    species: str
    country: str
    process: str
    grade: Grade
    bag_kg: Fraction
    lots: tuple[Lot, ...]

    @property
    def bags(self) -> int:
        return sum(lot.bags for lot in self.lots)


def sale_lots(rule: SaleRule) -> tuple[Lot, ...]:
    """The best-scored lots of a size that one roaster can buy, best first; equal scores by lot id."""
    small = [lot for lot in lots() if rule.bags_min <= lot.bags <= rule.bags_max]
    return tuple(sorted(small, key=lambda lot: (-lot.score, lot.lot_id))[: rule.lots * rule.sales])


def grade_of(score: Fraction, grades: tuple[Grade, ...]) -> Grade | None:
    """The highest grade whose `score_from` the score reaches; None below all."""
    reached = [grade for grade in grades if score >= Fraction(grade.score_from)]
    return max(reached, key=lambda grade: Fraction(grade.score_from)) if reached else None


def groups(rule: CoffeeRule, sale: SaleRule | None) -> list[Group]:
    """The instruments' lots, by symbol. A lot without a stated process is no tradable good and is left out."""
    kept = {lot.lot_id for lot in sale_lots(sale)} if sale else set()
    found: dict[tuple[str, str, str, str, Fraction], list[Lot]] = defaultdict(list)
    grades = {grade.label: grade for grade in rule.grades}
    for lot in lots():
        grade = grade_of(lot.score, rule.grades)
        if lot.lot_id not in kept and lot.process not in ("", "other") and grade is not None:
            found[lot.species, lot.country, lot.process, grade.label, lot.bag_kg].append(lot)
    listed = []
    for (species, country, process, label, bag_kg), members in found.items():
        group = Group(
            symbol_of(species, country, process, label, bag_kg), species, country, process, grades[label], bag_kg,
            tuple(members),
        )  # fmt: skip
        enough = group.bags >= rule.bags_min and len(members) >= rule.lots_min
        if enough and bag_kg >= Fraction(rule.bag_kg_min):
            listed.append(group)
    return sorted(listed, key=lambda group: group.symbol)


def symbol_of(species: str, country: str, process: str, label: str, bag_kg: Fraction) -> str:
    """For instance PE-WASHED-80-69KG; robusta is named: IN-ROBUSTA-WASHED-80-60KG."""
    kind = f"{species.upper()}-" if species != "Arabica" else ""
    return f"{COUNTRY_CODES[country]}-{kind}{process.replace('-', '').upper()}-{label}-{decimal_text(bag_kg)}KG"


def coffee_instruments(rule: CoffeeRule, sale: SaleRule | None) -> list[dict[str, Any]]:
    """Each group as an [[instruments]] table of a configuration. Raises KeyError(series or month)."""
    tick = Fraction(rule.tick_size)
    tables = []
    for group in groups(rule, sale):
        bag = decimal_text(group.bag_kg)
        series = rule.series.robusta if group.species == "Robusta" else rule.series.arabica
        plus = Fraction(rule.origins.get(group.country, "0")) + Fraction(group.grade.plus)
        reference = round((monthly_price(series, rule.month) + plus) / tick) * tick
        scores = [lot.score for lot in group.lots]
        years = sorted({lot.harvest_year for lot in group.lots if lot.harvest_year})
        tables.append(
            {
                "symbol": group.symbol,
                "name": f"{group.country}, {group.process} {group.species.lower()}, {_grade_words(group.grade)}",
                "commodity": "green coffee",
                "tick_size": rule.tick_size,
                "price_unit": rule.price_unit,
                "price_max": rule.price_max,
                "lot_kg": bag,
                "lot_unit": f"bag of {bag} kg",
                "currency": rule.currency,
                "reference": decimal_text(reference),
                "calendar": rule.calendar,
                "attributes": {
                    "origin": group.country,
                    "species": group.species,
                    "process": group.process,
                    "grade": _grade_words(group.grade),
                    "cup_score": f"{float(min(scores)):.2f} to {float(max(scores)):.2f}",
                    "crop_years": f"{years[0]} to {years[-1]}" if years else "not stated",
                    "graded_lots": str(len(group.lots)),
                    "graded_bags": str(group.bags),
                },
                "source": f"Lots: Coffee Quality Institute. Reference: World Bank {series} {rule.month} "
                f"{'+' if plus >= 0 else '-'} {decimal_text(abs(plus))} {rule.price_unit} (origin and grade)",
            }
        )
    return tables


def _grade_words(grade: Grade) -> str:
    return f"cup score {grade.score_from} or more" if grade.score_from != "0" else "below specialty grade"
