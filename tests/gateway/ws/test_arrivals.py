"""The short way of packed rows: what comes out is what aiohttp alone would have handed on, in the same order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import numpy as np
import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import RefForm
from engine.limits import ROW_BYTES, WS_PACKED_ROWS_MAX
from gateway.ws.arrivals import Arrivals
from gateway.ws.packed import PREFIX, owned_rows, parties_of

PARTIES = parties_of(3, 2**31 + 7)
BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG = 0x82, 0x81, 0x80, 0x88, 0x89, 0x8A


def masked(payload: bytes, first: int = BINARY, mask: bytes = b"\x11\x22\x33\x44") -> bytes:
    n = len(payload)
    size = (
        bytes([0x80 | n])
        if n < 126
        else b"\xfe" + n.to_bytes(2, "big")
        if n < 65_536
        else b"\xff" + n.to_bytes(8, "big")
    )
    return bytes([first]) + size + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


def rows_of(count: int, chance: Random) -> bytes:
    """COMMAND rows with anything in them, most with a stream number."""
    rows = bytearray(chance.randbytes(ROW_BYTES * count))
    for row in range(count):
        if chance.random() < 0.8:
            rows[ROW_BYTES * row + 7] = RefForm.STREAM
    return bytes(rows)


def bin16(raw: bytes) -> bytes:
    return PREFIX + b"\xc5" + len(raw).to_bytes(2, "big") + raw


def message(kind: str, chance: Random) -> list[bytes]:
    """Frames of one message of a client."""
    mask, rows = chance.randbytes(4), rows_of(chance.randint(1, 6), chance)
    whole = msgspec.msgpack.encode({"op": "rows", "rows": rows})
    if kind == "one":
        return [masked(msgspec.msgpack.encode({"op": "rows", "rows": rows[:ROW_BYTES]}), mask=mask)]
    if kind == "some":
        return [masked(whole, mask=mask)]
    if kind == "many":
        return [masked(bin16(rows_of(chance.choice([300, WS_PACKED_ROWS_MAX]), chance)), mask=mask)]
    if kind == "too many":
        return [masked(bin16(rows_of(WS_PACKED_ROWS_MAX + 1, chance)), mask=mask)]
    if kind == "no rows":
        return [
            masked(msgspec.msgpack.encode({"op": "rows", "rows": rows[: chance.choice([0, 1, 63, 65])]}), mask=mask)
        ]
    if kind == "lies":  # a length inside that is not the one outside
        return [
            masked(bin16(rows)[: -chance.randint(1, 64)], mask=mask),
            masked(PREFIX + b"\xc4\x80" + rows[:ROW_BYTES]),
        ]
    if kind == "order":
        return [masked(msgspec.msgpack.encode({"op": "ping", "id": chance.randint(0, 9)}), mask=mask)]
    if kind == "text":
        return [masked(b'{"op":"ping"}', TEXT, mask)]
    if kind == "ping":
        return [masked(chance.randbytes(5), PING, mask)]
    if kind == "pong inside":
        cut = chance.randint(1, len(whole) - 1)
        return [masked(whole[:cut], 0x02, mask), masked(b"", PONG), masked(whole[cut:], CONTINUATION, mask)]
    if kind == "rows inside":  # no message may begin inside another: the connection ends
        return [masked(whole, 0x02, mask), masked(whole, mask=mask)]
    assert kind == "close"
    return [masked(b"\x03\xe8", CLOSE, mask)]


class Side:
    """aiohttp's parser and whoever reads from it; `heard` is what reached the session, row by row."""

    def __init__(self) -> None:
        self._reading_paused = False
        self.queue = WebSocketDataQueue(self, 2**30, loop=None)  # type: ignore[arg-type]
        self.parser = WebSocketReader(self.queue, 2**20, False, True)  # type: ignore[call-arg]
        self.heard: list[tuple] = []
        self.closed = False
        self.parties = PARTIES
        self.takes: Callable[[], bool] = lambda: True
        self.short = 0

    def pass_on(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def read(self) -> None:
        """The session's task has its turn."""
        while self.queue._buffer and not self.closed:
            told, _ = self.queue._buffer.popleft()
            self.closed = told.type is WSMsgType.CLOSE
            if told.type is WSMsgType.BINARY and (rows := self._rows(told.data)):
                self._row_by_row(rows)
            else:
                self.heard.append((told.type, told.data))
        self.closed = self.closed or self.queue.exception() is not None

    def idle(self) -> bool:
        return not self.queue._buffer and self.queue.exception() is None and not self.queue.is_eof()

    def rows_arrived(self, rows: memoryview, count: int) -> bool:
        assert not self.closed and len(rows) == ROW_BYTES * count
        if not self.takes():
            return False
        self.short += count
        self._row_by_row(bytes(rows))
        return True

    def _row_by_row(self, rows: bytes) -> None:
        self.heard += [("row", rows[at : at + ROW_BYTES]) for at in range(0, len(rows), ROW_BYTES)]

    def _rows(self, data: bytes) -> bytes:
        """As the session finds them in a frame; empty for anything that is refused or no rows at all."""
        try:
            rows = msgspec.msgpack.decode(data)["rows"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return b""
        fits = rows and not len(rows) % ROW_BYTES and len(rows) <= WS_PACKED_ROWS_MAX * ROW_BYTES
        return bytes(owned_rows(rows, PARTIES)) if fits else b""


KINDS = ["one", "one", "one", "some", "many", "too many", "no rows", "lies", "order", "text", "ping", "pong inside"]
ENDS = ["rows inside", "close"]


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=12),
    end=st.sampled_from([*ENDS, None]),
    seed=st.integers(0, 2**32),
    cuts=st.sampled_from([1, 7, 100, 5_000, 300_000]),
    turns=st.sampled_from([0.0, 0.3, 1.0]),
    refusals=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_session_hears_what_it_would_hear_from_aiohttp_alone(
    kinds: list[str], end: str | None, seed: int, cuts: int, turns: float, refusals: float
) -> None:
    chance = Random(seed)
    stream = b"".join(frame for kind in kinds for frame in message(kind, chance))
    if end is not None:
        stream += b"".join(message(end, chance) + message("one", chance))
    plain, side = Side(), Side()
    plain.pass_on(stream)
    plain.read()
    arrivals = Arrivals(side, side.pass_on, side.idle)
    side.takes = lambda: chance.random() >= refusals
    while stream:
        size = chance.randint(1, cuts)
        arrivals.take(stream[:size])
        stream = stream[size:]
        if chance.random() < turns:
            side.read()
        if side.closed:
            break
    side.read()
    assert side.heard == plain.heard and side.closed == plain.closed


@pytest.mark.parametrize("per_message", [1, 2, 3, 5, 100, WS_PACKED_ROWS_MAX])
def test_rows_alone_never_take_the_long_way(per_message: int) -> None:
    chance = Random(per_message)
    rows = [rows_of(per_message, chance) for _ in range(8_192 // per_message)]
    stream = b"".join(masked(msgspec.msgpack.encode({"op": "rows", "rows": part})) for part in rows)
    side, passed = Side(), []
    arrivals = Arrivals(side, passed.append, side.idle)
    for at in range(0, len(stream), 250_001):
        arrivals.take(stream[at : at + 250_001])
    assert not passed and side.short == len(rows) * per_message
    assert side.heard == [
        ("row", part) for raw in rows for part in np.frombuffer(bytes(owned_rows(raw, PARTIES)), "V64").tolist()
    ]


def test_before_a_key_that_may_trade_everything_takes_the_long_way() -> None:
    side, passed = Side(), []
    side.parties = b""
    arrivals = Arrivals(side, passed.append, side.idle)
    frame = masked(msgspec.msgpack.encode({"op": "rows", "rows": bytes(ROW_BYTES)}))
    for at in range(len(frame)):
        arrivals.take(frame[at : at + 1])
    assert b"".join(passed) == frame and not side.short
