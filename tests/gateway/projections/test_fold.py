"""The fold in columns against a fold one event at a time, and against the engine's own books."""

from __future__ import annotations

import numpy as np
import pytest

from engine.codes import EventFlag, EventKind, Reason, Side, name_of
from engine.markets.sales.english import market_of
from gateway.projections.fold import Fold
from gateway.projections.reading import PLACE_MAX, candles_of, closed_before, fill_of, order_of, sides_before
from gateway.projections.sqlite import SqliteSink, dump
from tests.gateway.seasons import ACCOUNTS, Season


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=5)


def stored(season: Season, every: int) -> SqliteSink:
    sink = SqliteSink(":memory:")
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        sink.take(record, events, digest)
        if record.number % every == 0:
            sink.flush()
    sink.flush()
    return sink


def naive_orders(season: Season) -> dict[int, dict]:
    """Every order from its events, one after another."""
    orders: dict[int, dict] = {}

    def close(order: dict, status: str, record, event, reason: str | None) -> None:
        order.update(status=status, closed_seq=record.first_seq + int(event["command"]), closed_ns=record.ts_ns)
        order.update(close_reason=reason, open=0)

    for record, events in zip(season.records, season.events, strict=True):
        for event in events:
            number, kind, qty = int(event["order"]), event["kind"], int(event["qty"])
            if kind == EventKind.ACCEPTED:
                orders[number] = {"account": int(event["account"]), "qty": qty, "filled": 0, "open": qty}
                orders[number].update(stop=bool(int(event["flags"]) & EventFlag.STOP))
                orders[number].update(status="open", closed_seq=None, closed_ns=None, close_reason=None)
                orders[number]["seq"] = record.first_seq + int(event["command"])
                unpriced = int(event["flags"]) & EventFlag.UNPRICED
                orders[number]["price"] = None if unpriced else int(event["price"])
            elif kind in (EventKind.REPLACED, EventKind.AMENDED, EventKind.TRIGGERED, EventKind.REPRICED):
                order = orders[number]
                order.update(qty=order["filled"] + qty, open=qty)
                unpriced = int(event["flags"]) & EventFlag.UNPRICED
                order["price"] = None if unpriced else int(event["price"])
                if kind == EventKind.TRIGGERED:
                    order["stop"] = False
            elif kind == EventKind.REDUCED:
                order = orders[number]
                order.update(qty=order["qty"] - qty, open=order["open"] - qty)
                assert order["open"] == event["leaves"]
            elif kind == EventKind.CANCELLED:
                close(orders[number], "cancelled", record, event, name_of(Reason, int(event["reason"])))
            elif kind == EventKind.FILL:
                for side in (number, int(event["counter_order"])):
                    order = orders[side]
                    order["filled"] += qty
                    order["open"] -= qty
                    order["status"] = "partial"
                    if order["open"] == 0:
                        close(order, "filled", record, event, None)
    for order in orders.values():
        stop = order.pop("stop")
        if order["status"] == "open":
            order["status"] = "partial" if order["filled"] else "waiting" if stop else "open"
    return orders


@pytest.mark.parametrize("every", [1, 2, 7, 1_000])
def test_orders_agree_with_a_fold_one_event_at_a_time(season: Season, every: int) -> None:
    sink = stored(season, every)
    columns = "account, qty_lots, filled_lots, open_lots, status, closed_seq, closed_ns, close_reason, seq, price_ticks"
    names = ("account", "qty", "filled", "open", "status", "closed_seq", "closed_ns", "close_reason", "seq", "price")
    found = {
        row[0]: dict(zip(names, row[1:], strict=True))
        for row in sink._db.execute(f"SELECT order_id, {columns} FROM orders_readable")
    }
    expected = naive_orders(season)
    assert len(expected) > 500 and found == expected


def test_open_orders_are_those_of_the_engine(season: Season) -> None:
    sink = stored(season, 3)
    hot = season.machine.hot
    engine = {
        int(order["order"]): (int(order["account"]), int(order["qty"]), int(order["side"]), hot.text_of(order["order"]))
        for account in range(1, ACCOUNTS + 1)
        for order in hot.orders_of(account)
    }
    rows = sink._db.execute(
        "SELECT order_id, account, open_lots, side = 'sell', client_order_id FROM orders_readable"
        " WHERE status IN ('open', 'partial', 'waiting')"
    )
    found = {order: (account, qty, side, text) for order, account, qty, side, text in rows}
    assert engine and {order: row[:3] for order, row in found.items()} == {o: row[:3] for o, row in engine.items()}
    for order, (*_, text) in engine.items():
        if text is not None:
            assert found[order][3] == text
        else:
            assert found[order][3] is None or "/" in found[order][3]


