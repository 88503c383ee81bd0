"""The Helmsman sale: published examples, a table of refusals, and properties against a rule of three lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import EventKind, Reason, SaleState
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from engine.state.sales.english import EnglishLot, EnglishState
from engine.state.sales.sale import Sale
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, kinds, open_venue

SELLER, A, Z, THIRD = 1, 2, 3, 4
VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "auction-vectors.json").read_text(encoding="utf-8"))
VECTOR = {vector["id"]: vector for vector in VECTORS["vectors"]}


def on_sale(**terms: Any) -> Recorder:
    """A venue with sale 1 open; account 1 sells, accounts 2 to 5 may bid."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(auction_sale(recorder.ts_ns, **terms))
    return recorder


def sale_in(recorder: Recorder) -> Sale:
    return recorder.machine.venue.sales[1]


def lots_in(recorder: Recorder) -> list[EnglishLot]:
    market = sale_in(recorder).market
    assert isinstance(market, EnglishState)
    return market.lots


def due_ns_in(recorder: Recorder, scope: int = 0) -> int:
    market = sale_in(recorder).market
    assert isinstance(market, EnglishState)
    return market.clocks[scope].due_ns


def reason_of(events: np.ndarray) -> Reason:
    return Reason(int(events["reason"][-1]))


# --- published examples ----------------------------------------------------------------------------------------------


def test_the_published_proxy_example():
    """Vollers, "How to bid in an auction": start 4.00, increment 0.10."""
    recorder = on_sale()
    lot = lots_in(recorder)[0]
    for account, maximum, price, leader in [
        (A, 400, 400, A),
        (Z, 470, 410, Z),
        (A, 430, 440, Z),
        (A, 500, 480, A),
    ]:
        recorder.do(bid_of(account, 1, maximum))
        assert (lot.price, lot.leader) == (price, leader)


@pytest.mark.parametrize("maximum", [435, 499, 549])
def test_the_published_invalid_bids(maximum):
    recorder = on_sale()
    assert reason_of(recorder.do(bid_of(A, 1, maximum))) == Reason.BID_INCREMENT


def test_a_challenger_displays_one_step_above_the_standing_bid():
    given_, expected = VECTOR["proxy-northbay-1"]["input"], VECTOR["proxy-northbay-1"]["expected"]
    recorder = on_sale(opening=given_["current_bid"], increment=given_["increment"])
    recorder.do(bid_of(A, 1, given_["current_bid"]))
    recorder.do(bid_of(Z, 1, given_["new_bidder_maximum"]))
    assert (lots_in(recorder)[0].price, lots_in(recorder)[0].leader) == (expected["displayed_bid"], Z)


def test_a_maximum_defends_itself_by_one_step():
    given_, expected = VECTOR["proxy-onyx-1"]["input"], VECTOR["proxy-onyx-1"]["expected"]
    recorder = on_sale(opening=given_["opening"], increment=given_["increment"])
    recorder.do(bid_of(A, 1, given_["first_max"]))
    for maximum in given_["challenger_bids"]:
        recorder.do(bid_of(Z, 1, maximum))
    assert (lots_in(recorder)[0].price, lots_in(recorder)[0].leader) == (expected["displayed_bid"], A)


def test_of_equal_maxima_the_first_placed_leads_at_that_maximum():
    (first, maximum), (_, same) = VECTOR["proxy-coe-tie"]["input"]["auto_bids"]
    assert first == VECTOR["proxy-coe-tie"]["expected"]["leader"]
    recorder = on_sale()
    recorder.do(bid_of(A, 1, round(maximum * 100)))
    recorder.do(bid_of(Z, 1, round(same * 100)))
    assert (lots_in(recorder)[0].price, lots_in(recorder)[0].leader) == (4000, A)


def test_any_bid_starts_the_one_clock_of_all_lots_again():
    given_, expected = VECTOR["softclose-coe-2"]["input"], VECTOR["softclose-coe-2"]["expected"]
    recorder = on_sale(lots=given_["lots"], clock_ns=given_["window_s"] * SECOND_NS)
    start_ns = recorder.ts_ns
    bids = sorted((at_s, int(lot)) for lot, times in given_["bid_times_s"].items() for at_s in times)
    for step, (at_s, lot) in enumerate(bids):
        recorder.ts_ns = start_ns + at_s * SECOND_NS
        events = recorder.do(bid_of(A if step < given_["lots"] else Z, lot, 400 + 100 * step))
        assert events["kind"][0] == EventKind.BID_ACCEPTED
    assert due_ns_in(recorder) == start_ns + expected["finishes_at_s"] * SECOND_NS
    recorder.ts_ns = due_ns_in(recorder) - 1
    assert kinds(recorder.do(bodies.Time())) == [EventKind.DONE]
    recorder.ts_ns += 1
    assert kinds(recorder.do(bodies.Time())).count(EventKind.LOT_SOLD) == 3


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "sale", "lot", "maximum", "reason"),
    [
        (A, 9, 1, 500, Reason.SALE_UNKNOWN),
        (A, 1, 3, 500, Reason.LOT_UNKNOWN),
        (0, 1, 1, 500, Reason.ACCOUNT_UNKNOWN),
        (77, 1, 1, 500, Reason.ACCOUNT_UNKNOWN),
        (SELLER, 1, 1, 500, Reason.SELF_BID),
        (A, 1, 1, 505, Reason.BID_INCREMENT),
        (A, 1, 2, 390, Reason.BID_LOW),  # below the opening price of a lot without a bid
        (A, 1, 2, -10, Reason.BID_LOW),
        (A, 1, 1, 410, Reason.BID_LOW),  # Z stands at 4.10: less than one increment above
        (Z, 1, 1, 400, Reason.MAXIMUM_BELOW_PRICE),  # the leader cannot go below the price
    ],
)
def test_a_refused_bid_says_why_and_moves_nothing(account, sale, lot, maximum, reason):
    recorder = on_sale()
    recorder.do(bid_of(A, 1, 400), bid_of(Z, 1, 470))
    before = bodies_of(recorder)
    events = recorder.do(bid_of(account, lot, maximum, sale=sale))
    assert (kinds(events), reason_of(events)) == ([EventKind.REJECTED], reason)
    assert bodies_of(recorder) == before
    assert events["price"].tolist() == [0], "an amount that was refused stays its bidder's"


