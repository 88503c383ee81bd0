"""The Python client against a real venue: orders, feeds, refusals, reconnection, and retries that take effect once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.client import Client, Lost, Refused
from gateway.client import client as client_module
from gateway.client.client import order
from tests.gateway.running import ADMIN, BOOK, CALL_BOOK, TRADER_A, TRADER_B, House, running


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path) as house:
        yield house


async def next_of(feed: Any, seconds: float = 5.0) -> dict[str, Any]:
    return await asyncio.wait_for(anext(feed), seconds)


async def test_an_order_fills_and_both_sides_hear_of_it(house: House) -> None:
    async with Client(house.venue.url, TRADER_A) as seller, Client(house.venue.url, TRADER_B) as buyer:
        executions, book = buyer.subscribe("executions"), buyer.subscribe("book", BOOK)
        assert (await next_of(executions))["type"] == "snapshot" and (await next_of(book))["type"] == "snapshot"
        offer = await seller.order(BOOK, "sell", "10", "offer-1", price="315.25")
        assert (offer["status"], offer["state"], offer["duplicate"]) == ("accepted", "open", False)
        assert (await next_of(book))["asks"] == [["315.25", "10", 1]]
        taken = await buyer.order(BOOK, "buy", "4", "bid-1", price="315.50", time_in_force="ioc")
        assert (taken["state"], taken["fills"][0]["price"]) == ("filled", "315.25")
        heard = [await next_of(executions) for _ in range(2)]
        assert [message["event"] for message in heard] == ["accepted", "filled"]
        moved = await seller.replace(offer["order_id"], price="316.00", quantity="3", client_order_id="offer-1b")
        assert (moved["price"], moved["open_quantity"]) == ("316.00", "3")
        assert (await seller.cancel(order_id=offer["order_id"]))["state"] == "cancelled"
        assert (await seller.get("orders"))["orders"] == []


async def test_market_orders_batches_and_public_questions(house: House) -> None:
    async with Client(house.venue.url, TRADER_A) as venue, Client(house.venue.url) as public:
        results = await venue.orders(
            [order(CALL_BOOK, "sell", "5", "b-1", "301.00"), order(CALL_BOOK, "sell", "5", "b-1", "302.00")]
        )
        assert [result.get("code", "accepted") for result in results] == ["accepted", "client_id_reused"]
        assert (await venue.order(CALL_BOOK, "buy", "1", "m-1", stp="none"))["type"] == "market"
        assert (await public.get(f"instruments/{CALL_BOOK}/book", depth=10))["asks"][0] == ["301.00", "5", 1]
        with pytest.raises(Refused) as refused:
            await public.order(BOOK, "buy", "1", "x-1", price="300.00")
        assert refused.value.code == "auth_required"


async def test_terms_amends_and_cancels_of_many(house: House) -> None:
    async with Client(house.venue.url, TRADER_A) as venue:
        shown = await venue.order(BOOK, "buy", "30", "i-1", price="290.00", type="iceberg", display_quantity="4")
        assert (shown["type"], shown["display_quantity"]) == ("iceberg", "4")
        waits = await venue.order(BOOK, "buy", "3", "s-1", type="stop", stop_price="320.00")
        assert (waits["state"], waits["stop_price"]) == ("waiting", "320.00")
        amended = await venue.amend(shown["order_id"], quantity="20", client_order_id="a-1")
        assert (amended["open_quantity"], amended["priority_kept"]) == ("20", True)
        replaced = await venue.replace(
            shown["order_id"], price="291.00", quantity="9", client_order_id="r-9", display_quantity="2"
        )
        assert (replaced["price"], replaced["display_quantity"]) == ("291.00", "2")
        assert (await venue.cancel_after(60))["cancel_at"] and (await venue.cancel_after(0))["cancel_at"] is None
        report = await venue.cancel_all(instrument=BOOK, side="buy")
        assert {order["order_id"] for order in report["orders"]} >= {shown["order_id"], waits["order_id"]}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"price": "300.01"}, "off_tick"),
        ({"price": "NaN"}, "malformed"),
        ({"quantity": "0"}, "qty_range"),
        ({"instrument": "TULIPS"}, "instrument_unknown"),
        ({"client_order_id": "not an id"}, "id_invalid"),
    ],
)
async def test_a_refusal_has_the_venues_code(house: House, fields: dict[str, str], code: str) -> None:
    given = {"instrument": BOOK, "side": "buy", "quantity": "1", "client_order_id": "r-1", "price": "300.00"} | fields
    async with Client(house.venue.url, TRADER_A) as venue:
        with pytest.raises(Refused) as refused:
            await venue.order(**given)
        assert refused.value.code == code
        again = await venue.order(BOOK, "buy", "1", "r-2", price="300.00")
        assert again["status"] == "accepted", "the connection lives on"


async def test_a_repeated_id_takes_effect_once(house: House) -> None:
    async with Client(house.venue.url, TRADER_A) as venue:
        first = await venue.order(BOOK, "buy", "2", "same", price="300.00")
        second = await venue.order(BOOK, "buy", "2", "same", price="300.00")
        assert (second["order_id"], second["duplicate"]) == (first["order_id"], True)
        with pytest.raises(Refused) as refused:
            await venue.order(BOOK, "buy", "3", "same", price="300.00")
        assert refused.value.code == "client_id_reused"
        assert len((await venue.get("orders"))["orders"]) == 1


async def test_bids_and_sales(house: House) -> None:
    async with Client(house.venue.url, ADMIN) as operator, Client(house.venue.url, TRADER_B) as bidder:
        sales, own = bidder.subscribe("sales"), bidder.subscribe("own_bids")
        assert (await next_of(sales))["sales"] == [] and (await next_of(own))["bids"] == []
        request = {
            "sale_id": 1, "title": "One lot", "opening": "4.00", "increment": "0.10", "tick_size": "0.05",
            "price_unit": "USD/lb", "currency": "USD", "clock_seconds": 60, "open_seconds": 60,
            "lots": [{"seller": 2, "title": "A", "bags": 5, "bag_kg": "60"}],
        }  # fmt: skip
        await operator.post("sales", request, idempotency_key="open-1")
        assert (await next_of(sales))["sale_id"] == 1
        answer = await bidder.bid(1, 1, "4.70", "bid-1")
        assert (answer["leading"], answer["price"]) == (True, "4.00")
        assert (await next_of(own))["maximum"] == "4.70"
        with pytest.raises(Refused) as refused:
            await bidder.bid(1, 1, "4.75", "bid-2")
        assert refused.value.code == "bid_increment"


def plan_of(sale: int, mechanism: dict[str, Any], lots: int = 2) -> dict[str, Any]:
    return {
        "sale_id": sale, "title": "by the client", "tick_size": "0.01", "price_unit": "USD/lb", "currency": "USD",
        "lots": [{"seller": 2, "title": f"lot {k}", "bags": 10, "bag_kg": "60"} for k in range(lots)],
        "mechanism": mechanism,
    }  # fmt: skip


MECHANISMS: dict[str, dict[str, Any]] = {
    "dutch": {"start": "9.00", "floor": "4.00", "decrement": "0.50", "interval_seconds": 600},
    "japanese": {"opening": "4.00", "increment": "0.10", "interval_seconds": 600, "joining_seconds": 600},
    "clock": {
        "products": [{"start": "4.00"}, {"start": "4.00"}], "rises": [{"excess_bps": 0, "increment": "0.10"}],
        "round_seconds": 600,
    },
    "sealed": {"payment": "first_price", "closes": 600, "keys_seconds": 600, "opening": "4.00"},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(MECHANISMS))
async def test_a_bid_in_each_mechanism(house: House, kind: str) -> None:
    async with Client(house.venue.url, ADMIN) as operator, Client(house.venue.url, TRADER_B) as bidder:
        await operator.plan_sale(plan_of(4, {"kind": kind, **MECHANISMS[kind]}), idempotency_key="plan")
        own = bidder.subscribe("own_bids")
        await next_of(own)
        says = {
            "dutch": lambda: bidder.take(4, 1, "9.00", "b-1"),
            "japanese": lambda: bidder.hold(4, 1, "b-1", limit="7.00"),
            "clock": lambda: bidder.bid_clock(4, 1, [3, 2], "b-1"),
            "sealed": lambda: bidder.bid_sealed(4, [(1, "5.00", 10)], "b-1", lot=1),
        }[kind]
        answer, again = await says(), await says()
        assert (answer["status"], answer["duplicate"], again["duplicate"]) == ("accepted", False, True)
        assert (await next_of(own))["event"] == ("sealed_bid" if kind == "sealed" else "bid_accepted")
        if kind == "clock":
            proxy = await bidder.bid_clock_proxy(4, [[("5.00", 3)], [("4.50", 2)]], "b-2")
            assert proxy["status"] == "accepted"
        if kind == "japanese":
            assert (await bidder.let_go(4, 1, "b-3"))["status"] == "accepted"


async def test_a_watched_sale_is_whole_after_every_change(house: House) -> None:
    """Of many lots the wire has those that changed; it goes on after the connection breaks."""
    english = {
        "kind": "english", "opening": "4.00", "increments": [{"start": "0.00", "increment": "0.10"}],
        "clock_seconds": 60, "open_until": 600,
    }  # fmt: skip
    async with Client(house.venue.url, ADMIN) as operator, Client(house.venue.url, TRADER_B) as bidder:
        await operator.plan_sale(plan_of(5, english, lots=30), idempotency_key="plan")
        watched = bidder.watch(5)
        state = await next_of(watched)
        assert len(state["lots"]) == 30 and state["sale_id"] == 5
        for lot in (7, 21):
            await bidder.bid(5, lot, "5.00", f"b-{lot}")
            while state["lots"][lot - 1]["price"] is None:
                state = await next_of(watched)
            assert [one["lot"] for one in state["lots"]] == list(range(1, 31))
        for session in list(house.venue.front.sessions.values()):
            session.transport.abort()
        await operator.end_sale(5, "dark")
        while state["state"] != "finished":
            state = await next_of(watched)
        seen = await Client.sale(operator, 5)
        assert [one["price"] for one in state["lots"]] == [one["price"] for one in seen["lots"]]
        await watched.aclose()
        assert ("sale", "5") not in bidder._feeds


async def test_it_comes_back_after_the_connection_breaks(house: House) -> None:
    """Feeds go on with a snapshot, orders go on under new numbers."""
    async with Client(house.venue.url, TRADER_A) as venue:
        executions = venue.subscribe("executions")
        await next_of(executions)
        await venue.order(BOOK, "buy", "1", "before", price="300.00")
        await next_of(executions)
        for session in list(house.venue.front.sessions.values()):
            session.transport.abort()
        placed = await venue.order(BOOK, "buy", "1", "after", price="300.05")
        assert placed["status"] == "accepted" and venue.connections == 2
        again = await next_of(executions)
        assert again["type"] == "snapshot"
        assert {"before"} <= {seen["client_order_id"] for seen in again["orders"]} <= {"before", "after"}


async def test_a_wrong_key_is_not_tried_for_ever(house: House) -> None:
    async with Client(house.venue.url, "qk_" + "0" * 32) as venue:
        with pytest.raises(Refused) as refused:
            await venue.order(BOOK, "buy", "1", "x", price="300.00")
        assert refused.value.code == "unknown_key" and venue.closed


class Unreliable:
    """A venue's door that breaks: it swallows the first answers, then refuses as told, and passes everything on."""

    def __init__(self, url: str, drop: int = 0, refuse: tuple[str, ...] = ()) -> None:
        self.url, self.drop, self.refuse = url, drop, list(refuse)
        self.orders_seen = 0

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        near = web.WebSocketResponse(protocols=("qhatu.json.v1",))
        await near.prepare(request)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.url.replace("http", "ws", 1) + "/v1/ws", protocols=("qhatu.json.v1",)) as far,
        ):
            back = asyncio.create_task(self._back(far, near))
            async for frame in near:
                message = frame.json()
                if message["op"] == "order":
                    self.orders_seen += 1
                    if self.refuse:
                        problem = {"op": "error", "id": message["id"], "code": self.refuse.pop(0), "retry_after_ms": 1}
                        await near.send_json(problem)
                        continue
                await far.send_str(frame.data)
            back.cancel()
        return near

    async def _back(self, far: aiohttp.ClientWebSocketResponse, near: web.WebSocketResponse) -> None:
        async for frame in far:
            if frame.json().get("op") == "order" and self.drop:
                self.drop -= 1
                await near.close()
                return
            await near.send_str(frame.data)


