"""Clients of the simulated venue: they lose answers, ask again with the same id, and keep what they heard.

What a client was told (`heard`) is held against the log at the end. One of them bids maxima that nobody reaches: they
must stay its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from engine.codes import CommandKind, EventKind, OrderType, Phase, RefForm, Role, Side, TimeInForce
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.refs import stream_ref, text_ref
from engine.messages.rows import COMMAND, EVENT, ROW_VERSION
from engine.messages.sales.english import English, EnglishOffer, Step
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit
from gateway.sequencer import Busy, Outcome
from tests.simulation.network import Way
from tests.simulation.storm import Network
from tests.simulation.world import World

INSTRUMENTS = (1, 2)
TICK_SIZE = "0.05"
ANSWER_SECONDS = 0.06  # then a client asks again
TRIES_MAX = 3_000
SALE, LOTS, OPENING, INCREMENT = 1, 3, 100, 5
SECRET_KEEPER = 1  # its account
SECRET_STEPS = 10**8  # increments above the opening, at least, of a maximum that nobody reaches


@dataclass(frozen=True)
class Heard:
    """An answer: command `seq` of the log had these events. `ref` = (account, form, hi, lo)."""

    ref: tuple[int, int, int, int]
    seq: int
    events: bytes


def order_row(account: int, ref: tuple[int, int, int], text: str = "", **fields: int) -> Batch:
    """One hot row; a long text id travels as its body."""
    rows = np.zeros(1, COMMAND)
    row = rows[0]
    row["version"], row["account"] = ROW_VERSION, account
    row["ref_form"], row["ref_hi"], row["ref_lo"] = ref
    for name, value in fields.items():
        row[name] = value
    blob = text.encode() if ref[0] == RefForm.DIGEST else b""
    row["body_length"] = len(blob)
    return Batch(rows, blob=blob)


class Client:
    """Asks one thing at a time, until it has an answer."""

    def __init__(self, world: World, account: int) -> None:
        self.world, self.account = world, account
        self.chance = Random(world.chance.getrandbits(32))
        self.network = Network()  # calm, until the storm begins
        self.way = Way(world.loop, self.chance, self.network)
        self.heard: list[Heard] = []
        self.asked = 0

    def storm_begins(self) -> None:
        self.network.__dict__.update(replace(self.world.storm.network).__dict__)

    def name(self) -> tuple[int, int, int]:
        """A new text id, `self.text`; one in four is long."""
        self.asked += 1
        self.text = f"c{self.account}.{self.asked}" + ("-a-rather-long-id" if self.asked % 4 == 0 else "")
        return tuple(map(int, text_ref(self.text)))

    async def ask(self, batch: Batch) -> np.ndarray:
        """Events of a batch's own answer. The same batch is sent until one comes."""
        loop = self.world.loop
        for _ in range(TRIES_MAX):
            answer: asyncio.Future[Outcome | None] = loop.create_future()

            def hear(outcome: Outcome | None, answer=answer) -> None:
                if not answer.done():
                    answer.set_result(outcome)

            def answered(outcome: Outcome, hear=hear) -> None:
                self.way.send(hear, copied(outcome))

            def arrive(hear=hear, answered=answered) -> None:
                server = self.world.server
                if server is None or server.sequencer is None:
                    return
                if not server.takes(batch):
                    self.way.send(hear, None)
                    return
                try:
                    server.sequencer.submit(batch, answered)
                except Busy:
                    self.way.send(hear, None)

            self.way.send(arrive)
            timer = loop.call_later(ANSWER_SECONDS, hear, None)
            outcome = await answer
            timer.cancel()
            if outcome is not None and outcome.status == "applied":
                self.note(batch, outcome)
                return outcome.events
            await asyncio.sleep(self.chance.uniform(0.001, 0.05))
        raise self.world.violated(f"client {self.account} is not answered any more")

    def note(self, batch: Batch, outcome: Outcome) -> None:
        self.world.note(f"{self.account} heard {outcome.first_seq} {outcome.row0} {outcome.events.tobytes().hex()}")
        for row, command in enumerate(batch.rows, outcome.row0):
            events = outcome.events[outcome.events["command"] == row]
            if self.account:
                seen = self.world.variants.answer_view(events, self.account)
                self.world.secrets.check_rows(seen, f"account {self.account}", self.account)
            self.heard.append(Heard(named_by(command), outcome.first_seq + row, named(events)))


