"""History of sales of every mechanism: the same rows in whatever batches, and what the engine says was sold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine.codes import AwardState, name_of
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.sales import after
from engine.messages.sales.clock import Clock, ClockOffer, Product, Rise
from engine.messages.sales.commands import VoidSale
from engine.messages.sales.dutch import Dutch, DutchOffer
from engine.messages.sales.japanese import Japanese, JapaneseOffer
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from gateway.projections.sqlite import SqliteSink, dump
from tests.engine.markets.sales.plans import held, offer_of
from tests.engine.markets.sales.test_awards import settle, sold
from tests.recorder import SECOND_NS, Recorder, auction_lots, auction_sale, bid_of, open_venue

SECRET = 77_700  # a maximum, a limit, a reserve


def english() -> Recorder:
    """Planned twice in one record, sold in part, ended; a second sale is void."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    now_ns = recorder.ts_ns
    later = auction_sale(now_ns, lots=4)
    later = msgspec.structs.replace(later, stages=msgspec.structs.replace(later.stages, live_ns=now_ns + SECOND_NS))
    lots = (*auction_lots(1), SaleLot(1, "held", 7, 30_000, reserve=SECRET), SaleLot(1, "free", 7, 30_000))
    recorder.do(later, msgspec.structs.replace(later, version=2, lots=lots))
    recorder.do(bodies.Time(), after_s=2)
    recorder.do(bid_of(2, 1, SECRET), bid_of(3, 1, 900), bid_of(4, 3, SECRET))
    recorder.do(bodies.EndSale(1, ""))
    recorder.do(auction_sale(recorder.ts_ns, 2, lots=1))
    recorder.do(bid_of(2, 1, 500, sale=2))
    recorder.do(VoidSale(2, "rain"))
    return recorder


def sealed() -> Recorder:
    """The first buyer rejects the sample, the next takes the offer and is given an allowance, after the sale's end."""
    recorder = sold()
    recorder.do(settle(2, after.Reject("mould")))
    recorder.do(settle(3, after.Accept(), 2))
    recorder.do(settle(3, after.AskAllowance(450, "moist"), 2))
    recorder.do(settle(1, after.AgreeAllowance(450), 2))
    return recorder


def dutch() -> Recorder:
    """A lot in three parts, one of two batches' prices; the other passes in."""
    lots = (SaleLot(1, "roses", 10, 20_000, least_bags=2), SaleLot(1, "bananas", 10, 20_000))
    recorder = held(Dutch(start=500, floor=450, decrement=10, interval_ns=2 * SECOND_NS), lots)
    recorder.do(offer_of(2, DutchOffer(1, 500, 3)), offer_of(3, DutchOffer(1, 500, 2)))
    for _ in range(3):
        recorder.do(bodies.Time(), after_s=1)
    recorder.do(offer_of(2, DutchOffer(1, 490, 2)))
    for _ in range(20):
        recorder.do(bodies.Time(), after_s=1)
    return recorder


def japanese() -> Recorder:
    rule = Japanese(opening=400, increment=50, interval_ns=10 * SECOND_NS, joining_ns=10 * SECOND_NS)
    recorder = held(rule, auction_lots(1))
    recorder.do(offer_of(2, JapaneseOffer(1, True, SECRET)), offer_of(3, JapaneseOffer(1, True, 500)))
    for _ in range(20):
        recorder.do(bodies.Time(), after_s=10)
    return recorder


def clock() -> Recorder:
    recorder = held(Clock((Product(400), Product(400)), (Rise(0, 10),), round_ns=10 * SECOND_NS), auction_lots(2))
    recorder.do(offer_of(2, ClockOffer(1, (6, 3))), offer_of(3, ClockOffer(1, (6, 0))))
    recorder.do(bodies.Time(), after_s=10)
    recorder.do(offer_of(2, ClockOffer(2, (6, 3))), offer_of(3, ClockOffer(2, (4, 0))))
    for _ in range(4):
        recorder.do(bodies.Time(), after_s=10)
    return recorder


def history(recorder: Recorder, path: Path, flush_every: int, *, reopen: bool = False) -> dict[str, list[tuple]]:
    sink, machine = SqliteSink(path), Machine(Books(recorder.machine.hot.space))
    for count, record in enumerate(recorder.records, 1):
        sink.take(record, machine.apply(record), machine.event_digest)
        if count % flush_every == 0:
            sink.flush()
            if reopen:
                sink.close()
                sink = SqliteSink(path)
    sink.flush()
    sink.close()
    with closing(sqlite3.connect(path)) as db:
        return dump(db)


@pytest.mark.parametrize("held_sale", [english, sealed, dutch, japanese, clock])
def test_rows_are_the_same_in_whatever_batches(held_sale: Callable[[], Recorder], tmp_path: Path) -> None:
    recorder = held_sale()
    whole = history(recorder, tmp_path / "whole.sqlite", 10**9)
    assert history(recorder, tmp_path / "each.sqlite", 1, reopen=True) == whole
    assert history(recorder, tmp_path / "some.sqlite", 3) == whole
    assert whole["sale_lots"] and whole["sale_bids" if held_sale is not sealed else "awards"]


@pytest.mark.parametrize("held_sale", [english, sealed, dutch, japanese, clock])
def test_what_was_sold_is_what_the_engine_holds(held_sale: Callable[[], Recorder], tmp_path: Path) -> None:
    recorder = held_sale()
    history(recorder, tmp_path / "h.sqlite", 4)
    venue = recorder.machine.venue
    with closing(sqlite3.connect(tmp_path / "h.sqlite")) as db:
        for number, sale in venue.sales.items():
            lots = db.execute("SELECT lot, sold_bags, state FROM sale_lots WHERE sale = ?", (number,)).fetchall()
            assert {lot: bags for lot, bags, _ in lots if bags} == sale.sold
            assert [lot for lot, _, _ in lots] == list(range(1, len(sale.terms.lots) + 1))
            assert all((state == "sold") == bool(bags) for _, bags, state in lots)
        rows = db.execute(
            "SELECT award, sale, lot, seller, buyer, price_ticks, bags, value_minor, state, due_ns FROM awards"
        ).fetchall()
    assert rows == [
        (one.number, one.sale, one.lot, one.seller, one.buyer, one.price, one.bags, one.value_minor,
         name_of(AwardState, one.state), one.due_ns or None)
        for _, one in sorted(venue.awards.items())
    ]  # fmt: skip


@pytest.mark.parametrize("held_sale", [english, japanese])
def test_no_maximum_and_no_reserve_is_in_any_row(held_sale: Callable[[], Recorder], tmp_path: Path) -> None:
    recorder = held_sale()
    machine = Machine(Books(recorder.machine.hot.space))
    assert any(SECRET in machine.apply(one)["price"] for one in recorder.records), "the engine has told it its owner"
    for rows in history(recorder, tmp_path / "h.sqlite", 2).values():
        for row in rows:
            assert SECRET not in row and "777.00" not in row


def test_a_sale_that_is_void_says_so(tmp_path: Path) -> None:
    history(english(), tmp_path / "h.sqlite", 5)
    with closing(sqlite3.connect(tmp_path / "h.sqlite")) as db:
        sales = db.execute("SELECT sale, mechanism, version, state, stage FROM sales").fetchall()
    assert sales == [(1, "english", 2, "finished", "finished"), (2, "english", 1, "void", "void")]
