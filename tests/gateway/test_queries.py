"""Questions about history against a season's rows: pages, cursors, candles, and who sees what."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.codes import EventFlag, EventKind
from gateway.forms import PACK
from gateway.projections.sqlite import SqliteSink, remove_store
from gateway.queries import BadCursor, History, Page, open_readonly
from tests.gateway.seasons import ACCOUNTS, MAXIMUM_CANARY, Season


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=21)


@pytest.fixture(scope="module")
def history(season: Season, tmp_path_factory: pytest.TempPathFactory) -> History:
    path = tmp_path_factory.mktemp("history") / "projection.sqlite"
    fill(path, season)
    return History(path)


def fill(path: Path, season: Season) -> None:
    sink = SqliteSink(path)
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        sink.take(record, events, digest)
    sink.flush()
    sink.close()


def all_pages(ask: Callable[[str | None, int], Page], limit: int) -> list[dict]:
    rows, cursor = [], None
    while True:
        page = ask(cursor, limit)
        assert len(page.rows) <= limit
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return rows


@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_pages_of_any_size_hold_every_row_once_newest_first(history: History, limit: int) -> None:
    for account in range(1, ACCOUNTS + 1):
        fills = all_pages(lambda cursor, n, a=account: history.fills(a, cursor, n), limit)
        assert fills == all_pages(lambda cursor, n, a=account: history.fills(a, cursor, n), 500)
        names = [(fill["fill_id"], fill["side"]) for fill in fills]
        assert len(set(names)) == len(names) and [f["seq"] for f in fills] == sorted(
            (f["seq"] for f in fills), reverse=True
        )
        closed = all_pages(lambda cursor, n, a=account: history.closed_orders(a, cursor, n), limit)
        assert len({order["order_id"] for order in closed}) == len(closed)
        assert [o["closed_seq"] for o in closed] == sorted((o["closed_seq"] for o in closed), reverse=True)
    trades = all_pages(lambda cursor, n: history.trades("QUINOA", cursor, n), limit)
    assert [trade["trade_id"] for trade in trades] == list(range(len(trades), 0, -1))
    assert len(all_pages(lambda cursor, n: history.auctions(None, cursor, n), limit)) == 5


def test_an_account_has_both_sides_of_its_fills_with_itself(history: History, season: Season) -> None:
    for account in range(1, ACCOUNTS + 1):
        expected = []
        for record, events in zip(season.records, season.events, strict=True):
            for event in events[events["kind"] == EventKind.FILL]:
                name = f"{record.first_seq + int(event['command'])}-{int(event['index'])}"
                buys = bool(event["flags"] & EventFlag.AUCTION) or event["side"] == 0
                for party, order, bought in (
                    ("account", "order", buys),
                    ("counter_account", "counter_order", not buys),
                ):
                    if event[party] == account:
                        expected.append((name, "buy" if bought else "sell", str(event[order]), str(event["qty"])))
        found = all_pages(lambda cursor, n, a=account: history.fills(a, cursor, n), 3)
        assert sorted((f["fill_id"], f["side"], f["order_id"], f["quantity"]) for f in found) == sorted(expected)


def test_fills_of_one_order_sum_to_what_it_filled(history: History) -> None:
    order = next(o for o in history.closed_orders(2, limit=1_000).rows if o["filled_quantity"] != "0")
    fills = history.fills(2, order=int(order["order_id"])).rows
    assert sum(int(fill["quantity"]) for fill in fills) == int(order["filled_quantity"])


def test_another_accounts_order_is_not_there(history: History) -> None:
    order = history.closed_orders(2, limit=1).rows[0]
    found = history.order(2, int(order["order_id"]))
    assert found is not None and {k: v for k, v in found.items() if k != "as_of"} == order
    assert history.order(3, int(order["order_id"])) is None


def test_public_answers_name_no_party_and_no_place_in_the_log(history: History) -> None:
    public = [
        *history.trades("PE-WASHED-1").rows,
        *history.auctions().rows,
        *history.candles("QUINOA", "1m").rows,
        *history.sales_past().rows,
    ]
    for row in public:
        assert not {"account", "seq", "order_id", "winner", "seller", "fill_id", "client_order_id"} & set(row)
    assert str(MAXIMUM_CANARY) not in json.dumps(public) and "1234567.89" not in json.dumps(public)


def test_sales_show_the_winner_to_itself_alone(history: History) -> None:
    (sale,) = history.sales_past().rows
    assert [(lot["state"], lot["price"], lot["value"]) for lot in sale["lots"]] == [
        ("sold", "4.00", "60.85"),
        ("sold", "4.51", "68.61"),
        ("passed_in", None, None),
    ]
    assert "you_won" not in sale["lots"][0]
    for account in (2, 3, 4):
        lots = history.sales_past(account=account).rows[0]["lots"]
        assert [lot["you_won"] for lot in lots] == [account == 3, account == 4, False]
        assert [lot["you_sell"] for lot in lots] == [account == 2, account == 2, False]


@pytest.mark.parametrize("interval", ["1s", "1m", "1h", "1d"])
def test_candles_are_those_of_the_trades(history: History, interval: str) -> None:
    length = {"1s": 1, "1m": 60, "1h": 3_600, "1d": 86_400}[interval] * 10**9
    expected: dict[int, list] = {}
    trades = all_pages(lambda cursor, n: history.trades("PE-WASHED-1", cursor, n, form=PACK), 1_000)
    assert any(trade["state"] == "busted" for trade in trades)
    for trade in reversed([trade for trade in trades if trade["state"] != "busted"]):
        expected.setdefault(trade["ts_engine"] // length * length, []).append(trade)
    rows: list[dict] = []
    cursor = None
    while True:
        page = history.candles("PE-WASHED-1", interval, cursor, 7, form=PACK)
        assert len(page.rows) <= 7
        rows = page.rows + rows
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [row["start"] for row in rows] == sorted(expected)
    for row in rows:
        prices = [trade["price"] for trade in expected[row["start"]]]
        assert (row["open"], row["close"], row["high"], row["low"]) == (prices[0], prices[-1], max(prices), min(prices))
        assert row["volume"] == sum(trade["quantity"] for trade in expected[row["start"]])
        assert row["trades"] == len(prices)


def test_an_interval_must_be_known(history: History) -> None:
    with pytest.raises(KeyError):
        history.candles("QUINOA", "2m")


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "dHJhZGU6MTox", "ñ", "a" * 10_000, "dHJhZGU6OTk5OTk5OTk5OTk5OTk5OTk5OQ"]
)
def test_a_forged_cursor_is_refused(history: History, cursor: str) -> None:
    with pytest.raises(BadCursor):
        history.trades("QUINOA", cursor)


def test_a_cursor_of_another_question_is_refused(history: History) -> None:
    with pytest.raises(BadCursor):
        history.auctions(None, history.trades("QUINOA", limit=1).next_cursor)


def test_as_of_is_the_cursor_of_the_rows(history: History, season: Season) -> None:
    assert history.as_of() == season.machine.seq == history.trades("QUINOA").as_of


def test_nothing_followed_yet_is_an_empty_history(tmp_path: Path, season: Season) -> None:
    path = tmp_path / "projection.sqlite"
    history = History(path)
    assert history.fills(1) == Page([], None, 0) and history.candles("QUINOA", "1m") == Page([], None, 0)
    fill(path, season)
    assert history.as_of() == season.machine.seq and history.fills(1).rows
    remove_store(path)
    assert history.as_of() == 0, "a file that went is not answered from"
    fill(path, Season(seed=3, turns=2))
    assert 0 < history.as_of() < season.machine.seq


def test_a_file_without_tables_yet_is_looked_at_again(tmp_path: Path, season: Season) -> None:
    path = tmp_path / "projection.sqlite"
    sqlite3.connect(path).close()
    path.touch()
    history = History(path)
    assert history.as_of() == 0
    fill(path, season)  # the same file
    assert history.as_of() == season.machine.seq


def test_readers_cannot_write(history: History) -> None:
    db = open_readonly(history.path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM fills")
    db.close()


def test_threads_have_connections_of_their_own(history: History) -> None:
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(history.fills(1).rows)
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [history.fills(1).rows] * 4


def test_questions_use_an_index(history: History) -> None:
    db = open_readonly(history.path)
    plans = []
    db.set_trace_callback(lambda sql: plans.append(sql))
    local = history._local
    local.db, kept = db, getattr(local, "db", None)
    history.fills(1)
    history.closed_orders(1)
    history.trades("QUINOA")
    history.candles("QUINOA", "1m")
    local.db = kept
    db.set_trace_callback(None)
    for sql in plans:
        if sql.startswith(("SELECT", "\n")) and ("fills" in sql or "orders" in sql):
            steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert not any(step.startswith("SCAN") and "fills" in step for step in steps), (sql, steps)
            sorts = any("TEMP B-TREE FOR ORDER" in step for step in steps)
            assert not sorts or "c.start_ns" in sql, (sql, steps)  # candles sort their few rows
    db.close()
