"""A deterministic fold that stands where the engine stands: enough to test logs and the sequencer without a market."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from engine.codes import EventFlag, EventKind
from engine.log.record import GENESIS_DIGEST, Record, chain_events
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, EVENT, ROW_VERSION


class TinyMachine:
    """One DONE event per command, carrying its qty; state is a running digest."""

    def __init__(self) -> None:
        self.seq = 0
        self.ts_ns = 0
        self.event_digest = GENESIS_DIGEST
        self.due: int | None = None
        self.clock_runs = False
        self.poison_qty: int | None = None
        self.seen: list[Record] = []

    def apply(self, record: Record) -> np.ndarray:
        assert record.first_seq == self.seq + 1
        rows = record.batch.rows
        if self.poison_qty is not None and (rows["qty"] == self.poison_qty).any():
            raise ZeroDivisionError("planted")
        events = np.zeros(len(rows), EVENT)
        events["kind"], events["flags"] = EventKind.DONE, EventFlag.LAST
        events["command"] = np.arange(len(rows))
        events["qty"] = rows["qty"]
        self.seen.append(record)
        self.seq = record.next_seq - 1
        self.ts_ns = record.ts_ns
        if record.count:
            self.event_digest = chain_events(self.event_digest, events)
            if self.due is not None and self.due <= record.ts_ns:
                self.due = None
        return events

    def next_due(self) -> int | None:
        return self.due

    def outage_clock_runs(self) -> bool:
        return self.clock_runs

    def state_hash(self) -> bytes:
        return blake2b(self.event_digest + self.seq.to_bytes(8, "little"), digest_size=16).digest()


def orders(*qtys: int, connection: int = 0) -> Batch:
    """A batch of NEW rows with these quantities."""
    rows = np.zeros(len(qtys), COMMAND)
    rows["kind"], rows["version"], rows["connection"], rows["qty"] = 1, ROW_VERSION, connection, qtys
    return Batch(rows)
