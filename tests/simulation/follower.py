"""The second process: reads what is durable, applies it, compares digests, keeps the store. Here it runs on the oracle,
so that a kernel that decides otherwise is found too."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import DigestDiffers
from engine.machine import Machine
from engine.oracle import books as oracle
from gateway.following import ApplyFailed, Following
from gateway.projections.sqlite import OtherLog, SqliteSink, StaleWriter, remove_store
from tests.simulation.disk import SimFiles
from tests.simulation.loop import Crash

if TYPE_CHECKING:
    from tests.simulation.world import World

NAMED = (LogCorrupt, DigestDiffers, ApplyFailed, OtherLog, StaleWriter, AssertionError, ValueError)

COPY_RATE = 0.02  # of steps after which the store is copied


class NoStore:
    """Stands where a sink does."""

    events_waiting = 0

    def take(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        """Nothing is kept."""

    def flush(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


class Watched:
    """A sink, and beside it what the follower found, for the comparison at the end."""

    def __init__(self, world: World, sink: NoStore | SqliteSink) -> None:
        self.world, self.sink = world, sink

    def append(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        self.world.published.append((record.number, record.digest, events.tobytes()))
        self.sink.take(record, events, event_digest)

    def flush(self) -> None:
        self.sink.flush()

    def sync(self) -> None:
        self.flush()

    def tend(self) -> bool:
        return False


class Follower:
    """One start of the follower."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sink: NoStore | SqliteSink = NoStore()
        self.following: Following | None = None

    @property
    def machine(self) -> Machine | None:
        return self.following.machine if self.following else None

    @property
    def seq(self) -> int:
        """Of the command applied last."""
        return self.following.machine.seq if self.following else 0

    async def main(self) -> None:
        self.guarded(self._open)
        while True:
            await asyncio.sleep(self.world.chance.uniform(0.001, 0.03))
            self.step()

    def step(self) -> None:
        if self.following is not None:
            self.guarded(self._step)

    def _open(self) -> None:
        world = self.world
        files = SimFiles(world.disk, world.follow_faults)
        log = LocalLog.open(files, world.LOG, writable=False, segment_bytes=world.SEGMENT_BYTES)
        reader = world.variants.reader(files)
        if world.storm.store:
            self.sink = world.variants.sink(world.store.path, self._between)
            if self.sink.cursor.number >= log.tail.next_number:
                raise OtherLog(f"the store is at record {self.sink.cursor.number}, the log ends before it")
        self.following = Following(reader, Machine(oracle.Books(), log.skips), Watched(world, self.sink))

    def _step(self) -> None:
        assert self.following is not None
        self.following.step(self.world.chance.randint(1, 50))
        if isinstance(self.sink, SqliteSink) and self.world.chance.random() < COPY_RATE:
            self.world.store.copy(self.sink)

    def _between(self, step: str) -> None:
        """Between two statements of the store."""
        rate = self.world.sink_crash_rate
        if rate and self.world.chance.random() < rate:
            raise Crash(f"at {step} of the store")

    def guarded(self, part) -> None:
        """Trouble with the disk ends the process; damage that was planted is refused; all else is a violation."""
        try:
            part()
        except OSError as error:
            self.world.note(f"the follower fails: {error}")
            raise Crash(str(error)) from error
        except NAMED as error:
            self.world.refused("follow", error)
            raise Crash(str(error)) from error

    def ended(self) -> None:
        """The process is gone; what it had open closes."""
        self.following = None
        self.sink.close()


class Store:
    """The file of the store, and a copy of it from earlier."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "projection.sqlite"
        self._copy: bytes | None = None

    def copy(self, sink: SqliteSink) -> None:
        self._copy = sink._db.serialize()

    def go_back(self) -> bool:
        """Power was lost with the newest transactions, or somebody put an old copy back. No process has it open."""
        if self._copy is None:
            return False
        remove_store(self.path)
        self.path.write_bytes(self._copy)
        return True
