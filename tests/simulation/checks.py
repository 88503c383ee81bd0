"""What must hold at the end of a run: the log is replayed from zero and everything else is held against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, Reason, Side, name_of
from engine.log.event_reader import EventReader
from engine.log.events import EventsCorrupt
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import replay
from engine.log.snapshot import list_snapshots, read_header, snapshot_name
from engine.machine import Machine
from engine.messages.batch import Batch
from engine.state import books as kernel
from gateway.forms import JSON, scale_of
from gateway.projections.sqlite import SqliteSink, dump
from gateway.replaying import Folding, stand
from tests.simulation.accounting import Accounts, money_is_zero_sum, quantities_are_conserved
from tests.simulation.clients import Client, named, named_by
from tests.simulation.disk import SimFiles
from tests.simulation.replayed import Replayed
from tests.simulation.world import World


def check(world: World, clients: list[Client]) -> None:
    """Raises the first Violation."""
    replayed = Replayed(world)
    _same_state_everywhere(world, replayed)
    _published_is_in_the_log(world, replayed)
    _heard_is_in_the_log(world, replayed, clients)
    _each_id_is_answered_once(world, replayed)
    accounts = Accounts(world, replayed)
    quantities_are_conserved(world, replayed, accounts)
    money_is_zero_sum(world, accounts)
    _trades_are_the_fills(world, replayed)
    _events_are_the_log_decided(world, replayed)
    _every_snapshot_leads_to_the_end(world, replayed)
    _store_is_the_fold(world, replayed)
    _every_start_resumes(world, replayed)
    if world.storm.twice:
        _cuts_change_nothing(world, replayed)
    if world.violation:
        raise world.violation


def _same_state_everywhere(world: World, replayed: Replayed) -> None:
    assert world.server is not None and world.follower is not None
    wanted = replayed.machine.state_hash()
    if world.server.machine.state_hash() != wanted:
        raise world.violated("the serving process has another state than its log")
    if world.follower.seq != replayed.machine.seq:
        raise world.violated(f"the follower stands at {world.follower.seq}, the log at {replayed.machine.seq}")
    if world.follower.machine.state_hash() != wanted:
        raise world.violated("the follower has another state than the log")


def _published_is_in_the_log(world: World, replayed: Replayed) -> None:
    for number, digest, events in world.published:
        if replayed.digest_of.get(number) != digest or replayed.events_of[number].tobytes() != events:
            raise world.violated(f"record {number} was published and is not in the log so")


def _heard_is_in_the_log(world: World, replayed: Replayed, clients: list[Client]) -> None:
    """An acknowledged command stands in the log where the answer said, with the same events; and what a repeat was
    told is what the first was told."""
    first: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    for client in clients:
        for heard in client.heard:
            row = replayed.row_of.get(heard.seq)
            if row is None or named_by(row) != heard.ref:
                raise world.violated(f"command {heard.seq} was acknowledged to {client.account} and is not in the log")
            if named(replayed.by_seq[heard.seq]) != heard.events:
                raise world.violated(f"client {client.account} heard other events of {heard.seq} than the log gives")
            if row["kind"] == CommandKind.CANCEL or not heard.ref[1]:
                continue
            answer = _answer(replayed.by_seq[heard.seq])
            if answer["reason"] == Reason.STALE_REF:
                continue
            origin = (
                (int(answer["counter_order"]), int(answer["order"]))
                if answer["kind"] == EventKind.DUPLICATE
                else (heard.seq, int(answer["order"]))
            )
            if first.setdefault(heard.ref, origin) != origin:
                raise world.violated(f"one id of {client.account} means {first[heard.ref]} and {origin}")


def _answer(events: np.ndarray) -> np.void:
    """The event that answers the command itself: the first that no timer caused."""
    return next(
        event for event in events if not event["flags"] & EventFlag.BY_TIMER and event["kind"] != EventKind.TIMER
    )


def _each_id_is_answered_once(world: World, replayed: Replayed) -> None:
    taken: dict[tuple[int, int, int, int], int] = {}
    for seq, events in replayed.by_seq.items():
        row = replayed.row_of[seq]
        ref = named_by(row)
        answer = _answer(events)
        if not ref[1] or row["kind"] == CommandKind.CANCEL or answer["kind"] == EventKind.DUPLICATE:
            continue
        if answer["kind"] == EventKind.REJECTED and answer["reason"] == Reason.STALE_REF:
            continue
        if taken.setdefault(ref, seq) != seq:
            raise world.violated(f"id {ref} was taken by command {taken[ref]} and again by {seq}")


def _trades_are_the_fills(world: World, replayed: Replayed) -> None:
    """What the feed told of each number is the fill of that number: no gap, no double, nothing else."""
    instruments = replayed.machine.venue.instruments
    fills: dict[str, list[np.void]] = defaultdict(list)
    times: dict[str, list[int]] = defaultdict(list)
    for record in replayed.records:
        for event in replayed.events_of[record.number]:
            if event["kind"] == EventKind.FILL:
                symbol = instruments[int(event["instrument"])].symbol
                fills[symbol].append(event)
                times[symbol].append(record.ts_ns)
    for (symbol, number), (price, qty, side, kind, ts_engine) in world.trades.told.items():
        if not 0 < number <= len(fills[symbol]):
            raise world.violated(f"trade {number} of {symbol} was told and is no fill")
        fill = fills[symbol][number - 1]
        listing = next(listing for listing in instruments.values() if listing.symbol == symbol)
        call = bool(fill["flags"] & EventFlag.AUCTION)
        wanted = (
            JSON.price(int(fill["price"]), scale_of(listing.tick_size)),
            JSON.qty(int(fill["qty"])),
            None if call else name_of(Side, int(fill["side"])),
            "call" if call else "continuous",
            JSON.time(times[symbol][number - 1]),
        )
        if wanted != (price, qty, side, kind, ts_engine):
            raise world.violated(f"trade {number} of {symbol} was told otherwise than it is")


def _events_are_the_log_decided(world: World, replayed: Replayed) -> None:
    """The event segments give every record with commands once, with the events that it has."""
    reader = EventReader(SimFiles(world.disk), world.EVENTS)
    wanted = (record for record in replayed.records if record.count)
    try:
        while found := reader.poll():
            for record, events, digest in found:
                number = next(wanted).number
                same = events.tobytes() == replayed.events_of[number].tobytes()
                if record.number != number or not same or digest != replayed.event_digest_after[number]:
                    raise world.violated(f"the event segments give record {record.number} for {number}, or otherwise")
    except (EventsCorrupt, ValueError, StopIteration) as error:
        raise world.violated(f"the event segments end badly: {type(error).__name__} {error}") from error
    if next(wanted, None) is not None:
        raise world.violated("the event segments end before the log")


def _every_snapshot_leads_to_the_end(world: World, replayed: Replayed) -> None:
    """A start on each that is kept comes to the state that the whole log gives."""
    files = SimFiles(world.disk)
    log = LocalLog.open(files, world.LOG, writable=False, segment_bytes=world.SEGMENT_BYTES)
    for number in list_snapshots(files, world.SNAPSHOTS):
        seq = read_header(files, world.SNAPSHOTS / snapshot_name(number)).seq
        standing = stand(files, world.SNAPSHOTS, log, kernel.Books, seq_max=seq)
        if standing.machine.seq != seq:  # two may hold the same command, with empty records between them
            raise world.violated(f"snapshot {number} cannot be used: {standing.notes}")
        replay(log, Folding(standing), after=standing.tail)
        if standing.machine.state_hash() != replayed.machine.state_hash():
            raise world.violated(f"a start on snapshot {number} comes to another state")


def _store_is_the_fold(world: World, replayed: Replayed) -> None:
    """Every row of every table is what a fresh fold of the log gives; and none shows a secret."""
    if not world.storm.store:
        return
    fresh = SqliteSink(":memory:")
    for record in replayed.records:
        fresh.take(record, replayed.events_of[record.number], replayed.event_digest_after[record.number])
    fresh.flush()
    wanted, found = dump(fresh._db), dump(world.store_rows())
    fresh.close()
    for table in wanted:
        if wanted[table] != found[table]:
            raise world.violated(f"table {table} of the store is not what the log gives")
    world.secrets.check_bytes(repr(found).encode(), "whoever reads the store")


def _every_start_resumes(world: World, replayed: Replayed) -> None:
    epoch = 0
    for record in replayed.records:
        if record.epoch != epoch:
            epoch = record.epoch
            if record.count != 1 or record.batch.rows["kind"][0] != CommandKind.RESUME:
                raise world.violated(f"epoch {epoch} does not begin with RESUME alone")


def _cuts_change_nothing(world: World, replayed: Replayed) -> None:
    """The same commands in other records (each cut at random places, same time): same events, same state."""
    machine = Machine(kernel.Books())
    for record in replayed.records:
        events = []
        for start, part in _cut(record, world.chance):
            caused = machine.apply(part).copy()
            caused["command"] += start
            events.append(caused.tobytes())
        if record.count and b"".join(events) != replayed.events_of[record.number].tobytes():
            raise world.violated(f"record {record.number} in parts gives other events")
    if machine.state_hash() != replayed.machine.state_hash():
        raise world.violated("other records of the same commands give another state")


def _cut(record: Record, chance: Random) -> Iterator[tuple[int, Record]]:
    """A record as several, with the first row of each."""
    batch, ends = record.batch, record.batch.rows["body_length"].cumsum(dtype=np.int64).tolist()
    edges = sorted({0, record.count, *(chance.randint(0, record.count) for _ in range(3))})
    for start, end in pairwise(edges):
        blob = batch.blob[ends[start - 1] if start else 0 : ends[end - 1]]
        part = Batch(batch.rows[start:end], batch.extensions, blob)
        yield start, replace(record, first_seq=record.first_seq + start, batch=part)
