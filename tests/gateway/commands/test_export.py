"""`qhatu export`: stable columns, exact numbers, calls that clear again, and no secret."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.codes import EventKind, name_of
from gateway.auction_file import read_auction_file
from gateway.commands.clear import answer_of
from gateway.commands.export import write
from gateway.exporting import guarded
from gateway.forms import time_ns
from gateway.history_tables import TABLES
from gateway.replaying import LOG_FOLDER
from tests.gateway.seasons import MAXIMUM_CANARY, Season, write_log

KINDS = ("orders", "fills", "trades", "candles", "auctions", "events", "sales", "bids", "awards")


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=51)


@pytest.fixture(scope="module")
def data(season: Season, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venue")
    write_log(season.records, folder / LOG_FOLDER).close()
    return folder


def exported(data: Path, table: str, format: str, tmp_path: Path, interval: str = "1m") -> bytes:
    out = tmp_path / f"{table}.{format}"
    write(table, data, format, interval, out)
    return out.read_bytes()


def lines(raw: bytes) -> list[dict]:
    return [json.loads(line) for line in raw.decode().splitlines()]


def test_columns_are_stable() -> None:
    """A released column keeps its name and place; new ones go last."""
    assert {table: [column.name for column in TABLES[table]][:7] for table in KINDS} == {
        "orders": ["order_id", "account", "symbol", "side", "type", "time_in_force", "price"],
        "fills": ["fill_id", "symbol", "trade_id", "kind", "taker_side", "price", "quantity"],
        "trades": ["symbol", "trade_id", "kind", "side", "price", "quantity", "ts_engine"],
        "candles": ["symbol", "interval", "start", "open", "high", "low", "close"],
        "auctions": ["symbol", "number", "rules", "price", "volume", "surplus", "side"],
        "events": ["seq", "index", "ts_engine", "kind", "side", "flags", "reason"],
        "sales": ["sale", "title", "mechanism", "season", "state", "lot", "lot_title"],
        "bids": ["seq", "index", "ts_engine", "event", "sale", "lot", "price"],
        "awards": ["award", "sale", "lot", "role", "price", "bags", "value"],
    }


@pytest.mark.parametrize("table", KINDS)
def test_every_format_holds_the_same_rows(data: Path, table: str, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    names = [column.name for column in TABLES[table]]
    types = {column.name: column.type for column in TABLES[table]}
    from_json = lines(exported(data, table, "jsonl", tmp_path))
    from_csv = list(csv.DictReader(io.StringIO(exported(data, table, "csv", tmp_path).decode(), newline="")))
    exported(data, table, "parquet", tmp_path)
    from_parquet = pq.read_table(tmp_path / f"{table}.parquet").to_pylist()
    assert len(from_json) == len(from_csv) == len(from_parquet) >= {"sales": 3, "awards": 2}.get(table, 5)
    for a, b, c in zip(from_json, from_csv, from_parquet, strict=True):
        assert list(a)[: len(names)] == list(b) == list(c) == names
        for name in names:
            if a[name] is None:
                assert b[name] == "" and c[name] is None
                continue
            assert b[name] in (str(a[name]), f"'{a[name]}")
            match types[name]:
                case "price" | "money":
                    assert isinstance(a[name], str) and c[name] == Decimal(a[name])
                case "time":
                    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", a[name])
                    assert c[name].value == time_ns(a[name]) if hasattr(c[name], "value") else c[name]
                case _:
                    assert c[name] == a[name]


def test_fills_carry_exact_values(data: Path, season: Season, tmp_path: Path) -> None:
    rows = lines(exported(data, "fills", "jsonl", tmp_path))
    venue = season.machine.venue
    for row in rows:
        listing = venue.instrument(row["symbol"])
        assert listing is not None
        value = listing.value_minor(listing.ticks(row["price"]), row["quantity"])
        assert Fraction(row["value"]) == Fraction(value, 100)
        assert row["currency"] == listing.currency and row["fill_id"] == f"{row['seq']}-{row['index']}"
    assert len({row["fill_id"] for row in rows}) == len(rows)


def test_each_call_clears_again_to_what_the_venue_found(data: Path, season: Season, tmp_path: Path) -> None:
    calls = lines(exported(data, "auctions", "jsonl", tmp_path))
    uncrossed = np.concatenate(season.events)
    assert len(calls) == (uncrossed["kind"] == EventKind.UNCROSSED).sum() == 5
    types = Counter(order["type"] for call in calls for order in call["input"]["orders"])
    assert types["market"] and types["limit"]
    for call in calls:
        answer = answer_of(read_auction_file(json.dumps(call).encode()), call["rule_set"])
        expected = call["expected"]
        assert (answer.price, answer.volume, answer.surplus) == (
            expected["price"],
            expected["volume"],
            expected["surplus_buy_minus_sell"],
        )
        assert answer.filled == expected["filled_qty_by_order"]
        assert (call["price"], call["volume"]) == (expected["price"], expected["volume"])


def test_events_are_all_there_under_their_names(data: Path, season: Season, tmp_path: Path) -> None:
    rows = lines(exported(data, "events", "jsonl", tmp_path))
    every = np.concatenate(season.events)
    assert [row["kind"] for row in rows] == [name_of(EventKind, kind) for kind in every["kind"].tolist()]
    assert len({(row["seq"], row["index"]) for row in rows}) == len(rows)
    assert all(row["price_ticks"] is None for row in rows if row["kind"].startswith("bid_"))


@pytest.mark.parametrize("table", KINDS)
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_secret_maximum_and_key_hashes_are_in_no_export(data: Path, table: str, format: str, tmp_path: Path) -> None:
    raw = exported(data, table, format, tmp_path)
    for secret in (str(MAXIMUM_CANARY).encode(), b"1234567.89", b"feedfeed"):
        assert secret not in raw


def own_form(data: Path, table: str, account: int, tmp_path: Path) -> list[dict]:
    out = tmp_path / "own.jsonl"
    write(table, data, "jsonl", "1m", out, account)
    return lines(out.read_bytes())


def test_tables_of_sales_in_an_accounts_own_form(data: Path, season: Season, tmp_path: Path) -> None:
    """Buyers of lots 1 and 2 are accounts 3 and 4, seller of all is 2; nobody sees another's maximum."""
    awards = season.machine.venue.awards
    assert [(one.lot, one.buyer, one.seller) for one in awards.values()] == [(1, 3, 2), (2, 4, 2)]
    public = {table: lines(exported(data, table, "jsonl", tmp_path)) for table in ("sales", "bids", "awards")}
    assert [row["sold_bags"] for row in public["sales"]] == [awards[1].bags, awards[2].bags, 0]
    assert {row["award"] for row in public["awards"]} == {row["role"] for row in public["awards"]} == {None}
    assert {row["event"] for row in public["bids"]} == {"lot_price", "lot_sold"}
    for account, lot in ((3, 1), (4, 2)):
        assert [row["lot"] for row in own_form(data, "sales", account, tmp_path)] == [lot]
        (award,) = own_form(data, "awards", account, tmp_path)
        assert (award["lot"], award["role"], award["state"]) == (lot, "buyer", "final")
        told = own_form(data, "bids", account, tmp_path)
        assert told[0]["event"] == "bid_accepted" and told[-1]["event"] == "lot_sold"
    assert {row["role"] for row in own_form(data, "awards", 2, tmp_path)} == {"seller"}
    told = {account: str(own_form(data, "bids", account, tmp_path)) for account in (1, 2, 3, 4)}
    assert {account for account, rows in told.items() if "1234567.89" in rows} == {3}, "its owner's alone"


