"""Files of lots: the whole table of the Coffee Quality Institute with its dirt, and cells one by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.domain.auction_lot_rules import findings
from engine.domain.auction_lots import AuctionLot, Component, Document, Place, Plots, Sample
from gateway import lot_csv
from gateway.lot_csv import BadFile, Row, Sheet, read

CQI = Path("gateway/data/coffee_lots_cqi.csv").read_bytes()
NOW_NS = 1_780_000_000 * 10**9  # 28 May 2026
HEADER = "number,country,bags,bag_kg"


def sheet_of(*lines: str, **more: int) -> Sheet:
    return read("\n".join(lines).encode(), seller=2, now_ns=NOW_NS, **more)


def row_of(header: str = "", cells: str = "") -> Row:
    """One sound row, with other columns beside."""
    (row,) = sheet_of(f"{HEADER},{header}".rstrip(","), f"7,Peru,275,69,{cells}" if header else "7,Peru,275,69").rows
    return row


@pytest.fixture(scope="module")
def cqi() -> Sheet:
    return read(CQI, seller=2, now_ns=NOW_NS)


def test_the_whole_file_is_read_and_its_dirt_is_told(cqi: Sheet) -> None:
    assert len(cqi.rows) == 1_544 and cqi.passed_over == []
    assert Counter(row.status for row in cqi.rows) == {"ok": 1_201, "warning": 238, "error": 105}
    assert cqi.codes == {
        "BAG_RANGE": 40, "CROP_YEAR": 67, "GRADE_RANGE": 33, "LOT_RANGE": 25, "MOISTURE": 235, "PERIOD": 16,
        "QTY_STEP": 1, "UNIT_MISSING": 27, "WEIGHT_MISMATCH": 1,
    }  # fmt: skip
    assert all(one.text.endswith(".") and one.field for row in cqi.rows for one in row.found)
    assert {row.number for row in cqi.rows} == set(range(1, 1_545))


@pytest.mark.parametrize(
    ("number", "code", "column", "text"),
    [
        (444, "BAG_RANGE", "bag_weight_kg", "200 bags of 13,800 kg; a bag weighs 1 to 100 kg."),
        (444, "LOT_RANGE", "lot_kg", "2,760,000 kg; a lot has 1 to 40,000 kg in its containers."),
        (3, "UNIT_MISSING", "bag_weight_kg", "The bag weight has no unit here, and none is guessed."),
        (171, "PERIOD", "harvest_raw", "'TEST' is no crop year such as 2025 or 2025/2026."),
        (170, "PERIOD", "harvest_raw", "'mmm' is no crop year such as 2025 or 2025/2026."),
        (313, "PERIOD", "harvest_raw", "'4T/10' is no crop year such as 2025 or 2025/2026."),
        (8, "CROP_YEAR", "harvest_raw", "'March 2010' is read as 2010, as the file has it beside."),
        (705, "QTY_STEP", "bags", "0 bags; a lot has a whole number of them, from 1."),
        (533, "WEIGHT_MISMATCH", "lot_kg", "1 bags of 0.454 kg are 0.454 kg, not 0.45 kg."),
        (43, "GRADE_RANGE", "moisture_pct", "1 % moisture; coffee_green has 5 to 20 %."),
    ],
)
def test_rows_by_name(cqi: Sheet, number: int, code: str, column: str, text: str) -> None:
    row = next(row for row in cqi.rows if row.number == number)
    assert (code, column, text) in [tuple(one) for one in row.found]
    assert row.line == number + 1


def test_weights_without_a_unit_are_never_a_lot(cqi: Sheet) -> None:
    without = [row for row in cqi.rows if any(one.code == "UNIT_MISSING" for one in row.found)]
    assert len(without) == 27 and all(row.lot is None and row.status == "error" for row in without)


def test_a_sound_row_has_all_that_the_table_has(cqi: Sheet) -> None:
    lot = cqi.rows[0].lot
    assert lot is not None and cqi.rows[0].status == "ok"
    assert (lot.country, lot.region, lot.process, lot.crop_year) == ("ET", "guji-hambela", "washed", "2014")
    assert (lot.bags, lot.bag_grams, lot.lot_grams) == (300, 60_000, 18_000_000)
    assert (lot.grading.score, lot.grading.moisture, lot.grading.graded) == (9_058, 1_200, "2015-04-04")
    assert lot.grading.grader == "METAD Agricultural Development plc" and lot.variety == "Arabica"


def test_what_the_rules_take_is_what_the_file_takes(cqi: Sheet) -> None:
    for row in cqi.rows:
        if row.lot is not None and row.status != "error":
            assert not any(one.is_error for one in findings(row.lot, 2, NOW_NS)), row


def test_every_column_reaches_the_lot() -> None:
    header = (
        "number;seller;title;product;country;region;cooperative;crop_year;variety;process;package;bags;bag_kg;lot_kg;"
        "containers;components;grade;score;grader;graded;moisture;defects_1;defects_2;quakers;screen;claims;"
        "certificates;incoterm;place;place_kind;place_country;shipment_from;shipment_to;destination;samples;documents;"
        "hs_code;harvest_from;harvest_to;plots;deforestation_free;operator;dds_reference"
    )
    sha = "ab" * 32
    quoted = [
        "LOT-12", "3", "Best", "coffee_green", "Perú", "Jaén", "Coop", "2025/2026", "Caturra", "washed", "bag", "275",
        "69 kg", "18975", "1", "a|10000; b|8975", "AA", "86.5", "Q 1", "2026-05-01", "11.2 %", "0", "3", "0", "15+",
        "specialty; organic_eu", "organic_eu|PE-1|Coop|2026-01-01|2027-12-31", "fob", "Callao", "origin_port", "PE",
        "2026-08-01", "2026-12-31", "DE", "offer|350|Jaén|2026-06-01", f"photograph|Patio|{sha}", "09011190",
        "2026-04-01", "2026-05-01", f"point|4|39000|PE|{sha}; polygon|1|52000|PE|{sha}", "yes", "small", "DDS-1",
    ]  # fmt: skip
    (row,) = sheet_of(header, ";".join(f'"{cell}"' for cell in quoted)).rows
    lot = row.lot
    assert row.found == [] and isinstance(lot, AuctionLot) and (row.number, row.seller) == (12, 3)
    assert {name for name in lot.__struct_fields__ if not getattr(lot, name)} == {"firm_until_ns"}, "all is said"
    assert lot.components == (Component(source="a", grams=10_000_000), Component(source="b", grams=8_975_000))
    assert lot.place == Place(name="Callao", kind="origin_port", country="PE")
    assert lot.samples == (Sample(kind="offer", grams=350, at="Jaén", ready="2026-06-01"),)
    assert lot.documents == (Document(kind="photograph", title="Patio", sha256=sha),)
    assert lot.certificates[0].account == 3 and lot.certificates[0].products == ("coffee_green",)
    assert lot.eudr is not None and lot.eudr.operator == "small" and lot.eudr.deforestation_free
    assert lot.eudr.plots[1] == Plots(kind="polygon", count=1, largest_m2=52_000, country="PE", sha256=sha)


@pytest.mark.parametrize(
    ("header", "cells", "code", "column"),
    [
        ("score", "high", "FORM", "score"),
        ("graded", "1.5.2026", "FORM", "graded"),
        ("graded", "2026-02-30", "PERIOD", "graded"),
        ("seller", "two", "FORM", "seller"),
        ("defects_1", "-1", "FORM", "defects_1"),
        ("incoterm", "fobb", "FORM", "incoterm"),
        ("incoterm", "FOB", "INCOTERM_PLACE", "place"),
        ("incoterm,place,place_kind", "FOB,Callao,quay", "INCOTERM_PLACE", "place_kind"),
        ("destination", "Atlantis", "FORM", "destination"),
        ("destination", "DE", "EUDR_PLOTS", "plots"),
        ("claims", "organic_eu", "CERT_MISSING", "claims"),
        ("certificates", "organic_eu|1", "FORM", "certificates"),
        ("certificates", "organic_eu|1|Coop|2020-01-01|2021-01-01", "CERT_EXPIRED", "certificates"),
        ("components", "a|ten", "FORM", "components"),
        ("components", "a|10", "WEIGHT_MISMATCH", "components"),
        ("documents", "photograph|x|nohash", "FORM", "documents"),
        ("hs_code,plots", "09011190,point|x|1|PE|", "FORM", "plots"),
        ("hs_code,deforestation_free", "09011190,perhaps", "FORM", "deforestation_free"),
        ("lot_kg", "18975 bags", "UNIT_UNKNOWN", "lot_kg"),
        ("package", "crate", "UNIT_UNKNOWN", "package"),
        ("product", "gold", "UNIT_UNKNOWN", "product"),
        ("shipment_from", "2026-08-01", "PERIOD", "shipment_to"),
        ("crop_year", "TEST", "PERIOD", "crop_year"),
    ],
)
def test_a_cell_is_blamed_by_its_column(header: str, cells: str, code: str, column: str) -> None:
    row = row_of(header, cells)
    assert (code, column) in [(one.code, one.field) for one in row.found] and row.status == "error"


@pytest.mark.parametrize(
    ("cell", "grams"),
    [
        ("69", 69_000),
        ("69.5", 69_500),
        ("69 kg", 69_000),
        ("152.119 lb", 69_000),
        ("60000 g", 60_000),
        ("0.05t", 50_000),
    ],
)
def test_weights_with_their_units(cell: str, grams: int) -> None:
    (row,) = sheet_of(HEADER, f"7,PE,10,{cell}").rows
    assert row.lot is not None and row.lot.bag_grams == grams


def test_a_number_that_comes_twice_and_one_that_is_none() -> None:
    first, second, third = sheet_of(HEADER, "7,PE,1,60", "LOT-7,PE,1,60", "seven,PE,1,60").rows
    assert [one.code for one in second.found if one.is_error] == ["DUPLICATE"] and first.status == "warning"
    assert [one.code for one in third.found if one.is_error] == ["FORM"]
    assert [row.number for row in sheet_of(HEADER, "7,PE,1,60", add=1_000).rows] == [1_007]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "names no column"),
        (b"a,b\n1,2\n", "names no column number, country, bags, bag_kg"),
        (b"number,country,bags,bag_kg,bags\n", "twice"),
        (HEADER.encode() + b"\n7,Per\xfa,1,60\n", "not UTF-8: byte 33"),
        (HEADER.encode() + b'\n7,"PE,1,60\n', "no CSV"),
        (HEADER.encode() + b"\n" + b"7,PE,1,60\n" * (limits.LOT_CSV_ROWS_MAX + 1), "more than 5,000 rows"),
        (b"x" * (limits.LOT_CSV_BYTES_MAX + 1), "over 1,048,576 bytes"),
    ],
)
def test_what_is_no_file_of_lots(raw: bytes, text: str) -> None:
    with pytest.raises(BadFile, match=text):
        read(raw, seller=2, now_ns=NOW_NS)


def test_a_row_that_is_not_under_its_header() -> None:
    short, long = sheet_of(HEADER, "7,PE,1", f"8,{'x' * (limits.LOT_CSV_CELL_CHARS_MAX + 1)},1,60").rows
    assert (short.status, long.status) == ("error", "error") and short.lot is None and long.lot is None


def test_a_byte_order_mark_and_empty_lines_are_nothing() -> None:
    raw = b"\xef\xbb\xbf" + f"{HEADER}\r\n\r\n7,PE,1,60\r\n,,,\r\n".encode()
    (row,) = read(raw, seller=2, now_ns=NOW_NS).rows
    assert row.lot is not None and row.line == 3


@given(
    st.lists(st.lists(st.text(alphabet=st.characters(exclude_characters="\x00"), max_size=12), min_size=4, max_size=4))
)
def test_no_cell_is_a_fault(cells: list[list[str]]) -> None:
    import csv
    import io

    out = io.StringIO(newline="")
    csv.writer(out).writerows([HEADER.split(","), *cells])
    try:
        raw = out.getvalue().encode()
    except UnicodeEncodeError:
        return
    for row in read(raw, seller=2, now_ns=NOW_NS).rows:
        assert row.lot is None or row.status in ("ok", "warning", "error")


def test_the_columns_are_told_apart() -> None:
    names = [name for column, others in lot_csv.COLUMNS.items() for name in (column, *others)]
    assert len(set(names)) == len(names)
