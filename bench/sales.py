"""Sales: the end of a large Helmsman sale through a real venue, a sale of many lots, bids replayed.

    sales.outbid   50 lots, 200 bidders, bids at 20/s and then at 500/s over WebSocket: how long until whoever is outbid
                   knows it, from the moment when the bid should be sent; with watchers of the sales feed, and alone
    sales.lots     one bid, the public view and the hammer in a sale of 800 lots, beside one of 50
    sales.replay   a log of 20,000 bids from memory through the machine, beside the decoding of its commands alone

Bids go up by one step, lot after lot; who leads does not bid. Watchers are a process of their own. Venue and clients
share the cores that there are.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import subprocess
import sys
import urllib.request
from collections import defaultdict, deque
from collections.abc import Iterator
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import Any

import msgspec
import numpy as np
import uvloop

from bench import load
from bench.pipeline import cpu_seconds
from bench.serving import Served, venue
from bench.watchers import ADDRESS_READERS
from engine.log.interface import Tail
from engine.log.memory import MemoryLog
from engine.log.replay import replay
from engine.machine import Machine
from engine.markets.sales.views import public_view
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.sales.english import English, EnglishOffer, Step
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit
from engine.state.books import Books
from gateway.sequencer import Stamp

LOTS, MANY_LOTS, BIDDERS, WATCHERS = 50, 800, 200, 1_000
RATES = (20, 500)  # bids a second: the end of a sale, and its worst moment
REPLAYED, PER_RECORD = 20_000, 20
OPENING, INCREMENT = 400, 10
SELLER, OPERATOR, FIRST_BIDDER = 1, 2, 3
T0_NS, STEP_NS = 1_700_000_000 * 10**9, 10**6
TOKEN = "qk_bench{:03d}saleroomloadclientkey00"
_ACCOUNT = '[[accounts]]\naccount = {0}\nlabel = "{1}"\n[[keys]]\naccount = {0}\nroles = {2}\ntoken = "{3}"\n'


def token(account: int) -> str:
    return TOKEN.format(account)


def accounts_text() -> str:
    """A seller, an operator and the bidders, as tables of a configuration."""
    named = [(SELLER, "co-op", '["read"]'), (OPERATOR, "operator", '["read", "operate"]')]
    named += [(FIRST_BIDDER + k, f"importer {k}", '["read", "trade"]') for k in range(BIDDERS)]
    return "\n".join(_ACCOUNT.format(account, label, roles, token(account)) for account, label, roles in named)


# --- outbid ----------------------------------------------------------------------------------------------------------


class Bidder(load.Connection):
    """One bidder: notes when it hears that it is outbid, and counts refusals."""

    def __init__(self, room: Room, number: int) -> None:
        super().__init__(lambda connection, events: None)
        self.room, self.number = room, number

    def take(self, op: int, payload: bytes) -> None:
        heard = perf_counter_ns()
        if op != 2 or not self.said_ok.done():
            super().take(op, payload)
            return
        message = msgspec.msgpack.decode(payload)
        if message.get("channel") == "own_bids":
            if message.get("leading") is False:
                self.room.outbid(self.number, message["lot"], heard)
        elif message.get("op") == "bid":
            self.room.answered(message["id"], heard)
        elif message.get("op") == "error":
            self.room.meant.pop(message.get("id"), None)
            self.room.refused += 1


class Room:
    """All bidders of one sale, and the moments of their bids."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.bidders: list[Bidder] = []
        self.leaders = [0] * LOTS  # index of who bid last on each lot
        self.steps = [0] * LOTS  # bids sent on each lot
        self.meant: dict[int, int] = {}  # number of a bid -> when it should be sent
        # (bidder, lot) -> the same, of the bids that outbid it and that it has not heard of
        self.owed: defaultdict[tuple[int, int], deque[int]] = defaultdict(deque)
        self.outbid_ns: list[int] = []
        self.answer_ns: list[int] = []
        self.refused = self.sent = 0

    async def enter(self, port: int) -> None:
        subscribe = load.frame(msgspec.msgpack.encode({"op": "subscribe", "id": 2, "channel": "own_bids"}))
        for k in range(BIDDERS):
            local = (f"127.0.2.{1 + k // ADDRESS_READERS}", 0)
            _, bidder = await asyncio.get_running_loop().create_connection(
                lambda number=k: Bidder(self, number), "127.0.0.1", port, local_addr=local
            )
            bidder.hello("127.0.0.1")
            await bidder.upgraded
            bidder.send(load.frame(msgspec.msgpack.encode({"op": "auth", "id": 1, "token": token(FIRST_BIDDER + k)})))
            await bidder.said_ok
            bidder.send(subscribe)
            self.bidders.append(bidder)

    def bid(self, meant_ns: int) -> None:
        """The next bid: one step above the last one on the lot whose turn it is."""
        lot, number = self.sent % LOTS, self.sent
        who = self.random.randrange(BIDDERS - 1)
        who += who >= self.leaders[lot] and self.steps[lot] > 0
        price = f"{(OPENING + INCREMENT * self.steps[lot]) / 100:.2f}"
        if self.steps[lot]:
            self.owed[self.leaders[lot], lot + 1].append(meant_ns)
        self.meant[number] = meant_ns
        self.leaders[lot] = who
        self.steps[lot] += 1
        self.sent += 1
        message = {
            "op": "bid", "id": number, "sale": 1, "lot": lot + 1, "maximum": price, "client_bid_id": f"bid-{number}",
        }  # fmt: skip
        self.bidders[who].send(load.frame(msgspec.msgpack.encode(message)))

    def outbid(self, bidder: int, lot: int, heard_ns: int) -> None:
        if self.owed[bidder, lot]:
            self.outbid_ns.append(heard_ns - self.owed[bidder, lot].popleft())

    def answered(self, number: int, heard_ns: int) -> None:
        self.answer_ns.append(heard_ns - self.meant.pop(number))

    async def at(self, rate: int, seconds: float) -> dict[str, float]:
        """Bids at a fixed rate, whatever the answers do. Latencies in ms."""
        self.outbid_ns, self.answer_ns, self.refused = [], [], 0
        begin, first, total = perf_counter_ns(), self.sent, int(rate * seconds)
        while (done := self.sent - first) < total:
            meant = begin + done * 10**9 // rate
            if perf_counter_ns() < meant:
                await asyncio.sleep(min(0.001, (meant - perf_counter_ns()) / 1e9))
            else:
                self.bid(meant)
                await asyncio.sleep(0)
        for _ in range(500):
            if not self.meant and not any(self.owed.values()):
                break
            await asyncio.sleep(0.01)
        lost = sum(map(len, self.owed.values()))
        self.owed.clear()
        gone = next((bidder.closed for bidder in self.bidders if bidder.closed), None)
        if gone or self.meant:
            raise ConnectionError(gone or f"{len(self.meant)} bids without an answer, {self.refused} refused")
        return {
            "rate": rate,
            "bids": total,
            "outbid": len(self.outbid_ns),
            "not_told": lost,
            "refused": self.refused,
            **{f"outbid_ms_p{p}": float(np.percentile(self.outbid_ns, p)) / 1e6 for p in (50, 99, 100)},
            **{f"answer_ms_p{p}": float(np.percentile(self.answer_ns, p)) / 1e6 for p in (50, 99)},
        }


