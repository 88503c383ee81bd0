"""One seed, from the opening of the venue to the last check."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.simulation.checks import check
from tests.simulation.clients import Client, Operator, Packer, Trader
from tests.simulation.loop import Stuck
from tests.simulation.world import Variants, Violation, World

TRADERS = 4
PACKERS = 2
STEPS = 25
ROUNDS = 3
HEAL_SECONDS_MAX = 120.0


@dataclass
class Report:
    seed: int
    trace: str  # digest of everything that could be seen from outside
    crashes: int
    records: int
    commands: int


def simulate(seed: int, variants: type[Variants] = Variants) -> Report:
    """One run from one integer. Raises Violation, with the seed in its text."""
    world = World(seed, variants)
    asyncio.set_event_loop(None)
    try:
        return world.loop.run_until_complete(_life(world, seed, variants))
    except (Violation, Stuck, AssertionError) as error:
        why = world.violation or error
        raise Violation(f"seed {seed}: {type(why).__name__} {why}") from error
    finally:
        world.loop.close()


async def _life(world: World, seed: int, variants: type[Variants]) -> Report:
    chance = world.chance
    world.start_server()
    world.start_follower()
    accounts = list(range(1, TRADERS + PACKERS + 1))
    operator = Operator(world, 0)
    traders = [Trader(world, account) for account in accounts[:TRADERS]]
    packers = [Packer(world, account) for account in accounts[TRADERS:]]
    clients: list[Client] = [operator, *traders, *packers]
    await _work(world, operator.open_venue(accounts))

    world.disk.crash_rate = chance.choice((0.0, 0.0, 0.002, 0.01))
    error_rate = chance.choice((0.0, 0.0, 0.001, 0.005))
    world.disk.error_rate = error_rate if variants.error_rate is None else variants.error_rate
    saboteur = world.loop.spawn("world", _kill_now_and_then(world, chance.choice((0.0, 2.0, 8.0))))
    await _work(
        world,
        operator.main(ROUNDS),
        *(trader.main(STEPS) for trader in traders),
        *(packer.main(STEPS) for packer in packers),
    )

    saboteur.cancel()
    world.disk.crash_rate = world.disk.error_rate = 0.0
    await _heal(world)
    check(world, clients)
    assert world.follower is not None
    world.note(world.follower.machine.state_hash().hex())
    tail = world.follower.reader.tail
    return Report(seed, world.trace, world.crashes, tail.next_number - 1, tail.next_seq - 1)


async def _work(world: World, *coroutines) -> None:
    """Clients are processes of their own; the first one that breaks ends the run."""
    tasks = [world.loop.spawn(f"client-{number}", coroutine) for number, coroutine in enumerate(coroutines)]
    await asyncio.gather(*tasks)


async def _kill_now_and_then(world: World, kills_a_second: float) -> None:
    while kills_a_second:
        await asyncio.sleep(world.chance.expovariate(kills_a_second))
        if world.serving not in world.loop.dead:
            world.loop.kill(world.serving)


async def _heal(world: World) -> None:
    """No more faults: the venue must come up, drain, stop, and the follower must come to its end."""
    until = world.loop.time() + HEAL_SECONDS_MAX
    while world.server is None or world.server.sequencer is None or world.follower is None:
        await _wait_a_little(world, until, "the venue does not come up")
    await world.server.sequencer.stop()
    while world.follower is None or world.follower.machine.seq < world.server.machine.seq:
        await _wait_a_little(world, until, "the follower does not come to the end")


async def _wait_a_little(world: World, until: float, why: str) -> None:
    await asyncio.sleep(0.01)
    if world.loop.time() > until:
        raise world.violated(why)
