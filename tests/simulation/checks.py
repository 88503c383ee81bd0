"""What must hold at the end of a run: the log is replayed from zero and everything else is held against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, Reason
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import DigestDiffers, replay
from engine.machine import Machine
from engine.messages.batch import Batch
from engine.oracle import books as oracle
from engine.state import books as kernel
from tests.simulation.clients import Client, named, named_by
from tests.simulation.disk import SimFiles
from tests.simulation.world import DIRECTORY, SEGMENT_BYTES, World


class Rebuilt:
    """State and events of the final log, from zero."""

    def __init__(self, world: World) -> None:
        try:
            log = LocalLog.open(
                SimFiles(world.disk, faulty=False), DIRECTORY, writable=False, segment_bytes=SEGMENT_BYTES
            )
            self.records = list(log.read())
            self.machine = Machine(oracle.Books(), log.skips)
            replay(log, self.machine)
        except (LogCorrupt, DigestDiffers) as error:
            raise world.violated(f"the final log does not replay: {type(error).__name__} {error}") from error
        machine = Machine(kernel.Books(), log.skips)
        self.events_of = {record.number: machine.apply(record) for record in self.records}
        self.digest_of = {record.number: record.digest for record in self.records}
        self.by_seq: dict[int, np.ndarray] = {}
        self.row_of: dict[int, np.void] = {}
        for record in self.records:
            events = self.events_of[record.number]
            for row in range(record.count):
                self.by_seq[record.first_seq + row] = events[events["command"] == row]
                self.row_of[record.first_seq + row] = record.batch.rows[row]


def check(world: World, clients: list[Client]) -> None:
    """Raises the first Violation."""
    rebuilt = Rebuilt(world)
    _same_state_everywhere(world, rebuilt)
    _published_is_in_the_log(world, rebuilt)
    _heard_is_in_the_log(world, rebuilt, clients)
    _each_id_is_answered_once(world, rebuilt)
    _quantities_are_conserved(world, rebuilt)
    _every_start_resumes(world, rebuilt)
    _cuts_change_nothing(world, rebuilt)
    if world.violation:
        raise world.violation


def _same_state_everywhere(world: World, rebuilt: Rebuilt) -> None:
    assert world.server is not None and world.follower is not None
    wanted = rebuilt.machine.state_hash()
    if world.server.machine.state_hash() != wanted:
        raise world.violated("the serving process has another state than its log")
    if world.follower.machine.seq != rebuilt.machine.seq:
        raise world.violated(f"the follower stands at {world.follower.machine.seq}, the log at {rebuilt.machine.seq}")
    if world.follower.machine.state_hash() != wanted:
        raise world.violated("the follower has another state than the log")


def _published_is_in_the_log(world: World, rebuilt: Rebuilt) -> None:
    for number, digest, events in world.published:
        if rebuilt.digest_of.get(number) != digest or rebuilt.events_of[number].tobytes() != events:
            raise world.violated(f"record {number} was published and is not in the log so")


def _heard_is_in_the_log(world: World, rebuilt: Rebuilt, clients: list[Client]) -> None:
    """An acknowledged command stands in the log where the answer said, with the same events; and what a repeat was
    told is what the first was told."""
    first: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    for client in clients:
        for heard in client.heard:
            row = rebuilt.row_of.get(heard.seq)
            if row is None or named_by(row) != heard.ref:
                raise world.violated(f"command {heard.seq} was acknowledged to {client.account} and is not in the log")
            if named(rebuilt.by_seq[heard.seq]) != heard.events:
                raise world.violated(f"client {client.account} heard other events of {heard.seq} than the log gives")
            if row["kind"] == CommandKind.CANCEL or not heard.ref[1]:
                continue
            answer = _answer(rebuilt.by_seq[heard.seq])
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


def _each_id_is_answered_once(world: World, rebuilt: Rebuilt) -> None:
    taken: dict[tuple[int, int, int, int], int] = {}
    for seq, events in rebuilt.by_seq.items():
        row = rebuilt.row_of[seq]
        ref = named_by(row)
        answer = _answer(events)
        if not ref[1] or row["kind"] == CommandKind.CANCEL or answer["kind"] == EventKind.DUPLICATE:
            continue
        if answer["kind"] == EventKind.REJECTED and answer["reason"] == Reason.STALE_REF:
            continue
        if taken.setdefault(ref, seq) != seq:
            raise world.violated(f"id {ref} was taken by command {taken[ref]} and again by {seq}")


def _quantities_are_conserved(world: World, rebuilt: Rebuilt) -> None:
    """Entered = open + filled + cancelled, order by order; what is bought is sold."""
    open_qty: dict[int, int] = defaultdict(int)
    for seq in rebuilt.by_seq:
        for event in rebuilt.by_seq[seq]:
            kind, order, qty = event["kind"], int(event["order"]), int(event["qty"])
            if kind == EventKind.ACCEPTED or kind == EventKind.REPLACED:
                open_qty[order] = qty
            elif kind == EventKind.FILL:
                open_qty[order] -= qty
                open_qty[int(event["counter_order"])] -= qty
                if open_qty[int(event["counter_order"])] != event["leaves"]:
                    raise world.violated(f"leaves of a fill of command {seq} are not what is left")
            elif kind == EventKind.CANCELLED:
                open_qty[order] -= qty
    hot = rebuilt.machine.hot
    standing = {
        int(order["order"]): int(order["qty"])
        for account in rebuilt.machine.venue.accounts
        for order in hot.orders_of(account)
    }
    if {order: qty for order, qty in open_qty.items() if qty} != standing:
        raise world.violated("entered is not open + filled + cancelled")


def _every_start_resumes(world: World, rebuilt: Rebuilt) -> None:
    epoch = 0
    for record in rebuilt.records:
        if record.epoch != epoch:
            epoch = record.epoch
            if record.count != 1 or record.batch.rows["kind"][0] != CommandKind.RESUME:
                raise world.violated(f"epoch {epoch} does not begin with RESUME alone")


def _cuts_change_nothing(world: World, rebuilt: Rebuilt) -> None:
    """The same commands in other records (each cut at random places, same time): same events, same state."""
    machine = Machine(kernel.Books())
    for record in rebuilt.records:
        events = []
        for start, part in _cut(record, world.chance):
            caused = machine.apply(part).copy()
            caused["command"] += start
            events.append(caused.tobytes())
        if record.count and b"".join(events) != rebuilt.events_of[record.number].tobytes():
            raise world.violated(f"record {record.number} in parts gives other events")
    if machine.state_hash() != rebuilt.machine.state_hash():
        raise world.violated("other records of the same commands give another state")


def _cut(record: Record, chance: Random) -> Iterator[tuple[int, Record]]:
    """A record as several, with the first row of each."""
    batch, ends = record.batch, record.batch.rows["body_length"].cumsum(dtype=np.int64).tolist()
    edges = sorted({0, record.count, *(chance.randint(0, record.count) for _ in range(3))})
    for start, end in pairwise(edges):
        blob = batch.blob[ends[start - 1] if start else 0 : ends[end - 1]]
        part = Batch(batch.rows[start:end], batch.extensions, blob)
        yield start, replace(record, first_seq=record.first_seq + start, batch=part)
