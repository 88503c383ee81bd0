"""Generated flows of hot commands and of all that a venue does to its books, drawn so that things meet."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import numpy as np

from engine.codes import (
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Phase,
    Reason,
    RefForm,
    Rest,
    StpMode,
    TimeInForce,
)
from engine.limits import CLIENT_ID_MEMORY_NS, PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.markets.rule_sets import SHARINGS
from engine.messages.refs import stream_ref
from engine.messages.rows import EXTENSION
from engine.oracle.orders import STOP_TYPES, UNPRICED_TYPES
from engine.state.hot import SIDE_BOTH, TIF_ANY, Hot, Which
from tests.engine.book_flows import ACCOUNTS, FURNISHED, INSTRUMENTS, PARTIES, Batch, Twins

HOUR_NS = 3600 * 10**9
LONG_TEXTS = ("a-client-id-of-32-characters-000", "a-client-id-of-32-characters-001", "0123456789abcdef")
TEXTS = (*(f"id-{n}" for n in range(40)), *LONG_TEXTS)
FAR = (1, 2, 64, 500, 4_999, 1_000_000, PRICE_TICKS_MAX, -400, PRICE_TICKS_MAX + 1, -(2**31), 2**31 - 1)
QTYS = (0, -5, 10**9, 10**9 + 1, QTY_LOTS_MAX, QTY_LOTS_MAX + 1, 2**62, 2**63 - 1, -(2**63))

NEW, CANCEL, REPLACE, AMEND = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.AMEND
LIMIT, MARKET, MTL, STOP, STOP_LIMIT, ICEBERG = OrderType
GTC, IOC, FOK, DAY, GTD, AT_AUCTION = TimeInForce
POST_ONLY, SLIDE, ALL_OR_NONE, STP_GROUP = OrderFlag
TYPES = (LIMIT,) * 8 + (MARKET, MTL) + (STOP,) * 2 + (STOP_LIMIT,) * 2 + (ICEBERG,) * 3
SHARINGS_LIVE = [rule for rule in SHARINGS.values() if rule.rest != Rest.NOBODY]
CALL_TYPES = (LIMIT,) * 6 + (MARKET,) * 3 + (MTL,) * 5 + (STOP, STOP_LIMIT) + (ICEBERG,) * 4
NEAR = (6, 6, 3, 1, 0)  # a few ticks, or all at one price
KINDS = (NEW,) * 11 + (CANCEL,) * 2 + (REPLACE,) * 3 + (AMEND,) * 3
LASTING = (GTC, GTC, GTC, DAY, GTD)
IN_CALL = (AT_AUCTION, AT_AUCTION)
AT_ONCE = (IOC, IOC, FOK)
PHASES = (*Phase, *(Phase.CONTINUOUS,) * 12, *(Phase.CALL,) * 4)
STPS = (StpMode.NONE,) * 4 + (*StpMode,)
MANGLED = ("account", "instrument", "kind", "side", "type", "tif", "flags", "stp", "version", "extension", "ref_form",
           "order", "price", "ref_hi", "ref_lo", "qty", "display_qty", "min_qty", "stop_price", "expire_at",
           "valid_until", "principal", "group", "target_form")  # fmt: skip


def price_of(random: Random, near: int) -> int:
    """Mostly within `near` ticks of 100."""
    kind = random.randrange(24)
    if kind == 0:
        return random.choice(FAR)
    if kind == 1:
        return 100 + 70 * random.randrange(-2, 40)  # outside a window of 64
    return 100 + random.randrange(-near, near + 1)


def ref_of(random: Random, now: int) -> Any:
    """No id, a stream number that mostly rises with `now`, or a text id."""
    kind = random.randrange(16)
    if kind < 10:
        return 0, 0, 0
    if kind < 13:
        return stream_ref(random.randrange(3), now if random.randrange(8) else max(0, now - random.randrange(100)))
    return f"new-{now}" if kind < 15 else random.choice(TEXTS)


class Flow:
    """What is drawn next, for twins whose `first` is trusted to tell what there is."""

    def __init__(self, twins: Twins, random: Random) -> None:
        self.twins, self.random = twins, random
        twins.listener = self.learn
        self.texts = list(TEXTS[:20])  # that orders may have
        self.known: dict[int, list[int]] = {}  # order -> account, instrument, side, type, open lots
        self.ended: deque[tuple[int, list[int]]] = deque(maxlen=20)
        self.books: list[int] = list(INSTRUMENTS)
        self.accounts: tuple[int, ...] = ACCOUNTS
        listed = set(twins.first.sections()["books"]["instrument"].tolist())
        if listed >= FURNISHED.keys():
            self.books, self.accounts = [*listed], tuple(PARTIES)
        self.furnished = listed >= FURNISHED.keys()
        self.fresh_number = 100
        self.calling = False

    # Steps

    def step(self, rows_max: int) -> None:
        if self.random.randrange(10) >= 4:
            self.rows(rows_max)
            return
        book = self.random.choice(self.books)
        steps = (self.phase, self.uncross, self.call, self.call, self.sweep, self.cancel)
        if self.furnished:
            steps += (self.collar, self.collar, self.account, self.limits, self.stock, self.switch, self.qty_max,
                      self.day_end, self.successor)  # fmt: skip
        self.random.choice(steps)(book)

    def rows(self, rows_max: int) -> None:
        self.batch = batch = Batch()
        self.company = self.accounts
        if self.random.randrange(2):  # few, who meet themselves
            self.company = self.random.choice(self.accounts), self.random.choice(self.accounts)
        self.near = self.random.choice(NEAR)
        self.types = CALL_TYPES if self.calling else TYPES
        self.phases = {book: self.twins.first.phase(book) for book in self.books}
        for _ in range(self.random.randrange(1, rows_max + 1)):
            self.row(batch)
        self.twins.run(batch)

    def phase(self, book: int) -> None:
        self.twins.do("set_phase", book, self.random.choice(PHASES))

    def call(self, book: int) -> None:
        """A whole call of one book, with orders."""
        self.twins.do("set_phase", book, Phase.CALL)
        self.books.insert(0, self.books.pop(self.books.index(book)))
        self.calling = True
        self.rows(40)
        self.calling = False
        self.uncross(book)

    def uncross(self, book: int) -> None:
        then = self.random.choice((*(Phase.CONTINUOUS,) * 6, Phase.CALL, Phase.CALL, Phase.CLOSED, None))
        rules = {}
        if self.random.randrange(2):
            began = self.twins.seq - self.random.randrange(60)
            rules = dict(sharing=self.random.choice(SHARINGS_LIVE), unpriced_last=self.random.randrange(3) == 0,
                         block_seq=began)  # fmt: skip
        self.twins.uncross(book, *best_uncross(self.twins.first, book), then, **rules)

    def sweep(self, book: int) -> None:
        self.twins.sweep(self.random.choice((0, 5, HOUR_NS, CLIENT_ID_MEMORY_NS - HOUR_NS)))

    def cancel(self, book: int) -> None:
        random = self.random
        which = Which(
            account=random.choice((0, *self.accounts)),
            instrument=random.choice((0, book)),
            side=random.choice((SIDE_BOTH, SIDE_BOTH, 0, 1)),
            tif=random.choice((TIF_ANY, TIF_ANY, *TimeInForce)),
        )
        if random.randrange(3):  # or the books are often empty
            which = which._replace(account=random.choice(self.accounts), instrument=book)
        self.twins.ask("has_orders", which)
        self.twins.told("cancel", which, Reason.BY_MASS_CANCEL)

    def collar(self, book: int) -> None:
        low, high = self.random.choice(
            ((-PRICE_TICKS_MAX, PRICE_TICKS_MAX), (90, 110), (96, 104), (98, 102), (100, 100))
        )
        self.twins.do("set_collar", book, low, high)

    def account(self, book: int) -> None:
        account = self.random.choice(self.accounts)
        (row,) = (a for a in self.twins.first.sections()["accounts"] if a["account"] == account)
        group, coop = int(row["group"]), bool(row["coop"])
        if not self.twins.ask("has_orders", Which(account=account)):
            group, coop = self.random.choice(((7, False), (7, True), (0, True), (8, False)))
        frozen = self.random.randrange(8) == 0
        self.twins.do("set_account", account, frozen=frozen, group=group, coop=coop)

    def limits(self, book: int) -> None:
        pick = self.random.choice
        account, currency = pick(self.accounts), pick((0, 1))
        worths = (0, 0, 3_000, 20_000, 200_000, 2**62)
        terms = dict(buy_max=pick(worths), sell_max=pick(worths), orders_max=pick((0, 0, 2, 8, 30)))
        self.twins.do("set_limits", account, currency, **terms)
        self.twins.ask("limits_of", account, currency)

    def stock(self, book: int) -> None:
        account, other = self.random.choice(self.accounts), self.random.choice(self.accounts)
        book = self.random.choice((4, 5))
        if book not in self.books:
            return
        lots = self.random.choice((-2_000, -500, -20, 0, 30, 300, 2**62))
        if self.random.randrange(3):
            self.twins.do("add_stock", account, book, lots)
        else:
            self.twins.do("move_stock", book, account, other, max(1, abs(lots)))
        self.twins.ask("stock_of", account, book)

    def switch(self, book: int) -> None:
        self.twins.do("set_stopped", True)
        self.rows(6)
        self.twins.do("set_stopped", False)

    def qty_max(self, book: int) -> None:
        self.twins.do("change_instrument", book, qty_max=self.random.choice((25, 10**6, QTY_LOTS_MAX)))

    def day_end(self, book: int) -> None:
        self.twins.told("cancel", Which(instrument=book, tif=DAY), Reason.DAY_ENDED)

    def successor(self, book: int) -> None:
        """A book is delisted, and its like is listed under the next number."""
        if self.random.randrange(3) or self.fresh_number == 140:
            return
        terms = {**INSTRUMENTS, **FURNISHED}.get(book, FURNISHED[3])
        self.twins.delist(book)
        self.books[self.books.index(book)] = self.fresh_number
        self.twins.do("list_instrument", self.fresh_number, **terms)
        self.twins.do("set_phase", self.fresh_number, Phase.CONTINUOUS)
        self.fresh_number += 1

    # Rows

    def row(self, batch: Batch) -> None:
        random = self.random
        if batch.rows and random.randrange(20) == 0:
            again = random.randrange(len(batch.rows))
            batch.rows.append(batch.rows[again].copy())
            batch.bodies.append(batch.bodies[again])
            return
        known = list(self.known.items())
        kind = random.choice(KINDS) if known or random.randrange(8) == 0 else NEW
        fields: dict[str, Any] = dict(account=random.choice(self.company), instrument=self.books[0])
        if random.randrange(2):
            fields["instrument"] = random.choice(self.books)
        fields["side"], fields["type"] = random.randrange(2), random.choice(self.types)
        target = None
        if kind != NEW:
            aim = random.randrange(24)
            if aim > 1 and known:
                order, terms = random.choice(known)
            elif aim == 1 and self.ended:
                order, terms = random.choice(self.ended)
            else:
                order = 0
            if order:
                fields["order"] = order
                fields["account"], fields["instrument"], fields["side"], fields["type"], _ = terms
            elif kind != CANCEL and random.randrange(3):
                target = random.choice(self.texts)
        if kind in (NEW, REPLACE):
            self.terms(fields)
        elif kind == AMEND:
            fields["qty"] = random.randrange(0, 40)
        if kind != CANCEL and random.randrange(30) == 0:
            fields["valid_until"] = self.twins.ts_ns + random.randrange(-1, 3)
        # Not of an iceberg: two of 10^12 lots that show a few at a time trade for days.
        if kind != CANCEL and random.randrange(40) == 0 and fields["type"] != ICEBERG and target is None:
            fields["qty"] = random.choice(QTYS)
        if random.randrange(16) == 0:
            self.mangle(kind, fields)
        kind, ref = fields.pop("kind", kind), ref_of(random, self.twins.seq + len(batch.rows))
        batch.add(kind, ref=ref, target=target, **fields)
        if kind == NEW and isinstance(ref, str):
            self.texts[random.randrange(len(self.texts))] = ref
        if random.randrange(60) == 0:
            batch.bodies[-1] = random.choice([b"", b"0123456789abcdef", b"not/allowed in a text", b"short"])
            batch.rows[-1]["body_length"] = len(batch.bodies[-1])

    def terms(self, fields: dict[str, Any]) -> None:
        """Price, quantity, tif, flags and the rest, such as go together."""
        random, type_ = self.random, fields["type"]
        qty = fields["qty"] = random.randrange(1, 30)
        fields["price"] = 0 if type_ in UNPRICED_TYPES else price_of(random, self.near)
        whole = type_ not in STOP_TYPES and type_ != ICEBERG
        matching = self.phases.get(fields["instrument"]) == Phase.CONTINUOUS or random.randrange(30) == 0
        fields["tif"] = tif = random.choice(LASTING + (AT_ONCE if matching else IN_CALL) if whole else LASTING)
        if tif == GTD:
            fields["expire_at"] = self.twins.ts_ns + random.randrange(1, 30)
        special = random.randrange(8 if matching else 100)
        whole_at_once = whole and tif != AT_AUCTION and (tif == FOK or special in (1, 2))
        fields["stp"] = random.choice((*StpMode,) if whole_at_once else STPS)
        flags = STP_GROUP if fields["stp"] and random.randrange(2) else 0
        if type_ in STOP_TYPES:
            fields["stop_price"] = price_of(random, self.near)
        elif type_ == ICEBERG:
            fields["display_qty"] = random.randrange(1, min(qty, 8) + 1)
        if special == 0 and type_ in (LIMIT, ICEBERG) and tif in LASTING:
            flags |= random.choice((POST_ONLY, POST_ONLY | SLIDE))
        elif special == 1 and whole_at_once:
            flags |= ALL_OR_NONE
        elif special == 2 and whole_at_once:
            fields["min_qty"] = random.randrange(0, qty + 2)
        fields["flags"] = flags

    def mangle(self, kind: int, fields: dict[str, Any]) -> None:
        """Something that does not go together, or nothing that could be meant."""
        name = self.random.choice(MANGLED)
        if name in (EXTENSION.names or ()) and "extension" in fields:
            return
        fields[name] = self.random.randrange(5)
        if name == "kind":
            fields[name] = self.random.choice((0, 5, 63, *(NEW, CANCEL, REPLACE, AMEND)))
        elif name == "flags":
            fields[name] = self.random.randrange(20)
        elif name in ("stp", "type", "tif"):
            fields[name] = self.random.randrange(7)
        elif name == "ref_form":
            fields[name] = self.random.choice((*RefForm, 4))

    # What became of it

    def learn(self, events: np.ndarray) -> None:
        known = self.known
        for kind, _, _, _, _, command, _, instrument, price, account, _, order, counter, qty, leaves in events.tolist():
            match kind:
                case EventKind.ACCEPTED:
                    row = self.batch.rows[command]
                    known[order] = [account, instrument, int(row["side"][0]), int(row["type"][0]), qty]
                case EventKind.FILL:
                    self.set_open(counter, leaves)
                    self.set_open(order, known[order][4] - qty if order in known else 0)
                case EventKind.CANCELLED:
                    self.set_open(order, 0)
                case EventKind.REPLACED | EventKind.AMENDED:
                    self.set_open(order, qty)
                case EventKind.REDUCED:
                    self.set_open(order, leaves)
                case EventKind.TRIGGERED if order in known:
                    known[order][3] = LIMIT if price else MARKET
                case EventKind.REPRICED if order in known:
                    known[order][3] = LIMIT
        while len(known) > 150:
            del known[next(iter(known))]

    def set_open(self, order: int, qty: int) -> None:
        if order in self.known:
            self.known[order][4] = qty
            if qty <= 0:
                self.ended.append((order, self.known.pop(order)))


def best_uncross(hot: Hot, instrument: int) -> tuple[int | None, int]:
    """A price with the most volume, and that volume."""
    curve = hot.curve(instrument)
    best, volume = None, 0
    for price in curve.prices_ticks.tolist() or [100]:
        demand = int(curve.buy_lots[curve.prices_ticks >= price].sum()) + curve.unpriced_buy_lots
        supply = int(curve.sell_lots[curve.prices_ticks <= price].sum()) + curve.unpriced_sell_lots
        if min(demand, supply) > volume:
            best, volume = price, min(demand, supply)
    return best, volume
