"""The SQLite projection: fills (and orders) a second from applied records to committed rows.

The baseline, in the same run, is a bare executemany of seven columns of the same fills into a table without an index,
in as many transactions: what SQLite alone can take.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import tempfile
from hashlib import blake2b
from pathlib import Path
from time import perf_counter

from bench.flow import Applied, market
from gateway.following import EVENTS_PER_TRANSACTION
from gateway.projections.sqlite import SqliteSink, dump

BARE_TABLE = "CREATE TABLE bare (seq, idx, ts_ns, price, qty, buy_order, sell_order)"
BARE_INSERT = "INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)"


def project(applied: list[Applied], path: Path, events_per_transaction: int) -> tuple[float, int]:
    """Seconds from records to committed rows, and transactions."""
    sink, transactions = SqliteSink(path), 0
    started = perf_counter()
    for one in applied:
        sink.take(*one)
        if sink.events_waiting >= events_per_transaction:
            sink.flush()
            transactions += 1
    sink.flush()
    seconds = perf_counter() - started
    sink.close()
    return seconds, transactions + 1


def bare(rows: list[tuple], path: Path, transactions: int) -> float:
    """Seconds of the baseline."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(BARE_TABLE)
    step = -(-len(rows) // transactions)
    started = perf_counter()
    for first in range(0, len(rows), step):
        db.execute("BEGIN")
        db.executemany(BARE_INSERT, rows[first : first + step])
        db.execute("COMMIT")
    seconds = perf_counter() - started
    db.close()
    return seconds


def checksum(path: Path) -> str:
    """Eight hex digits of every row."""
    db = sqlite3.connect(path)
    try:
        return blake2b(repr(dump(db)).encode(), digest_size=4).hexdigest()
    finally:
        db.close()


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench sqlite", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--commands", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    applied = list(market(options.commands, 1_000, options.seed))
    answers = []
    for per_transaction in sorted({1_000, EVENTS_PER_TRANSACTION}):
        times, bares, hashes = [], [], set()
        for _ in range(options.runs):
            with tempfile.TemporaryDirectory(prefix="qhatu-bench-") as folder:
                path = Path(folder) / "projection.sqlite"
                seconds, transactions = project(applied, path, per_transaction)
                times.append(seconds)
                hashes.add(checksum(path))
                db = sqlite3.connect(path)
                rows = db.execute(
                    "SELECT seq, idx, ts_ns, price_ticks, qty_lots, buy_order, sell_order FROM fills ORDER BY fill"
                ).fetchall()
                orders = db.execute("SELECT count(*) FROM orders").fetchone()[0]
                db.close()
                size = os.path.getsize(path)
                bares.append(bare(rows, Path(folder) / "bare.sqlite", transactions))
        assert len(hashes) == 1, "the rows differ between runs"
        median, best, base = sorted(times)[len(times) // 2], min(times), sorted(bares)[len(bares) // 2]
        answer = {
            "name": "sqlite",
            "events_per_transaction": per_transaction,
            "fills": len(rows),
            "orders": orders,
            "fills_per_second": round(len(rows) / median),
            "fills_per_second_best": round(len(rows) / best),
            "bare_fills_per_second": round(len(rows) / base),
            "ratio": round(base / median, 3),
            "bytes_per_fill": round(size / len(rows)),
            "hash": hashes.pop(),
            "seed": options.seed,
        }
        answers.append(answer)
        if not options.json:
            print(
                f"sqlite  {per_transaction:>6,d} events a transaction  {answer['fills_per_second']:>9,d} fills/s"
                f" (best {answer['fills_per_second_best']:,d}; {orders:,d} orders beside {len(rows):,d} fills)"
                f"  bare {answer['bare_fills_per_second']:>9,d}  {answer['ratio']:.2f}x  hash {answer['hash']}"
                f"  seed {options.seed}",
                flush=True,
            )
    if options.json:
        print(json.dumps(answers))
