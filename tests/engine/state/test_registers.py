"""Registers: what each setting does to the commands after it, and that nothing of it is lost or left behind."""

from __future__ import annotations

import pytest

from engine.codes import CommandKind, OrderType, Phase, Reason, Side, TimeInForce
from engine.limits import CURRENCIES_MAX, NOTIONAL_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX, SIDE_TOTAL_LOTS_MAX
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.hot import Hot, Which
from tests.engine.terms import Desk

NEW, CANCEL, REPLACE, AMEND = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.AMEND
BUY, SELL = Side.BUY, Side.SELL
WIDE = dict(multiplier=1, price_min=-PRICE_TICKS_MAX, price_max=PRICE_TICKS_MAX, qty_max=QTY_LOTS_MAX)
MAKERS = [Oracle, Books, lambda: Books(window_ticks=64, event_rows=2, hash_seed=3)]


@pytest.fixture(params=MAKERS, ids=["oracle", "kernel", "kernel, small"])
def desk(request) -> Desk:
    return Desk(listed(request.param()))


def listed(hot: Hot) -> Hot:
    """1: currency 1, multiplier 2; 2: currency 1; 3: currency 2, wants deposits; 4: in classes."""
    hot.list_instrument(1, **{**WIDE, "multiplier": 2, "price_min": -100, "price_max": 1_000}, currency=1)
    hot.list_instrument(2, **WIDE, currency=1)
    hot.list_instrument(3, **WIDE, currency=2, deposit=True)
    hot.list_instrument(4, **WIDE, classes=True)
    for instrument in (1, 2, 3, 4):
        hot.set_phase(instrument, Phase.CONTINUOUS)
    for account in (1, 2, 3):
        hot.open_account(account)
    return hot


def again(desk: Desk) -> Desk:
    """The same state from its sections, in the other implementation."""
    other = Desk(Oracle() if isinstance(desk.hot, Books) else Books(window_ticks=64))
    other.hot.load(desk.hot.sections())
    other.seq, other.ts_ns = desk.seq, desk.ts_ns
    return other


# Instruments


def test_a_listing_shows_in_the_sections_as_it_was_given(desk):
    rows = desk.hot.sections()["books"]
    assert rows["instrument"].tolist() == [1, 2, 3, 4] and rows["currency"].tolist() == [1, 1, 2, 0]
    assert rows["multiplier"].tolist() == [2, 1, 1, 1] and rows["flags"].tolist() == [0, 0, 1, 2]
    assert set(rows["collar_low"].tolist()) == {-PRICE_TICKS_MAX}
    assert set(rows["collar_high"].tolist()) == {PRICE_TICKS_MAX} and not rows["last"].any()
    assert desk.hot.phase(1) == Phase.CONTINUOUS and desk.hot.last(1) is None


def test_a_largest_quantity_changes_for_what_comes_after(desk):
    order = desk.new(price=5, qty=50)
    desk.hot.change_instrument(1, qty_max=20)
    assert desk.reason(price=5, qty=21) == Reason.QTY_RANGE and desk.reason(price=5, qty=20) == 0
    assert desk.reason(AMEND, order=order, qty=30) == Reason.QTY_RANGE
    assert desk.hot.order(order)["qty"] == 50 and desk.hot.sections()["books"]["qty_max"][0] == 20


def test_last_is_the_price_of_the_newest_fill_negative_and_zero_too(desk):
    for price in (7, 0, -3):
        desk.new(price=price, qty=1)
        desk.new(price=price, qty=1, side=SELL, account=2)
        assert desk.hot.last(1) == price and again(desk).hot.last(1) == price
    assert desk.hot.last(2) is None


def test_a_delisted_book_is_gone_with_its_stock(desk):
    assert desk.hot.add_stock(1, 3, 5) and desk.hot.add_stock(2, 3, 6)
    desk.hot.delist_instrument(3)
    assert desk.reason(price=5, instrument=3) == Reason.INSTRUMENT_UNKNOWN
    told = desk.hot.sections()
    assert told["books"]["instrument"].tolist() == [1, 2, 4] and len(told["stock"]) == 0
    other = again(desk)
    assert other.hot.sections()["books"]["instrument"].tolist() == [1, 2, 4]


