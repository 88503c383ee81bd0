"""Reverse auctions: the rules one by one, random tenders against a rule of three lines, and against their mirror."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import AwardState, EventKind, Reason, SaleStage, SaleState
from engine.limits import PRICE_TICKS_MAX
from engine.machine import Machine
from engine.markets.sales import reverse, views
from engine.markets.sales.ladder import is_rung, next_bid
from engine.markets.sales.mirror import mirrored, table_in
from engine.markets.sales.reverse_views import ReverseLotView, ReverseView
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.after import After, Reject, Settle
from engine.messages.sales.commands import Admit, DecideBid
from engine.messages.sales.english import English, EnglishOffer, Step
from engine.messages.sales.reverse import Reverse, ReverseOffer
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from engine.state.sales.english import EnglishLot, EnglishState
from engine.state.sales.reverse import ReverseState
from tests.engine.markets.sales.plans import (
    held,
    offer_of,
    plan,
    reason_of,
    results,
    sale_in,
    same_again,
    seen_by_others,
)
from tests.recorder import SECOND_NS, T0_NS, Recorder, kinds, open_venue

BUYER, A, B, C = 1, 2, 3, 4
LOT = SaleLot(BUYER, "parchment", 100, 60_000)


def terms(**changes: Any) -> Reverse:
    """From 5.00 down by 0.10, for 60 s, overtime 20 s."""
    fields = {
        "opening": 500, "decrements": (Step(0, 10),), "ends_ns": T0_NS + 60 * SECOND_NS, "clock_ns": 20 * SECOND_NS,
    }  # fmt: skip
    return Reverse(**(fields | changes))


def bid(account: int, minimum: int, lot: int = 1, **bags: int) -> Any:
    return offer_of(account, ReverseOffer(lot, minimum, **bags))


def lot_in(recorder: Recorder, number: int = 1) -> EnglishLot:
    market = sale_in(recorder).market
    assert isinstance(market, ReverseState)
    return market.lots[number - 1]


def place(recorder: Recorder, number: int = 1) -> tuple[int | None, int]:
    """(price, leader)"""
    return reverse.price_of(sale_in(recorder), number), lot_in(recorder, number).leader


def seen(recorder: Recorder, account: int | None = None) -> ReverseLotView:
    sale = sale_in(recorder)
    market = (views.public_view(sale) if account is None else views.account_view(sale, account)).market
    assert isinstance(market, ReverseView)
    return market.lots[0]


# --- price and leader ------------------------------------------------------------------------------------------------


def test_the_published_proxy_example_in_the_mirror():
    """Vollers: 4.00, 4.10, 4.40, 4.80 up by 0.10; here from 5.00 down."""
    recorder = held(terms(), (LOT,))
    for account, minimum, price, leader in [(A, 500, 500, A), (B, 430, 490, B), (A, 470, 460, B), (A, 400, 420, A)]:
        recorder.do(bid(account, minimum))
        assert place(recorder) == (price, leader)


def test_of_equal_minima_the_first_placed_leads_at_that_minimum():
    recorder = held(terms(), (LOT,))
    recorder.do(bid(A, 430), bid(B, 430))
    assert place(recorder) == (430, A)


def test_open_bids_are_taken_at_their_full_amount():
    recorder = held(terms(open_bids=True), (LOT,))
    recorder.do(bid(A, 450))
    assert place(recorder) == (450, A)
    assert reason_of(recorder.do(bid(B, 450))) == Reason.BID_HIGH
    recorder.do(bid(B, 440))
    assert place(recorder) == (440, B)


def test_the_lowest_wins_and_the_buyer_buys_of_it():
    recorder = held(terms(), (LOT,))
    recorder.do(bid(A, 430), bid(B, 410))
    events = [recorder.do(bodies.Time(), after_s=60)]
    assert results(events) == [(1, BUYER, B, 420, 100)]
    assert sale_in(recorder).stage == SaleStage.FINISHED
    assert reverse.offers_next(sale_in(recorder), 1) == []
    assert (seen(recorder).state, seen(recorder).price, seen(recorder, B).you_won) == ("bought", "4.20", True)
    assert not recorder.machine.outage_clock_runs()


def test_when_the_buyer_rejects_the_sample_nobody_else_is_asked():
    after = After(sample_ns=3600 * SECOND_NS, rejected="next_bidder", offer_ns=3600 * SECOND_NS)
    recorder = held(terms(), (LOT,), after=after)
    recorder.do(bid(A, 430), bid(B, 410))
    recorder.do(bodies.Time(), after_s=60)
    (award,) = recorder.machine.venue.awards.values()
    assert (award.buyer, award.seller, award.price, award.state) == (BUYER, B, 420, AwardState.PROVISIONAL)
    assert reason_of(recorder.do(cold(Settle(1, Reject("mould")), account=B))) != Reason.NONE, "the buyer's to say"
    events = recorder.do(cold(Settle(1, Reject("mould")), account=BUYER))
    assert kinds(events)[-1] == EventKind.LOT_PASSED_IN
    assert len(recorder.machine.venue.awards) == 1


def test_a_divided_lot_pays_all_the_highest_minimum_that_gets_bags():
    recorder = held(terms(), (SaleLot(BUYER, "pool", 100, 60_000, least_bags=10),))
    recorder.do(bid(A, 430, bags=60), bid(B, 450, bags=60), bid(C, 410, bags=30))
    assert place(recorder) == (450, C)
    assert results([recorder.do(bodies.Time(), after_s=60)]) == [
        (1, BUYER, C, 450, 30), (1, BUYER, A, 450, 60), (1, BUYER, B, 450, 10),
    ]  # fmt: skip


@pytest.mark.parametrize(("minimum", "premium", "reason"), [(0, True, Reason.NONE), (0, False, Reason.PRICE_RANGE)])
def test_a_premium_may_come_to_nothing_a_price_not(minimum, premium, reason):
    recorder = held(terms(premium=premium), (LOT,))
    recorder.do(bid(A, 10))
    assert reason_of(recorder.do(bid(B, minimum))) == reason
    if premium:
        recorder.do(bid(A, 10))
        assert place(recorder) == (0, B)
        assert seen(recorder).maximum_bid is None, "nobody can go below nothing"
        assert results([recorder.do(bodies.EndSale(1))]) == [(1, BUYER, B, 0, 100)]


# --- the ceiling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minimum", "bought_at"), [(460, None), (450, 450), (400, 450)])
def test_above_the_most_that_the_buyer_pays_nothing_is_bought(minimum, bought_at):
    recorder = held(terms(), (SaleLot(BUYER, "parchment", 100, 60_000, reserve=450),))
    recorder.do(bid(A, minimum))
    sold = results([recorder.do(bodies.Time(), after_s=60)])
    assert sold == ([] if bought_at is None else [(1, BUYER, A, bought_at, 100)])
    assert seen(recorder).state == ("not_bought" if bought_at is None else "bought")


@pytest.mark.parametrize("shown", [False, True])
def test_it_is_disclosed_or_not(shown):
    recorder = held(terms(), (SaleLot(BUYER, "parchment", 100, 60_000, reserve=450, reserve_shown=shown),))
    assert seen(recorder).ceiling == ("4.50" if shown else None)
    assert seen(recorder, BUYER).your_ceiling == "4.50"
    assert seen(recorder, A).your_ceiling is None


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "offer", "reason"),
    [
        (A, EnglishOffer(1, 400), Reason.OFFER_UNFIT),
        (A, ReverseOffer(3, 400), Reason.LOT_UNKNOWN),
        (BUYER, ReverseOffer(1, 400), Reason.SELF_BID),
        (A, ReverseOffer(1, 400, bags=9), Reason.OFFER_UNFIT),  # bought whole
        (A, ReverseOffer(1, 510), Reason.BID_HIGH),
        (A, ReverseOffer(1, 455), Reason.BID_INCREMENT),
        (A, ReverseOffer(1, 490), Reason.BID_HIGH),  # not one step below the price
        (B, ReverseOffer(1, 500), Reason.MINIMUM_ABOVE_PRICE),
        (C, ReverseOffer(1, 400), Reason.COMMITMENT_LIMIT),
        (A, ReverseOffer(2, 400, bags=9), Reason.BAGS_RANGE),
        (A, ReverseOffer(2, 400, bags=101), Reason.BAGS_RANGE),
    ],
)
def test_a_refused_bid_changes_nothing(account, offer, reason):
    recorder = held(terms(), (LOT, SaleLot(BUYER, "pool", 100, 60_000, least_bags=10)))
    recorder.do(bid(A, 500), bid(B, 450), Admit(1, C, True, limit_minor=100))
    before = repr((sale_in(recorder), list(recorder.machine.venue.timers)))
    assert reason_of(recorder.do(offer_of(account, offer), after_s=50)) == reason
    assert repr((sale_in(recorder), list(recorder.machine.venue.timers))) == before


@pytest.mark.parametrize(
    ("mechanism", "lot", "reason"),
    [
        (terms(ends_ns=1), LOT, Reason.DUE_IN_PAST),
        (terms(stop_ns=1), LOT, Reason.DUE_IN_PAST),
        (terms(decrements=(Step(1, 10),)), LOT, Reason.BODY_INVALID),
        (terms(decrements=(Step(0, 10), Step(0, 20))), LOT, Reason.BODY_INVALID),
        (terms(), SaleLot(BUYER, "x", 1, 60_000, reserve=455), Reason.BID_INCREMENT),
        (terms(open_bids=True), SaleLot(BUYER, "x", 1, 60_000, least_bags=1), Reason.BODY_INVALID),
    ],
)
def test_a_tender_that_cannot_be_held_is_refused(mechanism, lot, reason):
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    assert reason_of(recorder.do(plan(mechanism, (lot,)))) == reason


def test_the_bound_counts_what_it_leads_and_what_was_bought_of_it():
    recorder = held(terms(scope="lot"), (LOT, LOT, LOT))
    one = sale_in(recorder).value_minor(6_000_000, 500)
    recorder.do(Admit(1, A, True, limit_minor=2 * one), bid(A, 400, 1), bid(A, 400, 2))
    assert reason_of(recorder.do(bid(A, 400, 3))) == Reason.COMMITMENT_LIMIT
    recorder.do(bid(B, 390, 1))
    assert reason_of(recorder.do(bid(A, 400, 3))) == Reason.NONE


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bidding", "moves"),
    [
        ((B, 420), True),  # leads
        ((B, 440), True),  # moves the price
        ((B, 455), False),  # refused
        ((A, 410), False),  # the leader's own minimum
    ],
)
def test_only_what_others_can_see_moves_the_end(bidding, moves):
    recorder = held(terms(), (LOT,))
    recorder.do(bid(A, 430))
    events = recorder.do(bid(*bidding), after_s=50)
    assert (EventKind.CLOCK in kinds(events)) == moves
    assert seen(recorder).clock_due_ns == T0_NS + (70 if moves else 60) * SECOND_NS
    assert sale_in(recorder).state == (SaleState.PENDING if moves else SaleState.OPEN)


def test_a_bid_at_the_end_is_late_and_a_hard_stop_closes_all():
    recorder = held(terms(stop_ns=T0_NS + 65 * SECOND_NS), (LOT,))
    recorder.do(bid(A, 430), after_s=50)
    events = recorder.do(bid(B, 400), after_s=15)
    assert results([events]) == [(1, BUYER, A, 500, 100)]
    assert reason_of(events) == Reason.BID_LATE


def test_lots_may_have_ends_of_their_own():
    recorder = held(terms(scope="lot"), (LOT, LOT))
    recorder.do(bid(A, 430, 2), after_s=50)
    recorder.do(bodies.Time(), after_s=10)
    assert [lot_in(recorder, number).closed for number in (1, 2)] == [True, False]
    recorder.do(bodies.Time(), after_s=10)
    assert sale_in(recorder).stage == SaleStage.FINISHED


def test_nothing_closes_during_an_outage():
    recorder = held(terms(stop_ns=T0_NS + 100 * SECOND_NS), (LOT,))
    recorder.do(bid(A, 430), after_s=55)
    gone_ns = recorder.ts_ns
    recorder.ts_ns += 3600 * SECOND_NS
    recorder.do(bodies.Resume(gone_ns, recorder.ts_ns))
    assert seen(recorder).clock_due_ns == T0_NS + 3675 * SECOND_NS
    recorder.do(bodies.KillSwitch(True, "fire"))
    recorder.do(bodies.Time(), after_s=1000)
    recorder.do(bodies.KillSwitch(False, "out"))
    assert not lot_in(recorder).closed
    recorder.do(bodies.Time(), after_s=20)
    assert lot_in(recorder).closed


def test_a_void_bid_is_as_if_it_had_never_been_placed():
    recorder = held(terms(), (LOT,))
    recorder.do(bid(A, 450), bid(B, 420))
    seq = lot_in(recorder).placed[1].seq
    assert place(recorder) == (440, B)
    events = recorder.do(DecideBid(1, seq, False))
    assert kinds(events) == [EventKind.BID_VOIDED, EventKind.LOT_OUTBID, EventKind.LOT_LEADER, EventKind.LOT_PRICE]
    assert place(recorder) == (500, A)
    assert reason_of(recorder.do(DecideBid(1, seq, False))) == Reason.BID_UNKNOWN
    last = lot_in(recorder).placed[0].seq
    recorder.do(DecideBid(1, last, False))
    assert place(recorder) == (None, 0)


def test_minima_and_hidden_ceilings_are_seen_by_nobody_else():
    lot = SaleLot(BUYER, "parchment", 100, 60_000, opening=99_999, reserve=77_731)
    recorder = held(terms(decrements=(Step(0, 1),)), (lot,))
    told = [recorder.do(bid(A, 88_847), bid(B, 99_957)), recorder.do(bid(A, 66_613)), recorder.do(bid(C, 70_011))]
    for hidden in ("66613", "666.13", str(mirrored(66_613)), str(mirrored(88_847))):
        assert hidden not in seen_by_others(recorder, told, owners={A})
    told.append(recorder.do(bodies.EndSale(1)))
    for hidden in ("66613", "666.13", str(mirrored(66_613))):
        assert hidden not in seen_by_others(recorder, told, owners={A})
    assert seen(recorder, A).your_minimum == "666.13"
    assert seen(recorder, C).your_minimum == "700.11"


def test_a_ceiling_that_is_not_reached_is_in_no_public_word():
    recorder = held(terms(), (SaleLot(BUYER, "parchment", 100, 60_000, reserve=370),))
    told = [recorder.do(bid(A, 430), bid(B, 410)), recorder.do(bodies.EndSale(1))]
    shown = repr(views.public_view(sale_in(recorder))) + repr(views.account_view(sale_in(recorder), A))
    assert "3.70" not in shown and 370 not in np.concatenate(told)["price"]


# --- the ladder ------------------------------------------------------------------------------------------------------

TABLES = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), max_size=4, unique_by=lambda row: row[0]).map(
    lambda rows: (Step(0, 3), *(Step(start, step) for start, step in sorted(rows)))
)


@given(table=TABLES, opening=st.integers(1, 80))
@settings(max_examples=200, deadline=None)
def test_the_ladder_down_is_made_by_stepping_the_table(table, opening):
    rungs, price = [], opening
    while price >= 0:
        rungs.append(price)
        price -= next(row.increment for row in reversed(table) if row.start <= price)
    up = table_in(table)
    assert [p for p in range(opening, -1, -1) if is_rung(up, mirrored(opening), mirrored(p))] == rungs
    assert [mirrored(next_bid(up, mirrored(p))) for p in rungs[:-1]] == rungs[1:]


@pytest.mark.parametrize("ticks", [0, 1, PRICE_TICKS_MAX])
def test_no_price_is_none_in_the_mirror(ticks):
    assert mirrored(ticks) > 0 and mirrored(mirrored(ticks)) == ticks


# --- random tenders --------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.integers(1, 2),
        st.integers(-1, 14).map(lambda k: 500 - 10 * k) | st.just(455),
        st.integers(0, 15),
    ),
    max_size=30,
)


def by_the_rule(accepted: list[tuple[int, int]], ceiling: int) -> tuple[int, int]:
    """(price, leader) from all accepted (account, minimum) of one lot, in order: rules 2 and 5 and nothing else."""
    placed: dict[int, tuple[int, int]] = {}
    for at, (account, minimum) in enumerate(accepted):
        if account not in placed or placed[account][0] != minimum:
            placed[account] = (minimum, at)
    ranked = sorted(placed, key=lambda account: placed[account])
    lowest = placed[ranked[0]][0]
    price = max(lowest, placed[ranked[1]][0] - 10) if len(ranked) > 1 else 500
    return (min(price, ceiling) if lowest <= ceiling else price), ranked[0]


@given(steps=STEPS, restart_at=st.integers(0, 30))
@settings(max_examples=150, deadline=None)
def test_price_and_leader_follow_from_the_minima(steps, restart_at):
    ceiling = 450
    recorder = held(terms(), (LOT, SaleLot(BUYER, "parchment", 100, 60_000, reserve=ceiling)))
    accepted: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    told, shown = [], [501, 501]
    for at, (account, lot, minimum, after_s) in enumerate(steps):
        told.append(recorder.do(bid(account, minimum, lot), after_s=after_s))
        if reason_of(told[-1]) == Reason.NONE:
            accepted[lot].append((account, minimum))
            assert place(recorder, lot) == by_the_rule(accepted[lot], 10**9 if lot == 1 else ceiling)
            price = reverse.price_of(sale_in(recorder), lot)
            assert price is not None and price <= shown[lot - 1], "the price never rises"
            shown[lot - 1] = price
        if at == restart_at:
            recorder.restart(Books)
    told.append(recorder.do(bodies.Time(), after_s=100))
    assert sale_in(recorder).stage == SaleStage.FINISHED
    for lot, _, seller, price, _ in results(told):
        assert price >= min(m for a, m in accepted[lot] if a == seller), "the winner is paid at least its minimum"
        assert lot == 1 or price <= ceiling
    same_again(recorder, told)


@given(
    steps=st.lists(
        st.tuples(st.integers(2, 5), st.integers(0, 14), st.integers(0, 12), st.integers(0, 12)), max_size=25
    ),
    least_bags=st.sampled_from([0, 3]),
    reserve=st.sampled_from([0, 5]),
)
@settings(max_examples=100, deadline=None)
def test_it_is_the_timed_english_sale_in_the_mirror(steps, least_bags, reserve):
    """Minimum 5.00 - k steps here, maximum 4.00 + k steps there: the same leaders, bags and ends."""
    down = SaleLot(BUYER, "pool", 10, 60_000, reserve=reserve and 500 - 10 * reserve, least_bags=least_bags)
    up = SaleLot(BUYER, "pool", 10, 60_000, reserve=reserve and 400 + 10 * reserve, least_bags=least_bags)
    ends = {"ends_ns": T0_NS + 60 * SECOND_NS, "clock_ns": 20 * SECOND_NS}
    here = held(terms(), (down,))
    there = held(English(400, (Step(0, 10),), style="timed", **ends), (up,))
    for account, k, bags, after_s in steps:
        bags = bags if least_bags else 0
        first = here.do(bid(account, 500 - 10 * k, bags=bags), after_s=after_s)
        second = there.do(offer_of(account, EnglishOffer(1, 400 + 10 * k, bags=bags)), after_s=after_s)
        assert (reason_of(first) == Reason.NONE) == (reason_of(second) == Reason.NONE)
    here.do(bodies.Time(), after_s=100)
    there.do(bodies.Time(), after_s=100)
    market = sale_in(there).market
    assert isinstance(market, EnglishState)
    english, price = market.lots[0], reverse.price_of(sale_in(here), 1)
    assert lot_in(here).leader == english.leader
    assert price == (None if english.price is None else 900 - english.price)
    assert lot_in(here).sold_bags == english.sold_bags
    for account, one in english.standing.items():
        assert lot_in(here).standing[account].filled == one.filled
