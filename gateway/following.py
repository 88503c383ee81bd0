"""Following a log: durable records through a machine of one's own into event segments. No process, no clock, no sleep.

reader.poll -> digest check -> machine.apply -> events.append ... -> events.flush
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engine.log.record import Record
from engine.log.replay import DigestCheck, Machine

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

    number, ts_ns    of the record after which the machine stands, and the reader begins; zero for the beginning

    Raises DigestDiffers, LogCorrupt, ApplyFailed and what reader and events raise; each is final.
    """

    def __init__(self, reader: Reader, machine: Machine, events: Events, number: int = 0, ts_ns: int = 0) -> None:
        self.reader, self.machine, self.events = reader, machine, events
        self.number, self.ts_ns = number, ts_ns  # of the record applied last
        self._check = DigestCheck(machine.seq, machine.event_digest)

    @property
    def seq(self) -> int:
        return self.machine.seq

    def step(self, max_records: int = RECORDS_PER_POLL) -> int:
        """Poll once and apply what is there. Returns the number of records."""
        records = self.reader.poll(max_records)
        for record in records:
            self._check.check(record)
            events = self._apply(record)
            self._check.applied(self.machine.seq, self.machine.event_digest)
            self.number, self.ts_ns = record.number, record.ts_ns
            self.events.append(record, events, self.machine.event_digest)
        self.events.flush()
        return len(records)

    def tend(self) -> bool:
        return self.events.tend()

    def finish(self) -> None:
        self.events.sync()

    def _apply(self, record: Record) -> np.ndarray:
        try:
            return self.machine.apply(record)
        except Exception as error:
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
            raise ApplyFailed(f"{type(error).__name__}: {error}{notes}") from error