def open_sale(served: Served, lots: int) -> None:
    """Over REST, as an operator does."""
    sale = {
        "sale_id": 1, "title": "best of the season", "opening": "4.00", "increment": "0.10", "tick_size": "0.01",
        "price_unit": "USD/lb", "currency": "USD", "clock_seconds": 180, "open_seconds": 3600,
        "lots": [
            {"seller": SELLER, "title": f"lot {n}", "bags": 10, "bag_kg": "30", "attributes": {"origin": "Jaén"}}
            for n in range(1, lots + 1)
        ],
    }  # fmt: skip
    request = urllib.request.Request(
        f"http://127.0.0.1:{served.port}/v1/sales",
        json.dumps(sale).encode(),
        {
            "Authorization": f"Bearer {token(OPERATOR)}",
            "Content-Type": "application/json",
            "Idempotency-Key": "the-sale-of-the-bench",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


@contextlib.contextmanager
def watchers(port: int, count: int) -> Iterator[dict[str, float]]:
    """So many readers of the sales feed; what they saw stands in the dictionary afterwards."""
    told: dict[str, float] = {}
    if not count:
        yield told
        return
    command = [sys.executable, "-m", "bench.watchers", str(port), str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the watchers did not come in")
        yield told
        process.stdin.close()
        told |= json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def outbid(count: int, seconds: float, rates: tuple[int, ...], seed: int) -> list[dict[str, Any]]:
    """One sale with so many watchers, its bids at each rate in turn."""

    async def hold(served: Served) -> list[dict[str, Any]]:
        room, lines = Room(seed), []
        await room.enter(served.port)
        await room.at(100, LOTS / 100 + 0.5)  # a bid on every lot: the clock runs
        for rate in rates:
            cpu, began = cpu_seconds(served.pid), perf_counter_ns()
            line = await room.at(rate, seconds)
            share = (cpu_seconds(served.pid) - cpu) / ((perf_counter_ns() - began) / 1e9)
            lines.append({"name": "sales.outbid", "watchers": count, **line, "venue_cpu": share, "seed": seed})
        return lines

    with venue(None, tables=accounts_text()) as served:
        open_sale(served, LOTS)
        with watchers(served.port, count) as told:
            lines = uvloop.run(hold(served))
    for line in lines:
        line |= {f"watchers_{name}": value for name, value in told.items()}
        if told:
            line["watcher_frames_per_s"] = told["frames_most"] / told["seconds"]
    return lines


# --- in one process --------------------------------------------------------------------------------------------------


def opening(lots: int) -> list[bodies.Body]:
    """A venue with its accounts and a sale of so many lots."""
    plan = SaleTerms(
        sale=1,
        version=1,
        title="best of the season",
        unit=Unit("0.01", "USD/lb", "USD", 100_000, 45_359_237),
        stages=Stages(),
        lots=tuple(SaleLot(SELLER, f"lot {n}", 10, 30_000) for n in range(1, lots + 1)),
        mechanism=English(OPENING, (Step(0, INCREMENT),), 180 * 10**9, open_until_ns=T0_NS + 3600 * 10**9),
    )
    accounts = [bodies.OpenAccount(number, f"account {number}") for number in range(1, FIRST_BIDDER + BIDDERS)]
    return [bodies.Genesis(b"g" * 16, "bench"), *accounts, plan]


class Held:
    """A sale on a machine, and the records that made it."""

    def __init__(self, lots: int, seed: int) -> None:
        self.machine, self.stamp, self.ts_ns = Machine(Books()), Stamp(Tail(epoch=1), 0), T0_NS
        self.records: list[bytes] = []
        self.random, self.lots = random.Random(seed), lots
        self.prices = [OPENING - INCREMENT] * lots
        self.do(join([cold(body) for body in opening(lots)]))

    def do(self, batch: Batch) -> int:
        """ns of processor that the machine took."""
        self.ts_ns += STEP_NS
        record = self.stamp.record(batch, self.ts_ns, self.machine.seq, self.machine.event_digest)
        began = thread_time_ns()
        self.machine.apply(record)
        self.records.append(record.raw)
        return thread_time_ns() - began

    def bids(self, count: int) -> Batch:
        """So many bids, each a random number of steps above the last on its lot."""
        made = []
        for _ in range(count):
            lot = self.random.randrange(self.lots)
            self.prices[lot] += INCREMENT * self.random.randrange(1, 4)
            account = FIRST_BIDDER + self.random.randrange(BIDDERS)
            made.append(cold(bodies.Bid(1, EnglishOffer(lot + 1, self.prices[lot])), account=account))
        return join(made)


def of_lots(lots: int, runs: int, seed: int) -> dict[str, float]:
    """us of one bid, of the public view and its JSON, of closing all lots at once."""
    held = Held(lots, seed)
    for first in range(0, lots, 100):
        made = []
        for lot in range(first, min(first + 100, lots)):
            held.prices[lot] = OPENING
            made.append(cold(bodies.Bid(1, EnglishOffer(lot + 1, OPENING)), account=FIRST_BIDDER))
        held.do(join(made))
    each = [held.do(held.bids(1)) for _ in range(100 * runs)]
    sale, shown = held.machine.venue.sales[1], []
    for _ in range(5 * runs):
        began = thread_time_ns()
        size = len(msgspec.json.encode(public_view(sale)))
        shown.append(thread_time_ns() - began)
    end = held.do(cold(bodies.EndSale(1)))
    return {"bid": median(each) / 1e3, "view": median(shown) / 1e3, "bytes": size, "hammer": end / 1e3}


def lots_line(runs: int, seed: int) -> dict[str, Any]:
    few, many = of_lots(LOTS, runs, seed), of_lots(MANY_LOTS, runs, seed)
    return {
        "name": "sales.lots",
        "lots": MANY_LOTS,
        "seed": seed,
        **{f"{name}_us": many[name] for name in ("bid", "view", "hammer")},
        **{f"{name}_of_{LOTS}": many[name] / few[name] for name in ("bid", "view", "hammer")},
        "view_bytes": many["bytes"],
    }


def bodies_of(batch: Batch) -> list[bytes]:
    ends = np.cumsum(batch.rows["body_length"]).tolist()
    return [batch.blob[first:end] for first, end in itertools.pairwise([0, *ends])]


def replay_line(count: int, runs: int, seed: int) -> dict[str, Any]:
    """Seconds of processor for replaying so many bids; the decoding of the same commands alone is the baseline."""
    held = Held(LOTS, seed)
    bids = [held.bids(PER_RECORD) for _ in range(count // PER_RECORD)]
    for batch in bids:
        held.do(batch)
    raws = [raw for batch in bids for raw in bodies_of(batch)]
    kind = bodies.kind_of(bodies.Bid(1, EnglishOffer(1, 1)))
    log, hashes = MemoryLog(held.records), {held.machine.state_hash()}
    walls, cpus, plain = [], [], []
    for _ in range(runs):
        machine, began, cpu = Machine(Books()), perf_counter_ns(), thread_time_ns()
        replay(log, machine)
        cpus.append((thread_time_ns() - cpu) / 1e9)
        walls.append((perf_counter_ns() - began) / 1e9)
        hashes.add(machine.state_hash())
        cpu = thread_time_ns()
        for raw in raws:
            bodies.decode_body(kind, raw)
        plain.append((thread_time_ns() - cpu) / 1e9)
    assert len(hashes) == 1, "a replay comes to another state"
    return {
        "name": "sales.replay",
        "bids": len(raws),
        "seconds": median(cpus),
        "seconds_best": min(cpus),
        "seconds_wall": median(walls),
        "of_decoding": median(cpus) / median(plain),
        "hash": hashes.pop().hex()[:8],
        "seed": seed,
    }


# --- the command -----------------------------------------------------------------------------------------------------


def text_of(line: dict[str, Any]) -> str:
    if line["name"] == "sales.outbid":
        text = (
            f"{line['rate']:4d} bids/s  {line['watchers']:5,d} watchers  outbid p50 {line['outbid_ms_p50']:.1f} ms"
            f"  p99 {line['outbid_ms_p99']:.1f}  worst {line['outbid_ms_p100']:.1f} ({line['outbid']:,} told,"
            f" {line['not_told']} not)  own answer p99 {line['answer_ms_p99']:.1f} ms  {line['refused']} refused"
            f"  venue {line['venue_cpu']:.0%} of a core"
        )
        if line["watchers"]:
            text += (
                f"  {line['watcher_frames_per_s']:.1f} frames/s a watcher, {line['watchers_closed']} closed"
                f"  {line['p99_of_alone']:.1f}x alone"
            )
    elif line["name"] == "sales.lots":
        text = f"{line['lots']} lots  " + "  ".join(
            f"{what} {line[f'{what}_us']:,.0f} us ({line[f'{what}_of_{LOTS}']:.1f}x {LOTS} lots)"
            for what in ("bid", "view", "hammer")
        )
    else:
        text = (
            f"{line['bids']:,} bids in {line['seconds']:.2f} s of processor (best {line['seconds_best']:.2f},"
            f" wall {line['seconds_wall']:.2f})"
            f"  {line['of_decoding']:.1f}x decoding alone  hash {line['hash']}"
        )
    return f"{line['name']:13s} {text}  seed {line['seed']}"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench sales", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0, help="of bids at each rate")
    parser.add_argument("--watchers", type=int, default=WATCHERS)
    parser.add_argument("--bids", type=int, default=REPLAYED, help="replayed")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    lines: list[dict[str, Any]] = []

    def say(line: dict[str, Any]) -> None:
        lines.append(line)
        if not options.json:
            print(text_of(line), flush=True)

    say(replay_line(options.bids, options.runs, options.seed))
    say(lots_line(options.runs, options.seed))
    alone = outbid(0, options.seconds, RATES, options.seed)
    for line in alone:
        say(line)
    watched = outbid(options.watchers, options.seconds, RATES, options.seed)
    for line, bare in zip(watched, alone, strict=True):
        line["p99_of_alone"] = line["outbid_ms_p99"] / bare["outbid_ms_p99"]
        say(line)
    if options.json:
        print(json.dumps(lines))
