"""The SQLite projection: fills a second, with their orders, from applied records to committed rows.

    market     orders, cancels and the fills they cause, as they come: each fill brings 1.3 new orders with it
    uncross    call auctions of orders that are already there: each fill brings the change of an order with it

(A fill always ends one of its two orders, so there is no flow with fills alone.) The baseline, in the same run, is a
bare executemany of seven columns of the same fills into a table without an index, in as many transactions: what SQLite
alone can take.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.flow import Applied, call, market
from gateway.feeding import EVENTS_PER_TRANSACTION
from gateway.projections.sqlite import SqliteSink, dump

BARE_TABLE = "CREATE TABLE bare (seq, idx, ts_ns, price, qty, buy_order, sell_order)"
BARE_INSERT = "INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)"
EVENTS_PER_SMALL_TRANSACTION = 1_000

Flow = tuple[list[Applied], list[Applied]]  # what is there before, what is measured


def market_flow(commands: int, seed: int) -> Flow:
    return [], list(market(commands, 1_000, seed))


def uncross_flow(commands: int, seed: int) -> Flow:
    return call(commands, 1_000, seed)


FLOWS: dict[str, Callable[[int, int], Flow]] = {"market": market_flow, "uncross": uncross_flow}


def project(sink: SqliteSink, applied: list[Applied], events_per_transaction: int) -> tuple[float, int]:
    """Seconds from records to committed rows, and transactions."""
    transactions, started = 0, perf_counter()
    for one in applied:
        sink.take(*one)
        if sink.events_waiting >= events_per_transaction:
            sink.flush()
            transactions += 1
    transactions += sink.flush() > 0
    return perf_counter() - started, transactions


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


def measure(name: str, flow: Flow, events_per_transaction: int, runs: int) -> dict[str, Any]:
    """The median of some runs, each into a new file."""
    times, bares, hashes = [], [], set()
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="qhatu-bench-") as folder:
            path = Path(folder) / "projection.sqlite"
            sink = SqliteSink(path)
            project(sink, flow[0], events_per_transaction)
            seconds, transactions = project(sink, flow[1], events_per_transaction)
            sink.close()
            times.append(seconds)
            db = sqlite3.connect(path)
            hashes.add(blake2b(repr(dump(db)).encode(), digest_size=4).hexdigest())
            rows = db.execute(
                "SELECT seq, idx, ts_ns, price_ticks, qty_lots, buy_order, sell_order FROM fills ORDER BY fill"
            ).fetchall()
            orders = db.execute("SELECT count(*) FROM orders").fetchone()[0]
            db.close()
            size = os.path.getsize(path)
            bares.append(bare(rows, Path(folder) / "bare.sqlite", transactions))
    assert len(hashes) == 1, "the rows differ between runs"
    median, base = sorted(times)[runs // 2], sorted(bares)[runs // 2]
    return {
        "name": f"sqlite {name}",
        "events_per_transaction": events_per_transaction,
        "transactions": transactions,
        "fills": len(rows),
        "orders": orders,
        "fills_per_second": round(len(rows) / median),
        "fills_per_second_best": round(len(rows) / min(times)),
        "events_per_second": round(sum(len(one.events) for one in flow[1]) / median),
        "bare_fills_per_second": round(len(rows) / base),
        "ratio": round(base / median, 3),
        "bytes_per_fill": round(size / len(rows)),
        "hash": hashes.pop(),
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench sqlite", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--commands", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    answers = []
    for name, make in FLOWS.items():
        flow = make(options.commands, options.seed)
        for per_transaction in (EVENTS_PER_SMALL_TRANSACTION, EVENTS_PER_TRANSACTION):
            answer = measure(name, flow, per_transaction, options.runs) | {"seed": options.seed}
            answers.append(answer)
            if not options.json:
                print(
                    f"{answer['name']}  {per_transaction:>6,d} events a transaction"
                    f"  {answer['fills_per_second']:>9,d} fills/s (best {answer['fills_per_second_best']:,d})"
                    f"  {answer['events_per_second']:>9,d} events/s"
                    f"  n={answer['fills']:,d} of {answer['orders']:,d} orders"
                    f"  bare {answer['bare_fills_per_second']:>9,d}  {answer['ratio']:.2f}x"
                    f"  hash {answer['hash']}  seed {options.seed}",
                    flush=True,
                )
    if options.json:
        print(json.dumps(answers))
