"""Clients that vanish, flood, never read or send nonsense: each harms only itself."""

from __future__ import annotations

import asyncio
import base64
import os
import socket as sockets
import struct
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from engine.limits import WS_PRIVATE_FRAME_BYTES_MAX
from gateway.settings import Rates
from tests.gateway.running import BOOK, CALL_BOOK, TRADER_A, TRADER_B, House, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A venue that is quick to lose patience."""
    folder = tmp_path_factory.mktemp("trouble")
    async with running(
        folder, auth_seconds_max=0.5, conflate_bytes=32 * 1024, slow_consumer_seconds=1.0, feed_tick_seconds=0.02
    ) as house:
        yield house


async def fine(house: House) -> None:
    """Somebody else is served as if nothing had happened."""
    status, order = await asyncio.wait_for(house.order(TRADER_B, price="20.00"), 2)
    assert status == 201 and order["state"] == "open"


async def raw_socket(
    house: House, *, receive_bytes: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket by hand, after its handshake; `receive_bytes` makes the kernel's buffer small."""
    host, port = house.venue.url.removeprefix("http://").split(":")
    sock = sockets.socket()
    if receive_bytes:
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_bytes)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=sock)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(payload: bytes, first: int = 0x81) -> bytes:
    size = (
        struct.pack(">BBH", first, 0x80 | 126, len(payload))
        if len(payload) > 125
        else bytes([first, 0x80 | len(payload)])
    )
    return size + bytes(4) + payload


def text(**message: object) -> bytes:
    return masked(msgspec.json.encode(message))


async def closing_code(reader: asyncio.StreamReader) -> int | None:
    """The code of the close frame at the end of what the venue sent, None when it just hung up."""
    try:
        data = await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:  # it hung up on bytes that it had not read
        return None
    at = data.rfind(b"\x88")
    return int.from_bytes(data[at + 2 : at + 4], "big") if at >= 0 else None


async def test_a_client_that_vanishes_in_the_middle_of_a_frame(house: House) -> None:
    for cut in (1, 3, 7, 40):
        _, writer = await raw_socket(house)
        writer.write(text(op="auth", token=TRADER_A, id="x" * 60)[:cut])
        await writer.drain()
        writer.transport.abort()
    await fine(house)
    await asyncio.sleep(0.1)
    assert not house.venue.front.sessions


async def test_orders_of_a_client_that_vanished_are_decided_all_the_same(house: House) -> None:
    _, writer = await raw_socket(house)
    writer.write(text(op="auth", token=TRADER_A))
    order = {"op": "order", "instrument": BOOK, "side": "buy", "price": "21.00", "quantity": "3"}
    for k in range(50):
        writer.write(text(**order, client_order_id=f"gone-{k}"))
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.transport.abort()
    await fine(house)
    _, found = await house.ask("GET", "/v1/orders", key=TRADER_A, params={"client_order_id": "gone-49"})
    assert found["orders"][0]["open_quantity"] == "3"
    assert house.venue.sequencer.callbacks_failed == 0


async def test_who_says_nothing_is_closed(house: House) -> None:
    reader, writer = await raw_socket(house)
    assert await closing_code(reader) == 4001
    writer.close()
    subscribed = await house.socket()
    await subscribed.ask({"op": "subscribe", "channel": "status"})
    await asyncio.sleep(0.8)
    assert (await subscribed.ask({"op": "ping"}))["op"] == "pong"
    await subscribed.close()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # reserved bit
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # no such opcode
        (b"\x89\xfe\x01\x00" + bytes(260), 1002),  # ping of 256 bytes
        (b"\x81\xff" + b"\xff" * 8 + bytes(4), 1009),  # a frame of 2^64 - 1 bytes
        (masked(b"\xff\xfe"), 1007),  # no UTF-8
        (
            b"\x82\xff"
            + struct.pack(">Q", WS_PRIVATE_FRAME_BYTES_MAX + 1)
            + bytes(4)
            + bytes(WS_PRIVATE_FRAME_BYTES_MAX + 1),
            1009,
        ),
        (masked(b"x" * 5_000), 1009),  # more than a stranger may say
    ],
)
async def test_broken_framing_closes_the_connection(house: House, sent: bytes, code: int) -> None:
    reader, writer = await raw_socket(house)
    writer.write(sent)
    assert await closing_code(reader) in ((code, None) if len(sent) > WS_PRIVATE_FRAME_BYTES_MAX else (code,))
    writer.close()
    await fine(house)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"null", "invalid_field"),
        (b'{"op":"dance"}', "op_unknown"),
        (b'{"op":"subscribe"}', "missing_field"),
        (b'{"op":"order","price":NaN}', "malformed"),
        (b'{"op":' + b"[" * 3_000, "malformed"),
    ],
)
async def test_a_whole_frame_with_bad_content_gets_an_error_frame(house: House, sent: bytes, code: str) -> None:
    socket = await house.socket()
    await socket.socket.send_str(sent.decode())
    assert (await socket.hear())["code"] == code
    assert (await socket.ask({"op": "ping"}))["op"] == "pong"
    await socket.socket.send_bytes(b"\x00")
    assert (await socket.hear())["code"] == "malformed"
    await socket.close()


