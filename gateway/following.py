"""Following a log: durable records through a machine of one's own into a sink. No process, no clock, no sleep.

    reader.poll -> digest check -> machine.apply -> sink.take ... -> sink.flush (rows and cursor at once)

A step that found little may leave events waiting for the next; an empty poll always flushes, so that a quiet venue is
shown completely.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engine.log.record import Record
from engine.log.replay import DigestCheck, Machine

RECORDS_PER_POLL = 1_000
EVENTS_PER_TRANSACTION = 20_000  # at most about so many; larger transactions gain nothing
EVENTS_WORTH_WRITING = 1_000  # fewer wait a few polls for company while records keep coming
POLLS_WAITING_MAX = 16


class ApplyFailed(Exception):
    """An exception came out of the engine: a bug, told apart from trouble with disks and files."""


class Reader(Protocol):
    """What following needs of `engine.log.follow.LogReader`."""

    def poll(self, max_records: int = RECORDS_PER_POLL) -> list[Record]: ...


class Sink(Protocol):
    """What following needs of a sink such as `gateway.projections.sqlite.SqliteSink`."""

    @property
    def events_waiting(self) -> int: ...

    def take(self, record: Record, events: np.ndarray, event_digest: bytes) -> None: ...

    def flush(self) -> int: ...


class Following:
    """`step` until it returns 0: then everything durable is in the sink.

    The machine begins at the reader's place. Raises DigestDiffers, LogCorrupt, ApplyFailed and what the sink raises;
    each is final.
    """

    def __init__(self, reader: Reader, machine: Machine, sink: Sink) -> None:
        self.reader, self.machine, self.sink = reader, machine, sink
        self.number = 0  # record applied last
        self.ts_ns = 0  # its time
        self._check = DigestCheck(machine.seq, machine.event_digest)
        self._polls_waiting = 0

    def step(self, max_records: int = RECORDS_PER_POLL) -> int:
        """Poll once and apply what is there. Returns the number of records."""
        records = self.reader.poll(max_records)
        for record in records:
            self._check.check(record)
            events = self._apply(record)
            self._check.applied(self.machine.seq, self.machine.event_digest)
            self.number, self.ts_ns = record.number, record.ts_ns
            self.sink.take(record, events, self.machine.event_digest)
            if self.sink.events_waiting >= EVENTS_PER_TRANSACTION:
                self._flush()
        self._polls_waiting += 1
        waited = self.sink.events_waiting >= EVENTS_WORTH_WRITING or self._polls_waiting >= POLLS_WAITING_MAX
        if not records or waited:
            self._flush()
        return len(records)

    def _apply(self, record: Record) -> np.ndarray:
        try:
            return self.machine.apply(record)
        except Exception as error:
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
            raise ApplyFailed(f"{type(error).__name__}: {error}{notes}") from error

    def _flush(self) -> None:
        self.sink.flush()
        self._polls_waiting = 0
