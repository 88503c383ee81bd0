"""More published outcomes than the shared vectors hold, one line each: facts, with the source of every rule set beside
it in `engine/markets/rule_sets.py`."""

from __future__ import annotations

import pytest

from engine.codes import Grid, LastStep, Pressure, ProRata, Rest, Unpriced
from engine.markets.call_auction import clear_flat, trades_of
from engine.markets.rule_sets import RULE_SETS, SHARINGS
from tests.auctions import buy, flat_of, sell

EURONEXT_1 = [buy(50), buy(90, 1010), buy(10, 990), sell(40), sell(100, 1008), sell(60, 1015), buy(20)]
EURONEXT_TRADES = [(0, 3, 40), (0, 4, 10), (6, 4, 20), (1, 4, 70)]
BNB_4 = [buy(30, 102), buy(10, 101), sell(10, 98), buy(50, 99), buy(15, 96), sell(50, 97), sell(50, 95)]
BNB_5_2 = [buy(10, 99), buy(10, 94), sell(50, 92)]
BNB_5_4 = [buy(10, 101), buy(10, 96), sell(50, 94)]
BNB_6 = [buy(25, 100), sell(25, 98), buy(25, 97), sell(25, 95)]
CLOE_2 = [buy(1300), buy(500, 275), sell(1400), sell(500, 285)]
CLOE_14 = [sell(1500), buy(500, 275), buy(500, 280), buy(500, 285)]
XETRA_4 = [sell(100, 203), sell(300, 199), sell(200, 198), buy(100, 197), buy(200, 201), buy(300, 202)]
MOTOKO_2 = [sell(100, 0), *(buy(20, price) for price in (100, 90, 80, 70, 60, 50, 40))]
PYMARKET_1 = [buy(10, price) for price in (67, 66, 65, 64, 63, 60)] + [
    sell(qty, price) for qty, price in ((10, 10), (10, 20), (20, 30), (11, 40), (10, 61))
]

PUBLISHED = [
    # rules, reference, orders, price, volume, surplus
    ("euronext_utp", 1000, EURONEXT_1, 1010, 140, 20),
    ("euronext_utp", 1000, [buy(40), sell(45), buy(20)], 1000, 45, 15),
    ("euronext_utp", 1000, [buy(40), sell(41, 998)], 998, 40, -1),
    ("euronext_utp", 1000, [buy(10), buy(10), buy(10), sell(10, 1000)], 1000, 10, 20),
    ("euronext_utp", None, [buy(30, 1000), sell(50, 1000)], 1000, 30, -20),
    ("bnb_four_step_5pct", 100, [buy(150, 100), sell(100, 96), sell(200, 97), buy(50, 99), buy(300, 97)], 97, 300, 200),
    ("bnb_four_step_5pct", 100, BNB_4, 97, 90, -10),
    ("bnb_four_step_5pct", 100, BNB_5_2, 94, 20, -30),
    ("bnb_four_step_5pct", 100, BNB_5_4, 95, 20, -30),
    ("bnb_four_step_5pct", 97, BNB_6, 97, 25, 25),
    ("bnb_four_step_5pct", 100, [sell(10, 97), sell(10, 95), buy(50, 102)], 102, 20, 30),
    ("xetra", None, CLOE_2, 275, 1400, 400),
    ("xetra", None, [sell(1300), sell(500, 285), buy(500, 275)], 275, 500, -800),
    ("xetra", None, CLOE_14, 275, 1500, 0),
    ("xetra_no_reference_midpoint", None, XETRA_4, 200, 500, 0),
    ("xetra", 200, XETRA_4, 200, 500, 0),
    ("max_volume_min_surplus_pressure", None, MOTOKO_2, 60, 100, 0),
    ("iex", 1010, [buy(1500, 1010), sell(1000)], 1010, 1000, 500),
    ("midpoint_of_max_volume_range", None, PYMARKET_1, 50, 51, 9),
]


@pytest.mark.parametrize(("rules", "reference", "book", "price", "volume", "surplus"), PUBLISHED)
def test_published_prices(rules, reference, book, price, volume, surplus):
    assert clear_flat(flat_of(book), reference, rules).clearing == (price, volume, surplus)


def test_published_trades_of_a_call_with_market_and_market_to_limit_orders():
    flat = flat_of(EURONEXT_1)
    result = clear_flat(flat, 1000, "euronext_utp")
    assert [tuple(trade) for trade in trades_of(flat, result, "euronext_utp").tolist()] == EURONEXT_TRADES


def test_a_rule_without_pressure_can_differ_from_one_with_it():
    with_pressure = clear_flat(flat_of(EURONEXT_1), 1000, "euronext_utp").clearing.price_ticks
    without = clear_flat(flat_of(EURONEXT_1), 1000, "euronext_optiq").clearing.price_ticks
    assert (with_pressure, without) == (1010, 1008)


def test_switches_are_codes():
    for rule_set in RULE_SETS.values():
        rule = rule_set.price
        assert Grid(rule.grid) in Grid and Pressure(rule.pressure) in Pressure and LastStep(rule.last) in LastStep
        assert (rule.band_bps > 0) == (rule.pressure == Pressure.BANDED) and rule.least_surplus in (0, 1)
        assert Unpriced(rule_set.unpriced) in Unpriced and rule_set.sharing in SHARINGS.values()
        assert (rule_set.collar is not None) == (rule_set.unpriced == Unpriced.AT_COLLAR)
        assert rule_set.sharing.rest != Rest.NOBODY, "in a call what one side sells the other buys"
    for sharing in SHARINGS.values():
        assert ProRata(sharing.pro_rata) in ProRata and Rest(sharing.rest) in Rest
        assert sharing.by_block in (0, 1) and sharing.top_first in (0, 1) and sharing.lot >= 1 and sharing.least >= 1