def bodies_of(recorder: Recorder) -> str:
    return repr((recorder.machine.venue.sales, list(recorder.machine.venue.timers)))


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"sale": 1}, Reason.ALREADY_EXISTS),
        ({"plan": (SaleLot(99, "whose", 1, 30_000),)}, Reason.ACCOUNT_UNKNOWN),
        ({"tick_size": "0.00"}, Reason.BODY_INVALID),
        ({"tick_size": "01"}, Reason.BODY_INVALID),
        ({"open_until_ns": 5}, Reason.DUE_IN_PAST),
        ({"value_numerator": 2**62, "value_denominator": 1}, Reason.NOTIONAL_RANGE),
    ],
)
def test_a_sale_that_cannot_be_held_is_refused(terms, reason):
    recorder = on_sale()
    body = auction_sale(recorder.ts_ns, **({"sale": 2} | terms))
    before = bodies_of(recorder)
    assert reason_of(recorder.do(body)) == reason
    assert bodies_of(recorder) == before


# --- the clock -------------------------------------------------------------------------------------------------------


def test_the_clock_waits_for_a_bid_on_every_lot():
    recorder = on_sale()
    assert EventKind.CLOCK not in kinds(recorder.do(bid_of(A, 1, 400)))
    assert sale_in(recorder).state == SaleState.OPEN
    events = recorder.do(bid_of(A, 2, 400))
    assert events["leaves"][kinds(events).index(EventKind.CLOCK)] == recorder.ts_ns + 180 * SECOND_NS
    assert sale_in(recorder).state == SaleState.PENDING


@pytest.mark.parametrize(
    ("bid", "resets"),
    [
        ((Z, 1, 410), True),  # moves the price
        ((Z, 1, 900), True),  # moves the leader
        ((Z, 1, 405), False),  # refused
        ((A, 1, 600), False),  # the leader's own maximum, up
        ((A, 1, 450), False),  # and down
    ],
)
def test_only_what_others_can_see_starts_the_clock_again(bid, resets):
    recorder = on_sale()
    recorder.do(bid_of(A, 1, 500), bid_of(A, 2, 400))
    due_ns = due_ns_in(recorder)
    events = recorder.do(bid_of(*bid), after_s=10)
    assert (EventKind.CLOCK in kinds(events)) == resets
    assert due_ns_in(recorder) == (recorder.ts_ns + 180 * SECOND_NS if resets else due_ns)


def test_a_bid_at_the_due_time_is_late():
    recorder = on_sale()
    recorder.do(bid_of(A, 1, 400), bid_of(A, 2, 400))
    recorder.ts_ns = due_ns_in(recorder)
    events = recorder.do(bid_of(Z, 1, 500))
    assert kinds(events) == [
        EventKind.TIMER, EventKind.LOT_SOLD, EventKind.AWARD_SET, EventKind.LOT_SOLD, EventKind.AWARD_SET,
        EventKind.SALE_FINISHED, EventKind.BID_LATE,
    ]  # fmt: skip
    assert reason_of(events) == Reason.BID_LATE
    assert lots_in(recorder)[0].leader == A


def test_lots_without_a_bid_pass_in_and_the_clock_starts_for_the_rest():
    recorder = on_sale(lots=3)
    recorder.do(bid_of(A, 2, 400))
    events = recorder.do(bodies.Time(), after_s=600)
    assert kinds(events) == [
        EventKind.TIMER, EventKind.LOT_PASSED_IN, EventKind.LOT_PASSED_IN, EventKind.CLOCK, EventKind.DONE,
    ]  # fmt: skip
    assert reason_of(recorder.do(bid_of(Z, 1, 400))) == Reason.BID_LATE
    assert EventKind.CLOCK in kinds(recorder.do(bid_of(Z, 2, 500), after_s=100))
    finished = recorder.do(bodies.Time(), after_s=180)
    assert kinds(finished) == [
        EventKind.TIMER, EventKind.LOT_SOLD, EventKind.AWARD_SET, EventKind.SALE_FINISHED, EventKind.DONE,
    ]  # fmt: skip


