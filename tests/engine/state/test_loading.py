"""Sections and back, between all shapes of implementation: the same, fast, and in no more room than there should be."""

from __future__ import annotations

from random import Random
from time import process_time

import numpy as np
import pytest

from engine.codes import CommandKind, OrderType, Phase, Side
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot
from tests.engine.book_flows import Twins, assert_same_sections, play, set_up

SHAPES = [Oracle, Books, lambda: Books(window_ticks=64, event_rows=2, hash_seed=5), lambda: Books(window_ticks=65_536)]
WIDE = dict(multiplier=1, price_min=-(10**9), price_max=10**9, qty_max=10**6)


def loaded(make, sections) -> Hot:
    hot = make()
    hot.load(sections)
    if isinstance(hot, Books):
        audit(hot)
    return hot


@pytest.mark.parametrize("seed", range(6))
def test_each_shape_tells_what_it_was_told(seed):
    twins = Twins(set_up(Oracle()), set_up(Books()))
    play(twins, Random(seed), steps=25, rows_max=60)
    told = twins.first.sections()
    for make in SHAPES:
        assert_same_sections(told, loaded(make, told).sections())


def test_sections_as_a_snapshot_holds_them_are_taken():
    """Read-only, and as slices of one buffer."""
    twins = Twins(set_up(Oracle()), set_up(Books()))
    play(twins, Random(3), steps=20, rows_max=60)
    told = twins.others[0].sections()
    frozen = {
        name: part if isinstance(part, bytes) else np.frombuffer(b"12345678" + part.tobytes(), part.dtype, offset=8)
        for name, part in told.items()
    }
    assert_same_sections(told, loaded(Books, frozen).sections())


def test_the_books_go_on_after_loading_as_if_nothing_had_happened():
    def fresh() -> list[Hot]:
        return [make() for make in SHAPES]

    for seed in range(4):
        twins = Twins(*(set_up(make()) for make in SHAPES))
        random = Random(100 + seed)
        for _ in range(5):
            play(twins, random, steps=5, rows_max=40)
            twins.reload(fresh())


def open_books(instruments: int, orders: int, *, unusual: bool, window_ticks: int = 1_024) -> Books:
    """Books in a call with `orders` orders of 50 accounts at a few hundred prices each; `unusual`: of every kind."""
    books = Books(window_ticks=window_ticks)
    for instrument in range(1, instruments + 1):
        books.list_instrument(instrument, **WIDE)
        books.set_phase(instrument, Phase.CALL)
    for account in range(1, 51):
        books.open_account(account)
    random = np.random.default_rng(1)
    rows = np.zeros(orders, COMMAND)
    rows["kind"], rows["version"], rows["qty"] = CommandKind.NEW, ROW_VERSION, random.integers(1, 100, orders)
    rows["account"], rows["side"] = random.integers(1, 51, orders), random.integers(0, 2, orders)
    rows["instrument"] = 1 + np.arange(orders) % instruments
    rows["price"] = 10_000 + random.integers(-300, 300, orders)
    extensions = np.zeros(1, EXTENSION)
    if unusual:
        extensions = np.zeros(orders, EXTENSION)
        rows["extension"] = 1 + np.arange(orders)
        rows["type"] = random.choice([0, 0, 2, 3, 4, 5], orders)
        rows["tif"] = random.choice([0, 3, 4], orders)
        unpriced = np.isin(rows["type"], (OrderType.MARKET_TO_LIMIT, OrderType.STOP))
        rows["price"][unpriced] = 0
        extensions["expire_at"] = np.where(rows["tif"] == 4, random.integers(10**9, 2 * 10**9, orders), 0)
        stops = np.isin(rows["type"], (OrderType.STOP, OrderType.STOP_LIMIT))
        extensions["stop_price"] = np.where(stops, 10_000 + random.integers(-300, 300, orders), 0)
        extensions["display_qty"] = np.where(rows["type"] == OrderType.ICEBERG, 1 + rows["qty"] // 7, 0)
    for start in range(0, orders, 100_000):
        _, events = books.run(rows[start : start + 100_000], extensions, None, 0, first_seq=1 + start, ts_ns=1)
        assert (events["reason"] == 0).all()
    return books


def best_of(times: int, act) -> float:
    """Processor seconds of the quickest of a few tries: the machine has others to serve."""
    best = float("inf")
    for _ in range(times):
        start = process_time()
        act()
        best = min(best, process_time() - start)
    return best


@pytest.mark.slow
@pytest.mark.parametrize("unusual", [False, True], ids=["plain", "of every kind"])
def test_a_million_orders_are_told_and_taken_in_well_under_a_second(unusual):
    books = open_books(3, 1_000_000, unusual=unusual)
    told = books.sections()
    assert len(told["orders"]) == 1_000_000
    out, back = best_of(3, books.sections), best_of(3, lambda: Books().load(told))
    print(f"sections {out:.2f} s, load {back:.2f} s")
    assert out < 0.8 and back < 0.8
    again = Books()
    again.load(told)
    assert_same_sections(told, again.sections())


@pytest.mark.slow
def test_ten_thousand_instruments_take_little_room_and_are_loaded_fast():
    books = open_books(10_000, 100_000, unusual=True)
    held = sum(array.nbytes for array in books.state)
    assert held < 512 * 1024**2, f"{held >> 20} MiB"
    told = books.sections()
    out, back = best_of(3, books.sections), best_of(3, lambda: Books().load(told))
    print(f"{held >> 20} MiB, sections {out:.2f} s, load {back:.2f} s")
    assert out < 1 and back < 3
    again = Books()
    again.load(told)
    assert_same_sections(told, again.sections())
    audit(again)
    assert sum(array.nbytes for array in again.state) < 512 * 1024**2


def test_rooms_stop_growing_when_what_is_open_does():
    """Ten times as many orders through the same books: rows of extras, levels and far levels are used again."""
    random, sizes = np.random.default_rng(2), []
    books = Books(window_ticks=64)
    books.list_instrument(1, **WIDE)
    books.set_phase(1, Phase.CALL)
    books.open_account(1)
    for turn in range(10):
        rows, extensions = np.zeros(2_000, COMMAND), np.zeros(2_000, EXTENSION)
        rows["kind"], rows["version"], rows["account"], rows["instrument"] = CommandKind.NEW, ROW_VERSION, 1, 1
        rows["qty"], rows["side"], rows["tif"] = 10, Side.SELL, 4
        rows["price"] = random.integers(-(10**6), 10**6, 2_000)
        rows["extension"], extensions["expire_at"] = 1 + np.arange(2_000), 100 + random.integers(0, 50, 2_000)
        rows["type"][::2], extensions["display_qty"][::2] = OrderType.ICEBERG, 3
        rows["type"][1::4], extensions["stop_price"][1::4] = OrderType.STOP_LIMIT, random.integers(-(10**6), 10**6, 500)
        _, events = books.run(rows, extensions, None, 0, first_seq=1 + 2_000 * turn, ts_ns=1)
        assert (events["reason"] == 0).all()
        while (due := books.next_expiry()) is not None:
            books.expire(due, command=0, first_index=0, ts_ns=2)
        audit(books)
        sizes.append([len(array) for array in books.state] + [int(books.state.meta[0]["far_used"])])
    assert sizes[2] == sizes[-1]
