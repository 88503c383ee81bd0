"""After the hammer: samples approved or not, allowances, the next bidder, disputes, splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import AwardState, EventKind, Reason
from engine.limits import AWARD_ASKS_MAX, AWARD_NS_MIN, AWARD_SHARES_MAX
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.sales import after
from engine.messages.sales.after import After, Contract, Settle, Share, Split
from engine.messages.sales.commands import Admit, VoidSale
from engine.messages.sales.sealed import Payment
from engine.messages.views import account_view, public_view
from engine.oracle.books import Books
from engine.state.sales.awards import ENDED, HOLDING, Award
from engine.state.sales.sealed import SealedState
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, kinds, of_kind, open_venue, refusal
from tests.sealed_sales import key_of, keys, sealed_bid, sealed_sale

SELLER, A, B, C, OTHER = 1, 2, 3, 4, 5
DAY_NS = 24 * 3600 * SECOND_NS
SAMPLE = After(sample_ns=14 * DAY_NS, rejected="next_bidder", offer_ns=3 * DAY_NS)
FINAL, PROVISIONAL, OFFERED = AwardState.FINAL, AwardState.PROVISIONAL, AwardState.OFFERED
REJECTED, DECLINED, DISPUTED = AwardState.REJECTED, AwardState.DECLINED, AwardState.DISPUTED
ASKED, VOID = AwardState.ALLOWANCE_ASKED, AwardState.VOID


def sold(
    said: After = SAMPLE, payment: Payment = Payment.FIRST_PRICE, bids: dict[int, tuple[int, int]] | None = None
) -> Recorder:
    """Lot 1 is sold to the best of `bids` (price, bags); the bidders are known to the sale."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(sealed_sale(recorder.ts_ns, payment, lots=1, after=said))
    bids = bids or {A: (500, 10), B: (470, 10), C: (450, 10)}
    recorder.do(*(Admit(1, account, True) for account in bids))
    recorder.do(*(sealed_bid(account, (1, *step)) for account, step in bids.items()))
    market = recorder.machine.venue.sales[1].market
    assert isinstance(market, SealedState)
    recorder.ts_ns = market.closes_ns
    recorder.do(keys(*((one.seq, key_of(one.account)) for one in market.bids.values())))
    return recorder


def awards_in(recorder: Recorder) -> dict[int, Award]:
    return recorder.machine.venue.awards


def settle(account: int, act: after.Act, award: int = 1) -> Batch:
    return cold(Settle(award, act), account=account)


def states(recorder: Recorder) -> list[tuple[int, int, AwardState]]:
    """(buyer, price, state) of each award by number."""
    return [(one.buyer, one.price, one.state) for _, one in sorted(awards_in(recorder).items())]


def wait(recorder: Recorder, award: int = 1) -> np.ndarray:
    recorder.ts_ns = awards_in(recorder)[award].due_ns
    return recorder.do(bodies.Time())


def committed(recorder: Recorder, account: int) -> int:
    return recorder.machine.venue.sales[1].bidders[account].committed_minor


# --- without and with a sample ---------------------------------------------------------------------------------------


def test_without_a_sample_it_is_final_at_once():
    recorder = sold(After())
    assert states(recorder) == [(A, 500, FINAL)]
    award = awards_in(recorder)[1]
    assert (award.seller, award.bags, award.value_minor, award.due_ns) == (SELLER, 10, 330_693, 0)
    assert refusal(recorder.do(settle(A, after.Reject()))) == Reason.ACT_UNFIT
    assert not recorder.machine.outage_clock_runs()


def test_an_english_sale_makes_awards_too():
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(auction_sale(recorder.ts_ns, lots=1, after=SAMPLE))
    recorder.do(bid_of(A, 1, 600), bid_of(B, 1, 500))
    events = recorder.do(bodies.Time(), after_s=180)
    told = of_kind(events, EventKind.AWARD_SET)
    assert (told["order"].tolist(), told["counter_order"].tolist(), told["reason"].tolist()) == (
        [1],
        [1],
        [PROVISIONAL],
    )
    recorder.do(settle(A, after.Reject("mouldy")))
    assert states(recorder) == [(A, 510, REJECTED), (B, 500, OFFERED)]


