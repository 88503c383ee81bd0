"""Bugs that other matching engines have had, each as a case."""

from __future__ import annotations

from random import Random

import pytest

from engine.codes import Phase, Reason, TimeInForce
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Which
from tests.engine.rules.desk import (
    BUY,
    BUYER,
    CANCEL_MAKER,
    CANCEL_TAKER,
    DAY,
    ICEBERG,
    IOC,
    MARKET,
    SELL,
    STOP,
)


@pytest.mark.parametrize("how", ["fill", "cancel", "replace", "amend", "expiry", "self trade", "mass cancel"])
@pytest.mark.parametrize("next_best", [102, 130, 5_000_000])
def test_the_best_price_is_never_that_of_an_emptied_level(desk, how, next_best):
    desk.sell(101, 5, tif=TimeInForce.GTD, expire_at=desk.ts_ns + 1)
    desk.sell(next_best, 5, account=2)
    match how:
        case "fill":
            desk.buy(101, 5)
        case "cancel":
            desk.cancel(0)
        case "replace":
            desk.replace(0, 6_000_000, 5)
        case "amend":
            desk.amend(0, 0)
        case "expiry":
            desk.told("expire", desk.ts_ns + 1)
        case "self trade":
            desk.buy(101, 5, account=6, stp=CANCEL_MAKER, tif=IOC)
        case "mass cancel":
            desk.told("cancel", Which(account=6), Reason.BY_MASS_CANCEL)
    assert desk.shows(SELL)[0] == (next_best, 5, 1)
    assert desk.buy(101, 1)[1:] == [], "nothing is for sale at 101"
    assert desk.buy(0, 1, type=MARKET)[1].split()[2] == f"1@{next_best}"


