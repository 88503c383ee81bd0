"""The venue's side of the solver: frozen package sales, one worker at a time, its proposals into the log in order.

The worker is believed nothing. What it says is a command like any other: the engine checks it, and what it refuses is
logged with the reason. One proposal is on its way at a time, with a rest between two: order entry does not wait for
them. A worker that dies is started again, waiting longer each time, so many times at most; one that has said
everything is not. What is not proved by the end of the sale's time falls back as its terms declare.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
import time

import msgspec
import structlog

from engine.codes import SaleStage
from engine.limits import PROPOSAL_LINE_BYTES_MAX
from engine.markets.sales.packages import market_of
from engine.messages.batch import cold
from engine.messages.sales.packages import Propose
from engine.state.sales.packages import PackagesState
from engine.state.sales.sale import Sale
from gateway.child import EXIT_ENDED
from gateway.front import Front
from gateway.problems import Problem
from gateway.scheduler import refusal
from gateway.solver.task import encode, task_of

REST_SECONDS = 0.005  # between two proposals
AGAIN_SECONDS = 0.1  # until one that found the inbox full, or storage low, is tried again
LOOK_SECONDS = 0.2  # how soon it is seen that a sale is over, or that it is time to start a worker again
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0)  # before each further worker for one problem; then none
REFUSALS_MAX = 20  # of one worker: what goes on saying what is wrong is ended
MODULE = "highspy"

log = structlog.get_logger(__name__)


class Solving:
    """Run it once the log is applied; `command` starts a worker."""

    def __init__(self, front: Front) -> None:
        self.front, self.env, self.machine = front, front.env, front.machine
        self.command = [sys.executable, "-m", "gateway.solver", "--parent-pid", str(os.getpid())]
        self.worker: asyncio.subprocess.Process | None = None
        self._waiting = {number for number, sale in self.machine.venue.sales.items() if _waits(sale)}
        self._failures: dict[int, int] = {}  # by sale
        self._not_before: dict[int, float] = {}
        self._woken = asyncio.Event()
        front.hub.sales.on_frozen = self._frozen

    async def run(self) -> None:
        """Until cancelled."""
        if not _installed():
            log.warning("package sales are not solved here: highspy is not installed")
        try:
            while True:
                number = self._next()
                if number is not None:
                    await self._solve(number)
                elif self._waiting:
                    await self.env.sleep(LOOK_SECONDS)
                else:
                    self._woken.clear()
                    await self._woken.wait()
        finally:
            await self._end_worker()

    def _frozen(self, numbers: list[int]) -> None:
        self._waiting.update(numbers)
        self._woken.set()

    def _next(self) -> int | None:
        """The sale whose time ends first, of those that wait."""
        sales = self.machine.venue.sales
        self._waiting = {number for number in self._waiting if _waits(sales[number])}
        now = time.monotonic()
        ready = [number for number in self._waiting if self._not_before.get(number, now) <= now]
        return min(ready, key=lambda number: (market_of(sales[number]).until_ns, number), default=None)

    async def _solve(self, number: int) -> None:
        """One worker's life."""
        if not _installed():
            log.warning("package sale not solved: highspy is not installed", sale=number)
            self._waiting.discard(number)
            return
        log.info("package sale given to the solver", sale=number)
        refused = 0
        try:
            refused = await self._follow(number)
            assert self.worker is not None
            code: int | None = self.worker.returncode
        except OSError as error:  # no process, no file handle, a pipe that broke
            log.warning("the solver could not be started", sale=number, why=str(error))
            code = None
        finally:
            await self._end_worker()
        sale = self.machine.venue.sales[number]
        if not _waits(sale):
            log.info("package sale decided", sale=number, outcome=market_of(sale).outcome)
            self._waiting.discard(number)
        elif code == EXIT_ENDED and not refused:
            log.warning("package sale not proved: the solver found no proof that can be checked", sale=number)
            self._waiting.discard(number)
        else:
            self._failed(number, code, refused)

    def _failed(self, number: int, code: int | None, refused: int) -> None:
        failures = self._failures.get(number, 0)
        if failures == len(BACKOFF_SECONDS):
            log.error("the solver is given up", sale=number, code=code, refused=refused)
            self._waiting.discard(number)
            return
        self._failures[number] = failures + 1
        self._not_before[number] = time.monotonic() + BACKOFF_SECONDS[failures]
        log.warning("the solver ended early", sale=number, code=code, refused=refused, again=BACKOFF_SECONDS[failures])

    async def _follow(self, number: int) -> int:
        """Start a worker and submit what it says until it ends or the sale is over. Returns how many were refused."""
        sale, refused = self.machine.venue.sales[number], 0
        self.worker = worker = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=PROPOSAL_LINE_BYTES_MAX,
        )
        watch = asyncio.create_task(self._end_when_over(sale))
        try:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(encode(task_of(sale)))
            with contextlib.suppress(ConnectionError):
                await worker.stdin.drain()
            worker.stdin.close()
            while refused < REFUSALS_MAX:
                try:
                    line = await worker.stdout.readline()
                except ValueError:  # longer than any proposal
                    return refused + 1
                if not line.endswith(b"\n"):  # the end, or half a line of one that was killed
                    break
                why = await self._propose(line, sale)
                if why is not None:
                    refused += 1
                    log.warning("a proposal was refused", sale=number, why=why)
                await self.env.sleep(REST_SECONDS)
            if refused < REFUSALS_MAX:
                await worker.wait()
            return refused
        finally:
            watch.cancel()

    async def _propose(self, line: bytes, sale: Sale) -> str | None:
        """Why the engine took no notice of it; None: it did."""
        try:
            body = msgspec.json.decode(line, type=Propose)
        except msgspec.DecodeError as error:
            return f"no proposal: {error}"
        while _waits(sale):
            try:
                outcome = await self.front.outcome(cold(body))
            except Problem as problem:
                if problem.code == "storage_failed":
                    return problem.code
                await self.env.sleep(AGAIN_SECONDS)
                continue
            return refusal(outcome.events)
        return None

    async def _end_when_over(self, sale: Sale) -> None:
        while _waits(sale):
            await self.env.sleep(LOOK_SECONDS)
        _kill(self.worker)

    async def _end_worker(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            _kill(worker)
            await worker.wait()


def _waits(sale: Sale) -> bool:
    """Its problem is frozen, and time for proposals is left."""
    return sale.stage == SaleStage.LIVE and isinstance(sale.market, PackagesState) and bool(sale.market.digest)


def _installed() -> bool:
    return importlib.util.find_spec(MODULE) is not None


def _kill(worker: asyncio.subprocess.Process | None) -> None:
    """It keeps nothing that could be lost."""
    if worker is not None and worker.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
