"""Every kind of order, option and mass command over REST, WebSocket and packed rows, against a real venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from engine.codes import EventFlag, EventKind, OrderType, Reason, Side
from engine.messages.rows import EVENT
from tests.gateway.running import ADMIN, BOOK, CALL_BOOK, CONFIG, TRADER_A, TRADER_B, House, Socket, running
from tests.recorder import order_row

pytestmark = pytest.mark.asyncio(loop_scope="module")
STOCK = "STOCK"
WITH_STOCK = """
[[instruments]]
symbol = "STOCK"
name = "Coffee in the store"
commodity = "green coffee"
tick_size = "0.05"
price_unit = "USc/lb"
lot_kg = "69"
lot_unit = "bag of 69 kg"
currency = "USD"
reference = "300.00"
opening = "continuous"
deposit = true
collar_bps = 1000
"""
HIDDEN, STOP_AT = "98765", "987.65"  # a quantity and a price that nobody but their owner may see


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("venue")
    config = folder / "venue.toml"
    config.write_text(CONFIG.read_text() + WITH_STOCK)
    async with running(folder / "data", config=config) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def empty_books(house: House) -> AsyncIterator[None]:
    yield
    await operate(house, "operate/cancel", {})


async def operate(house: House, path: str, body: dict[str, Any], *, status: int = 200) -> dict[str, Any]:
    headers = {"Idempotency-Key": house.new_id("op")}
    found, answer = await house.ask("POST", f"/v1/{path}", body, key=ADMIN, headers=headers)
    assert found == status, answer
    return answer


ACCEPTED = [
    (
        {"type": "stop", "price": None, "stop_price": "310.00"},
        {"state": "waiting", "type": "stop", "price": None, "stop_price": "310.00"},
    ),
    (
        {"type": "stop_limit", "price": "312.00", "stop_price": "310.00"},
        {"state": "waiting", "price": "312.00", "stop_price": "310.00"},
    ),
    (
        {"type": "iceberg", "quantity": "30", "display_quantity": "7"},
        {"state": "open", "display_quantity": "7", "open_quantity": "30"},
    ),
    ({"time_in_force": "day"}, {"state": "open", "time_in_force": "day"}),
    (
        {"time_in_force": "gtd", "expire_at": "2200-01-01T00:00:00Z"},
        {"state": "open", "expire_at": "2200-01-01T00:00:00.000000Z"},
    ),
    ({"post_only": True}, {"state": "open"}),
    ({"all_or_none": True, "quantity": "9"}, {"state": "cancelled", "reason": "min_qty_unfillable"}),
    ({"minimum_quantity": "1"}, {"state": "cancelled", "reason": "min_qty_unfillable"}),
    ({"type": "market_to_limit", "price": None}, {"state": "cancelled", "reason": "market_remainder"}),
    ({"stp": "none"}, {"state": "open"}),
    ({"stp_scope": "group"}, {"state": "open"}),
    ({"valid_until": "2200-01-01T00:00:00Z"}, {"state": "open"}),
]


@pytest.mark.parametrize(("fields", "said"), ACCEPTED, ids=[str(sorted(fields)) for fields, _ in ACCEPTED])
async def test_each_kind_of_order_is_taken_and_shown(house: House, fields: dict, said: dict) -> None:
    body = {"instrument": BOOK, "side": "buy", "price": "300.00", "quantity": "5", "client_order_id": house.new_id()}
    body |= fields
    body = {name: value for name, value in body.items() if value is not None}
    status, answer = await house.ask("POST", "/v1/orders", body, key=TRADER_A)
    assert status == 201 and {name: answer.get(name) for name in said} == said, answer
    _, again = await house.ask("POST", "/v1/orders", body, key=TRADER_A)
    assert again["duplicate"] and again["order_id"] == answer["order_id"]
    if answer["state"] in ("open", "waiting"):
        shown = ("type", "price", "stop_price", "display_quantity", "expire_at", "time_in_force", "state")
        _, state = await house.ask("GET", f"/v1/orders/{answer['order_id']}", key=TRADER_A)
        assert {name: state[name] for name in shown} == {name: answer[name] for name in shown}
        assert {name: again[name] for name in shown} == {name: answer[name] for name in shown}


REFUSED = [
    ({"type": "stop", "price": None}, "missing_field", "/stop_price"),
    ({"stop_price": "310.00"}, "terms_conflict", "/stop_price"),
    ({"type": "stop", "stop_price": "310.00"}, "price_not_allowed", "/price"),
    ({"type": "iceberg", "price": None, "display_quantity": "1"}, "missing_field", "/price"),
    ({"type": "iceberg"}, "display_range", "/display_quantity"),
    ({"type": "iceberg", "display_quantity": "6"}, "display_range", "/display_quantity"),
    ({"display_quantity": "1"}, "terms_conflict", "/type"),
    ({"time_in_force": "gtd"}, "missing_field", "/expire_at"),
    ({"time_in_force": "gtd", "expire_at": "2001-01-01T00:00:00Z"}, "expiry_past", "/expire_at"),
    ({"expire_at": "2200-01-01T00:00:00Z"}, "terms_conflict", "/type"),
    ({"expire_at": "tomorrow"}, "invalid_field", "/expire_at"),
    ({"valid_until": "2001-01-01T00:00:00Z"}, "validity_past", "/valid_until"),
    ({"minimum_quantity": "6"}, "min_qty_range", "/minimum_quantity"),
    ({"minimum_quantity": "0"}, "qty_range", "/minimum_quantity"),
    ({"slide": True}, "terms_conflict", "/type"),
    ({"post_only": True, "time_in_force": "ioc"}, "terms_conflict", "/type"),
    ({"time_in_force": "at_auction"}, "tif_needs_call", "/time_in_force"),
    ({"instrument": CALL_BOOK, "post_only": True}, "terms_in_call", None),
    ({"instrument": CALL_BOOK, "time_in_force": "fok"}, "tif_in_call", "/time_in_force"),
    ({"instrument": STOCK, "price": "331.00"}, "price_collar", "/price"),
    ({"instrument": STOCK, "side": "sell"}, "stock_short", "/quantity"),
    ({"stop_price": "310.01", "type": "stop", "price": None}, "off_tick", "/stop_price"),
    ({"stp": "always"}, "invalid_field", "/stp"),
]


@pytest.mark.parametrize(("fields", "code", "pointer"), REFUSED, ids=[str(row[:2]) for row in REFUSED])
async def test_what_cannot_be_is_refused_by_code_and_field(house: House, fields: dict, code: str, pointer: str) -> None:
    body = {"instrument": BOOK, "side": "buy", "price": "300.00", "quantity": "5", "client_order_id": house.new_id()}
    body = {name: value for name, value in (body | fields).items() if value is not None}
    status, problem = await house.ask("POST", "/v1/orders", body, key=TRADER_A)
    assert status >= 400 and problem["code"] == code, problem
    assert [error["pointer"] for error in problem.get("errors", [])] == ([pointer] if pointer else [])
    assert problem["detail"].endswith(".") and "engine refused" not in problem["detail"]


async def test_an_amend_keeps_or_loses_the_place_and_ends_what_was_filled(house: House) -> None:
    _, first = await house.order(TRADER_A, price="301.00", quantity="10")
    _, second = await house.order(TRADER_A, price="301.00", quantity="10")
    path = f"/v1/orders/{first['order_id']}/amend"
    body = {"quantity": "6", "client_order_id": house.new_id()}
    status, answer = await house.ask("POST", path, body, key=TRADER_A)
    assert (status, answer["priority_kept"], answer["quantity"], answer["open_quantity"]) == (200, True, "6", "6")
    _, again = await house.ask("POST", path, body, key=TRADER_A)
    assert again["duplicate"] and again["order_id"] == first["order_id"]
    _, sold = await house.order(TRADER_B, side="sell", price="301.00", quantity="4")
    assert sold["state"] == "filled"
    _, state = await house.ask("GET", f"/v1/orders/{first['order_id']}", key=TRADER_A)
    assert (state["filled_quantity"], state["quantity"], state["state"]) == ("4", "6", "partial")
    _, answer = await house.ask("POST", path, {"quantity": "8", "client_order_id": house.new_id()}, key=TRADER_A)
    assert (answer["priority_kept"], answer["open_quantity"], answer["filled_quantity"]) == (False, "4", "4")
    status, problem = await house.ask("POST", path, {"quantity": "9", "client_order_id": house.new_id()}, key=TRADER_B)
    assert (status, problem["code"]) == (403, "not_owner")
    _, answer = await house.ask("POST", path, {"quantity": "4", "client_order_id": house.new_id()}, key=TRADER_A)
    assert (answer["state"], answer["reason"], answer["open_quantity"]) == ("cancelled", "amended_away", "0")
    status, problem = await house.ask("POST", path, {"quantity": "9", "client_order_id": house.new_id()}, key=TRADER_A)
    assert (status, problem["code"]) == (422, "order_unknown") or status == 404
    path = f"/v1/orders/{second['order_id']}/amend"
    late = {"quantity": "1", "client_order_id": house.new_id(), "valid_until": "2001-01-01T00:00:00Z"}
    assert (await house.ask("POST", path, late, key=TRADER_A))[1]["code"] == "validity_past"


async def test_a_replace_states_all_terms_anew(house: House) -> None:
    _, order = await house.order(TRADER_A, type="iceberg", quantity="20", display_quantity="5")
    body = {"quantity": "9", "price": "299.00", "display_quantity": "2", "time_in_force": "day"}
    path = f"/v1/orders/{order['order_id']}/replace"
    _, answer = await house.ask("POST", path, body | {"client_order_id": house.new_id()}, key=TRADER_A)
    said = {"type": "iceberg", "price": "299.00", "open_quantity": "9", "display_quantity": "2", "time_in_force": "day"}
    assert {name: answer[name] for name in said} == said
    status, problem = await house.ask("POST", path, {"quantity": "9", "client_order_id": house.new_id()}, key=TRADER_A)
    assert (status, problem["code"]) == (422, "missing_field")


STP = [
    ("cancel_taker", {"state": "cancelled", "reason": "self_trade", "filled_quantity": "0"}, ["5"]),
    ("cancel_maker", {"state": "open", "filled_quantity": "0", "open_quantity": "8"}, ["8"]),
    ("cancel_both", {"state": "cancelled", "reason": "self_trade"}, []),
    ("decrement", {"state": "open", "reduced_quantity": "5", "quantity": "3", "open_quantity": "3"}, ["3"]),
    ("none", {"state": "partial", "filled_quantity": "5", "open_quantity": "3"}, ["3"]),
]


@pytest.mark.parametrize(("mode", "said", "open_after"), STP)
async def test_self_trade_prevention_and_what_the_answer_says(
    house: House, mode: str, said: dict, open_after: list
) -> None:
    await house.order(TRADER_A, side="sell", price="300.00", quantity="5")
    status, answer = await house.order(TRADER_A, price="300.00", quantity="8", stp=mode)
    assert status == 201 and {name: answer.get(name) for name in said} == said, answer
    _, found = await house.ask("GET", "/v1/orders", key=TRADER_A)
    assert [order["open_quantity"] for order in found["orders"]] == open_after


async def test_own_orders_of_a_group_do_not_meet(house: House) -> None:
    for account in (2, 3):
        await operate(house, f"accounts/{account}", {"group": 9})
    await house.order(TRADER_A, side="sell", price="300.00", quantity="5")
    _, answer = await house.order(TRADER_B, price="300.00", quantity="5", stp_scope="group")
    assert answer["reason"] == "self_trade"
    _, answer = await house.order(TRADER_B, price="300.00", quantity="5")
    assert answer["state"] == "filled", "the account's own orders alone, where nothing else is said"
    for account in (2, 3):
        await operate(house, f"accounts/{account}", {"group": 0})


async def test_a_mass_cancel_has_one_report(house: House) -> None:
    await house.order(TRADER_A, price="300.00", quantity="3")
    await house.order(TRADER_A, side="sell", price="309.00", quantity="4")
    await house.order(TRADER_A, type="stop_limit", price="320.00", stop_price="310.00", quantity="5")
    await house.order(TRADER_B, price="299.00")
    body, headers = {"side": "buy", "instrument": BOOK}, {"Idempotency-Key": house.new_id("mass")}
    status, report = await house.ask("POST", "/v1/orders/cancel", body, key=TRADER_A, headers=headers)
    assert (status, report["cancelled_orders"], report["cancelled_quantity"]) == (200, 2, "8")
    assert [order["cancelled_quantity"] for order in report["orders"]] == ["3", "5"]
    assert report["remaining_orders"] == 0 and not report["duplicate"]
    status, again = await house.ask("POST", "/v1/orders/cancel", body, key=TRADER_A, headers=headers)
    assert (status, again["duplicate"], again["seq"]) == (200, True, report["seq"])
    assert "cancelled_orders" not in again and "orders" not in again, "told the first time"
    _, report = await house.ask("POST", "/v1/orders/cancel", {}, key=TRADER_A)
    assert report["cancelled_orders"] == 1
    _, found = await house.ask("GET", "/v1/orders", key=TRADER_B)
    assert len(found["orders"]) == 1, "another account's stay"
    report = await operate(house, "operate/cancel", {"account": 3})
    assert report["cancelled_orders"] == 1 and report["orders"][0]["price"] == "299.00"


async def test_an_account_that_is_not_heard_of_loses_its_orders(house: House) -> None:
    await house.order(TRADER_A, price="300.00")
    socket = await house.socket(TRADER_A)
    await socket.ask({"op": "subscribe", "channel": "executions"})
    answer = await socket.ask({"op": "cancel_after", "timeout_seconds": 1})
    assert answer["op"] == "cancel_after" and answer["cancel_at"] is not None
    told = [await next_of(socket, "executions", event) for event in ("cancel_after", "cancelled", "mass_cancelled")]
    assert told[1]["reason"] == "by_cancel_after" and told[2]["cancelled_orders"] == 1
    await socket.ask({"op": "cancel_after", "timeout_seconds": 60})
    answer = await socket.ask({"op": "cancel_after", "timeout_seconds": 0})
    assert answer["cancel_at"] is None
    await socket.close()


async def test_a_repeated_cancel_after_tells_how_things_stand(house: House) -> None:
    body, headers = {"timeout_seconds": 60}, {"Idempotency-Key": house.new_id("after")}
    _, first = await house.ask("POST", "/v1/orders/cancel-after", body, key=TRADER_A, headers=headers)
    _, again = await house.ask("POST", "/v1/orders/cancel-after", body, key=TRADER_A, headers=headers)
    assert not first["duplicate"] and again["duplicate"]
    assert again["cancel_at"] == first["cancel_at"] is not None
    await house.ask("POST", "/v1/orders/cancel-after", {"timeout_seconds": 0}, key=TRADER_A)
    _, again = await house.ask("POST", "/v1/orders/cancel-after", body, key=TRADER_A, headers=headers)
    assert again["duplicate"] and again["cancel_at"] is None, "it is off by now"


async def next_of(socket: Socket, channel: str, event: str) -> dict[str, Any]:
    while (message := await socket.feed(channel)).get("event") != event:
        pass
    return message


async def test_the_socket_takes_every_kind_and_tells_what_becomes_of_them(house: House) -> None:
    socket = await house.socket(TRADER_A)
    await socket.ask({"op": "subscribe", "channel": "executions"})
    stop = {"op": "order", "instrument": BOOK, "side": "buy", "quantity": "5", "client_order_id": house.new_id()}
    answer = await socket.ask(stop | {"type": "stop_limit", "price": "306.00", "stop_price": "305.00"})
    assert (answer["op"], answer["state"]) == ("order", "waiting")
    await house.order(TRADER_B, side="sell", price="305.00", quantity="1")
    await house.order(TRADER_B, side="sell", price="306.00", quantity="2")
    await house.order(TRADER_B, price="305.00", quantity="1", stp="none")
    accepted = await next_of(socket, "executions", "accepted")
    assert (accepted["order_type"], accepted["state"], accepted["stop_price"]) == ("stop_limit", "waiting", "305.00")
    triggered = await next_of(socket, "executions", "triggered")
    assert (triggered["order_type"], triggered["stop_price"], triggered["price"]) == ("limit", None, "306.00")
    filled = await next_of(socket, "executions", "partial")
    assert (filled["fill"]["quantity"], filled["open_quantity"], filled["fill"]["role"]) == ("2", "3", "taker")
    amend = {"op": "amend", "order_id": answer["order_id"], "quantity": "4", "client_order_id": house.new_id()}
    assert (await socket.ask(amend))["open_quantity"] == "2"
    told = await next_of(socket, "executions", "amended")
    assert (told["quantity"], told["open_quantity"], told["priority_kept"]) == ("4", "2", True)
    answer = await socket.ask({"op": "cancel_all", "side": "buy"})
    assert (answer["op"], answer["cancelled_orders"]) == ("cancel_all", 1)
    assert (await next_of(socket, "executions", "mass_cancelled"))["cancelled_quantity"] == "2"
    await socket.close()


async def test_packed_rows_bring_extensions_of_their_own_frame(house: House) -> None:
    socket = await house.socket(TRADER_A, packed=True)
    first = order_row(0, Side.BUY, 6_000, 30, type=OrderType.ICEBERG, display_qty=7, ref=(1, 71, 1))
    second = order_row(0, Side.BUY, 6_000, 5, ref=(1, 71, 2))
    third = order_row(0, Side.BUY, 0, 5, type=OrderType.STOP, stop_price=6_200, ref=(1, 71, 3))
    rows = np.concatenate([batch.rows for batch in (first, second, third)])
    rows["extension"] = (1, 0, 2)
    extensions = first.extensions.tobytes() + third.extensions.tobytes()
    await socket.say({"op": "rows", "rows": rows.tobytes(), "extensions": extensions})
    answer = await socket.hear()
    events = np.frombuffer(answer["events"], EVENT)
    assert events["kind"].tolist() == [EventKind.ACCEPTED] * 3 and events["command"].tolist() == [0, 1, 2]
    _, found = await house.ask("GET", "/v1/orders", key=TRADER_A)
    assert [(o["display_quantity"], o["stop_price"]) for o in found["orders"]] == [
        ("7", None), (None, None), (None, "310.00"),
    ]  # fmt: skip
    rows["ref_lo"] += 3
    for wrong, blob, pointer in (((3, 0, 2), extensions, "/rows"), ((1, 0, 1), extensions[:65], "/extensions")):
        rows["extension"] = wrong
        await socket.say({"op": "rows", "rows": rows.tobytes(), "extensions": blob})
        answer = await socket.hear()
        assert (answer["code"], answer["errors"][0]["pointer"], answer["rows"]) == ("malformed", pointer, 3)
    rows["extension"] = 1  # without any extension in the frame
    await socket.say({"op": "rows", "rows": rows.tobytes()})
    answer = await socket.hear()
    assert np.frombuffer(answer["events"], EVENT)["reason"].tolist() == [Reason.KIND_UNKNOWN] * 3
    await socket.close()


async def test_a_packed_row_hears_its_own_side_alone_of_what_it_caused(house: House) -> None:
    """B's stop is elected by A's trade, and trades with A's own resting order: A hears that fill as its maker."""
    await house.order(TRADER_B, type="stop", stop_price="310.00", quantity="3", price=None)
    await house.order(TRADER_B, side="sell", price="310.00", quantity="1")
    await house.order(TRADER_A, side="sell", price="311.00", quantity="9", stp="none")
    socket = await house.socket(TRADER_A, packed=True)
    await socket.say({"op": "rows", "rows": order_row(0, Side.BUY, 6_200, 1, ref=(1, 72, 1)).rows.tobytes()})
    events = np.frombuffer((await socket.hear())["events"], EVENT)
    assert events["kind"].tolist() == [EventKind.ACCEPTED, EventKind.FILL, EventKind.FILL]
    assert events["account"].tolist() == [2, 2, 0] and events["counter_account"].tolist() == [0, 0, 2]
    assert events["order"].tolist()[2] == 0 and events["leaves"].tolist()[2] == 6
    assert (events["flags"] & EventFlag.LAST).astype(bool).tolist() == [False, False, True]
    await socket.close()


