"""SIGSTOP of real processes under load, for up to 10 seconds, then SIGCONT: the venue, or one of its children.

A stopped venue goes on where it stood. A stopped child delays nobody else: the faster half of the answers meanwhile
takes about as long as just before (the slower half says more about a shared machine). What is held against what at the
end is as for kills.
"""

from __future__ import annotations

import asyncio
import signal
import time
from statistics import quantiles

from tests.campaign.kills import Life, in_a_directory
from tests.campaign.ledger import Outcome
from tests.campaign.served import send

PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 10.0)
WEIGHTS = (3, 3, 2, 1, 1)
BEFORE_SECONDS = 0.5  # of answers to compare with
SLOWER_MAX = 3.0  # first quartile of answers while a child is stopped, over that of before
SLACK_SECONDS = 0.05
ANSWER_SECONDS_MAX = 5.0  # to the first answer after the venue goes on
CHILD_SETTLES_SECONDS = 1.5  # a child that has just begun competes for the processor itself


def run(first: int, count: int) -> Outcome:
    """Pauses `first` to `first + count`, in one directory."""
    return in_a_directory("pauses", first, count, pause)


async def pause(life: Life) -> None:
    """One process stopped and continued. The venue is up before and after it."""
    served = life.served or await life.start()
    seconds = life.chance.choices(PAUSES_SECONDS, WEIGHTS)[0]
    pid = await life.child() if life.chance.random() < 0.5 else None
    if pid is None:
        await life.wait()
        await _stopped(served.process.pid, seconds)
        await _answered_again(life)
        life.outcome.add(of_serve=1, paused_seconds=seconds)
    else:
        await asyncio.sleep(CHILD_SETTLES_SECONDS)
        await _others_go_on(life, pid, seconds)
        life.outcome.add(of_child=1, paused_seconds=seconds)


async def _stopped(pid: int, seconds: float) -> None:
    assert send(pid, signal.SIGSTOP), "the process was gone"
    try:
        await asyncio.sleep(seconds)
    finally:
        send(pid, signal.SIGCONT)


async def _answered_again(life: Life) -> None:
    before, deadline = life.load.answers, time.monotonic() + ANSWER_SECONDS_MAX
    while life.load.answers == before:
        assert time.monotonic() < deadline, "no answer after the venue went on"
        await life.wait()


async def _others_go_on(life: Life, pid: int, seconds: float) -> None:
    usual = await _answer_seconds(life, BEFORE_SECONDS)
    stopped = asyncio.create_task(_stopped(pid, seconds))
    slower = await _answer_seconds(life, seconds)
    await stopped
    assert slower <= SLOWER_MAX * usual + SLACK_SECONDS, (
        f"answers took {slower * 1e3:.1f} ms while a child was stopped, {usual * 1e3:.1f} ms before"
    )
    life.outcome.add(slower_max=slower / usual)


async def _answer_seconds(life: Life, seconds: float) -> float:
    """First quartile of the answers of the next seconds. Raises AssertionError when there are few."""
    first = len(life.load.latencies)
    await asyncio.sleep(seconds)
    taken = [took for _, took in life.load.latencies[first:]]
    assert len(taken) > 1, f"{len(taken)} answers in {seconds} s"
    return quantiles(taken, n=4)[0]
