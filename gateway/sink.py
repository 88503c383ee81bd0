"""One sink as a process: it reads event segments by its own cursor and keeps the rows of one store.

    python -m gateway.sink sqlite --data DIR [--parent-pid N]

It knows no engine: what was decided stands in the events. A wiped store is filled from the first segment on, one that
does not belong to the log or is damaged is thrown away and made anew. A store that cannot be opened or written, or
events that cannot be read, are tried again, waiting longer each time; nobody else waits for it. Exit codes:

    0  asked to end (SIGTERM), or the parent is gone
    1  another writer has taken the store over, or a fault that trying again does not help: start it again
    2  wrong arguments

DIR/sink-NAME.status is a JSON object, replaced as a whole: `state` (catching_up, following, waiting, ended, fenced,
failed), `pid`, `number`, `seq` and `as_of` of the record stored last, `why`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.log.event_reader import EventReader
from engine.log.events import EventsCorrupt
from engine.log.files import RealFiles
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from gateway import child
from gateway.child import EXIT_ENDED, EXIT_TROUBLE, POLL_SECONDS_MAX, Child
from gateway.feeding import Feeding, Sink
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, PROJECTION_FILE, sink_status_file
from gateway.projections.sqlite import OtherLog, SqliteSink, StaleWriter, remove_store

WAIT_SECONDS_MIN = 0.1  # before trouble is tried again; it doubles
WAIT_SECONDS_MAX = 5.0
# Of the store, its disk, the events. A ValueError: events that the store needs are no longer there.
TROUBLE = (sqlite3.Error, OSError, EventsCorrupt, LogCorrupt, ValueError)


class Store(NamedTuple):
    """A kind of sink: how it is opened and wiped in a data directory."""

    open: Callable[[Path], Sink]
    remove: Callable[[Path], None]


STORES = {
    "sqlite": Store(
        open=lambda data: SqliteSink(data / PROJECTION_FILE),
        remove=lambda data: remove_store(data / PROJECTION_FILE),
    ),
}


def command(name: str, data: Path, parent_pid: int) -> list[str]:
    """A sink's command line."""
    return child.command("gateway.sink", data, parent_pid, name)


async def spawn(name: str, data: Path) -> asyncio.subprocess.Process:
    """See `child.spawn`."""
    return await child.spawn(command(name, Path(data).resolve(), os.getpid()))


def main(argv: list[str] | None = None) -> int:
    parser = child.arguments("gateway.sink", "Keep one store of rows from a venue's events.")
    parser.add_argument("name", choices=sorted(STORES), help="the store")
    given = parser.parse_args(argv)
    if child.orphaned(given.parent_pid):
        return EXIT_ENDED
    child.stand_back()
    return Process(given.name, given.data, given.parent_pid).run()


class Process(Child):
    """Opens store and events, and again after trouble."""

    def __init__(self, name: str, data: Path, parent_pid: int | None) -> None:
        super().__init__(f"sink {name}", data / sink_status_file(name), parent_pid)
        self.store, self.data = STORES[name], data
        self._reached = 0  # record stored last when the store was opened

    def run(self) -> int:
        """Feed until asked to end; what is no trouble of the store becomes an exit code."""
        self.handle_signals()
        wait = 0.0
        while True:
            before = self._reached
            try:
                self._feed()
                return EXIT_ENDED
            except OtherLog as error:
                self.say(f"{error}; making it anew from the events")
                trouble: Exception = error
                with contextlib.suppress(OSError):
                    self.store.remove(self.data)
                if not wait:
                    wait = WAIT_SECONDS_MIN
                    continue
            except StaleWriter as error:
                return self.stopped(EXIT_TROUBLE, "fenced", error)
            except TROUBLE as error:
                trouble = error
            except Exception as error:
                return self.stopped(EXIT_TROUBLE, "failed", error)
            if self._reached > before:
                wait = 0.0
            wait = min(max(2 * wait, WAIT_SECONDS_MIN), WAIT_SECONDS_MAX)
            self.stopped(EXIT_TROUBLE, "waiting", trouble)
            if not self._waited(wait):
                return EXIT_ENDED

    def _feed(self) -> None:
        files = RealFiles()
        with contextlib.closing(self.store.open(self.data)) as sink:
            self._reached = sink.cursor.number
            after = max(0, sink.cursor.number - 1)  # the cursor's own record is read once more, to be compared
            with contextlib.closing(EventReader(files, self.data / EVENTS_FOLDER, after)) as reader:
                self.loop(Feeding(reader, sink, self._log_end))

    def _log_end(self) -> int:
        return LocalLog.open(RealFiles(), self.data / LOG_FOLDER, writable=False).tail.next_number - 1

    def _waited(self, seconds: float) -> bool:
        """False when the end came first."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.ends():
            time.sleep(POLL_SECONDS_MAX)
        return not self.ends()


if __name__ == "__main__":
    sys.exit(main())
