"""Self-trade prevention: five modes, two scopes, the taker's mode decides."""

from __future__ import annotations

import pytest

from engine.codes import OrderFlag, Phase
from tests.engine.rules.desk import (
    BUY,
    CANCEL_BOTH,
    CANCEL_MAKER,
    CANCEL_TAKER,
    DECREMENT,
    FOK,
    ICEBERG,
    MARKET,
    MTL,
    NONE,
    SELL,
    STOP_LIMIT,
)

STP_GROUP = OrderFlag.STP_GROUP


def book_with_an_own_order(desk) -> None:
    """Sells at 101: 2 of another, 4 of account 3, 3 of another."""
    desk.sell(101, 2)
    desk.sell(101, 4, account=3)
    desk.sell(101, 3)


@pytest.mark.parametrize(
    "mode, qty, said",
    [
        (NONE, 7, ["fill 3x0 2@101 left 0", "fill 3x1 4@101 left 0", "fill 3x2 1@101 left 2"]),
        (CANCEL_TAKER, 7, ["fill 3x0 2@101 left 0", "cancelled 3 5@101 self_trade"]),
        (CANCEL_MAKER, 7, ["fill 3x0 2@101 left 0", "cancelled 1 4@101 self_trade", "fill 3x2 3@101 left 0"]),
        (CANCEL_BOTH, 7, ["fill 3x0 2@101 left 0", "cancelled 1 4@101 self_trade", "cancelled 3 5@101 self_trade"]),
        (DECREMENT, 7, ["fill 3x0 2@101 left 0", "cancelled 1 4@101 self_trade", "reduced 3 4@101 left 1 self_trade",
                        "fill 3x2 1@101 left 2"]),
        (DECREMENT, 5, ["fill 3x0 2@101 left 0", "reduced 1 3@101 left 1 self_trade", "cancelled 3 3@101 self_trade"]),
        (DECREMENT, 6, ["fill 3x0 2@101 left 0", "cancelled 1 4@101 self_trade", "cancelled 3 4@101 self_trade"]),
    ],
)  # fmt: skip
def test_modes(desk, mode, qty, said):
    book_with_an_own_order(desk)
    assert desk.buy(101, qty, stp=mode)[1:] == said


def test_a_decrement_takes_from_the_total_too_so_that_an_amend_counts_fills_alone(desk):
    book_with_an_own_order(desk)
    desk.buy(101, 5, stp=DECREMENT)
    view = desk.hot.order(desk.order_id(1))
    assert (view["qty"], view["entered_qty"]) == (1, 1)
    assert desk.amend(1, 2) == ["amended 1 2@101 left 1"]


def test_the_makers_mode_says_nothing(desk):
    desk.sell(101, 2, account=3, stp=CANCEL_BOTH)
    assert desk.buy(101, 2)[1:] == ["fill 1x0 2@101 left 0"]


def test_scope_of_a_group(desk):
    """Accounts 1, 2 and 4 are of group 7; 3 and 5 of none."""
    desk.sell(101, 2, account=2)
    assert desk.buy(101, 1, account=1, stp=CANCEL_TAKER)[1:] == ["fill 1x0 1@101 left 1"], "not the same account"
    assert desk.buy(101, 1, account=1, stp=CANCEL_TAKER, flags=STP_GROUP)[1:] == ["cancelled 2 1@101 self_trade"]
    assert desk.buy(101, 1, account=2, stp=CANCEL_TAKER, flags=STP_GROUP)[1:] == ["cancelled 3 1@101 self_trade"]
    desk.sell(100, 2, account=5)
    assert desk.buy(100, 1, account=3, stp=CANCEL_TAKER, flags=STP_GROUP)[1:] == ["fill 5x4 1@100 left 1"], "no group"
    assert desk.buy(100, 1, flags=STP_GROUP) == ["rejected terms_conflict"], "a scope without a mode"


