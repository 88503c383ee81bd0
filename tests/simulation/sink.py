"""The third process: reads event segments by its own cursor into a store of rows, a real SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from engine.log.event_reader import EventReader
from engine.log.events import EventsCorrupt
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from gateway.feeding import Feeding
from gateway.projections.sqlite import OtherLog, SqliteSink, StaleWriter, remove_store
from tests.simulation.disk import SimFiles
from tests.simulation.loop import Crash

if TYPE_CHECKING:
    from tests.simulation.world import World

COPY_RATE = 0.02  # of steps after which the store is copied
NAMED = (LogCorrupt, OtherLog, StaleWriter, AssertionError, ValueError)


class Sink:
    """One start of the sink."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.files = SimFiles(world.disk, world.follow_faults)
        self.store: SqliteSink | None = None
        self.feeding: Feeding | None = None

    @property
    def seq(self) -> int:
        """Of the last command whose events are stored."""
        return self.feeding.seq if self.feeding else 0

    async def main(self) -> None:
        self._guarded(self._open)
        while True:
            await asyncio.sleep(self.world.chance.uniform(0.005, 0.05))
            self._guarded(self._step)

    def _open(self) -> None:
        world = self.world
        self.store = world.variants.sink(world.store.path, self._between)
        reader = EventReader(self.files, world.EVENTS, max(0, self.store.cursor.number - 1))
        self.feeding = Feeding(reader, self.store, self._log_end)

    def _log_end(self) -> int:
        world = self.world
        log = LocalLog.open(self.files, world.LOG, writable=False, segment_bytes=world.SEGMENT_BYTES)
        return log.tail.next_number - 1

    def _step(self) -> None:
        assert self.feeding is not None and self.store is not None
        self.feeding.step(self.world.chance.randint(1, 50))
        if self.world.chance.random() < COPY_RATE:
            self.world.store.copy(self.store)

    def _between(self, step: str) -> None:
        """Between two statements of the store."""
        rate = self.world.sink_crash_rate
        if rate and self.world.chance.random() < rate:
            raise Crash(f"at {step} of the store")

    def _guarded(self, part) -> None:
        """As the follower's."""
        try:
            part()
        except OSError as error:
            self.world.note(f"the sink fails: {error}")
            raise Crash(str(error)) from error
        except EventsCorrupt as error:
            # Power loss may leave a hole before whole frames until the follower has cut it: a sink waits.
            self.world.note(f"the sink waits: {error}")
            if self.world.disk.rotten():
                self.world.refused("sink", error)
            raise Crash(str(error)) from error
        except NAMED as error:
            self.world.refused("sink", error)
            raise Crash(str(error)) from error
        except sqlite3.Error as error:
            raise self.world.violated(f"the store refuses: {type(error).__name__} {error}") from error

    def ended(self) -> None:
        """The process is gone; what it had open closes."""
        self.feeding = None
        if self.store is not None:
            self.store.close()
        self.store = None


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
