"""The disk of a running venue: nearly full, full again and free again, and failing with everything in flight."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import CommandKind, EventKind, Reason, RefForm
from engine.limits import STORAGE_LOW_BYTES
from engine.log.files import RealFiles
from engine.log.interface import LogFailed
from engine.log.local import LocalLog
from engine.messages.batch import cold
from engine.messages.bodies import Time
from engine.messages.rows import COMMAND, ROW_VERSION
from gateway.env import EXIT_LOG
from gateway.replaying import SERVE_STATUS_FILE
from gateway.sequencer import Fatal
from gateway.status_file import read_status
from gateway.storage import Storage, grows
from tests.faulty_files import FaultyFiles
from tests.gateway.running import ADMIN, BOOK, CALL_BOOK, TRADER_A, TRADER_B, House, running
from tests.gateway.test_sales import SALE
from tests.gateway.ws.test_packed import answered, new

LOW = 100 * 2**20


class Filling(RealFiles):
    """Says how much is free as it is told to."""

    def __init__(self, free: int) -> None:
        self.free: int | None = free  # None: it cannot be told

    def free_bytes(self, directory: Path) -> int:
        if self.free is None:
            raise OSError(errno.EIO, "planted")
        return self.free


def test_low_begins_below_the_mark_and_ends_a_quarter_above_it(tmp_path: Path) -> None:
    files = Filling(LOW)
    storage = Storage(files, tmp_path, LOW, 2**20)
    changes: list[bool] = []
    storage.on_change = lambda: changes.append(storage.low)
    seen = []
    for free in (LOW, LOW - 1, LOW, LOW + LOW // 4 - 1, LOW + LOW // 4, LOW, None, LOW - 1, None, 2 * LOW):
        files.free = free
        storage.look()
        seen.append(storage.low)
    assert seen == [False, True, True, True, False, False, False, True, True, False]
    assert changes == [True, False, True, False]


@pytest.mark.parametrize(("free", "room"), [(0, False), (2 * 2**20 - 1, False), (2 * 2**20, True), (None, True)])
def test_a_segment_is_prepared_ahead_only_where_it_leaves_a_little(
    tmp_path: Path, free: int | None, room: bool
) -> None:
    assert Storage(Filling(free), tmp_path, LOW, 2**20).has_room() is room  # type: ignore[arg-type]


def test_what_a_full_disk_refuses_is_what_makes_the_venue_grow() -> None:
    refused = {kind for kind in CommandKind if grows(np.array([kind], np.uint8))}
    assert refused == {
        CommandKind.NEW,
        CommandKind.REPLACE,
        CommandKind.AMEND,
        CommandKind.BID,
        CommandKind.PLAN_SALE,
        CommandKind.REGISTER,
    }
    assert grows(np.array([CommandKind.CANCEL, CommandKind.NEW], np.uint8))


async def low_is(house: House, low: bool) -> None:
    for _ in range(400):
        if house.venue.front.storage.low is low:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_disk_nearly_full_refuses_what_is_new_and_goes_on_with_the_rest(tmp_path: Path) -> None:
    files = Filling(10 * STORAGE_LOW_BYTES)
    async with running(tmp_path, files=files) as house:
        status_file = tmp_path / SERVE_STATUS_FILE
        assert read_status(status_file)["state"] == "serving"  # type: ignore[index]
        _, resting = await house.order(TRADER_A, price="30.00")
        _, other = await house.order(TRADER_A, price="31.00")
        await house.ask("POST", "/v1/sales", SALE, key=ADMIN, headers={"Idempotency-Key": "7"})
        packed = await house.socket(TRADER_A, packed=True)
        await packed.rows(np.concatenate([new(1, stream=5), new(2, stream=5)]))
        placed, _ = await answered(packed, 2)
        reader = await house.socket()
        await reader.ask({"op": "subscribe", "channel": "status"})
        assert (await reader.feed("status"))["storage"] == "ok"

        files.free = STORAGE_LOW_BYTES - 1
        await low_is(house, True)
        told = await reader.feed("status")
        assert (told["type"], told["storage"], told["instruments"]) == ("update", "low", [])
        before = house.machine.seq
        await refused(house, packed, int(other["order_id"]))
        assert house.machine.seq == before, "nothing of it reached the log"

        # cancels, reads, phases and uncrosses go on
        status, _ = await house.ask("DELETE", f"/v1/orders/{resting['order_id']}", key=TRADER_A)
        assert status == 200
        cancel = np.zeros(2, COMMAND)
        cancel["kind"], cancel["version"], cancel["ref_form"], cancel["ref_hi"] = 2, ROW_VERSION, RefForm.STREAM, 5
        cancel["instrument"], cancel["order"], cancel["ref_lo"] = 1, placed["order"][:2], [3, 4]
        await packed.rows(cancel)
        gone, _ = await answered(packed, 2)
        assert gone["kind"].tolist() == [EventKind.CANCELLED] * 2
        for step, phase in (("uncross", "continuous"), ("phase", "call")):
            path, headers = f"/v1/instruments/{CALL_BOOK}/{step}", {"Idempotency-Key": step}
            assert (await house.ask("POST", path, {"phase": phase}, key=ADMIN, headers=headers))[0] == 200
        _, found = await house.ask("GET", "/v1/orders", key=TRADER_A)
        assert [order["order_id"] for order in found["orders"]] == [other["order_id"]]
        assert (await house.ask("GET", "/readyz")) == (200, {"status": "ready", "storage": "low"})
        assert (await house.ask("GET", "/v1/status"))[1]["storage"] == "low"
        async with house.session.get("/metrics") as response:
            metrics = await response.text()
        assert "qhatu_storage_low 1.0" in metrics
        assert f"qhatu_storage_free_bytes {float(files.free)}" in metrics.replace("1.073741823e+09", "1073741823.0")
        status = read_status(status_file)
        assert status is not None and status["state"] == "storage_low" and "new orders" in status["why"]

        files.free = 2 * STORAGE_LOW_BYTES
        await low_is(house, False)
        moves = [await reader.feed("status") for _ in range(3)]  # two of a phase, the last of the disk
        assert [len(move["instruments"]) for move in moves] == [1, 1, 0]
        assert [move["storage"] for move in moves] == ["low", "low", "ok"]
        assert (await house.order(TRADER_A, price="32.00"))[0] == 201
        await packed.rows(new(5, stream=5))  # numbers of the refused frames were not used up
        again, _ = await answered(packed, 1)
        assert again["kind"].tolist() == [EventKind.ACCEPTED] and again["command"].tolist() == [7]
        assert read_status(status_file)["state"] == "serving"  # type: ignore[index]
    assert read_status(status_file)["state"] == "stopped"  # type: ignore[index]


async def refused(house: House, packed: Any, open_order: int) -> None:
    """Everything that makes the venue grow, through every door."""
    new_order = {"instrument": BOOK, "side": "buy", "price": "30.00", "quantity": "1", "client_order_id": "n"}
    replace = {"price": "33.00", "quantity": "1", "client_order_id": "r"}
    bid = {"lot": 1, "maximum": "5.00", "client_bid_id": "b"}
    for path, body, key, headers in (
        ("/v1/orders", new_order, TRADER_A, {}),
        ("/v1/orders/batch", {"orders": [new_order]}, TRADER_A, {}),
        (f"/v1/orders/{open_order}/replace", replace, TRADER_A, {}),
        ("/v1/sales/7/bids", bid, TRADER_B, {}),
        ("/v1/sales", SALE | {"sale_id": 8}, ADMIN, {"Idempotency-Key": "8"}),
    ):
        async with house.session.post(
            path, json=body, headers={"Authorization": f"Bearer {key}"} | headers
        ) as response:
            problem = await response.json()
            assert (response.status, problem["code"], response.headers["Retry-After"]) == (503, "storage_low", "5"), (
                path
            )
            assert problem["retry_after_ms"] == 5_000
    socket = await house.socket(TRADER_A)
    for message in (
        {"op": "order"} | new_order,
        {"op": "orders", "orders": [new_order]},
        {"op": "replace", "order_id": str(open_order)} | replace,
        {"op": "bid", "sale": 7} | bid,
    ):
        assert (await socket.ask(message))["code"] == "storage_low", message["op"]
    await socket.close()
    for rows in ([new(3, stream=5)], [new(3, stream=5), new(4, stream=5)]):
        await packed.rows(np.concatenate(rows))
        answer = await packed.hear()
        assert (answer["code"], answer["rows"], answer["retry_after_ms"]) == ("storage_low", len(rows), 5_000)


async def test_a_disk_that_fails_leaves_every_kind_of_request_unknown_once(tmp_path: Path) -> None:
    files, gate = FaultyFiles(RealFiles()), threading.Event()
    async with running(tmp_path, files=files) as house:
        status, _ = await house.ask("POST", "/v1/sales", SALE, key=ADMIN, headers={"Idempotency-Key": "s"})
        assert status == 201
        json, pack = await house.socket(TRADER_A), await house.socket(TRADER_B, packed=True)
        rows_a, rows_b = await house.socket(TRADER_A, packed=True), await house.socket(TRADER_B, packed=True)
        await rows_a.rows(new(1, stream=11))
        await answered(rows_a, 1)
        await asyncio.sleep(0.05)  # the empty record is written
        files.on_call = lambda name: gate.wait(10) if name == "fdatasync" else None
        files.fail("fdatasync")

        order = {"instrument": BOOK, "side": "buy", "price": "30.00", "quantity": "1"}
        over_rest = [asyncio.create_task(house.order(TRADER_A, client_order_id="rest-0"))]
        await asyncio.sleep(0.05)  # it is being written; what follows waits in the inbox
        over_rest += [
            asyncio.create_task(house.order(TRADER_B, client_order_id="rest-1")),
            asyncio.create_task(
                house.ask("POST", "/v1/orders/batch", {"orders": [order | {"client_order_id": "rest-2"}]}, key=TRADER_A)
            ),
            asyncio.create_task(
                house.ask("POST", "/v1/sales/7/bids", {"lot": 1, "maximum": "5.00", "client_bid_id": "b"}, key=TRADER_B)
            ),
        ]
        await json.say({"op": "order", "id": 1} | order | {"client_order_id": "json-1"})
        await json.say({"op": "orders", "id": 2, "orders": [order | {"client_order_id": "json-2"}]})
        await json.say({"op": "bid", "id": 3, "sale": 7, "lot": 1, "maximum": "6.00", "client_bid_id": "json-3"})
        packed_order = order | {"price": 6_000, "quantity": 1, "client_order_id": "pack-1"}
        await pack.say({"op": "order", "id": 4} | packed_order)
        await pack.say({"op": "cancel", "id": 5, "order_id": 1 << 32})
        await rows_a.rows(np.concatenate([new(2, stream=11), new(3, stream=11)]))
        await rows_a.rows(new(4, stream=11))
        await rows_b.rows(new(1, stream=12))
        await rows_b.rows(new(1, stream=12)[:0])  # refused: it splits nothing
        await asyncio.sleep(0.1)
        gate.set()

        for status, problem in await asyncio.gather(*over_rest):
            assert (status, problem["code"], problem["retry_same_id"]) == (503, "storage_failed", True)
        for socket, expected in ((json, {1, 2, 3}), (pack, {4, 5})):
            heard = [await socket.hear() for _ in expected]
            assert {answer["id"] for answer in heard} == expected
            assert all(a["code"] == "storage_failed" and a["retry_same_id"] and a["op"] == "error" for a in heard)
        answer = await rows_a.hear()
        assert (answer["code"], answer["first"], answer["rows"], answer["retry_same_id"]) == (
            "storage_failed",
            1,
            3,
            True,
        )
        assert (await rows_b.hear())["code"] == "malformed"
        answer = await rows_b.hear()
        assert (answer["code"], answer["first"], answer["rows"]) == ("storage_failed", 0, 1)
        for socket in (json, pack, rows_a, rows_b):
            with pytest.raises(TimeoutError):
                await socket.hear(0.1)
        assert house.venue.env.ended == (EXIT_LOG, str(house.venue.sequencer.fatal))
        assert (await house.order(TRADER_A))[1]["code"] == "not_ready"
        await rows_a.rows(new(9, stream=11))
        assert (await rows_a.hear())["code"] == "not_ready"
        await asyncio.sleep(0.05)
        told = read_status(tmp_path / SERVE_STATUS_FILE)
        assert told is not None and told["state"] == "storage_failed" and "planted: fdatasync" in told["why"]
        house.venue.log.close()

    async with running(tmp_path) as house:
        for name, key in (("rest-0", TRADER_A), ("rest-1", TRADER_B)):
            assert (await house.order(key, client_order_id=name))[0] in (200, 201)
            _, found = await house.ask("GET", "/v1/orders", key=key, params={"client_order_id": name})
            assert len(found["orders"]) == 1
        socket = await house.socket(TRADER_A, packed=True)
        await socket.rows(np.concatenate([new(n, stream=11) for n in (1, 2, 3, 4)]))
        events, _ = await answered(socket, 4)
        assert events["kind"][0] == EventKind.REJECTED and events["reason"][0] == Reason.STALE_REF
        assert (events["kind"][1:] == EventKind.ACCEPTED).all()


async def test_an_idle_venue_whose_next_segment_cannot_be_prepared_ends(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    async with running(tmp_path, files=files, segment_bytes=2 * 2**20, storage_low_bytes=6 * 2**20) as house:
        made = asyncio.get_running_loop().create_future()
        house.venue.env.fatal = lambda code, why: made.set_result((code, why))
        files.fail("open")
        socket = await house.socket(TRADER_A, packed=True)
        for at in range(18):
            await socket.rows(np.concatenate([new(1_000 * at + k, stream=3) for k in range(1, 1_001)]))
        code, why = await asyncio.wait_for(made, 5)
        assert code == EXIT_LOG and "the next segment could not be prepared" in why
        house.venue.env.ended = (code, why)


@pytest.mark.parametrize("name", ["pwrite", "fdatasync", "close"])
async def test_a_log_that_fails_while_the_venue_stops_is_told(tmp_path: Path, name: str) -> None:
    """In the last record, and in closing."""
    files = FaultyFiles(RealFiles())
    async with running(tmp_path, files=files) as house:
        await house.order(TRADER_A)
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(house.venue.stop())
        house.venue.sequencer.submit(cold(Time()), lambda outcome: None)  # what waits is decided
        files.fail(name)
        with pytest.raises(LogFailed if name == "close" else Fatal, match=f"planted: {name}"):
            await stopping
        if name != "close":
            assert house.venue.env.ended[0] == EXIT_LOG
        house.venue.env.ended = (EXIT_LOG, "")  # it is stopped
    async with running(tmp_path) as house:
        assert len(list(house.machine.hot.orders_of(2))) == 1


@pytest.mark.parametrize("name", ["pwrite", "fdatasync"])
async def test_each_write_of_a_start_that_fails_ends_it_and_frees_the_lock(tmp_path: Path, name: str) -> None:
    """Refused while the log is opened, fatal from the first record on."""
    ends = []
    for at in (0, 7, 8, 9, 10):  # eight pieces of zeros, the header, RESUME, genesis
        files, data = FaultyFiles(RealFiles()), tmp_path / str(at)
        files.fail(name, at)
        try:
            async with running(data, files=files, segment_bytes=2 * 2**20, storage_low_bytes=6 * 2**20):
                raise AssertionError("it serves")
        except LogFailed:
            ends.append("refused")
        except Fatal as fatal:
            assert fatal.code == EXIT_LOG
            ends.append("fatal")
        LocalLog.open(RealFiles(), data / "log").close()
    assert ends == ["refused"] * 3 + ["fatal"] * 2