def test_the_buyer_approves_the_sample():
    recorder = sold()
    assert states(recorder) == [(A, 500, PROVISIONAL)]
    assert awards_in(recorder)[1].due_ns == recorder.ts_ns + 14 * DAY_NS
    events = recorder.do(settle(A, after.Accept()))
    assert kinds(events) == [EventKind.AWARD_SET]
    assert states(recorder) == [(A, 500, FINAL)] and awards_in(recorder)[1].due_ns == 0


@pytest.mark.parametrize(("silence", "state"), [("accepted", FINAL), ("rejected", REJECTED)])
def test_what_silence_means_the_terms_declare(silence, state):
    recorder = sold(After(sample_ns=14 * DAY_NS, silence=silence))
    recorder.ts_ns = awards_in(recorder)[1].due_ns - 1
    recorder.do(bodies.Time())
    assert states(recorder) == [(A, 500, PROVISIONAL)]
    events = wait(recorder)
    assert states(recorder) == [(A, 500, state)]
    assert (EventKind.LOT_PASSED_IN in kinds(events)) == (state == REJECTED)


# --- the next bidder -------------------------------------------------------------------------------------------------


def test_a_rejected_lot_is_offered_to_the_next_at_its_own_price():
    recorder = sold()
    assert committed(recorder, A) == 330_693
    events = recorder.do(settle(A, after.Reject("mouldy")))
    assert kinds(events) == [EventKind.AWARD_SET, EventKind.LOT_CHANGED, EventKind.AWARD_SET]
    assert states(recorder) == [(A, 500, REJECTED), (B, 470, OFFERED)]
    assert committed(recorder, A) == committed(recorder, B) == 0
    assert public_view(events)["kind"].tolist() == [EventKind.LOT_CHANGED], "to whom it is offered is no one's business"
    assert public_view(events)["qty"].tolist() == [0]
    assert awards_in(recorder)[2].due_ns == recorder.ts_ns + 3 * DAY_NS
    events = recorder.do(settle(B, after.Accept(), award=2))
    assert kinds(events) == [EventKind.AWARD_SET, EventKind.LOT_SOLD]
    assert states(recorder)[1] == (B, 470, FINAL)
    assert committed(recorder, B) == awards_in(recorder)[2].value_minor == 310_852
    assert recorder.machine.venue.sales[1].sold == {1: 10}


def test_offers_go_on_until_nobody_is_left():
    recorder = sold()
    recorder.do(settle(A, after.Reject()))
    recorder.do(settle(B, after.Reject(), award=2))
    assert states(recorder) == [(A, 500, REJECTED), (B, 470, DECLINED), (C, 450, OFFERED)]
    events = wait(recorder, 3)
    assert states(recorder)[2] == (C, 450, DECLINED)
    assert of_kind(events, EventKind.LOT_PASSED_IN)["qty"].tolist() == [10]
    assert recorder.machine.venue.sales[1].sold == {}
    assert not recorder.machine.outage_clock_runs()


def test_bags_of_a_divided_lot_go_on_to_several():
    """Ten bags: 6 to A, 4 of 6 to B. A rejects: B may have its other 2, C 4 (least 2)."""
    recorder = sold(payment=Payment.DISCRIMINATORY, bids={A: (500, 6), B: (470, 6), C: (450, 5)})
    assert [(one.buyer, one.bags) for one in awards_in(recorder).values()] == [(A, 6), (B, 4)]
    recorder.do(settle(A, after.Reject()))
    offers = [(one.buyer, one.bags, one.price) for one in awards_in(recorder).values() if one.state == OFFERED]
    assert offers == [(B, 2, 470), (C, 4, 450)]
    assert all(one.instead_of == 1 for one in awards_in(recorder).values() if one.state == OFFERED)
    recorder.do(settle(B, after.Reject(), award=3))
    assert len(awards_in(recorder)) == 4, "C has an offer already"
    assert states(recorder)[1] == (B, 470, PROVISIONAL), "what B bought by the hammer it still has"


