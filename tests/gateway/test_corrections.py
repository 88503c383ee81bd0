"""Busts and corrections by the name of a fill: history is asked for the terms, and tells what holds afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway.running import ADMIN, BOOK, TRADER_A, TRADER_B, House, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running(tmp_path_factory.mktemp("venue"), follower=True) as house:
        ask = {"key": TRADER_A, "params": {"min_seq": str(house.machine.seq)}}
        while (await house.ask("GET", "/v1/fills", **ask))[0] != 200:  # until the follower is there
            await house.venue.env.sleep(0.1)
        yield house


async def operate(house: House, path: str, body: dict[str, Any], seq: int, **more: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": more.pop("key", None) or house.new_id("op")}
    return await house.ask("POST", f"/v1/{path}", body, key=ADMIN, headers=headers, params={"min_seq": str(seq)})


async def traded(house: House, price: str, quantity: str) -> str:
    """The fill's name."""
    await house.order(TRADER_A, side="sell", price=price, quantity=quantity)
    _, bought = await house.order(TRADER_B, price=price, quantity=quantity)
    assert bought["state"] == "filled"
    return bought["fills"][0]["fill_id"]


async def fills_of(house: House, key: str, seq: int) -> list[dict[str, Any]]:
    status, found = await house.ask("GET", "/v1/fills", key=key, params={"min_seq": str(seq)})
    assert status == 200, found
    return found["fills"]


async def test_a_bust_leaves_the_fill_and_says_so_to_its_parties(house: House) -> None:
    socket = await house.socket(TRADER_A)
    await socket.ask({"op": "subscribe", "channel": "executions"})
    fill = await traded(house, "300.00", "4")
    status, answer = await operate(house, f"fills/{fill}/bust", {"why": "a slip"}, house.machine.seq, key="bust-1")
    assert (status, answer["busted"], answer["price"], answer["quantity"]) == (200, True, "300.00", "4"), answer
    status, again = await operate(house, f"fills/{fill}/bust", {"why": "a slip"}, answer["seq"], key="bust-1")
    assert (status, again["duplicate"], again["seq"]) == (200, True, answer["seq"])
    status, problem = await operate(house, f"fills/{fill}/bust", {}, answer["seq"])
    assert (status, problem["code"]) == (409, "already_busted")
    for key in (TRADER_A, TRADER_B):
        (seen,) = [row for row in await fills_of(house, key, answer["seq"]) if row["fill_id"] == fill]
        assert (seen["state"], seen["quantity"]) == ("busted", "4")
    _, trades = await house.ask("GET", f"/v1/instruments/{BOOK}/trades")
    assert trades["trades"][0]["state"] == "busted"
    _, candles = await house.ask("GET", f"/v1/instruments/{BOOK}/candles")
    assert candles["candles"] == [], "it is in no candle"
    while (told := await socket.feed("executions")).get("event") != "busted":
        pass
    assert (told["fill_id"], told["state"]) == (fill, "busted") and "account" not in told
    await socket.close()


async def test_a_correction_holds_from_then_on(house: House) -> None:
    fill = await traded(house, "310.00", "6")
    wanted = {"price": "309.95", "quantity": "5", "why": "agreed"}
    status, answer = await operate(house, f"fills/{fill}/correct", wanted, house.machine.seq)
    assert (status, answer["price"], answer["quantity"], answer["busted"]) == (200, "309.95", "5", False), answer
    (seen,) = [row for row in await fills_of(house, TRADER_B, answer["seq"]) if row["fill_id"] == fill]
    assert (seen["state"], seen["price"], seen["quantity"], seen["value"]) == (
        "corrected", "309.95", "5", answer_value("309.95", 5),
    )  # fmt: skip
    status, problem = await operate(house, f"fills/{fill}/correct", wanted, answer["seq"])
    assert (status, problem["code"]) == (409, "already_exists")
    status, problem = await operate(house, f"fills/{fill}/correct", wanted | {"quantity": "6"}, answer["seq"])
    assert (status, problem["code"]) == (422, "qty_range"), "never more than holds"
    status, answer = await operate(house, f"fills/{fill}/bust", {}, answer["seq"])
    assert (status, answer["price"], answer["quantity"]) == (200, "309.95", "5"), "the terms that hold are busted"


def answer_value(price: str, bags: int) -> str:
    from fractions import Fraction

    pounds = Fraction(69 * 100_000_000, 45_359_237) * bags
    return f"{float(round(pounds * Fraction(price) / 100, 2)):.2f}"


async def test_a_fill_that_is_not_there_and_who_may_ask(house: House) -> None:
    for name in ("1-1", "9223372036854775807-0", "9999999999999999999-1"):
        status, problem = await operate(house, f"fills/{name}/bust", {}, 0)
        assert (status, problem["code"]) == (404, "trade_unknown"), name
    assert (await operate(house, "fills/x-1/bust", {}, 0))[0] == 404
    headers = {"Idempotency-Key": "mine"}
    assert (await house.ask("POST", "/v1/fills/1-1/bust", {}, key=TRADER_A, headers=headers))[0] == 403