def test_windows_and_levels_of_delisted_books_are_used_again():
    hot = Books(window_ticks=64)
    desk = Desk(hot)
    hot.open_account(1)
    used = []
    for instrument in range(1, 400):
        hot.list_instrument(instrument, **WIDE)
        hot.set_phase(instrument, Phase.CALL)
        desk.new(instrument=instrument, price=5)
        desk.new(instrument=instrument, price=10**6)
        desk.new(instrument=instrument, price=5 * 10**6, side=SELL)
        desk.new(instrument=instrument, type=OrderType.MARKET)
        desk.new(instrument=instrument, type=OrderType.STOP, stop_price=9)
        desk.events_of("cancel", Which(instrument=instrument), Reason.DELISTED)
        hot.delist_instrument(instrument)
        meta = hot.state.meta[0]
        used.append((int(meta["levels_used"]), int(meta["bits_used"]), len(hot.state.far)))
    assert used[0] == used[-1], "nothing grows with books that came and went"


def test_takers_and_new_orders_stay_inside_the_collar(desk):
    desk.hot.set_collar(2, 90, 110)
    assert desk.reason(instrument=2, price=111) == Reason.PRICE_COLLAR
    assert desk.reason(instrument=2, price=89, side=SELL) == Reason.PRICE_COLLAR
    assert desk.reason(instrument=2, price=110) == 0 and desk.reason(instrument=2, price=89) == 0
    assert desk.reason(instrument=2, price=500, side=SELL, account=2) == 0
    other = again(desk)
    assert other.reason(instrument=2, price=111) == Reason.PRICE_COLLAR
    desk.hot.set_collar(2, -PRICE_TICKS_MAX, PRICE_TICKS_MAX)
    assert desk.reason(instrument=2, price=111) == 0


# Accounts and switches


def test_a_frozen_account_cancels_and_nothing_else(desk):
    order = desk.new(price=5)
    desk.hot.set_account(1, frozen=True, group=0, coop=False)
    for desk_ in (desk, again(desk)):
        assert desk_.reason(price=5) == Reason.ACCOUNT_FROZEN
        assert desk_.reason(AMEND, order=order, qty=5) == Reason.ACCOUNT_FROZEN
        assert desk_.reason(REPLACE, order=order, price=6) == Reason.ACCOUNT_FROZEN
        assert desk_.reason(price=5, account=2) == 0
        assert desk_.reason(CANCEL, order=order) == Reason.BY_OWNER


def test_the_kill_switch_stops_everything_but_cancels(desk):
    order = desk.new(price=5)
    desk.hot.set_stopped(True)
    for desk_ in (desk, again(desk)):
        assert desk_.reason(price=5) == Reason.VENUE_STOPPED
        assert desk_.reason(AMEND, order=order, qty=5) == Reason.VENUE_STOPPED
        assert desk_.reason(REPLACE, order=order, price=5) == Reason.VENUE_STOPPED
        assert desk_.reason(CANCEL, order=order) == Reason.BY_OWNER
    desk.hot.set_stopped(False)
    assert desk.reason(price=5) == 0


def test_groups_and_coops_show_in_the_sections(desk):
    desk.hot.set_account(2, frozen=False, group=7, coop=True)
    rows = again(desk).hot.sections()["accounts"]
    assert rows["group"].tolist() == [0, 7, 0] and rows["coop"].tolist() == [0, 1, 0]


# Limits

UNLIMITED = dict(buy_max=0, sell_max=0, orders_max=0)


def test_limits_count_every_order_of_the_currency_and_nothing_else(desk):
    hot = desk.hot
    hot.set_limits(1, 1, buy_max=10_000, sell_max=0, orders_max=0)
    desk.new(price=100, qty=10)  # 100 x 10 x 2
    desk.new(instrument=2, price=-50, qty=10)  # 500, whatever the sign
    desk.new(instrument=2, price=9, qty=10, side=SELL)
    desk.new(instrument=3, price=100, qty=10)  # another currency
    desk.new(price=100, qty=10, account=2)
    assert hot.limits_of(1, 1) == (2_500, 90, 3) and hot.limits_of(1, 2) == (0, 0, 0) == hot.limits_of(2, 1)
    assert again(desk).hot.limits_of(1, 1) == (2_500, 90, 3)
    assert desk.reason(price=750, qty=5) == 0, "10,000 exactly"
    assert desk.reason(instrument=2, price=1, qty=1) == Reason.LIMIT_NOTIONAL
    assert again(desk).reason(instrument=2, price=1, qty=1) == Reason.LIMIT_NOTIONAL
    assert desk.reason(instrument=2, price=1, qty=1, side=SELL) == 0


def test_the_number_of_orders_is_limited_for_new_ones_only(desk):
    desk.hot.set_limits(1, 1, buy_max=0, sell_max=0, orders_max=2)
    first, _ = desk.new(price=5), desk.new(instrument=2, price=5)
    assert desk.reason(price=5) == Reason.LIMIT_ORDERS and desk.reason(price=5, instrument=3) == 0
    assert desk.reason(REPLACE, order=first, price=6) == 0 and desk.reason(AMEND, order=first, qty=50) == 0
    assert desk.reason(CANCEL, order=first) == Reason.BY_OWNER and desk.reason(price=5) == 0
    assert desk.reason(price=5, tif=TimeInForce.IOC) == Reason.LIMIT_ORDERS