def test_without_a_next_bidder_it_is_unsold():
    recorder = sold(After(sample_ns=DAY_NS))
    events = recorder.do(settle(A, after.Reject()))
    assert kinds(events) == [EventKind.AWARD_SET, EventKind.LOT_CHANGED, EventKind.LOT_PASSED_IN]


# --- allowances ------------------------------------------------------------------------------------------------------


def test_an_allowance_that_the_seller_agrees_to():
    recorder = sold()
    events = recorder.do(settle(A, after.AskAllowance(480, "2 % more moisture")))
    assert events["price"].tolist() == [480] and states(recorder) == [(A, 500, ASKED)]
    assert len(account_view(events, SELLER)) == len(account_view(events, A)) == 1 and not len(public_view(events))
    assert refusal(recorder.do(settle(SELLER, after.AgreeAllowance(470)))) == Reason.ALLOWANCE_RANGE
    events = recorder.do(settle(SELLER, after.AgreeAllowance(480)))
    assert states(recorder) == [(A, 480, FINAL)]
    assert awards_in(recorder)[1].value_minor == committed(recorder, A) == 317_466
    assert public_view(events)[["kind", "price", "qty"]].tolist() == [(EventKind.LOT_CHANGED, 480, 10)]


@pytest.mark.parametrize("silent", [False, True])
def test_an_allowance_refused_gives_the_buyer_the_time_that_was_left(silent):
    recorder = sold()
    recorder.ts_ns += 4 * DAY_NS
    recorder.do(settle(A, after.AskAllowance(480)))
    if silent:
        wait(recorder)
    else:
        recorder.do(settle(SELLER, after.RefuseAllowance("it is as the sample was")), after_s=3600)
    assert states(recorder) == [(A, 500, PROVISIONAL)]
    assert awards_in(recorder)[1].due_ns == recorder.ts_ns + 10 * DAY_NS


def test_a_buyer_has_an_hour_at_least():
    recorder = sold()
    recorder.ts_ns = awards_in(recorder)[1].due_ns - SECOND_NS
    recorder.do(settle(A, after.AskAllowance(480)))
    recorder.do(settle(SELLER, after.RefuseAllowance()))
    assert awards_in(recorder)[1].due_ns == recorder.ts_ns + AWARD_NS_MIN


def test_a_buyer_asks_so_often():
    recorder = sold()
    for _ in range(AWARD_ASKS_MAX):
        recorder.do(settle(A, after.AskAllowance(480)))
        recorder.do(settle(SELLER, after.RefuseAllowance()))
    assert refusal(recorder.do(settle(A, after.AskAllowance(480)))) == Reason.ACT_UNFIT


# --- who may do what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "act", "reason"),
    [
        (B, after.Accept(), Reason.NOT_OWNER),
        (SELLER, after.Accept(), Reason.NOT_OWNER),
        (SELLER, after.Reject(), Reason.NOT_OWNER),
        (0, after.Accept(), Reason.NOT_OWNER),
        (A, after.AgreeAllowance(480), Reason.NOT_OWNER),
        (SELLER, after.AgreeAllowance(480), Reason.ACT_UNFIT),
        (SELLER, after.RefuseAllowance(), Reason.ACT_UNFIT),
        (A, after.AskAllowance(500), Reason.ALLOWANCE_RANGE),
        (B, after.Dispute(), Reason.NOT_OWNER),
        (0, after.Dispute(), Reason.NOT_OWNER),
        (0, after.Decide("accepted", 510), Reason.ALLOWANCE_RANGE),
    ],
)
def test_what_is_refused(account, act, reason):
    recorder = sold()
    before = repr(awards_in(recorder))
    assert refusal(recorder.do(settle(account, act))) == reason
    assert repr(awards_in(recorder)) == before
    assert refusal(recorder.do(settle(account, act, award=9))) == Reason.AWARD_UNKNOWN


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (After(sample_ns=1), Reason.BODY_INVALID),
        (After(sample_ns=367 * DAY_NS), Reason.BODY_INVALID),
        (After(sample_ns=DAY_NS, rejected="next_bidder"), Reason.BODY_INVALID),
        (After(contract=Contract(incoterm="FOB")), Reason.BODY_INVALID),  # the place is a part of it
        (After(contract=Contract(place="Callao")), Reason.BODY_INVALID),
        (After(contract=Contract(incoterm="FOR", place="Callao")), Reason.BODY_INVALID),
        (After(contract=Contract(shipment_from="2027-06-01", shipment_to="2027-05-01")), Reason.BODY_INVALID),
        (After(contract=Contract(shipment_from="May")), Reason.BODY_INVALID),
    ],
)
def test_terms_that_do_not_hold_together(said, reason):
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    assert refusal(recorder.do(auction_sale(recorder.ts_ns, after=said))) == reason


