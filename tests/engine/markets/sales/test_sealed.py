"""Sealed bids: what is refused, what is void, who wins, and what nobody learns before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import limits
from engine.codes import EventKind, Reason, SaleState
from engine.limits import SEALED_ACCOUNT_BYTES_MAX, SEALED_CIPHERTEXT_BYTES_MAX
from engine.machine import Machine
from engine.markets.sales import views
from engine.markets.sales.mechanism import mechanism_of
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.commands import Admit, Bid, DecideBid, EndSale
from engine.messages.sales.english import EnglishOffer
from engine.messages.sales.sealed import Payment, SealedOffer
from engine.messages.sales.terms import Stages
from engine.messages.views import operator_view as operator_events
from engine.messages.views import public_view as public_events
from engine.oracle.books import Books
from engine.state.sales.sale import Sale
from engine.state.sales.sealed import SealedState
from tests.recorder import SECOND_NS, Recorder, kinds, of_kind, open_venue, refusal
from tests.sealed_sales import key_of, keys, sealed_bid, sealed_sale

SELLER, A, B, C = 1, 2, 3, 4


def on_sale(payment: Payment = Payment.FIRST_PRICE, **changes: Any) -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    events = recorder.do(sealed_sale(recorder.ts_ns, payment, **changes))
    assert EventKind.SALE_OPENED in kinds(events), Reason(int(events["reason"][-1]))
    return recorder


def sale_in(recorder: Recorder) -> Sale:
    return recorder.machine.venue.sales[1]


def market_in(recorder: Recorder) -> SealedState:
    market = sale_in(recorder).market
    assert isinstance(market, SealedState)
    return market


def close(recorder: Recorder) -> np.ndarray:
    recorder.ts_ns = max(recorder.ts_ns, market_in(recorder).closes_ns)
    return recorder.do(bodies.Time())


def seq_of(recorder: Recorder, account: int, lot: int = 0) -> int:
    return next(one.seq for one in market_in(recorder).bids.values() if (one.account, one.lot) == (account, lot))


def open_all(recorder: Recorder, *accounts: int) -> np.ndarray:
    return recorder.do(keys(*((seq_of(recorder, account), key_of(account)) for account in accounts)))


def results(events: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(lot, account, price, bags)"""
    sold = of_kind(events, EventKind.LOT_SOLD)
    return [tuple(map(int, (one["instrument"], one["account"], one["price"], one["qty"]))) for one in sold]


# --- a whole sale ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("payment", "price"), [(Payment.FIRST_PRICE, 500), (Payment.VICKREY, 470)])
def test_a_whole_sale(payment, price):
    recorder = on_sale(payment)
    events = recorder.do(sealed_bid(A, (1, 500, 10)), sealed_bid(B, (1, 470, 10)))
    assert kinds(events) == [EventKind.SEALED_BID] * 2
    assert kinds(close(recorder)) == [EventKind.TIMER, EventKind.BIDS_CLOSED, EventKind.DONE]
    assert sale_in(recorder).state == SaleState.PENDING
    events = open_all(recorder, A, B)
    assert kinds(events)[:2] == [EventKind.BID_OPENED] * 2
    assert results(events) == [(1, A, price, 10)]
    assert of_kind(events, EventKind.LOT_PASSED_IN)["instrument"].tolist() == [2]
    assert kinds(events)[-1] == EventKind.SALE_FINISHED
    assert sale_in(recorder).state == SaleState.FINISHED
    assert not recorder.machine.outage_clock_runs()
    assert [one.ciphertext for one in market_in(recorder).bids.values()] == [b"", b""]


