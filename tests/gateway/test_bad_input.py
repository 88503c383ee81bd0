"""What bad input gets: a coded refusal that names the field, and nothing changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.codes import EventKind
from tests.gateway.running import ADMIN, BOOK, TRADER_A, TRADER_B, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

# what is changed in a good order, status, code, pointer
ORDERS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "off tick": ({"price": "300.01"}, 422, "off_tick", "/price"),
    "off lot": ({"quantity": "1.5"}, 422, "off_lot", "/quantity"),
    "no quantity": ({"quantity": "0"}, 422, "qty_range", "/quantity"),
    "negative quantity": ({"quantity": "-5"}, 422, "qty_range", "/quantity"),
    "quantity over all bounds": ({"quantity": "999999999999"}, 422, "qty_range", "/quantity"),
    "price over all bounds": ({"price": "99999999999"}, 422, "price_range", "/price"),
    "price over the band": ({"price": "1000.05"}, 422, "price_band", "/price"),
    "quantity over the instrument's": ({"quantity": "1000001"}, 422, "qty_range", "/quantity"),
    "price of nothing": ({"price": "0.00"}, 422, "price_band", "/price"),
    "negative price": ({"price": "-1.00"}, 422, "price_band", "/price"),
    "NaN": ({"price": "NaN"}, 422, "malformed", "/price"),
    "infinity": ({"price": "Infinity"}, 422, "malformed", "/price"),
    "1e400": ({"price": "1e400"}, 422, "malformed", "/price"),
    "exponent": ({"price": "3e2"}, 422, "malformed", "/price"),
    "full-width digits": ({"price": "３００"}, 422, "malformed", "/price"),
    "underscore": ({"quantity": "1_0"}, 422, "malformed", "/quantity"),
    "blank": ({"quantity": ""}, 422, "malformed", "/quantity"),
    "number for text": ({"price": 300.0}, 422, "invalid_field", "/price"),
    "no price": ({"price": None}, 422, "missing_field", "/price"),
    "market with a price": ({"type": "market"}, 422, "price_not_allowed", "/price"),
    "unknown instrument": ({"instrument": "COFFEE-Z"}, 422, "instrument_unknown", "/instrument"),
    "wrong phase": ({"instrument": "COCOA", "price": "9000"}, 409, "phase_forbids", "/instrument"),
    "ioc in a call": ({"instrument": "COFFEE-B", "time_in_force": "ioc"}, 422, "tif_in_call", "/time_in_force"),
    "unknown side": ({"side": "hold"}, 422, "invalid_field", "/side"),
    "unknown type": ({"type": "pegged"}, 422, "invalid_field", "/type"),
    "unknown time in force": ({"time_in_force": "gtx"}, 422, "invalid_field", "/time_in_force"),
    "unknown field": ({"prise": "300.00"}, 422, "unknown_field", "/prise"),
    "id too long": ({"client_order_id": "x" * 37}, 422, "id_invalid", "/client_order_id"),
    "id with a blank": ({"client_order_id": "a b"}, 422, "id_invalid", "/client_order_id"),
    "id with a NUL": ({"client_order_id": "a\0"}, 422, "id_invalid", "/client_order_id"),
    "id not ASCII": ({"client_order_id": "café"}, 422, "id_invalid", "/client_order_id"),
}


def good_order(house: House, **changes: Any) -> dict[str, Any]:
    order = {"instrument": BOOK, "side": "buy", "price": "300.00", "quantity": "10"}
    return order | {"client_order_id": house.new_id("bad")} | changes


def books(house: House) -> list[tuple[str, bytes]]:
    """Logical content of every book; what is remembered of refusals (client ids) is left out."""
    return [part for part in house.content() if not part[0].startswith(("client_ids", "streams"))]


@pytest.mark.parametrize("name", ORDERS)
async def test_a_bad_order_over_rest(house: House, name: str) -> None:
    changes, status, code, pointer = ORDERS[name]
    before, whole = books(house), house.machine.state_hash()
    seq = house.machine.seq
    answered, problem = await house.ask("POST", "/v1/orders", good_order(house, **changes), key=TRADER_A)
    assert (answered, problem.get("code")) == (status, code), problem
    assert problem["errors"][0]["pointer"] == pointer and problem["status"] == status
    assert problem["trace_id"] and problem["detail"]
    assert books(house) == before
    if house.machine.seq == seq:
        assert house.machine.state_hash() == whole


@pytest.mark.parametrize("name", ORDERS)
async def test_a_bad_order_over_a_socket(house: House, name: str) -> None:
    changes, _, code, pointer = ORDERS[name]
    before = books(house)
    socket = await house.socket(TRADER_A)
    answer = await socket.ask({"op": "order"} | good_order(house, **changes))
    assert (answer["op"], answer["code"]) == ("error", code)
    assert answer["errors"][0]["pointer"] == pointer
    assert books(house) == before
    good = await socket.ask({"op": "ping"})
    assert good["op"] == "pong"
    await socket.close()


# raw body, status, code
BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "malformed"),
    "half": (b'{"instrument":"COFFEE-A","side":', 400, "malformed"),
    "NaN": (b'{"price":NaN}', 400, "malformed"),
    "bad UTF-8": (b'{"instrument":"\xff\xfe"}', 400, "malformed"),
    "lone surrogate": (b'{"instrument":"\\ud800"}', 400, "malformed"),
    "BOM": (b"\xef\xbb\xbf{}", 400, "malformed"),
    "deep": (b"[" * 60_000, 422, "invalid_field"),
    "deep in a field": (b'{"instrument":' + b"[" * 50_000, 422, "invalid_field"),
    "array": (b"[]", 422, "invalid_field"),
    "empty object": (b"{}", 422, "missing_field"),
    "1e400 as a number": (
        b'{"instrument":"COFFEE-A","side":"buy","quantity":"1","client_order_id":"q","price":1e400}',
        422,
        "invalid_field",
    ),
    "over 64 KiB": (b'{"instrument":"' + b"x" * 70_000 + b'"}', 413, "too_large"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_order(house: House, name: str) -> None:
    raw, status, code = BODIES[name]
    before = house.machine.state_hash()
    answered, problem = await house.ask("POST", "/v1/orders", raw=raw, key=TRADER_A)
    assert (answered, problem["code"]) == (status, code)
    assert house.machine.state_hash() == before


async def test_malformed_msgpack(house: House) -> None:
    headers = {"Content-Type": "application/msgpack"}
    for raw in (
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 60_000,
        b"\xcb\x7f\xf8" + bytes(6),
    ):
        status, problem = await house.ask("POST", "/v1/orders", raw=raw, key=TRADER_A, headers=headers)
        assert status in (400, 422) and problem["code"] in ("malformed", "invalid_field"), raw[:8]


async def test_another_accounts_order_is_neither_cancelled_nor_replaced_nor_read(house: House) -> None:
    _, order = await house.order(TRADER_A, price="250.00", quantity="2")
    before, path = books(house), f"/v1/orders/{order['order_id']}"
    change = {"price": "1.00", "quantity": "1", "client_order_id": house.new_id()}
    for method, where, body in (("DELETE", path, None), ("POST", path + "/replace", change), ("GET", path, None)):
        status, problem = await house.ask(method, where, body, key=TRADER_B)
        assert (status, problem["code"]) == (403, "not_owner"), method
        assert problem["errors"][0]["pointer"] == "/order_id"
    status, problem = await house.ask(
        "DELETE", "/v1/orders", key=TRADER_B, params={"client_order_id": order["client_order_id"]}
    )
    assert (status, problem["code"]) == (404, "order_unknown")
    assert books(house) == before


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PUT", "/v1/orders", 405, "method_not_allowed"),
        ("GET", "/v1/instruments/NONE", 404, "instrument_unknown"),
        ("GET", "/v1/instruments/none", 404, "invalid_field"),
        ("GET", "/v1/instruments/COFFEE-A/book?depth=0", 422, "invalid_field"),
        ("GET", "/v1/instruments/COFFEE-A/book?depth=١", 422, "invalid_field"),
        ("GET", "/v1/instruments/COFFEE-A/book?deep=5", 422, "unknown_field"),
        ("GET", "/v1/instruments/COFFEE-A/book?depth=5&depth=6", 422, "invalid_field"),
        ("GET", "/v1/instruments/COFFEE-A/trades", 503, "not_ready"),
        ("GET", "/v1/sales/7", 404, "sale_unknown"),
        ("GET", "/v1/sales/x", 404, "invalid_field"),
        ("GET", "/v1/ws", 426, "malformed"),
    ],
)
async def test_a_bad_address_is_answered_with_a_problem(
    house: House, method: str, path: str, status: int, code: str
) -> None:
    answered, problem = await house.ask(method, path)
    assert (answered, problem["code"]) == (status, code)
    async with house.session.request(method, path) as response:
        assert response.content_type == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert status != 405 or response.headers["Allow"]


async def test_encoded_bodies_and_other_media_types_are_refused(house: House) -> None:
    order = msgspec.json.encode(good_order(house))
    for headers, status, code in (
        ({"Content-Encoding": "gzip"}, 415, "encoding_refused"),
        ({"Content-Type": "text/plain"}, 415, "media_type_unsupported"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "media_type_unsupported"),
    ):
        answered, problem = await house.ask("POST", "/v1/orders", raw=order, key=TRADER_A, headers=headers)
        assert (answered, problem["code"]) == (status, code)


async def test_an_engine_refusal_is_an_event_and_nothing_else(house: House) -> None:
    heard = []
    original = house.venue.front.hub.take
    house.venue.front.hub.take = lambda record, events: heard.extend(events.tolist())
    try:
        await house.order(instrument="COCOA", price="9000")
    finally:
        house.venue.front.hub.take = original
    assert [event[0] for event in heard] == [EventKind.REJECTED]


SALE = {
    "sale_id": 7, "title": "Best lots", "opening": "4.00", "increment": "0.10", "tick_size": "0.05",
    "price_unit": "USD/lb", "currency": "USD", "clock_seconds": 600, "open_seconds": 3_600,
}  # fmt: skip
LOT = {"seller": 2, "title": "t" * 250, "bags": 10, "bag_kg": "60"}


@pytest.mark.parametrize("lots", [300, 1_000], ids=["over a body", "over a record"])
async def test_a_command_that_the_log_cannot_hold(house: House, lots: int) -> None:
    before = house.machine.state_hash()
    headers = {"Idempotency-Key": f"sale-of-{lots}"}
    status, problem = await house.ask("POST", "/v1/sales", SALE | {"lots": [LOT] * lots}, key=ADMIN, headers=headers)
    assert (status, problem["code"]) == (413, "too_large")
    assert house.machine.state_hash() == before


@pytest.mark.parametrize("expires_at", ["9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z"])
async def test_a_key_that_expires_outside_of_the_clock(house: House, expires_at: str) -> None:
    body = {"account": 2, "roles": ["read"], "expires_at": expires_at}
    headers = {"Idempotency-Key": house.new_id("expires")}
    status, problem = await house.ask("POST", "/v1/keys", body, key=ADMIN, headers=headers)
    assert (status, problem["code"]) == (422, "invalid_field")
    assert problem["errors"][0]["pointer"] == "/expires_at"


async def test_a_key_that_expires_with_the_epoch_is_not_one_that_never_does(house: House) -> None:
    body = {"account": 2, "roles": ["read"], "expires_at": "1970-01-01T00:00:00Z"}
    headers = {"Idempotency-Key": house.new_id("epoch")}
    status, problem = await house.ask("POST", "/v1/keys", body, key=ADMIN, headers=headers)
    assert (status, problem["code"]) == (422, "due_in_past")
