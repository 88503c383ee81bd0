"""A deterministic event loop: virtual time, callbacks that are ready run in an order drawn from the seed.

Every callback belongs to a process (a context variable, inherited as asyncio inherits contexts). Killing a process
makes its callbacks vanish between two of them: that is a crash at an await.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from random import Random

PROCESS: contextvars.ContextVar[str] = contextvars.ContextVar("process", default="world")


class Crash(SystemExit):
    """The process that runs now dies here. Nothing catches it but the loop."""


class Stuck(Exception):
    """Nothing is ready and nothing is due: somebody waits for ever."""


class SimLoop(asyncio.BaseEventLoop):
    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self.dead: set[str] = set()
        self.on_crash: Callable[[str], None] = lambda process: None
        self.halted: BaseException | None = None  # raised out of the loop after the present round
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self._now

    def spawn(self, process: str, coroutine) -> asyncio.Task:
        """Run a coroutine as a process of that name."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return self.create_task(coroutine, context=context)

    def kill(self, process: str) -> None:
        self.dead.add(process)
        self.on_crash(process)

    def _run_once(self) -> None:
        if not self._ready:
            while self._scheduled and self._scheduled[0]._cancelled:
                heapq.heappop(self._scheduled)
            if self._scheduled:
                self._now = max(self._now, self._scheduled[0]._when)
        while self._scheduled and self._scheduled[0]._when <= self._now:
            self._ready.append(heapq.heappop(self._scheduled))
        if not self._ready and not self._stopping:
            raise Stuck
        ready = list(self._ready)
        self._ready.clear()
        self._chance.shuffle(ready)
        for handle in ready:
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS, "world")
            if process in self.dead:
                continue
            try:
                handle._run()
            except Crash:
                self.kill(process)
        if self.halted is not None:
            raise self.halted

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are thrown away when their time comes."""

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads."""
