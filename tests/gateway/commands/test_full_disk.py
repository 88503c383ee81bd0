"""The real venue on a disk that fills up: told before, stopped cleanly when it is full, whole after a restart."""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pytest

from engine.codes import CommandKind, EventKind, RefForm
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.messages.rows import COMMAND, EVENT, ROW_VERSION
from gateway.env import EXIT_LOG
from gateway.replaying import SERVE_STATUS_FILE
from gateway.status_file import StatusFile, read_status
from tests.gateway.commands.test_serve import Served, follower_of, qhatu, served
from tests.gateway.running import BOOK, CONFIG, TRADER_A, TRADER_B
from tests.small_disk import fill, free, free_bytes, small_disk

MIB = 2**20
DISK_MIB, LOW_MIB, SEGMENT_MIB = 64, 16, 2
CLIENTS = 45  # an address may have 50 connections


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path, SEGMENT_MIB, LOW_MIB)


def configured(folder: Path, segment_mib: int, storage_low_mib: int) -> Path:
    path = folder / "venue.toml"
    server = f'venue = "test"\n\n[server]\nsegment_mib = {segment_mib}\nstorage_low_mib = {storage_low_mib}\n'
    path.write_text(CONFIG.read_text().replace('venue = "test"\n', server))
    return path


def place(venue: Served, count: int, prefix: str) -> dict[str, str]:
    """Orders that rest, and the ids that the venue gave them."""
    placed = {}
    for number in range(count):
        name = f"{prefix}-{number}"
        status, told = venue.order(TRADER_A, side="buy", price="20.00", quantity="1", client_order_id=name)
        assert status == 201, told
        placed[name] = told["order_id"]
    return placed


def open_orders(venue: Served) -> dict[str, str]:
    status, found = venue.ask("GET", "/v1/orders", key=TRADER_A)
    assert status == 200
    return {order["client_order_id"]: order["order_id"] for order in found["orders"]}


def wait_for_storage(venue: Served, word: str) -> None:
    for _ in range(500):
        if venue.ask("GET", "/v1/status")[1]["storage"] == word:
            return
        time.sleep(0.01)
    raise TimeoutError(word)


