"""A load client for the packed WebSocket path: raw frames over asyncio, as cheap as Python allows.

It speaks RFC 6455 by hand because a full client would cost more than the server under test. Frames are masked with a
zero key, which leaves the payload as it is.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import functools
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import TypeVar

import msgspec
import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, RefForm, Side, TimeInForce
from engine.limits import ROW_BYTES
from engine.messages.rows import COMMAND, EVENT, ROW_VERSION

PACE_SECONDS = 0.0001
TIMER_SLACK_NS = 1_000  # by which the system may let a sleep run over; 50 us if nothing is said
_PR_SET_TIMERSLACK = 29
_LAST, _ACCEPTED = int(EventFlag.LAST), int(EventKind.ACCEPTED)
_ANSWER = b"\x84\xa2op\xa4rows\xa5first"  # how the venue's answer to packed rows begins

_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder()
C = TypeVar("C", bound="Connection")


def frame(payload: bytes) -> bytes:
    """One masked binary frame with mask key zero."""
    n = len(payload)
    if n < 126:
        head = struct.pack(">BB", 0x82, 0x80 | n)
    elif n < 65536:
        head = struct.pack(">BBH", 0x82, 0xFE, n)
    else:
        head = struct.pack(">BBQ", 0x82, 0xFF, n)
    return head + b"\0\0\0\0" + payload


def rows_frame(rows: np.ndarray) -> bytes:
    """COMMAND[n] as one `rows` message."""
    return frame(_PACK.encode({"op": "rows", "rows": rows.tobytes()}))


class Connection(asyncio.Protocol):
    """One client connection. `on_events(connection, EVENT[n])` is called for each `rows` answer."""

    def __init__(self, on_events: Callable[[Connection, np.ndarray], None]) -> None:
        self.on_events = on_events
        self.buffer = bytearray()
        self.upgraded = asyncio.get_running_loop().create_future()
        self.said_ok = asyncio.get_running_loop().create_future()
        self.closed: str | None = None
        self.sent = self.answered = 0
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.closed or f"connection lost: {exc}"
        for future in (self.upgraded, self.said_ok):
            if not future.done():
                future.set_exception(ConnectionError(self.closed))

    def hello(self, host: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: qhatu.msgpack.v1\r\n\r\n".encode()
        )

    def send(self, payload: bytes, rows: int = 0) -> None:
        self.sent += rows
        self.transport.write(payload)

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer
        buffer += data
        if not self.upgraded.done():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            status = bytes(buffer[: buffer.find(b"\r\n")])
            del buffer[: end + 4]
            if b" 101 " not in status + b" ":
                self.upgraded.set_exception(ConnectionError(status.decode()))
                return
            self.upgraded.set_result(None)
        at = 0
        while len(buffer) - at >= 2:
            op, n = buffer[at] & 15, buffer[at + 1] & 127
            head = 2
            if n == 126:
                if len(buffer) - at < 4:
                    break
                n, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif n == 127:
                if len(buffer) - at < 10:
                    break
                n, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            if len(buffer) - at < head + n:
                break
            self.take(op, bytes(buffer[at + head : at + head + n]))
            at += head + n
        del buffer[:at]

    def take(self, op: int, payload: bytes) -> None:
        if op == 8:
            self.closed = f"closed by the venue: {payload[:2].hex()} {payload[2:]!r}"
            return
        if op == 9:
            self.transport.write(struct.pack(">BB", 0x8A, 0x80 | len(payload)) + b"\0\0\0\0" + payload)
            return
        if op != 2:
            return
        message = _UNPACK.decode(payload)
        kind = message.get("op")
        if kind == "rows":
            events = np.frombuffer(message["events"], EVENT)
            self.answered += int(np.count_nonzero(events["flags"] & _LAST))
            self.on_events(self, events)
        elif kind == "ok" and not self.said_ok.done():
            self.said_ok.set_result(message)
        elif kind == "error":
            if not self.said_ok.done():
                self.said_ok.set_exception(ConnectionError(str(message)))
            self.refused += int(message.get("rows") or 0)
            self.answered += int(message.get("rows") or 0)


class TimedConnection(Connection):
    """Notes the moment at which an answer comes and looks into it when `settle` is called: a client that thinks about
    one answer while the next ones wait measures itself."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(lambda connection, events: None)
        self.flow = flow
        self.heard: list[tuple[int, bytes]] = []  # perf_counter_ns, an answer
        self.meant_ns: list[int] = []  # of each order, the moment when it should be sent
        self.latencies_ns: list[int] = []
        self.answered_meant_ns: list[int] = []  # of each of those, the moment when its order should be sent

    def take(self, op: int, payload: bytes) -> None:
        if payload.startswith(_ANSWER):
            self.heard.append((perf_counter_ns(), payload))
        else:
            super().take(op, payload)

    def settle(self) -> None:
        """Count what was answered, and learn which orders rest."""
        heard, self.heard = self.heard, []
        if not heard:
            return
        parts = [_UNPACK.decode(payload)["events"] for _, payload in heard]
        events = np.frombuffer(b"".join(parts), EVENT)
        last = (events["flags"] & _LAST) != 0
        moments = np.repeat([moment for moment, _ in heard], [len(part) // ROW_BYTES for part in parts])[last]
        meant = np.array(self.meant_ns)[events["command"][last]]
        self.answered_meant_ns += meant.tolist()
        self.latencies_ns += (moments - meant).tolist()
        self.answered += len(meant)
        self.flow.take_events(events)


async def connect(host: str, port: int, token: str, on_events: Callable[[Connection, np.ndarray], None]) -> Connection:
    """An authenticated connection. Raises ConnectionError with the venue's words."""
    return await _connect(host, port, token, lambda: Connection(on_events))


async def _connect(host: str, port: int, token: str, make: Callable[[], C]) -> C:
    _, connection = await asyncio.get_running_loop().create_connection(make, host, port)
    connection.hello(f"{host}:{port}")
    await connection.upgraded
    connection.send(frame(_PACK.encode({"op": "auth", "id": 1, "token": token})))
    await connection.said_ok
    return connection


class Flow:
    """Orders of one connection: 45 % limit orders near a mid, 40 % cancels of its own open orders, 15 % ioc."""

    def __init__(self, instrument: int, stream: int, seed: int, mid: int = 10_000) -> None:
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.instrument, self.stream, self.mid = instrument, stream, mid
        self.number = 0
        self.open = np.zeros(0, np.int64)  # ids of its orders that rest

    def take_events(self, events: np.ndarray) -> None:
        """Learn the ids of orders that came to rest."""
        rested = events["order"][(events["kind"] == _ACCEPTED) & ((events["flags"] & _LAST) != 0)]
        if len(rested):
            self.open = np.concatenate([self.open, rested])

    def rows(self, n: int) -> np.ndarray:
        """COMMAND[n], the next messages of the stream."""
        rng = self.rng
        rows = np.zeros(n, COMMAND)
        u = rng.random(n)
        side = rng.integers(0, 2, n)
        distance = np.minimum(rng.geometric(0.05, n), 400)
        rows["version"], rows["ref_form"], rows["instrument"] = ROW_VERSION, RefForm.STREAM, self.instrument
        rows["kind"], rows["side"], rows["tif"] = CommandKind.NEW, side, TimeInForce.GTC
        rows["price"] = self.mid + np.where(side == Side.BUY, -distance, distance)
        rows["qty"] = rng.integers(1, 101, n)
        take = u >= 0.85
        rows["tif"][take] = TimeInForce.IOC
        rows["price"][take] = self.mid + np.where(side[take] == Side.BUY, 5, -5)
        at = np.flatnonzero((u >= 0.45) & ~take)
        picks = np.unique(rng.integers(0, len(self.open), len(at))) if len(self.open) else at[:0]
        at = at[: len(picks)]
        rows["kind"][at], rows["order"][at] = CommandKind.CANCEL, self.open[picks]
        for name in ("price", "qty", "side", "tif"):
            rows[name][at] = 0
        self.open = np.delete(self.open, picks)
        rows["ref_hi"] = self.stream
        rows["ref_lo"] = np.arange(self.number + 1, self.number + n + 1)
        self.number += n
        return rows


class Result(msgspec.Struct):
    """What one run of the load saw."""

    orders: int
    seconds: float
    refused: int
    answered: int  # orders answered in all, warm-up and drain included
    latencies_ns: list[int] = []
    sent_ns: list[int] = []  # of each, the moment it was meant to be sent (perf_counter_ns)

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.seconds

    def latency_us(self, percent: float) -> float:
        return float(np.percentile(np.asarray(self.latencies_ns), percent)) / 1e3


async def saturate(
    host: str, port: int, tokens: list[str], instruments: list[int], *, per_message: int, window: int, seconds: float
) -> Result:
    """Closed loop: each connection keeps `window` messages of `per_message` orders in flight for `seconds`."""
    flows: dict[Connection, Flow] = {}
    stop_at = 0.0

    def refill(connection: Connection, events: np.ndarray) -> None:
        flow = flows[connection]
        flow.take_events(events)
        if perf_counter_ns() >= stop_at:
            return
        room = window - (connection.sent - connection.answered) // per_message
        if room > 0:
            rows = flow.rows(room * per_message)
            connection.send(_messages(rows, per_message), len(rows))

    connections = [await connect(host, port, token, refill) for token in tokens]
    for k, connection in enumerate(connections):
        flows[connection] = Flow(instruments[k % len(instruments)], stream=int(perf_counter_ns()) & 0x7FFFFFFF, seed=k)
    warm_ns, run_ns = int(0.5e9), int(seconds * 1e9)
    begin = perf_counter_ns()
    stop_at = begin + warm_ns + run_ns
    for connection in connections:
        rows = flows[connection].rows(window * per_message)
        connection.send(_messages(rows, per_message), len(rows))
    await asyncio.sleep(warm_ns / 1e9)
    first, start = sum(c.answered for c in connections), perf_counter_ns()
    await asyncio.sleep(run_ns / 1e9)
    last, end = sum(c.answered for c in connections), perf_counter_ns()
    await _drain(connections)
    refused, answered = sum(c.refused for c in connections), sum(c.answered for c in connections)
    return Result(last - first, (end - start) / 1e9, refused, answered)


async def open_loop(
    host: str, port: int, tokens: list[str], instruments: list[int], *, rate: int, seconds: float
) -> Result:
    """Single orders at a fixed rate, whatever the answers do; latency from the intended moment of sending.

    Between two looks the client sleeps PACE_SECONDS by itself: an event loop's own timers go by the millisecond, and
    half of one would be counted into every order's latency.
    """
    connections = []
    for k, token in enumerate(tokens):
        flow = Flow(instruments[k % len(instruments)], stream=int(perf_counter_ns()) & 0x7FFFFFFF, seed=k)
        connections.append(await _connect(host, port, token, functools.partial(TimedConnection, flow)))
    frames = [_single_frames(connection) for connection in connections]
    _sleep_exactly()
    begin, sent, total = perf_counter_ns(), 0, int(rate * seconds)
    while sent < total:
        now = perf_counter_ns()
        due = min(total, (now - begin) * rate // 10**9 + 1)  # the first at once
        while sent < due:
            connection = connections[sent % len(connections)]
            connection.meant_ns.append(begin + sent * 10**9 // rate)
            connection.send(next(frames[sent % len(connections)]), 1)
            sent += 1
        await asyncio.sleep(0)
        time.sleep(PACE_SECONDS)
    await _drain(connections)
    seconds_taken, refused = (perf_counter_ns() - begin) / 1e9, sum(c.refused for c in connections)
    meant = np.concatenate([c.answered_meant_ns for c in connections])
    latencies = np.concatenate([c.latencies_ns for c in connections])
    order = np.argsort(meant, kind="stable")[len(meant) // 5 :]  # the first fifth warms up
    return Result(total, seconds_taken, refused, total, latencies[order].tolist(), meant[order].tolist())


def _sleep_exactly() -> None:
    """Let sleeps of this thread end when they should, where the system can be told so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, TIMER_SLACK_NS)


def _messages(rows: np.ndarray, per_message: int) -> bytes:
    if per_message == 1:
        raw = rows.tobytes()
        head, tail = _single_frame()
        return b"".join(head + raw[at : at + ROW_BYTES] + tail for at in range(0, len(raw), ROW_BYTES))
    return b"".join(rows_frame(rows[at : at + per_message]) for at in range(0, len(rows), per_message))


def _single_frames(connection: TimedConnection, block: int = 256) -> Iterator[bytes]:
    """The flow's orders one frame each, drawn by the block, so that the client costs less than the venue."""
    head, tail = _single_frame()
    while True:
        connection.settle()
        raw = connection.flow.rows(block).tobytes()
        for at in range(0, len(raw), ROW_BYTES):
            yield head + raw[at : at + ROW_BYTES] + tail


def _single_frame() -> tuple[bytes, bytes]:
    """What stands before and after the row in the frame of a single order."""
    whole = rows_frame(np.zeros(1, COMMAND))
    at = whole.rindex(bytes(ROW_BYTES))
    return whole[:at], whole[at + ROW_BYTES :]


async def _drain(connections: Sequence[Connection]) -> None:
    for _ in range(400):
        for connection in connections:
            if isinstance(connection, TimedConnection):
                connection.settle()
        if all(c.answered >= c.sent or c.closed for c in connections):
            break
        await asyncio.sleep(0.01)
    for connection in connections:
        if connection.closed:
            raise ConnectionError(connection.closed)
        if connection.answered < connection.sent:
            raise TimeoutError(f"{connection.sent - connection.answered} orders without an answer")
        connection.transport.close()
