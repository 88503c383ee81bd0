"""`qhatu export TABLE --data DIR --format FORMAT`: history out of the log, as a file for analysts.

The whole table is made before the first byte is given out, so trouble leaves nothing half written. The venue may be
running. Each line of `export auctions --format jsonl` is a call that `qhatu clear` can be given.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.offline import DataDir, Refused, progress_line, refusals


class Table(StrEnum):
    orders = "orders"
    fills = "fills"
    trades = "trades"
    candles = "candles"
    auctions = "auctions"
    events = "events"
    sales = "sales"
    bids = "bids"
    awards = "awards"


_OF_SALES = frozenset({Table.sales, Table.bids, Table.awards})


class Format(StrEnum):
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


class Interval(StrEnum):
    s1 = "1s"
    m1 = "1m"
    m5 = "5m"
    m15 = "15m"
    h1 = "1h"
    d1 = "1d"


def export(
    table: Annotated[Table, typer.Argument(help="What to write.", show_default=False)],
    data: DataDir,
    format: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.csv,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; stdout when left out.")] = None,
    interval: Annotated[Interval, typer.Option("--interval", help="Of candles.")] = Interval.m1,
    account: Annotated[int | None, typer.Option("--account", help="Of sales, bids, awards: what it may see.")] = None,
) -> None:
    """Exit 0: written whole. Exit 1: nothing was written, stderr says why."""
    if out is None and format is Format.parquet and sys.stdout.isatty():
        raise typer.BadParameter("a terminal cannot show Parquet: give --out FILE", param_hint="--format")
    if account is not None and table not in _OF_SALES:
        raise typer.BadParameter("only sales, bids and awards have an account's own form", param_hint="--account")
    with refusals("export"), tempfile.TemporaryDirectory(prefix="qhatu-export-") as folder:
        made = Path(folder) / "table"
        write(table.value, data, format.value, interval.value, made, account)
        if out is not None:
            beside = out.with_name(f".{out.name}.new")
            shutil.copyfile(made, beside)
            beside.replace(out)
        else:
            _to_stdout(made)


def write(table: str, data: Path, format: str, interval: str, out: Path, account: int | None = None) -> int:
    """Write one table to `out`. Returns the number of rows. Raises Refused and what reading the log raises."""
    from gateway.exporting import NoParquet, write_table
    from gateway.history_tables import TABLES, rows_of

    with tempfile.TemporaryDirectory(prefix="qhatu-history-") as folder, open(out, "wb") as file:
        try:
            rows = rows_of(table, data, Path(folder), interval, progress_line(), account)
            return write_table(TABLES[table], rows, format, file)
        except NoParquet as error:
            raise Refused(str(error)) from None


def _to_stdout(made: Path) -> None:
    """A reader that has seen enough (`| head`) is no trouble."""
    try:
        with open(made, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