def test_rare_terms_of_open_orders_are_those_of_the_engine(season: Season) -> None:
    for every in (1, 1_000):
        found = {
            order: (type, display, stop if type in (3, 4) else None, expire)
            for order, type, display, stop, expire in stored(season, every)._db.execute(
                "SELECT order_id, type, display_lots, stop_ticks, expire_ns"
                " FROM orders LEFT JOIN order_terms USING (seq)"
                " WHERE closed_seq = 0"
            )
        }
        hot, expected = season.machine.hot, {}
        for account in range(1, ACCOUNTS + 1):
            for order in hot.orders_of(account):
                extra = hot.extra_of(int(order["order"]))
                rare = (None, None, None) if extra is None else (
                    int(extra["peak"]) or None, int(extra["stop_price"]) if extra["waiting"] else None,
                    int(extra["expire_at"]) or None,
                )  # fmt: skip
                expected[int(order["order"])] = (int(order["type"]), *rare)
        assert found == expected and any(rare != (None, None, None) for _, *rare in map(list, expected.values()))


def test_a_correction_holds_and_a_bust_stands_apart(season: Season) -> None:
    db = stored(season, 7)._db
    (corrected,) = db.execute("SELECT * FROM corrections WHERE state = 1").fetchall()
    _, _, seq, idx, _, before, lots_before, price, lots, _ = corrected
    assert price == before + 1 and lots == lots_before
    row = db.execute("SELECT price_ticks, qty_lots, state FROM fills WHERE seq = ? AND idx = ?", (seq, idx)).fetchone()
    assert row == (price, lots, 1) and fill_of(db, seq, idx)[1:3] == (price, lots)
    ((seq, idx, why),) = db.execute("SELECT fill_seq, fill_idx, why FROM corrections WHERE state = 2").fetchall()
    assert why == "a slip" and db.execute("SELECT sum(state = 2) FROM fills").fetchone() == (1,)
    instrument = fill_of(db, seq, idx)[0]
    trades, lots = db.execute(
        "SELECT count(*), sum(qty_lots) FROM fills WHERE instrument = ? AND state < 2", (instrument,)
    ).fetchone()
    candles = list(candles_of(db, instrument, 10**18))
    assert (sum(row[6] for row in candles), sum(row[5] for row in candles)) == (trades, lots)


def test_fills_carry_name_sides_running_number_and_exact_value(season: Season) -> None:
    sink = stored(season, 4)
    running: dict[int, int] = {}
    expected = []
    for record, events in zip(season.records, season.events, strict=True):
        for event in events[events["kind"] == EventKind.FILL]:
            instrument = int(event["instrument"])
            listing = season.machine.venue.instruments[instrument]
            running[instrument] = running.get(instrument, 0) + 1
            own, other = (
                (int(event["account"]), int(event["order"])),
                (
                    int(event["counter_account"]),
                    int(event["counter_order"]),
                ),
            )
            buys = event["flags"] & EventFlag.AUCTION or event["side"] == Side.BUY
            name = record.first_seq + int(event["command"]), int(event["index"])
            held = season.machine.venue.corrections.get(name)
            price, qty = (int(event["price"]), int(event["qty"])) if held is None else (held.price, held.qty)
            expected.append(
                (
                    record.first_seq + int(event["command"]), int(event["index"]), record.ts_ns, listing.symbol,
                    running[instrument], "call" if event["flags"] & EventFlag.AUCTION else "continuous",
                    None if event["flags"] & EventFlag.AUCTION else ("buy", "sell")[event["side"]],
                    listing.price_text(price), qty, listing.value_minor(price, qty),
                    *(own if buys else other), *(other if buys else own),
                )
            )  # fmt: skip
    rows = sink._db.execute(
        "SELECT seq, idx, ts_ns, symbol, trade_id, kind, taker_side, price, qty_lots, value_minor, buy_account,"
        " buy_order, sell_account, sell_order FROM fills_readable ORDER BY fill"
    ).fetchall()
    assert len(rows) > 300 and rows == expected
    assert min(row[7] for row in rows).startswith("-"), "prices below zero are among them"


