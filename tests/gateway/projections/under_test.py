"""What the conformance suite asks of a kind of sink, and the SQLite one's answers.

A later sink joins `KINDS` with a class of these few methods; the suite then does to it what is done to every sink.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

from gateway.feeding import Sink
from gateway.places import PROJECTION_FILE
from gateway.projections.sqlite import SqliteSink, dump, remove_store

Rows = dict[str, list[tuple]]
Step = Callable[[str], None]


class SinkUnderTest(Protocol):
    """One store in one data directory."""

    name: str  # as `python -m gateway.sink` takes it

    def open(self, step: Step = lambda name: None) -> Sink:
        """A writer; `step` is called with a name between any two steps of a write, and may raise or block."""
        ...

    def abandon(self, sink: Sink) -> None:
        """What is left of a writer whose process was killed: nothing more is written, nothing said."""
        ...

    def dump(self) -> Rows:
        """Every row, in an order that is the same for equal content."""
        ...

    def seq(self) -> int:
        """Last command in it; 0 when there is no store or an empty one."""
        ...

    def wipe(self) -> None: ...

    def backup(self) -> None:
        """Keep what is stored now, as an operator would."""
        ...

    def restore(self) -> None:
        """Put back what `backup` kept; nobody writes meanwhile."""
        ...

    def break_down(self) -> None:
        """From now on it can be neither opened nor written; what it holds is safe."""
        ...

    def heal(self) -> None: ...

    def slow_down(self, seconds: float) -> None:
        """Until `heal`, other users hold it up so long at a time, again and again."""
        ...


class SqliteUnderTest:
    name = "sqlite"

    def __init__(self, data: Path) -> None:
        self.path = data / PROJECTION_FILE
        self._aside = data / "aside"
        self._kept = data / "kept.sqlite"
        self._healed = threading.Event()
        self._holder: threading.Thread | None = None

    def open(self, step: Step = lambda name: None) -> SqliteSink:
        return SqliteSink(self.path, step=step)

    def abandon(self, sink: Sink) -> None:
        assert isinstance(sink, SqliteSink)
        sink._db.close()

    def dump(self) -> Rows:
        with closing(sqlite3.connect(self.path)) as db:
            return dump(db)

    def seq(self) -> int:
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30.0)) as db:
                return db.execute("SELECT seq FROM cursor").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    def wipe(self) -> None:
        remove_store(self.path)

    def backup(self) -> None:
        with closing(sqlite3.connect(self.path)) as db, closing(sqlite3.connect(self._kept)) as kept:
            db.backup(kept)

    def restore(self) -> None:
        remove_store(self.path)
        shutil.copy(self._kept, self.path)

    def break_down(self) -> None:
        """A folder stands where the file belongs, as after a mount that went wrong; the file is kept aside."""
        self._aside.mkdir()
        for path in self.path.parent.glob(PROJECTION_FILE + "*"):
            path.rename(self._aside / path.name)
        self.path.mkdir()

    def heal(self) -> None:
        if self._holder is not None:
            self._healed.set()
            self._holder.join()
            self._holder = None
            self._healed.clear()
        if self.path.is_dir():
            self.path.rmdir()
            for path in self._aside.iterdir():
                path.rename(self.path.parent / path.name)
            self._aside.rmdir()

    def slow_down(self, seconds: float) -> None:
        def hold() -> None:
            with closing(sqlite3.connect(self.path, timeout=60.0, isolation_level=None)) as db:
                while not self._healed.is_set():
                    try:
                        db.execute("BEGIN IMMEDIATE")
                    except sqlite3.OperationalError:
                        continue
                    self._healed.wait(seconds)
                    db.execute("ROLLBACK")
                    time.sleep(0.002)

        self._holder = threading.Thread(target=hold, daemon=True)
        self._holder.start()


KINDS: list[type[SqliteUnderTest]] = [SqliteUnderTest]