def test_bag_by_bag():
    recorder = on_sale(Payment.DISCRIMINATORY, lots=1)
    recorder.do(sealed_bid(A, (1, 500, 4), (1, 430, 6)), sealed_bid(B, (1, 470, 4)), sealed_bid(C, (1, 430, 5), lot=1))
    close(recorder)
    recorder.do(keys((seq_of(recorder, C, 1), key_of(C)), account=C))
    assert results(open_all(recorder, A, B)) == [(1, A, 500, 4), (1, B, 470, 4), (1, A, 430, 2)]
    assert mechanism_of(sale_in(recorder)).offers_next(sale_in(recorder), 1) == [(A, 430, 4), (C, 430, 5)]


def test_what_is_left_over_passes_in():
    recorder = on_sale(Payment.UNIFORM, lots=1)
    recorder.do(sealed_bid(A, (1, 500, 4)), sealed_bid(B, (1, 470, 3)))
    close(recorder)
    events = open_all(recorder, A, B)
    assert results(events) == [(1, A, 470, 4), (1, B, 470, 3)]
    assert of_kind(events, EventKind.LOT_PASSED_IN)["qty"].tolist() == [3]


def test_without_bids_it_ends_at_the_closing_time():
    recorder = on_sale()
    events = close(recorder)
    assert kinds(events)[1:-1] == [EventKind.BIDS_CLOSED, EventKind.LOT_PASSED_IN, EventKind.LOT_PASSED_IN,
                                   EventKind.SALE_FINISHED]  # fmt: skip


def test_the_reserve_counts_in_the_second_price():
    recorder = on_sale(Payment.VICKREY, lots=1, lot={"reserve": 485})
    recorder.do(sealed_bid(A, (1, 500, 10)), sealed_bid(B, (1, 470, 10)))
    close(recorder)
    events = open_all(recorder, A, B)
    assert results(events) == [(1, A, 485, 10)]
    voided = of_kind(events, EventKind.BID_VOIDED)
    assert (voided["account"].tolist(), voided["reason"].tolist()) == ([B], [Reason.BELOW_RESERVE])


# --- one's own bid ---------------------------------------------------------------------------------------------------


def test_the_last_of_an_accounts_bids_counts():
    recorder = on_sale(lots=1)
    recorder.do(sealed_bid(A, (1, 600, 10)))
    first = seq_of(recorder, A)
    recorder.do(sealed_bid(B, (1, 500, 10)))
    events = recorder.do(sealed_bid(A, (1, 500, 10), nonce=1))
    assert events["counter_order"].tolist() == [first]
    close(recorder)
    assert refusal(recorder.do(keys((first, key_of(A))))) == Reason.BID_UNKNOWN
    events = recorder.do(keys((seq_of(recorder, A), key_of(A, 1)), (seq_of(recorder, B), key_of(B))))
    assert results(events) == [(1, B, 500, 10)], "a bid that was replaced has lost its place in time"


def test_a_bid_without_steps_withdraws():
    recorder = on_sale(lots=1)
    recorder.do(sealed_bid(A, (1, 600, 10)))
    recorder.do(sealed_bid(A, nonce=1))
    close(recorder)
    events = recorder.do(keys((seq_of(recorder, A), key_of(A, 1))))
    assert results(events) == [] and EventKind.BID_VOIDED not in kinds(events)


def test_of_two_that_name_a_lot_the_later_counts():
    recorder = on_sale()
    recorder.do(sealed_bid(A, (1, 600, 10), lot=1))
    recorder.do(sealed_bid(A, (1, 450, 10), (2, 460, 10), nonce=1))
    close(recorder)
    events = recorder.do(keys((seq_of(recorder, A, 1), key_of(A)), (seq_of(recorder, A), key_of(A, 1))))
    assert results(events) == [(1, A, 450, 10), (2, A, 460, 10)]


# --- refusals --------------------------------------------------------------------------------------------------------


def offer(ciphertext: bytes = b"x", lot: int = 0) -> SealedOffer:
    return SealedOffer(lot, ciphertext, bytes(32))


