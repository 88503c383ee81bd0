"""The other side of a practice sale: a process that opens it as the operator and bids as its rivals, by the public API.

    python -m gateway.practice.rivals --url URL --folder DIR --parent-pid PID

DIR/practice.plan says which sale; the process ends with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from engine.domain.units import decimal_text
from gateway.client import Client, Refused
from gateway.demo.agents import Account, Room
from gateway.demo.company import Actor
from gateway.demo.sales import Bidder
from gateway.practice.lots import PracticeLot
from gateway.practice.venue import OPERATOR, PERSON, SELLER, opened

PLAN = "practice.plan"
UNIT = {"tick_size": "0.05", "price_unit": "USD/lb", "currency": "USD", "opening": "4.00", "increment": "0.10"}
CLOCK_SECONDS = 180
OPEN_SECONDS = 1_800
PAUSE_SECONDS = 12.0  # between two looks of one rival


class Plan(NamedTuple):
    """One practice sale. `speed`: so many times as fast as a real one."""

    title: str
    lots: list[PracticeLot]
    seed: int
    speed: float

    def written(self) -> str:
        lots = [[lot.title, lot.bags, lot.bag_grams, str(lot.score), lot.attributes] for lot in self.lots]
        return json.dumps([self.title, lots, self.seed, self.speed])

    @classmethod
    def read(cls, text: str) -> Plan:
        title, lots, seed, speed = json.loads(text)
        return cls(title, [PracticeLot(t, b, g, Fraction(s), a) for t, b, g, s, a in lots], seed, speed)

    def request(self, sale: int) -> dict[str, Any]:
        """The sale as the public API opens it."""
        return {
            "sale_id": sale,
            "title": self.title,
            **UNIT,
            "clock_seconds": max(1, round(CLOCK_SECONDS / self.speed)),
            "open_seconds": max(10, round(OPEN_SECONDS / self.speed)),
            "lots": [
                {
                    "seller": SELLER,
                    "title": lot.title,
                    "bags": lot.bags,
                    "bag_kg": decimal_text(Fraction(lot.bag_grams, 1000)),
                    "attributes": lot.attributes,
                }
                for lot in self.lots
            ],
        }


class _Scored(NamedTuple):
    lot: PracticeLot


class _Lots:
    """What a bidder asks of a catalogue."""

    def __init__(self, lots: list[PracticeLot]) -> None:
        self._lots = tuple(_Scored(lot) for lot in lots)

    def lots_of(self, sale: int) -> tuple[_Scored, ...]:
        return self._lots


class Rival(Account):
    """An account that does nothing but bid."""

    def __init__(self, bidder: Bidder, client: Client, room: Room) -> None:
        self.actor = Actor(None, None, bidder)  # type: ignore[arg-type]
        self.client, self.room = client, room
        self.leads: set[tuple[int, int]] = set()
        self._own_bids = client.subscribe("own_bids")

    async def bid_on(self, first_pause: float, pause: float) -> None:
        await asyncio.sleep(first_pause)
        while True:
            if self.client.connected.is_set():
                await self._bid()
            await asyncio.sleep(pause)


async def run_sale(client: Client, room: Room, plan: Plan, folder: Path) -> None:
    """Open the sale unless it runs already, say when it is over, and how it ended for the person."""
    await room.changed.wait()
    number = max(room.sales, default=0)
    if room.running() is None:
        number += 1
        await client.post("sales", plan.request(number), idempotency_key=f"practice-{number}")
    while room.sales.get(number, {}).get("state") != "finished":
        await asyncio.sleep(0.2)
    sold = [lot for lot in room.sales[number]["lots"] if lot["price"] is not None]
    print(f"\nSale {number} is over: {len(sold)} of {len(plan.lots)} lots were sold.", flush=True)
    (folder / PLAN).unlink(missing_ok=True)


async def tell_person(client: Client, room: Room) -> None:
    """What the person won, when a sale is over."""
    told: set[int] = set()
    while True:
        await asyncio.sleep(0.5)
        for number in sorted(n for n, sale in room.sales.items() if sale["state"] == "finished" and n not in told):
            told.add(number)
            with contextlib.suppress(Refused, aiohttp.ClientError, OSError):
                seen = await client.get(f"sales/{number}")
                won = [lot for lot in seen["lots"] if lot.get("you_won")]
                words = ", ".join(f"{lot['title']} at {lot['price']} {UNIT['price_unit']}" for lot in won)
                print(f"You won {len(won)} lots{': ' + words if won else ''}.", flush=True)


async def play(url: str, folder: Path) -> None:
    """Connect everybody and bid until cancelled."""
    practice = opened(folder, 0)
    if not (folder / PLAN).exists():  # its sale is over
        await asyncio.Event().wait()
    plan = Plan.read((folder / PLAN).read_text("utf-8"))
    pause = PAUSE_SECONDS / plan.speed
    async with contextlib.AsyncExitStack() as stack:
        operator = await stack.enter_async_context(Client(url, practice.tokens[OPERATOR]))
        person = await stack.enter_async_context(Client(url, practice.tokens[PERSON]))
        room = Room(operator)
        work = [
            room.watch_status(),
            room.watch_sales(),
            run_sale(operator, room, plan, folder),
            tell_person(person, room),
        ]
        for place, account in enumerate(practice.rivals):
            client = await stack.enter_async_context(Client(url, practice.tokens[account]))
            bidder = Bidder(plan.seed, account, len(practice.rivals), place, _Lots(plan.lots))  # type: ignore[arg-type]
            rival = Rival(bidder, client, room)
            work += [rival.watch_bids(), rival.bid_on((place + 1) * pause / len(practice.rivals), pause)]
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)


async def _run(arguments: argparse.Namespace) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    playing = asyncio.create_task(play(arguments.url, arguments.folder))
    try:
        while not playing.done() and os.getppid() == arguments.parent_pid:
            await asyncio.wait([playing], timeout=0.5)
        if playing.done() and not playing.cancelled():
            playing.result()
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gateway.practice.rivals", description="Rivals of a practice sale.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parent-pid", type=int, default=os.getppid())
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))
    sys.exit(0)


if __name__ == "__main__":
    main()