class Trader(Client):
    """Orders, cancels and replaces under text ids; bids in the sale."""

    async def main(self, steps: int) -> None:
        self.mine: list[tuple[int, np.void]] = []  # engine id and row of orders once accepted
        for _ in range(steps):
            await asyncio.sleep(self.chance.expovariate(150))
            draw = self.chance.random()
            if draw < 0.15 and self.mine:
                await self.cancel()
            elif draw < 0.25 and self.mine:
                await self.replace()
            elif draw < 0.35:
                bid = bodies.Bid(SALE, EnglishOffer(self.chance.randint(1, LOTS), self.maximum()))
                await self.ask(cold(bid, account=self.account, ref=self.name()))
            else:
                await self.enter()

    async def enter(self) -> None:
        instrument = self.chance.choice(INSTRUMENTS)
        batch = join([self.new_order(instrument) for _ in range(self.chance.choice((1, 1, 1, 4)))])
        await self.ask(batch)
        for heard in self.heard[-len(batch) :]:
            first = np.frombuffer(heard.events, EVENT)
            orders = first["order"][np.isin(first["kind"], (EventKind.ACCEPTED, EventKind.DUPLICATE))]
            row = next(row for row in batch.rows if named_by(row) == heard.ref)
            self.mine += [(int(order), row) for order in orders[:1] if order]

    def maximum(self) -> int:
        """In ticks. The keeper's are such that no bid of another ever makes them the price."""
        if self.account != SECRET_KEEPER:
            return OPENING + INCREMENT * self.chance.randint(0, 40)
        ticks = OPENING + INCREMENT * (SECRET_STEPS + self.chance.randrange(SECRET_STEPS // 2))
        self.world.secrets.add_maximum(self.account, ticks, TICK_SIZE)
        return ticks

    async def cancel(self) -> None:
        order, row = self.mine.pop(self.chance.randrange(len(self.mine)))
        by_text = self.chance.random() < 0.5
        ref = named_by(row)[1:] if by_text else (0, 0, 0)
        fields = {"kind": CommandKind.CANCEL, "instrument": int(row["instrument"]), "order": 0 if by_text else order}
        await self.ask(order_row(self.account, ref, **fields))

    async def replace(self) -> None:
        order, row = self.chance.choice(self.mine)
        fields = {name: int(row[name]) for name in ("instrument", "side", "type")}
        fields |= {"price": 0 if row["type"] else self.chance.randint(95, 105), "qty": self.chance.randint(1, 20)}
        ref = self.name()
        await self.ask(order_row(self.account, ref, self.text, kind=CommandKind.REPLACE, order=order, **fields))

    def new_order(self, instrument: int) -> Batch:
        chance = self.chance
        market = chance.random() < 0.08
        fields = {"instrument": instrument, "side": chance.choice(list(Side)), "qty": chance.randint(1, 20)}
        fields |= {"tif": chance.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC, TimeInForce.FOK))}
        fields |= {"type": OrderType.MARKET} if market else {"price": chance.randint(95, 105)}
        ref = self.name()
        return order_row(self.account, ref, self.text, kind=CommandKind.NEW, **fields)