@pytest.mark.parametrize(
    ("account", "body", "reason"),
    [
        (A, Bid(1, EnglishOffer(1, 500)), Reason.OFFER_UNFIT),
        (A, Bid(1, offer(lot=3)), Reason.LOT_UNKNOWN),
        (SELLER, Bid(1, offer(lot=1)), Reason.SELF_BID),
        (0, Bid(1, offer()), Reason.ACCOUNT_UNKNOWN),
    ],
)
def test_a_refused_bid(account, body, reason):
    recorder = on_sale()
    before = recorder.machine.venue.sales[1].market
    assert refusal(recorder.do(cold(body, account=account))) == reason
    assert recorder.machine.venue.sales[1].market == before


def test_a_bid_at_the_closing_time_is_late():
    recorder = on_sale()
    recorder.do(sealed_bid(A, (1, 500, 10)))
    recorder.ts_ns = market_in(recorder).closes_ns
    events = recorder.do(sealed_bid(B, (1, 500, 10)))
    assert kinds(events)[:2] == [EventKind.TIMER, EventKind.BIDS_CLOSED]
    assert Reason(int(events["reason"][-1])) == Reason.BID_LATE


def test_an_account_has_so_many_bytes_in_a_sale(monkeypatch):
    lots = SEALED_ACCOUNT_BYTES_MAX // SEALED_CIPHERTEXT_BYTES_MAX
    recorder = on_sale(lots=lots + 1)
    for lot in range(1, lots + 1):
        recorder.do(cold(Bid(1, offer(bytes(SEALED_CIPHERTEXT_BYTES_MAX), lot)), account=A))
    assert refusal(recorder.do(cold(Bid(1, offer(b"x", lots + 1)), account=A))) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(cold(Bid(1, offer(b"x", lots)), account=A))) == [EventKind.SEALED_BID], "in place of one"
    assert kinds(recorder.do(cold(Bid(1, offer(b"x", lots + 1)), account=A))) == [EventKind.SEALED_BID]


def test_a_sale_has_so_many_bids(monkeypatch):
    monkeypatch.setattr("engine.markets.sales.sealed.SEALED_BIDS_MAX", 2)
    recorder = on_sale()
    recorder.do(sealed_bid(A), sealed_bid(B))
    assert refusal(recorder.do(sealed_bid(C))) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(sealed_bid(A, nonce=1))) == [EventKind.SEALED_BID]


@pytest.mark.parametrize(
    ("ciphertext", "commitment"),
    [(b"", 32), (bytes(SEALED_CIPHERTEXT_BYTES_MAX + 1), 32), (b"x", 31), (b"x", 33)],
)
def test_the_form_of_a_bid(ciphertext, commitment):
    body = Bid(1, SealedOffer(0, ciphertext, bytes(commitment)))
    assert refusal(on_sale().do(cold(body, account=A))) == Reason.BODY_INVALID


def test_a_command_has_so_many_keys():
    recorder = on_sale()
    many = [(1, bytes(32))] * (limits.SEALED_KEYS_PER_COMMAND_MAX + 1)
    assert refusal(recorder.do(keys(*many))) == Reason.BODY_INVALID
    assert refusal(recorder.do(keys(*many[:-1]))) == Reason.BIDS_NOT_CLOSED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bid_for_s": 0}, Reason.DUE_IN_PAST),
        ({"lot": {"least_bags": 1}}, Reason.BODY_INVALID),  # of lots that are sold whole
        ({"payment": Payment.UNIFORM, "lot": {"least_bags": 0}}, Reason.BODY_INVALID),
        ({"keys_s": 0}, Reason.BODY_INVALID),
        ({"keys_s": 32 * 24 * 3600}, Reason.BODY_INVALID),
        ({"approve_bids": True}, Reason.BODY_INVALID),
    ],
)
def test_terms_that_do_not_hold_together(changes, reason):
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    assert refusal(recorder.do(sealed_sale(recorder.ts_ns, **changes))) == reason


def test_it_takes_no_pre_bids():
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    stages = Stages(prebids_ns=recorder.ts_ns + 1, live_ns=recorder.ts_ns + 2)
    assert refusal(recorder.do(sealed_sale(recorder.ts_ns, stages=stages))) == Reason.BODY_INVALID


