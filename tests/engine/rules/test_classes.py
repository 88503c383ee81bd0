"""Books with classes: inside one price the orders of co-ops come first."""

from __future__ import annotations

import pytest

from engine.codes import Phase
from tests.engine.rules.desk import ICEBERG, MARKET, MTL, SELL

OTHER, COOP = 3, 5


@pytest.fixture
def classes(desk):
    desk.instrument = 3
    return desk


def test_a_coop_goes_before_older_orders_of_its_price_and_the_fill_says_so(classes):
    classes.sell(101, 2, account=OTHER)
    classes.sell(101, 2, account=COOP)
    classes.sell(100, 2, account=OTHER)
    classes.sell(102, 2, account=COOP)
    assert classes.queue(SELL) == [2, 1, 0, 3], "price comes before class"
    assert classes.shows(SELL) == [(100, 2, 1), (101, 4, 2), (102, 2, 1)]
    assert classes.buy(102, 8, account=6)[1:] == [
        "fill 4x2 2@100 left 0", "fill 4x1 2@101 left 0 CLASS", "fill 4x0 2@101 left 0", "fill 4x3 2@102 left 0",
    ]  # fmt: skip


def test_a_coop_that_came_first_is_not_marked(classes):
    classes.sell(101, 2, account=COOP)
    classes.sell(101, 2, account=OTHER)
    assert classes.buy(101, 1, account=6)[1:] == ["fill 2x0 1@101 left 1"]


def test_a_refreshed_peak_stays_within_its_class(classes):
    classes.sell(101, 6, account=COOP, type=ICEBERG, display_qty=2)
    classes.sell(101, 1, account=4)  # another co-op
    classes.sell(101, 1, account=OTHER)
    assert classes.buy(101, 8, account=6)[1:] == [
        "fill 3x0 2@101 left 4", "fill 3x1 1@101 left 0", "fill 3x0 2@101 left 2 CLASS", "fill 3x0 2@101 left 0 CLASS",
        "fill 3x2 1@101 left 0",
    ]  # fmt: skip


def test_an_uncross_serves_classes_inside_a_price_and_unpriced_by_arrival(classes):
    classes.hot.set_phase(3, Phase.CALL)
    classes.sell(101, 2, account=OTHER)
    classes.sell(101, 2, account=COOP)
    classes.sell(0, 1, account=OTHER, type=MARKET)
    classes.sell(0, 1, account=COOP, type=MTL)
    classes.buy(101, 5, account=6)
    fills = classes.uncross(101, 5)
    assert [line.split()[1] for line in fills[:4]] == ["4x2", "4x3", "4x1", "4x0"]
    assert fills[4:] == ["class_report 2@101 left 1"], "of the two lots of co-ops one for their class alone"
    assert classes.hot.curve(3).prices_ticks.tolist() == [101]


def test_a_repriced_order_joins_its_class(classes):
    classes.hot.set_phase(3, Phase.CALL)
    classes.sell(101, 2, account=OTHER)
    classes.sell(0, 1, account=COOP, type=MTL)
    assert classes.uncross(101, 0) == ["repriced 1 1@101"]
    assert classes.queue(SELL) == [1, 0]


def test_amends_and_reloads_keep_classes(classes, hot):
    classes.sell(101, 2, account=OTHER)
    classes.sell(101, 2, account=COOP)
    classes.sell(101, 2, account=4)
    assert classes.amend(1, 3) == ["amended 1 3@101 left 1"]
    assert classes.queue(SELL) == [2, 1, 0]
    again = type(hot)()
    again.load(hot.sections())
    assert dict(again.canonical()) == dict(hot.canonical())


def test_other_books_know_no_class(desk):
    desk.sell(101, 2, account=OTHER)
    desk.sell(101, 2, account=COOP)
    assert desk.buy(101, 1, account=6)[1:] == ["fill 2x0 1@101 left 1"]
