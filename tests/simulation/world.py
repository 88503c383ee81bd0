"""One run of the venue: what is real (log, sequencer, machine, follower) among what is simulated (all the rest)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from random import Random

import numpy as np

from engine.codes import Phase, Side
from engine.log.follow import LogReader
from engine.log.interface import LogCorrupt, LogFailed
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import DigestCheck, DigestDiffers, replay
from engine.machine import Machine
from engine.oracle import books as oracle
from engine.state import books as kernel
from gateway.env import FATAL_GRACE_SECONDS
from gateway.sequencer import Fatal, Sequencer
from tests.simulation.disk import Disk, SimFiles
from tests.simulation.loop import PROCESS, SimLoop

DIRECTORY = Path("/venue/log")
SEGMENT_BYTES = 32 * 1024
START_NS = 1_760_000_000 * 10**9


class Violation(Exception):
    """The venue broke a promise."""


class SimEnv:
    """`Env` of one start of the serving process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.files = SimFiles(world.disk, faulty=True)
        self.random = Random(world.chance.getrandbits(32))
        self._offset_ns = world.wall_offset_ns
        self._log_free_at = 0.0

    def now_ns(self) -> int:
        return self.world.monotonic_ns() + self._offset_ns

    def anchor(self, not_before_ns: int) -> None:
        self._offset_ns = max(self._offset_ns, not_before_ns - self.world.monotonic_ns())

    def run_blocking(self, function: Callable, *args: object) -> Awaitable:
        """One thread: calls end in the order they were made, each after a disk's while."""
        loop, chance = self.world.loop, self.world.chance
        seconds = chance.uniform(0.00005, 0.0005) if chance.random() > 0.01 else chance.uniform(0.001, 0.04)
        self._log_free_at = max(loop.time(), self._log_free_at) + seconds
        return self._run_at(self._log_free_at, function, args)

    def run_background(self, function: Callable, *args: object) -> Awaitable:
        loop, chance = self.world.loop, self.world.chance
        return self._run_at(loop.time() + chance.uniform(0.001, 0.02), function, args)

    def _run_at(self, when: float, function: Callable, args: tuple) -> Awaitable:
        future = self.world.loop.create_future()

        def run() -> None:
            try:
                result = function(*args)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.world.loop.call_at(when, run)
        return future

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def fatal(self, code: int, why: str) -> None:
        self.world.note(f"fatal {code} {why}")
        self.world.loop.call_later(FATAL_GRACE_SECONDS, self.world.loop.kill, PROCESS.get())


