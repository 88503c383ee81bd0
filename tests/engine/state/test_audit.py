"""The audit finds what it is there to find: each planted fault is named."""

from __future__ import annotations

from random import Random

import pytest

from engine.codes import Phase
from engine.oracle.books import Books as Oracle
from engine.state.audit import Unsound, audit
from engine.state.books import Books
from tests.engine.book_flows import Batch, Twins, play, set_up


@pytest.fixture
def books() -> Books:
    books = set_up(Books(window_ticks=64), Phase.CONTINUOUS)
    batch = Batch().add(1, price=100, ref="one").add(1, price=100).add(1, price=99).add(1, price=2_000, side=1)
    batch.add(1, price=3_000, side=1).add(2, order=1 << 32 | 1).add(1, price=0, ref="refused")
    books.run(*batch.arrays(), 0, first_seq=1, ts_ns=1)
    books.set_phase(2, Phase.CALL)
    books.run(*Batch().add(1, type=1, instrument=2).arrays(), 0, first_seq=9, ts_ns=2)
    audit(books)
    return books


FAULTS = {
    "best is stale": lambda s: s.sides["best"].__setitem__(4, -99),
    "totals are not": lambda s: s.sides["total"].__setitem__(4, 1),
    "bitmap differs": lambda s: s.bits.__setitem__(int(s.sides[4]["bits0"]), 0),
    "a dead order": lambda s: s.orders["qty"].__setitem__(0, 0),
    "prev link": lambda s: s.orders["prev"].__setitem__(0, 2),
    "count or total": lambda s: s.orders["qty"].__setitem__(0, 11),
    "on another side": lambda s: s.orders["side"].__setitem__(0, 1),
    "live orders are not": lambda s: s.orders["flags"].__setitem__(1, 1),
    "every slot used so far": lambda s: s.meta["ring_count"].__setitem__(0, 0),
    "client ids counted": lambda s: s.meta["ids"].__setitem__(0, 1),
    "a client id is neither": lambda s: s.meta["closed_first"].__setitem__(0, -1),
    "streams counted": lambda s: s.meta["streams"].__setitem__(0, 3),
    "a command is half applied": lambda s: s.meta["taker"].__setitem__(0, 0),
    "far levels out of order": lambda s: s.far["rank"].__setitem__(slice(0, 2), [5_000, 6_000]),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found(books, what):
    if what == "far levels out of order":
        books.run(*Batch().add(1, price=4_000, side=1).arrays(), 0, first_seq=20, ts_ns=3)
        assert books.state.sides[5]["far_count"] == 2
    FAULTS[what](books.state)
    with pytest.raises(Unsound, match=what):
        audit(books)


def test_a_sound_state_passes_after_a_long_flow():
    books = set_up(Books(window_ticks=64))
    play(Twins(set_up(Oracle()), books), Random(99), steps=30, rows_max=60)
    audit(books)