class Packer(Client):
    """Rows of the packed path: numbers rise, several in flight, what is not answered is sent again, all of it."""

    async def main(self, steps: int) -> None:
        connection = 1_000 + self.account
        waiting: dict[int, bytes] = {}
        number = 0
        tries = 0
        while number < steps or waiting:
            burst = [] if number >= steps else range(number + 1, number + 1 + self.chance.randint(1, 6))
            for number in burst:
                fields = {"kind": CommandKind.NEW, "side": self.chance.choice(list(Side))}
                fields |= {"price": self.chance.randint(95, 105), "qty": self.chance.randint(1, 20)}
                fields |= {"instrument": self.chance.choice(INSTRUMENTS), "connection": connection}
                ref = tuple(map(int, stream_ref(7, number)))
                waiting[number] = order_row(self.account, ref, **fields).rows.tobytes()
            before = len(waiting)
            self.way.send(self.arrive, connection, b"".join(waiting.values()), waiting)
            await asyncio.sleep(self.chance.uniform(0.002, ANSWER_SECONDS))
            tries = tries + 1 if len(waiting) == before else 0
            if tries > TRIES_MAX:
                raise self.world.violated(f"packed client {self.account} is not answered any more")

    def arrive(self, connection: int, raw: bytes, waiting: dict[int, bytes]) -> None:
        server = self.world.server
        if server is None or server.sequencer is None:
            return
        server.receivers[connection] = lambda seq, number, events: self.way.send(
            self.hear, seq, number, events.copy(), waiting
        )
        try:
            server.sequencer.submit_rows(raw)
        except Busy:
            return

    def hear(self, seq: int, number: int, events: np.ndarray, waiting: dict[int, bytes]) -> None:
        ref = (self.account, *map(int, stream_ref(7, number)))
        self.world.note(f"{self.account} heard {seq} {events.tobytes().hex()}")
        self.heard.append(Heard(ref, seq, named(events)))
        waiting.pop(number, None)


class Operator(Client):
    """Opens the venue, then moves it through calls and continuous trading, by hand and by calendar; opens the sale."""

    async def open_venue(self, accounts: list[int]) -> None:
        for account in accounts:
            await self.ask(cold(bodies.OpenAccount(account, f"account {account}"), ref=self.name()))
            key = bodies.AddKey(self.chance.randbytes(32), account, Role.TRADE)
            self.world.secrets.add_key(key.key_hash)
            await self.ask(cold(key, ref=self.name()))
        for instrument in INSTRUMENTS:
            listing = bodies.ListInstrument(
                instrument, f"QH-{instrument}", "green coffee", "coffee", TICK_SIZE, "USc/lb", "bag of 69 kg", "USD",
                1, 100, reference=100,
            )  # fmt: skip
            await self.ask(cold(listing, ref=self.name()))
            await self.ask(cold(bodies.SetPhase(instrument, Phase.CALL), ref=self.name()))
            if instrument == 1:
                await self.ask(cold(bodies.Uncross(instrument, Phase.CONTINUOUS), ref=self.name()))

    async def main(self, rounds: int) -> None:
        for number in range(rounds):
            now_ns = self.world.monotonic_ns() + self.world.wall_offset_ns
            if number == 1:
                lots = tuple(SaleLot(2 + lot % 2, f"lot {lot}", 5 + lot, 69_000) for lot in range(LOTS))
                rule = English(OPENING, (Step(0, INCREMENT),), 10**9, now_ns + 4 * 10**8)
                unit = Unit(TICK_SIZE, "USc/lb", "USD", 1, 100)
                sale = SaleTerms(SALE, 1, "best of the season", unit, Stages(), lots, rule)
                await self.ask(cold(sale, ref=self.name()))
            calendar = (
                bodies.ScheduleEntry(now_ns + 2 * 10**8, Phase.CALL),
                bodies.ScheduleEntry(now_ns + 4 * 10**8, Phase.CONTINUOUS, uncross=True),
            )
            await self.ask(cold(bodies.Schedule(2, number, calendar), ref=self.name()))
            await asyncio.sleep(0.15)
            await self.ask(cold(bodies.SetPhase(1, Phase.CALL), ref=self.name()))
            await asyncio.sleep(0.1)
            await self.ask(cold(bodies.Uncross(1, Phase.CONTINUOUS), ref=self.name()))


def named_by(row: np.void) -> tuple[int, int, int, int]:
    """(account, form, hi, lo) of a command row."""
    return tuple(int(row[name]) for name in ("account", "ref_form", "ref_hi", "ref_lo"))


def copied(outcome: Outcome) -> Outcome:
    """What travels is bytes: nothing the venue does later may change it."""
    return Outcome(outcome.status, outcome.first_seq, outcome.ts_ns, outcome.events.copy(), outcome.row0)


def named(events: np.ndarray) -> bytes:
    """Events without their place in a record, which differs between partitions."""
    events = events.astype(EVENT)
    events["command"] = 0
    return events.tobytes()
