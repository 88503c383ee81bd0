"""The season's clients: a process of its own that knows the venue by its public API alone.

    python -m gateway.demo.agents --url http://127.0.0.1:8080 --seed 1 --parent-pid 4711 [--config FILE]

Each account has a connection of its own. The process ends with its parent. When the venue was away, each account reads
its open orders and its history again and goes on with the step after the last one that the venue knows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp

from engine.codes import Phase, Side, TimeInForce
from engine.domain.units import parse_decimal, price_to_ticks, ticks_to_text
from gateway.client import Client, Lost, Refused
from gateway.client.client import Feed, order
from gateway.config import Config, default_path, load
from gateway.demo.actions import Action, BidOn, Heard, LotView, Place, Reprice, SaleView, Withdraw
from gateway.demo.company import Actor, company
from gateway.demo.market import TRADING
from gateway.demo.parties import OPERATOR, parties
from gateway.demo.sales import Catalogue

EPOCH_SECONDS = 1_767_225_600  # 1 January 2026: seconds of the season are counted from here
BATCH_ORDERS = 50
BIDS_EVERY = 3  # an importer looks into the sale room at every third step
HISTORY_ORDERS = 1_000
QUESTIONS_AT_ONCE = 3  # of all accounts together, over REST


def season_second() -> int:
    """Seconds since the season's epoch. Only beliefs about value depend on it, never what is an order's identity."""
    return int(time.time()) - EPOCH_SECONDS


class Room:
    """What everybody can see: phases and sales, kept up to date from the public feeds of one connection."""

    def __init__(self, client: Client) -> None:
        self.phases: dict[str, Phase] = {}
        self.sales: dict[int, dict[str, Any]] = {}
        self.changed = asyncio.Event()
        self.questions = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._status, self._sales = client.subscribe("status"), client.subscribe("sales")

    async def watch_status(self) -> None:
        async for message in self._status:
            for seen in message["instruments"]:
                self.phases[seen["instrument"]] = Phase[seen["phase"].upper()]

    async def watch_sales(self) -> None:
        async for message in self._sales:
            for sale in message.get("sales", [message]):
                if "sale_id" in sale:
                    self.sales[sale["sale_id"]] = sale
            self.changed.set()

    def running(self) -> dict[str, Any] | None:
        """The newest sale that takes bids."""
        alive = [sale for sale in self.sales.values() if sale["state"] != "finished"]
        return max(alive, key=lambda sale: sale["sale_id"]) if alive else None


class Account:
    """One actor with its connection."""

    def __init__(self, actor: Actor, client: Client, room: Room, ticks: dict[str, Fraction]) -> None:
        self.actor, self.client, self.room, self.ticks = actor, client, room, ticks
        self.leads: set[tuple[int, int]] = set()  # (sale, lot)
        self.settled = asyncio.Event()
        self._steps = itertools.count()
        self._executions = client.subscribe("executions")
        self._own_bids: Feed | None = client.subscribe("own_bids") if actor.bidder else None

    async def watch_orders(self) -> None:
        """Open orders first, also after a reconnection, then every change."""
        trader = self.actor.trader
        async for message in self._executions:
            if message["type"] == "snapshot":
                await self._read_history()
                trader.open.clear()
                for seen in message["orders"]:
                    trader.step_of(seen["client_order_id"] or "")
                    trader.heard(self._heard(seen))
                self.settled.set()
            elif message.get("event") != "rejected":
                trader.heard(self._heard(message))

    async def watch_bids(self) -> None:
        if self._own_bids is None:
            return
        async for message in self._own_bids:
            for bid in message.get("bids", [message]):
                if "leading" in bid:
                    place = (bid["sale"], bid["lot"])
                    (self.leads.add if bid["leading"] else self.leads.discard)(place)

    async def act(self, first_pause: float, pause: float) -> None:
        """Fill the books once they are open, then one step every `pause` seconds, for ever."""
        await self.settled.wait()
        while not any(self.room.phases.get(symbol) in TRADING for symbol in self.ticks):
            await asyncio.sleep(0.2)
        await asyncio.sleep(first_pause)
        opening = self.actor.trader.fill(season_second(), self.room.phases)
        for start in range(0, len(opening), BATCH_ORDERS):
            await self._place_all(opening[start : start + BATCH_ORDERS])
        due = asyncio.get_running_loop().time()
        for step in itertools.count():
            due = max(due + pause, asyncio.get_running_loop().time())
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not self.client.connected.is_set():
                continue
            action = self.actor.trader.act(season_second(), self.room.phases)
            if action is not None:
                await self._do(action)
            if self.actor.bidder is not None and step % BIDS_EVERY == 0:
                await self._bid()

    async def _place_all(self, actions: list[Action]) -> None:
        placed = [self._order(action) for action in actions if isinstance(action, Place)]
        others = [action for action in actions if not isinstance(action, Place)]
        with contextlib.suppress(Refused, Lost):
            if placed:
                await self.client.orders(placed)
        for action in others:
            await self._do(action)

    async def _do(self, action: Action) -> None:
        """One request. A refusal is part of trading: a phase has just changed, an order has just traded."""
        with contextlib.suppress(Refused, Lost):
            if isinstance(action, Place):
                request = self._order(action)
                request.pop("type")
                await self.client.order(**request)
            elif isinstance(action, Reprice):
                await self.client.replace(
                    action.order,
                    price=ticks_to_text(action.price_ticks, self.ticks[action.symbol]),
                    quantity=str(action.qty_lots),
                    client_order_id=action.client_id,
                )
            elif isinstance(action, Withdraw):
                await self.client.cancel(order_id=action.order)

    async def _bid(self) -> None:
        sale, bidder = self.room.running(), self.actor.bidder
        if sale is None or bidder is None:
            return
        tick = parse_decimal(sale["tick_size"])
        bid = bidder.act(self._sale_view(sale, tick))
        if isinstance(bid, BidOn):
            with contextlib.suppress(Refused, Lost):
                await self.client.bid(bid.sale, bid.lot, ticks_to_text(bid.maximum_ticks, tick), bid.client_id)

    def _sale_view(self, sale: dict[str, Any], tick: Fraction) -> SaleView:
        number = sale["sale_id"]
        lots = tuple(
            LotView(
                lot["lot"],
                None if lot["price"] is None else price_to_ticks(lot["price"], tick),
                lot["state"] == "open",
                (number, lot["lot"]) in self.leads,
            )
            for lot in sale["lots"]
        )
        opening, increment = price_to_ticks(sale["opening"], tick), price_to_ticks(sale["increment"], tick)
        return SaleView(number, opening, increment, sale["state"] != "finished", lots)

    def _order(self, action: Place) -> dict[str, Any]:
        price = None if action.price_ticks is None else ticks_to_text(action.price_ticks, self.ticks[action.symbol])
        tif = "ioc" if action.tif is TimeInForce.IOC else "gtc"
        side = "buy" if action.side is Side.BUY else "sell"
        return order(action.symbol, side, str(action.qty_lots), action.client_id, price, tif)

    def _heard(self, seen: dict[str, Any]) -> Heard:
        symbol, price = seen["instrument"], seen["price"]
        return Heard(
            seen["order_id"],
            seen["client_order_id"] or "",
            symbol,
            Side[seen["side"].upper()],
            None if price is None else price_to_ticks(price, self.ticks[symbol]),
            0 if seen.get("event") == "cancelled" else int(seen["open_quantity"]),
            cancelled=seen.get("event") == "cancelled" and seen.get("reason") == "by_owner",
        )

    async def _read_history(self) -> None:
        """Client ids of orders that have ended. It may be behind: an id that was used after all is refused, no more."""
        with contextlib.suppress(Refused, aiohttp.ClientError, OSError, TimeoutError):
            async with self.room.questions:
                page = await self.client.get("orders/history", limit=HISTORY_ORDERS)
            for seen in page["orders"]:
                self.actor.trader.step_of(seen["client_order_id"] or "")


async def run_sales(client: Client, room: Room, catalogue: Catalogue, seed: int) -> None:
    """The operator: when no sale runs, open the next one after a pause."""
    await room.changed.wait()
    while True:
        await asyncio.sleep(catalogue.rule.pause_seconds)
        if room.running() is not None or not client.connected.is_set():
            continue
        number = max(room.sales, default=0) + 1
        with contextlib.suppress(Refused, aiohttp.ClientError, OSError):
            await client.post("sales", catalogue.request(number), idempotency_key=f"s{seed}-open-sale-{number}")


async def trade(url: str, config: Config, seed: int) -> None:
    """Connect everybody and trade until cancelled."""
    season = config.season
    assert season is not None, "the configuration has a season"
    ticks = {listing.body.symbol: parse_decimal(listing.body.tick_size) for listing in config.instruments}
    catalogue = Catalogue(config)
    actors = company(config, seed, catalogue)
    operator = next(p for p in parties(season, config.coffee) if p.account == OPERATOR)
    async with contextlib.AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(Client(url, operator.token(config.venue)))
        room = Room(watcher)
        work = [room.watch_status(), room.watch_sales(), run_sales(watcher, room, catalogue, seed)]
        sides = [[a for a in actors if a.bidder], [a for a in actors if not a.bidder]]
        for side in sides:
            pause = 2 * len(side) / season.actions_per_second
            for place, actor in enumerate(side):
                client = await stack.enter_async_context(Client(url, actor.party.token(config.venue)))
                account = Account(actor, client, room, ticks)
                work += [account.watch_orders(), account.watch_bids(), account.act(place * pause / len(side), pause)]
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)


async def _run(arguments: argparse.Namespace) -> None:
    config = load(arguments.config or default_path("demo"))
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    trading = asyncio.create_task(trade(arguments.url, config, arguments.seed))
    try:
        while not trading.done() and os.getppid() == arguments.parent_pid:
            await asyncio.wait([trading], timeout=0.5)
    finally:
        trading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trading


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.agents", description="Clients of a demo season.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parent-pid", type=int, default=os.getppid())
    parser.add_argument("--config", type=Path)
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))
    sys.exit(0)


if __name__ == "__main__":
    main()