CHANGES = {  # what happens to a buy of 10 at 100, worth 1,000, and what is then used
    "fill of the maker": (lambda desk, order: desk.new(instrument=2, price=100, qty=4, side=SELL, account=2), 600),
    "whole fill": (lambda desk, order: desk.new(instrument=2, price=90, qty=10, side=SELL, account=2), 0),
    "cancel": (lambda desk, order: desk.reason(CANCEL, instrument=2, order=order), 0),
    "amended lower": (lambda desk, order: desk.reason(AMEND, instrument=2, order=order, qty=3), 300),
    "amended higher": (lambda desk, order: desk.reason(AMEND, instrument=2, order=order, qty=13), 1_300),
    "amended away": (lambda desk, order: desk.reason(AMEND, instrument=2, order=order, qty=0), 0),
    "replaced": (lambda desk, order: desk.reason(REPLACE, instrument=2, order=order, price=70, qty=5), 350),
    "replace that is refused": (
        lambda desk, order: desk.reason(REPLACE, instrument=2, order=order, price=70, qty=15),
        1_000,
    ),
    "mass cancel": (lambda desk, order: desk.events_of("cancel", Which(account=1), Reason.BY_MASS_CANCEL), 0),
    "self-trade takes the maker": (
        lambda desk, order: desk.new(instrument=2, price=100, qty=4, side=SELL, stp=2, tif=TimeInForce.IOC),
        0,
    ),
    "self-trade takes from both": (
        lambda desk, order: desk.new(instrument=2, price=100, qty=4, side=SELL, stp=4, tif=TimeInForce.IOC),
        600,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_use_follows_each_change_of_an_order(desk, change):
    act, used = CHANGES[change]
    desk.hot.set_limits(1, 1, buy_max=1_049 if "refused" in change else 5_000, sell_max=0, orders_max=0)
    order = desk.new(instrument=2, price=100)
    assert desk.hot.limits_of(1, 1) == (1_000, 0, 1)
    act(desk, order)
    assert desk.hot.limits_of(1, 1) == (used, 0, 1 if used else 0)
    assert again(desk).hot.limits_of(1, 1) == (used, 0, 1 if used else 0)


def test_a_taker_counts_only_with_what_rests(desk):
    desk.hot.set_limits(2, 1, buy_max=0, sell_max=1_000, orders_max=0)
    desk.new(instrument=2, price=100, qty=6)
    assert desk.reason(instrument=2, price=100, qty=11, side=SELL, account=2) == Reason.LIMIT_NOTIONAL, (
        "before it trades"
    )
    desk.new(instrument=2, price=100, qty=10, side=SELL, account=2)
    assert desk.hot.limits_of(2, 1) == (0, 400, 1)


def test_unpriced_orders_are_worth_the_wider_end_until_they_have_a_price(desk):
    desk.hot.set_limits(1, 1, buy_max=10**6, sell_max=0, orders_max=0)
    desk.hot.set_phase(1, Phase.CALL)
    desk.new(type=OrderType.MARKET, qty=3)
    desk.new(type=OrderType.MARKET_TO_LIMIT, qty=3)
    desk.new(type=OrderType.STOP, stop_price=50, qty=3)
    desk.new(type=OrderType.STOP_LIMIT, stop_price=50, price=60, qty=3)
    assert desk.hot.limits_of(1, 1) == (3 * 3 * 1_000 * 2 + 3 * 60 * 2, 0, 4)
    desk.new(price=40, qty=4, side=SELL, account=2)
    desk.events_of("uncross", 1, 40, 4)
    # The market order and one lot of the other traded; what is left of that is a limit order at 40.
    assert desk.hot.limits_of(1, 1) == (3 * 1_000 * 2 + 2 * 40 * 2 + 3 * 60 * 2, 0, 3)


def test_a_market_to_limit_order_rests_at_its_price(desk):
    desk.hot.set_limits(1, 1, buy_max=10**6, sell_max=0, orders_max=0)
    desk.new(price=40, qty=4, side=SELL, account=2)
    desk.new(type=OrderType.MARKET_TO_LIMIT, qty=6)
    assert desk.hot.limits_of(1, 1) == (2 * 40 * 2, 0, 1)


def test_limits_set_late_count_what_is_open_exactly_beyond_64_bits(desk):
    largest = NOTIONAL_MAX // PRICE_TICKS_MAX
    orders = [desk.new(instrument=2, price=PRICE_TICKS_MAX, qty=largest) for _ in range(10)]
    one = PRICE_TICKS_MAX * largest
    assert 10 * one > 2**63
    desk.hot.set_limits(1, 1, buy_max=2**63 - 1, sell_max=0, orders_max=0)
    assert desk.hot.limits_of(1, 1) == (10 * one, 0, 10)
    assert desk.reason(instrument=2, price=1, qty=1) == Reason.LIMIT_NOTIONAL
    assert desk.reason(REPLACE, instrument=2, order=orders[0], price=1, qty=1) == Reason.LIMIT_NOTIONAL
    assert desk.reason(AMEND, instrument=2, order=orders[0], qty=1) == 0, "lower is always allowed"
    assert desk.hot.limits_of(1, 1) == (9 * one + PRICE_TICKS_MAX, 0, 10)
    for order in orders[1:]:
        assert desk.reason(CANCEL, instrument=2, order=order) == Reason.BY_OWNER
    assert desk.hot.limits_of(1, 1) == (PRICE_TICKS_MAX, 0, 1)
    assert desk.reason(instrument=2, price=1, qty=1) == 0


def test_limits_are_lifted_lowered_and_set_again(desk):
    desk.hot.set_limits(1, 1, buy_max=100, sell_max=0, orders_max=0)
    order = desk.new(instrument=2, price=10, qty=10)
    desk.hot.set_limits(1, 1, buy_max=50, sell_max=1, orders_max=9)
    assert desk.hot.limits_of(1, 1) == (100, 0, 1), "what is open stays"
    assert desk.reason(instrument=2, price=1, qty=1) == Reason.LIMIT_NOTIONAL
    desk.hot.set_limits(1, 1, **UNLIMITED)
    assert desk.hot.limits_of(1, 1) == (0, 0, 0) and len(desk.hot.sections()["limits"]) == 0
    assert desk.reason(instrument=2, price=10, qty=10) == 0
    assert desk.reason(AMEND, instrument=2, order=order, qty=7) == 0
    desk.hot.set_limits(1, 1, buy_max=170, sell_max=0, orders_max=0)
    assert desk.hot.limits_of(1, 1) == (170, 0, 2)
    assert desk.reason(instrument=2, price=1, qty=1) == Reason.LIMIT_NOTIONAL


def test_very_many_limits_stand_beside_each_other(desk):
    for account in range(1, 60):
        desk.hot.open_account(account)
        for currency in (1, 2, CURRENCIES_MAX):
            desk.hot.set_limits(account, currency, buy_max=account * 10 + currency, sell_max=0, orders_max=0)
    for account in range(1, 60, 2):
        desk.hot.set_limits(account, 2, **UNLIMITED)
    rows = desk.hot.sections()["limits"]
    expected = [(a, c) for a in range(1, 60) for c in (1, 2, CURRENCIES_MAX) if c != 2 or a % 2 == 0]
    assert list(zip(rows["account"].tolist(), rows["currency"].tolist(), strict=True)) == expected
    assert rows["buy_max"].tolist() == [a * 10 + c for a, c in expected]
    assert again(desk).reason(instrument=2, account=7, price=72, qty=1) == Reason.LIMIT_NOTIONAL
    assert desk.reason(instrument=2, account=7, price=71, qty=1) == 0


# Stock


def test_stock_is_promised_moved_and_freed(desk):
    hot = desk.hot
    sell = dict(instrument=3, side=SELL)
    assert desk.reason(**sell, price=50, qty=1) == Reason.STOCK_SHORT
    assert hot.add_stock(1, 3, 10) and hot.stock_of(1, 3) == (10, 0)
    order = desk.new(**sell, price=50, qty=6)
    assert hot.stock_of(1, 3) == (10, 6) and again(desk).hot.stock_of(1, 3) == (10, 6)
    assert desk.reason(**sell, price=50, qty=5) == Reason.STOCK_SHORT
    assert not hot.add_stock(1, 3, -5) and hot.add_stock(1, 3, -4) and hot.add_stock(1, 3, 4)
    stop = desk.new(**sell, type=OrderType.STOP, stop_price=20, qty=4)
    assert hot.stock_of(1, 3) == (10, 10), "waiting stops promise too"
    assert desk.reason(CANCEL, instrument=3, order=stop) == Reason.BY_OWNER
    assert desk.reason(AMEND, instrument=3, order=order, qty=11) == Reason.STOCK_SHORT
    assert desk.reason(AMEND, instrument=3, order=order, qty=10) == 0 and hot.stock_of(1, 3) == (10, 10)
    assert desk.reason(REPLACE, instrument=3, side=SELL, order=order, price=40, qty=11) == Reason.STOCK_SHORT
    assert desk.reason(REPLACE, instrument=3, side=SELL, order=order, price=40, qty=8) == 0
    desk.new(instrument=3, price=45, qty=3, account=2)
    assert hot.stock_of(1, 3) == (7, 5) and hot.stock_of(2, 3) == (3, 0)
    desk.new(instrument=3, side=SELL, price=90, qty=2, account=2)
    assert hot.stock_of(2, 3) == (3, 2), "what was bought may be sold"
    desk.events_of("cancel", Which(instrument=3), Reason.BY_OPERATOR)
    assert hot.stock_of(1, 3) == (7, 0) and hot.stock_of(2, 3) == (3, 0)
    rows = hot.sections()["stock"]
    assert rows[["account", "instrument", "lots"]].tolist() == [(1, 3, 7), (2, 3, 3)]


def test_a_seller_who_takes_gives_its_lots_at_once(desk):
    assert desk.hot.add_stock(1, 3, 10)
    desk.new(instrument=3, price=50, qty=4, account=2)
    desk.new(instrument=3, price=50, qty=10, side=SELL)
    assert desk.hot.stock_of(1, 3) == (6, 6) and desk.hot.stock_of(2, 3) == (4, 0)
    desk.new(instrument=3, price=50, qty=6, account=1)
    assert desk.hot.stock_of(1, 3) == (6, 0), "to itself"


def test_an_uncross_moves_stock(desk):
    assert desk.hot.add_stock(1, 3, 10) and desk.hot.add_stock(2, 3, 1)
    desk.hot.set_phase(3, Phase.CALL)
    desk.new(instrument=3, price=40, qty=7, side=SELL)
    desk.new(instrument=3, price=40, qty=1, side=SELL, account=2)
    desk.new(instrument=3, price=45, qty=2, account=2)
    desk.new(instrument=3, price=45, qty=3, account=3)
    desk.events_of("uncross", 3, 42, 5)
    assert [desk.hot.stock_of(account, 3) for account in (1, 2, 3)] == [(5, 2), (3, 1), (3, 0)]


def test_stock_has_an_upper_end_over_all_accounts(desk):
    assert desk.hot.add_stock(1, 3, SIDE_TOTAL_LOTS_MAX - 5) and not desk.hot.add_stock(1, 3, 6)
    assert not desk.hot.add_stock(2, 3, 6) and desk.hot.add_stock(2, 3, 5) and not desk.hot.add_stock(3, 3, 1)
    other = again(desk)
    assert not other.hot.add_stock(3, 3, 1) and other.hot.add_stock(1, 3, -2) and other.hot.add_stock(3, 3, 2)


def test_lots_of_a_fill_are_given_back_when_they_are_free(desk):
    assert desk.hot.add_stock(1, 3, 5)
    desk.new(instrument=3, price=50, qty=5, side=SELL)
    desk.new(instrument=3, price=50, qty=5, account=2)
    order = desk.new(instrument=3, price=60, qty=3, side=SELL, account=2)
    assert not desk.hot.move_stock(3, 1, 2, 3) and desk.hot.move_stock(3, 1, 2, 2)
    assert desk.hot.stock_of(1, 3) == (2, 0) and desk.hot.stock_of(2, 3) == (3, 3)
    assert desk.reason(CANCEL, instrument=3, order=order, account=2) == Reason.BY_OWNER
    assert desk.hot.move_stock(3, 1, 2, 3) and desk.hot.stock_of(2, 3) == (0, 0)
    assert len(desk.hot.sections()["stock"]) == 1
    assert desk.hot.move_stock(3, 1, 1, 5) and not desk.hot.move_stock(3, 1, 1, 6)


def test_rows_of_stock_come_and_go_with_lots_and_orders():
    hot = Books(hash_seed=1)
    desk = Desk(listed(hot))
    for account in range(1, 200):
        hot.open_account(account)
        desk.new(instrument=3, price=5, account=account)
    assert int(hot.state.meta[0]["stocks"]) == 199
    size = len(hot.state.stocks)
    for account in range(1, 200, 2):
        desk.events_of("cancel", Which(account=account), Reason.BY_OPERATOR)
    assert int(hot.state.meta[0]["stocks"]) == 99
    for _ in range(3):
        desk.events_of("cancel", Which(account=2), Reason.BY_OPERATOR)
        desk.new(instrument=3, price=5, account=2)
    assert len(hot.state.stocks) == size
