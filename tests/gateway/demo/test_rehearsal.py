"""A season without waiting: the same seed gives the same season, nobody sells what it does not have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engine.codes import Phase, SaleState, Side
from engine.log.replay import replay
from engine.machine import Machine
from engine.markets.sales.english import market_of, terms_of
from engine.oracle.books import Books as OracleBooks
from gateway.config import Config, default_path, load
from gateway.demo.offers import offers
from gateway.demo.rehearsal import Rehearsal
from tests.gateway.demo.ledger import Ledger


def short(minutes: int) -> Config:
    config = load(default_path("demo"))
    assert config.season is not None
    return msgspec.structs.replace(config, season=msgspec.structs.replace(config.season, minutes=minutes))


@pytest.fixture(scope="module")
def played() -> Rehearsal:
    rehearsal = Rehearsal(short(8), seed=7)
    rehearsal.play()
    return rehearsal


def test_the_same_seed_is_the_same_season(played: Rehearsal) -> None:
    again = Rehearsal(short(8), seed=7)
    assert again.play().checksum == played.result.checksum
    assert again.machine.event_digest == played.machine.event_digest
    assert again.result.books == played.result.books
    other = Rehearsal(short(8), seed=8)
    assert other.play().checksum != played.result.checksum


def test_the_command_line_prints_the_same_table_twice() -> None:
    """In processes of their own, with different hash seeds."""
    printed = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "demo", "--fast", "--minutes", "3", "--seed", "5"],
            capture_output=True, text=True, timeout=200, env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert "PE-WASHED-80-69KG" in printed[0] and "PEN" in printed[0] and "checksum" in printed[0]
    assert "Helmsman" in printed[0]


def test_every_book_trades_near_its_reference(played: Rehearsal) -> None:
    for listing in played.config.instruments:
        book, reference = played.result.books[listing.body.symbol], listing.body.reference
        assert reference is not None
        assert 0 < book.sold <= book.offered and book.calls >= 3, listing.body.symbol
        assert abs(book.call_ticks_x_lots / book.sold_in_calls / reference - 1) < 0.03, listing.body.symbol
        assert played.machine.hot.phase(listing.body.instrument) == Phase.CONTINUOUS
        depth = [len(played.machine.hot.depth(listing.body.instrument, side, 100)) for side in (Side.BUY, Side.SELL)]
        assert min(depth) >= 5, (listing.body.symbol, depth)


def test_no_part_of_a_lot_is_sold_twice(played: Rehearsal) -> None:
    """What each offer sold, over all the times it was moved, is at most its part of the lot."""
    given = offers(played.config)
    ledger = Ledger(played.log.read(), given)
    assert ledger.machine.state_hash() == played.machine.state_hash(), "the oracle comes to the same state"
    assert sum(ledger.sold.values()) == sum(book.sold for book in played.result.books.values())
    assert ledger.oversold(given) == []


def test_the_sale_is_bid_for_and_ends(played: Rehearsal) -> None:
    sales = played.machine.venue.sales
    assert sales[1].state is SaleState.FINISHED
    for lot, plan in zip(market_of(sales[1]).lots, sales[1].terms.lots, strict=True):
        assert lot.price is not None and lot.price >= terms_of(sales[1]).opening and lot.bids >= 1
        assert lot.leader not in (0, plan.seller)


def test_the_log_of_a_season_replays_to_the_same_state(played: Rehearsal) -> None:
    machine = Machine(OracleBooks())
    replay(played.log, machine)
    assert machine.state_hash() == played.machine.state_hash()


def test_a_season_is_refused_where_there_is_none(tmp_path: Path) -> None:
    plain = str(default_path("default"))
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "demo", "--config", plain, "--data", str(tmp_path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "") and "season" in done.stderr