def test_a_secret_maximum_is_in_no_parquet(data: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    for table in KINDS:
        exported(data, table, "parquet", tmp_path)
        text = json.dumps(pq.read_table(tmp_path / f"{table}.parquet").to_pylist(), default=str)
        assert str(MAXIMUM_CANARY) not in text and "1234567.89" not in text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-x", "'-x"),
        ("@a", "'@a"),
        ("\tq", "'\tq"),
        ("\rq", "'\rq"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_free_text_is_no_formula(text: str, cell: str) -> None:
    assert guarded(text) == cell


def test_negative_numbers_stay_numbers(data: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(data, "trades", "csv", tmp_path).decode(), newline="")))
    assert min(float(row["price"]) for row in rows) < 0


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        capture_output=True,
        timeout=120,
        env=os.environ | environment,
    )


def test_the_command_while_a_venue_runs(season: Season, tmp_path: Path) -> None:
    """The lock is held by another; the log is read without it, up to the last record known durable."""
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    done = command("export", "trades", "--data", str(tmp_path), "--format", "jsonl")
    assert done.returncode == 0 and done.stderr == b""
    assert len(lines(done.stdout)) == (np.concatenate(season.events)["kind"] == EventKind.FILL).sum()
    out = tmp_path / "trades.jsonl"
    again = command("export", "trades", "--data", str(tmp_path), "--format", "jsonl", "--out", str(out))
    assert again.returncode == 0 and again.stdout == b"" and out.read_bytes() == done.stdout
    log.close()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("trades", "--data", "{missing}"), 1),
        (("nonsense", "--data", "{data}"), 2),
        (("trades",), 2),
        (("trades", "--data", "{data}", "--format", "xml"), 2),
        (("candles", "--data", "{data}", "--interval", "2m"), 2),
    ],
)
def test_trouble_is_told_on_stderr_alone(data: Path, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    filled = [a.format(missing=tmp_path / "nowhere", data=data) for a in arguments]
    done = command("export", *filled)
    assert done.returncode == code and done.stdout == b"" and done.stderr


def test_parquet_without_its_library_says_what_to_install(data: Path, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not here')\n")
    done = command("export", "trades", "--data", str(data), "--format", "parquet", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and done.stdout == b"" and b"qhatu[analytics]" in done.stderr
