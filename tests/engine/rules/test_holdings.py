"""Limits of an account in a currency, deposited lots, freezes and the kill switch."""

from __future__ import annotations

import pytest

from engine.codes import CommandKind, Phase, Reason
from engine.limits import SIDE_TOTAL_LOTS_MAX
from engine.state.hot import Which
from tests.engine.book_flows import Batch
from tests.engine.rules.desk import BUYER, CANCEL_TAKER, GTD, MARKET, MTL, SELLER, STOP, STOP_LIMIT

NO_LIMIT = dict(buy_max=0, sell_max=0, orders_max=0)


def limited(desk, account: int = BUYER, currency: int = 0, **terms: int) -> None:
    desk.hot.set_limits(account, currency, **NO_LIMIT | terms)


def test_a_number_of_open_orders(desk):
    limited(desk, orders_max=2)
    desk.buy(100, 1)
    desk.sell(120, 1, type=STOP_LIMIT, stop_price=90, account=BUYER)
    assert desk.buy(99, 1) == ["rejected limit_orders"]
    assert desk.buy(99, 1, account=SELLER)[0].startswith("accepted"), "another's limit"
    assert desk.replace(0, 98, 1) == ["replaced 0 1@98"] and desk.amend(0, 2)[0].startswith("amended")
    assert desk.run(CommandKind.NEW, account=BUYER, instrument=4, price=5, qty=1)[0].startswith("accepted"), (
        "currency 1"
    )
    desk.cancel(1)
    assert desk.buy(99, 1)[0].startswith("accepted")
    limited(desk, orders_max=1)
    assert desk.buy(99, 1) == ["rejected limit_orders"] and desk.hot.limits_of(BUYER, 0) == (295, 0, 2)


def test_the_worth_of_each_side(desk):
    limited(desk, buy_max=1_000, sell_max=500)
    assert desk.buy(100, 10)[0].startswith("accepted") and desk.buy(1, 1) == ["rejected limit_notional"]
    assert desk.sell(500, 1, account=BUYER)[0].startswith("accepted")
    assert desk.sell(500, 1, account=BUYER) == ["rejected limit_notional"]
    assert desk.hot.limits_of(BUYER, 0) == (1_000, 500, 2)
    assert desk.replace(0, 250, 4) == ["replaced 0 4@250"], "what it gives up is free for it"
    assert desk.replace(0, 251, 4) == ["rejected limit_notional"]
    assert desk.amend(0, 5) == ["rejected limit_notional"]
    assert desk.amend(0, 2) == ["amended 0 2@250 left 0"]
    assert desk.hot.limits_of(BUYER, 0) == (500, 500, 2)
    desk.sell(250, 1)
    assert desk.hot.limits_of(BUYER, 0) == (250, 500, 2)
    desk.cancel(0)
    assert desk.hot.limits_of(BUYER, 0) == (0, 500, 1)


def test_multipliers_books_and_currencies_of_a_limit(desk):
    limited(desk, buy_max=10_000)
    desk.run(CommandKind.NEW, account=BUYER, instrument=2, price=-100, qty=2)  # multiplier 25, a negative price
    desk.run(CommandKind.NEW, account=BUYER, instrument=3, price=100, qty=5)  # multiplier 2
    desk.run(CommandKind.NEW, account=BUYER, instrument=4, price=100, qty=5)  # currency 1
    assert desk.hot.limits_of(BUYER, 0) == (6_000, 0, 2) and desk.hot.limits_of(BUYER, 1) == (0, 0, 0)
    limited(desk, currency=1, sell_max=1)
    assert desk.hot.limits_of(BUYER, 1) == (500, 0, 1), "computed when it is set"


def test_unpriced_orders_count_at_the_wider_end_of_the_range(desk):
    desk.instrument = 2  # -500 to 5000, multiplier 25
    limited(desk, buy_max=5_000 * 25 * 2)
    desk.hot.set_phase(2, Phase.CALL)
    assert desk.buy(0, 3, type=MARKET) == ["rejected limit_notional"]
    assert desk.buy(0, 2, type=MTL) == ["accepted 0 2@-"]
    assert desk.hot.limits_of(BUYER, 0) == (250_000, 0, 1)
    desk.uncross(40, 0)
    assert desk.hot.limits_of(BUYER, 0) == (40 * 25 * 2, 0, 1), "a limit order from then on"


