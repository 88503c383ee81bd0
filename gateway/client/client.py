"""One account's connection to a venue: orders, bids and feeds over a WebSocket, questions over REST, both in JSON.

The connection is kept: when it breaks it is opened again with growing pauses, feeds are subscribed again (a snapshot
comes first), and requests without an answer are sent again under the same client id. That is safe because the venue
answers a repeated id with its first answer: an order takes effect at most once, whatever the network does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from gateway.client.sales import Offers, merged

BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
REQUEST_SECONDS = 30.0  # how long a request is tried before its outcome is given up as unknown
WAITING_MESSAGES_MAX = 10_000  # of a feed that nobody reads: above it the oldest go and a new snapshot is asked for
PAUSE_CODES = frozenset({"busy", "rate_limited", "not_ready", "storage_failed"})  # refused or unknown: ask again


class Refused(Exception):
    """The venue said no. `problem` is its whole answer (RFC 9457), `code` the stable reason."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.problem = dict(problem)
        self.code = str(problem.get("code"))


class Lost(Exception):
    """No answer in time: the outcome is unknown. The same client id may be asked again, now or after a restart."""


class Feed:
    """Messages of one channel, in order: `async for message in feed`. After a gap a snapshot comes again."""

    def __init__(self, client: Client, request: dict[str, Any]) -> None:
        self.client, self.request = client, request
        self.seq: int | None = None
        self._missing = False  # a resync was asked for and has not come
        self._messages: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Event()

    def take(self, message: dict[str, Any]) -> None:
        """A message from the wire. One that does not follow the last asks for what was missed."""
        if message["type"] == "update" and self.seq is not None and message.get("prev_seq") != self.seq:
            if message["seq"] > self.seq and not self._missing:
                self._missing = True
                self.client.send({**self.request, "op": "resync", "from": self.seq})
            return  # seen already, or too early
        self.seq, self._missing = message["seq"], False
        if len(self._messages) >= WAITING_MESSAGES_MAX:
            self._messages.clear()
            self.client.send(self.request)
            return
        self._messages.append(message)
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while not self._messages:
            if self.client.closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    def begin(self) -> None:
        """A new connection: the next message is a snapshot."""
        self.seq, self._missing = None, False

    def wake(self) -> None:
        """The client has closed: whoever waits here stops."""
        self._arrived.set()


class _Asked:
    """A request that waits for its answer."""

    __slots__ = ("answer", "message")

    def __init__(self, message: dict[str, Any], answer: asyncio.Future[dict[str, Any]]) -> None:
        self.message, self.answer = message, answer


