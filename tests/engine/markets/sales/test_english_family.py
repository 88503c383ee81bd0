"""The English family beyond the Helmsman with one clock, by the rules of `engine/markets/sales/english.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.codes import EventKind, Reason, SaleStage, SaleState
from engine.messages import bodies
from engine.messages.sales.english import Step
from engine.messages.sales.terms import SaleLot
from tests.engine.markets.sales.room import FOURTH, SELLER, THIRD, A, Room, Z, told, why
from tests.recorder import SECOND_NS, bid_of, kinds

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "auction-vectors.json").read_text(encoding="utf-8"))
VECTOR = {vector["id"]: vector for vector in VECTORS["vectors"]}
K = EventKind


def lots(*changes: dict[str, object]) -> tuple[SaleLot, ...]:
    return tuple(SaleLot(SELLER, f"lot {at}", 10, 30_000, **change) for at, change in enumerate(changes, 1))


def test_every_vector_of_lot_auctions_is_a_test_here():
    named = {vector["id"] for vector in VECTORS["vectors"] if vector["kind"] == "lot_auction"}
    here = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert len(named) == 7 and all(f'VECTOR["{one}"]' in here for one in named)


# --- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "moved"),
    [("all", {0: 180.0}), ("group", {7: 180.0, 8: 170.0}), ("lot", {1: 180.0, 2: 170.0, 3: 170.0})],
)
def test_a_bid_starts_the_clock_of_its_scope_again(scope, moved):
    room = Room(plan=lots({"group": 7}, {"group": 7}, {"group": 8}), scope=scope)
    for lot in (1, 2, 3):
        room.bid(A, lot, 500)
    room.bid(Z, 1, 450, after_s=10)
    assert {key: room.due_s(key) for key in moved} == moved


def test_a_lot_closes_with_its_own_clock_and_the_sale_with_the_last():
    room = Room(lots=2, scope="lot")
    room.do(bid_of(A, 1, 500), bid_of(A, 2, 500))
    room.bid(Z, 2, 450, after_s=100)
    events = room.do(bodies.Time(), after_s=80)
    assert told(events, K.LOT_SOLD, "instrument", "price") == [(1, 400)] and K.SALE_FINISHED not in kinds(events)
    assert why(room.bid(Z, 1, 900)) == Reason.BID_LATE
    assert why(room.bid(Z, 2, 600)) == Reason.NONE
    assert told(room.do(bodies.Time(), after_s=180), K.SALE_FINISHED, "qty") == [2]


def test_a_refused_bid_starts_no_clock():
    room = Room(lots=1, scope="lot")
    room.bid(A, 1, 500)
    for maximum in (405, 390, 400):
        assert why(room.bid(Z, 1, maximum, after_s=10)) != Reason.NONE
    assert room.due_s(1) == 150


def test_the_hard_stop_closes_all_that_is_open():
    room = Room(lots=2, stop_s=200)
    room.do(bid_of(A, 1, 500), bid_of(A, 2, 500))
    room.bid(Z, 1, 450, after_s=150)
    assert room.due_s() == 180
    events = room.do(bodies.Time(), after_s=50)
    assert told(events, K.LOT_SOLD, "price") == [460, 400] and room.sale.stage == SaleStage.FINISHED
    assert not room.recorder.machine.outage_clock_runs()


TIMED = {"style": "timed", "open_until_ns": 0, "clock_ns": 60 * SECOND_NS}


def test_a_timed_sale_ends_at_its_time_whatever_nobody_bid():
    room = Room(lots=2, ends_s=600, **TIMED)
    room.bid(A, 1, 500)
    events = room.do(bodies.Time(), after_s=600)
    assert kinds(events)[1:5] == [K.LOT_SOLD, K.AWARD_SET, K.LOT_PASSED_IN, K.SALE_FINISHED]


def test_a_late_change_moves_the_common_end():
    room = Room(lots=2, ends_s=600, **TIMED)
    room.bid(A, 1, 500, after_s=539)
    assert room.due_s() == 61, "a minute and more is left"
    room.bid(Z, 1, 450, after_s=31)
    assert room.due_s() == 60 and room.sale.state == SaleState.PENDING
    assert K.CLOCK not in kinds(room.bid(A, 1, 700, after_s=20)), "nobody sees a raise, so it moves nothing"
    assert room.due_s() == 40


def test_each_lot_ends_in_its_turn_and_has_its_own_overtime():
    room = Room(lots=3, ends_s=600, stagger_ns=120 * SECOND_NS, scope="lot", **TIMED)
    assert [room.due_s(lot) for lot in (1, 2, 3)] == [600, 720, 840]
    room.bid(A, 1, 500, after_s=590)
    assert [room.due_s(lot) for lot in (1, 2, 3)] == [60, 130, 250]


def test_without_overtime_the_end_is_the_end():
    room = Room(lots=1, ends_s=600, **(TIMED | {"clock_ns": 0}))
    room.bid(A, 1, 500, after_s=599)
    assert room.due_s() == 1


def test_an_outage_moves_ends_and_leaves_the_overtime():
    room = Room(lots=2, ends_s=600, stop_s=900, scope="lot", stagger_ns=10 * SECOND_NS, **TIMED)
    room.do(bodies.Time(), after_s=595)
    last_ns = room.recorder.ts_ns
    events = room.do(bodies.Resume(last_ns, last_ns + 3600 * SECOND_NS), after_s=3600)
    assert K.LOT_PASSED_IN not in kinds(events), "nothing closes during an outage"
    assert [room.due_s(lot) for lot in (1, 2)] == [60, 60]


def test_an_outage_gives_every_clock_again():
    room = Room(lots=2, scope="lot", stop_s=500)
    room.do(bid_of(A, 1, 500), bid_of(A, 2, 500))
    room.do(bodies.Time(), after_s=170)
    last_ns = room.recorder.ts_ns
    events = room.do(bodies.Resume(last_ns, last_ns + 7200 * SECOND_NS), after_s=7200)
    assert told(events, K.CLOCK, "instrument") == [1, 2] and K.LOT_SOLD not in kinds(events)
    assert [room.due_s(lot) for lot in (1, 2)] == [180, 180]


def test_clocks_stand_still_while_the_venue_is_stopped():
    room = Room(lots=1, scope="lot")
    room.bid(A, 1, 500)
    room.do(bodies.KillSwitch(True))
    assert kinds(room.do(bodies.Time(), after_s=1_000)) == [K.DONE]
    room.do(bodies.KillSwitch(False))
    assert room.due_s(1) == 180


# --- prices ----------------------------------------------------------------------------------------------------------


def test_steps_grow_with_the_price_and_maxima_stand_on_the_ladder():
    """From 400 by 10 to 500, then by 25: 525 is a bid, 510 is none."""
    room = Room(lots=1, increments=(Step(0, 10), Step(500, 25)))
    assert why(room.bid(A, 1, 510)) == Reason.BID_INCREMENT
    room.bid(A, 1, 525)
    room.bid(Z, 1, 500)
    assert (room.lot().price, room.lot().leader) == (525, A), "one step above 500 is 525"


def test_each_lot_opens_at_its_own_price():
    room = Room(plan=lots({"opening": 300}, {}))
    assert why(room.bid(A, 1, 290)) == Reason.BID_LOW
    room.do(bid_of(A, 1, 300), bid_of(A, 2, 400))
    assert [room.lot(lot).price for lot in (1, 2)] == [300, 400]


def test_a_normal_bid_is_taken_at_its_full_amount():
    vector = VECTOR["proxy-pieces-2"]
    given_, expected = vector["input"], vector["expected"]
    room = Room(lots=1, opening=given_["start"], increment=given_["increment"], normal_bids=True)
    room.bid(FOURTH, 1, given_["current_bid"], normal=True)
    assert room.lot().price == given_["current_bid"]
    account = {"A": A, "B": Z}
    for one in given_["bids"]:
        assert one["type"] == "normal"
        room.bid(account[one["who"]], 1, one["amount"], normal=True)
    assert (room.lot().price, room.lot().leader) == (expected["pays"], account[expected["winner"]])


def test_a_maximum_answers_a_normal_bid_by_one_step():
    room = Room(lots=1, normal_bids=True)
    room.bid(A, 1, 600)
    room.bid(Z, 1, 500, normal=True)
    assert (room.lot().price, room.lot().leader) == (510, A)
    room.bid(A, 1, 550, normal=True)
    assert room.lot().price == 550, "a leader's own normal bid is taken in full too"
    assert why(Room(lots=1).bid(A, 1, 500, normal=True)) == Reason.OFFER_UNFIT


@pytest.mark.parametrize(
    ("bids", "price", "sold"),
    [
        ([(A, 490)], 400, False),  # nobody reaches the reserve of 5.00
        ([(A, 490), (Z, 480)], 490, False),
        ([(A, 500)], 500, True),  # a maximum that reaches it bids up to it
        ([(A, 700)], 500, True),
        ([(A, 700), (Z, 600)], 610, True),
        ([(A, 490), (A, 520)], 500, True),  # a leader that raises to it, too
    ],
)
def test_a_lot_whose_price_does_not_reach_the_reserve_passes_in(bids, price, sold):
    room = Room(plan=lots({"reserve": 500}))
    for account, maximum in bids:
        assert why(room.bid(account, 1, maximum)) == Reason.NONE
    assert room.lot().price == price
    events = room.do(bodies.Time(), after_s=180)
    assert told(events, K.LOT_SOLD, "price") == ([price] if sold else [])
    assert (K.LOT_PASSED_IN in kinds(events)) is not sold


def test_a_reserve_stands_on_the_ladder():
    room = Room(lots=1)
    assert why(room.do(room.plan(sale=2, plan=lots({"reserve": 505})))) == Reason.BID_INCREMENT
    assert why(room.do(room.plan(sale=2, plan=lots({"reserve": 390})))) == Reason.BID_INCREMENT


def test_a_raise_of_the_leader_changes_nothing_that_others_see():
    room = Room(lots=1)
    room.bid(A, 1, 500)
    room.bid(Z, 1, 450)
    before = (room.lot().price, room.lot().bids, room.due_s())
    events = room.bid(A, 1, 900)
    assert kinds(events) == [K.BID_ACCEPTED] and (room.lot().price, room.lot().bids, room.due_s()) == before
    assert kinds(room.bid(A, 1, 460)) == [K.BID_ACCEPTED]
    assert why(room.bid(A, 1, 450)) == Reason.MAXIMUM_BELOW_PRICE


def test_an_account_of_the_sellers_group_does_not_bid():
    room = Room(lots=1)
    room.do(bodies.SetAccount(SELLER, group=9), bodies.SetAccount(A, group=9))
    assert why(room.bid(A, 1, 500)) == Reason.SELF_BID
    assert why(room.bid(Z, 1, 500)) == Reason.NONE


# --- pre-bids --------------------------------------------------------------------------------------------------------


def prebid_room(**terms: object) -> Room:
    room = Room(prebids_s=10, live_s=100, **terms)
    room.do(bodies.Time(), after_s=10)
    assert room.sale.stage == SaleStage.PREBIDS
    return room


def test_prebids_stand_when_it_opens_and_move_nothing_public_before():
    room = prebid_room()
    for account, maximum in ((A, 500), (Z, 470), (THIRD, 500), (A, 520)):
        events = room.bid(account, 1, maximum, after_s=1)
        assert kinds(events) == [K.BID_ACCEPTED] and told(events, K.BID_ACCEPTED, "qty") == [0]
    assert (room.lot().price, room.lot().bids) == (None, 0)
    events = room.do(bodies.Time(), after_s=100)
    assert (room.lot().price, room.lot().leader, room.lot().bids) == (510, A, 1)
    assert told(events, K.LOT_PRICE, "instrument", "price", "qty") == [(1, 510, 1)]
    assert told(events, K.LOT_LEADER, "account") == [A] and told(events, K.LOT_OUTBID, "account") == [Z, THIRD]


def test_before_it_is_live_a_maximum_may_be_changed_and_equal_ones_rank_by_arrival():
    room = prebid_room()
    room.bid(A, 1, 600)
    room.bid(Z, 1, 500, after_s=1)
    room.bid(A, 1, 500, after_s=1)
    assert why(room.bid(A, 1, 390)) == Reason.BID_LOW
    room.do(bodies.Time(), after_s=100)
    assert (room.lot().price, room.lot().leader) == (500, Z), "the change of A came later"


def test_prebids_on_every_lot_start_the_clock_when_it_opens():
    room = prebid_room()
    room.do(bid_of(A, 1, 500), bid_of(A, 2, 500))
    assert K.CLOCK in kinds(room.do(bodies.Time(), after_s=100)) and room.due_s() == 180


def test_before_the_prebids_none_is_taken():
    assert why(Room(live_s=50).bid(A, 1, 500)) == Reason.SALE_NOT_OPEN


# --- divided lots ----------------------------------------------------------------------------------------------------


def shares(room: Room) -> dict[int, int]:
    return {account: one.filled for account, one in sorted(room.lot().standing.items()) if one.filled}


def test_bags_go_by_maximum_then_arrival_at_one_price():
    room = Room(plan=lots({"least_bags": 2}))
    room.bid(A, 1, 500, bags=6)
    assert (room.lot().price, shares(room)) == (400, {A: 6})
    room.bid(Z, 1, 400, bags=4)
    assert (room.lot().price, shares(room)) == (400, {A: 6, Z: 4}), "while bags are left the price is enough"
    assert why(room.bid(THIRD, 1, 400, bags=2)) == Reason.BID_LOW
    events = room.bid(THIRD, 1, 450, bags=2)
    assert (room.lot().price, shares(room)) == (400, {A: 6, THIRD: 2, Z: 2}), "Z wants more at 4.00: no step above it"
    assert told(events, K.LOT_OUTBID, "account", "qty") == [(Z, 2)]
    room.bid(THIRD, 1, 450, bags=4)
    assert (room.lot().price, shares(room)) == (410, {A: 6, THIRD: 4})
    events = room.do(bodies.Time(), after_s=180)
    assert told(events, K.LOT_SOLD, "account", "qty", "price") == [(A, 6, 410), (THIRD, 4, 410)]


def test_a_part_smaller_than_its_least_is_not_given():
    room = Room(plan=lots({"least_bags": 2}))
    room.bid(A, 1, 500, bags=7)
    room.bid(Z, 1, 450, bags=8, least_bags=5)
    assert shares(room) == {A: 7}
    assert room.lot().price == 460, "one step above what Z would pay for more than is left"
    room.bid(THIRD, 1, 460, bags=3)
    assert (room.lot().price, shares(room)) == (460, {A: 7, THIRD: 3})


def test_what_nobody_takes_of_a_divided_lot_passes_in():
    room = Room(plan=lots({"least_bags": 2}))
    room.bid(A, 1, 500, bags=6)
    events = room.do(bodies.Time(), after_s=180)
    assert told(events, K.LOT_SOLD, "qty", "price") == [(6, 400)] and told(events, K.LOT_PASSED_IN, "qty") == [4]
    assert told(events, K.SALE_FINISHED, "qty") == [1]


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ({"bags": 1}, Reason.BAGS_RANGE),  # less than the lot's least
        ({"bags": 11}, Reason.BAGS_RANGE),
        ({"bags": 4, "least_bags": 5}, Reason.BAGS_RANGE),
        ({"bags": 5}, Reason.BAGS_RANGE),  # fewer than would be its own
        ({"bags": 6}, Reason.NONE),
        ({}, Reason.NONE),  # the whole lot
    ],
)
def test_how_many_bags_may_be_asked_for(offer, reason):
    room = Room(plan=lots({"least_bags": 2}))
    room.bid(A, 1, 500, bags=6)
    assert why(room.bid(A, 1, 500, **offer)) == reason


def test_a_lot_that_is_sold_whole_is_not_divided():
    room = Room(lots=1)
    assert why(room.bid(A, 1, 500, bags=5)) == Reason.OFFER_UNFIT
    assert why(room.bid(A, 1, 500, bags=10)) == Reason.NONE


def test_below_the_reserve_nobody_gets_a_part_where_a_maximum_reaches_it():
    room = Room(plan=lots({"least_bags": 2, "reserve": 500}))
    room.bid(A, 1, 450, bags=6)
    assert (room.lot().price, shares(room)) == (400, {A: 6})
    room.bid(Z, 1, 520, bags=6)
    assert (room.lot().price, shares(room)) == (500, {Z: 6})


# --- the operator ----------------------------------------------------------------------------------------------------


def test_a_bid_waits_unseen_until_it_is_taken():
    room = Room(lots=1, approve_bids=True)
    events = room.bid(A, 1, 500)
    assert told(events, K.BID_WAITS, "account", "counter_order") == [(A, room.seq)] and len(events) == 1
    first = room.seq
    room.bid(Z, 1, 500)
    second = room.seq
    assert room.lot().price is None
    assert told(room.do(bodies.DecideBid(1, second, True)), K.LOT_LEADER, "account") == [Z]
    events = room.do(bodies.DecideBid(1, first, True), after_s=20)
    assert (room.lot().price, room.lot().leader) == (500, A), "of equal maxima the first that arrived"
    assert told(events, K.LOT_OUTBID, "account") == [Z] and room.due_s() == 180
    assert why(room.do(bodies.DecideBid(1, first, True))) == Reason.BID_UNKNOWN


def test_a_bid_that_was_overtaken_while_it_waited_is_not_taken():
    room = Room(lots=1, approve_bids=True)
    room.bid(A, 1, 400)
    low = room.seq
    room.bid(Z, 1, 500)
    room.do(bodies.DecideBid(1, room.seq, True))
    assert why(room.do(bodies.DecideBid(1, low, True))) == Reason.BID_LOW
    assert told(room.do(bodies.DecideBid(1, low, False)), K.BID_VOIDED, "account", "counter_order") == [(A, low)]


def test_a_void_bid_is_as_if_it_had_never_been_placed():
    room = Room(lots=1)
    room.bid(A, 1, 500)
    room.bid(Z, 1, 700)
    leading = room.seq
    room.bid(THIRD, 1, 600)
    assert (room.lot().price, room.lot().leader) == (610, Z)
    events = room.do(bodies.DecideBid(1, leading, False, "an account that was stolen"), after_s=30)
    assert (room.lot().price, room.lot().leader) == (510, THIRD)
    assert told(events, K.LOT_OUTBID, "account") == [Z] and told(events, K.LOT_LEADER, "account") == [THIRD]
    assert room.due_s() == 180, "others see it, so the clock starts again"


def test_where_the_only_bid_is_void_the_lot_has_none():
    room = Room(lots=1)
    room.bid(A, 1, 500)
    events = room.do(bodies.DecideBid(1, room.seq, False))
    assert told(events, K.LOT_CHANGED, "price", "qty") == [(0, 2)] and room.lot().price is None
    assert why(room.bid(Z, 1, 400)) == Reason.NONE


def test_a_bid_of_a_lot_that_is_closed_is_not_voided():
    room = Room(lots=2, scope="lot")
    room.do(bid_of(A, 1, 500), bid_of(A, 2, 500))
    first = room.seq - 1
    room.bid(Z, 2, 450, after_s=100)
    room.do(bodies.Time(), after_s=80)
    assert why(room.do(bodies.DecideBid(1, first, False))) == Reason.SALE_CLOSED


def test_what_bids_could_come_to_is_bounded():
    """300 kg at 5.00 USD/lb come to 3,306.93 USD."""
    room = Room(lots=2)
    room.do(bodies.Admit(1, A, True, limit_minor=600_000))
    assert why(room.bid(A, 1, 500)) == Reason.NONE
    assert why(room.bid(A, 2, 500)) == Reason.COMMITMENT_LIMIT
    assert why(room.bid(A, 1, 900)) == Reason.NONE, "its own maximum on the lot is not counted twice"
    assert why(room.bid(A, 1, 910)) == Reason.COMMITMENT_LIMIT
    room.bid(Z, 1, 950)
    assert why(room.bid(A, 2, 500)) == Reason.NONE, "outbid, it has nothing to pay for lot 1"


def test_what_was_sold_counts_against_the_bound():
    room = Room(lots=2, scope="lot")
    room.do(bodies.Admit(1, A, True, limit_minor=600_000))
    room.do(bid_of(A, 1, 500), bid_of(Z, 1, 490), bid_of(Z, 2, 600))
    room.bid(THIRD, 2, 500, after_s=100)
    room.do(bodies.Time(), after_s=80)
    assert room.sale.bidders[A].committed_minor == room.sale.value_minor(room.sale.grams(1), 500)
    assert why(room.bid(A, 2, 610)) == Reason.COMMITMENT_LIMIT
