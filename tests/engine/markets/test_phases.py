"""Phases and uncrosses: the table of legal moves, calls by command and by calendar, no crossed continuous book."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import (
    PHASE_MOVES,
    UNCROSS_FROM,
    UNCROSS_TO,
    EventFlag,
    EventKind,
    FeeClass,
    OrderType,
    Phase,
    Reason,
    Side,
)
from engine.machine import Machine
from engine.markets.registers import LIVE_RULE_SETS
from engine.messages import bodies
from engine.messages.batch import Batch
from engine.oracle.books import Books
from tests.recorder import HOTS, SECOND_NS, Recorder, coffee, kinds, open_venue, order_row


def venue_in(hot: type, phase: Phase) -> Recorder:
    """Instrument 1 in this phase, however it is reached."""
    recorder = Recorder(Machine(hot()))
    open_venue(recorder)
    path = {
        Phase.CLOSED: [],
        Phase.NO_CANCEL: [Phase.CALL, Phase.NO_CANCEL],
        Phase.FROZEN: [Phase.CALL, Phase.FROZEN],
        Phase.CONTINUOUS: [Phase.CALL],
    }.get(phase, [phase])
    for step in path:
        recorder.do(bodies.SetPhase(1, step))
    if phase == Phase.CONTINUOUS:
        recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    assert recorder.machine.hot.phase(1) == phase
    return recorder


@pytest.mark.parametrize("hot", HOTS)
@pytest.mark.parametrize("old", list(Phase), ids=lambda phase: phase.name)
def test_only_moves_of_the_table_are_made(hot, old):
    for new in Phase:
        recorder = venue_in(hot, old)
        events = recorder.do(bodies.SetPhase(1, new))
        if new in PHASE_MOVES[old]:
            assert (kinds(events), events["reason"][0], events["qty"][0]) == ([EventKind.PHASE], new, old)
            assert recorder.machine.hot.phase(1) == new
        else:
            assert (kinds(events), events["reason"][0]) == ([EventKind.REJECTED], Reason.PHASE_MOVE_ILLEGAL)
            assert recorder.machine.hot.phase(1) == old


@pytest.mark.parametrize("hot", HOTS)
@pytest.mark.parametrize("old", list(Phase), ids=lambda phase: phase.name)
def test_an_uncross_leads_from_a_call_to_continuous_or_closed(hot, old):
    for new in Phase:
        recorder = venue_in(hot, old)
        events = recorder.do(bodies.Uncross(1, new))
        if old in UNCROSS_FROM and new in UNCROSS_TO:
            assert kinds(events) == [EventKind.UNCROSSED, EventKind.PHASE]
            assert events["flags"][0] & EventFlag.NO_PRICE
            assert recorder.machine.hot.phase(1) == new
        else:
            assert events["reason"][0] == Reason.PHASE_MOVE_ILLEGAL
            assert recorder.machine.hot.phase(1) == old


def test_continuous_is_entered_by_an_uncross_alone():
    assert not any(Phase.CONTINUOUS in legal for legal in PHASE_MOVES.values())


@pytest.mark.parametrize("hot", HOTS)
def test_a_calendar_runs_a_whole_call_without_a_command(hot):
    recorder = Recorder(Machine(hot()))
    open_venue(recorder)
    at_ns = recorder.ts_ns
    recorder.do(
        bodies.Schedule(
            1,
            1,
            (
                bodies.ScheduleEntry(at_ns + 1 * SECOND_NS, Phase.PRE_OPEN),
                bodies.ScheduleEntry(at_ns + 2 * SECOND_NS, Phase.CALL),
                bodies.ScheduleEntry(at_ns + 9 * SECOND_NS, Phase.NO_CANCEL),
                bodies.ScheduleEntry(at_ns + 10 * SECOND_NS, Phase.CONTINUOUS, uncross=True),
            ),
        )
    )
    recorder.do(order_row(1, Side.BUY, 6800, 10), after_s=3)
    recorder.do(order_row(2, Side.SELL, 0, 4, type=OrderType.MARKET), order_row(3, Side.SELL, 6700, 9))
    events = recorder.do(bodies.Time(), after_s=10)
    assert kinds(events) == [
        EventKind.TIMER, EventKind.PHASE,
        EventKind.TIMER, EventKind.FILL, EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE,
        EventKind.DONE,
    ]  # fmt: skip
    assert events["index"].tolist() == list(range(8))
    assert (events["flags"] & EventFlag.BY_TIMER != 0).tolist() == [True] * 7 + [False]
    fills = events[events["kind"] == EventKind.FILL]
    assert (fills["flags"] & EventFlag.AUCTION != 0).all() and set(fills["fee_class"]) == {FeeClass.CALL}
    assert fills["qty"].tolist() == [4, 6], "the unpriced offer trades first"
    uncrossed = events[events["kind"] == EventKind.UNCROSSED][0]
    assert (uncrossed["qty"], uncrossed["leaves"]) == (10, -3)
    assert recorder.machine.hot.phase(1) == Phase.CONTINUOUS


@pytest.mark.parametrize("hot", HOTS)
def test_what_is_left_of_unpriced_orders_ends_with_the_call(hot):
    recorder = venue_in(hot, Phase.CALL)
    recorder.do(order_row(1, Side.BUY, 0, 10, type=OrderType.MARKET), order_row(2, Side.SELL, 6700, 4))
    events = recorder.do(bodies.Uncross(1, Phase.CLOSED))
    assert kinds(events) == [EventKind.FILL, EventKind.CANCELLED, EventKind.UNCROSSED, EventKind.PHASE]
    assert (events["reason"][1], events["qty"][1]) == (Reason.UNPRICED_REMAINDER, 6)


ORDERS = st.lists(
    st.builds(
        lambda account, side, price, qty, unpriced: order_row(
            account, side, 0 if unpriced else price, qty, type=OrderType.MARKET if unpriced else OrderType.LIMIT
        ),
        st.integers(1, 5),
        st.sampled_from(list(Side)),
        st.integers(6695, 6715),
        st.integers(1, 30),
        st.sampled_from([False] * 5 + [True]),
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("rules", sorted(LIVE_RULE_SETS))
@given(orders=ORDERS, reference=st.none() | st.integers(6690, 6720))
@settings(max_examples=60, deadline=None)
def test_an_uncrossed_book_is_not_crossed_whatever_its_rules(rules: str, orders: list[Batch], reference: int | None):
    """Nothing is left that could trade, fills balance, and no order trades beyond its limit."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder, instruments=0)
    recorder.do(coffee(rules=rules, reference=reference), bodies.SetPhase(1, Phase.CALL))
    accepted = recorder.do(*orders)
    expected = recorder.machine.indication(1)
    events = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    uncrossed = events[events["kind"] == EventKind.UNCROSSED][0]
    fills = events[events["kind"] == EventKind.FILL]
    assert (int(uncrossed["qty"]), int(uncrossed["leaves"])) == (expected.volume_lots, expected.surplus_lots)
    assert int(fills["qty"].sum()) == expected.volume_lots
    if expected.price_ticks is not None:
        assert set(fills["price"]) <= {expected.price_ticks}
        limits = {int(row["order"]): int(row["price"]) for row in accepted}
        unpriced = {int(row["order"]) for row in accepted if row["flags"] & EventFlag.UNPRICED}
        for fill in fills:
            buy, sell = int(fill["order"]), int(fill["counter_order"])
            assert buy in unpriced or limits[buy] >= expected.price_ticks
            assert sell in unpriced or limits[sell] <= expected.price_ticks
    bids, offers = (recorder.machine.hot.depth(1, side, 1)["price"] for side in Side)
    assert not (len(bids) and len(offers)) or bids[0] < offers[0]
    curve = recorder.machine.hot.curve(1)
    assert (curve.unpriced_buy_lots, curve.unpriced_sell_lots) == (0, 0)
    assert np.all(curve.buy_lots >= 0)


def pro_rata_call(hot: type, rules: str) -> Recorder:
    """Two equal bids, one from before the call, and an offer of as much as one of them."""
    recorder = Recorder(Machine(hot()))
    open_venue(recorder, instruments=0)
    recorder.do(coffee(rules=rules), bodies.SetPhase(1, Phase.PRE_OPEN), order_row(1, Side.BUY, 6_700, 10))
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    recorder.do(order_row(2, Side.BUY, 6_700, 10), order_row(3, Side.SELL, 6_700, 10))
    recorder.do(bodies.SetPhase(1, Phase.FROZEN), bodies.SetPhase(1, Phase.CALL))
    return recorder


@pytest.mark.parametrize("hot", HOTS)
@pytest.mark.parametrize(
    ("rules", "shares"),
    [
        ("harvest", {1: 10}),
        ("harvest_pro_rata", {1: 5, 2: 5}),
        ("bnb_four_step_5pct", {1: 10}),  # what rested before the call began is the earlier block
    ],
)
def test_the_rule_set_of_the_book_shares_the_margin(hot, rules, shares):
    recorder = pro_rata_call(hot, rules)
    events = recorder.do(bodies.Uncross(1, Phase.CLOSED))
    fills = events[events["kind"] == EventKind.FILL]
    assert dict(zip(fills["account"].tolist(), fills["qty"].tolist(), strict=True)) == shares


