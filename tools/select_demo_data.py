"""Select what the demo season needs out of the full trade data: `python tools/select_demo_data.py FOLDER`.

FOLDER holds the three source files that gateway/data/SOURCES.md names. The selection is a pure function of them: the
same sources give the same bytes in gateway/data/. Nothing is fetched.
"""

from __future__ import annotations

import csv
import gzip
import shutil
import sys
from decimal import Decimal
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "gateway" / "data"
LOT_COLUMNS = [
    "lot_id", "species", "country", "region", "variety", "processing", "harvest_year", "grading_date", "bags",
    "bag_weight_kg", "lot_kg", "total_cup_points", "moisture_pct", "cat1_defects", "cat2_defects", "altitude_m",
]  # fmt: skip
# Of every row, typing errors too: what `qhatu lots` reads, without farms, mills, companies and cup scores in parts.
WHOLE_COLUMNS = [
    "lot_id", "species", "country", "region", "in_country_partner", "bags", "bag_weight_kg", "lot_kg", "harvest_year",
    "harvest_raw", "grading_date", "variety", "processing", "total_cup_points", "moisture_pct", "cat1_defects",
    "cat2_defects", "quakers",
]  # fmt: skip
PRICE_COLUMNS = ["month", "arabica_uscents_lb", "robusta_uscents_lb", "cocoa_usd_t", "banana_us_usd_kg"]
PRICES_FROM = "2015-01"


def lots(source: Path) -> list[list[str]]:
    """Rows of the lots that can be goods for sale; farms, mills, companies and graders are left out."""
    with (source / "coffee_lots_cqi.csv").open(encoding="utf-8", newline="") as file:
        return [[row[c] for c in LOT_COLUMNS] for row in csv.DictReader(file) if row["plausible_trade_lot"] == "1"]


def whole(source: Path) -> list[list[str]]:
    """Every graded lot with its real dirt."""
    with (source / "coffee_lots_cqi.csv").open(encoding="utf-8", newline="") as file:
        return [[row[c] for c in WHOLE_COLUMNS] for row in csv.DictReader(file)]


def prices(source: Path) -> list[list[str]]:
    """Monthly prices of the commodities on the venue, from PRICES_FROM on."""
    with (source / "commodity_prices_worldbank_monthly.csv").open(encoding="utf-8", newline="") as file:
        return [[row[c] for c in PRICE_COLUMNS] for row in csv.DictReader(file) if row["month"] >= PRICES_FROM]


def quinoa(source: Path) -> list[list[str]]:
    """Peru by month: tonnes harvested where a farm price is known, and the mean price weighted by those tonnes."""
    months: dict[str, tuple[Decimal, Decimal, int]] = {}
    with gzip.open(source / "peru_crops_minagri_monthly.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["crop"] != "quinoa" or not row["farmgate_pen_kg"] or not row["production_t"]:
                continue
            month = f"{row['year']}-{int(row['month']):02d}"
            tonnes, value, departments = months.get(month, (Decimal(0), Decimal(0), 0))
            produced = Decimal(row["production_t"])
            months[month] = tonnes + produced, value + produced * Decimal(row["farmgate_pen_kg"]), departments + 1
    return [
        [month, str(tonnes), str((value / tonnes).quantize(Decimal("0.0001"))), str(departments)]
        for month, (tonnes, value, departments) in sorted(months.items())
        if tonnes > 0
    ]


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    with (TARGET / name).open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/select_demo_data.py FOLDER")
    source = Path(sys.argv[1])
    write("coffee_lots.csv", LOT_COLUMNS, lots(source))
    write("coffee_lots_cqi.csv", WHOLE_COLUMNS, whole(source))
    write("prices_monthly.csv", PRICE_COLUMNS, prices(source))
    write("quinoa_peru_monthly.csv", ["month", "production_t", "farmgate_pen_kg", "departments"], quinoa(source))
    (TARGET / "licences").mkdir(exist_ok=True)
    for text in sorted((source / "licences").glob("*.txt")):
        shutil.copyfile(text, TARGET / "licences" / text.name)


if __name__ == "__main__":
    main()
