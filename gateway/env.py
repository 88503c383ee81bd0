"""The seam between the venue and the world: clock, files, chance, threads, exit.

Everything that could differ between two runs comes through an Env, so that the whole venue can run in a simulator from
one seed. Waiting itself is asyncio's: the simulator brings its own event loop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Protocol, TypeVar

from engine.log.files import Files, RealFiles
from engine.log.interface import Log
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.writer import AVAILABLE, Writer

T = TypeVar("T")

EXIT_DIGEST = 3  # the follower came to other events
EXIT_LOG = 4  # a write or sync of the log failed
EXIT_APPLY = 5  # an exception came out of the engine
FATAL_GRACE_SECONDS = 0.1  # for answers `unknown` to leave; nothing is acknowledged in it


class Env(Protocol):
    files: Files
    random: Random  # for identifiers and jitter; chance that decides anything is inside commands

    def now_ns(self) -> int:
        """Venue time: ns since 1970, never falling."""
        ...

    def anchor(self, not_before_ns: int) -> None:
        """Never tell a time before this one: the last record's, when a wall clock was set back between two starts."""
        ...

    def write(self, log: Log, record: Record) -> Awaitable[None]:
        """Begin to make a record durable, beside the loop; one at a time. The awaitable raises LogFailed."""
        ...

    def run_background(self, function: Callable[..., T], *args: object) -> Awaitable[T]:
        """Begin a blocking call in a thread that no acknowledgement waits for."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def secret(self, size: int) -> bytes:
        """Bytes that nobody can foresee."""
        ...

    def fatal(self, code: int, why: str) -> None:
        """Say why and end the process with `code` shortly after. Returns, so that answers can still leave."""
        ...


class RealEnv:
    """This machine: a monotonic clock anchored to the wall at start, real files, two threads."""

    def __init__(self, *, seed: int | None = None) -> None:
        self.files: Files = RealFiles()
        self.random = Random(seed)
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._log_thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._background = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._writer: Writer | None = None
        self._writing: tuple[LocalLog, Record, asyncio.Future[None]] | None = None  # what the writer has in hand

    def now_ns(self) -> int:
        return time.monotonic_ns() + self._offset_ns

    def anchor(self, not_before_ns: int) -> None:
        self._offset_ns = max(self._offset_ns, not_before_ns - time.monotonic_ns())

    def write(self, log: Log, record: Record) -> Awaitable[None]:
        """Compiled code writes where nothing but writing is to be done; what else there is goes to the log's thread."""
        loop = asyncio.get_running_loop()
        place = log.place(record) if AVAILABLE and type(log) is LocalLog and type(log.files) is RealFiles else None
        if place is None:
            return loop.run_in_executor(self._log_thread, log.write, record)
        if self._writer is None:
            self._writer = Writer()
            loop.add_reader(self._writer.done, self._written, self._writer)
        handle, offset = place
        writing: asyncio.Future[None] = loop.create_future()
        self._writing = (log, record, writing)  # type: ignore[assignment]
        self._writer.begin(handle, record.raw, offset)
        return writing

    def _written(self, writer: Writer) -> None:
        assert self._writing is not None
        error = writer.finish()
        (log, record, writing), self._writing = self._writing, None
        if error is None:
            log.kept(record)
        failed = None if error is None else log.lost(record, error)
        if writing.cancelled():
            return
        if failed is None:
            writing.set_result(None)
        else:
            writing.set_exception(failed)

    def run_background(self, function: Callable[..., T], *args: object) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._background, function, *args)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def secret(self, size: int) -> bytes:
        return os.urandom(size)

    def fatal(self, code: int, why: str) -> None:
        print(f"qhatu: fatal: {why}", file=sys.stderr, flush=True)
        asyncio.get_running_loop().call_later(FATAL_GRACE_SECONDS, os._exit, code)
