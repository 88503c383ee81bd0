"""A CSV file of auction lots, row by row: each a lot or what is wrong with it, nothing guessed.

The first line names the columns; `COLUMNS` has those that are read and the other names under which files have them (the
tables of the Coffee Quality Institute among them). Others are passed over, and named. Weights are decimal text in kg
unless they carry a unit ("60 kg", "132 lb"); a bag weight without number is one whose unit nobody knows. Lists have
their entries between semicolons, the parts of an entry between bars:

    certificates   scheme|number|holder|from|to; ...
    plots          point or polygon|count|largest in m2|country|sha256; ...
    documents      kind|title|sha256; ...
    components     source|kg; ...
    samples        kind|grams|where|ready; ...
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec

from engine.domain.auction_lot_rules import Finding, findings, is_crop_year
from engine.domain.auction_lots import AuctionLot
from engine.domain.dates import date_of
from engine.domain.products import PRODUCTS
from engine.domain.units import KG_PER
from engine.limits import LOT_CSV_BYTES_MAX, LOT_CSV_CELL_CHARS_MAX, LOT_CSV_ROWS_MAX, LOT_TEXT_CHARS_MAX
from gateway.data.countries import country_code

# What is read, and under which other names.
COLUMNS: dict[str, tuple[str, ...]] = {
    "number": ("lot_id", "lot"),
    "seller": (),
    "title": ("name",),
    "product": (),
    "species": (),
    "country": ("country_of_origin", "origin"),
    "region": (),
    "cooperative": ("coop", "producer_organisation"),
    "crop_year": ("harvest_raw", "harvest"),
    "harvest_year": (),
    "variety": (),
    "process": ("processing", "processing_method"),
    "package": (),
    "bags": ("number_of_bags",),
    "bag_kg": ("bag_weight_kg", "bag_weight"),
    "lot_kg": ("weight_kg",),
    "containers": (),
    "components": (),
    "grade": (),
    "score": ("total_cup_points", "cup_score"),
    "grader": ("in_country_partner",),
    "graded": ("grading_date",),
    "moisture": ("moisture_pct",),
    "defects_1": ("cat1_defects",),
    "defects_2": ("cat2_defects",),
    "quakers": (),
    "screen": (),
    "claims": (),
    "certificates": (),
    "incoterm": (),
    "place": ("named_place",),
    "place_kind": (),
    "place_country": (),
    "shipment_from": (),
    "shipment_to": (),
    "destination": (),
    "samples": (),
    "documents": (),
    "hs_code": (),
    "harvest_from": (),
    "harvest_to": (),
    "plots": (),
    "deforestation_free": (),
    "operator": (),
    "dds_reference": (),
}
_NAMES = {name: column for column, others in COLUMNS.items() for name in (column, *others)}
_WEIGHT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(kg|kgs|g|lb|lbs|t)?", re.ASCII | re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)
_NUMBER = re.compile(r"[A-Za-z]{0,8}[-_ ]?([0-9]{1,10})", re.ASCII)
_YEARS = re.compile(r"([0-9]{4})\s*[-/]\s*([0-9]{4})", re.ASCII)
_TRUE, _FALSE = {"1", "true", "yes", "si", "sí"}, {"", "0", "false", "no"}


class BadFile(ValueError):
    """No file of lots at all: its encoding, its header, its size."""


@dataclass(slots=True)
class Row:
    """`line` of the file, from 2. `lot` None: it has no form; what it says is in `found`, by column."""

    line: int
    number: int = 0
    seller: int = 0
    lot: AuctionLot | None = None
    found: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> str:
        if any(one.is_error for one in self.found):
            return "error"
        return "warning" if self.found else "ok"


@dataclass(slots=True)
class Sheet:
    rows: list[Row]
    passed_over: list[str]  # columns that are not read

    @property
    def codes(self) -> dict[str, int]:
        """How many rows have each code."""
        return dict(sorted(Counter(code for row in self.rows for code in {one.code for one in row.found}).items()))


def read(raw: bytes, *, seller: int, now_ns: int, add: int = 0) -> Sheet:
    """All rows of a file. `seller`: of rows that name none; `add`: to each number. Raises BadFile."""
    if len(raw) > LOT_CSV_BYTES_MAX:
        raise BadFile(f"The file is over {LOT_CSV_BYTES_MAX:,} bytes.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"The file is not UTF-8: byte {error.start + 1}.") from None
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        places = _places(header)
        rows = list(_rows(lines, places, header, seller, now_ns, add))
    except csv.Error as error:
        raise BadFile(f"Line {lines.line_num} is no CSV: {error}.") from None
    return Sheet(rows, [name for name in header if name and name not in _NAMES])


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _places(header: list[str]) -> dict[str, int]:
    """Column -> place. The first name of a column wins over its other names."""
    places: dict[str, int] = {}
    for column, others in COLUMNS.items():
        known = [header.index(name) for name in (column, *others) if name in header]
        if known:
            places[column] = known[0]
    missing = [column for column in ("number", "country", "bags", "bag_kg") if column not in places]
    if missing:
        raise BadFile(f"The first line names no column {', '.join(missing)}.")
    if len(set(header)) != len(header):
        raise BadFile("The first line names a column twice.")
    return places


def _rows(lines: Any, places: dict[str, int], header: list[str], seller: int, now_ns: int, add: int) -> Iterator[Row]:
    seen: set[int] = set()
    for count, cells in enumerate(lines):
        if count >= LOT_CSV_ROWS_MAX:
            raise BadFile(f"The file has more than {LOT_CSV_ROWS_MAX:,} rows.")
        if not any(cell.strip() for cell in cells):
            continue
        row = Row(lines.line_num, seller=seller)
        if len(cells) != len(header):
            row.found.append(Finding("FORM", "", f"{len(cells)} cells under {len(header)} columns."))
        elif any(len(cell) > LOT_CSV_CELL_CHARS_MAX for cell in cells):
            row.found.append(Finding("FORM", "", f"A cell has more than {LOT_CSV_CELL_CHARS_MAX} characters."))
        else:
            _Reader(row, {column: cells[place].strip() for column, place in places.items()}, now_ns, add).read()
            if row.number and row.number in seen:
                row.found.append(Finding("DUPLICATE", "number", f"Lot {row.number} stands above already."))
            seen.add(row.number)
            row.found = [one._replace(field=_shown(one.field, places, header)) for one in row.found]
        yield row


def _shown(column: str, places: dict[str, int], header: list[str]) -> str:
    """The column's own name in the file."""
    return header[places[column]] if column in places else column


