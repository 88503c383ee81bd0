"""Orders over REST: entered, matched, replaced, cancelled, read, repeated."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.gateway.running import ADMIN, BOOK, CALL_BOOK, TRADER_A, TRADER_B, House, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_order_rests_and_is_read_back(house: House) -> None:
    status, order = await house.order(side="sell", price="335.25", quantity="275", client_order_id="lot-17")
    assert status == 201
    assert order["state"] == "open" and order["open_quantity"] == "275" and order["fills"] == []
    _, book = await house.ask("GET", f"/v1/instruments/{BOOK}/book")
    assert ["335.25", "275", 1] in book["asks"]
    _, again = await house.ask("GET", f"/v1/orders/{order['order_id']}", key=TRADER_A)
    assert again["client_order_id"] == "lot-17" and again["price"] == "335.25"
    _, mine = await house.ask("GET", "/v1/orders", key=TRADER_A, params={"client_order_id": "lot-17"})
    assert [o["order_id"] for o in mine["orders"]] == [order["order_id"]]
    status, gone = await house.ask("DELETE", f"/v1/orders/{order['order_id']}", key=TRADER_A)
    assert status == 200 and gone["cancelled_quantity"] == "275" and gone["state"] == "cancelled"


async def test_a_fill_is_told_to_both_at_the_makers_price(house: House) -> None:
    _, maker = await house.order(TRADER_A, side="sell", price="320.00", quantity="10")
    status, taker = await house.order(TRADER_B, side="buy", price="320.10", quantity="4")
    assert status == 201 and taker["state"] == "filled"
    assert [(f["price"], f["quantity"]) for f in taker["fills"]] == [("320.00", "4")]
    _, rest = await house.ask("GET", f"/v1/orders/{maker['order_id']}", key=TRADER_A)
    assert (rest["state"], rest["filled_quantity"], rest["open_quantity"]) == ("partial", "4", "6")
    _, market = await house.order(TRADER_B, side="buy", type="market", price=None, quantity="9", time_in_force="ioc")
    assert market["state"] == "cancelled" and market["filled_quantity"] == "6"
    assert market["reason"] in ("ioc_remainder", "market_remainder")


async def test_fill_or_kill_fills_whole_or_not_at_all(house: House) -> None:
    _, maker = await house.order(TRADER_A, side="sell", price="318.00", quantity="3")
    _, killed = await house.order(TRADER_B, price="318.00", quantity="4", time_in_force="fok")
    assert killed["state"] == "cancelled" and killed["fills"] == [] and killed["reason"] == "fok_unfillable"
    _, filled = await house.order(TRADER_B, price="318.00", quantity="3", time_in_force="fok")
    assert filled["state"] == "filled"
    status, ended = await house.ask("DELETE", f"/v1/orders/{maker['order_id']}", key=TRADER_A)
    assert (status, ended["code"]) == (404, "order_unknown")


async def test_a_replaced_order_keeps_its_id(house: House) -> None:
    _, order = await house.order(price="290.00", quantity="5")
    path = f"/v1/orders/{order['order_id']}/replace"
    change = {"price": "291.00", "quantity": "7", "client_order_id": house.new_id()}
    status, replaced = await house.ask("POST", path, change, key=TRADER_A)
    assert status == 200 and replaced["order_id"] == order["order_id"]
    assert (replaced["price"], replaced["open_quantity"]) == ("291.00", "7")
    _, again = await house.ask("POST", path, change, key=TRADER_A)
    assert again["duplicate"] and again["seq"] == replaced["seq"]
    _, gone = await house.ask("DELETE", f"/v1/orders/{order['order_id']}", key=TRADER_A)
    assert gone["cancelled_quantity"] == "7"


@pytest.mark.parametrize("client_id", ["short", "a-client-id-of-more-than-15-bytes"])
async def test_the_same_id_gives_the_first_answer_again(house: House, client_id: str) -> None:
    status, first = await house.order(price="280.00", quantity="2", client_order_id=client_id)
    assert status == 201
    before = house.content()
    status, again = await house.order(price="280.00", quantity="2", client_order_id=client_id)
    assert status == 200 and again["duplicate"] is True
    assert {k: again[k] for k in ("order_id", "seq", "price", "state")} == {
        k: first[k] for k in ("order_id", "seq", "price", "state")
    }
    assert "fills" not in again
    status, other = await house.order(price="280.05", quantity="2", client_order_id=client_id)
    assert (status, other["code"]) == (409, "client_id_reused")
    assert other["errors"][0]["pointer"] == "/client_order_id"
    assert house.content() == before
    status, gone = await house.ask("DELETE", "/v1/orders", key=TRADER_A, params={"client_order_id": client_id})
    assert status == 200 and gone["order_id"] == first["order_id"]


async def test_a_refusal_is_repeated_too(house: House) -> None:
    fields = {"instrument": "COCOA", "price": "9000", "client_order_id": "shut"}
    status, first = await house.order(**fields)
    assert (status, first["code"]) == (409, "phase_forbids")
    status, again = await house.order(**fields)
    assert (status, again["code"], again["duplicate"]) == (409, "phase_forbids", True)
    assert again["seq"] == first["seq"]


async def test_a_batch_is_one_record_and_refused_whole_when_malformed(house: House) -> None:
    orders = [
        {"instrument": BOOK, "side": "buy", "price": f"25{k}.00", "quantity": "1", "client_order_id": house.new_id()}
        for k in range(5)
    ]
    orders[3]["instrument"], orders[3]["price"] = "COCOA", "9000"
    status, answer = await house.ask("POST", "/v1/orders/batch", {"orders": orders}, key=TRADER_A)
    assert status == 200
    assert [r.get("code", r["status"]) for r in answer["results"]] == ["accepted"] * 3 + ["phase_forbids", "accepted"]
    seqs = [r["seq"] for r in answer["results"]]
    assert seqs == list(range(seqs[0], seqs[0] + 5))
    before = house.machine.state_hash()
    orders = [order | {"client_order_id": house.new_id()} for order in orders]
    orders[2]["price"] = "250.01"
    status, refused = await house.ask("POST", "/v1/orders/batch", {"orders": orders}, key=TRADER_A)
    assert (status, refused["code"], refused["errors"][0]["pointer"]) == (422, "off_tick", "/orders/2/price")
    assert house.machine.state_hash() == before


async def test_msgpack_speaks_ticks_and_lots(house: House) -> None:
    body = msgspec.msgpack.encode(
        {"instrument": BOOK, "side": "buy", "price": 5_000, "quantity": 3, "client_order_id": "packed-1"}
    )
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    status, order = await house.ask("POST", "/v1/orders", raw=body, key=TRADER_A, headers=headers)
    assert status == 201 and order["price"] == 5_000 and order["open_quantity"] == 3
    assert isinstance(order["order_id"], int) and isinstance(order["ts_engine"], int)
    _, text = await house.ask("GET", f"/v1/orders/{order['order_id']}", key=TRADER_A)
    assert text["price"] == "250.00"


async def test_min_seq_waits_for_what_the_caller_has_written(house: House) -> None:
    _, order = await house.order(price="240.00")
    params = {"min_seq": str(order["seq"])}
    status, _ = await house.ask("GET", "/v1/orders", key=TRADER_A, params=params)
    assert status == 200
    status, late = await house.ask("GET", "/v1/orders", key=TRADER_A, params={"min_seq": str(order["seq"] + 1_000)})
    assert (status, late["code"]) == (503, "behind")


async def test_the_sequence_is_only_told_to_holders_of_keys(house: House) -> None:
    _, public = await house.ask("GET", f"/v1/instruments/{BOOK}/book")
    _, private = await house.ask("GET", f"/v1/instruments/{BOOK}/book", key=TRADER_A)
    assert "as_of" not in public and private["as_of"] == house.machine.seq
    assert public["seq"] > house.machine.seq


async def test_an_operator_runs_a_call(house: House) -> None:
    for key, side, price in ((TRADER_A, "sell", "301.00"), (TRADER_B, "buy", "303.00")):
        status, _ = await house.order(key, instrument=CALL_BOOK, side=side, price=price, quantity="8")
        assert status == 201
    _, indication = await house.ask("GET", f"/v1/instruments/{CALL_BOOK}/auction")
    assert (indication["price"], indication["volume"], indication["side"]) == ("301.00", "8", None)
    assert indication["curve"] == [["301.00", "8", "8"], ["303.00", "8", "8"]]
    status, refused = await house.ask("POST", f"/v1/instruments/{CALL_BOOK}/uncross", {"phase": "closed"}, key=ADMIN)
    assert (status, refused["code"]) == (400, "idempotency_key_missing")
    headers = {"Idempotency-Key": "uncross-1"}
    path = f"/v1/instruments/{CALL_BOOK}/uncross"
    status, done = await house.ask("POST", path, {"phase": "continuous"}, key=ADMIN, headers=headers)
    assert status == 200 and (done["price"], done["volume"], done["phase"]) == ("301.00", "8", "continuous")
    status, again = await house.ask("POST", path, {"phase": "continuous"}, key=ADMIN, headers=headers)
    assert status == 200 and again["duplicate"] and again["seq"] == done["seq"]
    status, other = await house.ask("POST", path, {"phase": "closed"}, key=ADMIN, headers=headers)
    assert (status, other["code"]) == (422, "idempotency_key_reused")


async def test_many_at_once_share_records(house: House) -> None:
    records = house.venue.sequencer.records
    answers = await asyncio.gather(*(house.order(price="200.00") for _ in range(30)))
    assert {status for status, _ in answers} == {201}
    assert len({order["order_id"] for _, order in answers}) == 30
    assert house.venue.sequencer.records - records < 30


async def test_a_restart_remembers_everything(tmp_path) -> None:
    async with running(tmp_path) as house:
        _, order = await house.order(price="310.00", quantity="6", client_order_id="kept")
        before, seq = house.content(), house.machine.seq
    async with running(tmp_path) as house:
        assert house.machine.seq == seq + 1  # RESUME
        assert [part for part in house.content() if "client" not in part[0]] == [
            part for part in before if "client" not in part[0]
        ]
        status, again = await house.order(price="310.00", quantity="6", client_order_id="kept")
        assert status == 200 and again["order_id"] == order["order_id"] and again["seq"] == order["seq"]
