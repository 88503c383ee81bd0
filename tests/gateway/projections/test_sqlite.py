"""The SQLite sink: one transaction for rows and cursor, whatever happens between two steps."""

from __future__ import annotations

import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest

from engine.domain.units import ticks_to_text, value_minor
from engine.machine import Machine
from engine.messages import bodies
from engine.oracle.books import Books
from gateway.forms import time_text
from gateway.projections import sqlite
from gateway.projections.sqlite import (
    SCHEMA_VERSION,
    STATEMENTS,
    OtherLog,
    SqliteSink,
    StaleWriter,
    dump,
    remove_store,
)
from tests.gateway.seasons import MAXIMUM_CANARY, Season
from tests.recorder import Recorder


class Crash(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=11, turns=12, rows_per_turn=12)


@pytest.fixture(scope="module")
def whole(season: Season) -> dict[str, list[tuple]]:
    sink = SqliteSink(":memory:")
    feed(sink, season)
    return dump(sink._db)


def feed(sink: SqliteSink, season: Season, *, upto: int = 10**9, every: int = 5) -> None:
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        if record.number > upto:
            break
        sink.take(record, events, digest)
        if record.number % every == 0:
            sink.flush()
    sink.flush()


def rows_of(path: Path) -> dict[str, list[tuple]]:
    db = sqlite3.connect(path)
    try:
        return dump(db)
    finally:
        db.close()


def test_wiped_it_rebuilds_identically(tmp_path: Path, season: Season, whole: dict) -> None:
    path = tmp_path / "projection.sqlite"
    for every in (5, 1):
        sink = SqliteSink(path)
        feed(sink, season, every=every)
        sink.close()
        assert rows_of(path) == whole
        remove_store(path)
        assert not list(tmp_path.iterdir())


def test_a_restart_at_any_record_continues_where_the_rows_end(tmp_path: Path, season: Season, whole: dict) -> None:
    for stop in range(0, len(season.records), 4):
        path = tmp_path / f"{stop}.sqlite"
        first = SqliteSink(path)
        feed(first, season, upto=stop)
        first.close()
        second = SqliteSink(path)
        feed(second, season)
        second.close()
        assert rows_of(path) == whole, f"stopped after record {stop}"


