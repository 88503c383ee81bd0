"""Following a log: durable records through a machine of one's own into event segments and snapshots.

    reader.poll -> digest check -> machine.apply -> events.append ... -> events.flush | events.sync -> snapshot

No clock and no sleep are here; a snapshot is written in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from engine.limits import SNAPSHOT_AT_END_COMMANDS
from engine.log.record import Record
from engine.log.replay import DigestCheck
from gateway.replaying import Standing
from gateway.snapshots import Keeper

RECORDS_PER_POLL = 1_000


class ApplyFailed(Exception):
    """An exception came out of the engine: a bug, told apart from trouble with disks and files."""


class Reader(Protocol):
    """What following needs of `engine.log.follow.LogReader`."""

    def poll(self, max_records: int = RECORDS_PER_POLL) -> list[Record]: ...


class Events(Protocol):
    """What following needs of `engine.log.event_writer.EventWriter`."""

    def append(self, record: Record, events: np.ndarray, event_digest: bytes) -> None: ...

    def flush(self) -> None: ...

    def sync(self) -> None: ...

    def tend(self) -> bool: ...


class Following:
    """`step` until it returns 0: then the events of everything durable are written.

    standing  the machine that reads on, and its place: where the reader begins
    keeper    takes snapshots when they are due; None: none

    Raises DigestDiffers, LogCorrupt, ApplyFailed and what reader and events raise; each is final.
    """

    def __init__(self, reader: Reader, standing: Standing, events: Events, keeper: Keeper | None = None) -> None:
        self.reader, self.events, self.keeper = reader, events, keeper
        self.machine, self.trades, self.tail = standing.machine, standing.trades, standing.tail
        self.says: Callable[[str], None] = lambda text: None
        self._check = DigestCheck(self.machine.seq, self.machine.event_digest)

    @property
    def number(self) -> int:
        """Record applied last."""
        return self.tail.next_number - 1

    @property
    def seq(self) -> int:
        return self.machine.seq

    @property
    def ts_ns(self) -> int:
        return self.tail.ts_ns

    def step(self, max_records: int = RECORDS_PER_POLL) -> int:
        """Poll once and apply what is there. Returns the number of records."""
        records = self.reader.poll(max_records)
        for record in records:
            self._check.check(record)
            events = self._apply(record)
            self._check.applied(self.machine.seq, self.machine.event_digest)
            self.tail = self.tail.after(record)
            self.events.append(record, events, self.machine.event_digest)
            if len(events) and self.trades.take(events, record.ts_ns):
                self.trades.number()
        self.events.flush()
        return len(records)

    def tend(self) -> bool:
        """Begin a snapshot when one is due, hear of the one that is written, compress events."""
        keeper = self.keeper
        if keeper is not None:
            if told := keeper.look():
                self.says(told)
            if keeper.due(self.seq):
                self._snapshot(keeper)
        return self.events.tend()

    def finish(self) -> None:
        """Everything durable; and a snapshot where the next start would have much to replay."""
        keeper = self.keeper
        if keeper is not None:
            told = keeper.finish()
            if told is None and self.seq - keeper.seq >= SNAPSHOT_AT_END_COMMANDS:
                self._snapshot(keeper)
                told = keeper.finish()
            if told:
                self.says(told)
        self.events.sync()

    def _snapshot(self, keeper: Keeper) -> None:
        """Whoever finds a snapshot finds the events up to it."""
        self.events.sync()
        keeper.begin(self.machine, self.tail, self.trades)

    def _apply(self, record: Record) -> np.ndarray:
        try:
            return self.machine.apply(record)
        except Exception as error:
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
            raise ApplyFailed(f"{type(error).__name__}: {error}{notes}") from error
