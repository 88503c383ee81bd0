"""Stop and stop-limit orders: when they are elected, in which order, and what follows."""

from __future__ import annotations

from engine.codes import Phase
from tests.engine.rules.desk import BUY, BUYER, GTD, IOC, SELL, STOP, STOP_LIMIT


def trade(desk, price: int) -> None:
    """One lot trades at a price, between accounts that do nothing else."""
    desk.sell(price, 1, account=1)
    assert desk.buy(price, 1, account=5)[-1].startswith("fill")


def test_a_stop_waits_unseen_until_a_trade_at_its_price(desk):
    assert desk.buy(0, 5, type=STOP, stop_price=105) == ["accepted 0 5@- STOP"]
    assert desk.shows(BUY) == [] and desk.hot.orders_of(BUYER)["qty"].tolist() == [5]
    desk.sell(104, 1)
    desk.sell(106, 9)
    assert desk.buy(104, 1)[1:] == ["fill 3x1 1@104 left 0"]
    assert desk.buy(106, 2)[1:] == [
        "fill 4x2 2@106 left 7", "triggered 0 5@-", "fill 0x2 5@106 left 2",
    ]  # fmt: skip


def test_a_stop_is_elected_at_once_when_the_last_price_is_there_already(desk):
    trade(desk, 100)
    desk.sell(101, 5)
    assert desk.buy(0, 2, type=STOP, stop_price=100) == [
        "accepted 3 2@- STOP", "triggered 3 2@-", "fill 3x2 2@101 left 3",
    ]  # fmt: skip
    assert desk.buy(99, 2, type=STOP_LIMIT, stop_price=102) == ["accepted 4 2@99 STOP"], "last is 101 now"
    assert desk.sell(103, 2, type=STOP_LIMIT, stop_price=101) == ["accepted 5 2@103 STOP", "triggered 5 2@103"]
    assert desk.shows(SELL) == [(101, 3, 1), (103, 2, 1)]


def test_what_is_left_of_an_elected_stop_ends_and_of_a_stop_limit_rests(desk):
    trade(desk, 100)
    assert desk.buy(0, 2, type=STOP, stop_price=90) == [
        "accepted 2 2@- STOP", "triggered 2 2@-", "cancelled 2 2@- market_remainder",
    ]  # fmt: skip
    assert desk.buy(95, 2, type=STOP_LIMIT, stop_price=90) == ["accepted 3 2@95 STOP", "triggered 3 2@95"]
    assert desk.shows(BUY) == [(95, 2, 1)]


def test_a_stop_limit_beyond_the_collar_ends_when_it_is_elected(desk):
    desk.buy(112, 2, type=STOP_LIMIT, stop_price=101)
    desk.hot.set_collar(1, 90, 110)
    desk.sell(101, 1)
    assert desk.buy(101, 1)[1:] == ["fill 2x1 1@101 left 0", "triggered 0 2@112", "cancelled 0 2@112 beyond_collar"]


def test_stops_are_elected_by_stop_price_then_by_arrival_buys_before_sells(desk):
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=103)
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=102)
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=103)
    desk.sell(200, 1, type=STOP_LIMIT, stop_price=103)
    desk.sell(200, 1, type=STOP_LIMIT, stop_price=104)
    desk.sell(200, 1, type=STOP_LIMIT, stop_price=102)
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=105)
    desk.sell(103, 1)
    assert desk.buy(103, 1)[2:] == [f"triggered {slot} 1@{price}" for slot, price in
                                    ((1, 1), (0, 1), (2, 1), (4, 200), (3, 200))]  # fmt: skip


def test_one_sweep_elects_by_its_lowest_and_highest_price_after_it_has_finished(desk):
    desk.sell(101, 1)
    desk.sell(103, 1)
    desk.sell(200, 1, type=STOP_LIMIT, stop_price=101)
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=103)
    assert desk.buy(104, 3) == [
        "accepted 4 3@104", "fill 4x0 1@101 left 0", "fill 4x1 1@103 left 0", "triggered 3 1@1", "triggered 2 1@200",
    ]  # fmt: skip
    assert desk.shows(BUY) == [(104, 1, 1), (1, 1, 1)], "the taker rested before the first election"