async def test_a_packed_row_ends_with_last_whatever_others_still_do(house: House) -> None:
    """B's stop is elected by A's trade and finds nothing: the command's last event is B's alone."""
    await house.order(TRADER_B, type="stop", stop_price="310.00", quantity="3", price=None)
    await house.order(TRADER_B, side="sell", price="310.00", quantity="1")
    socket = await house.socket(TRADER_A, packed=True)
    await socket.say({"op": "rows", "rows": order_row(0, Side.BUY, 6_200, 1, ref=(1, 73, 1)).rows.tobytes()})
    events = np.frombuffer((await socket.hear())["events"], EVENT)
    assert events["kind"].tolist() == [EventKind.ACCEPTED, EventKind.FILL]
    assert (events["flags"] & EventFlag.LAST).astype(bool).tolist() == [False, True]
    await socket.close()


async def test_hidden_lots_and_stops_are_their_owners_alone(house: House) -> None:
    """Canaries: nothing that anyone else is told, before or after, has the hidden quantity or the stop price."""
    from tests.gateway.test_secrecy import everything_public

    other = await house.socket(TRADER_B)
    for channel in ("executions", "accounts", "own_bids"):
        await other.ask({"op": "subscribe", "channel": channel})
    await house.order(TRADER_A, price="299.00")
    await house.venue.env.sleep(2 * house.venue.settings.feed_tick_seconds)
    before = await everything_public(house)
    public = await house.socket()
    for channel in ("book", "trades", "auction", "status"):
        await public.ask({"op": "subscribe", "channel": channel, "instrument": BOOK})
        await public.feed(channel)
    _, stop = await house.order(TRADER_A, type="stop", stop_price="987.65", quantity=HIDDEN, price=None)
    assert (stop["state"], stop["stop_price"]) == ("waiting", STOP_AT)
    body = {"quantity": "98764", "client_order_id": house.new_id()}
    await house.ask("POST", f"/v1/orders/{stop['order_id']}/amend", body, key=TRADER_A)
    await house.venue.env.sleep(2 * house.venue.settings.feed_tick_seconds)
    assert await everything_public(house) == before, "a stop that waits is in no answer, not even as a count"
    await house.ask("DELETE", f"/v1/orders/{stop['order_id']}", key=TRADER_A)
    await house.order(TRADER_A, type="stop", stop_price="987.65", quantity=HIDDEN, price=None)
    await house.order(TRADER_A, side="sell", type="iceberg", price="305.00", quantity=HIDDEN, display_quantity="100")
    _, bought = await house.order(TRADER_B, price="305.00", quantity="105")
    assert bought["filled_quantity"] == "105"
    await house.venue.env.sleep(2 * house.venue.settings.feed_tick_seconds)
    told = [await everything_public(house), bought]
    for socket, key in ((public, "book"), (public, "trades"), (other, "executions")):
        told.append(await socket.feed(key))
    for path in ("orders", "accounts/me"):
        told.append((await house.ask("GET", f"/v1/{path}", key=TRADER_B))[1])
    text = msgspec.json.encode([told, public.feeds, other.feeds])
    rest = str(int(HIDDEN) - 105)
    for secret in (HIDDEN, "98764", rest, str(int(HIDDEN) - 100), STOP_AT, "19753"):
        assert secret.encode() not in text, secret
    book = (await house.ask("GET", f"/v1/instruments/{BOOK}/book"))[1]
    assert book["asks"] == [["305.00", "95", 1]], "what is left of the second peak"
    await public.close()
    await other.close()


