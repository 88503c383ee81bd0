"""Feeding a sink: records and their events out of event segments into rows. No process, no clock, no sleep.

    reader.poll -> sink.take ... -> sink.flush (rows and cursor at once)

The first record read is the one that the sink's cursor stands at: its digest says whether the rows were made from these
events. A step that found little may leave events waiting for the next; an empty poll always flushes, so that a quiet
venue is shown completely.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from engine.log.events import EventsCorrupt
from engine.log.record import Record
from gateway.projections.fold import Cursor
from gateway.projections.sqlite import OtherLog

RECORDS_PER_POLL = 1_000
EVENTS_PER_TRANSACTION = 50_000  # at most about so many: half again as fast as 20,000, since pages are written once
EVENTS_WORTH_WRITING = 1_000  # fewer wait a few polls for company while records keep coming
POLLS_WAITING_MAX = 4


class Reader(Protocol):
    """What feeding needs of `engine.log.event_reader.EventReader`; it begins at the cursor's own record."""

    def poll(self, max_records: int = RECORDS_PER_POLL) -> list[tuple[Record, np.ndarray, bytes]]: ...


class Sink(Protocol):
    """A store of rows that knows how far it goes. `take` raises OtherLog, `flush` what its store raises."""

    @property
    def cursor(self) -> Cursor: ...

    @property
    def events_waiting(self) -> int: ...

    def take(self, record: Record, events: np.ndarray, event_digest: bytes) -> None: ...

    def flush(self) -> int: ...

    def close(self) -> None: ...


class Feeding:
    """`step` until it returns 0: then everything decided is in the sink.

    log_end    number of the log's last record; asked when the events end before the cursor

    Raises OtherLog, EventsCorrupt and what the sink raises; then this feeding is of no further use.
    """

    def __init__(self, reader: Reader, sink: Sink, log_end: Callable[[], int]) -> None:
        self.reader, self.sink = reader, sink
        self._log_end: Callable[[], int] | None = log_end
        self._anchored = sink.cursor.number == 0
        self._polls_waiting = 0

    @property
    def number(self) -> int:
        return self.sink.cursor.number

    @property
    def seq(self) -> int:
        return self.sink.cursor.seq

    @property
    def ts_ns(self) -> int:
        return self.sink.cursor.ts_ns

    def step(self, max_records: int = RECORDS_PER_POLL) -> int:
        """Poll once and take what is there. Returns the number of records."""
        try:
            found = self.reader.poll(max_records)
        except EventsCorrupt:
            self._flush()  # what stands before the damage
            raise
        if not self._anchored:
            self._anchor(found)
        for record, events, event_digest in found:
            self.sink.take(record, events, event_digest)
            if self.sink.events_waiting >= EVENTS_PER_TRANSACTION:
                self._flush()
        self._polls_waiting += 1
        if not found or self.sink.events_waiting >= EVENTS_WORTH_WRITING or self._polls_waiting >= POLLS_WAITING_MAX:
            self._flush()
        return len(found)

    def tend(self) -> bool:
        return False

    def finish(self) -> None:
        self._flush()

    def _anchor(self, found: list[tuple[Record, np.ndarray, bytes]]) -> None:
        number = self.sink.cursor.number
        if found:
            if found[0][0].number != number:
                raise OtherLog(f"the rows end at record {number}, which is none with events here")
            self._anchored = True
        elif self._log_end is not None:
            # The events may end before the cursor for a while, when power was lost: the follower makes them anew.
            if self._log_end() < number:
                raise OtherLog(f"the rows end at record {number}, the log ends before it")
            self._log_end = None

    def _flush(self) -> None:
        self.sink.flush()
        self._polls_waiting = 0
