"""Crash states of short lives, enumerated from the trace of what they did to their files.

Lives with even seeds are a log's alone: it opens, writes records over several segments, makes room ahead, ends and
starts again. In those with odd seeds a follower writes event segments meanwhile, takes snapshots and prunes them, and
archives segments of the log.

From every state that a loss of power may leave the log must open, hold every acknowledged record and at most the one in
flight, go on, and survive a second loss of power right after its recovery. The archive and the log must hold every
record from the first. Where there are snapshots the newest must be whole, events must reach it, and the log after it
must lead to the state there was and to every event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from random import Random

from engine.log.archive import archive_before
from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.interface import Tail
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.snapshot import list_snapshots, prune_snapshots, read_snapshot, snapshot_name, write_snapshot
from engine.machine import Machine
from engine.oracle.books import Books
from tests.campaign.crash_model import State, durable_only, states
from tests.campaign.ledger import Outcome
from tests.campaign.logs import DIRECTORY, SEGMENT_BYTES, go_on, market
from tests.campaign.memory_files import Image, MemoryFiles, Op
from tests.engine.log.builders import Chain, batch_of

SNAPSHOTS, EVENTS = Path("/snapshots"), Path("/events")
EVENT_SEGMENT_BYTES = 8 * 1024
SNAPSHOT_EVERY = 6  # records
LIVES = 3  # starts of one life
RECORDS = 10  # of each start


@dataclass
class Life:
    """A trace with a mark after each acknowledgement, and the records in order."""

    trace: list[Op]
    records: list[Record]
    hashes: list[bytes] = field(default_factory=list)  # state after each record, where there are snapshots
    events: list[tuple[int, bytes]] = field(default_factory=list)  # (record, its events), of those that have commands


def run(first: int, count: int) -> Outcome:
    """States `first` to `first + count`: all those of the life of seed 0, then of seed 1 ..."""
    outcome = Outcome()
    every = ((seed, state) for seed in count_from() for state in states(life(seed).trace))
    for index, (seed, state) in enumerate(islice(every, first, first + count), first):
        try:
            outcome.add(**{judge(state, life(seed)): 1})
        except Exception as error:
            outcome.failures.append(
                f"--part crash_states --first {index}: life {seed}, {state.prefix} operations, {state.choice}: "
                f"{type(error).__name__} {error}"
            )
    return outcome


@lru_cache(maxsize=4)
def life(seed: int) -> Life:
    """The whole life, undisturbed."""
    lived = Life([], [])
    live(seed, MemoryFiles(), lived)
    return lived


def live(seed: int, files: MemoryFiles, lived: Life) -> None:
    """Live it on these files; `lived` is filled meanwhile. Raises what the files raise, and LogFailed."""
    lived.trace = files.trace
    (_with_follower if seed % 2 else _of_a_log)(seed, files, lived)


def _of_a_log(seed: int, files: MemoryFiles, lived: Life) -> None:
    chance = Random(seed)
    for _ in range(LIVES):
        log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
        chain = Chain(log.claim())
        for _ in range(RECORDS):
            record = chain.record(batch_of(chance.choice((0, 1, 1, 3, 7, 20, 40)), seed=chain.tail.next_seq))
            lived.records.append(record)
            log.write(record)
            files.note("acknowledged")
            if log.wants_room() and chance.random() < 0.7:
                log.make_room()
        log.close()


def _with_follower(seed: int, files: MemoryFiles, lived: Life) -> None:
    machine, place = Machine(Books()), Tail()
    log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    log.claim()
    lived.records = market(seed)
    writer = EventWriter(files, EVENTS, segment_bytes=EVENT_SEGMENT_BYTES)
    for record in lived.records:
        log.write(record)
        files.note("acknowledged")
        events = machine.apply(record)
        writer.append(record, events, machine.event_digest)
        if record.count:
            lived.events.append((record.number, events.tobytes()))
        place = place.after(record)
        lived.hashes.append(machine.state_hash())
        if record.number % SNAPSHOT_EVERY == 0:
            writer.sync()
            _keep(files, machine, place)
        elif record.number % 2:
            writer.flush()
        else:
            writer.tend()
    log.close()
    writer.close()


def _keep(files: MemoryFiles, machine: Machine, place: Tail) -> None:
    """What a follower does now and then: what the older snapshot covers is archived."""
    write_snapshot(files, SNAPSHOTS, machine.snapshot(place))
    prune_snapshots(files, SNAPSHOTS)
    kept = list_snapshots(files, SNAPSHOTS)
    if len(kept) > 1:
        archive_before(files, DIRECTORY, kept[-1])


def judge(state: State, lived: Life, before: Image | None = None, trace: Sequence[Op] = ()) -> str:
    """Recover, and say whether the record in flight was there. Raises AssertionError, LogCorrupt, LogFailed.

    before, trace  what was durable once, and what happened since, where the state is not durable itself
    """
    raws = [record.raw for record in lived.records]
    acknowledged = len(state.notes)
    files = MemoryFiles(state.image.copy())
    log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    found = [record.raw for record in log.read()]
    assert len(found) >= acknowledged, f"{acknowledged - len(found)} acknowledged records are lost"
    assert found == raws[: len(found)] and len(found) <= acknowledged + 1, "other records came back"
    if lived.hashes and found:
        _check_state(files, log, lived)

    again = MemoryFiles(durable_only([*trace, *files.trace], state.image if before is None else before))
    log = LocalLog.open(again, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    assert [record.raw for record in log.read()] == found, "what was read at a start was lost after it"
    go_on(again, log)
    return "in_flight_kept" if len(found) > acknowledged else "in_flight_lost"


def _check_state(files: MemoryFiles, log: LocalLog, lived: Life) -> None:
    """The newest snapshot is whole, and leads to the state and to the events that were."""
    machine, after = Machine(Books(), log.skips), Tail()
    writer = EventWriter(files, EVENTS, segment_bytes=EVENT_SEGMENT_BYTES)
    if kept := list_snapshots(files, SNAPSHOTS):
        snapshot = read_snapshot(files, SNAPSHOTS / snapshot_name(kept[0]))
        machine, after = Machine.restored(Books(), snapshot, log.skips), snapshot.tail
        assert writer.end.number >= _last_with_commands(lived, snapshot.number), "events end before the snapshot"
    assert log.first_number <= after.next_number, "the log begins after the newest snapshot"
    for record in log.read(after):
        events = machine.apply(record)
        writer.append(record, events, machine.event_digest)
    writer.close()
    found = log.tail.next_number - 1
    assert machine.state_hash() == lived.hashes[found - 1], "snapshot and log come to another state"
    reader, events_found = EventReader(files, EVENTS), []
    while more := reader.poll():
        events_found += [(record.number, events.tobytes()) for record, events, _ in more]
    reader.close()
    assert events_found == [event for event in lived.events if event[0] <= found], "other events are stored"


def _last_with_commands(lived: Life, number: int) -> int:
    return max((event[0] for event in lived.events if event[0] <= number), default=0)
