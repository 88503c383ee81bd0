"""Market, market-to-limit, post-only, minimum quantity, all-or-none: what each does on entry."""

from __future__ import annotations

import pytest

from engine.codes import OrderFlag, Phase
from tests.engine.rules.desk import AT_AUCTION, BUY, BUYER, DAY, FOK, IOC, MARKET, MTL, SELL

POST_ONLY, SLIDE, ALL_OR_NONE, STP_GROUP = OrderFlag


def test_a_market_order_trades_within_the_collar_and_never_rests(desk):
    desk.hot.set_collar(1, 90, 110)
    desk.sell(105, 4)
    desk.hot.set_collar(1, 90, 120)
    desk.sell(115, 4)
    desk.hot.set_collar(1, 90, 110)
    assert desk.buy(0, 6, type=MARKET) == [
        "accepted 2 6@-",
        "fill 2x0 4@105 left 0",
        "cancelled 2 2@- market_remainder",
    ]
    assert desk.shows(SELL) == [(115, 4, 1)] and desk.shows(BUY) == []
    assert desk.buy(0, 1, type=MARKET, tif=IOC)[-1] == "cancelled 3 1@- ioc_remainder"


def test_the_collar_refuses_a_limit_beyond_it_and_allows_its_edge(desk):
    desk.hot.set_collar(1, 95, 105)
    assert desk.buy(106, 1) == ["rejected price_collar"] and desk.sell(94, 1) == ["rejected price_collar"]
    assert desk.buy(95, 1)[0].startswith("accepted") and desk.sell(105, 1)[0].startswith("accepted")
    assert desk.buy(1, 1)[0].startswith("accepted"), "a collar binds takers, not who waits on the safe side"
    desk.hot.set_phase(1, Phase.CALL)
    assert desk.buy(106, 1)[0].startswith("accepted"), "in a call nobody takes"


def test_a_market_to_limit_order_takes_one_level_and_rests_at_its_price(desk):
    desk.sell(101, 4)
    desk.sell(102, 4)
    assert desk.buy(0, 6, type=MTL, tif=DAY) == ["accepted 2 6@-", "repriced 2 6@101", "fill 2x0 4@101 left 0"]
    assert desk.shows(BUY) == [(101, 2, 1)]
    assert desk.replace(2, 100, 3) == ["replaced 2 3@100"], "it is a limit order now"


def test_a_market_to_limit_order_without_a_price_ends(desk):
    assert desk.buy(0, 6, type=MTL) == ["accepted 0 6@-", "cancelled 0 6@- market_remainder"]
    desk.sell(101, 4)
    desk.hot.set_collar(1, 90, 100)
    assert desk.buy(0, 6, type=MTL, tif=IOC)[1:] == ["cancelled 2 6@- market_remainder"]
    desk.hot.set_collar(1, 90, 101)
    assert desk.buy(0, 6, type=MTL, tif=IOC)[1:] == [
        "repriced 3 6@101", "fill 3x1 4@101 left 0", "cancelled 3 2@101 ioc_remainder",
    ]  # fmt: skip


def test_a_market_to_limit_order_keeps_its_minimum(desk):
    desk.sell(101, 4)
    desk.sell(102, 4)
    assert desk.buy(0, 6, type=MTL, min_qty=5) == [
        "accepted 2 6@-", "repriced 2 6@101", "cancelled 2 6@101 min_qty_unfillable",
    ]  # fmt: skip
    assert desk.buy(0, 6, type=MTL, tif=FOK)[-1] == "cancelled 3 6@101 fok_unfillable"


def test_a_minimum_quantity_binds_on_entry_alone(desk):
    desk.sell(101, 4)
    assert desk.buy(101, 9, min_qty=5)[1:] == ["cancelled 1 9@101 min_qty_unfillable"]
    assert desk.buy(101, 9, min_qty=4)[1:] == ["fill 2x0 4@101 left 0"]
    assert desk.shows(BUY) == [(101, 5, 1)]
    assert desk.sell(101, 1)[1:] == ["fill 3x2 1@101 left 4"], "what rests trades in any lots"
    assert desk.replace(2, 101, 9, min_qty=1)[1:] == ["cancelled 2 9@101 min_qty_unfillable"]


