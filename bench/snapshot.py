"""What a client sees of a snapshot: acknowledgements while the follower writes a million resting orders.

The venue is real and starts on a log of that many orders; in the middle of the load the follower is asked for a
snapshot. Orders sent while it is taken, written and read back are held against all others of the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from bench import load
from bench.serving import CONNECTIONS, INSTRUMENTS, TOKEN, Served, venue
from engine.codes import CommandKind, RefForm, Side
from engine.limits import RECORD_COMMANDS_MAX
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import GENESIS_DIGEST
from engine.log.snapshot import TEMPORARY, list_snapshots, read_snapshot, snapshot_name
from engine.machine import Machine
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, ROW_VERSION
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, STATUS_FILE, compiled_books
from gateway.sequencer import Stamp

STREAM = 1
BEFORE_SECONDS = 4.0  # of load before the snapshot is asked for
FIRST_SECONDS_MAX = 180.0


def resting_rows(first: int, count: int) -> np.ndarray:
    """COMMAND[count]: limit orders far from the middle of the load's books, so that none trades."""
    number = np.arange(first, first + count)
    rows = np.zeros(count, COMMAND)
    rows["kind"], rows["version"], rows["ref_form"] = CommandKind.NEW, ROW_VERSION, RefForm.STREAM
    rows["account"], rows["instrument"] = number % CONNECTIONS + 1, number // 2 % INSTRUMENTS + 1
    rows["ref_hi"], rows["ref_lo"] = STREAM, number + 1
    rows["side"] = number % 2
    rows["price"] = np.where(rows["side"] == Side.BUY, 100 + number * 7 % 9_000, 11_000 + number * 7 % 9_000)
    rows["qty"] = 1 + number % 50
    return rows


def prepare(data: Path, orders: int) -> None:
    """A venue's log with so many resting orders, written without the venue."""
    with venue(None, "--alone", data=data):
        pass  # its configuration is in the log now
    log = LocalLog.open(RealFiles(), data / LOG_FOLDER)
    stamp = Stamp(log.claim(), log.shard)
    for first in range(0, orders, RECORD_COMMANDS_MAX):
        batch = Batch(resting_rows(first, min(RECORD_COMMANDS_MAX, orders - first)))
        log.write(stamp.record(batch, 0, 0, GENESIS_DIGEST))
        if log.wants_room():
            log.make_room()
    log.write(stamp.record(Batch(np.zeros(0, COMMAND)), 0, 0, GENESIS_DIGEST))
    log.close()


class Watch(threading.Thread):
    """Asks for a snapshot after a while and notes when it began and when all of it was done."""

    def __init__(self, served: Served, seconds: float) -> None:
        super().__init__(daemon=True)
        self.served, self.seconds = served, seconds
        self.begin_ns = self.end_ns = 0

    def run(self) -> None:
        folder, files = self.served.data / SNAPSHOT_FOLDER, RealFiles()
        before = list_snapshots(files, folder)
        time.sleep(self.seconds)
        self.begin_ns = perf_counter_ns()
        os.kill(follower_of(self.served), signal.SIGUSR1)
        while list_snapshots(files, folder)[:1] == before[:1]:
            time.sleep(0.02)
        quiet(folder)
        self.end_ns = perf_counter_ns()


def follower_of(served: Served) -> int:
    for pid in served.children():
        if b"gateway.follower" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise RuntimeError("the venue has no follower")


def quiet(folder: Path) -> None:
    """Wait until nothing is being written there."""
    time.sleep(0.3)
    while any(name.endswith(TEMPORARY) for name in RealFiles().listdir(folder)):
        time.sleep(0.05)


def first_snapshot(served: Served) -> None:
    """Ask for one once the follower has caught up, and wait for it."""
    served.seconds_until_caught_up([STATUS_FILE])
    os.kill(follower_of(served), signal.SIGUSR1)
    started = time.monotonic()
    while not list_snapshots(RealFiles(), served.data / SNAPSHOT_FOLDER):
        if time.monotonic() - started > FIRST_SECONDS_MAX:
            raise TimeoutError("the follower made no snapshot")
        time.sleep(0.1)
    quiet(served.data / SNAPSHOT_FOLDER)


def measure(served: Served, rate: int, seconds: float) -> dict[str, Any]:
    import uvloop

    served.seconds_until_caught_up([STATUS_FILE])
    tokens, books = [TOKEN.format(k) for k in range(CONNECTIONS)], list(range(1, INSTRUMENTS + 1))
    watch = Watch(served, BEFORE_SECONDS)
    watch.start()
    result = uvloop.run(load.open_loop("127.0.0.1", served.port, tokens, books, rate=rate, seconds=seconds))
    watch.join(60)
    assert watch.end_ns, "the snapshot did not end"
    sent, latency = np.asarray(result.sent_ns), np.asarray(result.latencies_ns) / 1e3
    during = (sent >= watch.begin_ns) & (sent <= watch.end_ns)
    assert during.any() and not during.all(), "a longer run is needed: --seconds"
    number = list_snapshots(RealFiles(), served.data / SNAPSHOT_FOLDER)[0]
    path = served.data / SNAPSHOT_FOLDER / snapshot_name(number)
    snapshot = read_snapshot(RealFiles(), path)
    return {
        "seconds": (watch.end_ns - watch.begin_ns) / 1e9,
        "bytes": path.stat().st_size,
        "orders": len(snapshot.sections["hot/orders"]),
        "p50_us": float(np.percentile(latency[~during], 50)),
        "p99_us": float(np.percentile(latency[~during], 99)),
        "p50_us_during": float(np.percentile(latency[during], 50)),
        "p99_us_during": float(np.percentile(latency[during], 99)),
        "ratio_p99": float(np.percentile(latency[during], 99) / np.percentile(latency[~during], 99)),
        "hash": Machine.restored(compiled_books(), snapshot).state_hash().hex()[:8],
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench snapshot", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=20_000, help="single orders a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-pin", action="store_true", help="do not pin venue and client to cores of their own")
    options = parser.parse_args(argv)
    cores = sorted(os.sched_getaffinity(0))
    pinned = len(cores) > 1 and not options.no_pin
    answers = []
    with tempfile.TemporaryDirectory(prefix="qhatu-bench-") as folder:
        data = Path(folder) / "data"
        prepare(data, options.orders)
        with venue(cores[1] if pinned else None, data=data) as served:
            if pinned:
                os.sched_setaffinity(0, {cores[0]})
            first_snapshot(served)
            for _ in range(options.runs):
                answers.append(
                    {"name": "snapshot", "rate": options.rate, **measure(served, options.rate, options.seconds)}
                )
    answers.sort(key=lambda answer: answer["ratio_p99"])
    if options.json:
        print(json.dumps(answers))
        return
    for answer in answers:
        print(
            f"snapshot  {answer['orders']:,d} orders, {answer['bytes'] / 1e6:.0f} MB in {answer['seconds']:.1f} s"
            f"   at {options.rate:,d}/s p50 {answer['p50_us']:.0f} p99 {answer['p99_us']:.0f} us,"
            f" during it p50 {answer['p50_us_during']:.0f} p99 {answer['p99_us_during']:.0f} us"
            f"   p99 {answer['ratio_p99']:.2f}x   hash {answer['hash']}"
        )
