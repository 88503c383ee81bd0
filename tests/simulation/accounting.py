"""What is entered is open, filled or cancelled; what one pays another is paid; nobody trades beyond its limit."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np

from engine.codes import EventFlag, EventKind, Side
from engine.domain.units import value_minor
from tests.simulation.replayed import Replayed
from tests.simulation.world import World

ACCEPTED, REPLACED, FILL, CANCELLED = map(
    int, (EventKind.ACCEPTED, EventKind.REPLACED, EventKind.FILL, EventKind.CANCELLED)
)
LOT_SOLD, UNCROSSED = int(EventKind.LOT_SOLD), int(EventKind.UNCROSSED)
AUCTION, UNPRICED = int(EventFlag.AUCTION), int(EventFlag.UNPRICED)


class Order(NamedTuple):
    account: int
    side: int
    limit: int | None  # ticks
    open: int


class Accounts:
    """Orders, lots and money as the events leave them."""

    def __init__(self, world: World, replayed: Replayed) -> None:
        self.world, self.venue = world, replayed.machine.venue
        self.orders: dict[int, Order] = {}
        self.position: dict[tuple[int, int], int] = defaultdict(int)  # lots by account and instrument
        self.bought: dict[tuple[int, str], int] = defaultdict(int)  # minor units by account and currency
        self.sold: dict[tuple[int, str], int] = defaultdict(int)
        self._in_call: dict[int, int] = defaultdict(int)  # lots of the fills of a call by instrument
        for seq, events in replayed.by_seq.items():
            for event in events:
                self._take(seq, event)

    def _take(self, seq: int, event: np.void) -> None:
        kind, number, qty = int(event["kind"]), int(event["order"]), int(event["qty"])
        if kind == ACCEPTED:
            limit = None if event["flags"] & UNPRICED else int(event["price"])
            self.orders[number] = Order(int(event["account"]), int(event["side"]), limit, qty)
        elif kind == REPLACED:
            limit = None if event["flags"] & UNPRICED else int(event["price"])
            self.orders[number] = self.orders[number]._replace(limit=limit, open=qty)
        elif kind == CANCELLED:
            self._less(number, qty)
        elif kind == FILL:
            self._fill(seq, event)
        elif kind == UNCROSSED:
            traded = self._in_call.pop(int(event["instrument"]), 0)
            if traded != qty:
                raise self.world.violated(f"a call of command {seq} says {qty} lots and its fills are {traded}")
        elif kind == LOT_SOLD:
            sale = self.venue.sales[number]
            value = sale.value_minor(sale.grams(int(event["instrument"]), int(event["qty"])), int(event["price"]))
            self._pay(int(event["account"]), int(event["counter_account"]), sale.terms.unit.currency, value)

    def _fill(self, seq: int, event: np.void) -> None:
        price, qty, instrument = int(event["price"]), int(event["qty"]), int(event["instrument"])
        ends = {
            self.orders[int(event[name])].side: self.orders[int(event[name])] for name in ("order", "counter_order")
        }
        if len(ends) != 2:
            raise self.world.violated(f"two orders of one side trade in command {seq}")
        buy, sell = ends[Side.BUY], ends[Side.SELL]
        if {buy.account, sell.account} != {int(event["account"]), int(event["counter_account"])}:
            raise self.world.violated(f"a fill of command {seq} names other accounts than its orders")
        if not (sell.limit is None or sell.limit <= price) or not (buy.limit is None or price <= buy.limit):
            raise self.world.violated(f"a fill of command {seq} is beyond a limit")
        self._less(int(event["order"]), qty)
        self._less(int(event["counter_order"]), qty)
        if self.orders[int(event["counter_order"])].open != event["leaves"]:
            raise self.world.violated(f"leaves of a fill of command {seq} are not what is left")
        if event["flags"] & AUCTION:
            self._in_call[instrument] += qty
        self.position[buy.account, instrument] += qty
        self.position[sell.account, instrument] -= qty
        listing = self.venue.instruments[instrument]
        value = value_minor(price, qty, listing.value_numerator, listing.value_denominator)
        self._pay(buy.account, sell.account, listing.currency, value)

    def _less(self, number: int, qty: int) -> None:
        left = self.orders[number].open - qty
        if left < 0:
            raise self.world.violated(f"order {number} loses more than it has")
        self.orders[number] = self.orders[number]._replace(open=left)

    def _pay(self, buyer: int, seller: int, currency: str, value: int) -> None:
        self.bought[buyer, currency] += value
        self.sold[seller, currency] += value


def quantities_are_conserved(world: World, replayed: Replayed, accounts: Accounts) -> None:
    """Entered = open + filled + cancelled, order by order; what is bought is sold."""
    hot = replayed.machine.hot
    standing = {
        int(order["order"]): int(order["qty"])
        for account in replayed.machine.venue.accounts
        for order in hot.orders_of(account)
    }
    if {number: order.open for number, order in accounts.orders.items() if order.open} != standing:
        raise world.violated("entered is not open + filled + cancelled")
    if sum(accounts.position.values()):
        raise world.violated("lots are bought that nobody sold")


def money_is_zero_sum(world: World, accounts: Accounts) -> None:
    """By currency; and the store's sums by account are the same, where there is a store."""
    for currency in {currency for _, currency in [*accounts.bought, *accounts.sold]}:
        bought, sold = (
            sum(value for (_, name), value in side.items() if name == currency)
            for side in (accounts.bought, accounts.sold)
        )
        if bought != sold:
            raise world.violated(f"bought is {bought}, sold is {sold} {currency}")
    if not world.storm.store:
        return
    bought, sold = _stored(world.store_rows())
    for name, found in (("bought", bought), ("sold", sold)):
        if found != getattr(accounts, name):
            raise world.violated(f"the store says {name} {found}, the log {dict(getattr(accounts, name))}")


def _stored(db: sqlite3.Connection) -> tuple[Counter, Counter]:
    """What each account bought and sold by the rows of fills and sold lots, by currency, in minor units."""
    bought: Counter[tuple[int, str]] = Counter()
    sold: Counter[tuple[int, str]] = Counter()
    fills = db.execute(
        "SELECT price_ticks, qty_lots, value_numerator, value_denominator, currency, buy_account, sell_account"
        " FROM fills JOIN instruments USING (instrument)"
    )
    lots = db.execute(
        "SELECT value_minor, currency, winner, seller FROM sale_lots JOIN sales USING (sale)"
        " WHERE sale_lots.state = 'sold'"
    )
    paid = [(value_minor(*terms), *parties) for *terms, parties in ((*row[:4], row[4:]) for row in fills)]
    for value, currency, buyer, seller in [*paid, *lots]:
        bought[buyer, currency] += value
        sold[seller, currency] += value
    return bought, sold