class _Reader:
    """One row on its way to a lot."""

    def __init__(self, row: Row, cells: dict[str, str], now_ns: int, add: int) -> None:
        self.row, self.cells, self.now_ns, self.add = row, cells, now_ns, add

    def read(self) -> None:
        row = self.row
        row.number = self._lot_number()
        row.seller = self._count("seller") or row.seller
        plain = {name: value for name, value in self._fields().items() if value not in ("", None)}
        said = {one.code for one in row.found}
        if plain.get("bag_grams") is None:  # told already: no number stands for a weight nobody knows
            plain["bag_grams"] = 0
        try:
            row.lot = msgspec.convert(plain, AuctionLot)
        except msgspec.ValidationError as error:
            message, _, at = str(error).partition(" - at ")
            self._say(
                "FORM", _column(at.strip("`$").replace(".", "/").replace("[", "/").replace("]", "")), f"{message}."
            )
            return
        for one in findings(row.lot, row.seller, self.now_ns):
            if one.field == "/bag_grams" and "UNIT_MISSING" in said:
                continue
            if (
                one.field == "/lot_grams"
                and one.code == "LOT_RANGE"
                and not row.lot.bag_grams
                and "UNIT_MISSING" in said
            ):
                continue
            row.found.append(one._replace(field=_column(one.field)))
        if "FORM" in {one.code for one in row.found} or "UNIT_MISSING" in said:
            row.lot = None

    def _fields(self) -> dict[str, Any]:
        text = self.cells.get
        product = text("product", "") or "coffee_green"
        species, variety = text("species", ""), text("variety", "")
        grading = {
            "grade": text("grade"), "score": self._hundredths("score"), "grader": self._text("grader"),
            "graded": text("graded"), "moisture": self._hundredths("moisture"), "defects_1": self._count("defects_1"),
            "defects_2": self._count("defects_2"), "quakers": self._count("quakers"), "screen": text("screen"),
        }  # fmt: skip
        return {
            "product": product,
            "title": self._text("title"),
            "country": self._country("country"),
            "region": self._text("region"),
            "cooperative": self._text("cooperative"),
            "crop_year": self._crop_year(),
            "variety": self._text("variety") if not species else f"{species} {variety}".strip()[:LOT_TEXT_CHARS_MAX],
            "process": self._text("process"),
            "package": text("package")
            or ("box" if product not in PRODUCTS or "bag" not in PRODUCTS[product].packages else "bag"),
            "bags": self._bags(),
            "bag_grams": self._bag_grams(),
            "lot_grams": self._grams("lot_kg"),
            "containers": self._count("containers"),
            "components": self._entries("components", "source kg"),
            "grading": {name: value for name, value in grading.items() if value not in ("", None)},
            "claims": [word.strip() for word in text("claims", "").split(";") if word.strip()],
            "certificates": self._entries("certificates", "scheme number holder valid_from valid_to"),
            "incoterm": text("incoterm", "").upper(),
            "place": self._place(),
            "shipment_from": text("shipment_from"),
            "shipment_to": text("shipment_to"),
            "destination": self._country("destination"),
            "samples": self._entries("samples", "kind grams at ready"),
            "documents": self._entries("documents", "kind title sha256"),
            "eudr": self._eudr(),
        }

    def _say(self, code: str, column: str, text: str) -> None:
        self.row.found.append(Finding(code, column, text))

    def _lot_number(self) -> int:
        cell = self.cells["number"]
        found = _NUMBER.fullmatch(cell)
        number = int(found[1]) + self.add if found else 0
        if not 1 <= number < 2**31:
            self._say("FORM", "number", f"{cell!r:.40} is no number of a lot.")
            return 0
        return number

    def _text(self, column: str) -> str:
        return self.cells.get(column, "")[:LOT_TEXT_CHARS_MAX]

    def _count(self, column: str) -> int | None:
        cell = self.cells.get(column, "")
        if not cell:
            return None
        if not _DECIMAL.fullmatch(cell) or Fraction(cell).denominator != 1:
            self._say("FORM", column, f"{cell!r:.40} is no whole number.")
            return None
        return int(Fraction(cell))

    def _bags(self) -> int:
        cell = self.cells["bags"]
        if not _DECIMAL.fullmatch(cell) or Fraction(cell).denominator != 1:
            self._say("QTY_STEP", "bags", f"{cell!r:.40} is no whole number of bags.")
            return 1
        return int(Fraction(cell))

    def _bag_grams(self) -> int | None:
        if not self.cells["bag_kg"]:
            self._say("UNIT_MISSING", "bag_kg", "The bag weight has no unit here, and none is guessed.")
            return None
        return self._grams("bag_kg")

    def _grams(self, column: str) -> int | None:
        cell = self.cells.get(column, "")
        if not cell:
            return None
        found = _WEIGHT.fullmatch(cell)
        if found is None:
            code = "UNIT_UNKNOWN" if cell[:1].isdigit() else "FORM"
            self._say(code, column, f"{cell!r:.40} is no weight such as 60, 60 kg or 132 lb.")
            return None
        return round(Fraction(found[1]) * KG_PER[(found[2] or "kg").lower().removesuffix("s")] * 1000)

    def _hundredths(self, column: str) -> int | None:
        cell = self.cells.get(column, "").removesuffix("%").strip()
        if not cell:
            return None
        if not _DECIMAL.fullmatch(cell):
            self._say("FORM", column, f"{cell!r:.40} is no number.")
            return None
        return round(Fraction(cell) * 100)

    def _country(self, column: str) -> str:
        cell = self.cells.get(column, "")
        code = country_code(cell)
        if code is None or (column == "country" and not code):
            self._say("FORM", column, f"{cell!r:.40} is no country.")
            return ""
        return code

    def _crop_year(self) -> str:
        """As it is written; where that is no crop year, the year that the file itself made of it, with a warning."""
        cell, year = self.cells.get("crop_year", ""), self.cells.get("harvest_year", "")
        years = _YEARS.sub(r"\1/\2", cell)
        today = date_of(self.now_ns)
        if is_crop_year(years, today) or not year or not is_crop_year(year, today):
            return years[:16]
        if cell:
            self._say("CROP_YEAR", "crop_year", f"{cell!r:.40} is read as {year}, as the file has it beside.")
        return year

    def _place(self) -> dict[str, str] | None:
        if not self.cells.get("place"):
            return None
        kind = self.cells.get("place_kind", "")
        return {"name": self._text("place"), "kind": kind, "country": self._country("place_country")}

    def _entries(self, column: str, names: str) -> list[dict[str, Any]]:
        entries = []
        for entry in filter(None, (part.strip() for part in self.cells.get(column, "").split(";"))):
            parts = [part.strip() for part in entry.split("|")]
            if len(parts) != len(names.split()):
                self._say("FORM", column, f"{entry!r:.60} is not {names.replace(' ', '|')}.")
                continue
            entries.append(self._entry(column, dict(zip(names.split(), parts, strict=True))))
        return entries

    def _entry(self, column: str, parts: dict[str, Any]) -> dict[str, Any]:
        for name in parts.keys() & {"count", "largest_m2", "grams"}:
            if not re.fullmatch("[0-9]{1,12}", parts[name], re.ASCII):
                self._say("FORM", column, f"{parts[name]!r:.40} is no whole number.")
                parts[name] = "1"
            parts[name] = int(parts[name])
        if column == "components":
            found = _WEIGHT.fullmatch(parts["kg"])
            if found is None:
                self._say("FORM", column, f"{parts['kg']!r:.40} is no weight.")
            return {"source": parts["source"], "grams": round(Fraction(found[1]) * 1000) if found else 0}
        if column == "certificates":
            product = self.cells.get("product") or "coffee_green"
            return parts | {"products": [product], "account": self.row.seller}
        return parts

    def _eudr(self) -> dict[str, Any] | None:
        if not any(self.cells.get(name) for name in ("hs_code", "plots", "dds_reference")):
            return None
        attested = self.cells.get("deforestation_free", "").lower()
        if attested not in _TRUE | _FALSE:
            self._say("FORM", "deforestation_free", f"{attested!r:.40} is neither yes nor no.")
        return {
            "hs_code": self.cells.get("hs_code", ""),
            "harvest_from": self.cells.get("harvest_from", ""),
            "harvest_to": self.cells.get("harvest_to", ""),
            "plots": self._entries("plots", "kind count largest_m2 country sha256"),
            "deforestation_free": attested in _TRUE,
            "operator": self.cells.get("operator") or "large",
            "dds_reference": self.cells.get("dds_reference", ""),
        }


def _column(pointer: str) -> str:
    """The column that a pointer of a lot is read from: /grading/score -> score, /eudr/plots/1/kind -> plots."""
    head, *rest = [*(part for part in pointer.split("/") if part), ""]
    if head == "place":
        return {"kind": "place_kind", "country": "place_country"}.get(rest[0], "place")
    if head in ("grading", "eudr"):
        return rest[0] if rest[0] in COLUMNS else head
    return {"bag_grams": "bag_kg", "lot_grams": "lot_kg"}.get(head, head)