class Client(Offers):
    """url: of the venue ("http://127.0.0.1:8080"); token: a key of one account, or None to read public feeds."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url, self.token = url.rstrip("/"), token
        self.closed = False
        self.connected = asyncio.Event()
        self.connections = 0  # opened so far
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._asked: dict[int, _Asked] = {}
        self._ids = itertools.count(1)
        self._refused: Refused | None = None  # the key, at the handshake
        self._task: asyncio.Task[None] | None = None
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Client:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        # One standing connection an account, the WebSocket's: venues count connections by address.
        self._http = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(force_close=True))
        self._task = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up. Requests without an answer are Lost."""
        self.closed = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._give_up(Lost("the client was closed"))
        await self._http.close()

    # Orders and bids. Each raises Refused with the venue's reason, and Lost when no answer came.

    async def order(
        self,
        instrument: str,
        side: str,
        quantity: str,
        client_order_id: str,
        *,
        price: str | None = None,
        time_in_force: str = "gtc",
        **terms: Any,
    ) -> dict[str, Any]:
        """A limit order, or without a price a market order, unless `type` says otherwise; `terms` as the API names them
        (stop_price, display_quantity, post_only, expire_at, stp ...). Repeating the id gives the first answer again."""
        request = order(instrument, side, quantity, client_order_id, price, time_in_force, **terms)
        return await self._ask({"op": "order", **request})

    async def orders(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Several orders (see `order` of this module) in one message; each has an answer or a problem of its own."""
        return (await self._ask({"op": "orders", "orders": list(requests)}))["results"]

    async def cancel(
        self, *, order_id: str | None = None, client_order_id: str | None = None, instrument: str | None = None
    ) -> dict[str, Any]:
        named = {"order_id": order_id, "client_order_id": client_order_id, "instrument": instrument}
        return await self._ask({"op": "cancel", **{name: value for name, value in named.items() if value is not None}})

    async def replace(
        self, order_id: str | None = None, *, quantity: str, client_order_id: str, price: str | None = None,
        **terms: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """All terms of an open order anew; it keeps its id and type. `quantity` is what is open afterwards. Instead of
        the venue's id, `target_client_order_id` may name the order by the caller's own."""
        message = {"order_id": order_id, "quantity": quantity, "client_order_id": client_order_id} | terms
        return await self._ask({"op": "replace", **message} | ({} if price is None else {"price": price}))

    async def amend(
        self, order_id: str | None = None, *, quantity: str, client_order_id: str, **terms: Any
    ) -> dict[str, Any]:
        """Another total quantity for an open order, named as for `replace`. Less of it keeps its place."""
        message = {"order_id": order_id, "quantity": quantity, "client_order_id": client_order_id} | terms
        return await self._ask({"op": "amend", **message})

    async def cancel_all(self, *, instrument: str | None = None, side: str | None = None) -> dict[str, Any]:
        """Every open order of the account, or of one instrument, of one side; the answer is the report."""
        named = {"instrument": instrument, "side": side}
        said = {name: value for name, value in named.items() if value is not None}
        return await self._ask({"op": "cancel_all", **said})

    async def cancel_after(self, timeout_seconds: int) -> dict[str, Any]:
        """Have every open order of the account cancelled unless this is said again in time; 0: off."""
        return await self._ask({"op": "cancel_after", "timeout_seconds": timeout_seconds})

    async def bid(self, sale: int, lot: int, maximum: str, client_bid_id: str) -> dict[str, Any]:
        """A proxy bid in a sale: the most that this account pays. Nobody else sees it."""
        message = {"sale": sale, "lot": lot, "maximum": maximum, "client_bid_id": client_bid_id}
        return await self._ask({"op": "bid", **message})

    async def offer(self, sale: int, kind: str, client_bid_id: str, **fields: Any) -> dict[str, Any]:
        """An offer in a sale of any mechanism: `kind` and fields as the API names them (prices as decimal text)."""
        offer = {"kind": kind, **fields}
        return await self._ask({"op": "bid", "sale": sale, "client_bid_id": client_bid_id, "offer": offer})

    async def register(self, sale: int, agreement: str = "") -> dict[str, Any]:
        """Register for a sale, accepting the agreement with this digest."""
        return await self.post(f"sales/{sale}/register", {"agreement": agreement})

    async def plan_sale(self, plan: Mapping[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """Operators: a new sale, or with a higher `version` the changed plan of one that has not opened."""
        if plan.get("version", 1) == 1:
            return await self.post("sales", plan, idempotency_key=idempotency_key)
        return await self.put(f"sales/{plan['sale_id']}", plan, idempotency_key=idempotency_key)

    async def end_sale(self, sale: int, why: str = "") -> dict[str, Any]:
        """Operators: it ends now, as its mechanism says."""
        return await self.post(f"sales/{sale}/end", {"why": why})

    async def sale(self, sale: int) -> dict[str, Any]:
        """A sale as everyone sees it; with a key that may read, the own place beside it."""
        return await self.get(f"sales/{sale}")

    async def watch(self, sale: int) -> AsyncIterator[dict[str, Any]]:
        """The sale as it is now, and again after every change, whole each time; until the iterator is closed. Once in
        a client for each sale."""
        feed, state = self.subscribe("sale", sale=sale), dict[str, Any]()
        try:
            async for message in feed:
                state = merged(state, message)
                yield state
        finally:
            self._unsubscribe(feed)

    # Feeds

    def subscribe(self, channel: str, instrument: str | None = None, *, sale: int | None = None) -> Feed:
        """The channel's messages from now on, a snapshot first; again after every reconnection."""
        request: dict[str, Any] = {"op": "subscribe", "channel": channel}
        if instrument is not None:
            request["instrument"] = instrument
        if sale is not None:
            request["sale"] = sale
        feed = self._feeds[_key(request)] = Feed(self, request)
        if self.connected.is_set():
            self.send(request)
        return feed

    def _unsubscribe(self, feed: Feed) -> None:
        if self._feeds.get(_key(feed.request)) is feed:
            del self._feeds[_key(feed.request)]
            self.send({**feed.request, "op": "unsubscribe"})

    # REST

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """GET /v1/<path>. Raises Refused, or aiohttp.ClientError when the venue is out of reach."""
        async with self._http.get(f"{self.url}/v1/{path}", params=query) as response:
            return await _decoded(response)

    async def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """POST /v1/<path>; with a key it may be repeated without being done twice. Raises as `get`."""
        return await self._sent("POST", path, body, idempotency_key)

    async def put(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """PUT /v1/<path>; otherwise as `post`."""
        return await self._sent("PUT", path, body, idempotency_key)

    async def _sent(
        self, method: str, path: str, body: Mapping[str, Any], idempotency_key: str | None
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        url, data = f"{self.url}/v1/{path}", msgspec.json.encode(body)
        async with self._http.request(method, url, data=data, headers=headers) as response:
            return await _decoded(response)

    # The connection

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message that needs no answer; dropped while there is no connection."""
        if self.connected.is_set():
            self._outbox.put_nowait(message)

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send until answered: at most REQUEST_SECONDS, again after a reconnection and when the venue says to wait."""
        if self._refused is not None:
            raise self._refused
        number = next(self._ids)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REQUEST_SECONDS
        message = {**message, "id": number}
        try:
            while True:
                asked = self._asked[number] = _Asked(message, loop.create_future())
                self.send(message)
                try:
                    answer = await asyncio.wait_for(asked.answer, max(0.0, deadline - loop.time()))
                except TimeoutError:
                    raise Lost(f"no answer within {REQUEST_SECONDS:.0f} s") from None
                if answer.get("op") != "error":
                    return answer
                if answer.get("code") not in PAUSE_CODES or loop.time() >= deadline:
                    raise Refused(answer)
                await asyncio.sleep(answer.get("retry_after_ms", 200) / 1000)
        finally:
            self._asked.pop(number, None)

    def _give_up(self, why: Exception) -> None:
        """Nobody waits any longer: requests end with `why`, feeds end."""
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(why)
        for feed in self._feeds.values():
            feed.wake()

    async def _keep_connected(self) -> None:
        failures = 0
        while not self.closed:
            try:
                await self._converse()
                failures = 0
            except Refused as refused:
                self.closed, self._refused = True, refused  # the key is no good: trying again would not help
                self._give_up(refused)
                return
            except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError):
                failures += 1
            self.connected.clear()
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _converse(self) -> None:
        """One connection from handshake to end."""
        address = self.url.replace("http", "ws", 1) + "/v1/ws"
        async with self._http.ws_connect(
            address, protocols=("qhatu.json.v1",), heartbeat=20.0, max_msg_size=0
        ) as socket:
            if self.token is not None:
                await _say(socket, {"op": "auth", "token": self.token})
                answer = msgspec.json.decode(await socket.receive_str(timeout=10.0))
                if answer["op"] == "error":
                    raise Refused(answer)
            self._outbox = asyncio.Queue()
            self.connections += 1
            self.connected.set()
            for feed in self._feeds.values():
                feed.begin()
                self.send(feed.request)
            for asked in list(self._asked.values()):
                self.send(asked.message)
            writer = asyncio.create_task(self._write(socket))
            try:
                async for frame in socket:
                    if frame.type is aiohttp.WSMsgType.TEXT:
                        self._take(msgspec.json.decode(frame.data))
            finally:
                self.connected.clear()
                writer.cancel()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            while True:
                await _say(socket, await self._outbox.get())

    def _take(self, message: dict[str, Any]) -> None:
        """Route one message: to the feed it belongs to, or to the request that waits for it. Others are ignored."""
        if "channel" in message and "type" in message:
            # In a feed that is not one instrument's, `instrument` is what the single message is about.
            channel = message["channel"]
            feed = self._feeds.get((channel, "")) or self._feeds.get(_key(message))
            if feed is not None:
                feed.take(message)
            return
        asked = self._asked.get(message.get("id") or 0)
        if asked is not None and not asked.answer.done():
            asked.answer.set_result(message)


def order(
    instrument: str,
    side: str,
    quantity: str,
    client_order_id: str,
    price: str | None = None,
    time_in_force: str = "gtc",
    **terms: Any,
) -> dict[str, Any]:
    """An order as the API takes it."""
    request = {
        "instrument": instrument,
        "side": side,
        "type": "market" if price is None else "limit",
        "quantity": quantity,
        "time_in_force": time_in_force,
        "client_order_id": client_order_id,
    } | terms
    return request if price is None else {**request, "price": price}


def _key(named: Mapping[str, Any]) -> tuple[str, str]:
    """What tells feeds apart, in a subscription as in a message."""
    return named["channel"], str(named["sale"]) if named["channel"] == "sale" else named.get("instrument") or ""


async def _say(socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
    await socket.send_str(msgspec.json.encode(message).decode())


async def _decoded(response: aiohttp.ClientResponse) -> dict[str, Any]:
    raw = await response.read()
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        answer = {"code": f"http_{response.status}", "detail": raw[:200].decode(errors="replace")}
    if response.status >= 400:
        raise Refused(answer)
    return answer