def test_all_or_none_trades_whole_at_once_or_ends(desk):
    desk.sell(101, 4)
    desk.sell(102, 4)
    assert desk.buy(101, 5, flags=ALL_OR_NONE)[1:] == ["cancelled 2 5@101 min_qty_unfillable"]
    assert desk.buy(0, 9, type=MARKET, flags=ALL_OR_NONE)[1:] == ["cancelled 3 9@- min_qty_unfillable"]
    assert desk.buy(0, 9, type=MARKET, flags=ALL_OR_NONE, tif=FOK)[1:] == ["cancelled 4 9@- fok_unfillable"]
    assert desk.buy(102, 8, flags=ALL_OR_NONE)[1:] == ["fill 5x0 4@101 left 0", "fill 5x1 4@102 left 0"]


def test_a_market_fill_or_kill_counts_what_the_collar_lets_it_reach(desk):
    desk.sell(101, 4)
    desk.sell(110, 4)
    desk.hot.set_collar(1, 90, 109)
    assert desk.buy(0, 5, type=MARKET, tif=FOK)[1:] == ["cancelled 2 5@- fok_unfillable"]
    assert desk.buy(0, 4, type=MARKET, tif=FOK)[1:] == ["fill 3x0 4@101 left 0"]


def test_post_only_is_refused_when_it_would_trade(desk):
    desk.sell(101, 4)
    assert desk.buy(101, 1, flags=POST_ONLY) == ["rejected post_only_crosses"]
    assert desk.buy(102, 1, flags=POST_ONLY) == ["rejected post_only_crosses"]
    assert desk.buy(100, 1, flags=POST_ONLY) == ["accepted 1 1@100"]
    assert desk.replace(1, 101, 1, flags=POST_ONLY) == ["rejected post_only_crosses"]
    assert desk.shows(BUY) == [(100, 1, 1)], "its target stays"
    assert desk.sell(100, 1, flags=POST_ONLY, account=BUYER) == ["rejected post_only_crosses"], "against its own too"


@pytest.mark.parametrize("side, best, entered, slid", [(BUY, 101, 105, 100), (SELL, 101, 99, 102)])
def test_post_only_slides_one_tick_behind_the_best(desk, side, best, entered, slid):
    other, own = (desk.sell, desk.buy) if side == BUY else (desk.buy, desk.sell)
    other(best, 4)
    assert own(entered, 1, flags=POST_ONLY | SLIDE) == [f"accepted 1 1@{slid}"]
    assert own(slid, 1, flags=POST_ONLY | SLIDE) == [f"accepted 2 1@{slid}"], "what does not cross stays where it is"
    assert desk.replace(2, entered, 1, flags=POST_ONLY | SLIDE) == [f"replaced 2 1@{slid}"]
    assert desk.shows(side) == [(slid, 2, 2)]


def test_post_only_never_slides_out_of_the_price_range(desk):
    desk.instrument = 2  # -500 to 5000
    desk.sell(-500, 1)
    assert desk.buy(-500, 1, flags=POST_ONLY | SLIDE) == ["rejected post_only_crosses"]
    desk.cancel(0)
    desk.sell(-499, 1)
    assert desk.buy(7, 1, flags=POST_ONLY | SLIDE) == ["accepted 2 1@-500"]


def test_post_only_is_held_to_what_it_is_worth_where_it_slides(desk):
    desk.instrument = 70  # multiplier 10^9: 4 * 10^9 lots at -1 are worth 4 * 10^18, just below 2^62
    desk.sell(-1_000, 1)
    assert desk.buy(-1, 4 * 10**9, flags=POST_ONLY | SLIDE) == ["rejected notional_range"]
    assert desk.buy(-1, 4 * 10**6, flags=POST_ONLY | SLIDE) == [f"accepted 1 {4 * 10**6}@-1001"]


def test_what_a_call_does_not_take(desk):
    desk.hot.set_phase(1, Phase.CALL)
    for tif in (IOC, FOK):
        assert desk.buy(100, 1, tif=tif) == ["rejected tif_in_call"]
    for terms in (dict(flags=POST_ONLY), dict(flags=ALL_OR_NONE), dict(min_qty=1)):
        assert desk.buy(100, 1, **terms) == ["rejected terms_in_call"]
    assert desk.buy(100, 1, tif=IOC, flags=ALL_OR_NONE) == ["rejected tif_in_call"], "tif is looked at first"
    assert desk.buy(100, 1, tif=AT_AUCTION) == ["accepted 0 1@100"]
    desk.hot.set_phase(1, Phase.CONTINUOUS)
    assert desk.buy(100, 1, tif=AT_AUCTION) == ["rejected tif_needs_call"]
