"""A season without waiting: the same traders and the same engine, in one process, on time that is counted, not passed.

Everything that is decided is decided by `Machine.apply` on records like those of a venue; this file only brings the
commands in order and counts what comes back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from engine.codes import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    RefForm,
    SaleState,
    Side,
    TimeInForce,
    name_of,
)
from engine.log.memory import MemoryLog
from engine.machine import Machine
from engine.messages.batch import Batch, cold, join
from engine.messages.bodies import Bid, Resume, Time
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND, ROW_VERSION
from engine.messages.sales.english import English, EnglishOffer
from engine.state.books import Books
from engine.state.sales.english import EnglishState
from engine.state.sales.sale import Sale
from gateway.config import Config, genesis
from gateway.demo.actions import Action, BidOn, Heard, LotView, Place, Reprice, SaleView, Withdraw
from gateway.demo.company import Actor, company
from gateway.demo.parties import OPERATOR
from gateway.demo.sales import Catalogue
from gateway.inbox import Outcome, Reply
from gateway.scheduler import EVERY_SECONDS, Scheduler
from gateway.sequencer import Stamp

SECOND_NS = 10**9
START_NS = 1_780_401_600 * SECOND_NS  # 2 June 2026, 12:00 UTC: the day of the price table
RECORD_COMMANDS = 400


@dataclass
class BookResult:
    """What a season did in one book. Quantities in lots, money in minor units of the instrument's currency."""

    offered: int = 0
    sold: int = 0
    sold_in_calls: int = 0
    value_minor: int = 0
    calls: int = 0  # that found a price
    call_ticks_x_lots: int = 0
    last_call_ticks: int | None = None


@dataclass
class Result:
    config: Config
    machine: Machine
    labels: dict[int, str]
    books: dict[str, BookResult] = field(default_factory=lambda: defaultdict(BookResult))
    commands: int = 0
    events: int = 0
    rejects: Counter[str] = field(default_factory=Counter)

    @property
    def checksum(self) -> str:
        return self.machine.state_hash().hex()


