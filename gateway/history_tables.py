"""What `qhatu export` can write: tables of orders, fills, trades, candles, auctions and events, rebuilt from the log.

The log is replayed through the engine into a store of its own, which is thrown away; the venue's files are only read,
and a venue may be running. Everything here is the operator's view: a secret maximum is in none of it. The tables of
sales are in `gateway/sale_tables.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind, FeeClass, OrderType, Phase, Reason, Side, TimerKind, name_of
from engine.domain.units import decimal_text, value_minor
from engine.log.record import Record
from engine.log.replay import DigestCheck
from engine.machine import Machine
from engine.messages.audience import AUDIENCE
from engine.messages.rows import EVENT
from gateway import sale_tables
from gateway.exporting import Columns, Row, columns
from gateway.feeding import EVENTS_PER_TRANSACTION
from gateway.forms import scale_of, scale_of_text
from gateway.projections.fold import Fold
from gateway.projections.reading import candles_of
from gateway.projections.sqlite import SqliteSink
from gateway.queries import INTERVALS_NS, money_text
from gateway.replaying import compiled_books, open_log

Progress = Callable[[Record], None] | None

ORDERS = columns(
    "order_id account:int symbol side type time_in_force price:price quantity:int filled_quantity:int open_quantity:int"
    " state reason client_order_id seq:int entered_at:time closed_seq:int closed_at:time display_quantity:int"
    " stop_price:price expire_at:time"
)
FILLS = columns(
    "fill_id symbol trade_id:int kind taker_side price:price quantity:int value:money currency buy_account:int"
    " buy_order_id sell_account:int sell_order_id seq:int index:int ts_engine:time state"
)
TRADES = columns("symbol trade_id:int kind side price:price quantity:int ts_engine:time state")
CANDLE_COLUMNS = columns("symbol interval start:time open:price high:price low:price close:price volume:int trades:int")
AUCTIONS = columns(
    "symbol number:int rules price:price volume:int surplus:int side reference:price seq:int ts_engine:time"
)
EVENTS = columns(
    "seq:int index:int ts_engine:time kind side flags:int reason fee_class instrument:int price_ticks:int account:int"
    " counter_account:int order_id counter_order_id qty:int leaves:int"
)


def applied(data: Path, progress: Progress = None) -> Iterator[tuple[Record, np.ndarray, Machine]]:
    """Every durable record with commands, its events, and the machine just after it. Raises as `rebuild`."""
    log = open_log(data)
    machine, check = Machine(compiled_books(), log.skips_from(1)), DigestCheck()
    for record in log.read():
        check.check(record)
        events = machine.apply(record)
        check.applied(machine.seq, machine.event_digest)
        if progress:
            progress(record)
        if record.count:
            yield record, events, machine


def store_of(data: Path, path: Path, progress: Progress = None) -> sqlite3.Connection:
    """History rebuilt into a new SQLite file at `path`, ready to be read."""
    sink = SqliteSink(path)
    for record, events, machine in applied(data, progress):
        sink.take(record, events, machine.event_digest)
        if sink.events_waiting >= EVENTS_PER_TRANSACTION:
            sink.flush()
    sink.flush()
    sink.close()
    return sqlite3.connect(path)


def orders(db: sqlite3.Connection) -> Iterator[Row]:
    """In the order of entry."""
    for row in db.execute(
        "SELECT CAST(order_id AS TEXT), account, symbol, side, type, time_in_force, price_ticks, qty_lots, filled_lots,"
        " open_lots, status, close_reason, client_order_id, seq, entered_ns, closed_seq, closed_ns, display_lots,"
        " stop_ticks, expire_ns, tick_size FROM orders_readable JOIN instruments USING (symbol) ORDER BY seq"
    ):
        scale = scale_of_text(row[-1])
        price, stop_price = (None if ticks is None else scale.text(ticks) for ticks in (row[6], row[18]))
        yield (*row[:6], price, *row[7:18], stop_price, *row[19:-1])


def fills(db: sqlite3.Connection) -> Iterator[Row]:
    for row in db.execute(
        "SELECT seq || '-' || idx, symbol, trade_id, kind, taker_side, price_ticks, qty_lots, f.currency, buy_account,"
        " CAST(buy_order AS TEXT), sell_account, CAST(sell_order AS TEXT), seq, idx, ts_ns, state, tick_size,"
        " value_numerator, value_denominator FROM fills_readable f JOIN instruments USING (symbol) ORDER BY fill"
    ):
        price, qty = row[5:7]
        tick_size, numerator, denominator = row[-3:]
        value = value_minor(price, qty, numerator, denominator)
        yield (*row[:5], scale_of_text(tick_size).text(price), qty, money_text(value), *row[7:-3])


def trades(db: sqlite3.Connection) -> Iterator[Row]:
    for row in db.execute(
        "SELECT symbol, trade_id, kind, taker_side, price_ticks, qty_lots, ts_ns, state, tick_size"
        " FROM fills_readable JOIN instruments USING (symbol) ORDER BY fill"
    ):
        yield (*row[:4], scale_of_text(row[-1]).text(row[4]), *row[5:-1])


def candles(db: sqlite3.Connection, interval: str) -> Iterator[Row]:
    """By instrument, then time. Raises KeyError for an unknown interval."""
    for instrument, symbol, tick_size in db.execute(
        "SELECT instrument, symbol, tick_size FROM instruments ORDER BY symbol"
    ).fetchall():
        scale = scale_of_text(tick_size)
        for start_ns, first, high, low, last, volume, count in candles_of(db, instrument, INTERVALS_NS[interval]):
            prices = (scale.text(price) for price in (first, high, low, last))
            yield (symbol, interval, start_ns, *prices, volume, count)


# Events

_FIELDS = EVENT.names or ()
_PLACE = {name: place for place, name in enumerate(_FIELDS)}
_SHOWN = {kind: [name in audience.operator for name in _FIELDS] for kind, audience in AUDIENCE.items()}


def events(data: Path, progress: Progress = None) -> Iterator[Row]:
    """Every event as the operator may see it; what is hidden, or has no meaning for its kind, is absent."""
    for record, found, _ in applied(data, progress):
        for values in found.tolist():
            kind = EventKind(values[0])
            seen = {name: v for name, v, shown in zip(_FIELDS, values, _SHOWN[kind], strict=True) if shown}
            side, fee_class = seen.get("side"), seen.get("fee_class")
            yield (
                record.first_seq + values[_PLACE["command"]],
                values[_PLACE["index"]],
                record.ts_ns,
                name_of(EventKind, kind),
                None if side is None else name_of(Side, side),
                seen.get("flags"),
                _reason_name(kind, seen.get("reason")),
                name_of(FeeClass, fee_class) if fee_class else None,
                seen.get("instrument") or None,
                seen.get("price"),
                seen.get("account") or None,
                seen.get("counter_account") or None,
                _id(seen.get("order")),
                _id(seen.get("counter_order")),
                seen.get("qty"),
                seen.get("leaves"),
            )


def _id(number: int | None) -> str | None:
    return str(number) if number else None


def _reason_name(kind: EventKind, reason: int | None) -> str | None:
    """`reason` holds a Phase or a TimerKind in the events that say so."""
    if kind == EventKind.PHASE:
        return name_of(Phase, reason or 0)
    if kind == EventKind.TIMER:
        return name_of(TimerKind, reason or 0)
    return name_of(Reason, reason) if reason else None


# Auctions

_ENTRIES = (EventKind.ACCEPTED, EventKind.REPLACED)
_CALL_KINDS = np.zeros(256, bool)
_CALL_KINDS[
    [*_ENTRIES, EventKind.AMENDED, EventKind.REDUCED, EventKind.TRIGGERED, EventKind.REPRICED, EventKind.CANCELLED,
     EventKind.FILL, EventKind.UNCROSSED]
] = True  # fmt: skip
# Ends of orders that an uncross alone gives: the first of them is told before it says that it was one.
_LEFT_OVER = (Reason.UNPRICED_REMAINDER, Reason.AUCTION_REMAINDER)


@dataclass
class CallOrder:
    side: int
    type: int
    price: int
    qty: int
    seq: int  # that gave it its priority
    waiting: bool = False  # a stop: in no call


@dataclass
class Call:
    """One book just before it is uncrossed, and what each order then traded."""

    orders: dict[int, CallOrder]
    filled: dict[int, int] = field(default_factory=dict)


class CallBooks:
    """Open orders of every book, kept from events alone, so that a call can be shown as it stood before its uncross.

    An uncross tells its fills and what becomes of the orders that cannot stay first, and itself last: the first of them
    is the moment to look.
    """

    def __init__(self) -> None:
        self.books: dict[int, dict[int, CallOrder]] = {}
        self._calls: dict[int, Call] = {}  # being uncrossed, by instrument

    def take(self, record: Record, events: np.ndarray) -> list[Call]:
        """Apply the events of a record. Returns the calls that were uncrossed in it, in order."""
        done: list[Call] = []
        for values in events[_CALL_KINDS[events["kind"]]].tolist():
            self._take(record, values, done)
        return done

    def _take(self, record: Record, values: tuple, done: list[Call]) -> None:
        kind, instrument, flags = values[0], values[_PLACE["instrument"]], values[_PLACE["flags"]]
        number, qty, command = values[_PLACE["order"]], values[_PLACE["qty"]], values[_PLACE["command"]]
        seq, book = record.first_seq + command, self.books.setdefault(instrument, {})
        if kind == EventKind.FILL:
            call = self._call(instrument) if flags & EventFlag.AUCTION else None
            for order in (number, values[_PLACE["counter_order"]]):
                self._reduce(book, order, qty)
                if call:
                    call.filled[order] = call.filled.get(order, 0) + qty
        elif kind == EventKind.CANCELLED:
            if values[_PLACE["reason"]] in _LEFT_OVER:
                self._call(instrument)
            del book[number]
        elif kind == EventKind.UNCROSSED:
            done.append(self._call(instrument))
            del self._calls[instrument]
        elif kind in _ENTRIES:
            type_ = int(record.batch.rows["type"][command])
            waiting = bool(flags & EventFlag.STOP)
            book[number] = CallOrder(values[_PLACE["side"]], type_, values[_PLACE["price"]], qty, seq, waiting)
        elif kind == EventKind.REDUCED:
            book[number].qty = values[_PLACE["leaves"]]
        elif kind == EventKind.AMENDED:
            order = book[number]
            order.qty, order.seq = qty, seq if values[_PLACE["leaves"]] else order.seq
        else:
            order = book[number]
            if kind == EventKind.REPRICED and order.seq != seq:  # not as it arrived: what an uncross left of it
                self._call(instrument)
            order.type = OrderType.MARKET if flags & EventFlag.UNPRICED else OrderType.LIMIT
            order.price, order.waiting = values[_PLACE["price"]], False
            if kind == EventKind.TRIGGERED:
                order.seq = seq

    def _call(self, instrument: int) -> Call:
        if instrument not in self._calls:
            book = self.books.get(instrument, {})
            self._calls[instrument] = Call({n: replace(o) for n, o in book.items() if not o.waiting})
        return self._calls[instrument]

    @staticmethod
    def _reduce(book: dict[int, CallOrder], number: int, qty: int) -> None:
        book[number].qty -= qty
        if book[number].qty == 0:
            del book[number]


def auctions(data: Path, progress: Progress = None) -> Iterator[Row]:
    """Every uncross; nested, for JSON lines: `rule_set` and `input` as `qhatu clear` reads them, and `expected`."""
    fold, books = Fold(), CallBooks()
    for record, found, machine in applied(data, progress):
        fold.take(record, found, machine.event_digest)
        rows = fold.changes()[0].get("auction", [])
        for row, call in zip(rows, books.take(record, found), strict=True):
            _, seq, _, ts_ns, symbol, number, rules, _, price, volume, surplus, _, reference = row
            listing = machine.venue.instrument(symbol)
            assert listing is not None
            side = None if not surplus else "buy" if surplus > 0 else "sell"
            nested = _vector(call, listing.tick_size)
            nested["rule_set"] = rules
            nested["input"]["reference_price"] = reference
            nested["expected"] |= {"price": price, "volume": volume, "surplus_buy_minus_sell": surplus}
            yield (symbol, number, rules, price, volume, surplus, side, reference, seq, ts_ns, nested)


def _vector(call: Call, tick_size: Fraction) -> dict[str, Any]:
    """A call as a whole worked example, orders in the order of their priority in time."""
    orders, scale = sorted(call.orders.items(), key=lambda item: item[1].seq), scale_of(tick_size)
    return {
        "kind": "call_auction",
        "rule_set": None,
        "input": {
            "tick": decimal_text(tick_size),
            "reference_price": None,
            "orders": [
                {
                    "id": str(number),
                    "side": ("buy", "sell")[order.side],
                    "type": _CALL_TYPES.get(order.type, "limit"),
                    "price": None if order.type in _CALL_TYPES else scale.text(order.price),
                    "qty": order.qty,
                    "seq": order.seq,
                }
                for number, order in orders
            ],
        },
        "expected": {"filled_qty_by_order": {str(number): call.filled.get(number, 0) for number, _ in orders}},
    }


_CALL_TYPES: dict[int, str] = {
    OrderType.MARKET: "market",
    OrderType.MARKET_TO_LIMIT: "market_to_limit",
}  # without a price

TABLES: dict[str, Columns] = {
    "orders": ORDERS,
    "fills": FILLS,
    "trades": TRADES,
    "candles": CANDLE_COLUMNS,
    "auctions": AUCTIONS,
    "events": EVENTS,
} | sale_tables.TABLES
STORED: dict[str, Callable[[sqlite3.Connection], Iterator[Row]]] = {"orders": orders, "fills": fills, "trades": trades}


def rows_of(
    table: str, data: Path, folder: Path, interval: str, progress: Progress = None, account: int | None = None
) -> Iterator[Row]:
    """Rows of a table in the order of its columns. `folder` is for what is thrown away afterwards; `account` asks for
    the own form of a table of sales."""
    if table in sale_tables.TABLES:
        return sale_tables.rows_of_sales(
            table, account, lambda: applied(data, progress), lambda path: store_of(data, path, progress), folder
        )
    if table == "events":
        return events(data, progress)
    if table == "auctions":
        return auctions(data, progress)
    db = store_of(data, folder / "history.sqlite", progress)
    return candles(db, interval) if table == "candles" else STORED[table](db)
