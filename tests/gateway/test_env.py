"""The real Env: a clock that never falls, writes in order, an end that says why."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.log.files import Files, RealFiles
from engine.log.interface import LogFailed
from engine.log.local import LocalLog
from engine.log.segments import list_segments
from gateway.env import EXIT_LOG, RealEnv
from tests.engine.log.builders import Chain, batch_of
from tests.faulty_files import FaultyFiles


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


SEGMENT = 64 * 1024
by_both = pytest.mark.parametrize("files", [RealFiles(), FaultyFiles(RealFiles())], ids=["compiled", "thread"])


def opened(files: Files, directory: Path) -> tuple[LocalLog, Chain]:
    log = LocalLog.open(files, directory, segment_bytes=SEGMENT)
    return log, Chain(log.claim())


@by_both
async def test_records_are_durable_in_the_order_in_which_they_were_written(files: Files, tmp_path: Path) -> None:
    """Over several segments, while the loop goes on."""
    env = RealEnv()
    log, chain = opened(files, tmp_path)
    turns = 0
    for k in range(200):
        record = chain.record(batch_of(1 + k % 40, k))
        writing = asyncio.ensure_future(env.write(log, record))
        while not writing.done():
            turns += 1
            await asyncio.sleep(0)
        writing.result()
        assert log.durable_number == record.number
    assert turns > 200 and len(list_segments(files, tmp_path)) > 3
    raws = [record.raw for record in log.read()]
    log.close()
    again = LocalLog.open(RealFiles(), tmp_path, segment_bytes=SEGMENT)
    assert [record.raw for record in again.read()] == raws and len(raws) == 200
    again.close()


@by_both
async def test_a_write_that_fails_is_the_last_one(files: Files, tmp_path: Path) -> None:
    env = RealEnv()
    log, chain = opened(files, tmp_path)
    await env.write(log, chain.record(batch_of(1)))
    assert log._handle is not None
    os.close(log._handle)
    lost = chain.record(batch_of(1))
    with pytest.raises(LogFailed, match=r"record 2 could not be made durable: .*Bad file descriptor"):
        await env.write(log, lost)
    assert log.failed and log.durable_number == 1
    log._handle = os.open(list_segments(files, tmp_path)[0], os.O_RDWR)
    with pytest.raises(LogFailed, match="record 2 "):
        await env.write(log, lost)
    log.close()


async def test_a_write_that_nobody_waits_for_is_counted_all_the_same(tmp_path: Path) -> None:
    env = RealEnv()
    log, chain = opened(RealFiles(), tmp_path)
    await env.write(log, chain.record(batch_of(1)))
    left = asyncio.ensure_future(env.write(log, chain.record(batch_of(1))))
    left.cancel()
    while log.durable_number < 2:
        await asyncio.sleep(0.001)
    await env.write(log, chain.record(batch_of(1)))
    assert log.durable_number == 3
    log.close()


async def test_the_background_does_not_stand_in_the_logs_way(tmp_path: Path) -> None:
    env = RealEnv()
    log, chain = opened(RealFiles(), tmp_path)
    gate = threading.Event()
    waiting = env.run_background(gate.wait, 5)
    await env.write(log, chain.record(batch_of(1)))
    assert not gate.is_set()
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