class Rehearsal:
    """One venue, one company of traders, one clock that is moved by hand. It stands in for Env and Sequencer where the
    scheduler asks for them."""

    def __init__(self, config: Config, seed: int, *, on_minute: Callable[[int], None] | None = None) -> None:
        assert config.season is not None, "the configuration has a season"
        self.config, self.season, self.seed, self.on_minute = config, config.season, seed, on_minute
        self.log, self.machine = MemoryLog(), Machine(Books())
        self.stamp = Stamp(self.log.claim(), 0)
        self.catalogue = Catalogue(config)
        self.actors = company(config, seed, self.catalogue)
        self.by_account = {actor.party.account: actor for actor in self.actors}
        labels = {account.account: account.label for account in config.accounts}
        self.result = Result(config, self.machine, labels)
        self.symbols = {listing.body.instrument: listing.body.symbol for listing in config.instruments}
        self.scheduler = Scheduler(self, self, self.machine, config)  # type: ignore[arg-type]
        self.second = 0
        self._waiting: list[tuple[Batch, Reply | None]] = []
        self._orders: dict[int, Heard] = {}
        self._next_sale, self._sale_from = 1, 30

    # What the scheduler asks of Env and Sequencer

    def now_ns(self) -> int:
        return START_NS + self.second * SECOND_NS

    def submit(self, batch: Batch, reply: Reply | None = None) -> None:
        self._waiting.append((batch, reply))

    # The season

    def play(self) -> Result:
        """All of it; returns what came of it."""
        self._apply(cold(Resume(self.now_ns(), self.now_ns())))
        for batch in genesis(self.config):
            self._apply(batch)
        seconds = self.season.minutes * 60
        for coop in self.actors:
            if hasattr(coop.trader, "repeat"):
                coop.trader.repeat = False
        for self.second in range(seconds + 1):
            if self.second % int(EVERY_SECONDS) == 0:
                self.scheduler.top_up()
            if self.second < seconds - 5:
                self._act()
            self._settle()
            if self.on_minute and self.second % 60 == 0:
                self.on_minute(self.second // 60)
        return self.result

    def phases(self) -> dict[str, Phase]:
        return {symbol: Phase(self.machine.hot.phase(number)) for number, symbol in self.symbols.items()}

    def _act(self) -> None:
        phases = self.phases()
        importers = [actor for actor in self.actors if actor.bidder]
        coops = [actor for actor in self.actors if not actor.bidder]
        if self.second in (5, 45):
            for actor in self.actors:
                for action in actor.trader.fill(self.second, phases):
                    self._send(actor, action)
            return
        rate = self.season.actions_per_second
        for number in range(int(rate * self.second), int(rate * (self.second + 1))):
            side = importers if number % 2 else coops
            actor = side[number // 2 % len(side)]
            step = actor.trader.act(self.second, phases)
            if step is not None:
                self._send(actor, step)
        self._sale(importers)

    def _sale(self, importers: list[Actor]) -> None:
        """Keep one sale running; one bidder a second looks at it."""
        sales = self.machine.venue.sales
        running = [sale for sale in sales.values() if sale.state != SaleState.FINISHED]
        if not running:
            if self._next_sale <= self.season.sale.sales and self.second >= self._sale_from:
                self.submit(cold(self.catalogue.open_sale(self._next_sale, self.now_ns()), OPERATOR))
                self._next_sale += 1
                self._sale_from = self.second + self.season.sale.pause_seconds
            return
        self._sale_from = self.second + self.season.sale.pause_seconds
        actor = importers[self.second % len(importers)]
        assert actor.bidder is not None
        bid = actor.bidder.act(view_for(running[0], actor.party.account))
        if bid is not None:
            self._send(actor, bid)

    # Commands out

    def _send(self, actor: Actor, action: Action) -> None:
        account = actor.party.account
        if isinstance(action, BidOn):
            body = Bid(action.sale, EnglishOffer(action.lot, action.maximum_ticks))
            self.submit(cold(body, account, ref=text_ref(action.client_id)))
            return
        if isinstance(action, Place) and action.side is Side.SELL and "r" not in action.client_id:
            self.result.books[action.symbol].offered += action.qty_lots
        number = actor.trader.goods[action.symbol].instrument
        self.submit(order_batch(action, number, account), self._answer(account, action))

    def _answer(self, account: int, action: Action) -> Reply:
        def reply(outcome: Outcome) -> None:
            for event in outcome.events[outcome.events["command"] == outcome.row0]:
                if event["kind"] == EventKind.ACCEPTED and isinstance(action, Place):
                    heard = Heard(
                        str(event["order"]), action.client_id, action.symbol, action.side, action.price_ticks,
                        int(event["qty"]),
                    )  # fmt: skip
                    self._orders[int(event["order"])] = heard
                    self.by_account[account].trader.heard(heard)

        return reply

    def _settle(self) -> None:
        """Decide what waits; when nothing does but a timer is due, a TIME command."""
        due = self.machine.next_due()
        if not self._waiting and due is not None and due <= self.now_ns():
            self.submit(cold(Time()))
        while self._waiting:
            taken, self._waiting = self._waiting[:RECORD_COMMANDS], self._waiting[RECORD_COMMANDS:]
            events, first_seq = self._apply(join([batch for batch, _ in taken]))
            row = 0
            for batch, reply in taken:
                if reply is not None:
                    mine = events[(events["command"] >= row) & (events["command"] < row + len(batch))]
                    reply(Outcome("applied", first_seq, self.now_ns(), mine, row))
                row += len(batch)
            self._count(events)

    def _apply(self, batch: Batch) -> tuple[np.ndarray, int]:
        record = self.stamp.record(batch, self.now_ns(), self.machine.seq, self.machine.event_digest)
        self.log.write(record)
        events = self.machine.apply(record)
        self.result.commands += len(batch)
        self.result.events += len(events)
        return events, record.first_seq

    # Events in

    def _count(self, events: np.ndarray) -> None:
        for event in events:
            kind = event["kind"]
            if kind == EventKind.FILL:
                self._fill(event)
            elif kind == EventKind.CANCELLED:
                self._news(int(event["order"]), 0, None, cancelled=True)
            elif kind == EventKind.REPLACED:
                self._news(int(event["order"]), int(event["qty"]), int(event["price"]))
            elif kind == EventKind.UNCROSSED and not event["flags"] & EventFlag.NO_PRICE:
                book = self.result.books[self.symbols[int(event["instrument"])]]
                book.calls += 1
                book.call_ticks_x_lots += int(event["price"]) * int(event["qty"])
                book.last_call_ticks = int(event["price"])
            elif kind == EventKind.REJECTED:
                self.result.rejects[name_of(Reason, int(event["reason"]))] += 1

    def _fill(self, event: np.void) -> None:
        symbol = self.symbols[int(event["instrument"])]
        qty, book = int(event["qty"]), self.result.books[symbol]
        book.sold += qty
        book.sold_in_calls += qty if event["flags"] & EventFlag.AUCTION else 0
        instrument = self.machine.venue.instruments[int(event["instrument"])]
        book.value_minor += instrument.value_minor(int(event["price"]), qty)
        for order in (int(event["order"]), int(event["counter_order"])):
            heard = self._orders.get(order)
            if heard is not None:
                self._news(order, heard.open_lots - qty, heard.price_ticks)

    def _news(self, order: int, open_lots: int, price_ticks: int | None, *, cancelled: bool = False) -> None:
        heard = self._orders.get(order)
        if heard is None:
            return
        heard = heard._replace(open_lots=open_lots, cancelled=cancelled, price_ticks=price_ticks or heard.price_ticks)
        self._orders[order] = heard
        if open_lots <= 0:
            del self._orders[order]
        account = int(heard.client_id.split("-")[1].removeprefix("a"))
        self.by_account[account].trader.heard(heard)


def order_batch(action: Action, instrument: int, account: int) -> Batch:
    """One order action as a command row; a client id beyond 15 characters goes into the blob."""
    assert not isinstance(action, BidOn), "a bid is a cold command"
    rows = np.zeros(1, COMMAND)
    row = rows[0]
    row["version"], row["instrument"], row["account"] = ROW_VERSION, instrument, account
    if isinstance(action, Withdraw):
        row["kind"], row["order"] = CommandKind.CANCEL, int(action.order)
        return Batch(rows)
    row["side"], row["qty"] = action.side, action.qty_lots
    if isinstance(action, Reprice):
        row["kind"], row["order"], row["price"] = CommandKind.REPLACE, int(action.order), action.price_ticks
        row["type"], row["tif"] = OrderType.LIMIT, TimeInForce.GTC
    else:
        market = action.price_ticks is None
        row["kind"], row["tif"] = CommandKind.NEW, action.tif
        row["type"], row["price"] = (OrderType.MARKET, 0) if market else (OrderType.LIMIT, action.price_ticks)
    row["ref_form"], row["ref_hi"], row["ref_lo"] = text_ref(action.client_id)
    blob = action.client_id.encode() if row["ref_form"] == RefForm.DIGEST else b""
    row["body_length"] = len(blob)
    return Batch(rows, blob=blob)


def view_for(sale: Sale, account: int) -> SaleView:
    """A running sale as one account sees it."""
    terms, market = sale.terms.mechanism, sale.market
    assert isinstance(terms, English) and isinstance(market, EnglishState)
    lots = tuple(
        LotView(number, lot.price, not lot.closed, lot.leader == account) for number, lot in enumerate(market.lots, 1)
    )
    return SaleView(sale.sale, terms.opening, terms.increments[0].increment, sale.state != SaleState.FINISHED, lots)