def test_a_decrement_meets_what_an_iceberg_shows_and_sends_it_to_the_end(desk):
    desk.sell(101, 10, type=ICEBERG, display_qty=3, account=3)
    desk.sell(101, 1)
    assert desk.buy(101, 5, stp=DECREMENT)[1:] == [
        "reduced 0 3@101 left 7 self_trade", "reduced 2 3@101 left 2 self_trade",
        "fill 2x1 1@101 left 0",
        "reduced 0 1@101 left 6 self_trade", "cancelled 2 1@101 self_trade",
    ]  # fmt: skip
    extra = desk.hot.extra_of(desk.order_id(0))
    assert (extra["peak"], extra["shown"]) == (3, 2)


def test_cancel_maker_cancels_the_whole_of_an_iceberg(desk):
    desk.sell(101, 10, type=ICEBERG, display_qty=3, account=3)
    assert desk.buy(101, 5, stp=CANCEL_MAKER)[1:] == ["cancelled 0 10@101 self_trade"]
    assert desk.shows(SELL) == [] and desk.shows(BUY) == [(101, 5, 1)]


@pytest.mark.parametrize(
    "mode, qty, fillable",
    [
        (NONE, 9, True),
        (CANCEL_MAKER, 5, True),
        (CANCEL_MAKER, 6, False),
        (CANCEL_TAKER, 2, True),
        (CANCEL_TAKER, 3, False),
        (CANCEL_BOTH, 2, True),
        (CANCEL_BOTH, 3, False),
        (DECREMENT, 2, True),
        (DECREMENT, 3, False),
    ],
)
def test_fill_or_kill_counts_what_its_mode_lets_it_trade(desk, mode, qty, fillable):
    book_with_an_own_order(desk)
    said = desk.buy(101, qty, stp=mode, tif=FOK)
    assert (said[1:] != [f"cancelled 3 {qty}@101 fok_unfillable"]) == fillable
    assert ("self_trade" in " ".join(said)) == (fillable and mode == CANCEL_MAKER)


def test_an_iceberg_before_an_own_order_of_its_level_counts_what_it_shows(desk):
    desk.sell(100, 9, type=ICEBERG, display_qty=2)
    desk.sell(101, 9, type=ICEBERG, display_qty=2)
    desk.sell(101, 4, account=3)
    assert desk.buy(101, 12, stp=CANCEL_TAKER, tif=FOK)[1:] == ["cancelled 3 12@101 fok_unfillable"]
    said = desk.buy(101, 11, stp=CANCEL_TAKER, tif=FOK)
    assert len(said) == 7 and said[-1] == "fill 4x1 2@101 left 7", "all nine of the better level, two of this"


def test_in_a_call_an_order_that_would_cross_an_own_is_refused(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.sell(101, 4, account=3)
    assert desk.buy(101, 1, stp=CANCEL_TAKER) == ["rejected self_cross"]
    assert desk.buy(100, 1, stp=CANCEL_TAKER) == ["accepted 1 1@100"]
    assert desk.buy(101, 1) == ["accepted 2 1@101"], "who does not ask is not refused"
    for type_ in (MARKET, MTL):
        assert desk.buy(0, 1, type=type_, stp=DECREMENT) == ["rejected self_cross"]
    assert desk.buy(101, 1, type=STOP_LIMIT, stop_price=5, stp=CANCEL_TAKER)[0] == "accepted 3 1@101 STOP"
    assert desk.replace(1, 101, 1, stp=CANCEL_TAKER) == ["rejected self_cross"]
    assert desk.sell(102, 1, account=3, stp=CANCEL_TAKER)[0] == "accepted 4 1@102", "a waiting stop crosses nobody"


def test_in_a_call_an_unpriced_own_order_crosses_everything(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.sell(0, 4, account=1, type=MARKET)
    assert desk.buy(1, 1, account=1, stp=CANCEL_TAKER) == ["rejected self_cross"]
    assert desk.buy(1, 1, account=2, stp=CANCEL_TAKER) == ["accepted 1 1@1"]
    assert desk.buy(1, 1, account=2, stp=CANCEL_TAKER, flags=STP_GROUP) == ["rejected self_cross"]


def test_self_trade_cancels_elect_no_stops(desk):
    desk.buy(1, 1, type=STOP_LIMIT, stop_price=101)
    desk.sell(101, 2, account=3)
    assert desk.buy(101, 2, stp=DECREMENT)[1:] == ["cancelled 1 2@101 self_trade", "cancelled 2 2@101 self_trade"]
    assert desk.hot.last(1) is None
