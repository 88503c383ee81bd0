"""The door: how long headers may take, how many may come in, and what nonsense is told."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.rates import Bucket
from gateway.settings import Rates
from tests.gateway.running import TRADER_A, House, running


async def spoken(house: House, data: bytes, seconds: float = 5) -> bytes:
    """Everything the venue answers to raw bytes until it hangs up."""
    host, port = house.venue.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), seconds)
    finally:
        writer.close()


async def test_half_a_header_is_not_waited_for(tmp_path) -> None:
    async with running(tmp_path, header_seconds_max=0.3) as house:
        loop = asyncio.get_running_loop()
        for data in (b"", b"GET / HT", b"GET /v1/time HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            started = loop.time()
            assert await spoken(house, data) == b""
            assert 0.2 < loop.time() - started < 2
        whole = b"GET /v1/time HTTP/1.1\r\nHost: x\r\n\r\n"
        host, port = house.venue.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(whole)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)  # a connection may rest between two requests
        writer.write(b"GET /v1/ti")
        started = loop.time()
        assert b"200" not in await asyncio.wait_for(reader.read(), 5)
        assert loop.time() - started < 2
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9_000 + b"\r\n\r\n",
        b"GET /" + b"z" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_and_the_door(tmp_path, data: bytes) -> None:
    async with running(tmp_path) as house:
        answered = await spoken(house, data)
        head, _, body = answered.partition(b"\r\n\r\n")
        assert b" 400 " in head.splitlines()[0] and b"application/problem+json" in head
        assert msgspec.json.decode(body)["code"] == "malformed"
        status, _ = await house.ask("GET", "/v1/time")
        assert status == 200


async def test_one_address_has_so_many_connections_and_no_more(tmp_path) -> None:
    async with running(tmp_path, connections_per_address_max=4) as house:
        host, port = house.venue.url.removeprefix("http://").split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(4)]
        await asyncio.sleep(0.05)
        answered = await spoken(house, b"GET /v1/time HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"429" in answered and b"too_many_connections" in answered
        for _, writer in opened:
            writer.close()
        await asyncio.sleep(0.1)
        status, _ = await house.ask("GET", "/v1/time")
        assert status == 200


async def test_cancels_pass_when_orders_do_not(tmp_path) -> None:
    async with running(tmp_path, orders=Rates(0.001, 2)) as house:
        _, order = await house.order(TRADER_A, price="30.00")
        status, _ = await house.order(TRADER_A, price="30.00")
        assert status == 201
        async with house.session.post(
            "/v1/orders", data=b"{}", headers={"Authorization": f"Bearer {TRADER_A}"}
        ) as response:
            problem = msgspec.json.decode(await response.read())
            assert response.status == 429 and problem["code"] == "rate_limited"
            assert response.headers["RateLimit"].startswith('"orders";r=0') and int(response.headers["Retry-After"]) > 0
        status, gone = await house.ask("DELETE", f"/v1/orders/{order['order_id']}", key=TRADER_A)
        assert status == 200 and gone["state"] == "cancelled"
        socket = await house.socket(TRADER_A)
        answer = await socket.ask(
            {
                "op": "order",
                "instrument": "COFFEE-A",
                "side": "buy",
                "price": "1.00",
                "quantity": "1",
                "client_order_id": "r",
            }
        )
        assert answer["code"] == "rate_limited" and answer["retry_after_ms"] > 0
        await socket.close()


async def test_a_body_that_breaks_off_or_is_too_large(tmp_path) -> None:
    async with running(tmp_path) as house:
        head = (
            f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TRADER_A}\r\n".encode()
        )
        assert b" 413 " in await spoken(house, head + b"Content-Length: 2000000\r\n\r\n")
        chunk = b"%x\r\n" % 40_000 + b"x" * 40_000 + b"\r\n"
        assert b" 413 " in await spoken(house, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2 + b"0\r\n\r\n")
        host, port = house.venue.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head + b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
        status, _ = await house.order(TRADER_A, price="30.00")
        assert status == 201


def test_a_bucket_refills_and_never_overflows() -> None:
    bucket = Bucket(Rates(10, 20), 0.0)
    assert bucket.take(0.0, 20) and not bucket.take(0.0, 1)
    assert bucket.wait_seconds(5) == pytest.approx(0.5)
    assert not bucket.take(0.4, 5) and bucket.take(0.6, 5)
    assert not bucket.take(1_000.0, 21) and bucket.take(1_000.0, 20)
