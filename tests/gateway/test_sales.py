"""A Helmsman sale through the gateway: maxima stay secret, prices are public, repeats do nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.market_data.sales import FINISHED_SHOWN
from gateway.rest.sale_schemas import PastSalesAnswer
from tests.gateway.running import ADMIN, TRADER_A, TRADER_B, House, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SALE: dict[str, Any] = {
    "sale_id": 7,
    "title": "Best of the season",
    "opening": "4.00",
    "increment": "0.10",
    "tick_size": "0.05",
    "price_unit": "USD/lb",
    "currency": "USD",
    "clock_seconds": 2,
    "open_seconds": 3600,
    "lots": [
        {"seller": 2, "title": "Finca Uno", "bags": 10, "bag_kg": "60", "attributes": {"score": "91.5"}},
        {"seller": 2, "title": "Finca Dos", "bags": 5, "bag_kg": "60"},
    ],
}
SECRET = "17.70"


async def bid(house: House, key: str, lot: int, maximum: str, bid_id: str) -> tuple[int, dict[str, Any]]:
    body = {"lot": lot, "maximum": maximum, "client_bid_id": bid_id}
    return await house.ask("POST", "/v1/sales/7/bids", body, key=key)


async def test_a_sale_from_opening_to_end(house: House) -> None:
    headers = {"Idempotency-Key": "sale-7"}
    status, opened = await house.ask("POST", "/v1/sales", SALE, key=ADMIN, headers=headers)
    assert status == 201 and opened["state"] == "open" and opened["lots"][0]["minimum_bid"] == "4.00"
    status, again = await house.ask("POST", "/v1/sales", SALE, key=ADMIN, headers=headers)
    assert status == 200 and again["sale_id"] == 7
    status, other = await house.ask("POST", "/v1/sales", SALE, key=ADMIN, headers={"Idempotency-Key": "sale-7b"})
    assert (status, other["code"]) == (409, "already_exists")

    room, rival = await house.socket(), await house.socket(TRADER_B)
    await room.ask({"op": "subscribe", "channel": "sales"})
    assert [s["sale_id"] for s in (await room.feed("sales"))["sales"]] == [7]
    await rival.ask({"op": "subscribe", "channel": "own_bids"})
    assert (await rival.feed("own_bids"))["bids"] == []

    for refused, code, pointer in (
        ({"lot": 1, "maximum": "3.90", "client_bid_id": "low"}, "bid_low", "/maximum"),
        ({"lot": 1, "maximum": "4.03", "client_bid_id": "off"}, "off_tick", "/maximum"),
        ({"lot": 1, "maximum": "4.05", "client_bid_id": "step"}, "bid_increment", "/maximum"),
        ({"lot": 9, "maximum": "4.00", "client_bid_id": "lot"}, "lot_unknown", "/lot"),
    ):
        _, problem = await house.ask("POST", "/v1/sales/7/bids", refused, key=TRADER_B)
        assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer)
    _, own = await bid(house, TRADER_A, 1, "5.00", "self")
    assert own["code"] == "self_bid"

    status, first = await bid(house, TRADER_B, 1, SECRET, "b1")
    assert status == 201 and first["leading"] and (first["price"], first["maximum"]) == ("4.00", SECRET)
    status, repeat = await bid(house, TRADER_B, 1, SECRET, "b1")
    assert status == 200 and repeat["duplicate"] and repeat["seq"] == first["seq"]
    status, changed = await bid(house, TRADER_B, 1, "18.00", "b1")
    assert (status, changed["code"]) == (409, "client_id_reused")

    status, second = await bid(house, ADMIN, 1, "6.00", "a1")
    assert status == 201 and not second["leading"] and second["price"] == "6.10"
    mine = await rival.feed("own_bids")
    assert (mine["lot"], mine["maximum"], mine["leading"]) == (1, SECRET, True)

    answer = await rival.ask({"op": "bid", "sale": 7, "lot": 2, "maximum": "4.20", "client_bid_id": "b2"})
    assert (answer["op"], answer["leading"], answer["price"]) == ("bid", True, "4.00")

    _, public = await house.ask("GET", "/v1/sales/7")
    assert public["state"] == "pending" and public["clock_due"] is not None
    _, rivals = await house.ask("GET", "/v1/sales/7", key=ADMIN)
    _, owners = await house.ask("GET", "/v1/sales/7", key=TRADER_B)
    assert owners["lots"][0]["your_maximum"] == SECRET and owners["lots"][0]["you_lead"]
    assert rivals["lots"][0]["your_maximum"] == "6.00" and "your_maximum" not in public["lots"][0]

    heard = []
    while not heard or heard[-1].get("state") != "finished":
        heard.append(await room.feed("sales", 10))
    sold = heard[-1]
    assert [(lot["state"], lot["price"]) for lot in sold["lots"]] == [("sold", "6.10"), ("sold", "4.00")]
    assert sold["lots"][0]["value"] == "8068.92"  # 600 kg x 6.10 USD/lb
    for seen in (public, rivals, heard):
        assert SECRET not in msgspec.json.encode(seen).decode()
    _, late = await bid(house, ADMIN, 1, "20.00", "late")
    assert late["code"] == "bid_late"
    for socket in (room, rival):
        await socket.close()


async def test_old_sales_become_history(tmp_path) -> None:
    async with running(tmp_path, follower=True) as house:
        for number in range(1, FINISHED_SHOWN + 4):
            headers = {"Idempotency-Key": f"sale-{number}"}
            await house.ask("POST", "/v1/sales", SALE | {"sale_id": number}, key=ADMIN, headers=headers)
            if number != 2:
                _, done = await house.ask("POST", f"/v1/sales/{number}/end", {}, key=ADMIN)
        _, shown = await house.ask("GET", "/v1/sales")
        numbers = [sale["sale_id"] for sale in shown["sales"]]
        assert numbers == [2, *range(4, FINISHED_SHOWN + 4)]
        for _ in range(100):
            params = {"min_seq": str(done["seq"]), "limit": "2"}
            status, past = await house.ask("GET", "/v1/sales/history", key=TRADER_B, params=params)
            if status == 200:
                break
        assert [sale["sale_id"] for sale in past["sales"]] == [FINISHED_SHOWN + 3, FINISHED_SHOWN + 2]
        answer = msgspec.convert(past, PastSalesAnswer, strict=True)
        assert msgspec.json.decode(msgspec.json.encode(answer)) == past and past["next_cursor"]


async def test_an_operator_ends_a_sale(house: House) -> None:
    body = SALE | {"sale_id": 8}
    await house.ask("POST", "/v1/sales", body, key=ADMIN, headers={"Idempotency-Key": "sale-8"})
    status, refused = await house.ask("POST", "/v1/sales/8/end", {"why": "rain"}, key=TRADER_A)
    assert (status, refused["code"]) == (403, "not_permitted")
    status, done = await house.ask("POST", "/v1/sales/8/end", {"why": "rain"}, key=ADMIN)
    assert status == 200 and done["status"] == "accepted"
    _, sale = await house.ask("GET", "/v1/sales/8")
    assert [lot["state"] for lot in sale["lots"]] == ["passed_in", "passed_in"]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"tick_size": "0"}, "invalid_field", "/tick_size"),
        ({"tick_size": "x"}, "malformed", "/tick_size"),
        ({"price_unit": "USD/bushel"}, "invalid_field", "/price_unit"),
        ({"opening": "0.00"}, "price_range", "/opening"),
        ({"increment": "0.07"}, "off_tick", "/increment"),
        ({"lots": []}, "invalid_field", "/lots"),
        ({"lots": [{"seller": 2, "title": "t", "bags": 1, "bag_kg": "0.5"}]}, "invalid_field", "/lots/0/bag_kg"),
        ({"lots": [{"seller": 99, "title": "t", "bags": 1, "bag_kg": "60"}]}, "account_unknown", None),
        ({"clock_seconds": 0}, "invalid_field", "/clock_seconds"),
    ],
)
async def test_a_sale_that_cannot_be(house: House, change: dict[str, Any], code: str, pointer: str | None) -> None:
    sales, headers = dict(house.machine.venue.sales), {"Idempotency-Key": house.new_id("bad-sale")}
    _, problem = await house.ask("POST", "/v1/sales", SALE | {"sale_id": 9} | change, key=ADMIN, headers=headers)
    assert problem["code"] == code
    assert (problem["errors"][0]["pointer"] if pointer else problem.get("errors")) == pointer
    assert dict(house.machine.venue.sales) == sales
