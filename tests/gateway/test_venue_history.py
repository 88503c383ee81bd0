"""History behind a running venue: the follower is killed again and again, and every fill is told once all the same."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

from engine.codes import EventKind
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.machine import Machine
from engine.oracle.books import Books
from gateway.projections.sqlite import SqliteSink, dump, remove_store
from gateway.queries import open_readonly
from gateway.replaying import LOG_FOLDER, PROJECTION_FILE, STATUS_FILE
from tests.gateway.running import TRADER_A, TRADER_B, House, running

KILLS, ROUNDS = 3, 12
SECONDS_MAX = 60.0


def follower_pid(data: Path) -> int | None:
    try:
        return json.loads((data / STATUS_FILE).read_text())["pid"]
    except FileNotFoundError:
        return None


async def killed_follower(data: Path, before: int | None) -> int:
    """kill -9 of a follower that is another one than `before`."""
    deadline = time.monotonic() + SECONDS_MAX
    while (pid := follower_pid(data)) in (None, before):
        assert time.monotonic() < deadline, "no new follower"
        await asyncio.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return pid


async def all_fills(house: House, key: str, seq: int) -> list[dict]:
    """Every page, once the follower has reached `seq`."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        fills: list[dict] = []
        cursor = ""
        while True:
            status, page = await house.ask("GET", f"/v1/fills?limit=7&min_seq={seq}{cursor}", key=key)
            if status != 200:
                break
            fills += page["fills"]
            if page["next_cursor"] is None:
                return fills
            cursor = f"&cursor={page['next_cursor']}"
        assert time.monotonic() < deadline, f"history stays behind: {page}"
        await asyncio.sleep(0.05)


async def test_a_follower_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    told: set[str] = set()
    pid, seq = None, 0
    async with running(tmp_path, follower=True) as house:
        for round in range(ROUNDS):
            for _ in range(5):
                await house.order(TRADER_A, side="sell", quantity="3")
                status, answer = await house.order(TRADER_B, side="buy", quantity="3")
                assert status == 201, answer
                told |= {fill["fill_id"] for fill in answer["fills"]}
                seq = answer["seq"]
            if round % (ROUNDS // KILLS) == 0:
                pid = await killed_follower(tmp_path, pid)
        assert len(told) == 5 * ROUNDS
        for key in (TRADER_A, TRADER_B):
            fills = await all_fills(house, key, seq)
            assert sorted(fill["fill_id"] for fill in fills) == sorted(told)
        status, history = await house.ask("GET", "/v1/orders/history?limit=1000", key=TRADER_B)
        assert status == 200 and {order["state"] for order in history["orders"]} == {"filled"}

    # What the file holds is what the log says, told once more from the beginning.
    log = LocalLog.open(RealFiles(), tmp_path / LOG_FOLDER, writable=False)
    machine, sink = Machine(Books(), log.skips), SqliteSink(":memory:")
    events = []
    for record in log.read():
        events.append(machine.apply(record))
        sink.take(record, events[-1], machine.event_digest)
    sink.flush()
    db = open_readonly(tmp_path / PROJECTION_FILE)
    assert dump(db) == dump(sink._db)
    db.close()
    assert (np.concatenate(events)["kind"] == EventKind.FILL).sum() == len(told)

    remove_store(tmp_path / PROJECTION_FILE)
    async with running(tmp_path, follower=True) as house:
        fills = await all_fills(house, TRADER_A, seq)
        assert sorted(fill["fill_id"] for fill in fills) == sorted(told)
