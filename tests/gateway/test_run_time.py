"""What is asked for by the caller's own id, and instruments that are listed while the venue runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.config import load
from tests.gateway.running import ADMIN, BOOK, CONFIG, TRADER_A, TRADER_B, House, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEW = {
    "symbol": "PE-MANGO",
    "name": "Kent mangos",
    "commodity": "mangos",
    "tick_size": "0.01",
    "price_unit": "USD/kg",
    "lot_kg": "4",
    "lot_unit": "box of 4 kg",
    "currency": "USD",
    "price_max": "9.00",
    "reference": "1.25",
    "collar_bps": 1000,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running(tmp_path_factory.mktemp("venue")) as house:
        yield house


def pointer_of(problem: dict[str, Any]) -> str | None:
    return problem["errors"][0]["pointer"] if "errors" in problem else None


async def change(house: House, how: str, target: str, key: str = TRADER_A, **body: Any) -> tuple[int, dict[str, Any]]:
    body.setdefault("client_order_id", house.new_id())
    return await house.ask("POST", f"/v1/orders/{how}?target_client_order_id={target}", body, key=key)


async def test_an_order_is_amended_and_replaced_by_its_owners_id(house: House) -> None:
    long = "a-name-of-more-than-fifteen-bytes-0001"[:36]
    for name in ("mine", long):
        _, order = await house.order(TRADER_A, price="290.00", quantity="9", client_order_id=name)
        status, amended = await change(house, "amend", name, quantity="5", client_order_id=f"am-{name[:4]}")
        assert (status, amended["order_id"], amended["open_quantity"]) == (200, order["order_id"], "5")
        assert amended["priority_kept"]
        status, replaced = await change(house, "replace", name, quantity="7", price="291.00")
        assert (status, replaced["order_id"], replaced["price"]) == (200, order["order_id"], "291.00")
        _, again = await change(house, "amend", name, quantity="5", client_order_id=f"am-{name[:4]}")
        assert again["duplicate"] and again["open_quantity"] == "7", "as it is now"
    socket = await house.socket(TRADER_A)
    for how, more in (("amend", {}), ("replace", {"price": "292.00"})):
        message = {"op": how, "quantity": "3", "client_order_id": house.new_id(), "target_client_order_id": "mine"}
        answer = await socket.ask(message | more)
        assert answer["open_quantity"] == "3", answer
        message.pop("target_client_order_id")
        answer = await socket.ask(message | more)
        assert (answer["code"], pointer_of(answer)) == ("missing_field", "/order_id")
    await socket.close()


async def test_a_name_finds_the_open_order_of_its_own_account_alone(house: House) -> None:
    await house.order(TRADER_A, price="280.00", client_order_id="only-mine")
    for key, name in ((TRADER_B, "only-mine"), (TRADER_A, "nobodys")):
        status, problem = await change(house, "amend", name, key, quantity="1")
        assert (status, problem["code"]) == (404, "order_unknown")
    status, problem = await change(house, "amend", "b%C3%A4d", quantity="1")
    assert (status, problem["code"]) == (422, "id_invalid")
    await house.clear()
    status, problem = await change(house, "replace", "only-mine", quantity="1", price="280.00")
    assert (status, problem["code"]) == (404, "order_unknown"), "it is not open any more"


async def listed(house: House, body: dict[str, Any], key: str, token: str = ADMIN) -> tuple[int, dict[str, Any]]:
    return await house.ask("POST", "/v1/instruments", body, key=token, headers={"Idempotency-Key": key})


async def test_an_instrument_is_listed_opened_and_traded(house: House) -> None:
    status, shown = await listed(house, NEW, "mango")
    assert (status, shown["symbol"], shown["phase"], shown["reference"]) == (201, "PE-MANGO", "closed", "1.25")
    status, again = await listed(house, NEW, "mango")
    assert (status, again["symbol"]) == (200, "PE-MANGO")
    status, problem = await listed(house, NEW | {"name": "Others"}, "other")
    assert (status, problem["code"]) == (409, "already_exists")
    path, headers = "/v1/instruments/PE-MANGO/phase", {"Idempotency-Key": house.new_id()}
    assert (await house.ask("POST", path, {"phase": "call"}, key=ADMIN, headers=headers))[0] == 200
    for side, key in (("buy", TRADER_A), ("sell", TRADER_B)):
        status, order = await house.order(key, instrument="PE-MANGO", side=side, price="1.30", quantity="10")
        assert status == 201, order
    headers = {"Idempotency-Key": "mango-call"}
    path = "/v1/instruments/PE-MANGO/uncross"
    status, done = await house.ask("POST", path, {"phase": "closed"}, key=ADMIN, headers=headers)
    assert (status, done["price"], done["volume"]) == (200, "1.30", "10")


async def test_repeats_of_listing_and_delisting_are_answered_after_the_end(house: House) -> None:
    terms, path = NEW | {"symbol": "PE-LUCUMA"}, "/v1/instruments/PE-LUCUMA/delist"
    assert (await listed(house, terms, "lucuma"))[0] == 201
    headers = {"Idempotency-Key": "lucuma-ends"}
    status, ended = await house.ask("POST", path, {"why": "frost"}, key=ADMIN, headers=headers)
    assert (status, ended["instrument"], ended["duplicate"]) == (200, "PE-LUCUMA", False)
    status, again = await house.ask("POST", path, {"why": "frost"}, key=ADMIN, headers=headers)
    assert (status, again["duplicate"], again["seq"]) == (200, True, ended["seq"])
    status, problem = await listed(house, terms, "lucuma")
    assert (status, problem["code"]) == (422, "instrument_unknown"), "it was listed, and is no more"


async def test_instruments_listed_at_once_have_numbers_of_their_own(house: House) -> None:
    found = await asyncio.gather(*(listed(house, NEW | {"symbol": f"PE-NEW-{n}"}, f"new-{n}") for n in range(4)))
    assert [status for status, _ in found] == [201] * 4, found
    numbers = {house.machine.venue.by_symbol[f"PE-NEW-{n}"] for n in range(4)}
    assert len(numbers) == 4


@pytest.mark.parametrize(
    ("field", "value", "code", "pointer"),
    [
        ("tick_size", "0", "invalid_field", "/tick_size"),
        ("lot_kg", "0.0001", "invalid_field", "/lot_kg"),
        ("currency", "PEN", "invalid_field", "/currency"),
        ("reference", "9.01", "invalid_field", "/reference"),
        ("price_min", "9.01", "invalid_field", "/price_min"),
        ("extensions_max", 1, "invalid_field", "/extension_seconds"),
        ("price_unit", "USD/oz", "invalid_field", "/price_unit"),
        ("rules", "nobodys", "rules_unknown", None),
        ("symbol", "no spaces", "invalid_field", "/symbol"),
    ],
)
async def test_terms_that_do_not_hold_together_are_refused(
    house: House, field: str, value: object, code: str, pointer: str | None
) -> None:
    seq = house.machine.seq
    status, problem = await listed(house, NEW | {"symbol": "PE-OTHER", field: value}, house.new_id())
    assert (status, problem["code"], pointer_of(problem)) == (422, code, pointer), problem
    assert house.machine.venue.instrument("PE-OTHER") is None and house.machine.seq - seq <= 1


async def test_only_an_operator_lists(house: House) -> None:
    status, problem = await listed(house, NEW | {"symbol": "PE-OTHER"}, "trader", TRADER_A)
    assert (status, problem["code"]) == (403, "not_permitted")


async def test_a_configuration_numbers_its_new_instruments_after_those_of_the_venue() -> None:
    base = load(CONFIG)
    assert [listing.body.instrument for listing in load(CONFIG, base, highest=40).instruments] == [
        listing.body.instrument for listing in base.instruments
    ]
    assert next(listing.body.instrument for listing in load(CONFIG, highest=40).instruments) == 41
    assert BOOK in {listing.body.symbol for listing in base.instruments}
