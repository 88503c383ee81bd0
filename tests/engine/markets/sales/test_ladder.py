"""Increments by price: the published table, and the ladder against stepping it one rung at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.markets.sales.ladder import is_rung, next_bid, rises
from engine.messages.sales.english import Step

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "auction-vectors.json").read_text(encoding="utf-8"))
VECTOR = {vector["id"]: vector for vector in VECTORS["vectors"]}


def test_the_published_table():
    given_, expected = VECTOR["incr-wcs-1"]["input"], VECTOR["incr-wcs-1"]["expected"]
    table = tuple(Step(start, step) for start, _, step in given_["table_from_to_increment"])
    assert next_bid(table, given_["current_bid"]) == expected["next_minimum"]
    assert next_bid(table, 100) == 105, "the last price of a row is still its own"
    assert next_bid(table, 101) == 111, "a row holds from its first price on"


def test_the_published_step():
    given_, expected = VECTOR["incr-pool-1"]["input"], VECTOR["incr-pool-1"]["expected"]
    assert next_bid((Step(0, given_["increment_at_current"]),), given_["current_bid"]) == expected["next_minimum"]


@pytest.mark.parametrize(
    ("table", "lowest", "right"),
    [
        ((Step(0, 5),), 400, True),
        ((Step(400, 5),), 400, True),
        ((Step(401, 5),), 400, False),  # no increment at the opening price
        ((Step(0, 5), Step(500, 10)), 400, True),
        ((Step(0, 5), Step(0, 10)), 400, False),
        ((Step(500, 10), Step(0, 5)), 600, False),
    ],
)
def test_a_table_rises_from_the_opening_price(table, lowest, right):
    assert rises(table, lowest) is right


TABLES = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), min_size=1, max_size=5)


@given(rows=TABLES, opening=st.integers(0, 80), prices=st.lists(st.integers(0, 400), max_size=40))
def test_a_rung_is_what_stepping_reaches(rows, opening, prices):
    start, table = 0, []
    for width, increment in rows:
        table.append(Step(start, increment))
        start += width
    ladder = [opening]
    while ladder[-1] <= 400:
        ladder.append(next_bid(tuple(table), ladder[-1]))
    assert [is_rung(tuple(table), opening, price) for price in prices] == [price in ladder for price in prices]
