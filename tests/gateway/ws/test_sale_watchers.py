"""Who watches a sale, over real sockets: a thousand of them, and one that never reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.gateway.running import ADMIN, TRADER_B, House, running
from tests.gateway.ws.test_trouble import raw_socket, text

pytestmark = pytest.mark.asyncio(loop_scope="module")

WATCHERS = 1_000
ATTRIBUTES = {f"note {k}": "x" * 200 for k in range(10)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("watchers")
    async with running(
        folder, connections_per_address_max=WATCHERS + 50, slow_consumer_seconds=60.0, conflate_bytes=64 * 1024,
        sales_tick_seconds=0.02,
    ) as house:  # fmt: skip
        yield house


async def opened(house: House, number: int, lots: list[dict[str, Any]]) -> None:
    plan = {
        "sale_id": number, "title": "watched", "opening": "4.00", "increment": "0.10", "tick_size": "0.05",
        "price_unit": "USD/lb", "currency": "USD", "clock_seconds": 600, "open_seconds": 3600, "lots": lots,
    }  # fmt: skip
    status, _ = await house.ask("POST", "/v1/sales", plan, key=ADMIN, headers={"Idempotency-Key": f"w-{number}"})
    assert status == 201


def lots_of(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"seller": 2, "title": f"lot {k}", "bags": 10, "bag_kg": "60"} | more for k in range(count)]


async def frame_of(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next whole text frame of the venue."""
    head = await reader.readexactly(2)
    assert head[0] == 0x81
    size = head[1]
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return msgspec.json.decode(await reader.readexactly(size))


async def test_a_thousand_watchers_each_see_every_state(house: House) -> None:
    await opened(house, 1, lots_of(2))
    watchers = []
    for _ in range(WATCHERS):
        reader, writer = await raw_socket(house)
        writer.write(text(op="subscribe", channel="sale", sale=1))
        watchers.append((reader, writer))
    for reader, _ in watchers:
        answer, snapshot = await frame_of(reader), await frame_of(reader)
        assert (answer["op"], answer["sale"], snapshot["type"]) == ("ok", 1, "snapshot")
    bids = 5
    for k in range(bids):
        _, answer = await house.ask(
            "POST", "/v1/sales/1/bids", {"lot": 1, "maximum": f"{5 + k}.00", "client_bid_id": f"k{k}"},
            key=(ADMIN, TRADER_B)[k % 2],
        )  # fmt: skip
        assert answer["status"] == "accepted"

    async def seen(reader: asyncio.StreamReader) -> list[int]:
        """Numbers of the updates from the first bid to the last; each follows the one before."""
        numbers: list[int] = []
        while True:
            message = await frame_of(reader)
            assert not numbers or message["prev_seq"] == numbers[-1]
            if message["lots"][0]["bids"]:  # the opening itself may be told to who came early
                numbers.append(message["seq"])
            if message["lots"][0]["bids"] == bids:
                return numbers

    told = await asyncio.wait_for(asyncio.gather(*(seen(reader) for reader, _ in watchers)), 60)
    assert all(numbers == told[0] for numbers in told) and 1 <= len(told[0]) <= bids
    for _, writer in watchers:
        writer.transport.abort()


async def test_a_watcher_that_does_not_read_delays_only_itself(house: House) -> None:
    """It misses updates and is given one snapshot for them; the others miss none."""
    await opened(house, 2, lots_of(8, attributes=ATTRIBUTES))
    reader, writer = await raw_socket(house, receive_bytes=4_096)
    writer.transport.pause_reading()
    writer.write(text(op="subscribe", channel="sale", sale=2))
    other = await house.socket()
    await other.ask({"op": "subscribe", "channel": "sale", "sale": 2})
    assert (await other.feed("sale"))["type"] == "snapshot"
    update: dict[str, Any] = {}
    rounds = updates = missed = 0
    while missed < 5:
        assert rounds < 2_000, "what is not read piles up at the venue, until it is noticed"
        missed += bool(house.venue.front.behind)
        lot, above = 1 + rounds % 8, rounds // 8
        body = {"lot": lot, "maximum": f"{5 + above}.00", "client_bid_id": f"s{rounds}"}
        _, answer = await house.ask("POST", "/v1/sales/2/bids", body, key=(ADMIN, TRADER_B)[above % 2])
        assert answer["status"] == "accepted", answer
        rounds += 1
        while not update or update["lots"][lot - 1]["bids"] != above + 1:
            message = await other.feed("sale")
            assert message["type"] == "update" and (not update or message["prev_seq"] == update["seq"])
            update, updates = message, updates + 1
    writer.transport.resume_reading()
    kinds: list[str] = []
    while not kinds or kinds[-1] != "snapshot" or len(kinds) == 1:
        message = await asyncio.wait_for(frame_of(reader), 10)
        if "channel" in message and "type" in message:
            kinds.append(message["type"])
    assert kinds[0] == kinds[-1] == "snapshot" and set(kinds[1:-1]) == {"update"}
    assert len(kinds) - 2 <= updates - 4
    assert message["lots"] == update["lots"]
    writer.transport.abort()
    await other.close()
