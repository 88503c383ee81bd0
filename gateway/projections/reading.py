"""Orders and fills of one account or instrument, newest first, found through the strings of entries (see `postings`).

The connection stands in a read transaction of its caller. Rows are the stored ones: codes, ticks, lots, ns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import numpy as np

from engine.limits import PAGE_LIMIT_DEFAULT
from gateway.projections.postings import FILLS_PER_BLOCK, SEQS_PER_BLOCK, entries_in, fills_in

PLACE_MAX = 2**63 - 1

ORDER_COLUMNS = (
    "order_id, instrument, side, type, price_ticks, qty_lots, filled_lots, time_in_force, close_reason, seq,"
    " entered_ns, closed_seq, closed_ns, client_stream, client_number, client_text, display_lots, stop_ticks, expire_ns"
)
_ORDERS = "orders LEFT JOIN order_terms USING (seq)"
BUSTED = 2  # state of a fill that is as if it had not been

# Of the fills with these numbers, without those that were busted.
_CANDLES = """
    SELECT c.start_ns, o.price_ticks, c.high, c.low, l.price_ticks, c.volume, c.trades
    FROM (SELECT ts_ns / :length * :length AS start_ns, min(fill) AS first, max(fill) AS last, max(price_ticks) AS high,
                 min(price_ticks) AS low, sum(qty_lots) AS volume, count(*) AS trades
          FROM json_each(:numbers) CROSS JOIN fills ON fill = value WHERE state < 2 GROUP BY 1) c
    JOIN fills o ON o.fill = c.first JOIN fills l ON l.fill = c.last
    ORDER BY c.start_ns
