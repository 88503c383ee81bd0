"""Ends of the venue: asked to stop, log failed, follower disagrees, follower crashes."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from gateway import child, follower, sink
from gateway.env import EXIT_APPLY, EXIT_DIGEST, EXIT_LOG
from tests.gateway.running import ADMIN, BOOK, TRADER_A, TRADER_B, House, running


async def test_an_orderly_end_answers_what_was_taken_and_says_goodbye(tmp_path) -> None:
    async with running(tmp_path) as house:
        socket = await house.socket(TRADER_A)
        for k in range(20):
            order = {"instrument": BOOK, "side": "buy", "price": "30.00", "quantity": "1", "client_order_id": f"s{k}"}
            await socket.say({"op": "order", "id": k} | order)
        while house.machine.seq < 16:
            await asyncio.sleep(0.001)
        stopping = asyncio.create_task(house.venue.stop())
        answered = []
        with pytest.raises(ConnectionError, match="1012"):
            while True:
                answered.append(await socket.hear())
        await stopping
        taken = {a["id"] for a in answered if a["op"] == "order"}
        refused = {a["id"] for a in answered if a.get("code") == "not_ready"}
        assert taken | refused <= set(range(20)) and taken
        house.venue.stop = lambda: asyncio.sleep(0)
    async with running(tmp_path) as house:
        for k in taken:
            _, found = await house.ask("GET", "/v1/orders", key=TRADER_A, params={"client_order_id": f"s{k}"})
            assert len(found["orders"]) == 1


@pytest.mark.parametrize("over", ["REST", "WebSocket"])
async def test_a_failed_log_leaves_outcomes_unknown_and_ends_the_venue(tmp_path, over: str) -> None:
    async with running(tmp_path) as house:
        os.close(house.venue.log._handle)
        house.venue.log._handle = os.open("/dev/full", os.O_RDWR)
        if over == "REST":
            status, problem = await house.order(TRADER_A, price="30.00")
            assert status == 503
        else:
            socket = await house.socket(TRADER_B)
            order = {"instrument": BOOK, "side": "buy", "price": "1.00", "quantity": "1", "client_order_id": "w"}
            problem = await socket.ask({"op": "order"} | order)
            assert problem["op"] == "error"
        assert problem["code"] == "storage_failed" and problem["retry_same_id"] is True
        assert house.venue.env.ended[0] == EXIT_LOG
        status, problem = await house.order(TRADER_A, price="30.00")
        assert (status, problem["code"]) == (503, "not_ready")
        status, _ = await house.ask("GET", "/readyz")
        assert status == 503


async def test_an_exception_out_of_the_engine_ends_the_venue(tmp_path) -> None:
    async with running(tmp_path) as house:
        apply = house.machine.apply
        house.machine.apply = lambda record: 1 / 0 if record.count else apply(record)
        status, problem = await house.order(TRADER_A, price="30.00")
        assert (status, problem["code"]) == (503, "storage_failed")
        code, why = house.venue.env.ended
        assert code == EXIT_APPLY and "ZeroDivisionError" in why


def exits(code: int) -> object:
    return lambda data, parent, *options: [sys.executable, "-c", f"raise SystemExit({code})"]


async def test_a_follower_that_comes_to_other_events_stops_the_venue(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(follower, "command", exits(follower.EXIT_DIGEST))
    async with running(tmp_path, follower=True) as house:
        env = house.venue.env
        for _ in range(200):
            if env.ended:
                break
            await asyncio.sleep(0.02)
        assert env.ended[0] == EXIT_DIGEST
        status, problem = await house.order(TRADER_A, price="30.00")
        assert (status, problem["code"]) == (503, "not_ready")
        await house.venue.stop()


async def test_a_crashed_follower_is_started_again(tmp_path, monkeypatch) -> None:
    started = []

    def command(data: object, parent: object, *options: str) -> list[str]:
        started.append(data)
        return [sys.executable, "-c", "raise SystemExit(1)"]

    monkeypatch.setattr(follower, "command", command)
    monkeypatch.setattr("gateway.venue.CHILD_BACKOFF_SECONDS", (0.01, 0.02, 0.05))
    async with running(tmp_path, follower=True) as house:
        for _ in range(300):
            if len(started) >= 3:
                break
            await asyncio.sleep(0.02)
        assert len(started) >= 3 and house.venue.env.ended is None
        status, _ = await house.order(TRADER_A, price="30.00")
        assert status == 201
        status, problem = await house.ask("GET", "/v1/fills", key=TRADER_A)
        assert status == 200 and problem["as_of"] == 0


@pytest.mark.parametrize("code", [child.EXIT_TROUBLE, child.EXIT_DIGEST, child.EXIT_LOG, -9])
async def test_a_sink_that_ends_is_started_again_whatever_it_says(tmp_path, monkeypatch, code: int) -> None:
    """Nothing that a sink comes to stops the venue or its follower."""
    started = []

    def command(name: str, data: object, parent: object) -> list[str]:
        started.append(name)
        end = f"raise SystemExit({code})" if code >= 0 else f"import os; os.kill(os.getpid(), {-code})"
        return [sys.executable, "-c", end]

    monkeypatch.setattr(sink, "command", command)
    monkeypatch.setattr("gateway.venue.CHILD_BACKOFF_SECONDS", (0.01, 0.02, 0.05))
    async with running(tmp_path, follower=True) as house:
        for _ in range(500):
            if len(started) >= 3:
                break
            await asyncio.sleep(0.02)
        assert started[:3] == ["sqlite"] * 3 and house.venue.env.ended is None
        assert house.venue._children["follower"].returncode is None
        status, _ = await house.order(TRADER_A, price="30.00")
        assert status == 201


async def test_a_configuration_is_read_once(tmp_path) -> None:
    edited = tmp_path / "edited.toml"
    from tests.gateway.running import CONFIG

    text = CONFIG.read_text().replace("COFFEE-B", "COFFEE-X")
    edited.write_text(text)
    async with running(tmp_path / "data"):
        pass
    async with running(tmp_path / "data", config=edited) as house:
        status, _ = await house.ask("GET", "/v1/instruments/COFFEE-B")
        assert status == 200
        status, _ = await house.ask("GET", "/v1/instruments/COFFEE-X")
        assert status == 404


async def test_numbers_are_counted_for_prometheus(tmp_path) -> None:
    async with running(tmp_path) as house:
        await metrics(house)


async def metrics(house: House) -> None:
    await house.order(TRADER_A, price="30.00")
    await house.order(TRADER_A, price="30.01")
    await house.ask("GET", "/v1/accounts", key=ADMIN)
    async with house.session.get("/metrics") as response:
        text = await response.text()
    for line in (
        'qhatu_problems_total{code="off_tick"} 1.0',
        'qhatu_http_requests_total{method="POST",route="/v1/orders",status="201"} 1.0',
        'qhatu_http_requests_total{method="POST",route="/v1/orders",status="422"} 1.0',
        f"qhatu_seq {float(house.machine.seq)}",
        "qhatu_ready 1.0",
    ):
        assert line in text, line
    assert TRADER_A not in text