def test_a_sale_without_any_bid_finishes_when_it_may_wait_no_longer():
    recorder = on_sale()
    events = recorder.do(bodies.Time(), after_s=600)
    assert kinds(events)[1:-1] == [EventKind.LOT_PASSED_IN, EventKind.LOT_PASSED_IN, EventKind.SALE_FINISHED]
    assert sale_in(recorder).state == SaleState.FINISHED
    assert not recorder.machine.outage_clock_runs()


def test_an_operator_ends_a_sale_and_leading_bids_stand():
    recorder = on_sale()
    recorder.do(bid_of(A, 1, 500), bid_of(Z, 1, 450))
    events = recorder.do(bodies.EndSale(1, "power is failing"))
    assert kinds(events) == [
        EventKind.LOT_SOLD, EventKind.AWARD_SET, EventKind.LOT_PASSED_IN, EventKind.SALE_FINISHED,
    ]  # fmt: skip
    assert (events["account"][0], events["counter_account"][0], events["price"][0]) == (A, SELLER, 460)
    assert reason_of(recorder.do(bid_of(Z, 1, 600))) == Reason.SALE_CLOSED
    assert reason_of(recorder.do(bodies.EndSale(1))) == Reason.SALE_CLOSED
    assert reason_of(recorder.do(bodies.EndSale(5))) == Reason.SALE_UNKNOWN
    assert not recorder.machine.outage_clock_runs()


def test_a_leader_in_a_tie_who_raises_pays_one_step_more():
    """Rule 3 holds at every moment: min(higher maximum, lower maximum + increment)."""
    recorder = on_sale()
    recorder.do(bid_of(A, 1, 500), bid_of(Z, 1, 500))
    assert lots_in(recorder)[0].price == 500
    events = recorder.do(bid_of(A, 1, 550))
    assert lots_in(recorder)[0].price == 510
    assert kinds(events) == [EventKind.BID_ACCEPTED, EventKind.LOT_LEADER, EventKind.LOT_PRICE]


def test_value_of_a_sold_lot_is_exact():
    """300 kg at 4.80 USD/lb: 300 / 0.45359237 x 4.80 = 3,174.66 USD."""
    recorder = on_sale()
    sale = sale_in(recorder)
    assert sale.value_minor(sale.grams(1), 480) == 317_466


# --- properties ------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(1, 5),  # account; 1 sells
        st.integers(1, 2),  # lot
        st.integers(-1, 12).map(lambda k: 400 + 10 * k) | st.just(405),
        st.integers(0, 90),  # seconds since the bid before
    ),
    max_size=40,
)


def by_the_rule(accepted: list[tuple[int, int]]) -> tuple[int, int]:
    """(price, leader) from all accepted (account, maximum) of one lot, in order: rule 3 and nothing else."""
    placed: dict[int, tuple[int, int]] = {}
    for at, (account, maximum) in enumerate(accepted):
        if account not in placed or placed[account][0] != maximum:
            placed[account] = (maximum, -at)
    ranked = sorted(placed, key=lambda account: placed[account], reverse=True)
    highest = placed[ranked[0]][0]
    return (min(highest, placed[ranked[1]][0] + 10) if len(ranked) > 1 else 400), ranked[0]


@given(steps=STEPS)
@settings(max_examples=300, deadline=None)
def test_price_and_leader_follow_from_the_maxima(steps):
    recorder = on_sale()
    sale = sale_in(recorder)
    accepted: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    for account, lot, maximum, after_s in steps:
        due_before, before = due_ns_in(recorder), [(each.price, each.leader) for each in lots_in(recorder)]
        events = recorder.do(bid_of(account, lot, maximum), after_s=after_s)
        own = events[(events["account"] == account) & (events["kind"] == EventKind.BID_ACCEPTED)]
        if len(own):
            accepted[lot].append((account, maximum))
            assert (lots_in(recorder)[lot - 1].price, lots_in(recorder)[lot - 1].leader) == by_the_rule(accepted[lot])
        elif sale.state != SaleState.FINISHED:
            assert due_ns_in(recorder) == due_before or EventKind.TIMER in kinds(events)
        if sale.state == SaleState.PENDING and [(each.price, each.leader) for each in lots_in(recorder)] == before:
            assert due_ns_in(recorder) == due_before or EventKind.TIMER in kinds(events)
        for each in lots_in(recorder):
            assert each.price is None or each.price <= each.standing[each.leader].maximum
            assert each.leader != SELLER


@given(steps=STEPS)
@settings(max_examples=100, deadline=None)
def test_a_replay_is_identical(steps):
    recorder = on_sale()
    events = [recorder.do(bid_of(*step[:3]), after_s=step[3]) for step in steps]
    again = Machine(Books())
    replayed = [again.apply(record) for record in recorder.records][2:]
    assert all(np.array_equal(first, second) for first, second in zip(events, replayed, strict=True))
    assert again.state_hash() == recorder.machine.state_hash()