# --- the operator ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [A, SELLER])
@pytest.mark.parametrize(
    ("act", "state", "price"),
    [
        (after.Decide("accepted"), FINAL, 500),
        (after.Decide("accepted", 450), FINAL, 450),
        (after.Decide("rejected"), REJECTED, 500),
        (after.VoidAward("sold by mistake"), VOID, 500),
    ],
)
def test_a_dispute_is_decided(by, act, state, price):
    recorder = sold()
    recorder.do(settle(by, after.Dispute("weights")))
    assert states(recorder) == [(A, 500, DISPUTED)] and awards_in(recorder)[1].due_ns == 0
    assert refusal(recorder.do(settle(A, after.Accept()))) == Reason.ACT_UNFIT
    recorder.do(settle(0, act))
    assert states(recorder)[0] == (A, price, state)
    assert len(awards_in(recorder)) == (2 if state == REJECTED else 1), "a void lot is offered to nobody"
    assert [step.account for step in awards_in(recorder)[1].history] == [0, by, 0]


def test_a_final_award_can_be_disputed():
    recorder = sold(After())
    recorder.do(settle(A, after.Dispute("landed short")))
    recorder.do(settle(0, after.Decide("accepted", 490, "2 % short")))
    assert states(recorder) == [(A, 490, FINAL)]


def test_of_a_void_sale_no_award_holds():
    recorder = sold()
    recorder.do(settle(A, after.Reject()))
    recorder.do(VoidSale(1, "the crop was another's"))
    assert [state for _, _, state in states(recorder)] == [REJECTED, VOID]
    assert not recorder.machine.outage_clock_runs()
    assert committed(recorder, A) == committed(recorder, B) == 0


# --- outages ---------------------------------------------------------------------------------------------------------


def test_an_outage_moves_a_deadline():
    recorder = sold()
    due_ns, before_ns = awards_in(recorder)[1].due_ns, recorder.ts_ns
    recorder.ts_ns += 20 * DAY_NS
    recorder.do(bodies.Resume(before_ns, recorder.ts_ns))
    assert states(recorder) == [(A, 500, PROVISIONAL)]
    assert awards_in(recorder)[1].due_ns == due_ns + 20 * DAY_NS
    wait(recorder)
    assert states(recorder) == [(A, 500, FINAL)]


def test_while_the_venue_is_stopped_parties_do_not_act():
    recorder = sold()
    recorder.do(bodies.KillSwitch(True))
    assert refusal(recorder.do(settle(A, after.Accept()))) == Reason.VENUE_STOPPED
    recorder.do(settle(0, after.Decide("accepted")))
    assert states(recorder) == [(A, 500, FINAL)]


# --- buying groups ---------------------------------------------------------------------------------------------------


def split(*shares: Share, account: int = A) -> Batch:
    return cold(Split(1, shares), account=account)


def test_the_lead_says_who_gets_how_many():
    recorder = sold()
    events = recorder.do(split(Share(4, account=B), Share(6, label="Roastery Norte")))
    assert kinds(events) == [EventKind.AWARD_SPLIT] and not len(public_view(events))
    assert awards_in(recorder)[1].shares == (Share(4, account=B), Share(6, label="Roastery Norte"))
    assert awards_in(recorder)[1].buyer == A, "the lead stays liable"
    recorder.do(split(Share(10, account=C)))
    assert awards_in(recorder)[1].shares == (Share(10, account=C),)


