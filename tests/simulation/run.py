"""One seed, from the opening of the venue to the last check.

safety    faults all along, until every client has its answers: nothing wrong may ever be told
liveness  after a while the faults stop for the venue and all clients but one: these must come to their end in time
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.checks import check
from tests.simulation.clients import Client, Operator, Packer, Trader
from tests.simulation.screens import Screen
from tests.simulation.server import Server
from tests.simulation.storm import Mode
from tests.simulation.variants import Variants
from tests.simulation.world import Violation, World

TRADERS = 4
PACKERS = 2
STEPS = 25
ROUNDS = 3
HEAL_SECONDS_MAX = 120.0
LIVE_SECONDS_MAX = 10.0  # for all that a client still wants once nothing goes wrong any more; usual is one
MEMORY = Path("/dev/shm")  # where the store's file is quick


@dataclass
class Report:
    seed: int
    mode: Mode
    trace: str  # digest of everything that could be seen from outside
    crashes: int  # of the serving process
    refusals: int  # because of planted damage
    snapshots: int
    records: int
    commands: int
    messages: int  # of feeds, read


def simulate(seed: int, variants: type[Variants] = Variants, *, mode: Mode = "safety") -> Report:
    """One run from one integer. Raises Violation, with the seed in its text."""
    folder = Path(tempfile.mkdtemp(prefix="qhatu-simulation-", dir=MEMORY if MEMORY.is_dir() else None))
    world = World(seed, variants, mode, folder)
    asyncio.set_event_loop(None)
    patches = world.variants.patches()
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    try:
        for patch in patches:
            setattr(*patch)
        return world.loop.run_until_complete(Run(world, seed).life())
    except Exception as error:
        why = world.violation or error
        raise Violation(f"seed {seed}, {mode}: {type(why).__name__} {why}") from error
    finally:
        for patch in before:
            setattr(*patch)
        if world.sink is not None:
            world.sink.ended()
        world.loop.close()
        shutil.rmtree(folder)


class Run:
    """The clients and screens of one world, and what happens to it."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        accounts = list(range(1, TRADERS + PACKERS + 1))
        self.operator = Operator(world, 0)
        self.traders = [Trader(world, account) for account in accounts[:TRADERS]]
        self.packers = [Packer(world, account) for account in accounts[TRADERS:]]
        self.clients: list[Client] = [self.operator, *self.traders, *self.packers]
        slow = world.storm.slow_screens
        self.screens = [
            Screen(world, world.chance.choice((0, *accounts[:TRADERS])), slow=world.chance.random() < slow)
            for _ in range(world.storm.screens)
        ]

    async def life(self) -> Report:
        world = self.world
        world.start_server()
        world.start_follower()
        if world.storm.store:
            world.start_sink()
        accounts = [client.account for client in self.clients if client.account]
        await asyncio.gather(*self._spawn(self.operator.open_venue(accounts)))
        for number, screen in enumerate(self.screens):
            world.graveyard.append(world.loop.spawn(f"screen-{number}", screen.main()))

        world.storm_begins()
        for client in self.clients:
            client.storm_begins()
        weather = world.loop.spawn("world", self._weather())
        filling = world.loop.spawn("world", self._fill_up())
        tasks = self._spawn(
            self.operator.main(ROUNDS),
            *(trader.main(STEPS) for trader in self.traders),
            *(packer.main(STEPS) for packer in self.packers),
        )
        if world.storm.mode == "liveness":
            await asyncio.sleep(world.storm.calm_at)
            self._calm(weather, filling, self.clients[:-1])
            await self._in_time(tasks[:-1])
        else:
            await asyncio.gather(*tasks)
        self._calm(weather, filling, self.clients)
        await asyncio.gather(*tasks)
        await self._heal()
        assert world.server is not None and world.follower is not None
        for screen in self.screens:
            screen.check(world.server)
        check(world, self.clients)
        world.note(world.follower.machine.state_hash().hex())
        tail = world.server.log.tail
        return Report(
            self.seed, world.storm.mode, world.trace, world.crashes, world.refusals, world.snapshots,
            tail.next_number - 1, tail.next_seq - 1, sum(screen.messages for screen in self.screens),
        )  # fmt: skip

    def _spawn(self, *coroutines) -> list[asyncio.Task]:
        """Clients are processes of their own; the first one that breaks ends the run."""
        return [self.world.loop.spawn(f"client-{number}", coroutine) for number, coroutine in enumerate(coroutines)]

    # Weather

    async def _weather(self) -> None:
        """Processes die and the clock leaps, each at its own rate."""
        world, storm, chance = self.world, self.world.storm, self.world.chance
        sink_kills = storm.sink_kills if storm.store else 0.0
        rates = (storm.serve_kills, storm.follow_kills, sink_kills, storm.leaps)
        while any(rates):
            await asyncio.sleep(chance.expovariate(sum(rates)))
            what = chance.choices(("serve", "follow", "sink", "clock"), rates)[0]
            if what == "serve":
                world.kill_server()
            elif what == "follow":
                world.kill_follower()
            elif what == "sink":
                world.kill_sink()
            elif world.server is not None:
                if chance.random() < 0.5:
                    world.server.env.leap(chance.choice((1, 60, 3_600)))
                else:
                    world.server.env.stand_still(chance.uniform(0.01, 0.2))

    async def _fill_up(self) -> None:
        """The disk is full for a while: nothing is acknowledged that has no place, and trading goes on afterwards."""
        world, chance = self.world, self.world.chance
        if world.storm.fills_up:
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            world.fill_disk(chance.randrange(0, 2 * world.SEGMENT_BYTES))
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            world.free_disk()

    def _calm(self, weather: asyncio.Task, filling: asyncio.Task, clients: list[Client]) -> None:
        weather.cancel()
        filling.cancel()
        self.world.storm_ends()
        for client in clients:
            client.network.calm()
        for screen in self.screens:
            screen.storm_ends()

    # Progress

    async def _in_time(self, tasks: list[asyncio.Task]) -> None:
        """Each comes to its end, and what one of them raised is raised."""
        done, late = await asyncio.wait(tasks, timeout=LIVE_SECONDS_MAX)
        for task in done:
            task.result()
        if late:
            raise self.world.violated(f"{len(late)} clients have no answers {LIVE_SECONDS_MAX} s after the last fault")

    async def _heal(self) -> None:
        """No more faults: the venue must come up, drain, stop, and whoever follows it must come to its end."""
        world = self.world
        until = world.loop.time() + HEAL_SECONDS_MAX
        server = await self._up(until)
        while server.sequencer is None or server.sequencer.fatal:  # one that failed just now still has to end
            await self._a_little(until, "the venue does not come up")
            server = await self._up(until)
        await server.sequencer.stop()
        while world.follower is None or world.follower.seq < server.machine.seq:
            await self._a_little(until, "the follower does not come to the end")
        while world.storm.store and (world.sink is None or world.sink.seq < server.machine.seq):
            await self._a_little(until, "the store does not come to the end")
        if not self.screens:
            return
        await asyncio.sleep(0.1)  # what is conflated has been told
        asked = -1.0
        while not all(screen.stands(server) for screen in self.screens):
            if world.loop.time() > asked + 1.0:
                asked = world.loop.time()
                for screen in self.screens:
                    screen.ask_for_the_rest()
            await self._a_little(until, "a screen does not come to the end")

    async def _up(self, until: float) -> Server:
        while self.world.server is None or self.world.follower is None:
            await self._a_little(until, "the venue does not come up")
        return self.world.server

    async def _a_little(self, until: float, why: str) -> None:
        await asyncio.sleep(0.01)
        if self.world.loop.time() > until:
            raise self.world.violated(why)