"""


def instrument_of(db: sqlite3.Connection, symbol: str) -> int:
    """Number of the instrument, 0 when there is none."""
    row = db.execute("SELECT instrument FROM instruments WHERE symbol = ?", (symbol,)).fetchone()
    return 0 if row is None else row[0]


def order_of(db: sqlite3.Connection, account: int, order: int) -> tuple | None:
    """One order of an account."""
    for block in range(_last_seq(db) // SEQS_PER_BLOCK, -1, -1):
        seqs, orders = entries_in(block, _entries(db, "orders_of_account", block, account))
        for seq in seqs[orders == order].tolist():
            return db.execute(f"SELECT {ORDER_COLUMNS} FROM {_ORDERS} WHERE seq = ?", (seq,)).fetchone()
    return None


def closed_before(db: sqlite3.Connection, account: int, before: tuple[int, int]) -> Iterator[tuple]:
    """Closed orders of an account whose (closed_seq, seq) is less than `before`, the greatest first."""
    for block in range(min(before[0], _last_seq(db)) // SEQS_PER_BLOCK, -1, -1):
        closed, entered = entries_in(block, _entries(db, "closed_of_account", block, account))
        for closing in sorted(set(zip(closed.tolist(), entered.tolist(), strict=True)), reverse=True):
            if closing < before:
                # One whose order lived on has another closed_seq, or none.
                yield from db.execute(
                    f"SELECT {ORDER_COLUMNS} FROM {_ORDERS} WHERE closed_seq = ? AND seq = ?", closing
                )


def trades_before(db: sqlite3.Connection, instrument: int, end: int, chunk: int) -> Iterator[tuple]:
    """Trades of an instrument before the fill `end`, the last first; read `chunk` at a time."""
    for numbers in _fills_before(db, "fills_of_instrument", instrument, 0, end, chunk):
        yield from db.execute(
            "SELECT fill, trade_id, price_ticks, qty_lots, taker_side, state, ts_ns"
            " FROM json_each(?) CROSS JOIN fills ON fill = value",
            (numbers,),
        )


def sides_before(
    db: sqlite3.Connection, account: int, before: tuple[int, int], order: int | None, start: int, end: int
) -> Iterator[tuple]:
    """An account's sides of fills from number `start` to before `end` that stand before (fill, side), last first; of
    one order alone when `order` is given.

    Of a fill with oneself both sides count, the bought one first; a page may end between them.
    """
    for numbers in _fills_before(db, "fills_of_account", account, start, min(end, before[0] + 1), PAGE_LIMIT_DEFAULT):
        for fill, seq, idx, buyer, buy_order, seller, sell_order, *what in db.execute(
            "SELECT fill, seq, idx, buy_account, buy_order, sell_account, sell_order, instrument, trade_id, taker_side,"
            " price_ticks, qty_lots, state, ts_ns FROM json_each(?) CROSS JOIN fills ON fill = value",
            (numbers,),
        ):
            for side, party, own in ((0, buyer, buy_order), (1, seller, sell_order)):
                later = fill < before[0] or (fill == before[0] and side > before[1])
                if party == account and order in (None, own) and later:
                    yield (fill, side, seq, idx, own, *what)


def fill_of(db: sqlite3.Connection, seq: int, index: int) -> tuple | None:
    """instrument, price_ticks, qty_lots, buyer and seller of the fill with this name, as they hold now."""
    first = first_fill(db, "seq", seq)
    return db.execute(
        "SELECT instrument, price_ticks, qty_lots, buy_account, sell_account FROM fills"
        " WHERE fill BETWEEN ? AND ? AND seq = ? AND idx = ?",
        (first, first + index, seq, index),
    ).fetchone()


def life_of(db: sqlite3.Connection, account: int, order: int) -> tuple[int, int]:
    """First fill that an order can have had, and the first after its last; equal when there is no such order."""
    row = order_of(db, account, order)
    if row is None:
        return 0, 0
    seq, _, closed_seq, _ = row[9:13]
    return first_fill(db, "seq", seq), first_fill(db, "seq", closed_seq + 1) if closed_seq else PLACE_MAX


def _last_seq(db: sqlite3.Connection) -> int:
    return db.execute("SELECT seq FROM cursor").fetchone()[0]


def last_fill(db: sqlite3.Connection) -> int:
    return db.execute("SELECT coalesce(max(fill), 0) FROM fills").fetchone()[0]


def first_fill(db: sqlite3.Connection, column: str, value: int) -> int:
    """Smallest fill number from which `seq` or `ts_ns` are at `value` or later, by bisection: neither ever falls."""
    low, high = 1, last_fill(db) + 1
    while low < high:
        middle = (low + high) // 2
        if db.execute(f"SELECT {column} FROM fills WHERE fill = ?", (middle,)).fetchone()[0] >= value:
            high = middle
        else:
            low = middle + 1
    return low


def candles_of(
    db: sqlite3.Connection, instrument: int, length_ns: int, start: int = 0, end: int = PLACE_MAX
) -> Iterator[tuple]:
    """Candles of an instrument's fills from number `start` to before `end`, the oldest first: start_ns, first, highest,
    lowest and last price in ticks, volume in lots, number of trades."""
    end, candle = min(end, last_fill(db) + 1), list[int]()
    for block in range(start // FILLS_PER_BLOCK, (end - 1) // FILLS_PER_BLOCK + 1):
        fills = fills_in(block, _entries(db, "fills_of_instrument", block, instrument))
        numbers = json.dumps(fills[slice(*np.searchsorted(fills, (start, end)))].tolist())
        for opened_ns, first, high, low, last, volume, trades in db.execute(
            _CANDLES, {"numbers": numbers, "length": length_ns}
        ):
            if candle and candle[0] == opened_ns:  # it began in the block before
                candle[2:] = max(candle[2], high), min(candle[3], low), last, candle[5] + volume, candle[6] + trades
                continue
            if candle:
                yield tuple(candle)
            candle = [opened_ns, first, high, low, last, volume, trades]
    if candle:
        yield tuple(candle)


def _fills_before(db: sqlite3.Connection, table: str, key: int, start: int, end: int, chunk: int) -> Iterator[str]:
    """Numbers of the fills of a key from `start` to before `end`, the last first, as JSON arrays of at most `chunk`."""
    end = min(end, last_fill(db) + 1)
    for block in range((end - 1) // FILLS_PER_BLOCK, start // FILLS_PER_BLOCK - 1, -1):
        fills = fills_in(block, _entries(db, table, block, key))
        low, high = np.searchsorted(fills, (start, end)).tolist()
        for stop in range(high, low, -chunk):
            yield json.dumps(fills[max(stop - chunk, low) : stop][::-1].tolist())


def _entries(db: sqlite3.Connection, table: str, block: int, key: int) -> bytes:
    name = "instrument" if table == "fills_of_instrument" else "account"
    row = db.execute(f"SELECT entries FROM {table} WHERE block = ? AND {name} = ?", (block, key)).fetchone()
    return b"" if row is None else row[0]
