"""Durable orders/s through the whole venue: WebSocket, log, engine, answers, with follower, snapshots and SQLite on.

Baselines of the same run, on the same cores: the same venue alone (`serve --alone`), by turns; a bare aiohttp echo of
the same frames; a bare pwrite + fdatasync of one page. The venue runs on one core, the client on another, followers
where there is room; figures of the client's core are floors.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from bench import load
from bench.serving import CONNECTIONS, INSTRUMENTS, TOKEN, Served, venue
from gateway.places import STATUS_FILE, sink_status_file


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
    followers = [STATUS_FILE, sink_status_file("sqlite")]
    catch_up: list[dict[str, float]] = []

    def turns(measure, key):  # type: ignore[no-untyped-def]
        """Median results of the whole venue and of the one alone, measured by turns; each begins when all is quiet."""
        results: dict[str, list] = {"whole": [], "alone": []}
        for _ in range(options.runs):
            for name, served in (("alone", alone), ("whole", whole)):
                results[name].append(measure(served))
            catch_up.append(whole.seconds_until_caught_up(followers))
        return [sorted(results[name], key=key)[options.runs // 2] for name in ("whole", "alone")]

    with venue(server_core, "--alone") as alone, venue(server_core) as whole:
        for per_message, window in shapes:

            def saturated(served: Served, p: int = per_message, w: int = window) -> tuple[load.Result, float]:
                cpu = cpu_seconds(served.pid)
                run = load.saturate(
                    "127.0.0.1", served.port, tokens, books, per_message=p, window=w, seconds=options.seconds
                )
                result = uvloop.run(run)
                return result, (cpu_seconds(served.pid) - cpu) / result.answered * 1e6

            (result, cpu_us), (bare, _) = turns(saturated, key=lambda found: found[0].orders_per_s)
            ratio = result.orders_per_s / per_message / echo[per_message]
            of_alone = result.orders_per_s / bare.orders_per_s
            say(
                f"durable_{per_message}",
                f"{result.orders_per_s:10,.0f} orders/s   {per_message} a message   {ratio:.2f}x echo"
                f"   {of_alone:.2f}x alone ({bare.orders_per_s:,.0f})   {cpu_us:.2f} us of processor an order"
                f"   {result.refused} refused busy",
                orders_per_s=result.orders_per_s,
                of_echo=ratio,
                of_alone=of_alone,
                cpu_us=cpu_us,
                refused=result.refused,
            )
        for rate in (5_000, 20_000):

            def paced(served: Served, r: int = rate) -> load.Result:
                return uvloop.run(
                    load.open_loop("127.0.0.1", served.port, tokens, books, rate=r, seconds=options.seconds)
                )

            result, bare = turns(paced, key=lambda found: found.latency_us(50))
            say(
                f"latency_{rate}",
                f"{rate:10,d} orders/s   p50 {result.latency_us(50):.0f} us   p99 {result.latency_us(99):.0f} us"
                f"   alone p50 {bare.latency_us(50):.0f} p99 {bare.latency_us(99):.0f} us"
                f"   {result.latency_us(50) / sync_p50:.1f}x fdatasync p50",
                p50_us=result.latency_us(50),
                p99_us=result.latency_us(99),
                p50_us_alone=bare.latency_us(50),
                p99_us_alone=bare.latency_us(99),
                of_sync=result.latency_us(50) / sync_p50,
            )
        follower, sink = (max(took[name] for took in catch_up) for name in followers)
        say(
            "caught_up",
            f"{follower:10.1f} s   longest that the follower took to the venue's last command after a run"
            f"   its sink {sink:.1f} s",
            follower_s=follower,
            sink_s=sink,
        )
    if options.json:
        print(json.dumps(lines))
