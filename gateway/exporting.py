"""Tables as files: stable columns, one row at a time, in CSV, JSON lines or Parquet.

A table is `Columns` and an iterator of rows in their order. Prices and money are exact decimals: text in CSV and JSON,
decimal128 in Parquet. Times are UTC: RFC 3339 text in CSV and JSON, timestamps in Parquet. Ids are text everywhere (an
order id does not fit a spreadsheet's number). An empty cell is an absent value.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Literal, NamedTuple, Protocol

from gateway.forms import time_text

ROWS_PER_GROUP = 8_192
PRICE_SCALE = 12  # decimals of a Parquet price: as many as a tick size can have
MONEY_SCALE = 2
DECIMAL_DIGITS = 38
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Type = Literal["text", "int", "price", "money", "time"]


class Column(NamedTuple):
    name: str
    type: Type


Columns = tuple[Column, ...]
Row = tuple[Any, ...]  # str, int, decimal text, int ns, None; in JSON lines one more: a dict of nested fields


class NoParquet(Exception):
    """Parquet was asked for without the library that writes it."""


def columns(text: str) -> Columns:
    """Columns from `name:type name:type ...`; `name` alone is text."""
    found = []
    for word in text.split():
        name, _, type = word.partition(":")
        found.append(Column(name, type or "text"))  # type: ignore[arg-type]
    return tuple(found)


class Writer(Protocol):
    def write(self, rows: list[Row]) -> None: ...

    def close(self) -> None: ...


def write_table(columns: Columns, rows: Iterable[Row], format: str, out: IO[bytes]) -> int:
    """Write a whole table. Returns the number of rows. Raises NoParquet, OSError."""
    writer = WRITERS[format](columns, out)
    count = 0
    for group in _groups(rows):
        writer.write(group)
        count += len(group)
    writer.close()
    return count


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while group := list(islice(iterator, ROWS_PER_GROUP)):
        yield group


def guarded(text: str) -> str:
    """Free text that a spreadsheet would take for a formula gets a quote before it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


class CsvWriter:
    """RFC 4180 with a header. Text cells are guarded against formulas; numbers, also negative ones, are as they are."""

    def __init__(self, columns: Columns, out: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._csv.writerow([column.name for column in columns])
        self._columns = columns

    def write(self, rows: list[Row]) -> None:
        self._csv.writerows([_csv_cell(column, value) for column, value in zip(self._columns, row)] for row in rows)  # noqa: B905

    def close(self) -> None:
        self._text.flush()
        self._text.detach()


def _csv_cell(column: Column, value: Any) -> Any:
    if value is None:
        return ""
    if column.type == "text":
        return guarded(value)
    return time_text(value) if column.type == "time" else value


class JsonLinesWriter:
    """One object a line. A row may carry one more item than there are columns: a dict of nested fields."""

    def __init__(self, columns: Columns, out: IO[bytes]) -> None:
        self._columns, self._out = columns, out

    def write(self, rows: list[Row]) -> None:
        self._out.write("".join(self._line(row) for row in rows).encode("utf-8"))

    def _line(self, row: Row) -> str:
        fields = {}
        for column, value in zip(self._columns, row):  # noqa: B905
            fields[column.name] = time_text(value) if column.type == "time" and value is not None else value
        if len(row) > len(self._columns):
            fields |= row[-1]
        return json.dumps(fields, ensure_ascii=False) + "\n"

    def close(self) -> None:
        self._out.flush()


class ParquetWriter:
    """Row groups of ROWS_PER_GROUP. Needs pyarrow."""

    def __init__(self, columns: Columns, out: IO[bytes]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise NoParquet("Parquet needs pyarrow: pip install 'qhatu[analytics]'") from error
        self._pa, self._columns = pa, columns
        types = {
            "text": pa.string(),
            "int": pa.int64(),
            "price": pa.decimal128(DECIMAL_DIGITS, PRICE_SCALE),
            "money": pa.decimal128(DECIMAL_DIGITS, MONEY_SCALE),
            "time": pa.timestamp("ns", tz="UTC"),
        }
        self._schema = pa.schema([(column.name, types[column.type]) for column in columns])
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd")

    def write(self, rows: list[Row]) -> None:
        arrays = []
        for place, column in enumerate(self._columns):
            values = [row[place] for row in rows]
            if column.type in ("price", "money"):
                values = [None if value is None else Decimal(value) for value in values]
            arrays.append(self._pa.array(values, self._schema.field(place).type))
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


WRITERS: dict[str, type[Any]] = {"csv": CsvWriter, "jsonl": JsonLinesWriter, "parquet": ParquetWriter}
