"""The live season as `make run` starts it: both processes and the clients, killed in the middle, and gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import Record
from gateway.config import default_path, load
from gateway.demo.offers import offers
from gateway.replaying import LOG_FOLDER
from tests.gateway.demo.ledger import Ledger

START_SECONDS = 90  # a first start compiles
SYMBOL = "GT-WASHED-80-69KG"


class Demo:
    """One `qhatu demo` on a free port."""

    def __init__(self, data: Path) -> None:
        self.said = data.parent / f"demo-{time.monotonic_ns()}.txt"
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--data", str(data)],
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_for(lambda: "/#key=" in self.said.read_text(), START_SECONDS, self.said.read_text)
        found = re.search(r"http://127\.0\.0\.1:\d+", self.said.read_text())
        assert found
        self.url = found[0]

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/v1/{path}", timeout=5) as answer:
            return json.loads(answer.read())

    def children(self) -> list[int]:
        listed = subprocess.run(
            ["ps", "--no-headers", "-o", "pid", "--ppid", str(self.process.pid)], capture_output=True, text=True
        )
        return [int(pid) for pid in listed.stdout.split()]

    def depth(self) -> int:
        book = self.get(f"instruments/{SYMBOL}/book?depth=100")
        return min(len(book["bids"]), len(book["asks"]))


def wait_for(what: Callable[[], Any], seconds: float, said: Callable[[], str] = str) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {said()}")


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def records(data: Path) -> list[Record]:
    return list(LocalLog.open(RealFiles(), data / LOG_FOLDER, writable=False).read())


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[], Demo]]:
    demos: list[Demo] = []

    def start() -> Demo:
        demos.append(Demo(tmp_path / "season"))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes by /proc")
def test_a_season_killed_in_the_middle_goes_on(started: Callable[[], Demo], tmp_path: Path) -> None:
    data, config = tmp_path / "season", load(default_path("demo"))
    demo = started()
    wait_for(lambda: demo.depth() >= 5, 30)
    wait_for(lambda: demo.get(f"instruments/{SYMBOL}/trades")["trades"], 70)
    sale = wait_for(lambda: demo.get("sales")["sales"], 40)[0]
    assert sale["state"] in ("open", "pending") and len(sale["lots"]) == 8
    assert "as_of" not in demo.get("sales") and "your_maximum" not in json.dumps(demo.get("sales"))

    children = demo.children()
    assert len(children) == 3, "follower, sink and clients"
    clients = next(pid for pid in children if "demo.agents" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(clients, signal.SIGKILL)
    wait_for(lambda: len(demo.children()) == 3 and clients not in demo.children(), 10)
    wait_for(lambda: "starting them again" in demo.said.read_text(), 5)
    children = demo.children()
    time.sleep(5)  # the new clients find what the old ones left, and go on
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait()
    wait_for(lambda: not any(alive(pid) for pid in children), 5)
    before = records(data)
    killed = Ledger(before, offers(config))

    demo = started()
    resumed = len(before)
    wait_for(lambda: demo.depth() >= 5, 10)
    wait_for(lambda: len(records(data)) > resumed + 80, 40)
    children = demo.children()
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(15) == 0, demo.said.read_text()
    wait_for(lambda: not any(alive(pid) for pid in children), 5)

    after = records(data)
    assert [record.raw for record in after[:resumed]] == [record.raw for record in before], "nothing is lost"
    ledger = Ledger(after, offers(config))
    assert len(ledger.names) > len(killed.names)
    assert len(set(ledger.names)) == len(ledger.names), "no order is placed twice"
    assert ledger.oversold(offers(config)) == []
    assert _open_at_kill_went_on(killed, ledger)


def _open_at_kill_went_on(killed: Ledger, ledger: Ledger) -> bool:
    """Every account that traded before trades after, with ids that go on from the old ones."""
    first, later = len(killed.names), ledger.names[len(killed.names) :]
    steps: dict[int, int] = {}
    for account, text in ledger.names[:first]:
        if re.fullmatch(rf"s1-a{account}-\d+", text):
            steps[account] = max(steps.get(account, 0), int(text.rsplit("-", 1)[1]))
    for account, text in later:
        if re.fullmatch(rf"s1-a{account}-\d+", text) and int(text.rsplit("-", 1)[1]) <= steps.get(account, -1):
            return False
    return bool(later)


def test_the_port_is_taken(tmp_path: Path) -> None:
    """A second demo on the same data says so and leaves the first alone."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "demo", "--port", str(taken.getsockname()[1]), "--data",
             str(tmp_path / "data")],
            capture_output=True, text=True, timeout=START_SECONDS,
        )  # fmt: skip
    assert done.returncode == 1 and "cannot listen" in done.stderr