def test_killed_between_any_two_steps_nothing_is_missing_and_nothing_is_twice(
    tmp_path: Path, season: Season, whole: dict
) -> None:
    """Crash at the n-th step for every n, restart, follow to the end."""
    steps: list[str] = []
    path = tmp_path / "count.sqlite"
    sink = SqliteSink(path, step=steps.append)
    feed(sink, season, every=9)
    sink.close()
    assert {"create", "created", "folded", "begun", "cursor", "committed"} | {"order", "fill", "order_filled"} <= set(
        steps
    )

    for crash_at in range(len(steps)):
        path = tmp_path / f"crash-{crash_at}.sqlite"
        left = crash_at

        def step(name: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash(name)

        sink = None
        with pytest.raises(Crash):
            sink = SqliteSink(path, step=step)
            feed(sink, season, every=9)
        if sink is not None:
            sink._db.close()
        again = SqliteSink(path)
        feed(again, season, every=4)
        again.close()
        assert rows_of(path) == whole, f"crash at step {crash_at} ({steps[crash_at]})"
        remove_store(path)


def test_a_second_writer_moves_nothing(tmp_path: Path, season: Season, whole: dict) -> None:
    path = tmp_path / "projection.sqlite"
    stale, other = SqliteSink(path), SqliteSink(path)
    feed(other, season)
    with pytest.raises(StaleWriter, match="another writer"):
        feed(stale, season)
    assert rows_of(path) == whole
    stale.close()
    other.close()


def test_rows_of_another_log_are_refused(tmp_path: Path, season: Season) -> None:
    path = tmp_path / "projection.sqlite"
    other = Season(seed=12, turns=12, rows_per_turn=12)
    first = SqliteSink(path)
    feed(first, other, upto=20)
    first.close()
    second = SqliteSink(path)
    with pytest.raises(OtherLog, match="another log"):
        feed(second, season)
    second.close()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "projection.sqlite"
    SqliteSink(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(OtherLog, match="schema"):
        SqliteSink(path)


@pytest.mark.parametrize("place", [0, 4_096], ids=["no database", "a page overwritten"])
def test_a_damaged_file_is_said_to_be_unfit(tmp_path: Path, season: Season, place: int) -> None:
    """The follower makes it anew, as it does with the rows of another log."""
    path = tmp_path / "projection.sqlite"
    sink = SqliteSink(path)
    feed(sink, season, upto=20)
    sink.close()
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xa5" * 40_000)
    with pytest.raises(OtherLog, match="damaged"):
        feed(SqliteSink(path), season)


def test_views_show_times_as_text(season: Season) -> None:
    sink = SqliteSink(":memory:")
    feed(sink, season)
    for view, column, ns in (
        ("orders_readable", "entered", "entered_ns"),
        ("orders_readable", "closed", "closed_ns"),
        ("fills_readable", "time", "ts_ns"),
        ("trades", "time", "ts_ns"),
        ("account_fills", "time", "ts_ns"),
        ("auctions_readable", "time", "ts_ns"),
    ):
        rows = sink._db.execute(f"SELECT {column}, {ns} FROM {view} WHERE {ns} IS NOT NULL").fetchall()
        assert rows and all(text == time_text(value) for text, value in rows)


@pytest.mark.parametrize(
    ("tick", "ticks", "lots", "numerator", "denominator"),
    [
        ("0.05", 6_705, 275, 345_000_000, 45_359_237),
        ("1", 1, 1, 1, 2),
        ("1", 3, 1, 1, 2),
        ("0.000000000001", -1, 1, 1, 2),
        ("0.5", -3, 1, 1, 2),
        ("0.25", -7, 5, 2, 3),
        ("9000000000", 10**9, 9, 2**29, 2**62),
        ("0.01", 0, 5, 2**62, 2**62),
    ],
)
def test_views_round_values_and_write_prices_as_the_engine_does(
    tick: str, ticks: int, lots: int, numerator: int, denominator: int
) -> None:
    assert priced(tick, ticks, lots, numerator, denominator) == (
        ticks_to_text(ticks, Fraction(tick)),
        value_minor(ticks, lots, numerator, denominator),
    )


def test_views_leave_out_what_goes_beyond_64_bits() -> None:
    assert priced("999999999999.999999999999", 10**9, 10**12, 2**62, 1) == (None, None)


def priced(tick: str, ticks: int, lots: int, numerator: int, denominator: int) -> tuple[str | None, int | None]:
    """Price and value of one fill, as the view shows them."""
    recorder = Recorder(Machine(Books()))
    sink = SqliteSink(":memory:")
    listing = bodies.ListInstrument(
        1, "X", "x", "x", tick, "unit", "lot", "USD", numerator, denominator, price_min=-(10**9)
    )
    events = recorder.do(bodies.Genesis(b"g" * 16, "test"), listing)
    sink.take(recorder.records[-1], events, recorder.machine.event_digest)
    sink.flush()
    sink._db.execute("INSERT INTO fills VALUES (1, 1, 0, 0, 1, 1, 2, ?, ?, 1, 1, 1, 1, 0)", (ticks, lots))
    found = sink._db.execute("SELECT price, value_minor FROM fills_readable").fetchone()
    sink.close()
    return found


def test_readers_see_whole_transactions_while_it_writes(tmp_path: Path, season: Season) -> None:
    path = tmp_path / "projection.sqlite"
    seen = []

    def look(name: str) -> None:
        if name in STATEMENTS or name == "cursor":
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            seen.append(
                reader.execute(
                    "SELECT (SELECT number FROM cursor), (SELECT coalesce(max(seq), 0) FROM orders)"
                ).fetchone()
            )
            reader.close()

    sink = SqliteSink(path, step=look)
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        before = sink.cursor
        sink.take(record, events, digest)
        seen.clear()
        sink.flush()
        assert {row[0] for row in seen} <= {before.number} and all(row[1] <= before.seq for row in seen)
    sink.close()


@pytest.mark.parametrize(("pages", "bounded"), [(32, True), (100_000, False)])
def test_the_write_ahead_log_is_carried_over_in_small_pieces(
    tmp_path: Path, season: Season, monkeypatch: pytest.MonkeyPatch, pages: int, bounded: bool
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", pages)
    sink, largest = SqliteSink(tmp_path / "projection.sqlite"), 0
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        sink.take(record, events, digest)
        sink.flush()
        largest = max(largest, (tmp_path / "projection.sqlite-wal").stat().st_size)
    sink.close()
    assert (largest < 64 * sqlite.PAGE_BYTES) == bounded


def test_a_secret_maximum_is_nowhere_in_the_file(tmp_path: Path, season: Season) -> None:
    path = tmp_path / "projection.sqlite"
    raw_log = b"".join(record.raw for record in season.records)
    assert MAXIMUM_CANARY.to_bytes(4, "big") in raw_log, "the canary is in the log"
    sink = SqliteSink(path)
    feed(sink, season, every=1)
    found = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    sink.close()
    found += path.read_bytes()
    for secret in (str(MAXIMUM_CANARY).encode(), b"1234567.89", MAXIMUM_CANARY.to_bytes(4, "big")):
        assert secret not in found
    assert b"\xfe\xed" * 16 not in found and ("feed" * 16).encode() not in found, "no key hash either"