# --- keys ------------------------------------------------------------------------------------------------------------


def closed(**changes: Any) -> Recorder:
    """A and B have bid, bids are closed."""
    recorder = on_sale(lots=1, **changes)
    recorder.do(sealed_bid(A, (1, 500, 10)), sealed_bid(B, (1, 470, 10)))
    close(recorder)
    return recorder


def test_no_key_before_the_closing_time():
    recorder = on_sale()
    recorder.do(sealed_bid(A, (1, 500, 10)))
    for account in (0, A):
        told = keys((seq_of(recorder, A), key_of(A)), account=account)
        assert refusal(recorder.do(told)) == Reason.BIDS_NOT_CLOSED
    assert refusal(recorder.do(keys((1, bytes(32)), sale=9))) == Reason.SALE_UNKNOWN


def test_a_bidder_hands_in_its_own_keys_and_no_others():
    recorder = closed()
    a, b = seq_of(recorder, A), seq_of(recorder, B)
    assert refusal(recorder.do(keys((a, key_of(A)), account=B))) == Reason.NOT_OWNER
    assert kinds(recorder.do(keys((b, key_of(B)), account=B))) == [EventKind.BID_OPENED]
    assert results(recorder.do(keys((a, key_of(A)), account=A))) == [(1, A, 500, 10)]
    assert refusal(recorder.do(keys((a, key_of(A))))) == Reason.SALE_CLOSED


def test_a_key_that_does_not_fit_opens_nothing_and_voids_nothing():
    recorder = closed()
    a, b = seq_of(recorder, A), seq_of(recorder, B)
    assert refusal(recorder.do(keys((a, key_of(B))))) == Reason.KEY_WRONG
    events = recorder.do(keys((a, key_of(B)), (b, key_of(B))))
    assert kinds(events) == [EventKind.KEY_REFUSED, EventKind.BID_OPENED]
    assert results(recorder.do(keys((a, key_of(A))))) == [(1, A, 500, 10)]


def wait_for_keys(recorder: Recorder) -> np.ndarray:
    recorder.ts_ns = market_in(recorder).keys_due_ns
    return recorder.do(bodies.Time())


@pytest.mark.parametrize(("tried", "reason"), [(False, Reason.KEY_MISSING), (True, Reason.KEY_WRONG)])
def test_a_bid_whose_key_does_not_come_is_void(tried, reason):
    recorder = closed()
    a, b = seq_of(recorder, A), seq_of(recorder, B)
    recorder.do(keys((b, key_of(B)), *([(a, key_of(B))] if tried else [])))
    events = wait_for_keys(recorder)
    voided = of_kind(events, EventKind.BID_VOIDED)
    assert (voided["account"].tolist(), voided["reason"].tolist()) == ([A], [reason])
    assert results(events) == [(1, B, 470, 10)]


def test_or_nothing_is_sold():
    recorder = closed(without_key="sell_nothing")
    recorder.do(keys((seq_of(recorder, B), key_of(B))))
    events = wait_for_keys(recorder)
    assert results(events) == [] and EventKind.LOT_PASSED_IN in kinds(events)
    assert sale_in(recorder).state == SaleState.FINISHED


def test_a_ciphertext_is_nobody_elses():
    """B sends what A sent: the key opens nothing at B's place."""
    recorder = on_sale(lots=1)
    recorder.do(sealed_bid(A, (1, 500, 10)))
    stolen = market_in(recorder).bids[seq_of(recorder, A)]
    recorder.do(cold(Bid(1, SealedOffer(0, stolen.ciphertext, stolen.commitment)), account=B))
    close(recorder)
    a, b = seq_of(recorder, A), seq_of(recorder, B)
    events = recorder.do(keys((b, key_of(A)), (a, key_of(A))))
    assert kinds(events) == [EventKind.KEY_REFUSED, EventKind.BID_OPENED]
    assert results(wait_for_keys(recorder)) == [(1, A, 500, 10)]


def test_a_made_up_ciphertext_is_void():
    from engine.messages.sales.sealing import Place, commitment

    recorder = on_sale(lots=1)
    body = Bid(1, SealedOffer(0, b"made up, and long enough for a tag", commitment(key_of(A), Place(1, A, 0))))
    recorder.do(cold(body, account=A))
    close(recorder)
    events = recorder.do(keys((seq_of(recorder, A), key_of(A))))
    assert of_kind(events, EventKind.BID_VOIDED)["reason"].tolist() == [Reason.SEAL_BROKEN]
    assert EventKind.SALE_FINISHED in kinds(events)


# --- what is inside --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payment", "lot", "steps", "reason"),
    [
        (Payment.FIRST_PRICE, 0, [(1, 505, 10)], Reason.BID_INCREMENT),
        (Payment.FIRST_PRICE, 0, [(1, 390, 10)], Reason.BID_LOW),
        (Payment.FIRST_PRICE, 0, [(1, 500, 9)], Reason.BAGS_RANGE),
        (Payment.FIRST_PRICE, 0, [(1, 500, 10), (1, 480, 10)], Reason.BAGS_RANGE),
        (Payment.FIRST_PRICE, 0, [(3, 500, 10)], Reason.LOT_UNKNOWN),
        (Payment.FIRST_PRICE, 2, [(1, 500, 10)], Reason.LOT_UNKNOWN),
        (Payment.UNIFORM, 0, [(1, 500, 11)], Reason.BAGS_RANGE),
        (Payment.UNIFORM, 0, [(1, 500, 6), (1, 480, 5)], Reason.BAGS_RANGE),
        (Payment.UNIFORM, 0, [(1, 500, 1), (1, 480, 5)], Reason.BAGS_RANGE),  # the best step is below the least
    ],
)
def test_a_bid_that_is_void(payment, lot, steps, reason):
    recorder = on_sale(payment)
    recorder.do(sealed_bid(A, *steps, lot=lot), sealed_bid(B, (1, 400, 10)))
    close(recorder)
    events = recorder.do(keys((seq_of(recorder, A, lot), key_of(A)), (seq_of(recorder, B), key_of(B))))
    voided = of_kind(events, EventKind.BID_VOIDED)
    assert (voided["account"].tolist(), voided["reason"].tolist()) == ([A], [reason])
    assert results(events) == [(1, B, 400, 10)], "the others are as they were"


def test_a_sellers_own_bid_hidden_inside():
    recorder = on_sale()
    recorder.do(sealed_bid(SELLER, (1, 500, 10)))
    close(recorder)
    events = open_all(recorder, SELLER)
    assert of_kind(events, EventKind.BID_VOIDED)["reason"].tolist() == [Reason.SELF_BID]
    assert results(events) == []


def test_one_lot_of_a_bid_is_void_and_the_other_counts():
    recorder = on_sale()
    recorder.do(sealed_bid(A, (1, 505, 10), (2, 500, 10)))
    close(recorder)
    events = open_all(recorder, A)
    assert of_kind(events, EventKind.BID_VOIDED)["instrument"].tolist() == [1]
    assert results(events) == [(2, A, 500, 10)]


def test_steps_below_the_reserve_are_void_and_the_others_count():
    recorder = on_sale(Payment.UNIFORM, lots=1, lot={"reserve": 450})
    recorder.do(sealed_bid(A, (1, 500, 4), (1, 440, 4)))
    close(recorder)
    events = open_all(recorder, A)
    assert of_kind(events, EventKind.BID_VOIDED)["reason"].tolist() == [Reason.BELOW_RESERVE]
    assert results(events) == [(1, A, 500, 4)]


