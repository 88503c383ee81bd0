"""Cold registers: timers fire in one order, and each register is part of the state hash."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from engine.codes import Phase, Side, TimerKind
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import cold
from engine.oracle.books import Books
from engine.state.canonical import state_hash
from engine.state.sales.english import SaleClock, Standing
from engine.state.venue import EXTENDED, Timers, Venue
from tests.recorder import Recorder, auction_sale, bid_of, coffee, open_venue, order_row

DUES = st.lists(st.tuples(st.integers(1, 5), st.sampled_from(list(TimerKind))), max_size=30)


@given(dues=DUES, cancelled=st.sets(st.integers(1, 30)), now_ns=st.integers(0, 6))
def test_timers_fire_by_due_then_kind_then_id(dues, cancelled, now_ns):
    timers = Timers()
    set_ = [timers.set(0, due_ns, kind) for due_ns, kind in dues]
    for timer in cancelled:
        timers.cancel(timer)
    fired = []
    while (timer := timers.peek()) is not None and timer.due_ns <= now_ns:
        timers.cancel(timer.timer)
        fired.append(timer)
    left = [timer for timer in set_ if timer.timer not in cancelled]
    expected = sorted(left, key=lambda timer: (timer.due_ns, timer.kind, timer.timer))
    assert fired == [timer for timer in expected if timer.due_ns <= now_ns]
    assert list(timers) == [timer for timer in expected if timer.due_ns > now_ns]
    assert timers.next_due() == min((timer.due_ns for timer in timers), default=None)


def test_a_timer_is_due_later_than_what_sets_it():
    with pytest.raises(AssertionError):
        Timers().set(5, 5, TimerKind.UNCROSS)


@given(dues=DUES, held_ns=st.integers(0, 5), more=DUES)
def test_timers_that_stand_still_are_none_to_fire_until_they_go_on(dues, held_ns, more):
    timers = Timers()
    for due_ns, kind in dues:
        timers.set(0, due_ns, kind)
    every = sorted(timers, key=lambda timer: timer.timer)
    timers.hold(held_ns)
    assert [timer for timer in every if timer.kind in EXTENDED] == sorted(
        (one.timer for one in timers.held), key=lambda timer: timer.timer
    )
    assert {timer.kind for timer in timers}.isdisjoint(EXTENDED)
    later = [timers.set(0, due_ns, kind) for due_ns, kind in more]
    assert {timer.kind for timer in timers}.isdisjoint(EXTENDED) and len(timers) == len(every) + len(later)
    again = Timers.restored(timers.last_id, list(timers), timers.held, True)
    released = again.release()
    assert [one.timer for one in released] == [one.timer for one in timers.held] and not again.held
    assert sorted(again, key=lambda timer: timer.timer) == every + later


def test_a_postponed_timer_keeps_its_id():
    timers = Timers()
    first, second = timers.set(0, 5, TimerKind.UNCROSS), timers.set(0, 6, TimerKind.UNCROSS)
    moved = timers.postpone(first, 7)
    assert (moved.timer, [timer.timer for timer in timers]) == (first.timer, [second.timer, first.timer])


CHANGES: dict[str, Callable[[Venue], object]] = {
    "name": lambda venue: setattr(venue, "name", "other"),
    "config_digest": lambda venue: setattr(venue, "config_digest", b"x" * 16),
    "account": lambda venue: venue.accounts.pop(5),
    "key": lambda venue: venue.keys.clear(),
    "revoked_key": lambda venue: venue.revoked_keys.clear(),
    "reference": lambda venue: venue.instruments.update({1: venue.instruments[1].with_reference(None)}),
    "last_auction": lambda venue: venue.instruments.update({1: venue.instruments[1].with_last_auction(6705)}),
    "call": lambda venue: venue.instruments.update({1: venue.instruments[1].with_call(7)}),
    "calendar": lambda venue: venue.calendars.update({1: 9}),
    "schedule_key": lambda venue: venue.schedule_keys.clear(),
    "timer": lambda venue: venue.timers.cancel(venue.timers.peek().timer),
    "timer_id": lambda venue: setattr(venue.timers, "last_id", 99),
    "leader": lambda venue: setattr(venue.sales[1].market.lots[0], "leader", 4),
    "maximum": lambda venue: setattr(venue.sales[1].market.lots[0].standing[2], "maximum", 510),
    "others_maximum": lambda venue: venue.sales[1].market.lots[0].standing.update({3: Standing(401, 9)}),
    "clock": lambda venue: venue.sales[1].market.clocks.update({0: SaleClock(1)}),
    "remembered": lambda venue: venue.remembered.clear(),
    "group": lambda venue: venue.accounts.update({1: structs.replace(venue.accounts[1], group=9)}),
    "limits": lambda venue: venue.account_limits.clear(),
    "currency": lambda venue: venue.currencies.update({"PEN": 9}),
    "collar": lambda venue: venue.instruments.update({1: venue.instruments[1].changed(collar_bps=7)}),
    "delisted": lambda venue: venue.delisted.clear(),
    "seed": lambda venue: venue.timers.cancel(venue.extensions[2].timer - 1),
    "extension": lambda venue: venue.extensions.clear(),
    "cancel_after": lambda venue: venue.cancel_after.clear(),
    "correction": lambda venue: venue.corrections.clear(),
    "stop": lambda venue: setattr(venue, "stop", None),
    "held": lambda venue: venue.timers.release(),
}


def full_venue() -> Machine:
    """Something in every register; the kill switch is on."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    soon = recorder.ts_ns + 10**9
    recorder.do(
        bodies.AddKey(b"a" * 32, 1, 3),
        bodies.AddKey(b"b" * 32, 1, 3),
        bodies.RevokeKey(b"b" * 32),
        bodies.Schedule(1, 1, (bodies.ScheduleEntry(soon, Phase.CALL),)),
        auction_sale(recorder.ts_ns),
        bid_of(2, 1, 500, client_id="first"),
    )
    recorder.do(
        bodies.SetAccount(1, group=3, coop=True),
        bodies.SetLimits(1, "USD", orders_max=100),
        coffee(3),
        bodies.DelistInstrument(3),
        bodies.ChangeInstrument(2, collar_floor=5, extension_ns=10**9, extensions_max=1),
        bodies.SetPhase(2, Phase.CALL),
        order_row(1, Side.BUY, 6_900, 1, instrument=2),
        order_row(2, Side.SELL, 6_900, 1, instrument=2),
        bodies.Schedule(2, 1, (bodies.ScheduleEntry(soon, Phase.CLOSED, True, random_ns=10**9, seed=b"s" * 32),)),
        bodies.Uncross(2, Phase.CONTINUOUS),
        cold(bodies.CancelAfter(60 * 10**9), account=1),
        bodies.BustTrade(1, 0, 1, 6_700, 1, 1, 2),
        bodies.KillSwitch(True, "drill"),
    )
    return recorder.machine


@pytest.mark.parametrize("change", CHANGES)
def test_every_register_is_part_of_the_state_hash(change):
    machine = full_venue()
    before = machine.state_hash()
    assert full_venue().state_hash() == before
    CHANGES[change](machine.venue)
    assert machine.state_hash() != before


def test_sequence_and_time_are_part_of_the_state_hash():
    machine = full_venue()
    seq, ts_ns, hot, venue = machine.seq, machine.ts_ns, machine.hot, machine.venue
    hashes = {state_hash(*content, hot, venue) for content in [(seq, ts_ns), (seq + 1, ts_ns), (seq, ts_ns + 1)]}
    assert len(hashes) == 3


def test_instruments_are_found_by_symbol():
    venue = full_venue().venue
    assert venue.instrument("PE-WASHED-2") is venue.instruments[2]
    assert venue.instrument("NOWHERE") is None
    assert venue.instrument("PE-WASHED-3") is None, "it was delisted"
    assert [move.phase for move in venue.moves_of(1)] == [Phase.CALL]
    assert [move.phase for move in venue.moves_of(2)] == [Phase.CLOSED, Phase.CONTINUOUS]
    assert [move.instrument for move in venue.moves()] == [1, 2, 2]
