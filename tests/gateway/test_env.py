"""The real Env: a clock that never falls, one log thread in order, an end that says why."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

from gateway.env import EXIT_LOG, RealEnv


def test_the_clock_is_the_walls_and_never_falls():
    env = RealEnv()
    assert abs(env.now_ns() - time.time_ns()) < 10**9
    seen = [env.now_ns() for _ in range(1_000)]
    assert seen == sorted(seen)


def test_an_anchor_moves_the_clock_forward_only():
    env = RealEnv()
    now = env.now_ns()
    env.anchor(now - 3600 * 10**9)
    assert env.now_ns() - now < 10**9
    env.anchor(now + 3600 * 10**9)  # the last record is an hour ahead: the wall clock was set back
    assert env.now_ns() >= now + 3600 * 10**9


async def test_blocking_calls_begin_at_once_and_keep_their_order():
    env = RealEnv()
    seen: list[tuple[int, str]] = []

    def work(number: int) -> int:
        time.sleep(0.002 * (3 - number))
        seen.append((number, threading.current_thread().name))
        return number

    futures = [env.run_blocking(work, number) for number in range(3)]
    time.sleep(0.03)  # nothing was awaited yet: the loop is busy, the thread is not
    assert [number for number, _ in seen] == [0, 1, 2]
    assert len({name for _, name in seen}) == 1
    assert await asyncio.gather(*futures) == [0, 1, 2]


async def test_the_background_does_not_stand_in_the_logs_way():
    env = RealEnv()
    gate = threading.Event()
    waiting = env.run_background(gate.wait, 5)
    assert await env.run_blocking(lambda: "written") == "written"
    gate.set()
    assert await waiting


ENDING = """
import asyncio
from gateway.env import EXIT_LOG, RealEnv
async def main():
    RealEnv().fatal(EXIT_LOG, "the disk is gone")
    print("answers still leave", flush=True)
    await asyncio.sleep(30)
asyncio.run(main())
"""


def test_fatal_says_why_lets_answers_leave_and_ends():
    begun = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=20)
    assert ended.returncode == EXIT_LOG
    assert "the disk is gone" in ended.stderr and ended.stdout == "answers still leave\n"
    assert time.monotonic() - begun < 15