def test_a_cascade_runs_in_rounds(desk):
    """What an elected stop elects stands behind those elected before it."""
    desk.sell(101, 1)
    desk.sell(102, 1)
    desk.sell(103, 5)
    desk.buy(0, 1, type=STOP, stop_price=101)
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=102)
    desk.buy(2, 1, type=STOP_LIMIT, stop_price=101)
    assert desk.buy(101, 1) == [
        "accepted 6 1@101", "fill 6x0 1@101 left 0",
        "triggered 3 1@-", "fill 3x1 1@102 left 0",
        "triggered 5 1@2",
        "triggered 4 1@1",
    ]  # fmt: skip


def test_a_cascade_of_a_thousand_stops_ends(desk):
    count = 1_000
    for step in range(count):
        desk.sell(101 + step, 1, account=1)
        desk.buy(0, 1, type=STOP, stop_price=101 + step, account=5)
    desk.sell(101 + count, 1, account=1)
    said = desk.buy(101, 1)
    assert [line.split()[0] for line in said] == ["accepted", "fill"] + ["triggered", "fill"] * count
    assert desk.hot.last(1) == 101 + count and desk.shows(SELL) == []


def test_a_stop_is_cancelled_amended_and_replaced_as_it_waits(desk):
    desk.sell(0, 9, type=STOP, stop_price=95)
    desk.sell(0, 9, type=STOP, stop_price=95)
    assert desk.amend(0, 10) == ["amended 0 10@- left 1 STOP"], "higher: behind the other one"
    assert desk.amend(1, 5) == ["amended 1 5@- left 0 STOP"]
    assert desk.queue(3) == [1, 0]
    assert desk.replace(1, 0, 4, stop_price=96) == ["replaced 1 4@- STOP"]
    assert desk.queue(3) == [1, 0]
    assert desk.replace(1, 0, 4, stop_price=94) == ["replaced 1 4@- STOP"]
    assert desk.queue(3) == [0, 1]
    assert desk.cancel(0) == ["cancelled 0 10@- by_owner STOP"]
    trade(desk, 100)
    assert desk.replace(1, 0, 4, stop_price=100) == [
        "replaced 1 4@- STOP", "triggered 1 4@-", "cancelled 1 4@- market_remainder",
    ]  # fmt: skip


def test_in_a_call_stops_wait_and_are_elected_when_the_book_goes_on_trading(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.buy(0, 2, type=STOP, stop_price=100)
    desk.sell(90, 3, type=STOP_LIMIT, stop_price=100)
    desk.buy(100, 5)
    desk.sell(100, 4)
    assert desk.uncross(100, 4) == ["fill 2x3 4@100 left 0 AUCTION"]
    desk.hot.set_phase(1, Phase.CONTINUOUS)
    assert desk.told("elect", 1, seq=77) == [
        "triggered 0 2@-", "cancelled 0 2@- market_remainder", "triggered 1 3@90", "fill 1x2 1@100 left 0",
    ]  # fmt: skip
    assert desk.hot.order(desk.order_id(1))["seq"] == 77


def test_nothing_is_elected_where_nothing_was_ever_traded(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.buy(0, 2, type=STOP, stop_price=1)
    desk.hot.set_phase(1, Phase.CONTINUOUS)
    assert desk.hot.last(1) is None and desk.told("elect", 1, seq=5) == []


def test_terms_that_a_stop_does_not_have(desk):
    assert desk.buy(0, 1, type=STOP, stop_price=5, tif=IOC) == ["rejected terms_conflict"]
    assert desk.buy(0, 1, type=STOP, stop_price=0) == ["rejected price_band"], "0 is below instrument 1's range"
    assert desk.buy(7, 1, type=STOP, stop_price=5) == ["rejected price_not_allowed"]
    assert desk.buy(7, 1, type=STOP_LIMIT, stop_price=2 * 10**9) == ["rejected price_range"]
    assert desk.buy(7, 1, stop_price=5) == ["rejected terms_conflict"]
    assert desk.buy(7, 1, type=STOP_LIMIT, stop_price=5, tif=GTD, expire_at=desk.ts_ns + 1)[0] == "accepted 0 1@7 STOP"


def test_self_trade_prevention_of_a_stop_waits_with_it(desk):
    desk.buy(0, 3, type=STOP, stop_price=101, stp=1, account=3)
    assert desk.hot.extra_of(desk.order_id(0))["stp"] == 1
    desk.sell(102, 9, account=3)
    desk.sell(101, 1)
    assert desk.buy(101, 1, account=4)[2:] == ["triggered 0 3@-", "cancelled 0 3@- self_trade"]
