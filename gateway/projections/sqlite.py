"""The embedded sink: rows of `Fold` and the cursor in one SQLite transaction.

WAL with synchronous NORMAL: a crash of the machine may lose the newest transactions, whole, and the log gives them
again. The cursor moves only from where this writer left it, so a second writer's transaction fails as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np

from engine.log.record import Record
from gateway.projections.flow import Changes
from gateway.projections.fold import Cursor, Fold
from gateway.projections.registers import InstrumentState, SaleTerms

SCHEMA_VERSION = 1  # a file of another version is rebuilt
CACHE_KIB = 64 * 1024
PAGE_BYTES = 8_192
CHECKPOINT_PAGES = 4_096  # 32 MiB of write-ahead log before it is carried over
BUSY_SECONDS = 5.0


class StaleWriter(Exception):
    """The cursor is not where this writer left it: another one has written. Nothing of the batch was kept."""


class OtherLog(Exception):
    """The rows were not made from this log, or by another release of the schema, or the file is damaged; only a rebuild
    helps."""


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# Applied in this order within a transaction; rows of one statement stand in the order of their events.
STATEMENTS: dict[str, str] = {
    "account": "INSERT INTO accounts VALUES (?, ?, ?, ?, ?)",
    "instrument": "INSERT INTO instruments (instrument, symbol, name, commodity, tick_size, price_unit, lot_unit,"
    " currency, value_numerator, value_denominator, rules, attributes, source, reference_ticks, reference, phase,"
    " listed_seq, listed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "reference": "UPDATE instruments SET reference_ticks = ?, reference = ? WHERE instrument = ?",
    "phase": "UPDATE instruments SET phase = ? WHERE instrument = ?",
    "order": "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # ?: filled in this batch, seq, ts_ns, order
    "order_filled": "UPDATE orders SET filled_lots = filled_lots + ?1, open_lots = open_lots - ?1,"
    " status = CASE WHEN open_lots = ?1 THEN 'filled' ELSE 'partial' END,"
    " closed_seq = CASE WHEN open_lots = ?1 THEN ?2 END, closed_ns = CASE WHEN open_lots = ?1 THEN ?3 END"
    " WHERE order_id = ?4",
    # ?: tif, ticks, price, qty without what was filled before, filled, open, cancelled, closed seq, ns, reason, order
    "order_replaced": "UPDATE orders SET time_in_force = ?1, price_ticks = ?2, price = ?3,"
    " qty_lots = filled_lots + ?4, filled_lots = filled_lots + ?5, open_lots = ?6, status = CASE WHEN ?7 THEN"
    " 'cancelled' WHEN ?6 = 0 THEN 'filled' WHEN filled_lots + ?5 > 0 THEN 'partial' ELSE 'open' END,"
    " closed_seq = ?8, closed_ns = ?9, close_reason = ?10 WHERE order_id = ?11",
    # ?: filled in this batch, seq, ts_ns, reason, order
    "order_cancelled": "UPDATE orders SET filled_lots = filled_lots + ?, open_lots = 0, status = 'cancelled',"
    " closed_seq = ?, closed_ns = ?, close_reason = ? WHERE order_id = ?",
    "fill": "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "auction": "INSERT INTO auctions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "instrument_counts": "UPDATE instruments SET trades = ?, auctions = ? WHERE instrument = ?",
    "sale": "INSERT INTO sales (sale, title, state, tick_size, price_unit, currency, opening_ticks, opening,"
    " increment_ticks, increment, clock_ns, open_until_ns, value_numerator, value_denominator, lots, opened_seq,"
    " opened_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "lot": "INSERT INTO sale_lots (sale, lot, title, bags, bag_grams, attributes, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
    "lot_price": "UPDATE sale_lots SET price_ticks = ?, price = ?, bids = ? WHERE sale = ? AND lot = ?",
    "lot_sold": "UPDATE sale_lots SET state = 'sold', price_ticks = ?, price = ?, winner = ?, seller = ?,"
    " value_minor = ? WHERE sale = ? AND lot = ?",
    "lot_passed_in": "UPDATE sale_lots SET state = 'passed_in' WHERE sale = ? AND lot = ?",
    "sale_open_until": "UPDATE sales SET open_until_ns = ? WHERE sale = ?",
    "sale_clock": "UPDATE sales SET clock_due_ns = ?, state = ? WHERE sale = ?",
    "sale_finished": "UPDATE sales SET state = ?, lots_sold = ?, finished_seq = ?, finished_ns = ?, clock_due_ns = NULL"
    " WHERE sale = ?",
    "reject": "INSERT INTO rejects VALUES (?, ?, ?)"
    " ON CONFLICT (account, reason) DO UPDATE SET count = count + excluded.count",
}

TABLES = (
    "cursor",
    "accounts",
    "instruments",
    "orders",
    "fills",
    "auctions",
    "sales",
    "sale_lots",
    "rejects",
)


class SqliteSink:
    """The rows and where they end. One process writes; readers open the file on their own.

    step    called with a name between any two steps of a write; a test makes it raise
    """

    def __init__(self, path: Path | str, *, shard: int = 0, step: Callable[[str], None] | None = None) -> None:
        """Open or create. Raises OtherLog for a file of another schema or a damaged one, sqlite3.Error."""
        self.path, self.shard = path, shard
        self._step = step or (lambda name: None)
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            create(self._db, shard, self._step)
            self.fold = self._load()
        except BaseException as error:
            self._db.close()
            if _is_damage(error):
                raise OtherLog(f"{path} is damaged: {error}") from error
            raise

    @property
    def cursor(self) -> Cursor:
        return self.fold.cursor

    def take(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        """Collect one applied record; one at or before the cursor is passed over, if it is the one that was stored.

        Raises OtherLog when it is not.
        """
        if record.number > self.cursor.number:
            self.fold.take(record, events, event_digest)
        elif record.number == self.cursor.number and event_digest != self.cursor.event_digest:
            raise OtherLog(f"the rows in {self.path} come from another log (they differ at command {self.cursor.seq})")

    @property
    def events_waiting(self) -> int:
        return self.fold.events_waiting

    def flush(self) -> int:
        """Write everything collected and the cursor in one transaction. Returns rows written or changed.

        Raises StaleWriter, OtherLog for a damaged file, sqlite3.Error; then nothing of it was kept, and this sink is
        of no further use.
        """
        before = self.cursor
        changes, after = self.fold.changes()
        if after == before:
            return 0
        self._step("folded")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._step("begun")
            moved = self._db.execute(
                "UPDATE cursor SET number = ?, seq = ?, ts_ns = ?, event_digest = ?"
                " WHERE shard = ? AND number = ? AND event_digest = ?",
                (
                    after.number, after.seq, after.ts_ns, after.event_digest,
                    self.shard, before.number, before.event_digest,
                ),
            ).rowcount  # fmt: skip
            if moved != 1:
                raise StaleWriter(f"{self.path} has another writer: its cursor is no longer at record {before.number}")
            self._step("cursor")
            rows = self._write(changes)
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if _is_damage(error):
                raise OtherLog(f"{self.path} is damaged: {error}") from error
            raise
        self._step("committed")
        return rows

    def _write(self, changes: Changes) -> int:
        rows = 0
        for name, statement in STATEMENTS.items():
            if name in changes:
                rows += max(self._db.executemany(statement, changes[name]).rowcount, 0)
                self._step(name)
        return rows

    def _load(self) -> Fold:
        """The fold as it was after the last transaction."""
        row = self._db.execute(
            "SELECT shard, number, seq, ts_ns, event_digest FROM cursor WHERE shard = ?", (self.shard,)
        ).fetchone()
        if row is None:
            raise OtherLog(f"{self.path} does not hold shard {self.shard}")
        fold = Fold(Cursor(*row))
        known = fold.registers
        for instrument, symbol, tick_size, rules, reference, auctions, trades, *factor in self._db.execute(
            "SELECT instrument, symbol, tick_size, rules, reference_ticks, auctions, trades, value_numerator,"
            " value_denominator FROM instruments"
        ):
            state = InstrumentState(symbol, Fraction(tick_size), rules, reference, auctions)
            known.add_instrument(instrument, state, *factor)
            fold.trades[instrument] = trades
        for (account,) in self._db.execute("SELECT account FROM accounts"):
            known.accounts[account] = True
        for sale, tick_size, numerator, denominator, open_until_ns, state in self._db.execute(
            "SELECT sale, tick_size, value_numerator, value_denominator, open_until_ns, state FROM sales"
            " WHERE finished_seq IS NULL ORDER BY sale"
        ):
            terms = SaleTerms(Fraction(tick_size), numerator, denominator, open_until_ns, state == "pending")
            lots = self._db.execute("SELECT lot, bag_grams FROM sale_lots WHERE sale = ?", (sale,))
            terms.bag_grams = dict(lots.fetchall())
            known.sales[sale] = terms
        fold.fills = self._db.execute("SELECT coalesce(max(fill), 0) FROM fills").fetchone()[0]
        known.auctions = self._db.execute("SELECT coalesce(max(auction), 0) FROM auctions").fetchone()[0]
        return fold

    def close(self) -> None:
        self._db.close()


def create(db: sqlite3.Connection, shard: int, step: Callable[[str], None] = lambda name: None) -> None:
    """Tables and an empty cursor, in one transaction, unless they are there. Raises OtherLog for another schema."""
    db.execute("BEGIN IMMEDIATE")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            step("create")
            for statement in _statements(resources.files(__package__).joinpath("schema.sql").read_text("utf-8")):
                db.execute(statement)
            empty = Cursor()
            db.execute(
                "INSERT INTO cursor VALUES (?, ?, ?, ?, ?)",
                (shard, empty.number, empty.seq, empty.ts_ns, empty.event_digest),
            )
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            step("created")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    if version not in (0, SCHEMA_VERSION):
        raise OtherLog(f"the rows have schema {version}, this release writes {SCHEMA_VERSION}")


def _is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file itself is unsound."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def remove_store(path: Path) -> None:
    """Delete a SQLite file with what belongs to it. It is derived: the log gives it again.

    The file goes first: a log of it that is left over by a crash is dropped when an empty file is opened beside it,
    while a file without its log would be half a history.
    """
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def dump(db: sqlite3.Connection) -> dict[str, list[tuple]]:
    """Every row of every table, in order: equal for equal logs, whenever and in however many batches they were
    followed."""
    return {table: sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}


def _statements(script: str) -> list[str]:
    """The statements of an SQL script without triggers, comments left in."""
    statements, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements
