"""Records for the tests of the log: a writer's view of a chain, without a sequencer."""

from __future__ import annotations

import numpy as np

from engine.log.interface import Tail
from engine.log.record import GENERATION, GENESIS_DIGEST, Record, chain_events, encode_record
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, EVENT, ROW_VERSION

Decided = tuple[Record, np.ndarray, bytes]  # a record, its events, the event digest after it


def batch_of(count: int, seed: int = 0) -> Batch:
    """`count` NEW rows whose quantities name them."""
    rows = np.zeros(count, COMMAND)
    rows["kind"], rows["version"], rows["account"] = 1, ROW_VERSION, 1
    rows["qty"] = seed + np.arange(count)
    return Batch(rows)


class Chain:
    """Makes each next record from a claimed tail."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail

    def record(self, batch: Batch, ts_ns: int | None = None) -> Record:
        tail = self.tail
        record = encode_record(
            batch,
            shard=0,
            generation=GENERATION,
            epoch=tail.epoch,
            first_seq=tail.next_seq,
            ts_ns=tail.ts_ns + 1 if ts_ns is None else ts_ns,
            number=tail.next_number,
            prev_digest=tail.digest,
            durable_through=tail.next_number - 1,
            applied_seq=0,
            event_digest=GENESIS_DIGEST,
        )
        self.tail = tail.after(record)
        return record


def fill(log, counts: list[int]) -> list[Record]:
    """Claim the log and write records of these sizes."""
    chain = Chain(log.claim())
    records = []
    for count in counts:
        record = chain.record(batch_of(count, seed=chain.tail.next_seq))
        log.write(record)
        records.append(record)
    return records


def tail_after(records: list[Record], count: int) -> Tail:
    """The place in the log after the first `count` of its records."""
    tail = Tail()
    for record in records[:count]:
        tail = tail.after(record)
    return tail


def decided(counts: list[int], events_per_command: int = 2) -> list[Decided]:
    """Records of these sizes with events that name them, as an engine would give them."""
    chain, digest, found = Chain(Tail(epoch=1)), GENESIS_DIGEST, []
    for count in counts:
        record = chain.record(batch_of(count, seed=chain.tail.next_seq))
        events = np.zeros(events_per_command * count, EVENT)
        events["qty"] = 1_000 * record.number + np.arange(len(events))
        if count:
            digest = chain_events(digest, events)
        found.append((record, events, digest))
    return found