def test_a_waiting_stop_counts_at_its_limit_or_as_unpriced(desk):
    limited(desk, buy_max=2**62)
    desk.instrument = 2
    desk.buy(0, 1, type=STOP, stop_price=30)
    desk.buy(-70, 1, type=STOP_LIMIT, stop_price=31)
    assert desk.hot.limits_of(BUYER, 0) == (5_000 * 25 + 70 * 25, 0, 2)
    desk.sell(30, 5)
    desk.buy(30, 1, account=5)
    assert desk.hot.limits_of(BUYER, 0) == (70 * 25, 0, 1)


def test_a_slid_price_is_what_counts(desk):
    desk.sell(50, 1)
    limited(desk, buy_max=49 * 10)
    assert desk.buy(60, 10, flags=3) == ["accepted 1 10@49"]


@pytest.mark.parametrize("how", ["cancel", "fill", "expiry", "mass cancel", "uncross", "self trade", "amend"])
def test_an_end_of_any_kind_gives_everything_back(desk, how):
    desk.instrument = 4
    limited(desk, SELLER, 1, sell_max=10_000, orders_max=9)
    desk.sell(100, 10, tif=GTD, expire_at=desk.ts_ns + 1)
    assert desk.hot.limits_of(SELLER, 1) == (0, 1_000, 1) and desk.hot.stock_of(SELLER, 4) == (1_000, 10)
    match how:
        case "cancel":
            desk.cancel(0)
        case "fill":
            desk.buy(100, 10)
        case "expiry":
            desk.told("expire", desk.ts_ns + 1)
        case "mass cancel":
            desk.told("cancel", Which(account=SELLER), Reason.BY_MASS_CANCEL)
        case "uncross":
            desk.hot.set_phase(4, Phase.CALL)
            desk.buy(100, 10)
            desk.uncross(100, 10)
        case "self trade":
            desk.buy(100, 10, account=SELLER, stp=3)
        case "amend":
            desk.amend(0, 0)
    assert desk.hot.limits_of(SELLER, 1) == (0, 0, 0)
    assert desk.hot.stock_of(SELLER, 4) == (990 if how in ("fill", "uncross") else 1_000, 0)


def test_sells_need_deposited_lots(desk):
    desk.instrument = 4
    assert desk.sell(100, 1_001) == ["rejected stock_short"]
    assert desk.sell(100, 600)[0].startswith("accepted") and desk.hot.stock_of(SELLER, 4) == (1_000, 600)
    assert desk.sell(0, 401, type=STOP, stop_price=3) == ["rejected stock_short"]
    assert desk.sell(0, 400, type=STOP, stop_price=3)[0].startswith("accepted")
    assert desk.sell(100, 1, tif=1) == ["rejected stock_short"]
    assert desk.replace(0, 101, 601) == ["rejected stock_short"] and desk.replace(0, 101, 600)[0].startswith("replaced")
    assert desk.amend(0, 601) == ["rejected stock_short"] and desk.amend(0, 500)[0].startswith("amended")
    assert desk.buy(50, 10**5)[0].startswith("accepted"), "buys need none"


def test_a_fill_moves_its_lots_at_once(desk):
    desk.instrument = 4
    desk.sell(100, 600)
    desk.buy(100, 250)
    assert desk.hot.stock_of(SELLER, 4) == (750, 350) and desk.hot.stock_of(BUYER, 4) == (1_250, 0)
    assert desk.sell(90, 1_250, account=BUYER)[0].startswith("accepted"), "what was bought is sold on"


def test_lots_are_taken_out_only_when_they_are_free(desk):
    desk.instrument = 4
    desk.sell(100, 600)
    assert not desk.hot.add_stock(SELLER, 4, -401) and desk.hot.add_stock(SELLER, 4, -400)
    assert not desk.hot.add_stock(SELLER, 4, -1) and desk.hot.stock_of(SELLER, 4) == (600, 600)
    room = SIDE_TOTAL_LOTS_MAX - 5_600  # of all accounts together
    assert not desk.hot.add_stock(SELLER, 4, room + 1) and desk.hot.add_stock(SELLER, 4, room)
    assert not desk.hot.add_stock(BUYER, 4, 1) and desk.hot.stock_of(SELLER, 4) == (room + 600, 600)


