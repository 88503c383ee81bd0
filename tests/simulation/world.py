"""One run of the venue: what is real (log, sequencer, machine, feeds, follower, store) among what is simulated."""

from __future__ import annotations

import contextvars
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from random import Random

from engine.log.event_reader import EventReader
from engine.log.events import EventsCorrupt, remove_events
from engine.log.interface import LogCorrupt
from engine.log.snapshot import BadSnapshot
from gateway.places import EVENTS_FOLDER
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, NoWayBack
from tests.simulation.disk import PLENTY_BYTES, Disk, Faults, SimFiles
from tests.simulation.follower import Follower
from tests.simulation.loop import Crash, SimLoop
from tests.simulation.rot import Rot
from tests.simulation.server import Server
from tests.simulation.sink import Sink, Store
from tests.simulation.storm import Mode, Storm
from tests.simulation.truth import Books, Secrets, Trades
from tests.simulation.variants import Variants

START_NS = 1_760_000_000 * 10**9
FAILED_STARTS_COUNTED_MAX = 8  # so many times longer is the longest wait before another start


DAMAGE = (LogCorrupt, EventsCorrupt, BadSnapshot, NoWayBack)  # what may be said of a bit that has rotted


class Violation(Exception):
    """The venue broke a promise."""


class World:
    """Everything of one seed. `trace` is the digest of all that could be seen from outside, in order."""

    DATA = Path("/venue")
    LOG, SNAPSHOTS, EVENTS = DATA / LOG_FOLDER, DATA / SNAPSHOT_FOLDER, DATA / EVENTS_FOLDER
    SEGMENT_BYTES = 16 * 1024
    EVENT_SEGMENT_BYTES = 24 * 1024

    def __init__(self, seed: int, variants: type[Variants], mode: Mode, folder: Path) -> None:
        self.chance = Random(seed)
        self.loop = SimLoop(Random(self.chance.getrandbits(32)))
        self.loop.on_crash = self._ended
        self.disk = Disk(Random(self.chance.getrandbits(32)))
        self.look_rate = 0.1  # of syncs of the log during which the follower reads
        self.variants = variants(self)
        self.storm = self.variants.storm(Storm.draw(self.chance, mode))
        self.serve_faults, self.follow_faults = Faults(), Faults()  # as they are just now
        self.sink_crash_rate = self.rot_chance = 0.0
        self.store = Store(folder)
        self.server: Server | None = None
        self.follower: Follower | None = None
        self.sink: Sink | None = None
        self.sinking = ""  # its process
        self.starts = 0
        self.crashes = 0
        self.refusals = 0  # starts and steps that were refused because of damage that was planted
        self.rot = Rot(self)
        self.snapshots = 0  # taken
        self.failed_starts = 0  # of the server, one after the other
        self.graveyard: list[object] = []
        self.wall_offset_ns = START_NS
        self.published: list[tuple[int, bytes, bytes]] = []  # by either process: number, digest, events
        self.violation: Violation | None = None
        self.books, self.trades = Books(self.violated), Trades(self.violated)
        self.secrets = Secrets(self.violated)
        self._outside = contextvars.copy_context()
        self._trace = blake2b(digest_size=16)

    def monotonic_ns(self) -> int:
        return round(self.loop.time() * 1e9)

    def note(self, text: str) -> None:
        """Something that can be seen from outside: it must be the same in every run of the seed."""
        self._trace.update(f"{self.monotonic_ns()} {text}\n".encode())

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    def violated(self, why: str) -> Violation:
        """The first violation ends the run: callbacks are guarded, so that raising it may not be enough."""
        self.violation = self.violation or Violation(why)
        self.loop.halted = self.violation
        return self.violation

    def refused(self, who: str, error: Exception) -> None:
        """A process does not go on because of damage, and says what it is. It is right only if a bit has rotted; the
        operator then puts a sound copy of the file in its place."""
        rotten = self.disk.rotten()
        compressed = isinstance(error, EventsCorrupt) and self.rot.events_in_doubt
        if not rotten and not compressed:
            raise self.violated(f"{who} finds damage where there is none: {type(error).__name__} {error}") from error
        if not isinstance(error, DAMAGE):
            raise self.violated(f"{who} does not name the damage: {type(error).__name__} {error}") from error
        self.note(f"{who} refuses {error}; {rotten}")
        self.refusals += 1
        self.disk.heal()

    # Weather

    def storm_begins(self) -> None:
        storm = self.storm
        self.serve_faults.__dict__.update(storm.serve.__dict__)
        self.follow_faults.__dict__.update(storm.follow.__dict__)
        self.sink_crash_rate, self.rot_chance = storm.sink_crash_rate, storm.rot

    def storm_ends(self) -> None:
        """What runs is left alone from now on, the disk does what it is asked, and nothing that rotted stays so."""
        self.serve_faults.clear()
        self.follow_faults.clear()
        self.sink_crash_rate = self.rot_chance = 0.0
        self.disk.capacity = PLENTY_BYTES
        self.disk.heal()
        if self.rot.events_in_doubt:
            self._check_events()

    def _check_events(self) -> None:
        """Damage that was compressed cannot be undone: the operator removes the events, the log gives them again."""
        files = SimFiles(self.disk)
        reader = EventReader(files, self.EVENTS)
        try:
            while reader.poll():
                pass
        except EventsCorrupt as error:
            self.note(f"the events are made anew: {error}")
            self.refusals += 1
            self.kill_follower()
            self.kill_sink()
            remove_events(files, self.EVENTS)

    def fill_disk(self, room: int) -> None:
        """Only so many bytes are left."""
        self.disk.capacity = self.disk.used() + room

    def free_disk(self) -> None:
        self.disk.capacity = PLENTY_BYTES

    def store_rows(self) -> sqlite3.Connection:
        """The store as its writer has it open."""
        assert self.sink is not None and self.sink.store is not None
        return self.sink.store._db

    @staticmethod
    def tick_of(instrument: int) -> float:
        """In the unit of its prices; the same for all of them."""
        return 0.05

    # Processes

    def start_server(self) -> None:
        self.starts += 1
        server = Server(self)
        self.graveyard.append(server)
        self.serving = f"serve-{self.starts}"
        self.graveyard.append(self.loop.spawn(self.serving, server.main()))

    def start_follower(self) -> None:
        self.follower = Follower(self)
        self.following = f"follow-{self.starts}-{len(self.graveyard)}"
        self.graveyard.append(self.loop.spawn(self.following, self.follower.main()))

    def start_sink(self) -> None:
        self.sink = Sink(self)
        self.sinking = f"sink-{len(self.graveyard)}"
        self.graveyard.append(self.loop.spawn(self.sinking, self.sink.main()))

    def kill_server(self) -> None:
        if self.serving not in self.loop.dead:
            self.loop.kill(self.serving)

    def kill_follower(self) -> None:
        if self.following not in self.loop.dead:
            self.loop.kill(self.following)

    def kill_sink(self) -> None:
        if self.sinking and self.sinking not in self.loop.dead:
            self.loop.kill(self.sinking)

    def _ended(self, process: str) -> None:
        """A process is gone: its lock too; with power lost, also what was not synced."""
        self.note(f"end of {process}")
        if process == self.following:
            self._follower_ended()
        if process == self.sinking:
            self._sink_ended()
        if process != self.serving:
            return
        self.server = None
        self.crashes += 1
        self.disk.end_process(process)
        power = self.chance.random() < 0.5
        if power:
            self.disk.lose_power()
        if power or self.chance.random() < 0.3:
            if self.follower is not None:
                self.loop.dead.add(self.following)
                self._follower_ended()
            if self.sink is not None:
                self.loop.dead.add(self.sinking)
                self._sink_ended()
            if power and self.chance.random() < 0.5 and self.store.go_back():
                self.note("the store goes back")
        if self.chance.random() < self.rot_chance:
            self.rot.strike()
        self.wall_offset_ns += self.chance.choice((0, 0, 0, -3600, 1, 40, 1800)) * 10**9  # ids are kept a day
        self._later(self.start_server, min(1 + self.failed_starts, FAILED_STARTS_COUNTED_MAX))

    def _follower_ended(self) -> None:
        if self.follower is None:
            return
        self.follower.ended()
        self.follower = None
        self._later(self.start_follower, 1)

    def _sink_ended(self) -> None:
        if self.sink is None:
            return
        self.sink.ended()
        self.sink = None
        self._later(self.start_sink, 1)

    def _later(self, start: Callable[[], None], times: int) -> None:
        """What watches over the processes is none of them, whoever's callback this is."""
        self.loop.call_later(times * self.chance.uniform(0.001, 0.05), start, context=self._outside)

    def look_between(self) -> None:
        """The follower reads while a record is written but not yet synced."""
        if self.follower is not None and self.chance.random() < self.look_rate:
            try:
                self.follower.step()
            except Crash:
                self.kill_follower()
