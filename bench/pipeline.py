"""Durable orders/s through the whole venue: WebSocket, log, engine, answers, with follower and SQLite running.

Baselines of the same run, on the same cores: a bare aiohttp echo of the same frames, and a bare pwrite + fdatasync of
one page. The venue runs on one core, the client on another; figures of the client's core are floors.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from bench import load

INSTRUMENTS = 8
CONNECTIONS = 8
TOKEN = "qk_bench{:02d}pipelineloadclientkey0000"

_INSTRUMENT = """
[[instruments]]
symbol = "BENCH-{id}"
name = "Bench coffee {id}"
commodity = "green coffee"
tick_size = "0.05"
price_unit = "USc/lb"
lot_kg = "69"
lot_unit = "bag of 69 kg"
currency = "USD"
opening = "continuous"
"""
_ACCOUNT = """
[[accounts]]
account = {id}
label = "bench-{id}"
kind = "importer"

[[keys]]
account = {id}
roles = ["read", "trade"]
token = "{token}"
"""


def config_text() -> str:
    """A venue of INSTRUMENTS open books and CONNECTIONS traders."""
    return "\n".join(
        ['venue = "bench"\n']
        + [_INSTRUMENT.format(id=k + 1) for k in range(INSTRUMENTS)]
        + [_ACCOUNT.format(id=k + 1, token=TOKEN.format(k)) for k in range(CONNECTIONS)]
    )


@contextlib.contextmanager
def venue(core: int | None) -> Iterator[tuple[int, int]]:
    """A real `qhatu serve` on a free port and an empty data directory; yields its port and process id."""
    with tempfile.TemporaryDirectory(prefix="qhatu-bench-") as folder:
        config = Path(folder) / "bench.toml"
        config.write_text(config_text(), encoding="utf-8")
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
        command += ["--data", str(Path(folder) / "data"), "--port", "0"]
        log = (Path(folder) / "serve.log").open("w+")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[^:]+:(\d+)", line)
            if not found:
                log.seek(0)
                raise RuntimeError(f"the venue did not start: {line!r}\n{log.read()}")
            if core is not None:  # every thread of serve; the follower, a process of its own, goes where there is room
                for task in os.listdir(f"/proc/{process.pid}/task"):
                    with contextlib.suppress(ProcessLookupError):  # a thread of the start that has ended
                        os.sched_setaffinity(int(task), {core})
            yield int(found[1]), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


@contextlib.contextmanager
def echo_server(core: int | None) -> Iterator[int]:
    """A bare aiohttp WebSocket echo in a process of its own; yields the port."""
    process = subprocess.Popen([sys.executable, "-m", "bench.echo"], stdout=subprocess.PIPE, text=True)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, all threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare_sync(seconds: float) -> tuple[float, float, float]:
    """(commits/s, p50 us, p99 us) of pwrite + fdatasync of 4 KiB into a zeroed file."""
    with tempfile.NamedTemporaryFile() as file:
        fd = file.fileno()
        page = b"\x01" * 4096
        os.pwrite(fd, bytes(8 << 20), 0)
        os.fsync(fd)
        took: list[int] = []
        end = perf_counter_ns() + int(seconds * 1e9)
        while (start := perf_counter_ns()) < end:
            os.pwrite(fd, page, len(took) % 2048 * 4096)
            os.fdatasync(fd)
            took.append(perf_counter_ns() - start)
    return len(took) / seconds, float(np.percentile(took, 50)) / 1e3, float(np.percentile(took, 99)) / 1e3


async def echo_rate(port: int, per_message: int, window: int, seconds: float) -> float:
    """Messages/s of the echo over CONNECTIONS connections with `window` messages in flight each."""
    payload = load.rows_frame(load.Flow(1, 1, 1).rows(per_message))
    count = 0

    class Echo(load.Connection):
        def take(self, op: int, payload_back: bytes) -> None:
            nonlocal count
            count += 1
            self.transport.write(payload)

    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(CONNECTIONS):
        _, connection = await loop.create_connection(lambda: Echo(lambda _c, _e: None), "127.0.0.1", port)
        connection.hello("127.0.0.1")
        await connection.upgraded
        connection.said_ok.set_result(None)
        connections.append(connection)
    for connection in connections:
        connection.transport.write(payload * window)
    await asyncio.sleep(0.3)
    first, start = count, perf_counter_ns()
    await asyncio.sleep(seconds)
    rate = (count - first) / (perf_counter_ns() - start) * 1e9
    for connection in connections:
        connection.transport.abort()
    return rate


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench pipeline", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=3, help="medians are over this many runs")
    parser.add_argument("--no-pin", action="store_true", help="do not pin venue and client to cores of their own")
    options = parser.parse_args(argv)
    import uvloop

    cores = sorted(os.sched_getaffinity(0))
    pinned = len(cores) > 1 and not options.no_pin
    server_core = cores[1] if pinned else None
    if pinned:
        os.sched_setaffinity(0, {cores[0]})
    lines: list[dict[str, float | str]] = []

    def say(name: str, text: str, **figures: float) -> None:
        lines.append({"name": name, **figures})
        if not options.json:
            print(f"pipeline.{name:22s} {text}", flush=True)

    def median(coroutine_of, key=lambda value: value):  # type: ignore[no-untyped-def]
        results = [uvloop.run(coroutine_of()) for _ in range(options.runs)]
        return sorted(results, key=key)[len(results) // 2]

    commits, sync_p50, sync_p99 = bare_sync(options.seconds)
    say(
        "bare_fdatasync",
        f"{commits:10,.0f} commits/s   p50 {sync_p50:.0f} us   p99 {sync_p99:.0f} us",
        commits_per_s=commits,
        p50_us=sync_p50,
        p99_us=sync_p99,
    )
    shapes = [(1, 256), (10, 64), (100, 16)]
    echo: dict[int, float] = {}
    with echo_server(server_core) as port:
        for per_message, window in shapes:
            echo[per_message] = median(lambda p=per_message, w=window: echo_rate(port, p, w, options.seconds))
            say(
                f"echo_{per_message}",
                f"{echo[per_message]:10,.0f} messages/s   bare aiohttp, {per_message} rows a message",
                messages_per_s=echo[per_message],
            )
    tokens, books = [TOKEN.format(k) for k in range(CONNECTIONS)], list(range(1, INSTRUMENTS + 1))
    with venue(server_core) as (port, pid):
        for per_message, window in shapes:
            cpu, orders = cpu_seconds(pid), 0

            def count(result: load.Result) -> float:
                nonlocal orders
                orders += result.answered
                return result.orders_per_s

            result = median(
                lambda p=per_message, w=window: load.saturate(
                    "127.0.0.1", port, tokens, books, per_message=p, window=w, seconds=options.seconds
                ),
                key=count,
            )
            cpu_us = (cpu_seconds(pid) - cpu) / orders * 1e6
            ratio = result.orders_per_s / per_message / echo[per_message]
            say(
                f"durable_{per_message}",
                f"{result.orders_per_s:10,.0f} orders/s   {per_message} a message   {ratio:.2f}x echo"
                f"   {cpu_us:.2f} us of processor an order   {result.refused} refused busy",
                orders_per_s=result.orders_per_s,
                of_echo=ratio,
                cpu_us=cpu_us,
                refused=result.refused,
            )
        for rate in (5_000, 20_000):
            result = median(
                lambda r=rate: load.open_loop("127.0.0.1", port, tokens, books, rate=r, seconds=options.seconds),
                key=lambda r: r.latency_us(50),
            )
            say(
                f"latency_{rate}",
                f"{rate:10,d} orders/s   p50 {result.latency_us(50):.0f} us   p99 {result.latency_us(99):.0f} us"
                f"   {result.latency_us(50) / sync_p50:.1f}x fdatasync p50",
                p50_us=result.latency_us(50),
                p99_us=result.latency_us(99),
                of_sync=result.latency_us(50) / sync_p50,
            )
    if options.json:
        print(json.dumps(lines))