async def test_random_bytes_in_either_protocol(house: House) -> None:
    for packed in (False, True):
        socket = await house.socket(TRADER_A, packed=packed)
        for size in (1, 5, 64, 1_000, 60_000):
            noise = os.urandom(size)
            if packed:
                await socket.socket.send_bytes(noise)
            else:
                await socket.socket.send_str(noise.decode("latin-1"))
            try:
                assert (await socket.hear())["op"] == "error"
            except ConnectionError:  # latin-1 noise may grow over the limit
                assert not packed and size == 60_000
        await socket.close()
    await fine(house)


async def test_a_reader_that_never_reads_is_left_out_then_closed(house: House) -> None:
    trader, slow = await house.socket(TRADER_A), house.venue.front.metrics.slow_consumers._value
    for start in range(0, 1_000, 100):
        levels = [
            {"side": "buy", "price": f"{100 + level * 0.05:.2f}", "quantity": "1", "client_order_id": f"level-{level}"}
            for level in range(start, start + 100)
        ]
        answer = await trader.ask({"op": "orders", "orders": [{"instrument": CALL_BOOK} | level for level in levels]})
        assert answer["op"] == "orders"
    before, loop = slow.get(), asyncio.get_running_loop()
    _, writer = await raw_socket(house, receive_bytes=4_096)
    writer.transport.pause_reading()
    book = {"channel": "book", "instrument": CALL_BOOK, "depth": 1_000}
    writer.write(text(op="subscribe", **book))
    for _ in range(300):  # 300 snapshots of 1,000 levels: some megabytes
        writer.write(text(op="resync", **book, **{"from": 0}))
    reading = await house.socket()
    await reading.ask({"op": "subscribe"} | book)
    assert len((await reading.feed("book"))["bids"]) == 1_000
    until, worst = loop.time() + 30, 0.0
    while slow.get() == before and loop.time() < until:
        started = loop.time()
        await fine(house)
        worst = max(worst, loop.time() - started)
        await asyncio.sleep(0.02)
    assert slow.get() == before + 1
    assert worst < 2.0
    await house.order(TRADER_A, instrument=CALL_BOOK, price="99.00")
    assert (await reading.feed("book"))["type"] == "update"
    writer.transport.abort()
    for socket in (reading, trader):
        await socket.close()


async def test_too_many_connections_of_one_key(house: House) -> None:
    limit = house.venue.settings.connections_per_key_max
    opened = [await house.socket(TRADER_A) for _ in range(limit)]
    one_more = await house.socket()
    assert (await one_more.ask({"op": "auth", "token": TRADER_A}))["code"] == "too_many_connections"
    await opened.pop().close()
    await asyncio.sleep(0.1)
    assert (await one_more.ask({"op": "auth", "token": TRADER_A}))["op"] == "ok"
    for socket in [*opened, one_more]:
        await socket.close()


async def test_a_page_of_another_origin_may_not_connect(house: House) -> None:
    async with house.session.get(
        "/v1/ws",
        headers={
            "Origin": "https://elsewhere.example",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
            "Sec-WebSocket-Version": "13",
        },
    ) as response:
        assert response.status == 403 and (await response.json(content_type=None))["code"] == "not_permitted"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_flood_of_questions_does_not_keep_others_waiting(house: House) -> None:
    """What one chunk of bytes holds is not done at a stretch: others have their turn in between."""
    reader, writer = await raw_socket(house)
    other = await house.socket()
    counts, questions = house.venue.front.counts, 1_500
    before = counts.messages
    writer.write(text(op="subscribe", channel="executions") * questions)  # refused one by one: there is no key
    assert (await other.ask({"op": "ping"}))["op"] == "pong"
    assert counts.messages - before < questions
    writer.close()
    await other.close()
    del reader


async def test_questions_over_a_socket_are_counted(tmp_path) -> None:
    async with running(tmp_path, queries=Rates(1, 20)) as house:
        socket = await house.socket(TRADER_A)
        answers = [await socket.ask({"op": "subscribe", "channel": "book", "instrument": BOOK}) for _ in range(25)]
        assert {answer["op"] for answer in answers[:15]} == {"ok"}
        assert answers[-1]["code"] == "rate_limited" and answers[-1]["retry_after_ms"] > 0
        order = {"instrument": BOOK, "side": "buy", "price": "20.00", "quantity": "1", "client_order_id": "still"}
        assert (await socket.ask({"op": "order"} | order))["op"] == "order"
        await socket.close()
