"""Room for the books: where arrays begin, however they came about."""

from __future__ import annotations

from engine.codes import CommandKind
from engine.state.books import Books
from engine.state.hot import Space
from engine.state.layout import CACHE_LINE_BYTES
from tests.engine.book_flows import Batch, set_up

ROWS = ("orders", "cold", "links", "levels", "books", "sides", "accounts", "extras", "ids")


def test_rows_of_orders_and_levels_never_lie_in_two_cache_lines():
    """One message of a large book costs a fifth less."""
    grown, loaded = set_up(Books(Space(slots_initial=4))), Books(Space(slots_initial=4))
    batch = Batch()
    for number in range(300):
        batch.add(CommandKind.NEW, price=200 + 2_000 * number, ref=f"order-{number}", display_qty=1, type=5)
    grown.run(*batch.arrays(), 0, first_seq=1, ts_ns=1)
    assert grown.state.meta[0]["orders_open"] == 300
    loaded.load(grown.sections())
    for state in (grown.state, loaded.state):
        for name in ROWS:
            assert getattr(state, name).ctypes.data % CACHE_LINE_BYTES == 0, name