class Sender:
    """A packed connection that cancels orders which are not there: commands that a full disk still takes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.number = socket, 0
        self.answered: set[int] = set()  # ordinals of rows that were decided
        self.seq = 0  # of the last of them
        self.unknown: set[int] = set()
        self.refused: set[int] = set()

    async def run(self) -> None:
        """Until the venue goes away."""
        try:
            while True:
                await self.send(500)
                await self.hear()
        except ConnectionError:
            return

    async def send(self, count: int) -> None:
        rows = np.zeros(count, COMMAND)
        rows["kind"], rows["version"], rows["ref_form"], rows["ref_hi"] = (
            CommandKind.CANCEL,
            ROW_VERSION,
            RefForm.STREAM,
            9,
        )
        rows["instrument"], rows["order"] = 1, 2**40
        rows["ref_lo"] = self.number + 1 + np.arange(count)
        self.number += count
        await self.socket.send_bytes(msgspec.msgpack.encode({"op": "rows", "rows": rows.tobytes()}))

    async def hear(self) -> None:
        while len(self.answered) + len(self.unknown) + len(self.refused) < self.number:
            message = await self.socket.receive(30)
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise ConnectionError(message)
            told = msgspec.msgpack.decode(message.data)
            if told["op"] == "rows":
                events = np.frombuffer(told["events"], EVENT)
                assert (events["kind"] == EventKind.REJECTED).all()
                self.answered.update(events["command"].tolist())
                self.seq = int(np.frombuffer(told["seq"], "<u8")[-1])
            else:
                ordinals = set(range(told["first"], told["first"] + told["rows"]))
                assert not ordinals & (self.unknown | self.refused | self.answered), "each is answered once"
                if told["code"] == "not_ready":  # it came after the venue had stopped
                    self.refused |= ordinals
                else:
                    assert told["code"] == "storage_failed" and told["retry_same_id"], told
                    self.unknown |= ordinals


async def cancel_until_it_stops(url: str) -> list[Sender]:
    async with aiohttp.ClientSession(base_url=url) as session:
        senders = []
        for key in (TRADER_A, TRADER_B):
            socket = await session.ws_connect("/v1/ws", protocols=["qhatu.msgpack.v1"], max_msg_size=0)
            await socket.send_bytes(msgspec.msgpack.encode({"op": "auth", "token": key}))
            assert msgspec.msgpack.decode((await socket.receive()).data)["op"] == "ok"
            senders.append(Sender(socket))
        await asyncio.wait_for(asyncio.gather(*(sender.run() for sender in senders)), 120)
        return senders


def status_of(data: Path) -> dict[str, Any]:
    status = read_status(data / SERVE_STATUS_FILE)
    assert status is not None
    return status


def test_a_disk_that_fills_is_told_then_stops_the_venue_and_loses_nothing(tmp_path: Path, config: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_MIB) as data:
        with served(data, "--config", str(config)) as venue:
            follower_of(data)
            orders = place(venue, 20, "before")
            assert venue.ask("GET", "/readyz")[1] == {"status": "ready", "storage": "ok"}

            fill(data, leave=(LOW_MIB - 2) * MIB)
            wait_for_storage(venue, "low")
            assert status_of(data)["state"] == "storage_low"
            status, problem = venue.order(TRADER_A, side="buy", price="20.00", quantity="1", client_order_id="late")
            assert (status, problem["code"]) == (503, "storage_low")
            gone = orders.pop("before-0")
            assert venue.ask("DELETE", f"/v1/orders/{gone}", key=TRADER_A)[0] == 200
            assert open_orders(venue) == orders

            fill(data)
            assert free_bytes(data) == 0
            gone = orders.pop("before-1")
            assert venue.ask("DELETE", f"/v1/orders/{gone}", key=TRADER_A)[0] == 200, "there is room in the segment"
            senders = asyncio.run(cancel_until_it_stops(venue.url))
            assert venue.process.wait(20) == EXIT_LOG
            said = venue.said()
        assert "fatal: storage_failed" in said and "No space left" in said and "storage_low" in said
        assert "Traceback" not in said
        status = status_of(data)
        assert status["state"] == "storage_failed" and "No space left" in status["why"], status
        assert status["pid"] == venue.process.pid
        assert any(sender.unknown for sender in senders), "commands were in flight"
        assert sum(len(sender.answered) for sender in senders) * 64 > SEGMENT_MIB * MIB / 2

        end = LocalLog(RealFiles(), data / "log", 0, SEGMENT_MIB * MIB)._scan()
        assert end is not None and end.torn is None
        if end.segment_bytes - end.at > 4096:  # nearly always: the record that did not fit was a large one
            start_on_a_full_disk(data, config, orders)
        free(data)
        with served(data, "--config", str(config)) as venue:
            assert open_orders(venue) == orders
            assert venue.ask("GET", "/v1/status")[1]["storage"] == "ok"
            status, _ = venue.order(TRADER_A, side="buy", price="20.00", quantity="1", client_order_id="late")
            assert status == 201
            follower_of(data)
            assert venue.end() == 0
        assert status_of(data)["state"] == "stopped"
        log = LocalLog.open(RealFiles(), data / "log", writable=False)
        assert log.tail.next_seq > max(sender.seq for sender in senders)


def start_on_a_full_disk(data: Path, config: Path, orders: dict[str, str]) -> None:
    """The last segment has room for a start and a cancel. The follower has none: it is started again and again."""
    with served(data, "--config", str(config)) as venue:
        assert venue.ask("GET", "/readyz") == (200, {"status": "ready", "storage": "low"})
        for _ in range(300):
            if "full" in venue.said() and venue.said().count("the follower ended with code 1") >= 2:
                break
            time.sleep(0.05)
        gone = orders.pop("before-2")
        assert venue.ask("DELETE", f"/v1/orders/{gone}", key=TRADER_A)[0] == 200
        assert open_orders(venue) == orders
        assert venue.said().count("the follower ended with code 1") >= 2
        assert venue.end() == 0 and "Traceback" not in venue.said()


def test_a_small_disk_is_low_from_the_start(tmp_path: Path) -> None:
    """It needs no disk that can be filled: the mark lies above what this one has."""
    data = tmp_path / "data"
    with served(data, "--config", str(CONFIG)) as venue:
        orders = place(venue, 3, "early")
        assert venue.end() == 0
    config = configured(tmp_path, SEGMENT_MIB, free_bytes(tmp_path) // MIB + 2**20)
    with served(data, "--config", str(config)) as venue:
        assert venue.ask("GET", "/readyz") == (200, {"status": "ready", "storage": "low"})
        status, problem = venue.order(TRADER_A, side="buy", price="20.00", quantity="1", client_order_id="no")
        assert (status, problem["code"]) == (503, "storage_low")
        assert venue.ask("DELETE", f"/v1/orders/{orders.pop('early-0')}", key=TRADER_A)[0] == 200
        assert open_orders(venue) == orders and status_of(data)["state"] == "storage_low"
        assert venue.end() == 0 and "storage_low" in venue.said()


class Clients:
    """Each places one order after another until it is told something else than that it was taken."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}  # acknowledged: name, the venue's id
        self.last: dict[str, str] = {}  # name of each client's last order, what it was told

    async def run(self, url: str, pid: int) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(base_url=url, connector=connector) as session:
            clients = [asyncio.create_task(self.client(session, number)) for number in range(CLIENTS)]
            await asyncio.sleep(1.0)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (32 * 1024, resource.RLIM_INFINITY))
            await asyncio.gather(*clients)

    async def client(self, session: aiohttp.ClientSession, number: int) -> None:
        headers = {"Authorization": f"Bearer {TRADER_A}"}
        order = {"instrument": BOOK, "side": "buy", "price": "20.00", "quantity": "1"}
        for turn in itertools.count():
            name = f"{number}-{turn}"
            try:
                body = order | {"client_order_id": name}
                async with session.post("/v1/orders", json=body, headers=headers) as answer:
                    told = await answer.json()
            except aiohttp.ClientError:
                self.last[name] = "nothing"
                return
            if answer.status != 201:
                self.last[name] = told["code"]
                return
            self.orders[name] = told["order_id"]


