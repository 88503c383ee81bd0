"""Feeds over a real socket: what a reader rebuilds is what the engine has, and private things stay private."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from engine.codes import Side
from engine.domain.units import ticks_to_text
from gateway.market_data.book import changes
from tests.gateway.running import ADMIN, BOOK, CALL_BOOK, READER, TRADER_A, TRADER_B, House, Socket

in_venue = pytest.mark.asyncio(loop_scope="module")


class Rebuilt:
    """A book as a reader of the feed keeps it."""

    def __init__(self) -> None:
        self.seq = 0
        self.sides: dict[str, dict[str, tuple[str, int]]] = {"bids": {}, "asks": {}}

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        else:
            assert message["prev_seq"] == self.seq
        self.seq = message["seq"]
        for name, levels in self.sides.items():
            for price, qty, orders in message[name]:
                if qty == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = (qty, orders)


def engine_side(house: House, side: Side, depth: int) -> dict[str, tuple[str, int]]:
    listing = house.machine.venue.instruments[1]
    levels = house.machine.hot.depth(1, side, depth).tolist()
    return {ticks_to_text(p, listing.tick_size): (str(q), n) for p, q, n in levels}


async def quiet(house: House, socket: Socket, book: Rebuilt) -> None:
    """Take messages until the feed has told everything."""
    while True:
        try:
            book.take(await socket.feed("book", 0.5))
        except TimeoutError:
            return


@in_venue
@pytest.mark.parametrize("depth", [10, 25])
async def test_a_rebuilt_book_is_the_book(house: House, depth: int) -> None:
    chance, book = random.Random(depth), Rebuilt()
    reader, trader = await house.socket(), await house.socket(TRADER_A)
    assert (await reader.ask({"op": "subscribe", "channel": "book", "instrument": BOOK, "depth": depth}))["op"] == "ok"
    book.take(await reader.feed("book"))
    open_orders: list[str] = []
    for step in range(300):
        if open_orders and chance.random() < 0.4:
            order = open_orders.pop(chance.randrange(len(open_orders)))
            await trader.ask({"op": "cancel", "order_id": order})
            continue
        price = f"{300 + chance.randint(-40, 40) * 0.05:.2f}"
        answer = await trader.ask(
            {
                "op": "order",
                "instrument": BOOK,
                "side": chance.choice(["buy", "sell"]),
                "price": price,
                "quantity": str(chance.randint(1, 50)),
                "client_order_id": f"feed-{depth}-{step}",
            }
        )
        if answer.get("state") in ("open", "partial"):
            open_orders.append(answer["order_id"])
    await quiet(house, reader, book)
    assert book.sides["bids"] == engine_side(house, Side.BUY, depth)
    assert book.sides["asks"] == engine_side(house, Side.SELL, depth)
    late = await house.socket()
    await late.ask({"op": "subscribe", "channel": "book", "instrument": BOOK, "depth": depth})
    snapshot = await late.feed("book")
    assert snapshot["type"] == "snapshot" and snapshot["seq"] == book.seq
    for socket in (reader, trader, late):
        await socket.close()


@in_venue
async def test_a_gap_is_filled_from_the_ring_or_by_a_snapshot(house: House) -> None:
    reader = await house.socket()
    await reader.ask({"op": "subscribe", "channel": "trades", "instrument": BOOK})
    start = (await reader.feed("trades"))["seq"]
    numbers = []
    for _ in range(3):
        await house.order(TRADER_A, side="sell", price="100.00", quantity="1")
        await house.order(TRADER_B, side="buy", price="400.00", quantity="1", time_in_force="ioc")
        message = await reader.feed("trades")
        numbers.append((message["prev_seq"], message["seq"]))
    assert numbers == [(start, start + 1), (start + 1, start + 2), (start + 2, start + 3)]
    again = {"op": "resync", "channel": "trades", "instrument": BOOK}
    await reader.ask(again | {"from": start + 1})
    assert [(await reader.feed("trades"))["seq"] for _ in range(2)] == [start + 2, start + 3]
    await reader.ask(again | {"from": 17})
    snapshot = await reader.feed("trades")
    assert snapshot["type"] == "snapshot" and snapshot["seq"] == start + 3
    assert len(snapshot["trades"]) >= 3
    ids = [trade["trade_id"] for trade in snapshot["trades"]]
    assert ids == sorted(ids, reverse=True)
    await reader.close()


@in_venue
async def test_executions_tell_an_account_its_own_orders_alone(house: House) -> None:
    await house.clear()
    seller, buyer = await house.socket(READER), await house.socket(TRADER_B)
    for socket in (seller, buyer):
        await socket.ask({"op": "subscribe", "channel": "executions"})
        assert (await socket.feed("executions"))["type"] == "snapshot"
    _, maker = await house.order(TRADER_A, side="sell", price="95.00", quantity="5", client_order_id="x-maker")
    _, taker = await house.order(
        TRADER_B, side="buy", price="95.00", quantity="3", client_order_id="an-id-that-goes-into-the-blob"
    )
    assert taker["state"] == "filled"
    told = [await seller.feed("executions") for _ in range(2)]
    assert [m["event"] for m in told] == ["accepted", "partial"]
    assert told[1]["fill"] == {
        "fill_id": taker["fills"][0]["fill_id"],
        "price": "95.00",
        "quantity": "3",
        "role": "maker",
    }
    assert told[1]["open_quantity"] == "2" and told[1]["client_order_id"] == "x-maker"
    assert told[1]["prev_seq"] == told[0]["seq"]
    mine = [await buyer.feed("executions") for _ in range(2)]
    assert [m["event"] for m in mine] == ["accepted", "filled"]
    assert mine[1]["client_order_id"] == "an-id-that-goes-into-the-blob"
    assert maker["order_id"] not in msgspec.json.encode(mine).decode()
    await house.ask("DELETE", f"/v1/orders/{maker['order_id']}", key=TRADER_A)
    gone = await seller.feed("executions")
    assert (gone["event"], gone["state"], gone["reason"]) == ("cancelled", "cancelled", "by_owner")
    for socket in (seller, buyer):
        await socket.close()


@in_venue
async def test_replaced_and_refused_orders_are_told(house: House) -> None:
    await house.clear()
    reader = await house.socket(TRADER_A)
    await reader.ask({"op": "subscribe", "channel": "executions"})
    _, order = await house.order(TRADER_A, price="50.00", quantity="5")
    await reader.ask(
        {"op": "replace", "order_id": order["order_id"], "price": "51.00", "quantity": "6", "client_order_id": "r-1"}
    )
    await house.order(TRADER_A, instrument="COCOA", price="9000")
    heard = []
    while len(heard) < 3:
        message = await reader.feed("executions")
        if message["type"] == "update":
            heard.append(message)
    assert [m["event"] for m in heard] == ["accepted", "replaced", "rejected"]
    assert (heard[1]["price"], heard[1]["quantity"], heard[1]["order_type"]) == ("51.00", "6", "limit")
    assert heard[1]["instrument"] == BOOK
    assert heard[2]["code"] == "phase_forbids"
    await reader.close()


@in_venue
async def test_the_call_is_told_while_it_collects(house: House) -> None:
    reader = await house.socket()
    await reader.ask({"op": "subscribe", "channel": "auction", "instrument": CALL_BOOK})
    await reader.ask({"op": "subscribe", "channel": "status"})
    first, status = await reader.feed("auction"), await reader.feed("status")
    assert first["phase"] == "call" and "curve" in first
    assert {s["instrument"] for s in status["instruments"]} == {BOOK, CALL_BOOK, "COCOA"}
    for key, side, price in ((TRADER_A, "sell", "301.00"), (TRADER_B, "buy", "303.00")):
        await house.order(key, instrument=CALL_BOOK, side=side, price=price, quantity="8")
    while (message := await reader.feed("auction"))["volume"] != "8":
        pass
    assert (message["price"], message["imbalance"], message["side"]) == ("301.00", "0", None)
    while "curve" not in message:
        message = await reader.feed("auction")
    assert message["curve"][-1][0] == "303.00"
    path, headers = f"/v1/instruments/{CALL_BOOK}/uncross", {"Idempotency-Key": "u"}
    await house.ask("POST", path, {"phase": "closed"}, key=ADMIN, headers=headers)
    status = await reader.feed("status")
    assert status["instruments"] == [{"instrument": CALL_BOOK, "phase": "closed", "collar": None, "next_moves": []}]
    while message["phase"] == "call":
        message = await reader.feed("auction")
    assert (message["price"], message["volume"]) == (None, "0")
    await reader.close()


@in_venue
async def test_msgpack_readers_get_integers(house: House) -> None:
    reader = await house.socket(packed=True)
    await reader.ask({"op": "subscribe", "channel": "book", "instrument": BOOK})
    snapshot = await reader.feed("book")
    assert all(isinstance(cell, int) for level in snapshot["bids"] for cell in level)
    assert isinstance(snapshot["ts_engine"], int)
    await reader.close()


@in_venue
async def test_subscriptions_are_checked_and_ended(house: House) -> None:
    reader = await house.socket()
    for message, code in (
        ({"op": "subscribe", "channel": "gossip"}, "channel_unknown"),
        ({"op": "subscribe", "channel": "book", "instrument": "NONE"}, "instrument_unknown"),
        ({"op": "subscribe", "channel": "book", "instrument": BOOK, "depth": 11}, "invalid_field"),
        ({"op": "resync", "channel": "book", "instrument": BOOK, "from": 1}, "channel_unknown"),
    ):
        assert (await reader.ask(message))["code"] == code
    await reader.ask({"op": "subscribe", "channel": "trades", "instrument": BOOK})
    await reader.ask({"op": "unsubscribe", "channel": "trades", "instrument": BOOK})
    reader.feeds.clear()
    await house.order(TRADER_A, side="sell", price="90.00", quantity="1")
    await house.order(TRADER_B, side="buy", price="400.00", quantity="1", time_in_force="ioc")
    with pytest.raises(TimeoutError):
        await reader.feed("trades", 0.4)
    await reader.close()


@in_venue
async def test_one_mistake_in_a_feed_is_not_the_next_ones(house: House) -> None:
    hub = house.venue.front.hub
    original, hub.take = hub.take, lambda record, events: 1 / 0
    try:
        status, _ = await house.order(TRADER_A, price="10.00")
        assert status == 201
    finally:
        hub.take = original
    await asyncio.sleep(0)
    _, answer = await house.order(TRADER_A, price="10.00")
    assert answer["state"] == "open"
    async with house.session.get("/metrics") as response:
        assert 'qhatu_faults_total{where="feeds"} 1.0' in await response.text()


def test_changes_turn_one_side_into_the_other() -> None:
    old, new = [(5, 1, 1), (4, 2, 1), (3, 1, 1)], [(6, 1, 1), (4, 3, 2), (3, 1, 1)]
    assert changes(old, new) == [(6, 1, 1), (4, 3, 2), (5, 0, 0)]
    assert changes([], old) == old and changes(old, old) == []
