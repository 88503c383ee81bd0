"""The second process: reads what is durable, applies it, compares digests, writes event segments, keeps snapshots and
archives the log. Here it runs on the oracle, so that a kernel that decides otherwise is found too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from engine.log.event_writer import EventWriter
from engine.log.events import EventsCorrupt, EventsDiffer, remove_events
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import DigestDiffers
from engine.log.snapshot import BadSnapshot
from engine.machine import Machine
from engine.oracle import books as oracle
from gateway.following import ApplyFailed, Following
from gateway.replaying import NoWayBack
from tests.simulation.disk import SimFiles
from tests.simulation.loop import Crash

if TYPE_CHECKING:
    from tests.simulation.world import World

NAMED = (LogCorrupt, EventsDiffer, DigestDiffers, NoWayBack, ApplyFailed, AssertionError, ValueError)


class Watched:
    """The events that are written, and beside them what the follower found, for the comparison at the end."""

    def __init__(self, world: World, events: EventWriter) -> None:
        self.world, self.events = world, events

    def append(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        self.world.published.append((record.number, record.digest, events.tobytes()))
        self.events.append(record, events, event_digest)

    def flush(self) -> None:
        self.events.flush()

    def sync(self) -> None:
        self.events.sync()

    def tend(self) -> bool:
        return self.events.tend()


class Follower:
    """One start of the follower."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.files = SimFiles(world.disk, world.follow_faults)
        self.following: Following | None = None
        self._snapshot_seq = 0

    @property
    def machine(self) -> Machine:
        assert self.following is not None and isinstance(self.following.machine, Machine)
        return self.following.machine

    @property
    def seq(self) -> int:
        """Of the command applied last."""
        return self.following.seq if self.following else 0

    async def main(self) -> None:
        self.guarded(self._open)
        while True:
            await asyncio.sleep(self.world.chance.uniform(0.001, 0.03))
            self.step()

    def step(self) -> None:
        if self.following is not None:
            self.guarded(self._step)

    def _open(self) -> None:
        world = self.world
        log = LocalLog.open(self.files, world.LOG, writable=False, segment_bytes=world.SEGMENT_BYTES)
        events = world.variants.events(self.files)
        if events.end.number >= log.tail.next_number:
            raise EventsDiffer(f"the events go on to record {events.end.number}, the log ends before it")
        standing = world.variants.stand(self.files, log, oracle.Books, seq_max=events.end.seq)
        reader = world.variants.reader(self.files, standing.tail)
        self._snapshot_seq = standing.machine.seq
        self.following = Following(reader, standing, Watched(world, events))

    def _step(self) -> None:
        assert self.following is not None
        world = self.world
        self.following.step(world.chance.randint(1, 50))
        if world.chance.random() < world.storm.tends:
            self.following.tend()
        if self.seq - self._snapshot_seq >= world.storm.snapshot_every and self.following.number:
            self._snapshot_seq = self.seq
            try:
                world.variants.keep(self)
            except (BadSnapshot, LogCorrupt) as error:  # told, and tried again at the next interval
                world.refused("keep", error)
            world.snapshots += 1

    def take_snapshot(self):
        """The state as it is; the events up to it are durable before."""
        assert self.following is not None
        self.following.events.sync()
        return self.machine.snapshot(self.following.tail, self.following.trades.sections())

    def guarded(self, part) -> None:
        """Trouble with the disk ends the process; damage that was planted is refused; all else is a violation."""
        try:
            try:
                part()
            except EventsCorrupt as error:  # the real process makes them anew from the log as well
                self.world.refused("follow", error)
                remove_events(self.files, self.world.EVENTS)
                raise Crash(str(error)) from error
        except OSError as error:
            self.world.note(f"the follower fails: {error}")
            raise Crash(str(error)) from error
        except NAMED as error:
            self.world.refused("follow", error)
            raise Crash(str(error)) from error

    def ended(self) -> None:
        """The process is gone; nothing of it was written on the way."""
        self.following = None
