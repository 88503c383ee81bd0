"""Dutch clock: the rules one by one, and random sales against a plain clock."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import limits
from engine.codes import CommandKind, EventKind, Reason, SaleStage
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.sales.commands import Admit, DecideBid
from engine.messages.sales.dutch import Dutch, DutchOffer
from engine.messages.sales.english import EnglishOffer
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from engine.state.sales.dutch import DutchLot, DutchState
from tests.engine.markets.sales.plans import held, offer_of, plan, reason_of, results, sale_in, same_again
from tests.recorder import SECOND_NS, Recorder, kinds, open_venue

SELLER, A, B = 1, 2, 3
WHOLE = SaleLot(SELLER, "bananas", 10, 20_000)
PARTS = SaleLot(SELLER, "roses", 10, 20_000, least_bags=3)


def terms(**changes: Any) -> Dutch:
    """From 5.00 down by 0.10 every 2 s to 4.50."""
    return Dutch(**({"start": 500, "floor": 450, "decrement": 10, "interval_ns": 2 * SECOND_NS} | changes))


def lots_in(recorder: Recorder) -> list[DutchLot]:
    market = sale_in(recorder).market
    assert isinstance(market, DutchState)
    return market.lots


def take(account: int, price: int, bags: int = 0, lot: int = 1) -> Any:
    return offer_of(account, DutchOffer(lot, price, bags))


def wait(recorder: Recorder, seconds: int) -> list[np.ndarray]:
    return [recorder.do(bodies.Time(), after_s=1) for _ in range(seconds)]


# --- the clock -------------------------------------------------------------------------------------------------------


def test_the_price_falls_by_steps_to_the_floor_and_what_is_left_passes_in():
    recorder = held(terms(), (WHOLE,))
    shown = []
    for _ in range(13):
        shown.append(lots_in(recorder)[0].price if not lots_in(recorder)[0].closed else None)
        wait(recorder, 1)
    assert shown == [500, 500, 490, 490, 480, 480, 470, 470, 460, 460, 450, 450, None]
    assert sale_in(recorder).stage == SaleStage.FINISHED
    assert not recorder.machine.outage_clock_runs()
    assert reason_of(recorder.do(take(A, 500))) == Reason.BID_LATE


def test_the_last_step_ends_at_the_floor():
    recorder = held(terms(decrement=40), (WHOLE,))
    wait(recorder, 4)
    assert lots_in(recorder)[0].price == 450


def test_a_lot_has_its_own_start_and_its_reserve_is_its_floor():
    recorder = held(
        terms(), (SaleLot(SELLER, "mangos", 1, 20_000, opening=480, reserve=470, reserve_shown=True), WHOLE)
    )
    wait(recorder, 2)
    assert [lot.price for lot in lots_in(recorder)] == [470, 490]
    wait(recorder, 2)
    assert [lot.closed for lot in lots_in(recorder)] == [True, False]


def test_the_first_to_take_has_it_at_the_price_shown():
    recorder = held(terms(), (WHOLE,))
    wait(recorder, 4)
    events = [recorder.do(take(A, 480), take(B, 480))]
    assert results(events) == [(1, A, SELLER, 480, 10)]
    assert reason_of(events[0]) == Reason.BID_LATE
    assert sale_in(recorder).stage == SaleStage.FINISHED


def test_lots_in_turn_begin_one_after_another():
    recorder = held(terms(in_turn=True), (WHOLE, WHOLE))
    assert reason_of(recorder.do(take(A, 500, lot=2))) == Reason.SALE_NOT_OPEN
    wait(recorder, 5)
    assert kinds(recorder.do(take(A, 480)))[-1] == EventKind.ROUND
    assert [(lot.price, lot.closed) for lot in lots_in(recorder)] == [(480, True), (500, False)]
    wait(recorder, 2)
    assert lots_in(recorder)[1].price == 490
    wait(recorder, 10)
    assert sale_in(recorder).stage == SaleStage.FINISHED


def test_after_a_part_the_price_stands_for_the_pause_and_goes_on_for_the_rest():
    recorder = held(terms(pause_ns=5 * SECOND_NS), (PARTS,))
    wait(recorder, 3)
    events = [recorder.do(take(A, 490, bags=4))]
    assert (lots_in(recorder)[0].left, lots_in(recorder)[0].price) == (6, 490)
    events += wait(recorder, 4)
    assert lots_in(recorder)[0].price == 490
    events += wait(recorder, 1)
    assert lots_in(recorder)[0].price == 480
    events += [recorder.do(take(B, 480))]
    assert results(events) == [(1, A, SELLER, 490, 4), (1, B, SELLER, 480, 6)]


def test_a_short_pause_never_hurries_the_clock():
    recorder = held(terms(interval_ns=10 * SECOND_NS, pause_ns=SECOND_NS), (PARTS,))
    recorder.do(take(A, 500, bags=4))
    wait(recorder, 9)
    assert lots_in(recorder)[0].price == 500


# --- a price that moved ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exact", "named", "reason"),
    [
        (False, 500, Reason.NONE),  # the clock fell meanwhile: it pays the lower price
        (False, 490, Reason.NONE),
        (False, 489, Reason.BID_LOW),  # never above what it names
        (True, 500, Reason.PRICE_MOVED),
        (True, 490, Reason.NONE),
        (True, 480, Reason.BID_LOW),
    ],
)
def test_a_take_names_the_price_that_it_saw(exact, named, reason):
    recorder = held(terms(exact=exact), (WHOLE,))
    wait(recorder, 2)
    events = recorder.do(take(A, named))
    assert reason_of(events) == reason
    assert results([events]) == ([(1, A, SELLER, 490, 10)] if reason == Reason.NONE else [])


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "offer", "reason"),
    [
        (A, EnglishOffer(1, 500), Reason.OFFER_UNFIT),
        (A, DutchOffer(3, 500), Reason.LOT_UNKNOWN),
        (SELLER, DutchOffer(1, 500), Reason.SELF_BID),
        (A, DutchOffer(1, 500, 2), Reason.BAGS_RANGE),  # below the smallest part
        (A, DutchOffer(1, 500, 11), Reason.BAGS_RANGE),
        (A, DutchOffer(2, 500, 9), Reason.BAGS_RANGE),  # sold whole
        (A, DutchOffer(1, 499), Reason.BID_LOW),
        (B, DutchOffer(1, 500), Reason.COMMITMENT_LIMIT),
    ],
)
def test_a_refused_take_changes_nothing(account, offer, reason):
    recorder = held(terms(), (PARTS, WHOLE))
    recorder.do(Admit(1, B, True, limit_minor=100))
    before = recorder.machine.venue.sales[1].market, len(recorder.machine.venue.timers)
    said = repr(before)
    assert reason_of(recorder.do(offer_of(account, offer))) == reason
    assert repr((recorder.machine.venue.sales[1].market, len(recorder.machine.venue.timers))) == said


def test_the_last_bags_may_be_fewer_than_the_smallest_part():
    recorder = held(terms(), (PARTS,))
    events = [recorder.do(take(A, 500, bags=8), take(B, 500, bags=1), take(B, 500, bags=2))]
    assert results(events) == [(1, A, SELLER, 500, 8), (1, B, SELLER, 500, 2)]


def test_what_was_taken_counts_towards_the_bound():
    recorder = held(terms(), (WHOLE, WHOLE))
    worth = sale_in(recorder).value_minor(200_000, 500)
    recorder.do(Admit(1, A, True, limit_minor=worth + 1))
    assert reason_of(recorder.do(take(A, 500))) == Reason.NONE
    assert reason_of(recorder.do(take(A, 500, lot=2))) == Reason.COMMITMENT_LIMIT


@pytest.mark.parametrize(
    ("mechanism", "lot"),
    [
        (terms(floor=501), WHOLE),
        (terms(), SaleLot(SELLER, "hidden", 1, 20_000, reserve=470)),
        (terms(pause_ns=1), WHOLE),
        (terms(start=limits.SALE_STEPS_MAX + 2, floor=1, decrement=1), WHOLE),
    ],
)
def test_a_sale_that_cannot_be_held_is_refused(mechanism, lot):
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    assert reason_of(recorder.do(plan(mechanism, (lot,)))) == Reason.BODY_INVALID
    assert not recorder.machine.venue.sales


def test_the_longest_fall_there_may_be():
    held(terms(start=limits.SALE_STEPS_MAX + 1, floor=1, decrement=1), (WHOLE,))


# --- operator, outage ------------------------------------------------------------------------------------------------


def test_an_operator_ends_it_and_what_is_left_passes_in():
    recorder = held(terms(), (PARTS, WHOLE))
    recorder.do(take(A, 500, bags=4))
    assert reason_of(recorder.do(DecideBid(1, 1, False))) == Reason.BID_UNKNOWN
    events = recorder.do(bodies.EndSale(1))
    assert kinds(events) == [EventKind.LOT_PASSED_IN, EventKind.LOT_PASSED_IN, EventKind.SALE_FINISHED]
    assert events["qty"].tolist() == [6, 10, 1]
    assert not len(recorder.machine.venue.timers) or not recorder.machine.outage_clock_runs()


def test_no_price_falls_during_an_outage():
    recorder = held(terms(), (WHOLE,))
    wait(recorder, 1)
    gone_ns = recorder.ts_ns
    recorder.ts_ns += 3600 * SECOND_NS
    recorder.do(bodies.Resume(gone_ns, recorder.ts_ns))
    assert lots_in(recorder)[0].price == 500
    wait(recorder, 1)
    assert lots_in(recorder)[0].price == 500, "the whole interval again"
    wait(recorder, 1)
    assert lots_in(recorder)[0].price == 490


def test_the_kill_switch_stops_the_clock():
    recorder = held(terms(pause_ns=9 * SECOND_NS), (PARTS,))
    recorder.do(take(A, 500, bags=4))
    recorder.do(bodies.KillSwitch(True, "fire"))
    wait(recorder, 30)
    assert reason_of(recorder.do(take(B, 500))) == Reason.VENUE_STOPPED
    recorder.do(bodies.KillSwitch(False, "out"))
    wait(recorder, 8)
    assert lots_in(recorder)[0].price == 500
    wait(recorder, 1)
    assert lots_in(recorder)[0].price == 490


# --- against a plain clock -------------------------------------------------------------------------------------------


class Step(NamedTuple):
    account: int
    lot: int
    over: int  # named price, against the clock's
    bags: int
    after_s: int


class Plain:
    """One lot, second by second, from the rules and not from the code."""

    def __init__(self, start: int, floor: int, decrement: int, interval: int, pause: int, least: int) -> None:
        self.prices = [*range(start, floor, -decrement), floor]
        self.at, self.until, self.left = 0, interval, 10
        self.interval, self.pause, self.least = interval, pause, least

    def open(self) -> bool:
        return self.left > 0 and self.at < len(self.prices)

    def second(self, now: int) -> None:
        if self.open() and now >= self.until:
            self.at, self.until = self.at + 1, now + self.interval

    def take(self, now: int, named: int, bags: int, exact: bool) -> tuple[int, int] | None:
        if not self.open():
            return None
        price, whole = self.prices[self.at], bags in (0, self.left)
        if named < price or (exact and named > price):
            return None
        if not whole and not (self.least and self.least <= bags < self.left):
            return None
        bags = bags or self.left
        self.left -= bags
        self.until = max(self.until, now + self.pause)
        return price, bags


STEPS = st.lists(
    st.builds(
        Step, st.integers(1, 4), st.integers(1, 2), st.integers(-10, 20), st.integers(0, 11), st.integers(0, 5)
    ),
    max_size=15,
)  # fmt: skip


@given(
    steps=STEPS,
    decrement=st.integers(6, 30),
    interval=st.integers(1, 4),
    pause=st.integers(0, 6),
    exact=st.booleans(),
    restart_at=st.integers(0, 15),
)
@settings(max_examples=100, deadline=None)
def test_random_sales_go_as_a_plain_clock_says(steps, decrement, interval, pause, exact, restart_at):
    mechanism = terms(
        start=500, floor=470, decrement=decrement, interval_ns=interval * SECOND_NS, pause_ns=pause * SECOND_NS,
        exact=exact,
    )  # fmt: skip
    recorder = held(mechanism, (PARTS, SaleLot(SELLER, "lilies", 10, 20_000, least_bags=10)))
    plain = [Plain(500, 470, decrement, interval, pause, least) for least in (3, 10)]
    now, expected, sold, told, lowest = 0, [], [], [], [500, 500]
    for at, step in enumerate([*steps, *[Step(1, 1, 0, 0, 1)] * 30]):
        for _ in range(step.after_s):
            now += 1
            told.append(recorder.do(bodies.Time(), after_s=1))
            for lot in plain:
                lot.second(now)
        shown = lots_in(recorder)[step.lot - 1]
        named = max(1, shown.price + step.over)
        told.append(recorder.do(take(step.account, named, step.bags, step.lot)))
        took = plain[step.lot - 1].take(now, named, step.bags, exact) if step.account != SELLER else None
        if took:
            expected.append((step.lot, step.account, SELLER, *took))
            assert took[0] <= named
        sold += results(told[-1:])
        assert sold == expected
        assert [lot.closed for lot in lots_in(recorder)] == [not lot.open() for lot in plain]
        for each, lot in enumerate(lots_in(recorder)):
            assert lot.price <= lowest[each], "the price never rises"
            lowest[each] = lot.price
            assert lot.left == 10 - sum(one.bags for one in lot.takes) >= 0
        if at == restart_at:
            recorder.restart(Books)
    assert sale_in(recorder).stage == SaleStage.FINISHED, "it ends"
    same_again(recorder, told)


@pytest.mark.parametrize("interval_ns", [limits.SALE_INTERVAL_NS_MIN - 1, limits.SALE_CLOCK_NS_MAX + 1])
def test_a_price_stands_for_a_time_within_limits(interval_ns):
    kind = CommandKind.PLAN_SALE
    for good, ns in ((True, limits.SALE_INTERVAL_NS_MIN), (True, limits.SALE_CLOCK_NS_MAX), (False, interval_ns)):
        raw = bodies.encode_body(plan(terms(interval_ns=ns), (WHOLE,)))
        if good:
            bodies.decode_body(kind, raw)
        else:
            with pytest.raises(msgspec.ValidationError):
                bodies.decode_body(kind, raw)