class Server:
    """One start of the serving process, from opening the log to its end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sequencer: Sequencer | None = None
        self.receivers: dict[int, Callable[[int, np.ndarray], None]] = {}  # of packed answers, by connection

    async def main(self) -> None:
        world = self.world
        env = SimEnv(world)
        try:
            log = world.variants.open_log(env.files)
        except LogCorrupt as error:
            raise world.violated(f"the log of a crash is called corrupt: {error}") from error
        except LogFailed as error:
            world.note(f"open failed {error}")
            world.loop.kill(PROCESS.get())
            return
        self.machine = Machine(kernel.Books(), log.skips)
        replay(log, self.machine)
        world.variants.after_replay(self.machine)
        world.note(f"start {log.tail.next_number} {self.machine.state_hash().hex()} {log.notes}")
        self.sequencer = world.variants.sequencer(env, log, self.machine, self.on_record)
        world.server = self
        try:
            await self.sequencer.run()
        except Fatal:
            await asyncio.sleep(1e9)  # until the process ends
        log.close()

    def on_record(self, record: Record, events: np.ndarray) -> None:
        self.world.published.append((record.number, record.digest, events.tobytes()))
        self.check_books()
        rows = record.batch.rows
        for row in np.flatnonzero(rows["connection"]):
            receiver = self.receivers.get(int(rows["connection"][row]))
            if receiver is not None:
                receiver(record.first_seq + int(row), int(rows["ref_lo"][row]), events[events["command"] == row])

    def check_books(self) -> None:
        hot = self.machine.hot
        for instrument in self.machine.venue.instruments:
            if hot.phase(instrument) == Phase.CONTINUOUS:
                bids, asks = hot.depth(instrument, Side.BUY, 1), hot.depth(instrument, Side.SELL, 1)
                if len(bids) and len(asks) and bids["price"][0] >= asks["price"][0]:
                    raise self.world.violated(f"book {instrument} is crossed in continuous trading")


class Follower:
    """The second process: reads what is durable, applies it, compares digests. Here it runs on the oracle, so that a
    kernel that decides otherwise is found too."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.machine = Machine(oracle.Books())
        self.reader = world.variants.reader(SimFiles(world.disk, faulty=False))
        self.check = DigestCheck()

    async def main(self) -> None:
        while True:
            self.step()
            await asyncio.sleep(self.world.chance.uniform(0.001, 0.03))

    def step(self) -> None:
        try:
            for record in self.reader.poll(self.world.chance.randint(1, 50)):
                self.check.check(record)
                events = self.machine.apply(record)
                self.check.applied(self.machine.seq, self.machine.event_digest)
                self.world.published.append((record.number, record.digest, events.tobytes()))
        except (LogCorrupt, DigestDiffers, AssertionError) as error:
            raise self.world.violated(f"the follower stops: {type(error).__name__} {error}") from error


class Variants:
    """How the parts are made. A planted bug replaces one of these."""

    error_rate: float | None = None  # of disk calls; None: the seed's

    def __init__(self, world: World) -> None:
        self.world = world

    def open_log(self, files: SimFiles) -> LocalLog:
        return LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)

    def after_replay(self, machine: Machine) -> None:
        """Nothing is to be done."""

    def sequencer(self, env: SimEnv, log: LocalLog, machine: Machine, on_record: Callable) -> Sequencer:
        return Sequencer(env, log, machine, on_record)

    def reader(self, files: SimFiles) -> LogReader:
        return LogReader(files, DIRECTORY)


class World:
    """Everything of one seed. `trace` is the digest of all that could be seen from outside, in order."""

    def __init__(self, seed: int, variants: type[Variants] = Variants) -> None:
        self.chance = Random(seed)
        self.loop = SimLoop(Random(self.chance.getrandbits(32)))
        self.loop.on_crash = self._ended
        self.disk = Disk(Random(self.chance.getrandbits(32)))
        self.disk.before_sync = self._look_between
        self.variants = variants(self)
        self.server: Server | None = None
        self.follower: Follower | None = None
        self.starts = 0
        self.crashes = 0
        self.graveyard: list[object] = []
        self.wall_offset_ns = START_NS
        self.published: list[tuple[int, bytes, bytes]] = []  # by either process: number, digest, events
        self.violation: Violation | None = None
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

    def _ended(self, process: str) -> None:
        """A process is gone: its lock too; with power lost, also what was not synced."""
        self.note(f"end of {process}")
        if process != self.serving:
            return
        self.server = None
        self.crashes += 1
        self.disk.end_process(process)
        power = self.chance.random() < 0.5
        if power:
            self.disk.lose_power()
        if power or self.chance.random() < 0.3:
            self.loop.dead.add(self.following)
            self.follower = None
        self.wall_offset_ns += self.chance.choice((0, 0, 0, -3600, 1, 40, 1800)) * 10**9  # ids are kept a day
        self._later(self.start_server)
        if self.follower is None:
            self._later(self.start_follower)

    def _later(self, start: Callable[[], None]) -> None:
        """What watches over the processes is none of them, whoever's callback this is."""
        self.loop.call_later(self.chance.uniform(0.001, 0.05), start, context=self._outside)

    def _look_between(self) -> None:
        """The follower reads while a record is written but not yet synced."""
        if self.follower is not None and self.chance.random() < 0.1:
            self.follower.step()
