"""kill -9 of the real venue under load, again and again: what was acknowledged is there, once; the ids still hold."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import aiohttp

from engine.codes import CommandKind, EventKind
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.machine import Machine
from engine.messages.refs import text_ref
from engine.oracle.books import Books
from tests.gateway.running import BOOK, CONFIG, TRADER_A, TRADER_B

KILLS = 5
CLIENTS = 6
ACCOUNTS = {TRADER_A: 2, TRADER_B: 3}


class Served:
    """`qhatu serve` as a process."""

    def __init__(self, data: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "gateway.cli",
            "serve",
            "--config",
            str(CONFIG),
            "--data",
            str(data),
            "--port",
            "0",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, f"no URL on stdout: {line!r}"
        self.url = "http://" + line.split("http://")[1].split()[0].rstrip("/")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


class Load:
    """Clients that each place one order at a time and ask again under the same id until they are answered."""

    def __init__(self) -> None:
        self.acknowledged: dict[tuple[int, str], tuple[str, int]] = {}  # (account, id) -> (order id, seq)
        self.open_bodies: list[tuple[str, dict]] = []  # sent, not answered
        self.steps = 0

    async def run(self, url: str, until: asyncio.Event, *, only_open: bool = False) -> None:
        async with aiohttp.ClientSession(base_url=url) as session:
            await asyncio.gather(*(self.client(session, number, until, only_open) for number in range(CLIENTS)))

    async def client(self, session: aiohttp.ClientSession, number: int, until: asyncio.Event, only_open: bool) -> None:
        while not until.is_set():
            if self.open_bodies:
                key, body = self.open_bodies.pop()
            elif only_open:
                return
            else:
                self.steps += 1
                key = (TRADER_A, TRADER_B)[number % 2]
                body = {
                    "instrument": BOOK, "side": ("buy", "sell")[self.steps % 2], "type": "limit",
                    "price": f"{200 + self.steps % 7}.00", "quantity": str(1 + self.steps % 9),
                    "time_in_force": "gtc", "client_order_id": f"kill-{self.steps}",
                }  # fmt: skip
            try:
                async with session.post("/v1/orders", json=body, headers={"Authorization": f"Bearer {key}"}) as answer:
                    if answer.status == 503:
                        self.open_bodies.append((key, body))
                        await asyncio.sleep(0.01)
                        continue
                    assert answer.status in (200, 201), await answer.text()
                    told = await answer.json()
            except aiohttp.ClientError:
                self.open_bodies.append((key, body))
                return
            name = (ACCOUNTS[key], body["client_order_id"])
            heard = (told["order_id"], told["seq"])
            assert self.acknowledged.setdefault(name, heard)[0] == heard[0], "one id, one order"


async def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(tmp_path):
    chance = Random(3)
    load = Load()
    for _ in range(KILLS):
        served = await asyncio.to_thread(Served, tmp_path)
        until = asyncio.Event()
        running = asyncio.create_task(load.run(served.url, until))
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        await asyncio.to_thread(served.kill)
        until.set()
        await running
    assert len(load.acknowledged) > 20 * KILLS, "there was load"
    assert load.open_bodies, "some requests were cut off"

    served = await asyncio.to_thread(Served, tmp_path)
    await load.run(served.url, asyncio.Event(), only_open=True)
    assert await asyncio.to_thread(served.end) == 0
    assert not load.open_bodies and len(load.acknowledged) == load.steps, "every order has its answer in the end"

    log = LocalLog.open(RealFiles(), tmp_path / "log", writable=False)
    machine = Machine(Books(), log.skips)
    orders: dict[tuple[int, int, int, int], list[int]] = {}
    for record in log.read():
        for event in machine.apply(record):
            row = record.batch.rows[event["command"]]
            if row["kind"] == CommandKind.NEW and event["kind"] == EventKind.ACCEPTED:
                name = tuple(int(row[field]) for field in ("account", "ref_form", "ref_hi", "ref_lo"))
                orders.setdefault(name, []).append(int(event["order"]))
    for (account, text), (order, _) in load.acknowledged.items():
        assert orders[(account, *map(int, text_ref(text)))] == [int(order)]
    assert len(orders) == load.steps
