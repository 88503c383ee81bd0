"""Sales of several mechanisms through the doors: planned, planned anew, registered for, bid in, decided, ended."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.gateway.running import ADMIN, TRADER_A, TRADER_B, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAPER = "ab" * 32
PLAN: dict[str, Any] = {
    "sale_id": 21,
    "title": "National winners",
    "tick_size": "0.01",
    "price_unit": "USD/lb",
    "currency": "USD",
    "registration": "admission",
    "agreement": PAPER,
    "approve_bids": True,
    "stages": {"viewing": 3_000, "live": 3_600},
    "lots": [
        {"seller": 2, "title": "Finca Uno", "bags": 10, "bag_kg": "60", "reserve": "5.00", "opening": "3.00"},
        {"seller": 2, "title": "Finca Dos", "bags": 20, "bag_kg": "60", "least_bags": 5, "group": 2},
    ],
    "mechanism": {
        "kind": "english",
        "style": "timed",
        "scope": "lot",
        "opening": "4.00",
        "increments": [{"start": "0", "increment": "0.10"}],
        "clock_seconds": 120,
        "stagger_seconds": 60,
        "ends": 7_200,
    },
}


async def planned(house: House, plan: dict[str, Any], key_id: str, method: str = "POST") -> tuple[int, dict[str, Any]]:
    path = "/v1/sales" if method == "POST" else f"/v1/sales/{plan['sale_id']}"
    return await house.ask(method, path, plan, key=ADMIN, headers={"Idempotency-Key": key_id})


async def test_a_plan_shows_what_it_says_and_a_repeat_is_the_same(house: House) -> None:
    status, view = await planned(house, PLAN, "plan-21")
    assert status == 201
    assert (view["mechanism"], view["stage"], view["state"], view["version"]) == ("english", "planned", "open", 1)
    assert (view["clock_seconds"], view["style"], view["scope"]) == (120, "timed", "lot")
    assert view["stages"]["registration"] is None and view["stages"]["live"] > view["stages"]["viewing"]
    assert view["stage_due"] == view["stages"]["viewing"] and view["ends"] > view["stages"]["live"]
    assert view["open_until"] is None
    assert [lot["opening"] for lot in view["lots"]] == ["3.00", "4.00"]
    assert view["lots"][0]["reserve"] is None and "operator" not in view
    status, again = await planned(house, PLAN, "plan-21")
    assert (status, again["ends"]) == (200, view["ends"])
    _, seller = await house.ask("GET", "/v1/sales/21", key=TRADER_A)
    assert seller["lots"][0]["your_reserve"] == "5.00"
    _, operator = await house.ask("GET", "/v1/sales/21", key=ADMIN)
    assert operator["operator"]["lots"][0]["reserve"] == "5.00" and operator["operator"]["bidders"] == []


async def test_the_next_version_replaces_it_until_it_opens(house: House) -> None:
    status, problem = await planned(house, PLAN | {"version": 3}, "v3", "PUT")
    assert (status, problem["code"]) == (409, "version_stale")
    status, view = await planned(house, PLAN | {"version": 2, "title": "Winners"}, "v2", "PUT")
    assert (status, view["version"], view["title"]) == (200, 2, "Winners")
    status, problem = await planned(house, PLAN | {"sale_id": 22, "version": 2}, "other")
    assert (status, problem["code"]) == (409, "version_stale")
    opens = PLAN | {"version": 3, "stages": {}}
    status, view = await planned(house, opens, "v3-now", "PUT")
    assert (status, view["stage"], view["stages"]["live"]) == (200, "live", None)
    status, problem = await planned(house, PLAN | {"version": 4}, "v4", "PUT")
    assert (status, problem["code"]) == (409, "terms_fixed")


async def test_a_bidder_registers_is_admitted_bids_and_waits(house: House) -> None:
    async def ask(path: str, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        return await house.ask("POST", f"/v1/sales/21/{path}", body, key=key)

    bid = {"lot": 1, "maximum": "6.00", "client_bid_id": "one"}
    assert (await ask("bids", bid, TRADER_B))[1]["code"] == "not_registered"
    assert (await ask("register", {"agreement": "cd" * 32}, TRADER_B))[1]["code"] == "agreement_other"
    assert (await ask("register", {"agreement": PAPER}, TRADER_B))[0] == 200
    assert (await ask("bids", bid | {"client_bid_id": "two"}, TRADER_B))[1]["code"] == "not_admitted"
    assert (await ask("admit", {"account": 3, "limit": "20000.00"}, ADMIN))[0] == 200

    socket = await house.socket(TRADER_B)
    await socket.ask({"op": "subscribe", "channel": "own_bids"})
    assert (await socket.feed("own_bids"))["bids"] == []
    status, waits = await ask("bids", bid | {"client_bid_id": "three"}, TRADER_B)
    assert (status, waits["status"], waits["leading"]) == (201, "waits", False)
    told = await socket.feed("own_bids")
    assert (told["event"], told["bid"]) == ("bid_waits", waits["seq"])
    _, own = await house.ask("GET", "/v1/sales/21/bids", key=TRADER_B)
    assert [(one["bid"], one["maximum"], one["waits"]) for one in own["bids"]] == [(waits["seq"], "6.00", True)]
    _, operator = await house.ask("GET", "/v1/sales/21", key=ADMIN)
    assert operator["operator"]["waiting"] == [[waits["seq"], 3, 1, 0]]
    assert operator["operator"]["bidders"][0]["limit"] == "20000.00"
    assert "6.00" not in str(operator), "the operator decides without the maximum"

    status, _ = await house.ask("POST", f"/v1/sales/21/bids/{waits['seq']}/decide", {"accept": True}, key=ADMIN)
    assert status == 200
    told = await socket.feed("own_bids")
    assert (told["lot"], told["maximum"], told["leading"]) == (1, "6.00", True)
    _, public = await house.ask("GET", "/v1/sales/21")
    assert public["lots"][0]["price"] == "5.00", "the proxy bids up to the reserve"

    status, dear = await ask("bids", bid | {"maximum": "90.00", "client_bid_id": "dear"}, TRADER_B)
    assert (status, dear["code"]) == (403, "commitment_limit")
    offer = {"kind": "english", "lot": 2, "maximum": "4.50", "bags": 10}
    answer = await socket.ask({"op": "bid", "sale": 21, "client_bid_id": "ws", "offer": offer})
    assert (answer["status"], answer["lot"]) == ("waits", 2)
    await house.ask("POST", f"/v1/sales/21/bids/{answer['seq']}/decide", {"accept": True}, key=ADMIN)
    status, _ = await house.ask(
        "POST", f"/v1/sales/21/bids/{answer['seq']}/decide", {"accept": False, "why": "withdrawn by court"}, key=ADMIN
    )
    assert status == 200
    _, gone = await house.ask("POST", f"/v1/sales/21/bids/{answer['seq']}/decide", {"accept": False}, key=ADMIN)
    assert gone["code"] == "bid_unknown"
    await socket.close()


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"lot": 1}, "missing_field", "/maximum"),
        ({"maximum": "5.00"}, "missing_field", "/lot"),
        ({"lot": 1, "maximum": "5.00", "offer": {"kind": "english"}}, "invalid_field", "/offer"),
        ({"offer": {"kind": "english", "lot": 1}}, "missing_field", "/offer/maximum"),
        ({"offer": {"kind": "clock", "round": 1, "bags": [1]}}, "offer_unfit", None),
        ({"offer": {"kind": "english", "lot": 1, "maximum": "5.005"}}, "off_tick", "/offer/maximum"),
    ],
)
async def test_an_offer_that_does_not_fit(house: House, body: dict[str, Any], code: str, pointer: str | None) -> None:
    body = body | {"client_bid_id": house.new_id("unfit")}
    _, problem = await house.ask("POST", "/v1/sales/21/bids", body, key=TRADER_B)
    assert problem["code"] == code
    assert (problem["errors"][0]["pointer"] if "errors" in problem else None) == pointer


async def test_results_are_json_and_csv(house: House) -> None:
    _, done = await house.ask("POST", "/v1/sales/21/end", {"why": "early"}, key=ADMIN)
    assert done["status"] == "accepted"
    _, results = await house.ask("GET", "/v1/sales/21/results")
    first, second = results["results"]
    assert (first["state"], first["bags"], first["price"], first["value"]) == ("sold", 10, "5.00", "6613.87")
    assert (second["state"], second["price"], first["buyer"]) == ("unsold", None, None)
    async with house.session.get("/v1/sales/21/results", params={"format": "csv"}) as response:
        assert response.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    assert [row["price"] for row in rows] == ["5.00", ""] and rows[0]["title"] == "Finca Uno"
    _, found = await house.ask("GET", "/v1/sales", params={"stage": "finished"})
    assert 21 in [sale["sale_id"] for sale in found["sales"]]
    _, found = await house.ask("GET", "/v1/sales", params={"season": "77"})
    assert found["sales"] == []


CLOCK: dict[str, Any] = {
    "kind": "clock",
    "products": [{"start": "2.00"}, {"start": "2.10", "least_bags": 100}],
    "rises": [{"excess_bps": 0, "increment": "0.05"}],
    "round_seconds": 3_600,
    "step_bags": 10,
}


async def test_a_clock_with_quantities_goes_through_the_same_doors(house: House) -> None:
    lots = [
        {"seller": 2, "title": month, "bags": 600, "bag_kg": "69", "attributes": {"shipment": month}}
        for month in ("May", "June")
    ]
    plan = {name: PLAN[name] for name in ("title", "tick_size", "price_unit", "currency")}
    plan |= {"sale_id": 22, "lots": lots, "mechanism": CLOCK}
    status, view = await planned(house, plan, "clock-22")
    assert (status, view["mechanism"], view["round"], view["round_seconds"]) == (201, "clock", 1, 3_600), view
    assert view["round_due"] is not None and view["lots"][1]["price"] == "2.10"
    assert view["lots"][0]["attributes"] == {"shipment": "May"}, "the seller's words stay as they are"
    offer = {"kind": "clock", "round": 1, "bags": [100, 200]}
    body = {"client_bid_id": "clock-1", "offer": offer}
    status, answer = await house.ask("POST", "/v1/sales/22/bids", body, key=TRADER_B)
    assert (status, answer["status"], answer["lot"]) == (201, "accepted", 0)
    proxy = {"kind": "clock_proxy", "limits": [[{"price": "2.50", "bags": 100}], []]}
    status, _ = await house.ask("POST", "/v1/sales/22/bids", {"client_bid_id": "p", "offer": proxy}, key=TRADER_B)
    assert status == 201
    _, own = await house.ask("GET", "/v1/sales/22", key=TRADER_B)
    assert own["lots"][0]["your_word"] == 100 and own["lots"][0]["your_proxy"] == [{"price": "2.50", "bags": 100}]
    _, rival = await house.ask("GET", "/v1/sales/22", key=TRADER_A)
    assert "2.50" not in str(rival)
    _, own = await house.ask("GET", "/v1/sales/22/bids", key=TRADER_B)
    assert [lot["lot"] for lot in own["lots"]] == [1, 2] and own["bids"] == []


async def test_of_a_void_sale_nothing_is_left(house: House) -> None:
    status, _ = await house.ask("POST", "/v1/sales/22/void", {"why": "no ship"}, key=ADMIN)
    _, view = await house.ask("GET", "/v1/sales/22")
    assert (status, view["stage"]) == (200, "void")
    status, problem = await house.ask("POST", "/v1/sales/22/void", {}, key=ADMIN)
    assert (status, problem["code"]) == (409, "sale_closed")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"mechanism": {"kind": "raffle"}}, "invalid_field", "/mechanism/kind"),
        ({"mechanism": None}, "missing_field", "/opening"),
        ({"opening": "4.00"}, "invalid_field", "/opening"),
        ({"stages": {"live": "soon"}}, "invalid_field", "/stages/live"),
        ({"stages": {"viewing": 10}}, "body_invalid", None),
        ({"after": {"sample_seconds": -1}}, "invalid_field", "/after/sample_seconds"),
        ({"after": {"colour": 1}}, "invalid_field", "/after/colour"),
        ({"agreement": "xy"}, "invalid_field", "/agreement"),
        ({"lots": [PLAN["lots"][0] | {"reserve": "0.00"}]}, "price_range", "/lots/0/reserve"),
        ({"lots": [PLAN["lots"][0] | {"reserve": "5.05"}]}, "bid_increment", None),
    ],
)
async def test_a_plan_that_cannot_be(house: House, change: dict[str, Any], code: str, pointer: str | None) -> None:
    status, problem = await planned(house, PLAN | {"sale_id": 23} | change, house.new_id("bad-plan"))
    assert problem["code"] == code and status >= 400
    assert not pointer or problem["errors"][0]["pointer"] == pointer
    assert 23 not in house.machine.venue.sales
