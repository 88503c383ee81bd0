"""The catalogue through the gateway: describe, read, and take in a file, in preview and for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.running import ADMIN, READER, TRADER_A, TRADER_B, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

CQI = Path("gateway/data/coffee_lots_cqi.csv").read_bytes()
LOT: dict[str, Any] = {
    "product": "coffee_green",
    "country": "PE",
    "region": "Cajamarca",
    "crop_year": "2025",
    "bags": 10,
    "bag_grams": 69_000,
    "grading": {"score": 8650, "grader": "Q 4711", "graded": "2026-05-01"},
}
CSV = {"Content-Type": "text/csv"}


async def put(house: House, number: int, key: str = TRADER_A, **body: Any) -> tuple[int, dict[str, Any]]:
    return await house.ask("PUT", f"/v1/lots/{number}", {"lot": LOT} | body, key=key)


async def imported(house: House, raw: bytes | str, key: str = ADMIN, **query: Any) -> tuple[int, dict[str, Any]]:
    raw = raw.encode() if isinstance(raw, str) else raw
    params = {name: str(value) for name, value in query.items()}
    return await house.ask("POST", "/v1/lots/import", raw=raw, key=key, headers=CSV, params=params)


async def test_a_seller_describes_its_lot_and_anyone_reads_it(house: House) -> None:
    status, described = await put(house, 9_001)
    assert status == 200 and (described["version"], described["seller"], described["fixed"]) == (1, 2, False)
    seq = house.machine.seq
    _, again = await put(house, 9_001)
    assert (again["version"], house.machine.seq) == (1, seq), "the same description again does nothing"
    _, changed = await put(house, 9_001, lot=LOT | {"region": "Jaén"})
    assert (changed["version"], changed["lot"]["region"]) == (2, "Jaén")
    status, seen = await house.ask("GET", "/v1/lots/9001")
    assert status == 200 and seen["lot"]["grading"]["score"] == 8650 and seen["sale_id"] is None
    status, problem = await house.ask("GET", "/v1/lots/9002")
    assert (status, problem["code"]) == (404, "lot_not_described")


async def test_who_may_describe_what(house: House) -> None:
    await put(house, 9_010)
    for key, body, expected in (
        (TRADER_B, {"seller": 2}, (403, "not_owner")),
        (TRADER_B, {"lot": LOT | {"bags": 11}}, (403, "not_owner")),
        (READER, {}, (403, "not_permitted")),
        (TRADER_A, {"lot": LOT | {"bags": 11}, "version": 7}, (409, "version_stale")),
        (ADMIN, {"seller": 77, "lot": LOT | {"bags": 12}}, (403, "account_unknown")),
    ):
        number = 9_011 if body.get("seller") == 77 else 9_010
        status, problem = await put(house, number, key=key, **body)
        assert (status, problem["code"]) == expected
    status, described = await put(house, 9_010, key=ADMIN, lot=LOT | {"bags": 12})
    assert status == 200 and (described["seller"], described["lot"]["bags"]) == (2, 12), "the operator, for its seller"


async def test_what_is_wrong_is_told_field_by_field(house: House) -> None:
    wrong = LOT | {"bag_grams": 13_800_000, "crop_year": "TEST", "incoterm": "FOB"}
    status, problem = await put(house, 9_020, lot=wrong)
    assert (status, problem["code"]) == (422, "lot_invalid")
    told = {(one["code"], one["pointer"]) for one in problem["errors"]}
    assert {("BAG_RANGE", "/lot/bag_grams"), ("PERIOD", "/lot/crop_year"), ("INCOTERM_PLACE", "/lot/place")} <= told
    status, problem = await put(house, 9_020, lot=LOT | {"colour": "green"})
    assert (status, problem["code"]) == (422, "unknown_field")
    assert 9_020 not in house.machine.venue.auction_lots


async def test_the_whole_file_in_preview_and_for_good(house: House) -> None:
    before = house.machine.seq
    status, seen = await imported(house, CQI, seller=2, add=20_000, preview="true", take="rows")
    assert status == 200 and (seen["ok"], seen["warnings"], seen["errors"]) == (1_201, 238, 105)
    assert seen["taken"] == 0 and house.machine.seq == before, "a preview takes nothing"
    assert len(seen["rows"]) == 1_544 and seen["rows"][443]["action"] == "none"
    assert seen["rows"][443]["findings"][0]["text"] == "200 bags of 13,800 kg; a bag weighs 1 to 100 kg."
    _, refused = await imported(house, CQI, seller=2, add=20_000, take="file")
    assert refused["taken"] == 0 and house.machine.seq == before, "a file with errors is not taken whole"

    _, taken = await imported(house, CQI, seller=2, add=20_000, take="rows", summary="true")
    assert taken["taken"] == 1_439 and taken["refused"] == [] and len(taken["rows"]) == 343
    assert house.machine.venue.auction_lots[20_001].lot.region == "guji-hambela"
    after = house.machine.seq
    _, again = await imported(house, CQI, seller=2, add=20_000, take="rows")
    assert again["taken"] == 0 and house.machine.seq == after, "a repeat does nothing"
    assert {row["action"] for row in again["rows"]} == {"unchanged", "none"}

    status, page = await house.ask("GET", "/v1/lots", params={"seller": "2", "limit": "1000"})
    more = 0
    while page["next_cursor"]:
        more += len(page["lots"])
        _, page = await house.ask("GET", "/v1/lots", params={"limit": "1000", "cursor": page["next_cursor"]})
    assert more + len(page["lots"]) == len(house.machine.venue.auction_lots)
    _, none = await house.ask("GET", "/v1/lots", params={"product": "quinoa"})
    assert none["lots"] == []


async def test_a_sound_file_is_taken_whole_and_a_change_is_a_version(house: House) -> None:
    header = "number,country,crop_year,bags,bag_kg,region"
    _, told = await imported(
        house, f"{header}\n9030,Peru,2025,10,69,Jaén\n9031,Peru,2025,10,69,\n", TRADER_A, take="file"
    )
    assert (told["taken"], told["errors"], told["ok"]) == (2, 0, 2)
    _, told = await imported(
        house, f"{header}\n9030,Peru,2025,10,69,Jaén\n9031,Peru,2025,10,69,Cusco\n", TRADER_A, take="file"
    )
    assert [row["action"] for row in told["rows"]] == ["change", "unchanged"][::-1] and told["taken"] == 1
    assert house.machine.venue.auction_lots[9_031].version == 2
    _, told = await imported(
        house, f"{header},seller\n9032,Peru,2025,10,69,,2\n9030,Peru,2025,10,69,,3\n", TRADER_B, take="rows"
    )
    assert [one["code"] for row in told["rows"] for one in row["findings"]] == ["SELLER", "SELLER"]
    assert told["taken"] == 0 and 9_032 not in house.machine.venue.auction_lots


async def test_what_is_no_file_is_a_problem(house: House) -> None:
    status, problem = await imported(house, "a,b\n1,2\n")
    assert (status, problem["code"]) == (422, "malformed")
    status, problem = await house.ask("POST", "/v1/lots/import", {"lots": []}, key=ADMIN)
    assert (status, problem["code"]) == (415, "media_type_unsupported")
    status, problem = await imported(house, CQI, key=READER)
    assert (status, problem["code"]) == (403, "not_permitted")
    status, problem = await imported(house, CQI + b"\n" * 1_048_576)
    assert (status, problem["code"]) == (413, "too_large")
