"""A real venue on a free loopback port, and a small client for it: what the gateway's tests have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np

from engine.log.files import Files
from gateway.config import load
from gateway.env import RealEnv
from gateway.settings import Settings
from gateway.venue import Venue

CONFIG = Path(__file__).parent / "venue.toml"
ADMIN = "qk_adminadminadminadminadmin0000"
TRADER_A = "qk_tradertwotradertwotrader20000"  # account 2
TRADER_B = "qk_traderthreetraderthree3000000"  # account 3
READER = "qk_readeronlyreaderonlyreader000"  # account 2, read only
BOOK, CALL_BOOK, CLOSED_BOOK = "COFFEE-A", "COFFEE-B", "COCOA"


class TestEnv(RealEnv):
    """The real one, except that a fatal end is noted instead of carried out."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(seed=1)
        self.ended: tuple[int, str] | None = None

    def fatal(self, code: int, why: str) -> None:
        self.ended = (code, why)


@asynccontextmanager
async def running(
    data: Path, *, config: Path = CONFIG, files: Files | None = None, **settings: Any
) -> AsyncIterator[House]:
    """A venue that takes orders, and goes in order."""
    env = TestEnv()
    env.files = files or env.files
    venue = Venue(Settings(data=data, port=0, **({"follower": False} | settings)), env, load(config))
    await venue.start()
    async with aiohttp.ClientSession(base_url=venue.url) as session:
        try:
            yield House(venue, session)
        finally:
            if env.ended is None:
                await venue.stop()


class House:
    """The venue and an HTTP session to it."""

    def __init__(self, venue: Venue, session: aiohttp.ClientSession) -> None:
        self.venue, self.session = venue, session
        self.numbers = 0

    @property
    def machine(self) -> Any:
        return self.venue.machine

    def new_id(self, prefix: str = "t") -> str:
        self.numbers += 1
        return f"{prefix}-{self.numbers}"

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        """(status, body) of one REST request; `raw` sends bytes as they are."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= more.pop("headers", {})
        raw = more.pop("raw", None)
        if raw is None and body is not None:
            raw = msgspec.json.encode(body)
        if raw is not None:
            headers.setdefault("Content-Type", "application/json")
        async with self.session.request(method, path, data=raw, headers=headers, **more) as response:
            text = await response.read()
            decode = msgspec.msgpack.decode if response.content_type == "application/msgpack" else msgspec.json.decode
            return response.status, decode(text) if text else {}

    async def order(self, key: str = TRADER_A, **fields: Any) -> tuple[int, dict[str, Any]]:
        order = {"instrument": BOOK, "side": "buy", "price": "300.00", "quantity": "1"} | fields
        order.setdefault("client_order_id", self.new_id())
        return await self.ask("POST", "/v1/orders", order, key=key)

    async def clear(self) -> None:
        """Cancel every open order of both traders."""
        for key in (TRADER_A, TRADER_B):
            _, found = await self.ask("GET", "/v1/orders", key=key)
            for order in found["orders"]:
                await self.ask("DELETE", f"/v1/orders/{order['order_id']}", key=key)

    async def socket(self, key: str | None = None, *, packed: bool = False, **more: Any) -> Socket:
        protocol = "qhatu.msgpack.v1" if packed else "qhatu.json.v1"
        socket = await self.session.ws_connect("/v1/ws", protocols=[protocol], max_msg_size=0, **more)
        opened = Socket(socket, packed=packed)
        if key is not None:
            answer = await opened.ask({"op": "auth", "token": key})
            assert answer["op"] == "ok", answer
        return opened

    def content(self) -> list[tuple[str, bytes]]:
        """The logical content of the books, without the sequence."""
        return list(self.machine.hot.canonical())


class Socket:
    """One WebSocket, JSON or msgpack."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, packed: bool) -> None:
        self.socket, self.packed = socket, packed
        self.feeds: list[dict[str, Any]] = []  # channel messages that came while an answer was awaited
        self.numbers = 0

    async def say(self, message: dict[str, Any]) -> None:
        if self.packed:
            await self.socket.send_bytes(msgspec.msgpack.encode(message))
        else:
            await self.socket.send_str(msgspec.json.encode(message).decode())

    async def hear(self, seconds: float = 5.0) -> dict[str, Any]:
        """The next message. Raises ConnectionError when the venue closes; TimeoutError."""
        message = await asyncio.wait_for(self.socket.receive(), seconds)
        if message.type is aiohttp.WSMsgType.TEXT:
            return msgspec.json.decode(message.data)
        if message.type is aiohttp.WSMsgType.BINARY:
            return msgspec.msgpack.decode(message.data)
        raise ConnectionError(self.socket.close_code)

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to one message, by its id; feed messages are kept apart."""
        self.numbers += 1
        await self.say(message | {"id": self.numbers})
        while True:
            answer = await self.hear()
            if "channel" in answer and "op" not in answer:
                self.feeds.append(answer)
            elif answer.get("id") == self.numbers:
                return answer

    async def feed(self, channel: str, seconds: float = 5.0) -> dict[str, Any]:
        """The next message of a channel."""
        while True:
            for at, message in enumerate(self.feeds):
                if message["channel"] == channel:
                    return self.feeds.pop(at)
            message = await self.hear(seconds)
            if "channel" in message and "op" not in message:
                self.feeds.append(message)

    async def rows(self, rows: np.ndarray) -> None:
        await self.say({"op": "rows", "rows": rows.tobytes()})

    async def close(self) -> None:
        await self.socket.close()