def test_an_order_and_a_fill_are_found_by_account(season: Season) -> None:
    """Through the strings of entries, however the log was cut; against what the rows themselves say."""
    for every in (1, 1_000):
        db = stored(season, every)._db
        for account in range(1, ACCOUNTS + 1):
            closed = db.execute(
                "SELECT closed_seq, seq FROM orders WHERE account = ? AND closed_seq > 0 ORDER BY 1 DESC, 2 DESC",
                (account,),
            ).fetchall()
            found = [(row[11], row[9]) for row in closed_before(db, account, (PLACE_MAX, PLACE_MAX))]
            assert closed and found == closed
            for order, seq in db.execute("SELECT order_id, seq FROM orders WHERE account = ?", (account,)).fetchall():
                row = order_of(db, account, order)
                assert row is not None and (row[0], row[9]) == (order, seq)
                assert order_of(db, account % ACCOUNTS + 1, order) is None
            sides = db.execute(
                "SELECT fill, side = 'sell' FROM account_fills WHERE account = ? ORDER BY fill DESC, side", (account,)
            ).fetchall()
            found = [row[:2] for row in sides_before(db, account, (PLACE_MAX, 0), None, 0, PLACE_MAX)]
            assert sides and found == sides


def test_each_party_sees_its_own_side_alone(season: Season) -> None:
    db = stored(season, 4)._db
    fills = db.execute("SELECT count(*) FROM fills").fetchone()[0]
    assert db.execute("SELECT count(*) FROM account_fills").fetchone()[0] == 2 * fills
    cursor = db.execute("SELECT * FROM account_fills LIMIT 1")
    assert not {column[0] for column in cursor.description} & {"buy_account", "sell_account", "buy_order", "sell_order"}
    strangers = db.execute(
        "SELECT count(*) FROM account_fills f JOIN orders o USING (order_id) WHERE o.account <> f.account"
    )
    assert strangers.fetchone()[0] == 0


def test_sale_is_told_to_its_end_without_a_maximum(season: Season) -> None:
    db = stored(season, 1)._db
    sale = season.machine.venue.sales[1]
    assert db.execute("SELECT state, lots, lots_sold, clock_due_ns FROM sales").fetchall() == [("finished", 3, 2, None)]
    rows = db.execute("SELECT lot, state, price_ticks, bids, winner, seller, value_minor FROM sale_lots").fetchall()
    assert rows == [
        (1, "sold", 400, 1, 3, 2, sale.value_minor(sale.grams(1), 400)),
        (2, "sold", 451, 2, 4, 2, sale.value_minor(sale.grams(2), 451)),
        (3, "passed_in", None, 0, None, None, None),
    ]
    until = db.execute("SELECT open_until_ns FROM sales").fetchone()[0]
    assert until == market_of(sale).open_until_ns > sale.terms.mechanism.open_until_ns, "the outage moved it"


def test_auctions_keep_the_reference_of_their_time(season: Season) -> None:
    rows = stored(season, 1_000)._db.execute("SELECT symbol, number, reference FROM auctions").fetchall()
    assert rows == [
        ("PE-WASHED-1", 1, "335.25"),
        ("QUINOA", 1, None),
        ("DIFF", 1, "0"),
        ("PE-WASHED-1", 2, "335.00"),
        ("DIFF", 2, "0"),
    ]


def test_batches_of_any_size_give_the_same_rows(season: Season) -> None:
    whole = dump(stored(season, 1_000)._db)
    for every in (1, 2, 5, 13):
        assert dump(stored(season, every)._db) == whole


def test_rejects_are_counted_and_unknown_accounts_share_a_row(season: Season) -> None:
    rows = stored(season, 3)._db.execute("SELECT account, reason, count FROM rejects").fetchall()
    events = np.concatenate(season.events)
    assert sum(count for *_, count in rows) == (events["kind"] == EventKind.REJECTED).sum()
    assert {account for account, reason, _ in rows if reason == "account_unknown"} == {0}


def test_nothing_collected_changes_nothing() -> None:
    fold = Fold()
    before = fold.cursor
    assert fold.changes() == ({}, before)
