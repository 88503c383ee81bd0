"""`qhatu serve` as a process: its line, its follower, its ends, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.limits import FILE_HANDLES_MIN
from gateway.replaying import SERVE_STATUS_FILE
from gateway.status_file import read_status
from tests.gateway.running import ADMIN, BOOK, CONFIG, TRADER_A, TRADER_B
from tests.small_disk import small_disk


class Served:
    """A venue in a process of its own."""

    def __init__(self, data: Path, *options: str, handles: int | None = None) -> None:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--port", "0", *options]
        self.errors = (data.parent / f"{data.name}.log").open("a+")
        limit = None if handles is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=limit
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        found = re.search(r"http://[\w.:\[\]]+", self.line)
        assert found, self.said()
        self.url = found[0]

    def said(self) -> str:
        self.errors.seek(0)
        return self.errors.read()

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if key is not None:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def order(self, key: str, **fields: str) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", "/v1/orders", {"instrument": BOOK} | fields, key)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def served(data: Path, *options: str, handles: int | None = None) -> Iterator[Served]:
    venue = Served(data, *options, handles=handles)
    try:
        yield venue
    finally:
        if venue.process.poll() is None:
            venue.end(signal.SIGKILL)
        venue.errors.close()


def follower_of(data: Path) -> int:
    """Process id of the follower, once it follows."""
    for _ in range(300):
        try:
            status = json.loads((data / "follow.status").read_text())
            if status["state"] == "following":
                return int(status["pid"])
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise TimeoutError("no follower")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_one_line_then_an_orderly_end(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--config", str(CONFIG)) as venue:
        assert venue.ask("GET", "/readyz")[0] == 200 and venue.ask("GET", "/healthz")[0] == 200
        pid = follower_of(tmp_path / "data")
        assert venue.end() == 0
        assert venue.process.stdout is not None and venue.process.stdout.read() == ""
        assert not alive(pid)
        assert "Traceback" not in venue.said()


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data, "--config", str(CONFIG)) as venue:
        _, maker = venue.order(TRADER_A, side="sell", price="300.00", quantity="9", client_order_id="maker")
        _, taker = venue.order(TRADER_B, side="buy", price="300.00", quantity="4", client_order_id="taker")
        pid = follower_of(data)
        os.kill(pid, signal.SIGKILL)
        venue.end(signal.SIGKILL)
    with served(data) as venue:  # with no configuration: the one in force
        status, again = venue.order(TRADER_B, side="buy", price="300.00", quantity="4", client_order_id="taker")
        assert status == 200 and again["duplicate"] and again["order_id"] == taker["order_id"]
        _, rest = venue.ask("GET", f"/v1/orders/{maker['order_id']}", key=TRADER_A)
        assert rest["open_quantity"] == "5"
        follower_of(data)
        for _ in range(100):
            _, trades = venue.ask("GET", f"/v1/instruments/{BOOK}/trades?min_seq={taker['seq']}", key=ADMIN)
            if trades.get("trades"):
                break
            time.sleep(0.05)
        assert [(t["trade_id"], t["price"], t["quantity"]) for t in trades["trades"]] == [(1, "300.00", "4")]
        assert venue.end() == 0


def test_a_crashed_follower_is_started_again_and_trading_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data, "--config", str(CONFIG)) as venue:
        first = follower_of(data)
        os.kill(first, signal.SIGKILL)
        status, _ = venue.order(TRADER_A, side="sell", price="310.00", quantity="1", client_order_id="meanwhile")
        assert status == 201
        for _ in range(300):
            if follower_of(data) != first:
                break
            time.sleep(0.05)
        assert follower_of(data) != first
        assert venue.end() == 0


def qhatu(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def test_one_process_for_a_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data, "--config", str(CONFIG)) as venue:
        line = f"{data}/log is in use by process {venue.process.pid}; one venue at a time may write there\n"
        for command, options, said in (
            ("serve", ["--port", "0"], f"qhatu: {line}"),
            ("demo", ["--port", "0"], f"qhatu: starting the demo season\nqhatu: {line}"),
            ("skip", ["--seq", "1", "--why", "test"], f"qhatu skip: {line}"),
        ):
            second = qhatu(command, "--data", data, *options)
            assert (second.returncode, second.stdout, second.stderr) == (1, "", said)
        status = read_status(data / SERVE_STATUS_FILE)
        assert status is not None and (status["state"], status["pid"]) == ("serving", venue.process.pid)
        assert venue.ask("GET", "/readyz")[0] == 200


@pytest.mark.parametrize(("command", "handles"), [("serve", 8), ("demo", 20), ("serve", FILE_HANDLES_MIN)])
def test_a_start_without_file_handles_says_so_in_a_line(tmp_path: Path, command: str, handles: int) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))

    done = qhatu(command, "--data", tmp_path / "data", "--port", 0, preexec_fn=few)
    lines = [line for line in done.stderr.splitlines() if "starting the demo" not in line]
    assert done.returncode == 1 and done.stdout == ""
    assert len(lines) == 1 and lines[0].startswith("qhatu: ") and "Too many open files" in lines[0]


def test_a_start_with_the_least_handles_trades(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--config", str(CONFIG), handles=FILE_HANDLES_MIN + 8) as venue:  # some are open
        status, _ = venue.order(TRADER_A, side="sell", price="310.00", quantity="1", client_order_id="one")
        assert status == 201
        follower_of(tmp_path / "data")
        assert venue.end() == 0 and "Traceback" not in venue.said()


def test_a_start_on_a_disk_without_room_says_so_in_a_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        for command in ("serve", "demo"):
            done = qhatu(command, "--data", disk / "data", "--port", 0)
            assert done.returncode == 1 and done.stdout == ""
            said = done.stderr.splitlines()[-1]
            assert said == "qhatu: the next segment could not be prepared: [Errno 28] No space left on device"
            assert "Traceback" not in done.stderr
        status = read_status(disk / "data" / SERVE_STATUS_FILE)
        assert status is None or status["state"] == "not_started"


def test_a_start_on_a_disk_that_takes_no_writes_says_so_in_a_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1, read_only=True) as disk:
        for command, options in (("serve", []), ("demo", []), ("skip", ["--seq", 1, "--why", "test"])):
            where = options or ["--port", 0]
            done = qhatu(command, "--data", disk / "data", *where)
            assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
            said = done.stderr.splitlines()[-1]
            assert said.startswith("qhatu") and ("Read-only file system" in said or command == "skip"), said
        env = {**os.environ, "QHATU_CACHE": str(disk / "kernels")}
        env.pop("NUMBA_CACHE_DIR", None)
        done = qhatu("serve", "--data", tmp_path / "data", "--port", 0, env=env)
        assert done.returncode == 1 and done.stderr.startswith("qhatu: the folder for compiled kernels cannot be made")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--config", "/nowhere.toml"], 1, "nowhere"),
        (["--port", "70000"], 2, "port"),
        (["--host", "192.0.2.1"], 1, "listen"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, options: list[str], code: int, word: str) -> None:
    command = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(tmp_path / "data"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code and done.stdout == ""
    assert word in done.stderr and "Traceback" not in done.stderr
