"""The embedded sink: rows of `Fold` and the cursor in one SQLite transaction.

WAL with synchronous NORMAL: a crash of the machine may lose the newest transactions, whole, and the log gives them
again. The cursor moves only from where this writer left it, so a second writer's transaction fails as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from enum import IntEnum
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from engine.codes import AwardState, OrderType, Reason, Side, TimeInForce, name_of
from engine.log.record import Record
from engine.state.sales.awards import HOLDING
from gateway.projections.flow import Changes, Rows
from gateway.projections.fold import Cursor, Fold
from gateway.projections.registers import AwardTerms, InstrumentState, SaleTerms

SCHEMA_VERSION = 6  # a file of another version is rebuilt
CACHE_KIB = 64 * 1024
PAGE_BYTES = 8_192
CHECKPOINT_PAGES = 128  # 1 MiB of write-ahead log: carried over in small pieces, it keeps the log's syncs waiting less
ROWS_PER_INSERT = 50
BUSY_SECONDS = 5.0
_HOLDING = frozenset(name_of(AwardState, state) for state in HOLDING)


class StaleWriter(Exception):
    """The cursor is not where this writer left it: another one has written. Nothing of the batch was kept."""


class OtherLog(Exception):
    """The rows were not made from this log, or by another release of the schema, or the file is damaged; only a rebuild
    helps."""


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# Applied in this order within a transaction; rows of one statement stand in the order of their events.
STATEMENTS: dict[str, str] = {
    "account": "INSERT INTO accounts (account, label, kind, opened_seq, opened_ns) VALUES (?, ?, ?, ?, ?)",
    "account_set": "UPDATE accounts SET group_number = ?, frozen = ?, coop = ? WHERE account = ?",
    "account_limits": "INSERT OR REPLACE INTO account_limits VALUES (?, ?, ?, ?, ?)",
    "account_limits_gone": "DELETE FROM account_limits WHERE account = ? AND currency = ?",
    "instrument": "INSERT INTO instruments (instrument, symbol, name, commodity, tick_size, tick_units,"
    " tick_scale, price_unit, lot_unit, currency, value_numerator, value_denominator, rules, attributes, source,"
    " reference_ticks, reference, phase, listed_seq, listed_ns)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "instrument_changed": "UPDATE instruments SET name = coalesce(?, name), attributes = coalesce(?, attributes),"
    " source = coalesce(?, source), rules = coalesce(?, rules) WHERE instrument = ?",
    "instrument_delisted": "UPDATE instruments SET delisted_seq = ?, delisted_ns = ? WHERE instrument = ?",
    "reference": "UPDATE instruments SET reference_ticks = ?, reference = ? WHERE instrument = ?",
    "phase": "UPDATE instruments SET phase = ? WHERE instrument = ?",
    "order": "INSERT INTO orders (seq, order_id, account, instrument, side, type, time_in_force, price_ticks, qty_lots,"
    " filled_lots, entered_ns, closed_seq, closed_ns, close_reason, client_stream, client_number)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "order_named": "INSERT INTO orders (seq, order_id, account, instrument, side, type, time_in_force, price_ticks,"
    " qty_lots, filled_lots, entered_ns, closed_seq, closed_ns, close_reason, client_text)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # ?: filled in this batch, closed seq, ns, seq
    "order_filled": "UPDATE orders SET filled_lots = filled_lots + ?1,"
    " closed_seq = iif(filled_lots + ?1 = qty_lots, ?2, 0), closed_ns = iif(filled_lots + ?1 = qty_lots, ?3, 0)"
    " WHERE seq = ?4",
    # ?: type, tif (-1: as before), ticks, qty without what was filled before, filled, closed seq, ns, reason, seq
    "order_changed": "UPDATE orders SET type = iif(?1 < 0, type, ?1), time_in_force = iif(?2 < 0, time_in_force, ?2),"
    " price_ticks = ?3, qty_lots = filled_lots + ?4, filled_lots = filled_lots + ?5, closed_seq = ?6, closed_ns = ?7,"
    " close_reason = ?8 WHERE seq = ?9",
    "order_terms_gone": "DELETE FROM order_terms WHERE seq = ?",
    "order_terms": "INSERT OR REPLACE INTO order_terms VALUES (?, ?, ?, ?)",
    # ?: filled in this batch, closed seq, ns, reason, seq
    "order_cancelled": "UPDATE orders SET filled_lots = filled_lots + ?, closed_seq = ?, closed_ns = ?,"
    " close_reason = ? WHERE seq = ?",
    # The entries of a batch go after those of the batches before it. (What || gives is a text.)
    "order_account": "INSERT INTO orders_of_account VALUES (?, ?, ?)"
    " ON CONFLICT (block, account) DO UPDATE SET entries = CAST(entries || excluded.entries AS BLOB)",
    "closed_account": "INSERT INTO closed_of_account VALUES (?, ?, ?)"
    " ON CONFLICT (block, account) DO UPDATE SET entries = CAST(entries || excluded.entries AS BLOB)",
    "fill": "INSERT INTO fills (fill, seq, idx, ts_ns, instrument, trade_id, taker_side, price_ticks, qty_lots,"
    " buy_account, buy_order, sell_account, sell_order) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "fill_account": "INSERT INTO fills_of_account VALUES (?, ?, ?)"
    " ON CONFLICT (block, account) DO UPDATE SET entries = CAST(entries || excluded.entries AS BLOB)",
    "fill_instrument": "INSERT INTO fills_of_instrument VALUES (?, ?, ?)"
    " ON CONFLICT (block, instrument) DO UPDATE SET entries = CAST(entries || excluded.entries AS BLOB)",
    "correction": "INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # Fills have no index by name: their sequence never falls, so the first of a command is found by bisection.
    # ?: state, ticks, lots, seq, idx
    "fill_corrected": "WITH RECURSIVE place (low, high) AS ("
    " SELECT 1, (SELECT coalesce(max(fill), 0) FROM fills) + 1"
    " UNION ALL SELECT iif((SELECT seq FROM fills WHERE fill = (low + high) / 2) >= ?4, low, (low + high) / 2 + 1),"
    " iif((SELECT seq FROM fills WHERE fill = (low + high) / 2) >= ?4, (low + high) / 2, high)"
    " FROM place WHERE low < high)"
    " UPDATE fills SET state = ?1, price_ticks = ?2, qty_lots = ?3 WHERE seq = ?4 AND idx = ?5"
    " AND fill BETWEEN (SELECT low FROM place WHERE low = high) AND (SELECT low FROM place WHERE low = high) + ?5",
    "random_end": "INSERT INTO random_ends (seq, idx, ts_ns, instrument, announced_ns, window_ns, commitment)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)",
    "seed": "UPDATE random_ends SET seed = ?, revealed_seq = ?, revealed_ns = ? WHERE commitment = ?",
    "auction": "INSERT INTO auctions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "instrument_counts": "UPDATE instruments SET trades = ?, auctions = ? WHERE instrument = ?",
    "sale": "INSERT OR REPLACE INTO sales (sale, title, state, tick_size, price_unit, currency, opening_ticks, opening,"
    " increment_ticks, increment, clock_ns, open_until_ns, value_numerator, value_denominator, lots, opened_seq,"
    " opened_ns, mechanism, season, version)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "sale_stage": "UPDATE sales SET stage = ? WHERE sale = ?",
    "sale_opened": "UPDATE sales SET state = ?, opened_seq = ?, opened_ns = ? WHERE sale = ?",
    "lot": "INSERT OR REPLACE INTO sale_lots (sale, lot, title, bags, bag_grams, attributes, state)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)",
    "lots_of_plan": "DELETE FROM sale_lots WHERE sale = ?1 AND lot > (SELECT lots FROM sales WHERE sale = ?1)",
    "lot_price": "UPDATE sale_lots SET price_ticks = ?, price = ?, bids = coalesce(?, bids) WHERE sale = ? AND lot = ?",
    "lot_sold": "UPDATE sale_lots SET state = ?, winner = coalesce(?, winner), seller = coalesce(?, seller),"
    " sold_bags = ?, value_minor = ? WHERE sale = ? AND lot = ?",
    "sale_result": "INSERT INTO sale_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "sale_bid": "INSERT INTO sale_bids VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "award": "INSERT INTO awards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (award) DO UPDATE SET"
    " price_ticks = excluded.price_ticks, price = excluded.price, bags = excluded.bags,"
    " value_minor = excluded.value_minor, state = excluded.state, due_ns = excluded.due_ns, seq = excluded.seq,"
    " ts_ns = excluded.ts_ns",
    "lot_passed_in": "UPDATE sale_lots SET state = 'passed_in' WHERE sale = ? AND lot = ? AND state = 'open'",
    "sale_open_until": "UPDATE sales SET open_until_ns = ? WHERE sale = ?",
    "sale_clock": "UPDATE sales SET clock_due_ns = ?, state = ? WHERE sale = ?",
    "sale_finished": "UPDATE sales SET state = ?1, stage = ?1, lots_sold = ?2, finished_seq = ?3, finished_ns = ?4,"
    " clock_due_ns = NULL WHERE sale = ?5",
    "reject": "INSERT INTO rejects VALUES (?, ?, ?)"
    " ON CONFLICT (account, reason) DO UPDATE SET count = count + excluded.count",
}

# What `codes` explains: names of the numbers in orders and fills.
CODES: dict[str, type[IntEnum]] = {"side": Side, "type": OrderType, "time_in_force": TimeInForce, "reason": Reason}

TABLES = (
    "cursor",
    "codes",
    "accounts",
    "account_limits",
    "instruments",
    "orders",
    "order_terms",
    "orders_of_account",
    "closed_of_account",
    "fills",
    "fills_of_account",
    "fills_of_instrument",
    "corrections",
    "random_ends",
    "auctions",
    "sales",
    "sale_lots",
    "sale_results",
    "sale_bids",
    "awards",
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
                rows += self._write_rows(statement, changes[name])
                self._step(name)
        return rows

    def _write_rows(self, statement: str, rows: Rows) -> int:
        """Numbers to be inserted go in groups: a statement a row spends as long on starting as on inserting. No list is
        made for each row and kept: the garbage collector would go through them all."""
        if not isinstance(rows, np.ndarray):
            return max(self._db.executemany(statement, rows).rowcount, 0)
        whole = len(rows) // ROWS_PER_INSERT * ROWS_PER_INSERT if statement.startswith("INSERT") else 0
        flat, size = rows[:whole].ravel().tolist(), ROWS_PER_INSERT * rows.shape[1]
        groups = (flat[at : at + size] for at in range(0, len(flat), size))
        written = self._db.executemany(_in_groups(statement), groups).rowcount if whole else 0
        return written + max(self._db.executemany(statement, zip(*rows[whole:].T.tolist(), strict=True)).rowcount, 0)

    def _load(self) -> Fold:
        """The fold as it was after the last transaction."""
        row = self._db.execute(
            "SELECT shard, number, seq, ts_ns, event_digest FROM cursor WHERE shard = ?", (self.shard,)
        ).fetchone()
        if row is None:
            raise OtherLog(f"{self.path} does not hold shard {self.shard}")
        fold = Fold(Cursor(*row))
        known = fold.registers
        for instrument, symbol, tick_size, rules, reference, auctions, trades in self._db.execute(
            "SELECT instrument, symbol, tick_size, rules, reference_ticks, auctions, trades FROM instruments"
        ):
            state = InstrumentState(symbol, Fraction(tick_size), rules, reference, auctions)
            known.instruments[instrument] = state
            fold.trades[instrument] = trades
        for (account,) in self._db.execute("SELECT account FROM accounts"):
            known.accounts[account] = True
        for sale, mechanism, tick_size, numerator, denominator, open_until_ns, state, ended in self._db.execute(
            "SELECT sale, mechanism, tick_size, value_numerator, value_denominator, open_until_ns, state,"
            " finished_seq IS NOT NULL FROM sales ORDER BY sale"
        ):
            terms = SaleTerms(mechanism, Fraction(tick_size), numerator, denominator, open_until_ns)
            terms.clock_runs, terms.ended = state == "pending", bool(ended)
            known.sales[sale] = terms
        for sale, lot, grams, bags, worth in self._db.execute(
            "SELECT sale, lot, bag_grams, sold_bags, value_minor FROM sale_lots"
        ):
            terms = known.sales[sale]
            terms.bag_grams[lot], terms.sold_bags[lot], terms.worth[lot] = grams, bags, int(worth or 0)
        for award, price, bags, worth, state in self._db.execute(
            "SELECT award, price_ticks, bags, value_minor, state FROM awards"
        ):
            counts = state in _HOLDING
            known.awards[award] = AwardTerms(price, bags if counts else 0, int(worth) if counts else 0)
        # Reads the whole table, once a start: an index of what is open would cost every order two changes of it.
        orders = self._db.execute("SELECT order_id, seq FROM orders WHERE closed_seq = 0").fetchall()
        fold.lives.enter(*np.array(orders, np.int64).reshape(-1, 2).T)
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
            codes = [(field, code, name_of(names, code)) for field, names in CODES.items() for code in names]
            db.executemany("INSERT INTO codes VALUES (?, ?, ?)", codes)
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


@cache
def _in_groups(statement: str) -> str:
    """An INSERT of one row as one of ROWS_PER_INSERT rows."""
    before, row = statement.split(" VALUES ")
    return f"{before} VALUES {', '.join([row] * ROWS_PER_INSERT)}"


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