async def test_a_frozen_account_may_cancel_and_nothing_else(house: House) -> None:
    _, order = await house.order(TRADER_A, price="300.00")
    answer = await operate(house, "accounts/2", {"frozen": True, "why": "asked for"})
    assert (answer["frozen"], answer["cancelled_orders"]) == (True, 0)
    status, problem = await house.order(TRADER_A)
    assert (status, problem["code"]) == (403, "account_frozen")
    path = f"/v1/orders/{order['order_id']}/amend"
    status, problem = await house.ask("POST", path, {"quantity": "1", "client_order_id": "am"}, key=TRADER_A)
    assert problem["code"] == "account_frozen"
    assert (await house.ask("GET", "/v1/accounts/me", key=TRADER_A))[1]["frozen"] is True
    assert (await house.ask("DELETE", f"/v1/orders/{order['order_id']}", key=TRADER_A))[0] == 200
    await operate(house, "accounts/2", {"frozen": False})
    assert (await house.order(TRADER_A))[0] == 201


async def test_limits_hold_and_are_shown_with_what_is_used(house: House) -> None:
    await operate(house, "accounts/2/limits", {"currency": "USD", "buy_max": "60000", "orders_max": 2})
    status, problem = await house.order(TRADER_A, price="300.05", quantity="10")
    assert (status, problem["code"]) == (422, "limit_notional")
    assert (await house.order(TRADER_A, price="300.00", quantity="9"))[0] == 201
    assert (await house.order(TRADER_A, side="sell", price="310.00"))[0] == 201
    assert (await house.order(TRADER_A, side="sell", price="310.00"))[1]["code"] == "limit_orders"
    limits = (await house.ask("GET", "/v1/accounts/2", key=ADMIN))[1]["limits"]
    assert limits == (await house.ask("GET", "/v1/accounts/me", key=TRADER_A))[1]["limits"]
    assert limits == [
        {"currency": "USD", "buy_max": "60000", "sell_max": "0", "orders_max": 2, "buy_used": "54000",
         "sell_used": "6200", "orders_used": 2}
    ]  # fmt: skip
    await operate(house, "accounts/2/limits", {"currency": "USD"})
    await operate(house, "accounts/2/limits", {"currency": "EUR"}, status=422)
    assert (await house.ask("GET", "/v1/accounts/2", key=TRADER_A))[0] == 403


