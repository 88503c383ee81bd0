"""Amend: another total quantity. Replace: another order under the same id."""

from __future__ import annotations

from engine.codes import CommandKind, Phase
from engine.messages.refs import text_ref
from tests.engine.rules.desk import BUY, BUYER, DAY, GTD, LIMIT, MARKET, MTL, SELL

AMEND, REPLACE, CANCEL = CommandKind.AMEND, CommandKind.REPLACE, CommandKind.CANCEL


def test_lower_keeps_the_place_and_higher_goes_to_the_end(desk):
    desk.buy(100, 10)
    desk.buy(100, 10)
    assert desk.amend(0, 4) == ["amended 0 4@100 left 0"]
    assert desk.queue(BUY) == [0, 1] and desk.hot.order(desk.order_id(0))["seq"] == 1
    assert desk.amend(0, 5) == ["amended 0 5@100 left 1"]
    assert desk.queue(BUY) == [1, 0] and desk.hot.order(desk.order_id(0))["seq"] == 4
    assert desk.shows(BUY) == [(100, 15, 2)]


def test_the_same_total_changes_nothing(desk):
    desk.buy(100, 10)
    desk.buy(100, 10)
    before = dict(desk.hot.canonical())
    assert desk.amend(0, 10) == ["amended 0 10@100 left 0"]
    assert dict(desk.hot.canonical()) == before


def test_what_was_filled_is_part_of_the_total(desk):
    desk.buy(100, 10)
    desk.sell(100, 4)
    assert desk.amend(0, 9) == ["amended 0 5@100 left 0"]
    assert desk.amend(0, 12) == ["amended 0 8@100 left 1"]
    assert desk.amend(0, 4) == ["cancelled 0 8@100 amended_away"]


def test_below_what_was_filled_ends_the_rest(desk):
    desk.buy(100, 10)
    desk.sell(100, 4)
    assert desk.amend(0, 3, ref="less") == ["cancelled 0 6@100 amended_away"]
    assert desk.shows(BUY) == []
    known = desk.hot.sections()["client_ids"]
    assert known["order"].tolist() == [1 << 32] and known["closed_ns"].tolist() == [desk.ts_ns]


def test_amend_never_trades_and_never_asks_about_its_price(desk):
    desk.sell(101, 5)
    desk.hot.set_collar(1, 95, 100)
    desk.buy(100, 5)
    desk.hot.set_collar(1, 90, 99)
    assert desk.amend(1, 9) == ["amended 1 9@100 left 1"]


def test_amend_of_an_unpriced_order_in_a_call(desk):
    desk.hot.set_phase(1, Phase.CALL)
    desk.buy(0, 5, type=MARKET)
    desk.buy(0, 5, type=MTL)
    assert desk.amend(0, 6) == ["amended 0 6@- left 1"]
    assert desk.queue(BUY) == [1, 0]
    assert desk.amend(1, 4) == ["amended 1 4@- left 0"]


def test_a_text_id_of_an_amend_names_the_order_from_then_on(desk):
    desk.buy(100, 10, ref="first")
    assert desk.run(AMEND, target="first", account=BUYER, qty=8, ref="second") == ["amended 0 8@100 left 0"]
    assert desk.run(AMEND, target="second", account=BUYER, qty=7) == ["amended 0 7@100 left 0"]
    assert desk.run(AMEND, target="second", account=BUYER, qty=8, ref="second") == ["rejected client_id_reused"]
    assert desk.hot.text_of(desk.order_id(0)) == "first"
    assert desk.hot.order_of_text(BUYER, *text_ref("second")) == desk.order_id(0)
    assert desk.run(CANCEL, ref="second", account=BUYER) == ["cancelled 0 7@100 by_owner"]


def test_a_repeated_amend_is_answered_again_and_done_once(desk):
    desk.buy(100, 10)
    assert desk.amend(0, 12, ref="more") == ["amended 0 12@100 left 1"]
    assert desk.amend(0, 12, ref="more") == ["duplicate 0"]
    assert desk.amend(0, 13, ref="more") == ["rejected client_id_reused"]


def test_amends_that_are_refused_change_nothing(desk):
    desk.instrument = 70  # worth 10^9 a tick
    desk.buy(10**6, 4)
    before = dict(desk.hot.canonical())
    order = desk.order_id(0)
    for fields, reason in (
        (dict(qty=-1), "qty_range"),
        (dict(qty=10**12 + 1), "qty_range"),
        (dict(qty=4_612), "notional_range"),
        (dict(order=order + 1), "order_unknown"),
        (dict(account=1), "not_owner"),
        (dict(instrument=1), "instrument_mismatch"),
        (dict(order=0), "order_unknown"),
        (dict(flags=4), "flags_invalid"),
        (dict(stp=1), "stp_invalid"),
        (dict(min_qty=1), "extension_invalid"),
        (dict(order=0, valid_until=10**16), "ref_invalid"),
        (dict(valid_until=desk.ts_ns - 1), "validity_past"),
    ):
        row = dict(order=order, account=BUYER, qty=3) | fields
        assert desk.run(AMEND, **row) == [f"rejected {reason}"], fields
        assert dict(desk.hot.canonical()) == before
    assert desk.run(AMEND, order=order, account=BUYER, qty=4_611, valid_until=desk.ts_ns)[0] == (
        "amended 0 4611@1000000 left 1"
    )


def test_a_replace_takes_the_terms_of_its_row(desk):
    desk.buy(100, 10, tif=DAY)
    desk.buy(100, 10)
    assert desk.replace(0, 100, 10, tif=GTD, expire_at=desk.ts_ns + 5) == ["replaced 0 10@100"]
    assert desk.hot.next_expiry() == desk.ts_ns + 5 and desk.queue(BUY) == [1, 0]
    assert desk.replace(0, 100, 10, tif=DAY) == ["replaced 0 10@100"]
    assert desk.hot.next_expiry() is None
    assert desk.replace(0, 100, 10, min_qty=11) == ["rejected min_qty_range"]


def test_a_replace_keeps_side_and_type(desk):
    desk.buy(100, 10)
    assert desk.replace(0, 100, 10, side=SELL) == ["rejected side_invalid"]
    assert desk.replace(0, 0, 10, type=MARKET) == ["rejected type_invalid"]
    assert desk.replace(0, 100, 10, type=LIMIT) == ["replaced 0 10@100"]


def test_an_amend_or_replace_needs_a_phase_of_entry_and_of_cancelling(desk):
    desk.buy(100, 10)
    for phase in (Phase.NO_CANCEL, Phase.FROZEN, Phase.HALTED, Phase.CLOSED):
        desk.hot.set_phase(1, phase)
        assert desk.amend(0, 5) == ["rejected phase_forbids"]
        assert desk.replace(0, 100, 5) == ["rejected phase_forbids"]
    for phase in (Phase.PRE_OPEN, Phase.CALL, Phase.CONTINUOUS):
        desk.hot.set_phase(1, phase)
        assert desk.amend(0, 5) == ["amended 0 5@100 left 0"]