async def through(door: Unreliable) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_get("/v1/ws", door.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]


async def test_an_answer_that_was_lost_is_asked_for_again(house: House) -> None:
    """The order was in the log when the connection broke: the same id brings its first answer, and one order."""
    door = Unreliable(house.venue.url, drop=2)
    runner, url = await through(door)
    try:
        async with Client(url, TRADER_A) as venue:
            answer = await venue.order(BOOK, "buy", "7", "lost-1", price="300.00")
        assert (answer["duplicate"], door.orders_seen) == (True, 3)
        _, found = await house.ask("GET", "/v1/orders", key=TRADER_A)
        assert [seen["quantity"] for seen in found["orders"]] == ["7"]
    finally:
        await runner.cleanup()


async def test_busy_is_waited_for(house: House) -> None:
    door = Unreliable(house.venue.url, refuse=("busy", "storage_failed", "rate_limited"))
    runner, url = await through(door)
    try:
        async with Client(url, TRADER_A) as venue:
            answer = await venue.order(BOOK, "buy", "1", "busy-1", price="300.00")
        assert (answer["duplicate"], door.orders_seen) == (False, 4)
    finally:
        await runner.cleanup()


async def test_no_answer_in_time_is_lost_not_refused(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.3)
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", TRADER_A) as venue:
        with pytest.raises(Lost):
            await venue.order(BOOK, "buy", "1", "x", price="300.00")