async def test_what_is_sold_must_be_deposited(house: House) -> None:
    answer = await operate(house, "accounts/2/deposits", {"instrument": STOCK, "lots": "10"})
    assert answer["lots"] == "10"
    assert (await house.order(TRADER_A, instrument=STOCK, side="sell", price="301.00", quantity="8"))[0] == 201
    status, problem = await house.order(TRADER_A, instrument=STOCK, side="sell", price="301.00", quantity="3")
    assert (status, problem["code"]) == (409, "stock_short")
    await operate(house, "accounts/2/deposits", {"instrument": STOCK, "lots": "-3"}, status=409)
    stock = (await house.ask("GET", "/v1/accounts/me", key=TRADER_A))[1]["stock"]
    assert stock == [{"instrument": STOCK, "lots": "10", "promised": "8"}]
    await house.order(TRADER_B, instrument=STOCK, price="301.00", quantity="8")
    assert (await house.ask("GET", "/v1/accounts/3", key=ADMIN))[1]["stock"][0]["lots"] == "8"
    await operate(house, "accounts/2/deposits", {"instrument": BOOK, "lots": "3"}, status=422)


async def test_the_kill_switch_stops_all_but_cancels_and_is_told(house: House) -> None:
    _, order = await house.order(TRADER_A, price="300.00")
    reader = await house.socket()
    await reader.ask({"op": "subscribe", "channel": "status"})
    assert (await reader.feed("status"))["stopped"] is False
    assert (await house.ask("POST", "/v1/kill-switch", {"on": True}, key=TRADER_A))[0] == 403
    status, answer = await house.ask("POST", "/v1/kill-switch", {"on": True, "why": "drill"}, key=ADMIN)
    assert (status, answer["on"], answer["cancelled_orders"]) == (200, True, 0)
    assert (await reader.feed("status"))["stopped"] is True
    assert (await house.ask("GET", "/v1/status"))[1]["stopped"] is True
    status, problem = await house.order(TRADER_A)
    assert (status, problem["code"]) == (409, "venue_stopped")
    assert (await house.ask("DELETE", f"/v1/orders/{order['order_id']}", key=TRADER_A))[0] == 200
    status, answer = await house.ask("POST", "/v1/kill-switch", {"on": False}, key=ADMIN)
    assert (status, answer["on"]) == (200, False)
    assert (await house.order(TRADER_A))[0] == 201
    await reader.close()


async def test_terms_of_an_instrument_change_and_a_collar_follows_its_reference(house: House) -> None:
    shown = (await house.ask("GET", f"/v1/instruments/{STOCK}"))[1]
    assert shown["collar"] == {"low": "270.00", "high": "330.00"} and shown["deposit"] and shown["multiplier"] == "1"
    await operate(house, f"instruments/{STOCK}/reference", {"reference": "200.00"})
    assert (await house.ask("GET", f"/v1/instruments/{STOCK}"))[1]["collar"] == {"low": "180.00", "high": "220.00"}
    change = {"collar_floor": "50.00", "name": "Other name", "qty_max": "77"}
    await operate(house, f"instruments/{STOCK}/change", change)
    shown = (await house.ask("GET", f"/v1/instruments/{STOCK}"))[1]
    assert (shown["collar"], shown["name"], shown["qty_max"]) == (
        {"low": "150.00", "high": "250.00"},
        "Other name",
        "77",
    )
    await operate(house, f"instruments/{STOCK}/change", {"rules": "no_such_rules"}, status=422)
    await operate(house, f"instruments/{STOCK}/reference", {"reference": "300.00"})


async def test_a_delisted_instrument_is_gone_and_its_orders_are_told(house: House) -> None:
    _, order = await house.order(TRADER_A, instrument=STOCK, price="299.00", quantity="2")
    private, public = await house.socket(TRADER_A), await house.socket()
    await private.ask({"op": "subscribe", "channel": "executions"})
    for channel in ("book", "trades", "auction", "status"):
        await public.ask({"op": "subscribe", "channel": channel, "instrument": STOCK})
    await operate(house, f"instruments/{STOCK}/delist", {}, status=409)
    await operate(house, f"instruments/{STOCK}/phase", {"phase": "halted"})
    answer = await operate(house, f"instruments/{STOCK}/delist", {"why": "end of the season"})
    assert (answer["instrument"], answer["cancelled_orders"]) == (STOCK, 1)
    told = await next_of(private, "executions", "cancelled")
    assert (told["order_id"], told["reason"], told["instrument"]) == (order["order_id"], "delisted", STOCK)
    while "delisted" not in (status := await public.feed("status")):
        pass
    assert status["delisted"] == [STOCK]
    assert (await house.ask("GET", f"/v1/instruments/{STOCK}"))[0] == 404
    assert (await house.order(TRADER_A, instrument=STOCK))[1]["code"] == "instrument_unknown"
    answer = await public.ask({"op": "resync", "channel": "book", "instrument": STOCK, "from": 0})
    assert answer["code"] == "instrument_unknown"
    await private.close()
    await public.close()
