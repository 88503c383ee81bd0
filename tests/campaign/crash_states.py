"""Crash states of a log's life, enumerated from the trace of what it did to its files.

A life opens a log, writes records over several segments, makes room ahead, ends and starts again. From every state that
a loss of power may leave the log must open, hold every acknowledged record and at most the one in flight, go on, and
survive a second loss of power right after its recovery.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count as count_from
from itertools import islice
from random import Random

from engine.log.local import LocalLog
from engine.log.record import Record
from tests.campaign.crash_model import State, durable_only, states
from tests.campaign.ledger import Outcome
from tests.campaign.logs import DIRECTORY, SEGMENT_BYTES, go_on
from tests.campaign.memory_files import MemoryFiles, Op
from tests.engine.log.builders import Chain, batch_of

LIVES = 3  # starts of one life
RECORDS = 10  # of each start


def run(first: int, count: int) -> Outcome:
    """States `first` to `first + count`: all those of the life of seed 0, then of seed 1 ..."""
    outcome = Outcome()
    every = ((seed, state) for seed in count_from() for state in states(life(seed)[0]))
    for index, (seed, state) in enumerate(islice(every, first, first + count), first):
        records = life(seed)[1]
        try:
            outcome.add(**{judge(state, records): 1})
        except Exception as error:
            outcome.failures.append(
                f"--part crash_states --first {index}: life {seed}, {state.prefix} operations, {state.choice}: "
                f"{type(error).__name__} {error}"
            )
    return outcome


@lru_cache(maxsize=4)
def life(seed: int) -> tuple[list[Op], list[Record]]:
    """The trace of a life, a mark after each acknowledgement, and the records in order."""
    chance, files = Random(seed), MemoryFiles()
    records: list[Record] = []
    for _ in range(LIVES):
        log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
        chain = Chain(log.claim())
        for _ in range(RECORDS):
            record = chain.record(batch_of(chance.choice((0, 1, 1, 3, 7, 20, 40)), seed=chain.tail.next_seq))
            records.append(record)
            log.write(record)
            files.note("acknowledged")
            if log.wants_room() and chance.random() < 0.7:
                log.make_room()
        log.close()
    return files.trace, records


def judge(state: State, records: list[Record]) -> str:
    """Recover, and say whether the record in flight was there. Raises AssertionError, LogCorrupt, LogFailed."""
    raws = [record.raw for record in records]
    acknowledged = len(state.notes)
    files = MemoryFiles(state.image.copy())
    log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    found = [record.raw for record in log.read()]
    assert len(found) >= acknowledged, f"{acknowledged - len(found)} acknowledged records are lost"
    assert found == raws[: len(found)] and len(found) <= acknowledged + 1, "other records came back"

    again = MemoryFiles(durable_only(files.trace, state.image))
    log = LocalLog.open(again, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    assert [record.raw for record in log.read()] == found, "what was read at a start was lost after it"
    go_on(again, log)
    return "in_flight_kept" if len(found) > acknowledged else "in_flight_lost"
