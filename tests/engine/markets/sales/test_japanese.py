"""Japanese clock: the rules one by one, and random sales against what follows from how long each held."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from engine.codes import AwardState, EventKind, Reason, SaleStage, SaleState
from engine.limits import PRICE_TICKS_MAX, SALE_INTERVAL_NS_MIN
from engine.markets.sales import japanese, views
from engine.markets.sales.japanese_views import HolderView, JapaneseLotView, JapaneseView
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.after import After, Reject, Settle
from engine.messages.sales.commands import Admit, DecideBid
from engine.messages.sales.dutch import DutchOffer
from engine.messages.sales.japanese import Japanese, JapaneseOffer
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from engine.state.sales.japanese import JapaneseLot, JapaneseState
from tests.engine.markets.sales.plans import (
    held,
    offer_of,
    reason_of,
    results,
    sale_in,
    same_again,
    seen_by_others,
)
from tests.recorder import SECOND_NS, Recorder, kinds, of_kind

SELLER, A, B, C = 1, 2, 3, 4
LOT = SaleLot(SELLER, "NCE AA", 10, 60_000)


def terms(**changes: Any) -> Japanese:
    """From 4.00 up by 0.10: 5 s to press, 2 s a price."""
    fields = {"opening": 400, "increment": 10, "interval_ns": 2 * SECOND_NS, "joining_ns": 5 * SECOND_NS}
    return Japanese(**(fields | changes))


def lot_in(recorder: Recorder, number: int = 1) -> JapaneseLot:
    market = sale_in(recorder).market
    assert isinstance(market, JapaneseState)
    return market.lots[number - 1]


def press(account: int, limit: int = 0, lot: int = 1) -> Any:
    return offer_of(account, JapaneseOffer(lot, True, limit))


def let_go(account: int, lot: int = 1) -> Any:
    return offer_of(account, JapaneseOffer(lot, False))


def wait(recorder: Recorder, seconds: float) -> np.ndarray:
    return recorder.do(bodies.Time(), after_s=seconds)


def held_by(*accounts: int, lots: tuple[SaleLot, ...] = (LOT,), **changes: Any) -> Recorder:
    """A sale in which these have pressed, in this order, and the first price after the opening one is shown."""
    recorder = held(terms(**changes), lots)
    for account in accounts:
        assert kinds(recorder.do(press(account))) == [EventKind.BID_ACCEPTED]
    wait(recorder, 5)
    return recorder


def lot_seen(recorder: Recorder, account: int | None = None) -> JapaneseLotView:
    sale = sale_in(recorder)
    market = (views.public_view(sale) if account is None else views.account_view(sale, account)).market
    assert isinstance(market, JapaneseView)
    return market.lots[0]


# --- who buys --------------------------------------------------------------------------------------------------------


def test_the_last_one_buys_at_the_price_at_which_the_last_other_let_go():
    recorder = held_by(A, B, C)
    wait(recorder, 2)
    assert lot_in(recorder).price == 420
    recorder.do(let_go(A))
    wait(recorder, 2)
    assert lot_in(recorder).price == 430
    recorder.do(let_go(B))
    events = wait(recorder, 2)
    assert results([events]) == [(1, C, SELLER, 430, 10)]
    assert sale_in(recorder).stage == SaleStage.FINISHED
    assert japanese.offers_next(sale_in(recorder), 1) == [(B, 420, 10), (A, 410, 10)]


def test_the_interval_decides_not_the_faster_line():
    recorder = held_by(A, B)
    wait(recorder, 2)
    recorder.do(let_go(B))
    assert not lot_in(recorder).closed, "A may still let go at this price"
    recorder.do(let_go(A))
    assert results([wait(recorder, 2)]) == [(1, A, SELLER, 410, 10)], "the first to have pressed, at what both held"


@pytest.mark.parametrize("order", [(A, B, C), (C, A, B), (B, C, A)])
def test_of_those_that_let_go_together_the_first_to_have_pressed_buys_at_the_price_before(order):
    recorder = held_by(*order)
    recorder.do(*(let_go(account) for account in (C, B, A)))
    assert results([wait(recorder, 2)]) == [(1, order[0], SELLER, 400, 10)]


def test_one_alone_buys_at_the_opening_price():
    recorder = held(terms(), (LOT,))
    recorder.do(press(A))
    assert results([wait(recorder, 5)]) == [(1, A, SELLER, 400, 10)]


@pytest.mark.parametrize("pressing", [(), (A,), (A, B)])
def test_a_lot_that_nobody_holds_at_the_opening_price_passes_in(pressing):
    recorder = held(terms(), (LOT,))
    recorder.do(bodies.Time(), *(press(account) for account in pressing), *(let_go(account) for account in pressing))
    assert kinds(wait(recorder, 5))[1:-1] == [EventKind.LOT_PASSED_IN, EventKind.SALE_FINISHED]


@pytest.mark.parametrize(("reserve", "sold"), [(410, True), (420, True), (421, False)])
def test_the_price_has_to_reach_the_reserve(reserve, sold):
    recorder = held_by(A, B, lots=(SaleLot(SELLER, "NCE AA", 10, 60_000, reserve=reserve),))
    wait(recorder, 2)
    recorder.do(let_go(B))
    assert bool(results([wait(recorder, 2)])) == sold
    assert lot_seen(recorder).state == ("sold" if sold else "passed_in")
    assert japanese.offers_next(sale_in(recorder), 1) == ([(B, 410, 10)] if reserve == 410 else [])


def test_a_rejected_lot_is_offered_to_the_one_that_held_longest_at_what_it_held():
    after = After(sample_ns=3600 * SECOND_NS, rejected="next_bidder", offer_ns=3600 * SECOND_NS)
    recorder = held(terms(), (LOT,), after=after)
    recorder.do(press(A), press(B, 415), press(C, 425))
    for _ in range(5):
        wait(recorder, 5)
    (award,) = recorder.machine.venue.awards.values()
    assert (award.buyer, award.price) == (A, 430)
    recorder.do(cold(Settle(1, Reject("ferment")), account=A))
    offer = recorder.machine.venue.awards[2]
    assert (offer.buyer, offer.price, offer.state) == (C, 420, AwardState.OFFERED)


def test_lots_in_turn_begin_one_after_another():
    recorder = held(terms(in_turn=True), (LOT, LOT))
    assert reason_of(recorder.do(press(A, lot=2))) == Reason.SALE_NOT_OPEN
    recorder.do(press(A))
    wait(recorder, 5)
    assert lot_in(recorder, 1).closed and lot_in(recorder, 2).round == 1
    recorder.do(press(A, lot=2))
    wait(recorder, 5)
    assert sale_in(recorder).stage == SaleStage.FINISHED


def test_at_the_highest_price_of_all_the_first_to_have_pressed_buys():
    recorder = held_by(B, A, opening=PRICE_TICKS_MAX - 15)
    assert lot_in(recorder).price == PRICE_TICKS_MAX - 5
    assert results([wait(recorder, 2)]) == [(1, B, SELLER, PRICE_TICKS_MAX - 5, 10)]
    assert japanese.offers_next(sale_in(recorder), 1) == [(A, PRICE_TICKS_MAX - 5, 10)]


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "offer", "reason"),
    [
        (A, DutchOffer(1, 400), Reason.OFFER_UNFIT),
        (A, JapaneseOffer(3, True), Reason.LOT_UNKNOWN),
        (SELLER, JapaneseOffer(1, True), Reason.SELF_BID),
        (C, JapaneseOffer(1, False), Reason.BUTTON_RELEASED),
        (C, JapaneseOffer(1, True), Reason.BUTTON_RELEASED),
        (5, JapaneseOffer(1, True), Reason.JOINING_OVER),
        (5, JapaneseOffer(1, False), Reason.NOT_HOLDING),
        (A, JapaneseOffer(1, True, 409), Reason.MAXIMUM_BELOW_PRICE),
        (A, JapaneseOffer(2, True), Reason.BID_LATE),  # it passed in, nobody pressed
    ],
)
def test_a_refused_offer_changes_nothing(account, offer, reason):
    recorder = held_by(A, B, C, lots=(LOT, LOT))
    recorder.do(let_go(C))
    before = repr(sale_in(recorder))
    assert reason_of(recorder.do(offer_of(account, offer))) == reason
    assert repr(sale_in(recorder)) == before


@pytest.mark.parametrize(("limit", "reason"), [(399, Reason.BID_LOW), (400, Reason.NONE)])
def test_a_limit_is_not_below_the_opening_price(limit, reason):
    recorder = held(terms(), (LOT,))
    assert reason_of(recorder.do(press(A, limit))) == reason


@pytest.mark.parametrize(
    ("interval_ns", "least_bags", "good"),
    [(SALE_INTERVAL_NS_MIN, 0, True), (SALE_INTERVAL_NS_MIN, 1, False)],
)
def test_lots_are_sold_whole(interval_ns, least_bags, good):
    recorder = held(terms(), (LOT,))
    lots = (SaleLot(SELLER, "part", 10, 60_000, least_bags=least_bags),)
    body = sale_in(recorder).terms
    told = recorder.do(
        type(body)(2, 1, "next", body.unit, body.stages, lots, terms(interval_ns=interval_ns))
    )  # fmt: skip
    assert reason_of(told) == (Reason.NONE if good else Reason.BODY_INVALID)


# --- limits, bounds, operator ----------------------------------------------------------------------------------------


def test_the_venue_lets_go_above_a_limit():
    recorder = held_by(A, B)
    recorder.do(press(B, 425))
    wait(recorder, 2)
    assert not lot_in(recorder).holders[B].left_round
    events = wait(recorder, 2)
    assert of_kind(events, EventKind.LET_GO)[["account", "price"]].tolist() == [(B, 430)]
    assert results([wait(recorder, 2)]) == [(1, A, SELLER, 430, 10)]


def test_a_limit_that_is_taken_back_does_not_bind():
    recorder = held_by(A, B)
    recorder.do(press(B, 410), press(B))
    wait(recorder, 2)
    assert not lot_in(recorder).holders[B].left_round


def test_the_bound_counts_all_lots_that_the_account_holds():
    recorder = held(terms(), (LOT, LOT))
    one = sale_in(recorder).value_minor(600_000, 410)
    recorder.do(Admit(1, A, True, limit_minor=2 * one))
    assert reason_of(recorder.do(press(A, lot=1), press(B, lot=1), press(A, lot=2), press(B, lot=2))) == Reason.NONE
    wait(recorder, 5)
    assert not any(lot_in(recorder, n).holders[A].left_round for n in (1, 2))
    wait(recorder, 2)
    assert [bool(lot_in(recorder, n).holders[A].left_round) for n in (1, 2)] == [True, False], "420 + 410 is beyond it"


def test_pressing_beyond_the_bound_is_refused():
    recorder = held(terms(), (LOT,))
    recorder.do(Admit(1, A, True, limit_minor=1))
    assert reason_of(recorder.do(press(A))) == Reason.COMMITMENT_LIMIT


@pytest.mark.parametrize("how", [Admit(1, B, False), bodies.SetAccount(B, frozen=True)])
def test_the_venue_lets_go_for_an_account_that_may_no_longer_bid(how):
    recorder = held_by(A, B)
    recorder.do(how)
    wait(recorder, 2)
    assert lot_in(recorder).holders[B].left_round == 3
    assert results([wait(recorder, 2)]) == [(1, A, SELLER, 420, 10)]


def test_a_void_pressing_is_as_if_it_had_not_been():
    recorder = held_by(A, B)
    seq = lot_in(recorder).holders[A].seq
    assert kinds(recorder.do(DecideBid(1, seq, False))) == [EventKind.BID_VOIDED]
    assert reason_of(recorder.do(DecideBid(1, seq, False))) == Reason.BID_UNKNOWN
    seq = lot_in(recorder).holders[B].seq
    assert results([wait(recorder, 2)]) == [(1, B, SELLER, 410, 10)]
    assert reason_of(recorder.do(DecideBid(1, seq, False))) == Reason.SALE_CLOSED


@pytest.mark.parametrize(("gone", "sold"), [((), []), ((B,), [(1, A, SELLER, 410, 10)])])
def test_an_operator_ends_the_interval(gone, sold):
    recorder = held_by(A, B)
    for account in gone:
        recorder.do(let_go(account))
    events = recorder.do(bodies.EndSale(1))
    assert results([events]) == sold
    assert sale_in(recorder).stage == SaleStage.FINISHED
    assert not recorder.machine.outage_clock_runs()


def test_nothing_rises_or_closes_during_an_outage():
    recorder = held_by(A, B)
    recorder.do(let_go(B))
    wait(recorder, 1)
    gone_ns = recorder.ts_ns
    recorder.ts_ns += 3600 * SECOND_NS
    recorder.do(bodies.Resume(gone_ns, recorder.ts_ns))
    wait(recorder, 1)
    assert not lot_in(recorder).closed, "the whole interval again"
    recorder.do(bodies.KillSwitch(True, "fire"))
    wait(recorder, 60)
    recorder.do(bodies.KillSwitch(False, "out"))
    wait(recorder, 1)
    assert not lot_in(recorder).closed
    wait(recorder, 1)
    assert lot_in(recorder).closed


# --- what is seen ----------------------------------------------------------------------------------------------------


def test_nobody_is_told_of_a_letting_go_before_the_price_moves():
    recorder = held_by(A, B, C, show_holders=True)
    before = views.public_view(sale_in(recorder))
    assert lot_seen(recorder).holders == 3
    events = recorder.do(let_go(C))
    assert kinds(events) == [EventKind.LET_GO]
    assert views.public_view(sale_in(recorder)) == before
    wait(recorder, 2)
    assert lot_seen(recorder).holders == 2


def test_how_many_hold_is_told_only_where_the_terms_say_so():
    recorder = held_by(A, B, C)
    assert lot_seen(recorder).holders is None
    assert sale_in(recorder).state == SaleState.PENDING


def test_an_account_sees_its_own_button():
    recorder = held(terms(), (LOT,))
    recorder.do(press(A), press(B, 455))
    wait(recorder, 5)
    recorder.do(let_go(A))
    a, b, c = (lot_seen(recorder, account) for account in (A, B, C))
    assert (a.you_hold, a.you_let_go, a.your_limit) == (False, "4.10", None)
    assert (b.you_hold, b.you_let_go, b.your_limit) == (True, None, "4.55")
    assert (c.you_hold, c.you_let_go, c.you_won) == (False, None, False)
    wait(recorder, 2)
    assert (lot_seen(recorder, B).you_won, lot_seen(recorder, B).you_hold) == (True, False)
    assert (lot_seen(recorder).price, lot_seen(recorder).value) == ("4.10", "5423.37")


@pytest.mark.parametrize("history", [False, True])
def test_the_seller_sees_the_history_of_a_closed_lot_where_the_terms_say_so(history):
    recorder = held_by(A, B, history=history)
    recorder.do(let_go(A))
    assert lot_seen(recorder, SELLER).history is UNSET
    wait(recorder, 2)
    told = (HolderView(A, "4.10"), HolderView(B, None))
    assert lot_seen(recorder, SELLER).history == (told if history else UNSET)
    assert lot_seen(recorder, C).history is UNSET


def test_limits_and_reserves_are_seen_by_nobody_else():
    lot = SaleLot(SELLER, "NCE AA", 10, 60_000, reserve=77_731)
    recorder = held(terms(history=True, show_holders=True), (lot,))
    told = [recorder.do(press(A, 88_847), press(B, 99_957)), recorder.do(let_go(C))]
    for _ in range(5):
        told.append(wait(recorder, 5))
        seen = seen_by_others(recorder, told, owners={A, B})
        assert "88847" not in seen and "888.47" not in seen and "99957" not in seen and "999.57" not in seen
    assert "77731" not in seen and not of_kind(told[0], EventKind.LOT_SOLD).size
    public = repr(views.public_view(sale_in(recorder)))
    assert "777.31" not in public
    assert lot_seen(recorder, SELLER).your_reserve == "777.31"
    assert lot_seen(recorder, A).your_reserve is None


# --- against how long each held --------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """What one bidder does: presses at a second, names a limit, lets go by itself in a round (0: never)."""

    at_s: int
    limit: int
    leaves: int


def by_the_rule(plans: list[Plan], rounds: int, reserve: int) -> tuple[int, int] | None:
    """(bidder, price) from the last round that each held to its end: rules 1 to 7 and nothing else."""

    def price(round_: int) -> int:
        return 400 + 10 * (round_ - 1)

    lasts = []
    for plan in plans:
        last = rounds
        if plan.limit:
            last = min(last, (plan.limit - 400) // 10 + 1)
        if plan.leaves:
            last = min(last, plan.leaves - 1)
        lasts.append(last)
    for round_ in range(1, rounds + 1):
        holding = [at for at, last in enumerate(lasts) if last >= round_]
        if len(holding) == 1:
            return (holding[0], price(round_)) if price(round_) >= reserve else None
        if not holding:
            together = [at for at, last in enumerate(lasts) if last == round_ - 1]
            if round_ == 1 or price(round_ - 1) < reserve:
                return None
            return min(together, key=lambda at: (plans[at].at_s, at)), price(round_ - 1)
    raise AssertionError("somebody lets go before")


PLANS = st.lists(
    st.builds(Plan, st.integers(0, 4), st.sampled_from([0, 400, 405, 410, 420, 429, 440]), st.integers(1, 6)),
    max_size=4,
)


@given(plans=PLANS, reserve=st.sampled_from([0, 400, 410, 425]), restart_at=st.integers(0, 20))
@settings(max_examples=150, deadline=None)
def test_random_sales_end_as_the_rule_says(plans, reserve, restart_at):
    recorder = held(terms(), (SaleLot(SELLER, "NCE AA", 10, 60_000, reserve=reserve),))
    accounts = [2 + at for at in range(len(plans))]
    told: list[np.ndarray] = []
    for second in range(5):
        told += [recorder.do(press(accounts[at], one.limit)) for at, one in enumerate(plans) if one.at_s == second]
        if second == 4:
            told += [recorder.do(let_go(accounts[at])) for at, one in enumerate(plans) if one.leaves == 1]
        told.append(wait(recorder, 1))
    shown, holding = [400], len(plans)
    while sale_in(recorder).stage == SaleStage.LIVE:
        lot = lot_in(recorder)
        now = sum(not one.left_round for one in lot.holders.values())
        assert lot.price > shown[-1] and now <= holding, "the price rises, who holds gets fewer"
        shown.append(lot.price)
        for at, one in enumerate(plans):
            if one.leaves == lot.round and not lot.holders[accounts[at]].left_round:
                told.append(recorder.do(let_go(accounts[at])))
        holding = sum(not one.left_round for one in lot.holders.values())
        told.append(wait(recorder, 2))
        if len(shown) == restart_at:
            recorder.restart(Books)
        assert len(shown) < 10, "it ends"
    expected = by_the_rule(plans, 7, reserve)
    assert results(told) == ([] if expected is None else [(1, accounts[expected[0]], SELLER, expected[1], 10)])
    for account, price, _ in japanese.offers_next(sale_in(recorder), 1):
        limit = plans[accounts.index(account)].limit
        assert not limit or price <= limit, "nobody is asked for more than it held"
    same_again(recorder, told)