def test_a_file_that_may_not_grow_stops_the_venue_and_loses_nothing(tmp_path: Path, config: Path) -> None:
    """It needs no mount: the system is told, while the venue runs, to let it write no further than it has."""
    data, clients = tmp_path / "data", Clients()
    with served(data, "--config", str(config)) as venue:
        place(venue, 150, "before")
        asyncio.run(clients.run(venue.url, venue.process.pid))
        assert venue.process.wait(20) == EXIT_LOG
        assert "fatal: storage_failed" in venue.said() and "Traceback" not in venue.said()
    told = Counter(clients.last.values())
    # In flight, in the moment before the end, and after it: how many of each depends on how fast the machine is.
    assert set(told) <= {"storage_failed", "not_ready", "nothing"} and told["nothing"] < CLIENTS, told
    assert status_of(data)["state"] == "storage_failed"
    with served(data, "--config", str(config)) as venue:
        found = open_orders(venue)
        assert clients.orders.items() <= found.items()
        for name in clients.last:  # asked again under the same id
            status, told_now = venue.order(TRADER_A, side="buy", price="20.00", quantity="1", client_order_id=name)
            assert status == (200 if name in found else 201) and told_now["order_id"] == found.get(
                name, told_now["order_id"]
            )
        assert len(open_orders(venue)) == 150 + len(clients.orders) + CLIENTS
        assert venue.end() == 0


def test_a_first_record_that_cannot_be_written_ends_the_start(tmp_path: Path, config: Path) -> None:
    """The system lets the process write up to the end of the log and not a byte further: RESUME does not fit."""
    data = tmp_path / "data"
    with served(data, "--config", str(config)) as venue:
        orders = place(venue, 150, "before")
        assert venue.end() == 0
    end = LocalLog(RealFiles(), data / "log", 0, SEGMENT_MIB * MIB)._scan()
    assert end is not None
    arguments = ["serve", "--data", data, "--port", 0, "--config", config]
    limit = (end.at, resource.RLIM_INFINITY)
    done = qhatu(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert (done.returncode, done.stdout) == (EXIT_LOG, "") and "Traceback" not in done.stderr
    assert "qhatu: fatal: storage_failed: record" in done.stderr and "File too large" in done.stderr
    assert status_of(data)["state"] == "storage_failed"
    with served(data, "--config", str(config)) as venue:
        assert open_orders(venue) == orders
        assert venue.end() == 0


def test_a_status_can_be_told_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        status = StatusFile(disk / "a.status")
        status.write(state="serving")
        fill(disk)
        for number in range(3):  # a rename gives its space back; it is taken again at once
            status.write(state="storage_failed", number=number)
            assert json.loads((disk / "a.status").read_text()) == {"state": "storage_failed", "number": number}
