"""The frame of every sale: its plan and versions, stages, who may bid, its end; by the rules of `frame.py`."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import structs

from engine.codes import BidderFlag, EventKind, Reason, SaleStage, SaleState, TimerKind
from engine.limits import SALE_BIDDERS_MAX
from engine.markets.sales import frame
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.english import EnglishOffer
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from tests.any_body import any_body
from tests.engine.markets.sales.room import FOURTH, SELLER, A, Room, Z, told, why
from tests.recorder import SECOND_NS, bid_of, kinds

K = EventKind
PAPER, OTHER = b"a" * 32, b"b" * 32


def stage_at(room: Room, after_s: float) -> SaleStage:
    room.do(bodies.Time(), after_s=after_s)
    return room.sale.stage


# --- plan ------------------------------------------------------------------------------------------------------------


def test_a_sale_without_stages_opens_at_once():
    room = Room()
    assert kinds(room.opened) == [K.SALE_PLANNED, K.SALE_STAGE, K.SALE_OPENED]
    assert room.sale.stage == SaleStage.LIVE and room.sale.state == SaleState.OPEN


def test_a_sale_goes_through_its_stages():
    room = Room(viewing_s=10, registration_s=20, prebids_s=30, live_s=40)
    assert kinds(room.opened) == [K.SALE_PLANNED] and room.sale.market is None
    assert [stage_at(room, 10) for _ in range(4)] == [1, 2, 3, 4]
    assert room.sale.stage_due_ns == 0


def test_stages_that_are_due_together_follow_one_another():
    room = Room(viewing_s=10, live_s=40)
    events = room.do(bodies.Time(), after_s=100)
    assert told(events, K.SALE_STAGE, "qty") == [SaleStage.VIEWING, SaleStage.LIVE]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, Reason.VERSION_STALE),
        ({"plan": (SaleLot(99, "whose", 1, 30_000),)}, Reason.ACCOUNT_UNKNOWN),
        ({"tick_size": "0"}, Reason.BODY_INVALID),
        ({"agreement": b"short"}, Reason.BODY_INVALID),
        ({"registration": "agreement"}, Reason.BODY_INVALID),  # to which?
        ({"plan": (SaleLot(1, "lot", 10, 30_000, least_bags=11),)}, Reason.BODY_INVALID),
        ({"viewing_s": 5}, Reason.BODY_INVALID),  # when is it live?
        ({"viewing_s": 50, "live_s": 40}, Reason.BODY_INVALID),
        ({"live_s": -5}, Reason.DUE_IN_PAST),
        ({"live_s": 800}, Reason.DUE_IN_PAST),  # after `open_until`
        ({"value_numerator": 2**62, "value_denominator": 1}, Reason.NOTIONAL_RANGE),
        ({"clock_ns": SECOND_NS - 1}, Reason.BODY_INVALID),
        ({"stagger_ns": 5}, Reason.BODY_INVALID),
        ({"style": "timed"}, Reason.BODY_INVALID),  # with a time until which it waits for first bids
        ({"style": "timed", "open_until_ns": 0}, Reason.DUE_IN_PAST),  # without an end
        ({"style": "timed", "open_until_ns": 0, "ends_s": 9, "stagger_ns": 1}, Reason.BODY_INVALID),
        ({"stop_s": -1}, Reason.DUE_IN_PAST),
        ({"plan": (SaleLot(1, "lot", 10, 30_000, least_bags=2),), "normal_bids": True}, Reason.BODY_INVALID),
    ],
)
def test_a_plan_that_cannot_be_held_is_refused(changes, reason):
    room = Room()
    before = room.recorder.machine.state_hash()
    assert why(room.do(room.plan(sale=2, **changes))) == reason
    assert 2 not in room.recorder.machine.venue.sales
    assert room.recorder.machine.state_hash() != before, "the command counts, and nothing else"


def test_terms_change_by_the_next_version_until_it_opens():
    room = Room(viewing_s=10, prebids_s=20, live_s=30)
    later = structs.replace(room.sale.terms, version=2, title="another title")
    assert why(room.do(structs.replace(later, version=3))) == Reason.VERSION_STALE
    assert why(room.do(structs.replace(later, version=1))) == Reason.ALREADY_EXISTS
    assert told(room.do(later), K.SALE_PLANNED, "qty") == [2] and room.sale.terms.title == "another title"
    assert stage_at(room, 10) == SaleStage.VIEWING
    moved = structs.replace(later.stages, viewing_ns=later.stages.viewing_ns + 1)
    assert why(room.do(structs.replace(later, version=3, stages=moved))) == Reason.TERMS_FIXED
    moved = structs.replace(later.stages, live_ns=later.stages.live_ns + 60 * SECOND_NS)
    assert why(room.do(structs.replace(later, version=3, stages=moved))) == Reason.NONE
    assert stage_at(room, 10) == SaleStage.PREBIDS
    assert why(room.do(structs.replace(later, version=4))) == Reason.TERMS_FIXED
    assert stage_at(room, 69) == SaleStage.PREBIDS and stage_at(room, 1) == SaleStage.LIVE


def test_an_outage_moves_the_stages_and_what_the_terms_time():
    room = Room(viewing_s=10, live_s=100, stop_s=400)
    room.do(bodies.Time(), after_s=50)
    last_ns = room.recorder.ts_ns
    room.do(bodies.Resume(last_ns, last_ns + 1_000 * SECOND_NS), after_s=1_000)
    assert room.sale.stage == SaleStage.VIEWING
    assert stage_at(room, 49) == SaleStage.VIEWING and stage_at(room, 1) == SaleStage.LIVE
    now_ns, timers = room.recorder.ts_ns, room.recorder.machine.venue.timers
    left = {timer.kind: (timer.due_ns - now_ns) // SECOND_NS for timer in timers}
    assert left[TimerKind.SALE_OPEN_UNTIL] == 500 and left[TimerKind.SALE_ROUND] == 300


# --- who may bid -----------------------------------------------------------------------------------------------------


def test_who_registers_accepts_the_agreement_that_holds():
    room = Room(registration="agreement", agreement=PAPER)
    assert why(room.bid(A, 1, 500)) == Reason.NOT_REGISTERED
    assert why(room.do(cold(bodies.Register(1, OTHER), account=A))) == Reason.AGREEMENT_OTHER
    assert why(room.do(cold(bodies.Register(1, PAPER)))) == Reason.ACCOUNT_UNKNOWN
    events = room.do(cold(bodies.Register(1, PAPER), account=A))
    assert told(events, K.BIDDER_SET, "account", "qty") == [(A, BidderFlag.REGISTERED)]
    assert why(room.bid(A, 1, 500)) == Reason.NONE
    assert why(room.do(cold(bodies.Register(9, PAPER), account=A))) == Reason.SALE_UNKNOWN


def test_who_is_to_be_admitted_is_asked_for_both():
    room = Room(registration="admission", agreement=PAPER)
    room.do(bodies.Admit(1, A, True))
    assert why(room.bid(A, 1, 500)) == Reason.NOT_REGISTERED
    room.do(cold(bodies.Register(1, PAPER), account=Z))
    assert why(room.bid(Z, 1, 500)) == Reason.NOT_ADMITTED
    room.do(bodies.Admit(1, Z, True, 10**9))
    assert why(room.bid(Z, 1, 500)) == Reason.NONE


def test_a_barred_account_bids_no_more_and_its_bids_stand():
    room = Room(lots=1)
    room.bid(A, 1, 500)
    assert told(room.do(bodies.Admit(1, A, False)), K.BIDDER_SET, "qty") == [BidderFlag.BARRED]
    assert why(room.bid(A, 1, 600)) == Reason.NOT_ADMITTED and room.lot().leader == A
    assert why(room.do(cold(bodies.Register(1), account=A))) == Reason.NOT_ADMITTED
    assert why(room.do(bodies.Admit(1, 99, True))) == Reason.ACCOUNT_UNKNOWN


def test_registration_begins_with_its_stage():
    room = Room(viewing_s=10, registration_s=20, live_s=30)
    assert why(room.do(cold(bodies.Register(1), account=A))) == Reason.SALE_NOT_OPEN
    room.do(bodies.Time(), after_s=10)
    assert why(room.do(cold(bodies.Register(1), account=A), after_s=10)) == Reason.NONE


def test_a_new_agreement_takes_registrations_back_and_no_admission():
    room = Room(live_s=30, registration="admission", agreement=PAPER)
    room.do(cold(bodies.Register(1, PAPER), account=A), bodies.Admit(1, A, True))
    room.do(structs.replace(room.sale.terms, version=2, agreement=OTHER))
    bidder = room.sale.bidders[A]
    assert (bidder.registered_ns, bidder.admitted) == (0, True)


def test_a_frozen_account_neither_registers_nor_bids():
    room = Room()
    room.do(bodies.SetAccount(A, frozen=True))
    assert why(room.bid(A, 1, 500)) == Reason.ACCOUNT_FROZEN
    assert why(room.do(cold(bodies.Register(1), account=A))) == Reason.ACCOUNT_FROZEN


def test_a_sale_has_so_many_bidders(monkeypatch):
    assert SALE_BIDDERS_MAX == 10_000
    monkeypatch.setattr(frame, "SALE_BIDDERS_MAX", 2)
    room = Room()
    room.do(*(cold(bodies.Register(1), account=account) for account in (A, Z)))
    assert why(room.do(cold(bodies.Register(1), account=FOURTH))) == Reason.LIMIT_REACHED
    assert why(room.do(bodies.Admit(1, FOURTH, True))) == Reason.LIMIT_REACHED
    assert why(room.do(cold(bodies.Register(1), account=A))) == Reason.NONE


# --- refusals in their order, ends -----------------------------------------------------------------------------------


def test_an_offer_of_another_mechanism_is_refused():
    seeds = (Random(seed) for seed in range(99))
    offer = next(one for one in (any_body(seed, bodies.Bid, 0).offer for seed in seeds) if not is_english(one))
    assert why(Room().do(cold(bodies.Bid(1, offer), account=A))) == Reason.OFFER_UNFIT


def is_english(offer: object) -> bool:
    return isinstance(offer, EnglishOffer)


def test_the_frames_refusals_come_in_their_order():
    """Each step takes away the first reason and finds the next."""
    room = Room(live_s=10, registration="admission", agreement=PAPER)
    assert why(room.do(bid_of(A, 9, 500, sale=7))) == Reason.SALE_UNKNOWN
    assert why(room.do(bid_of(0, 9, 500))) == Reason.ACCOUNT_UNKNOWN
    room.do(bodies.KillSwitch(True), bodies.SetAccount(A, frozen=True))
    assert why(room.bid(A, 9, 500)) == Reason.VENUE_STOPPED
    room.do(bodies.KillSwitch(False))
    assert why(room.bid(A, 9, 500)) == Reason.ACCOUNT_FROZEN
    room.do(bodies.SetAccount(A, frozen=False))
    assert why(room.bid(A, 9, 500)) == Reason.SALE_NOT_OPEN
    room.do(bodies.Time(), after_s=10)
    assert why(room.bid(A, 9, 500)) == Reason.NOT_REGISTERED
    room.do(cold(bodies.Register(1, PAPER), account=A))
    assert why(room.bid(A, 9, 500)) == Reason.NOT_ADMITTED
    room.do(bodies.Admit(1, A, True))
    assert why(room.bid(A, 9, 500)) == Reason.LOT_UNKNOWN


def test_a_sale_that_is_not_live_is_not_ended():
    room = Room(live_s=10)
    assert why(room.do(bodies.EndSale(1))) == Reason.SALE_NOT_OPEN
    assert why(room.do(bodies.DecideBid(1, 5, False))) == Reason.SALE_NOT_OPEN
    assert why(room.do(bodies.DecideBid(4, 5, False))) == Reason.SALE_UNKNOWN


@pytest.mark.parametrize("stages", [{"live_s": 10}, {}])
def test_of_a_void_sale_nothing_holds(stages):
    room = Room(**stages)
    room.bid(A, 1, 500)
    assert kinds(room.do(bodies.VoidSale(1, "the wrong lots")))[0] == K.SALE_VOIDED
    assert room.sale.stage == SaleStage.VOID and not room.recorder.machine.outage_clock_runs()
    assert why(room.bid(A, 1, 600)) == Reason.SALE_CLOSED
    for body in (bodies.VoidSale(1), bodies.EndSale(1), bodies.Admit(1, A, True)):
        assert why(room.do(body)) == Reason.SALE_CLOSED
    assert why(room.do(bodies.VoidSale(3))) == Reason.SALE_UNKNOWN


def test_a_plan_restores_from_a_snapshot_in_every_stage():
    room = Room(viewing_s=10, registration_s=20, prebids_s=30, live_s=40, registration="admission", agreement=PAPER)
    room.do(cold(bodies.Register(1, PAPER), account=A), bodies.Admit(1, A, True, 10**9), after_s=20)
    for _ in range(4):
        room.recorder.restart(Books)
        room.bid(A, 1, 500, after_s=10)
    assert room.lot().leader == A
    assert room.recorder.replayed(Books)[0].state_hash() == room.recorder.machine.state_hash()
    assert SELLER not in room.sale.bidders