def test_an_account_is_held_to_the_operators_bound():
    """Lot 1 at 5.00 is 330,693 cents: both lots are beyond 500,000."""
    recorder = on_sale()
    recorder.do(Admit(1, A, True, 500_000))
    recorder.do(sealed_bid(A, (1, 500, 10), (2, 500, 10)), sealed_bid(B, (2, 450, 10)))
    close(recorder)
    events = open_all(recorder, A, B)
    assert of_kind(events, EventKind.BID_VOIDED)["reason"].tolist() == [Reason.COMMITMENT_LIMIT]
    assert results(events) == [(1, A, 500, 10), (2, B, 450, 10)]


# --- operator, outages -----------------------------------------------------------------------------------------------


def test_an_operator_voids_a_bid():
    recorder = closed()
    recorder.do(keys((seq_of(recorder, B), key_of(B))))
    events = recorder.do(DecideBid(1, seq_of(recorder, A), False, "defaulted before"))
    assert of_kind(events, EventKind.BID_VOIDED)["reason"].tolist() == [Reason.BY_OPERATOR]
    assert results(events) == [(1, B, 470, 10)]


def test_a_void_bid_may_be_placed_anew():
    recorder = on_sale(lots=1)
    recorder.do(sealed_bid(A, (1, 500, 10)))
    recorder.do(DecideBid(1, seq_of(recorder, A), False, "typing error, by telephone"))
    recorder.do(sealed_bid(A, (1, 450, 10)))
    assert len(market_in(recorder).bids) == 1
    close(recorder)
    assert results(open_all(recorder, A)) == [(1, A, 450, 10)]


def test_an_operator_ends_the_bidding_then_the_wait():
    recorder = on_sale(lots=1)
    recorder.do(sealed_bid(A, (1, 500, 10)))
    assert kinds(recorder.do(EndSale(1))) == [EventKind.BIDS_CLOSED]
    assert Reason(int(recorder.do(sealed_bid(B, (1, 500, 10)))["reason"][-1])) in (Reason.SALE_CLOSED, Reason.BID_LATE)
    events = recorder.do(EndSale(1))
    assert of_kind(events, EventKind.BID_VOIDED)["reason"].tolist() == [Reason.KEY_MISSING]
    assert sale_in(recorder).state == SaleState.FINISHED


def test_an_outage_moves_the_closing_time_and_that_of_the_keys():
    recorder = on_sale(lots=1)
    due_ns = market_in(recorder).closes_ns
    recorder.do(sealed_bid(A, (1, 500, 10)))
    before_ns = recorder.ts_ns
    recorder.ts_ns += 400 * SECOND_NS
    events = recorder.do(bodies.Resume(before_ns, recorder.ts_ns))
    assert kinds(events) == [EventKind.RESUMED]
    assert market_in(recorder).closes_ns == due_ns + 400 * SECOND_NS
    close(recorder)
    due_ns, before_ns = market_in(recorder).keys_due_ns, recorder.ts_ns
    recorder.ts_ns += 900 * SECOND_NS
    recorder.do(bodies.Resume(before_ns, recorder.ts_ns))
    assert market_in(recorder).keys_due_ns == due_ns + 900 * SECOND_NS
    assert results(open_all(recorder, A)) == [(1, A, 500, 10)]


def test_while_the_venue_is_stopped_no_key_is_taken():
    recorder = closed()
    recorder.do(bodies.KillSwitch(True))
    assert refusal(open_all(recorder, A)) == Reason.VENUE_STOPPED
    recorder.do(bodies.KillSwitch(False), after_s=10_000)
    assert results(open_all(recorder, A, B)) == [(1, A, 500, 10)]


# --- what nobody learns ----------------------------------------------------------------------------------------------