@pytest.mark.parametrize(
    ("shares", "account", "reason"),
    [
        ([Share(4, account=B)], A, Reason.SHARES_UNFIT),
        ([Share(4, account=B), Share(7, account=C)], A, Reason.SHARES_UNFIT),
        ([Share(4, account=B), Share(6, account=B)], A, Reason.SHARES_UNFIT),
        ([Share(4, label="x"), Share(6, label=" x")], A, Reason.SHARES_UNFIT),
        ([Share(10)], A, Reason.SHARES_UNFIT),
        ([Share(10, account=B, label="B")], A, Reason.SHARES_UNFIT),
        ([Share(10, account=77)], A, Reason.ACCOUNT_UNKNOWN),
        ([Share(10, account=B)], B, Reason.NOT_OWNER),
        ([Share(10, account=B)], SELLER, Reason.NOT_OWNER),
        ([Share(1, label=str(n)) for n in range(AWARD_SHARES_MAX + 1)], A, Reason.BODY_INVALID),
    ],
)
def test_a_split_that_is_refused(shares, account, reason):
    recorder = sold()
    assert refusal(recorder.do(split(*shares, account=account))) == reason
    assert awards_in(recorder)[1].shares == ()


def test_what_was_rejected_is_not_split():
    recorder = sold()
    recorder.do(settle(A, after.Reject()))
    assert refusal(recorder.do(split(Share(10, account=B)))) == Reason.ACT_UNFIT


# --- properties ------------------------------------------------------------------------------------------------------

ACTS = st.sampled_from([
    after.Accept(), after.Reject(), after.AskAllowance(440), after.AgreeAllowance(440), after.RefuseAllowance(),
    after.Dispute(), after.Decide("accepted"), after.Decide("accepted", 430), after.Decide("rejected"),
    after.VoidAward(),
])  # fmt: skip
MOVES = st.lists(st.tuples(st.integers(0, 4), ACTS, st.integers(1, 4), st.integers(0, 6)), max_size=14)


@given(
    moves=MOVES, payment=st.sampled_from([Payment.FIRST_PRICE, Payment.UNIFORM, Payment.DISCRIMINATORY]), data=st.data()
)
@settings(max_examples=150, deadline=None)
def test_no_bag_is_sold_twice_and_a_replay_is_identical(moves, payment, data):
    bids: dict[int, tuple[int, int]] = {A: (500, 10), B: (470, 10), C: (450, 10)}
    if payment != Payment.FIRST_PRICE:
        bids = {A: (500, 6), B: (470, 6), C: (450, 5), OTHER: (440, 4)}
    recorder = sold(payment=payment, bids=bids)
    restart = data.draw(st.integers(0, 14))
    for at, (account, act, award, days) in enumerate(moves):
        if at == restart:
            recorder.restart(Books)
        recorder.ts_ns += days * DAY_NS
        recorder.do(settle(account, act, award))
        awards = awards_in(recorder).values()
        held = {n: sum(one.bags for one in awards if one.state in HOLDING and one.buyer == n) for n in bids}
        promised = sum(one.bags for one in awards if one.state not in ENDED)
        assert promised <= 10
        assert recorder.machine.venue.sales[1].sold == ({1: sum(held.values())} if sum(held.values()) else {})
        for n in bids:
            worth = sum(one.value_minor for one in awards if one.state in HOLDING and one.buyer == n)
            assert committed(recorder, n) == worth
        due = {one.timer for one in awards if one.due_ns}
        assert {timer.timer for timer in recorder.machine.venue.timers if timer.kind == 11} == due
        assert all((one.due_ns > recorder.ts_ns) == bool(one.timer) for one in awards)
        assert all(one.history[-1].state == one.state for one in awards)
    again, _ = recorder.replayed(Books)
    assert again.state_hash() == recorder.machine.state_hash()
    assert again.event_digest == recorder.machine.event_digest