def test_partial_sweeps_and_random_cancels_leave_no_dead_entries(desk):
    random, open_slots = Random(5), []
    for round_ in range(60):
        for _ in range(20):
            said = desk.sell(random.randrange(100, 400), random.randrange(1, 9))
            open_slots.append(int(said[0].split()[1]))
        random.shuffle(open_slots)
        for slot in [open_slots.pop() for _ in range(len(open_slots) // 3)]:
            if desk.hot.order(desk.order_id(slot)) is not None:
                assert desk.cancel(slot)[0].startswith("cancelled")
        said = desk.buy(0, random.randrange(1, 60), type=MARKET)
        assert all(line.startswith("fill") for line in said[1:-1])
        still = desk.queue(SELL)
        assert {slot for slot in open_slots if desk.hot.order(desk.order_id(slot)) is not None} == set(still)
        assert sum(level[1] for level in desk.shows(SELL)) <= sum(int(order["qty"]) for order in desk.hot.orders_of(6))
        if isinstance(desk.hot, Books) and round_ % 10 == 0:
            audit(desk.hot)
    for slot in desk.queue(SELL):
        desk.cancel(slot)
    assert desk.shows(SELL) == [] and desk.buy(10**6, 1) == [f"accepted {desk.queue(BUY)[0]} 1@1000000"]


def test_cancel_of_a_partly_filled_iceberg_gives_back_all_that_is_hidden(desk):
    desk.sell(101, 100, type=ICEBERG, display_qty=10)
    desk.buy(101, 25)
    assert desk.cancel(0) == ["cancelled 0 75@101 by_owner"]
    assert desk.shows(SELL) == [] and desk.buy(101, 1)[1:] == []
    assert desk.hot.curve(1).sell_lots.tolist() == [0]


def test_amend_to_zero_cancels(desk):
    desk.buy(100, 10)
    assert desk.amend(0, 0) == ["cancelled 0 10@100 amended_away"]
    assert desk.shows(BUY) == [] and desk.hot.orders_of(BUYER)["order"].tolist() == []


def test_replace_onto_the_same_price_goes_to_the_end_once(desk):
    for _ in range(3):
        desk.buy(100, 5)
    assert desk.replace(0, 100, 5) == ["replaced 0 5@100"]
    assert desk.queue(BUY) == [1, 2, 0] and desk.shows(BUY) == [(100, 15, 3)]
    assert desk.replace(2, 100, 7) == ["replaced 2 7@100"]
    assert desk.queue(BUY) == [1, 0, 2] and desk.shows(BUY) == [(100, 17, 3)]


def test_replace_of_the_only_order_of_a_level_onto_the_same_price(desk):
    desk.buy(100, 5)
    assert desk.replace(0, 100, 6) == ["replaced 0 6@100"]
    assert desk.shows(BUY) == [(100, 6, 1)] and desk.sell(100, 6)[1:] == ["fill 1x0 6@100 left 0"]


def test_an_ioc_order_against_own_orders_ends_and_leaves_them(desk):
    desk.sell(101, 5, account=BUYER)
    desk.sell(102, 5)
    assert desk.buy(102, 5, tif=IOC, stp=CANCEL_TAKER)[1:] == ["cancelled 2 5@102 self_trade"]
    assert desk.shows(SELL) == [(101, 5, 1), (102, 5, 1)]
    assert desk.buy(102, 9, tif=IOC, stp=CANCEL_MAKER)[1:] == [
        "cancelled 0 5@101 self_trade", "fill 3x1 5@102 left 0", "cancelled 3 4@102 ioc_remainder",
    ]  # fmt: skip
    assert desk.shows(SELL) == [] and desk.shows(BUY) == []


def test_a_stop_elected_by_a_stop_sees_the_book_that_was_left(desk):
    """Not the one before the first of them."""
    desk.sell(100, 1)
    desk.sell(110, 1)
    desk.sell(120, 1)
    desk.buy(0, 1, type=STOP, stop_price=110)
    desk.buy(0, 1, type=STOP, stop_price=100)
    assert desk.buy(100, 1)[1:] == [
        "fill 5x0 1@100 left 0", "triggered 4 1@-", "fill 4x1 1@110 left 0", "triggered 3 1@-", "fill 3x2 1@120 left 0",
    ]  # fmt: skip


def test_stops_of_both_sides_at_one_price_do_not_elect_each_other_for_ever(desk):
    desk.buy(90, 100)
    desk.sell(110, 100)
    for _ in range(20):
        desk.buy(0, 1, type=STOP, stop_price=110)
        desk.sell(0, 1, type=STOP, stop_price=110)
    said = desk.buy(110, 1)
    assert sum(line.startswith("triggered") for line in said) == 40
    assert desk.shows(BUY) == [(90, 80, 1)] and desk.shows(SELL) == [(110, 79, 1)]


def test_an_iceberg_does_not_lose_its_peak_in_an_auction(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.sell(100, 20, type=ICEBERG, display_qty=5)
    desk.buy(100, 5)
    desk.uncross(100, 5)
    desk.hot.set_phase(1, Phase.CONTINUOUS)
    assert desk.shows(SELL) == [(100, 5, 1)], "a whole peak again"
    assert desk.buy(100, 15)[1:] == ["fill 2x0 5@100 left 10", "fill 2x0 5@100 left 5", "fill 2x0 5@100 left 0"]


def test_a_day_order_does_not_survive_its_day_by_a_replace_or_an_election(desk):
    desk.buy(100, 5, tif=DAY)
    desk.amend(0, 9)
    desk.replace(0, 99, 4, tif=DAY)
    desk.buy(95, 1, type=4, stop_price=103, tif=DAY)
    desk.sell(103, 1)
    desk.buy(103, 1)
    assert desk.told("cancel", Which(instrument=1, tif=DAY), Reason.DAY_ENDED) == [
        "cancelled 0 4@99 day_ended", "cancelled 1 1@95 day_ended",
    ]  # fmt: skip
    assert desk.shows(BUY) == []


def test_a_slot_used_again_answers_to_its_new_order_alone(desk):
    for _ in range(1_024):
        desk.buy(100, 1)
        desk.cancel(desk.queue(BUY)[0])
    assert desk.buy(100, 1) == ["accepted 0 1@100"]
    assert desk.run(2, order=1 << 32, account=BUYER) == ["rejected order_unknown"]
    assert desk.run(2, order=2 << 32, account=BUYER) == ["cancelled 0 1@100 by_owner"]