@pytest.mark.parametrize("hot", HOTS)
def test_unpriced_orders_come_last_where_the_rules_say_so(hot):
    for rules, buyer in (("harvest", 2), ("nse", 1)):
        recorder = Recorder(Machine(hot()))
        open_venue(recorder, instruments=0)
        recorder.do(coffee(rules=rules), bodies.SetPhase(1, Phase.CALL))
        recorder.do(
            order_row(1, Side.BUY, 6_700, 10),
            order_row(2, Side.BUY, 0, 10, type=OrderType.MARKET),
            order_row(3, Side.SELL, 6_700, 10),
        )
        events = recorder.do(bodies.Uncross(1, Phase.CLOSED))
        assert events["account"][events["kind"] == EventKind.FILL].tolist() == [buyer]


def at_collar(hot: type, *orders: Batch) -> tuple[int | None, int, int]:
    """(price, volume, phase) after an uncross into continuous trading; reference 6,705, collar 10 % of it."""
    recorder = Recorder(Machine(hot()))
    open_venue(recorder, instruments=0)
    recorder.do(coffee(rules="iex", collar_bps=1_000), bodies.SetPhase(1, Phase.CALL))
    recorder.do(*orders)
    events = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    uncrossed = events[events["kind"] == EventKind.UNCROSSED][0]
    price, volume = uncrossed["price"], uncrossed["qty"]
    return (None if uncrossed["flags"] & EventFlag.NO_PRICE else int(price), int(volume), recorder.machine.hot.phase(1))


@pytest.mark.parametrize("hot", HOTS)
def test_unpriced_orders_are_valued_at_the_collar_where_the_rules_say_so(hot):
    """6,034 to 7,376. Unpriced buying is willing no further, and nothing prints beyond."""
    unpriced = order_row(1, Side.BUY, 0, 10, type=OrderType.MARKET)
    assert at_collar(hot, unpriced, order_row(2, Side.SELL, 7_376, 10)) == (7_376, 10, Phase.CONTINUOUS)
    assert at_collar(hot, unpriced, order_row(2, Side.SELL, 7_377, 10)) == (None, 0, Phase.CONTINUOUS)


@pytest.mark.parametrize("hot", HOTS)
def test_limits_that_meet_beyond_the_collar_alone_halt_the_book(hot):
    beyond = order_row(1, Side.BUY, 8_000, 10), order_row(2, Side.SELL, 7_500, 10)
    assert at_collar(hot, *beyond) == (None, 0, Phase.HALTED)
    assert at_collar(hot, *beyond, order_row(3, Side.SELL, 6_700, 4)) == (6_705, 4, Phase.HALTED)
