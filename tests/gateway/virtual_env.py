"""An Env in virtual time: what waits, waits without waiting."""

from __future__ import annotations

import asyncio
from random import Random

from engine.log.files import RealFiles
from tests.simulation.loop import SimLoop

WRITE_SECONDS = 0.0002
START_NS = 10**18


class VirtualEnv:
    """Virtual time, one log thread in which every call takes WRITE_SECONDS."""

    def __init__(self, loop: SimLoop) -> None:
        self.files = RealFiles()
        self.loop, self.offset_ns = loop, START_NS
        self.random = Random(1)
        self.exits: list[tuple[int, str]] = []

    def now_ns(self) -> int:
        return round(self.loop.time() * 1e9) + self.offset_ns

    def anchor(self, not_before_ns: int) -> None:
        self.offset_ns = max(self.offset_ns, not_before_ns - round(self.loop.time() * 1e9))

    def write(self, log, record):
        return self.run_blocking(log.write, record)

    def run_blocking(self, function, *args):
        future = self.loop.create_future()

        def run() -> None:
            try:
                future.set_result(function(*args))
            except Exception as error:
                future.set_exception(error)

        self.loop.call_later(WRITE_SECONDS, run)
        return future

    run_background = run_blocking

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def secret(self, size: int) -> bytes:
        return self.random.randbytes(size)

    def fatal(self, code: int, why: str) -> None:
        self.exits.append((code, why))
