"""What the venue asks of a log, so that another durable log can stand in its place, and how one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from engine.log.record import GENESIS_DIGEST, Record


class LogFailed(Exception):
    """A write, sync, rename or open went wrong. Final: what was in flight is unknown, and nothing may be tried again
    on this log; a fresh open tells what became durable."""


class LogCorrupt(Exception):
    """A record that was once durable is damaged or missing. The venue refuses to start on it."""

    def __init__(self, segment: str, offset: int, seq: int, why: str) -> None:
        super().__init__(f"log segment {segment} is damaged at byte {offset}, command sequence {seq}: {why}")
        self.segment, self.offset, self.seq, self.why = segment, offset, seq, why


class Tail(NamedTuple):
    """Where a log ends: what the next record must follow."""

    next_seq: int = 1  # sequence of the next command
    next_number: int = 1  # number of the next record
    digest: bytes = GENESIS_DIGEST  # of the last record
    ts_ns: int = 0  # of the last record
    epoch: int = 0  # of the last record

    def fault(self, record: Record) -> str | None:
        """Why `record` cannot come next, or None when it can."""
        if record.number != self.next_number:
            return f"record {record.number} stands where {self.next_number} belongs"
        if record.prev_digest != self.digest:
            return f"record {record.number} does not follow the record before it (digest)"
        if record.first_seq != self.next_seq:
            return f"record {record.number} begins at command {record.first_seq}, not {self.next_seq}"
        if record.ts_ns < self.ts_ns:
            return f"time falls in record {record.number}"
        if record.epoch < self.epoch:
            return f"epoch falls in record {record.number}"
        if record.durable_through >= record.number:
            return f"record {record.number} calls itself durable"
        return None

    def after(self, record: Record) -> Tail:
        return Tail(record.next_seq, record.number + 1, record.digest, record.ts_ns, record.epoch)


class Log(Protocol):
    """One writer. `write` blocks until the record is durable; it is called from one thread at a time."""

    notes: list[str]  # what an operator should know about how it was opened: a torn tail that was cut
    skips: frozenset[int]  # sequences that SKIP commands in the log name, in what is not archived; see `skips_from`
    first_number: int  # first record that `read` can give without an archive
    tail: Tail  # where it ends
    generation: int  # of the rules its last record was written under; 0 without a record
    live: bool  # another process writes it meanwhile: by now it may go on beyond `durable_number`
    durable_number: int  # last record known durable, 0 for none
    failed: str | None  # why nothing more can be written

    def claim(self, epoch: int | None = None) -> Tail:
        """Become the writer with this epoch (one above the last when None). `Tail.epoch` is the epoch claimed."""
        ...

    def write(self, record: Record) -> None:
        """Make one record durable. Raises LogFailed; AssertionError when the record does not follow the last."""
        ...

    def read(self, after: Tail = Tail()) -> Iterator[Record]:
        """Durable records that follow `after` (a place in this log), in order, chain checked; archived ones too.

        Raises LogCorrupt, also when `after` is no place of this log; ValueError when the first record asked for is
        neither in the log nor in its archive.
        """
        ...

    def skips_from(self, number: int) -> frozenset[int]:
        """All that must be known to apply records from `number` on. A SKIP stands after the command it names, so the
        archive is looked through only where the reading begins in it. Raises LogCorrupt."""
        ...

    def has(self, number: int) -> bool:
        """Whether the log or its archive can give record `number`."""
        ...

    def wants_room(self) -> bool:
        """Whether `make_room` should run soon, beside the writing."""
        ...

    def make_room(self) -> None:
        """Prepare space ahead, blocking, from any thread. Raises LogFailed."""
        ...

    def close(self) -> None: ...
