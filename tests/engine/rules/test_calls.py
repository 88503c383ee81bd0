"""What an uncross leaves, and the days and dates at which orders end."""

from __future__ import annotations

import pytest

from engine.codes import Phase, Reason, TimeInForce
from engine.state.hot import Which
from tests.engine.rules.desk import AT_AUCTION, BUY, DAY, GTD, MARKET, MTL, SELL, STOP_LIMIT


@pytest.fixture
def call(desk):
    desk.hot.set_phase(1, Phase.CALL)
    return desk


def test_orders_of_one_uncross_end_with_it_by_rising_id(call):
    call.sell(99, 3, tif=AT_AUCTION)
    call.buy(101, 9, tif=AT_AUCTION)
    call.sell(102, 4, tif=AT_AUCTION)
    call.buy(90, 1)
    assert call.uncross(100, 3) == [
        "fill 1x0 3@100 left 0 AUCTION", "cancelled 1 6@101 auction_remainder", "cancelled 2 4@102 auction_remainder",
    ]  # fmt: skip
    assert call.shows(BUY) == [(90, 1, 1)]


def test_what_is_left_of_orders_without_a_price(call):
    call.buy(0, 5, type=MARKET)
    call.buy(0, 5, type=MTL)
    call.buy(0, 5, type=MTL, tif=AT_AUCTION)
    call.buy(0, 5, type=MARKET, tif=AT_AUCTION)
    call.sell(0, 2, type=MTL)
    call.buy(100, 1)
    assert call.uncross(100, 2) == [
        "fill 0x4 2@100 left 0 AUCTION",
        "cancelled 0 3@- unpriced_remainder",
        "repriced 1 5@100",
        "cancelled 2 5@- auction_remainder",
        "cancelled 3 5@- unpriced_remainder",
    ]  # fmt: skip
    assert call.queue(BUY) == [5, 1], "at the end of its level"
    view = call.hot.order(call.order_id(1))
    assert (view["type"], view["price"], view["seq"]) == (0, 100, 2)


def test_without_a_price_market_to_limit_orders_end(call):
    call.buy(0, 5, type=MTL)
    call.sell(0, 5, type=MTL, tif=AT_AUCTION)
    assert call.uncross(None, 0) == ["cancelled 0 5@- unpriced_remainder", "cancelled 1 5@- auction_remainder"]
    assert call.hot.last(1) is None


def test_the_price_of_an_uncross_is_the_last_only_when_something_traded(call):
    call.buy(99, 5)
    assert call.uncross(100, 0) == [] and call.hot.last(1) is None
    call.sell(99, 5)
    call.uncross(99, 5)
    assert call.hot.last(1) == 99


def test_waiting_stops_take_no_part(call):
    call.buy(105, 5, type=STOP_LIMIT, stop_price=90)
    call.sell(95, 5)
    curve = call.hot.curve(1)
    assert curve.prices_ticks.tolist() == [95] and curve.buy_lots.tolist() == [0]


def test_a_day_order_ends_with_its_day_wherever_it_waits(desk):
    desk.buy(100, 1, tif=DAY)
    desk.sell(105, 1)
    desk.sell(106, 1, type=STOP_LIMIT, stop_price=90, tif=DAY)
    desk.sell(107, 1, tif=DAY, account=2)
    desk.hot.set_phase(1, Phase.CLOSED)
    assert desk.told("cancel", Which(instrument=1, tif=TimeInForce.DAY), Reason.DAY_ENDED) == [
        "cancelled 0 1@100 day_ended", "cancelled 2 1@106 day_ended STOP", "cancelled 3 1@107 day_ended",
    ]  # fmt: skip
    assert desk.shows(SELL) == [(105, 1, 1)]


def test_orders_end_at_their_date(desk):
    for slot, after in enumerate((30, 10, 20, 10)):
        assert desk.buy(90 + slot, 1, tif=GTD, expire_at=desk.ts_ns + after)[0].startswith("accepted")
    desk.sell(120, 1, type=STOP_LIMIT, stop_price=50, tif=GTD, expire_at=desk.ts_ns + 10)
    due = desk.ts_ns + 10
    assert desk.hot.next_expiry() == due
    assert desk.told("expire", due) == [
        "cancelled 1 1@91 expired", "cancelled 3 1@93 expired", "cancelled 4 1@120 expired STOP",
    ]  # fmt: skip
    assert desk.hot.next_expiry() == desk.ts_ns + 20
    desk.cancel(2)
    assert desk.hot.next_expiry() == desk.ts_ns + 30
    desk.sell(90, 1)
    assert desk.hot.next_expiry() is None, "a filled order has no date"


def test_a_date_must_be_ahead_and_belongs_to_gtd(desk):
    assert desk.buy(100, 1, tif=GTD) == ["rejected expiry_past"]
    assert desk.buy(100, 1, tif=GTD, expire_at=desk.ts_ns) == ["rejected expiry_past"]
    assert desk.buy(100, 1, tif=GTD, expire_at=-(2**63)) == ["rejected expiry_past"]
    assert desk.buy(100, 1, tif=DAY, expire_at=desk.ts_ns + 1) == ["rejected terms_conflict"]
    assert desk.buy(100, 1, tif=GTD, expire_at=2**63 - 1) == ["accepted 0 1@100"]


def test_the_dates_of_many_orders_come_in_order(desk):
    dues = [desk.ts_ns + 1 + (37 * number) % 101 for number in range(300)]
    for number, due in enumerate(dues):
        desk.buy(1 + number, 1, tif=GTD, expire_at=due)
    for slot in range(0, 300, 3):
        desk.cancel(slot)
    left = sorted((due, slot) for slot, due in enumerate(dues) if slot % 3)
    ended = []
    while (due := desk.hot.next_expiry()) is not None:
        ended += [(due, int(line.split()[1])) for line in desk.told("expire", due)]
    assert ended == left


def test_mass_cancels_choose_by_all_that_is_said(desk):
    desk.buy(100, 1)
    desk.sell(105, 1, account=3)
    desk.buy(101, 1, account=3, type=STOP_LIMIT, stop_price=110)
    desk.buy(99, 1, account=6, tif=DAY)
    desk.run(1, instrument=2, account=3, price=50, qty=1)
    before = dict(desk.hot.canonical())
    assert desk.told("cancel", Which(account=2), Reason.BY_MASS_CANCEL) == []
    assert desk.told("cancel", Which(account=6, tif=TimeInForce.GTC), Reason.BY_MASS_CANCEL) == []
    assert dict(desk.hot.canonical()) == before
    assert desk.told("cancel", Which(account=3, instrument=1, side=BUY), Reason.BY_MASS_CANCEL) == [
        "cancelled 0 1@100 by_mass_cancel", "cancelled 2 1@101 by_mass_cancel STOP",
    ]  # fmt: skip
    assert desk.hot.has_orders(Which(account=3, side=SELL)) and not desk.hot.has_orders(
        Which(account=3, side=SELL, instrument=2)
    )
    assert desk.told("cancel", Which(), Reason.BY_OPERATOR) == [
        "cancelled 1 1@105 by_operator", "cancelled 3 1@99 by_operator", "cancelled 4 1@50 by_operator",
    ]  # fmt: skip
    assert not desk.hot.has_orders(Which())