def test_before_the_opening_nothing_public_changes():
    recorder = on_sale(lot={"reserve": 4321})
    shown = repr(views.public_view(sale_in(recorder))), repr(views.operator_view(sale_in(recorder)))
    told = [recorder.do(sealed_bid(A, (1, 4870, 10), nonce=n), after_s=1) for n in range(3)]
    assert (repr(views.public_view(sale_in(recorder))), repr(views.operator_view(sale_in(recorder)).market)) == (
        shown[0], repr(mechanism_of(sale_in(recorder)).operator_view(sale_in(recorder)))
    )  # fmt: skip
    assert all(not len(public_events(events)) and not len(operator_events(events)) for events in told)
    assert "4321" not in shown[0] and "43.21" not in shown[0]
    assert repr(views.operator_view(sale_in(recorder))) == shown[1]


def test_own_bids_are_seen_by_their_account_alone():
    recorder = closed(lot={"reserve": 450})
    own = views.account_view(sale_in(recorder), A).market
    assert [bid.bid for bid in own.your_bids] == [seq_of(recorder, A)] and not own.your_bids[0].opened
    assert views.account_view(sale_in(recorder), C).market.your_bids == ()
    assert views.account_view(sale_in(recorder), SELLER).market.lots[0].your_reserve == "4.50"
    assert views.account_view(sale_in(recorder), A).market.lots[0].your_reserve is None
    assert {bid.account for bid in views.operator_view(sale_in(recorder)).market.bids} == {A, B}
    open_all(recorder, A, B)
    public = views.public_view(sale_in(recorder)).market.lots[0]
    assert [(one.price, one.bags) for one in public.results] == [("5.00", 10)]
    assert "4.70" not in repr(views.public_view(sale_in(recorder))), "bids that lost stay unpublished"


# --- properties ------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(-1, 9).map(lambda k: 400 + 10 * k), st.integers(1, 10)), max_size=3
)
MOVES = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2), STEPS, st.integers(0, 60)), max_size=12)


@given(
    payment=st.sampled_from(list(Payment)), moves=MOVES, withheld=st.sets(st.integers(1, 5), max_size=2), data=st.data()
)
@settings(max_examples=150, deadline=None)
def test_every_bag_is_sold_once_or_passes_in_and_a_replay_is_identical(payment, moves, withheld, data):
    recorder = on_sale(payment, lot={"reserve": 430})
    for nonce, (account, lot, steps, after_s) in enumerate(moves):
        recorder.do(sealed_bid(account, *steps, lot=lot, nonce=nonce), after_s=after_s)
        if data.draw(st.booleans()) and nonce == 3:
            recorder.restart(Books)
    placed = {(account, lot): nonce for nonce, (account, lot, _, _) in enumerate(moves)}
    close(recorder)
    for one in sorted(market_in(recorder).bids.values(), key=lambda one: one.commitment):
        if one.account not in withheld and sale_in(recorder).state != SaleState.FINISHED:
            recorder.do(keys((one.seq, key_of(one.account, placed[one.account, one.lot]))))
    if sale_in(recorder).state != SaleState.FINISHED:
        recorder.restart(Books)
        wait_for_keys(recorder)
    assert sale_in(recorder).state == SaleState.FINISHED
    for number, lot in enumerate(market_in(recorder).lots, 1):
        assert sum(part.bags for part in lot.parts) + lot.passed_in == 10
        for part in lot.parts:
            assert part.price >= 430 and part.account not in withheld | {SELLER}
            own = [
                step
                for account, _, steps, _ in moves
                for step in steps
                if account == part.account and step[0] == number
            ]
            assert part.price <= max(step[1] for step in own)
    again, _ = recorder.replayed(Books)
    assert again.state_hash() == recorder.machine.state_hash()
    assert again.event_digest == recorder.machine.event_digest


def test_the_order_of_keys_changes_nothing_of_the_result():
    for order in ((A, B, C), (C, B, A), (B, A, C)):
        recorder = on_sale(Payment.UNIFORM, lots=1)
        recorder.do(*(sealed_bid(account, (1, 450, 4)) for account in (A, B, C)))
        close(recorder)
        events = [open_all(recorder, account) for account in order][-1]
        assert results(events) == [(1, A, 450, 4), (1, B, 450, 4), (1, C, 450, 2)]
