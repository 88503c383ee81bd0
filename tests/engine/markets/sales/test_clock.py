"""The clock with quantities: worked examples, refusals, and random sales against a plain reading of the rules."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import EventKind, Reason, SaleStage
from engine.limits import CLOCK_PRODUCTS_MAX, CLOCK_PROXY_LIMITS_MAX, CLOCK_ROUNDS_MAX
from engine.machine import Machine
from engine.markets.sales import views
from engine.markets.sales.clock import shares
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.bodies import decode_body, encode_body
from engine.messages.sales.clock import Clock, ClockOffer, ClockProxy, Limit, Product, Rise
from engine.messages.sales.commands import DecideBid, EndSale
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages
from engine.oracle.books import Books
from engine.state.sales.clock import ClockState
from engine.state.sales.sale import Sale
from tests.recorder import SECOND_NS, T0_NS, Recorder, auction_sale, kinds, open_venue

SELLER, A, B, C, D = 1, 2, 3, 4, 5
BUYERS = (A, B, C, D)
ROUND_S = 60


def clock_sale(recorder: Recorder, supplies: list[int], **changes: Any) -> SaleTerms:
    """Products with these supplies from price 100 on, rises of 10; `changes`: of Clock, or `least`, `groups`."""
    least = changes.pop("least", [0] * len(supplies))
    groups = changes.pop("groups", [0] * len(supplies))
    plan = {name: changes.pop(name) for name in ("stages", "registration", "sale") if name in changes}
    clock: dict[str, Any] = {
        "products": tuple(Product(100, low, group) for low, group in zip(least, groups, strict=True)),
        "rises": (Rise(0, 10),),
        "round_ns": ROUND_S * SECOND_NS,
    } | changes
    lots = tuple(SaleLot(SELLER, f"month {n}", bags, 69_000) for n, bags in enumerate(supplies, 1))
    return auction_sale(recorder.ts_ns, plan=lots, mechanism=Clock(**clock), **plan)


def on_sale(supplies: list[int], **changes: Any) -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    assert EventKind.REJECTED not in kinds(recorder.do(clock_sale(recorder, supplies, **changes)))
    return recorder


def wants(account: int, round_: int, *bags: int) -> Batch:
    return cold(bodies.Bid(1, ClockOffer(round_, bags)), account=account)


def proxy(account: int, *rows: list[tuple[int, int]]) -> Batch:
    limits = tuple(tuple(Limit(price, bags) for price, bags in row) for row in rows)
    return cold(bodies.Bid(1, ClockProxy(limits)), account=account)


def next_round(recorder: Recorder) -> np.ndarray:
    return recorder.do(bodies.Time(), after_s=ROUND_S)


def sale_of(recorder: Recorder) -> Sale:
    return recorder.machine.venue.sales[1]


def market_in(recorder: Recorder) -> ClockState:
    market = sale_of(recorder).market
    assert isinstance(market, ClockState)
    return market


def sold(events: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
    """(lot, buyer) -> (price, bags)."""
    return {
        (int(event["instrument"]), int(event["account"])): (int(event["price"]), int(event["qty"]))
        for event in events[events["kind"] == EventKind.LOT_SOLD]
    }


def reason_of(events: np.ndarray) -> Reason:
    return Reason(int(events["reason"][-1]))


# --- worked examples -------------------------------------------------------------------------------------------------


def test_the_price_rises_until_demand_is_no_more_than_supply_and_all_pay_the_last_one():
    recorder = on_sale([100])
    recorder.do(wants(A, 1, 80), wants(B, 1, 60))
    next_round(recorder)
    assert (market_in(recorder).round, market_in(recorder).products[0].price) == (2, 110)
    recorder.do(wants(A, 2, 60), wants(B, 2, 40))
    events = next_round(recorder)
    assert sold(events) == {(1, A): (110, 60), (1, B): (110, 40)}
    assert sale_of(recorder).stage == SaleStage.FINISHED


def test_between_the_least_and_the_greatest_supply_each_gets_what_it_wants():
    recorder = on_sale([100], least=[70])
    recorder.do(wants(A, 1, 80), wants(B, 1, 60))
    next_round(recorder)
    recorder.do(wants(A, 2, 40), wants(B, 2, 40))
    events = next_round(recorder)
    assert sold(events) == {(1, A): (110, 40), (1, B): (110, 40)}
    assert events["qty"][kinds(events).index(EventKind.LOT_PASSED_IN)] == 20


def test_below_the_least_supply_the_price_goes_back_and_those_that_lowered_share_the_rest():
    recorder = on_sale([100], least=[90])
    recorder.do(wants(A, 1, 80), wants(B, 1, 60))
    next_round(recorder)
    recorder.do(wants(A, 2, 50), wants(B, 2, 10))  # gave up 30 and 50; 40 are left: 15 and 25
    events = next_round(recorder)
    assert sold(events) == {(1, A): (100, 65), (1, B): (100, 35)}


def test_less_than_the_least_is_sold_only_where_round_one_wanted_less():
    recorder = on_sale([100], least=[90])
    recorder.do(wants(A, 1, 30))
    assert sold(next_round(recorder)) == {(1, A): (100, 30)}


def test_bags_move_within_a_group_from_where_the_price_has_risen():
    recorder = on_sale([50, 50, 50], groups=[1, 1, 0])
    recorder.do(wants(A, 1, 50, 0, 10), wants(B, 1, 40, 0, 10))
    next_round(recorder)
    prices = [product.price for product in market_in(recorder).products]
    assert prices == [110, 100, 100]
    assert reason_of(recorder.do(wants(A, 2, 50, 10, 10))) == Reason.BAGS_RISE
    assert reason_of(recorder.do(wants(A, 2, 10, 40, 0))) == Reason.BAGS_HELD, "the third was decided"
    assert reason_of(recorder.do(wants(A, 2, 10, 40, 20))) == Reason.BAGS_RISE
    recorder.do(wants(A, 2, 10, 40, 10), wants(B, 2, 40, 0, 10))
    events = next_round(recorder)
    assert sold(events) == {
        (1, A): (110, 10), (1, B): (110, 40), (2, A): (100, 40), (3, A): (100, 10), (3, B): (100, 10),
    }  # fmt: skip


def test_who_misses_round_one_is_out_and_who_says_nothing_later_wants_nothing():
    recorder = on_sale([100])
    recorder.do(wants(A, 1, 80), wants(B, 1, 60))
    next_round(recorder)
    assert reason_of(recorder.do(wants(C, 2, 10))) == Reason.ROUND_ONE_MISSED
    recorder.do(wants(A, 2, 80))
    assert sold(next_round(recorder)) == {(1, A): (110, 80)}


def test_where_the_terms_say_so_who_says_nothing_keeps_what_it_wanted():
    recorder = on_sale([100], absent="keeps")
    recorder.do(wants(A, 1, 80), wants(B, 1, 60))
    next_round(recorder)
    recorder.do(wants(B, 2, 20))
    assert sold(next_round(recorder)) == {(1, A): (110, 80), (1, B): (110, 20)}


def test_a_proxy_speaks_where_its_owner_does_not():
    recorder = on_sale([100], stages=Stages(prebids_ns=T0_NS + 100 * SECOND_NS, live_ns=T0_NS + 200 * SECOND_NS))
    recorder.ts_ns = T0_NS + 101 * SECOND_NS
    recorder.do(bodies.Time())
    assert reason_of(recorder.do(wants(A, 1, 10))) == Reason.ROUND_OTHER
    recorder.do(proxy(A, [(105, 80), (125, 60)]))
    recorder.ts_ns = T0_NS + 200 * SECOND_NS
    recorder.do(bodies.Time())
    recorder.do(wants(B, 1, 50))
    next_round(recorder)
    recorder.do(wants(B, 2, 50))  # A's proxy says 60 at 110
    next_round(recorder)
    assert [one.bags for one in market_in(recorder).bidders.values()] == [[60], [50]]
    recorder.do(wants(B, 3, 40))
    assert sold(next_round(recorder)) == {(1, A): (120, 60), (1, B): (120, 40)}


def test_the_rise_follows_the_excess():
    recorder = on_sale([100], rises=(Rise(0, 5), Rise(1_000, 20), Rise(5_000, 50)))
    recorder.do(wants(A, 1, 100), wants(B, 1, 60))
    next_round(recorder)
    assert market_in(recorder).products[0].price == 150
    recorder.do(wants(A, 2, 90), wants(B, 2, 20))
    next_round(recorder)
    assert market_in(recorder).products[0].price == 170
    recorder.do(wants(A, 3, 90), wants(B, 3, 19))
    next_round(recorder)
    assert market_in(recorder).products[0].price == 175


def test_the_operators_end_and_the_last_round_share_what_is_there():
    for last in ({}, {"rounds_max": 1}):
        recorder = on_sale([90], step_bags=10, **last)
        recorder.do(wants(A, 1, 60), wants(B, 1, 60), wants(C, 1, 60))
        events = next_round(recorder) if last else recorder.do(EndSale(1))
        assert sold(events) == {(1, A): (100, 30), (1, B): (100, 30), (1, C): (100, 30)}


def test_sharing_by_arrival():
    recorder = on_sale([90], ration="arrival", rounds_max=1)
    recorder.do(wants(B, 1, 60))
    recorder.do(wants(A, 1, 60))
    recorder.do(wants(B, 1, 50))  # its first word counts for the time
    assert sold(next_round(recorder)) == {(1, B): (100, 50), (1, A): (100, 40)}


def test_a_void_word_was_not_said():
    recorder = on_sale([100])
    recorder.do(wants(A, 1, 80))
    seq = recorder.machine.seq
    recorder.do(wants(B, 1, 20))
    assert kinds(recorder.do(DecideBid(1, seq, False, "typing error"))) == [EventKind.BID_VOIDED]
    assert reason_of(recorder.do(DecideBid(1, seq, False, "again"))) == Reason.BID_UNKNOWN
    assert sold(next_round(recorder)) == {(1, B): (100, 20)}


def test_an_outage_gives_the_whole_round_again():
    recorder = on_sale([100])
    recorder.do(wants(A, 1, 80))
    last_ns = recorder.ts_ns
    recorder.ts_ns += 10 * ROUND_S * SECOND_NS
    events = recorder.do(bodies.Resume(last_ns, recorder.ts_ns))
    assert EventKind.LOT_SOLD not in kinds(events)
    assert market_in(recorder).round_due_ns == recorder.ts_ns + ROUND_S * SECOND_NS
    assert market_in(recorder).bidders[A].said is not None, "what was said stands"


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (wants(A, 2, 10, 10), Reason.ROUND_OTHER),
        (wants(A, 1, 10), Reason.OFFER_UNFIT),
        (wants(A, 1, 15, 10), Reason.BAGS_STEP),
        (wants(A, 1, 110, 10), Reason.BAGS_RANGE),
        (wants(SELLER, 1, 10, 0), Reason.SELF_BID),
        (wants(77, 1, 10, 0), Reason.ACCOUNT_UNKNOWN),
        (proxy(A, [(100, 10)]), Reason.OFFER_UNFIT),
        (proxy(A, [(100, 10), (100, 20)], []), Reason.PROXY_FALLS),
        (proxy(A, [(100, 10), (110, 10)], []), Reason.PROXY_FALLS),
        (proxy(A, [(100, 15)], []), Reason.BAGS_STEP),
        (proxy(A, [(100, 110)], []), Reason.BAGS_RANGE),
        (proxy(SELLER, [(100, 10)], []), Reason.SELF_BID),
    ],
)
def test_a_refused_word_says_why_and_moves_nothing(batch, reason):
    recorder = on_sale([100, 100], step_bags=10)
    before = repr(sale_of(recorder))
    assert reason_of(recorder.do(batch)) == reason
    assert repr(sale_of(recorder)) == before


def test_the_operators_bound_holds():
    recorder = on_sale([100])
    recorder.do(bodies.Admit(1, A, True, sale_of(recorder).value_minor(50 * 69_000, 100)))
    assert reason_of(recorder.do(wants(A, 1, 51))) == Reason.COMMITMENT_LIMIT
    assert reason_of(recorder.do(proxy(A, [(101, 50)]))) == Reason.COMMITMENT_LIMIT
    assert kinds(recorder.do(wants(A, 1, 50))) == [EventKind.BID_ACCEPTED]


@pytest.mark.parametrize(
    ("supplies", "changes", "reason"),
    [
        ([100], {"rises": (Rise(1, 10),)}, Reason.BODY_INVALID),
        ([100], {"rises": (Rise(0, 10), Rise(0, 20))}, Reason.BODY_INVALID),
        ([100], {"products": (Product(100), Product(100))}, Reason.BODY_INVALID),
        ([100], {"least": [101]}, Reason.BODY_INVALID),
        ([105], {"step_bags": 10}, Reason.BAGS_STEP),
        ([100], {"least": [5], "step_bags": 10}, Reason.BAGS_STEP),
    ],
)
def test_terms_that_do_not_hold_together_are_refused(supplies, changes, reason):
    recorder = on_sale([1])
    assert reason_of(recorder.do(clock_sale(recorder, supplies, sale=2, **changes))) == reason


@pytest.mark.parametrize(
    "body",
    [
        Clock(tuple(Product(1) for _ in range(CLOCK_PRODUCTS_MAX + 1)), (Rise(0, 1),), SECOND_NS),
        Clock((Product(1),), (Rise(0, 1),), SECOND_NS, rounds_max=CLOCK_ROUNDS_MAX + 1),
        Clock((Product(1),), (Rise(0, 1),), SECOND_NS - 1),
        Clock((Product(1),), (Rise(0, 1),), SECOND_NS, absent="sleeps"),
    ],
)
def test_every_bound_of_the_terms_holds(body):
    terms = clock_sale(Recorder(Machine(Books())), [1])
    with pytest.raises(msgspec.ValidationError):
        decode_body(bodies.kind_of(terms), encode_body(msgspec.structs.replace(terms, mechanism=body)))


def test_a_proxy_has_so_many_limits_and_no_more():
    rows = tuple(Limit(100 + n, 100 - n) for n in range(CLOCK_PROXY_LIMITS_MAX + 1))
    for count, fits in ((CLOCK_PROXY_LIMITS_MAX, True), (CLOCK_PROXY_LIMITS_MAX + 1, False)):
        body = bodies.Bid(1, ClockProxy((rows[:count],)))
        if fits:
            assert decode_body(bodies.kind_of(body), encode_body(body)) == body
        else:
            with pytest.raises(msgspec.ValidationError):
                decode_body(bodies.kind_of(body), encode_body(body))


# --- sharing ---------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.integers(0, 200),
    st.sampled_from([1, 3, 10]),
    st.booleans(),
)
def test_shares_are_exact(wants_in_steps, there_in_steps, step, pro_rata):
    wanted, there = [want * step for want in wants_in_steps], there_in_steps * step
    got = shares(wanted, there, step, pro_rata=pro_rata)
    assert sum(got) == min(there, sum(wanted)) and all(
        0 <= g <= w and g % step == 0 for g, w in zip(got, wanted, strict=True)
    )
    if sum(wanted) > there and pro_rata:
        exact = [Fraction(want * there, sum(wanted)) for want in wanted]
        assert all(abs(g - e) < step for g, e in zip(got, exact, strict=True))
        rests = [(e - e // step * step, g > e // step * step) for g, e in zip(got, exact, strict=True)]
        assert max([r for r, up in rests if not up], default=0) <= min([r for r, up in rests if up], default=step)


# --- random sales against a plain reading of the rules ----------------------------------------------------------------


class Buyer(NamedTuple):
    """Falling demand by product: (highest price, bags) with rising prices."""

    rows: tuple[tuple[tuple[int, int], ...], ...]

    def at(self, product: int, price: int) -> int:
        return max((bags for limit, bags in self.rows[product] if limit >= price), default=0)


@st.composite
def markets(draw: st.DrawFn) -> tuple[list[int], list[int], list[Buyer], dict[str, Any]]:
    count = draw(st.integers(1, 3))
    supplies = draw(st.lists(st.integers(1, 12), min_size=count, max_size=count))
    least = [draw(st.integers(0, supply)) for supply in supplies]
    buyers = []
    for _ in range(draw(st.integers(1, 4))):
        rows = []
        for supply in supplies:
            prices = draw(st.lists(st.integers(95, 150), min_size=0, max_size=3, unique=True))
            sizes = draw(st.lists(st.integers(1, supply), min_size=len(prices), max_size=len(prices), unique=True)
                         if len(prices) <= supply else st.just([]))  # fmt: skip
            rows.append(tuple(zip(sorted(prices)[: len(sizes)], sorted(sizes, reverse=True), strict=True)))
        buyers.append(Buyer(tuple(rows)))
    rises = draw(st.sampled_from([(Rise(0, 10),), (Rise(0, 1),), (Rise(0, 3), Rise(5_000, 20))]))
    terms = {
        "rises": rises,
        "ration": draw(st.sampled_from(["pro_rata", "arrival"])),
        "rounds_max": draw(st.integers(1, 60)),
    }
    return supplies, least, buyers, terms


def plainly(supplies: list[int], least: list[int], buyers: list[Buyer], terms: dict[str, Any]) -> dict:
    """Who gets what at which price, product by product: an own reading of rules 3 and 6 to 9."""
    bidding = [n for n, buyer in enumerate(buyers) if any(buyer.at(at, 100) for at in range(len(supplies)))]
    found = {}
    for at, supply in enumerate(supplies):
        price, before, round_ = 100, None, 1
        while True:
            demand = {n: buyers[n].at(at, price) for n in bidding}
            excess = sum(demand.values()) - supply
            if excess <= 0 or round_ == terms["rounds_max"]:
                break
            share = Fraction(excess * 10_000, supply)
            before = price
            price += max(
                (row for row in terms["rises"] if row.excess_bps <= share), key=lambda r: r.excess_bps
            ).increment
            round_ += 1
        got = dict(demand)
        if excess > 0:
            got = plain_shares(demand, supply, terms["ration"])
        elif sum(demand.values()) < least[at] and before is not None:
            price = before
            gave = {n: buyers[n].at(at, price) - demand[n] for n in bidding}
            more = plain_shares(gave, -excess, terms["ration"])
            got = {n: demand[n] + more[n] for n in bidding}
        found |= {(at + 1, BUYERS[n]): (price, bags) for n, bags in got.items() if bags}
    return found


def plain_shares(want: dict[int, int], there: int, how: str) -> dict[int, int]:
    """Bag by bag."""
    got = dict.fromkeys(want, 0)
    if how == "arrival":
        for n in sorted(want):
            got[n] = min(want[n], there - sum(got.values()))
        return got
    total = sum(want.values())
    exact = {n: Fraction(want[n] * there, total) if total else Fraction(0) for n in want}
    got = {n: int(exact[n]) for n in want}
    for n in sorted(want, key=lambda n: (got[n] - exact[n], n))[: there - sum(got.values())]:
        got[n] += 1
    return got


@settings(max_examples=150, deadline=None)
@given(markets(), st.booleans())
def test_proxies_and_words_come_to_what_the_rules_say(market, by_proxy):
    supplies, least, buyers, terms = market
    recorder = on_sale(supplies, least=least, **terms)
    if by_proxy:
        recorder.do(*(proxy(BUYERS[n], *map(list, buyer.rows)) for n, buyer in enumerate(buyers)))
    events: list[np.ndarray] = []
    while sale_of(recorder).stage != SaleStage.FINISHED:
        products, round_ = market_in(recorder).products, market_in(recorder).round
        if not by_proxy:
            for n, buyer in enumerate(buyers):
                known = market_in(recorder).bidders.get(BUYERS[n])
                bags = [
                    known.bags[at] if known and product.decided else buyer.at(at, product.price)
                    for at, product in enumerate(products)
                ]
                recorder.do(wants(BUYERS[n], round_, *bags))
        if round_ == 2:
            recorder.restart(Books)
        events.append(next_round(recorder))
    assert sold(np.concatenate(events)) == plainly(supplies, least, buyers, terms)
    replayed, again = recorder.replayed(Books)
    assert replayed.state_hash() == recorder.machine.state_hash()
    assert sum(map(len, again)) >= sum(map(len, events))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_demand_never_rises_and_nobody_gets_more_than_it_wanted_at_the_price(data):
    """Words at random, groups and all: what was refused moved nothing, what was taken obeys the activity rule."""
    count = data.draw(st.integers(1, 4))
    supplies = data.draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    groups = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    absent = data.draw(st.sampled_from(["nothing", "keeps"]))
    recorder = on_sale(supplies, groups=groups, absent=absent, rounds_max=12)
    prices: list[list[int]] = []
    while sale_of(recorder).stage != SaleStage.FINISHED:
        round_ = market_in(recorder).round
        prices.append([product.price for product in market_in(recorder).products])
        for account in BUYERS:
            if data.draw(st.booleans()):
                bags = [data.draw(st.integers(0, supply)) for supply in supplies]
                recorder.do(wants(account, round_, *bags))
        held = {account: list(one.bags) for account, one in market_in(recorder).bidders.items()}
        events = next_round(recorder)
        for account, one in market_in(recorder).bidders.items():
            if round_ > 1:
                for group in {g for g in groups if g}:
                    places = [at for at in range(count) if groups[at] == group]
                    assert sum(one.bags[at] for at in places) <= sum(held[account][at] for at in places)
                for at in range(count):
                    assert groups[at] or one.bags[at] <= held[account][at]
    for one, two in pairwise(prices):
        assert all(a <= b for a, b in zip(one, two, strict=True))
    for at, product in enumerate(market_in(recorder).products):
        assert product.sold_bags <= supplies[at]
        paid = {price for (lot, _), (price, _) in sold(events).items() if lot == at + 1}
        assert len(paid) <= 1, "one price for all"


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_proxies_and_words_of_a_round_are_their_owners_alone():
    recorder = on_sale([77_777])
    recorder.do(wants(B, 1, 50_000))
    seen = [msgspec.json.encode(view(recorder)) for view in OTHERS_VIEWS]
    events = [recorder.do(proxy(A, [(987_654, 66_123), (1_987_654, 55_321)])), recorder.do(wants(A, 1, 66_001))]
    assert [msgspec.json.encode(view(recorder)) for view in OTHERS_VIEWS[:2]] == seen[:2], "nothing public moved"
    told = b"".join(msgspec.json.encode(view(recorder)) for view in OTHERS_VIEWS)
    own = msgspec.json.encode(views.account_view(sale_of(recorder), A))
    for secret in (b"66123", b"55321", b"66001", b"9876.54"):
        assert secret not in told and secret in own
    from engine.messages.views import Reader, view

    for reader in (Reader(), Reader(B), Reader(SELLER)):
        assert not [shown for batch in events for event in batch if (shown := view(event, reader))]


OTHERS_VIEWS = (
    lambda recorder: views.public_view(sale_of(recorder)),
    lambda recorder: views.account_view(sale_of(recorder), B),
    lambda recorder: views.operator_view(sale_of(recorder)),
)


@pytest.mark.parametrize(("show", "shown"), [("nothing", None), ("excess", 40), ("total", 140)])
def test_demand_is_shown_as_the_terms_say_and_after_the_round(show, shown):
    recorder = on_sale([100], show_demand=show)
    recorder.do(wants(A, 1, 80), wants(B, 1, 60))
    assert views.public_view(sale_of(recorder)).market.lots[0].demand is None
    next_round(recorder)
    assert views.public_view(sale_of(recorder)).market.lots[0].demand == shown
