"""`Env` of one start of the serving process: a clock that leaps and stands still but never falls, and chance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

from engine.log.interface import Log
from engine.log.record import Record
from gateway.env import FATAL_GRACE_SECONDS
from tests.simulation.disk import SimFiles
from tests.simulation.loop import PROCESS

if TYPE_CHECKING:
    from tests.simulation.world import World


class SimEnv:
    def __init__(self, world: World) -> None:
        self.world = world
        self.files = SimFiles(world.disk, world.serve_faults)
        self.files.before_sync = world.look_between
        self.random = Random(world.chance.getrandbits(32))
        self._offset_ns = world.wall_offset_ns
        self._log_free_at = 0.0
        self._stands_at_ns = self._stands_until_ns = 0

    def now_ns(self) -> int:
        if self.world.monotonic_ns() < self._stands_until_ns:
            return self._stands_at_ns
        return self.world.monotonic_ns() + self._offset_ns

    def anchor(self, not_before_ns: int) -> None:
        self._offset_ns = max(self._offset_ns, not_before_ns - self.world.monotonic_ns())

    def leap(self, seconds: int) -> None:
        """The machine slept."""
        self._offset_ns += seconds * 10**9

    def stand_still(self, seconds: float) -> None:
        self._stands_at_ns = self.now_ns()
        self._stands_until_ns = self.world.monotonic_ns() + round(seconds * 1e9)

    def write(self, log: Log, record: Record) -> Awaitable:
        return self.run_blocking(log.write, record)

    def run_blocking(self, function: Callable, *args: object) -> Awaitable:
        """One thread: calls end in the order they were made, each after a disk's while."""
        loop, chance = self.world.loop, self.world.chance
        seconds = chance.uniform(0.00005, 0.0005) if chance.random() > 0.01 else chance.uniform(0.001, 0.04)
        self._log_free_at = max(loop.time(), self._log_free_at) + seconds
        return self._run_at(self._log_free_at, function, args)

    def run_background(self, function: Callable, *args: object) -> Awaitable:
        loop, chance = self.world.loop, self.world.chance
        return self._run_at(loop.time() + chance.uniform(0.001, 0.02), function, args)

    def _run_at(self, when: float, function: Callable, args: tuple) -> Awaitable:
        future = self.world.loop.create_future()

        def run() -> None:
            try:
                result = function(*args)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.world.loop.call_at(when, run)
        return future

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def secret(self, size: int) -> bytes:
        return self.random.randbytes(size)

    def fatal(self, code: int, why: str) -> None:
        self.world.note(f"fatal {code} {why}")
        self.world.loop.call_later(FATAL_GRACE_SECONDS, self.world.loop.kill, PROCESS.get())
