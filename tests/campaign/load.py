"""Clients that remember every answer and ask again under the same ids until they have one.

Text clients place one order at a time over REST. Packed clients keep a few frames of rows in flight over a WebSocket,
limit orders, cancels and immediate ones of a stream of their own; rows without an answer are sent again on the next
connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import msgspec
import numpy as np

from bench.load import Flow
from engine.messages.rows import COMMAND, EVENT
from tests.gateway.running import BOOK, TRADER_A, TRADER_B

ACCOUNTS = {TRADER_A: 2, TRADER_B: 3}
INSTRUMENT = 1  # the number of BOOK
MID_TICKS = 6_300
TEXT_CLIENTS = 4
PACKED_CLIENTS = 2
FRAMES_IN_FLIGHT = 3
FRAME_ROWS_MAX = 60
THINK_SECONDS = 0.004  # between two frames, at most
ANSWER_SECONDS_MAX = 30.0
GONE = (aiohttp.ClientError, ConnectionError, TimeoutError)


@dataclass
class TextAnswer:
    account: int
    client_order_id: str
    body: dict[str, Any]  # as told


@dataclass
class PackedAnswer:
    """Rows answered together. An event's `command` is its row's place among them."""

    account: int
    stream: int
    numbers: np.ndarray  # u8[n] of the stream
    seqs: np.ndarray  # u8[n]
    events: np.ndarray  # EVENT[k]


@dataclass
class Load:
    """All clients over all lives of a venue."""

    seed: int
    text: list[TextAnswer] = field(default_factory=list)
    packed: list[PackedAnswer] = field(default_factory=list)
    open_bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # sent, not answered
    latencies: list[tuple[float, float]] = field(default_factory=list)  # moment of the answer, seconds it took
    steps: int = 0
    answers: int = 0  # rows and texts

    def __post_init__(self) -> None:
        self.packers = [Packer(self, (TRADER_A, TRADER_B)[k % 2], 100 + k) for k in range(PACKED_CLIENTS)]
        self._chance = Random(self.seed)

    async def run(self, url: str, until: asyncio.Event, *, only_open: bool = False) -> None:
        """Until asked to stop or the venue is gone; with `only_open` until nothing is without an answer."""
        async with aiohttp.ClientSession(base_url=url) as session:
            await asyncio.gather(
                *(self._text_client(session, number, until, only_open) for number in range(TEXT_CLIENTS)),
                *(packer.run(session, until, only_open) for packer in self.packers),
            )

    async def _text_client(
        self, session: aiohttp.ClientSession, number: int, until: asyncio.Event, only_open: bool
    ) -> None:
        while not until.is_set():
            if self.open_bodies:
                key, body = self.open_bodies.pop()
            elif only_open:
                return
            else:
                key, body = self._next_body(number)
            begun = asyncio.get_running_loop().time()
            try:
                headers = {"Authorization": f"Bearer {key}"}
                limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
                async with session.post("/v1/orders", json=body, headers=headers, timeout=limit) as answer:
                    if answer.status in (429, 503):
                        self.open_bodies.append((key, body))
                        await asyncio.sleep(0.01)
                        continue
                    told = await answer.json()
                    assert answer.status in (200, 201), told
            except GONE:
                self.open_bodies.append((key, body))
                return
            now = asyncio.get_running_loop().time()
            self.latencies.append((now, now - begun))
            self.answers += 1
            self.text.append(TextAnswer(ACCOUNTS[key], body["client_order_id"], told))

    def _next_body(self, number: int) -> tuple[str, dict[str, Any]]:
        self.steps += 1
        chance = self._chance
        text = f"kill-{self.steps}" + chance.choice(("", "-as-a-long-text"))
        return (TRADER_A, TRADER_B)[number % 2], {
            "instrument": BOOK, "side": chance.choice(("buy", "sell")), "type": "limit",
            "price": f"{chance.randint(312, 318)}.00", "quantity": str(chance.randint(1, 9)),
            "time_in_force": chance.choice(("gtc", "gtc", "ioc")), "client_order_id": text,
        }  # fmt: skip

    def last_seq(self) -> int:
        """The last command that a client heard of."""
        texts, rows = (told.body["seq"] for told in self.text), (int(told.seqs.max()) for told in self.packed)
        return max([0, *texts, *rows])

    def settled(self) -> bool:
        return not self.open_bodies and not any(packer.unanswered for packer in self.packers)


class Packer:
    """One stream of rows."""

    def __init__(self, load: Load, key: str, stream: int) -> None:
        self.load, self.key, self.stream = load, key, stream
        self.account = ACCOUNTS[key]
        self.flow = Flow(INSTRUMENT, stream, seed=load.seed * 1_000 + stream, mid=MID_TICKS)
        self.unanswered: dict[int, np.ndarray] = {}  # number -> COMMAND[1], in order
        self._chance = Random(load.seed * 1_000 + stream)

    async def run(self, session: aiohttp.ClientSession, until: asyncio.Event, only_open: bool) -> None:
        while not until.is_set() and not (only_open and not self.unanswered):
            try:
                async with session.ws_connect("/v1/ws", protocols=["qhatu.msgpack.v1"], max_msg_size=0) as socket:
                    await self._say(socket, {"op": "auth", "id": 1, "token": self.key})
                    if (await self._hear(socket)).get("op") != "ok":
                        raise ConnectionError
                    await self._talk(socket, until, only_open)
            except GONE:
                if session.closed or not only_open:
                    return

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, until: asyncio.Event, only_open: bool) -> None:
        """Send what has no answer, then more, until a frame is refused or the venue is gone."""
        sent: list[int] = []  # numbers by ordinal of this connection
        flying = 0
        for at in range(0, len(self.unanswered), FRAME_ROWS_MAX):
            numbers = list(self.unanswered)[at : at + FRAME_ROWS_MAX]
            await self._send(socket, np.concatenate([self.unanswered[number] for number in numbers]), sent)
            flying += 1
        while not until.is_set():
            while flying < FRAMES_IN_FLIGHT and not only_open:
                rows = self.flow.rows(self._chance.randint(1, FRAME_ROWS_MAX))
                for at in range(len(rows)):
                    self.unanswered[int(rows["ref_lo"][at])] = rows[at : at + 1]
                await self._send(socket, rows, sent)
                flying += 1
            if not flying:
                return
            answered = await self._hear(socket)
            if answered.get("op") == "error":
                raise ConnectionError(answered)  # all that has no answer is sent again
            if answered.get("op") != "rows":
                continue
            flying -= self._take(answered, sent)
            await asyncio.sleep(self._chance.uniform(0, THINK_SECONDS))

    def _take(self, answered: dict[str, Any], sent: list[int]) -> int:
        """Note an answer. Returns how many frames are no longer in flight (rows of two may be answered together)."""
        seqs = np.frombuffer(answered["seq"], "<u8")
        events = np.frombuffer(answered["events"], EVENT).copy()
        first = answered["first"]
        numbers = np.array(sent[first : first + len(seqs)], np.uint64)
        events["command"] -= first
        self.flow.take_events(events)
        self.load.packed.append(PackedAnswer(self.account, self.stream, numbers, seqs, events))
        self.load.answers += len(seqs)
        for number in numbers.tolist():
            del self.unanswered[number]
        ends = self._ends
        before = len(ends)
        while ends and ends[0] <= first + len(seqs):
            ends.pop(0)
        return before - len(ends)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, rows: np.ndarray, sent: list[int]) -> None:
        if not sent:
            self._ends: list[int] = []  # ordinal after each frame in flight
        assert rows.dtype == COMMAND
        sent += rows["ref_lo"].tolist()
        self._ends.append(len(sent))
        await self._say(socket, {"op": "rows", "rows": rows.tobytes()})

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
        await socket.send_bytes(msgspec.msgpack.encode(message))

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
        message = await socket.receive(ANSWER_SECONDS_MAX)
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionError(socket.close_code)
        return msgspec.msgpack.decode(message.data)
