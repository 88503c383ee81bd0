"""Icebergs: what is shown, what trades, where the next peak stands."""

from __future__ import annotations

import pytest

from engine.codes import Phase
from engine.limits import ICEBERG_PARTS_MAX
from tests.engine.rules.desk import BUY, ICEBERG, SELL


def shown(desk, slot: int) -> int:
    return int(desk.hot.extra_of(desk.order_id(slot))["shown"])


def test_a_refreshed_peak_joins_the_end_of_its_level(desk):
    desk.sell(101, 10, type=ICEBERG, display_qty=4)
    desk.sell(101, 4)
    assert desk.shows(SELL) == [(101, 8, 2)], "four of the ten"
    assert desk.buy(101, 13)[1:] == [
        "fill 2x0 4@101 left 6", "fill 2x1 4@101 left 0", "fill 2x0 4@101 left 2", "fill 2x0 1@101 left 1",
    ]  # fmt: skip
    assert desk.shows(SELL) == [(101, 1, 1)] and desk.hot.order(desk.order_id(0))["seq"] == 3


def test_a_partly_taken_peak_keeps_its_place(desk):
    desk.sell(101, 10, type=ICEBERG, display_qty=4)
    desk.sell(101, 4)
    desk.buy(101, 3)
    assert desk.queue(SELL) == [0, 1] and shown(desk, 0) == 1
    desk.buy(101, 1)
    assert desk.queue(SELL) == [1, 0] and shown(desk, 0) == 4


def test_an_iceberg_takes_with_all_of_it_and_rests_with_a_peak(desk):
    desk.sell(101, 7)
    assert desk.buy(101, 12, type=ICEBERG, display_qty=3)[1:] == ["fill 1x0 7@101 left 0"]
    assert desk.shows(BUY) == [(101, 3, 1)] and desk.hot.order(desk.order_id(1))["qty"] == 5
    desk.sell(101, 4)
    assert desk.shows(BUY) == [(101, 1, 1)], "the last peak is what is left"


@pytest.mark.parametrize("display", [-1, 0, 11])
def test_a_display_is_one_lot_to_the_whole(desk, display):
    assert desk.sell(101, 10, type=ICEBERG, display_qty=display) == ["rejected display_range"]


def test_an_iceberg_shows_itself_in_a_bounded_number_of_parts(desk):
    """Or one order of 10^12 lots, shown one by one, would keep a command and every replay of it busy for days."""
    most = 3 * ICEBERG_PARTS_MAX
    assert desk.sell(101, most + 1, type=ICEBERG, display_qty=3) == ["rejected display_range"]
    assert desk.sell(101, most, type=ICEBERG, display_qty=3) == [f"accepted 0 {most}@101"]
    assert desk.amend(0, most + 1) == ["rejected display_range"] and desk.amend(0, most - 2)
    assert desk.amend(0, most) == [f"amended 0 {most}@101 left 1"]
    assert desk.replace(0, 101, most + 1, display_qty=3) == ["rejected display_range"]
    fills = desk.buy(101, most)[1:]
    assert len(fills) == ICEBERG_PARTS_MAX and fills[-1] == "fill 1x0 3@101 left 0"
    desk.sell(101, 10, type=ICEBERG, display_qty=1)
    desk.buy(101, 4)
    assert desk.amend(2, 4 + ICEBERG_PARTS_MAX + 1) == ["rejected display_range"], "of what is open"
    assert desk.amend(2, 4 + ICEBERG_PARTS_MAX) == [f"amended 2 {ICEBERG_PARTS_MAX}@101 left 1"]


def test_only_icebergs_have_a_display(desk):
    assert desk.sell(101, 10, display_qty=3) == ["rejected terms_conflict"]
    assert desk.sell(101, 10, type=ICEBERG) == ["rejected display_range"]


def test_amends_and_replaces(desk):
    desk.sell(101, 10, type=ICEBERG, display_qty=4)
    desk.sell(101, 1)
    assert desk.amend(0, 8) == ["amended 0 8@101 left 0"] and shown(desk, 0) == 4
    assert desk.amend(0, 3) == ["amended 0 3@101 left 0"] and shown(desk, 0) == 3
    assert desk.queue(SELL) == [0, 1]
    assert desk.amend(0, 9) == ["amended 0 9@101 left 1"] and shown(desk, 0) == 3, "what is shown stays"
    assert desk.queue(SELL) == [1, 0]
    assert desk.replace(0, 101, 9, display_qty=5) == ["replaced 0 9@101"] and shown(desk, 0) == 5
    assert desk.replace(0, 101, 9, type=0) == ["rejected type_invalid"]
    assert desk.replace(0, 101, 3, display_qty=5) == ["rejected display_range"]


@pytest.mark.parametrize("filled, left", [(1, 3), (3, 1), (4, 4), (5, 3), (8, 3), (9, 2), (11, 0)])
def test_an_uncross_trades_from_the_whole_and_keeps_the_place(desk, filled, left):
    """Eleven lots, four at a time."""
    desk.hot.set_phase(1, Phase.CALL)
    desk.sell(100, 11, type=ICEBERG, display_qty=4)
    desk.sell(100, 5)
    assert desk.hot.curve(1).sell_lots.tolist() == [16], "a call counts it in full"
    desk.buy(100, filled)
    assert desk.uncross(100, filled) == [f"fill 2x0 {filled}@100 left {11 - filled} AUCTION"]
    if left:
        assert desk.queue(SELL) == [0, 1] and shown(desk, 0) == left
    else:
        assert desk.queue(SELL) == [1]


def test_many_fills_of_one_uncross_run_the_peak_down_as_one_would(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.sell(100, 11, type=ICEBERG, display_qty=4)
    for _ in range(9):
        desk.buy(100, 1)
    desk.uncross(100, 9)
    assert shown(desk, 0) == 2


def test_a_level_that_is_used_again_hides_nothing(desk):
    """A change of phase may move levels in memory; what an iceberg hid where one is opened now is not subtracted."""
    desk.sell(95, 1)
    desk.sell(101, 10, type=ICEBERG, display_qty=4)
    desk.sell(5_000, 1)
    desk.buy(95, 1)
    desk.hot.set_phase(1, Phase.CALL)
    prices = [price for price in range(85, 149) if price != 101]
    for price in prices:
        desk.sell(price, 1)
    shown = {price: lots for price, lots, _ in desk.hot.depth(1, SELL, 100).tolist()}
    assert shown == dict.fromkeys([*prices, 5_000], 1) | {101: 4}