def test_a_fill_is_given_back_only_when_its_lots_are_free(desk):
    desk.instrument = 4
    desk.sell(100, 600)
    desk.buy(100, 600)
    desk.sell(110, 1_100, account=BUYER)
    assert not desk.hot.move_stock(4, SELLER, BUYER, 501) and desk.hot.move_stock(4, SELLER, BUYER, 500)
    assert desk.hot.stock_of(SELLER, 4) == (900, 0) and desk.hot.stock_of(BUYER, 4) == (1_100, 1_100)


def test_a_frozen_account_only_cancels(desk):
    desk.buy(100, 5)
    desk.hot.set_account(BUYER, frozen=True, group=0, coop=False)
    assert desk.buy(100, 1) == ["rejected account_frozen"] and desk.amend(0, 1) == ["rejected account_frozen"]
    assert desk.replace(0, 100, 1) == ["rejected account_frozen"]
    assert desk.sell(100, 2)[-1] == "fill 1x0 2@100 left 3", "what is open trades"
    assert desk.cancel(0) == ["cancelled 0 3@100 by_owner"]
    desk.hot.set_account(BUYER, frozen=False, group=0, coop=False)
    assert desk.buy(100, 1)[0].startswith("accepted")


def test_a_stopped_venue_only_cancels(desk):
    desk.buy(100, 5)
    desk.hot.set_stopped(True)
    desk.hot.set_account(BUYER, frozen=True, group=0, coop=False)
    assert desk.buy(100, 1) == ["rejected venue_stopped"], "before the account is looked at"
    assert desk.amend(0, 1) == ["rejected venue_stopped"] and desk.replace(0, 9, 1) == ["rejected venue_stopped"]
    assert desk.cancel(0)[0].startswith("cancelled")
    assert desk.hot.sections()["switches"].tolist() == [1]


def test_a_command_is_valid_through_its_time(desk):
    assert desk.buy(100, 1, valid_until=desk.ts_ns - 1) == ["rejected validity_past"]
    assert desk.buy(100, 1, valid_until=-1) == ["rejected validity_past"]
    assert desk.buy(100, 1, valid_until=desk.ts_ns) == ["accepted 0 1@100"]
    desk.ts_ns += 1
    assert desk.replace(0, 99, 1, valid_until=desk.ts_ns - 1) == ["rejected validity_past"]


def test_a_book_is_changed_and_delisted(desk):
    desk.instrument = 4
    desk.hot.change_instrument(4, qty_max=5)
    assert desk.sell(100, 6) == ["rejected qty_range"] and desk.sell(100, 5)[0].startswith("accepted")
    desk.told("cancel", Which(instrument=4), Reason.DELISTED)
    desk.hot.delist_instrument(4)
    assert desk.sell(100, 1) == ["rejected instrument_unknown"]
    sections = desk.hot.sections()
    assert 4 not in sections["books"]["instrument"] and 4 not in sections["stock"]["instrument"]


def test_sums_above_what_64_bits_hold_refuse(desk):
    """Three orders of 2^62 each, before a limit was set."""
    desk.instrument = 70
    for _ in range(3):
        assert desk.buy(10**9, 4)[0].startswith("accepted")
    limited(desk, buy_max=2**62)
    assert desk.buy(1, 1) == ["rejected limit_notional"]
    assert desk.amend(0, 1)[0].startswith("amended") and desk.amend(1, 1)[0].startswith("amended")
    desk.cancel(2)
    assert desk.hot.limits_of(BUYER, 0) == (2 * 10**18, 0, 2)
    assert desk.buy(1, 1)[0].startswith("accepted")


def test_a_stock_or_limit_of_an_in_flight_order_is_that_of_its_end(desk):
    """A taker counts what is left of it, not what it was."""
    limited(desk, buy_max=1_000)
    desk.sell(100, 9)
    assert desk.buy(100, 10)[-1] == "fill 1x0 9@100 left 0"
    assert desk.hot.limits_of(BUYER, 0) == (100, 0, 1)
    assert desk.buy(100, 9, stp=CANCEL_TAKER)[0].startswith("accepted")


def test_a_batch_sees_what_its_rows_before_have_used(desk):
    limited(desk, orders_max=1)
    batch = Batch()
    for _ in range(2):
        batch.add(CommandKind.NEW, account=BUYER, price=10, qty=1)
    _, events = desk.hot.run(*batch.arrays(), 0, first_seq=1, ts_ns=1)
    assert events["reason"].tolist() == [0, Reason.LIMIT_ORDERS]
