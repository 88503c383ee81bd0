"""The machine: timers, hot runs and cold rules in one order, on both implementations of the books."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import machine as machine_module
from engine.codes import COLD_FIRST, CommandKind, EventFlag, EventKind, Phase, Reason, RefForm, Side, TimerKind
from engine.limits import CLIENT_ID_MEMORY_NS
from engine.log.interface import Tail
from engine.log.record import GENESIS_DIGEST, chain_events
from engine.machine import Machine
from engine.markets.audit import audit
from engine.markets.sales.english import market_of
from engine.markets.timers import SWEEP_EVERY_NS
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.refs import text_ref
from engine.messages.sales.terms import Stages
from engine.state.cold import cold_sections
from engine.state.hot import Space
from tests.flows import mixed_flow, open_markets, seeded_flow
from tests.recorder import HOTS, SECOND_NS, Recorder, auction_sale, bid_of, coffee, kinds, open_venue, order_row

pytestmark = pytest.mark.parametrize("hot", HOTS)


def venue_on(hot: type, skips: frozenset[int] = frozenset()) -> Recorder:
    recorder = Recorder(Machine(hot(), skips))
    open_venue(recorder)
    return recorder


def schedule(recorder: Recorder, *moves: tuple[float, Phase, bool], version: int = 1, instrument: int = 1) -> Batch:
    """Entries so many seconds from now."""
    entries = tuple(
        bodies.ScheduleEntry(recorder.ts_ns + int(after_s * SECOND_NS), phase, uncross)
        for after_s, phase, uncross in moves
    )
    return cold(bodies.Schedule(instrument, version, entries))


# --- order, indices, flags -------------------------------------------------------------------------------------------


def test_events_are_numbered_per_command_and_the_last_one_is_flagged(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    events = recorder.do(
        order_row(1, Side.BUY, 6700, 10),
        bodies.Time(),
        order_row(2, Side.SELL, 6690, 4),
        bodies.Uncross(1, Phase.CONTINUOUS),
        order_row(2, Side.SELL, 6700, 1),
    )
    assert kinds(events) == [
        EventKind.ACCEPTED, EventKind.DONE, EventKind.ACCEPTED,
        EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE,
        EventKind.ACCEPTED, EventKind.FILL,
    ]  # fmt: skip
    assert events["command"].tolist() == [0, 1, 2, 3, 3, 3, 4, 4]
    assert events["index"].tolist() == [0, 0, 0, 0, 1, 2, 0, 1]
    assert (events["flags"] & EventFlag.LAST).tolist() == [1, 1, 1, 0, 0, 1, 0, 1]


def test_timers_come_before_the_first_command_and_share_its_numbering(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.CALL, False), (10, Phase.CONTINUOUS, True)))
    events = recorder.do(order_row(1, Side.BUY, 6700, 10), bodies.Time(), after_s=10)
    assert kinds(events) == [
        EventKind.TIMER, EventKind.PHASE, EventKind.TIMER, EventKind.UNCROSSED, EventKind.PHASE,
        EventKind.ACCEPTED, EventKind.DONE,
    ]  # fmt: skip
    assert events["index"].tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert (events["flags"] & EventFlag.BY_TIMER != 0).tolist() == [True] * 5 + [False] * 2
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert events["reason"].tolist()[::2][:2] == [TimerKind.PHASE_MOVE, TimerKind.UNCROSS]


def test_timers_of_one_moment_fire_by_kind_then_id(hot):
    recorder = venue_on(hot)
    recorder.do(
        schedule(recorder, (5, Phase.CONTINUOUS, True), instrument=2),
        schedule(recorder, (5, Phase.CALL, False), instrument=1),
        bodies.SetPhase(2, Phase.CALL),
    )
    events = recorder.do(bodies.Time(), after_s=5)
    assert kinds(events)[:2] == [EventKind.TIMER, EventKind.PHASE]
    assert [int(e["instrument"]) for e in events if e["kind"] == EventKind.PHASE] == [1, 2]


def test_the_digest_chains_records_that_have_commands(hot):
    recorder = Recorder(Machine(hot()))
    assert recorder.machine.event_digest == GENESIS_DIGEST
    events = recorder.do(bodies.Time())
    digest = chain_events(GENESIS_DIGEST, events)
    assert recorder.machine.event_digest == digest
    hashed = recorder.machine.state_hash()
    assert len(recorder.empty()) == 0
    assert (recorder.machine.event_digest, recorder.machine.state_hash()) == (digest, hashed)
    more = recorder.do(bodies.Time())
    assert recorder.machine.event_digest == chain_events(digest, more)


def test_a_record_that_does_not_follow_is_a_bug(hot):
    recorder = venue_on(hot)
    record = recorder.records[-1]
    with pytest.raises(AssertionError, match="expected"):
        recorder.machine.apply(record)
    with pytest.raises(AssertionError, match="falls"):
        recorder.do(bodies.Time(), after_s=-1)


def test_an_empty_record_fires_nothing(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.CALL, False)))
    due_ns = recorder.machine.next_due()
    assert len(recorder.empty()) == 0
    assert recorder.machine.next_due() == due_ns


# --- registers -------------------------------------------------------------------------------------------------------


def test_a_genesis_sent_again_changes_nothing(hot):
    recorder = venue_on(hot)
    before = [section for section in recorder.machine.hot.canonical()], dict(recorder.machine.venue.instruments)
    events = recorder.do(bodies.Genesis(b"g" * 16, "test"), bodies.OpenAccount(1, "again"), coffee(1))
    assert events["kind"].tolist() == [EventKind.REJECTED] * 3
    assert set(events["reason"].tolist()) == {Reason.ALREADY_EXISTS}
    assert ([section for section in recorder.machine.hot.canonical()], recorder.machine.venue.instruments) == before


def test_another_configuration_is_noted_when_it_is_applied(hot):
    recorder = venue_on(hot)
    events = recorder.do(bodies.Genesis(b"h" * 16, "test"))
    assert kinds(events) == [EventKind.DONE]
    assert recorder.machine.venue.config_digest == b"h" * 16


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (coffee(3, symbol="PE-WASHED-1"), Reason.ALREADY_EXISTS),
        (coffee(3, rules="nobodys"), Reason.RULES_UNKNOWN),
        (coffee(3, tick_size="0"), Reason.BODY_INVALID),
        (coffee(3, tick_size="007"), Reason.BODY_INVALID),
        (coffee(3, price_min=10, price_max=9, reference=None), Reason.BODY_INVALID),
        (coffee(3, reference=100_001), Reason.PRICE_BAND),
        (bodies.SetReference(9, 100), Reason.INSTRUMENT_UNKNOWN),
        (bodies.SetReference(1, 0), Reason.PRICE_BAND),
        (bodies.AddKey(b"k" * 32, 99, 1), Reason.ACCOUNT_UNKNOWN),
        (bodies.AddKey(b"k" * 32, 1, 1, expires_ns=1), Reason.DUE_IN_PAST),
        (bodies.RevokeKey(b"k" * 32), Reason.KEY_UNKNOWN),
        (bodies.SetPhase(9, Phase.CALL), Reason.INSTRUMENT_UNKNOWN),
        (bodies.SetPhase(1, Phase.CONTINUOUS), Reason.PHASE_MOVE_ILLEGAL),
        (bodies.Uncross(1, Phase.CONTINUOUS), Reason.PHASE_MOVE_ILLEGAL),
        (bodies.Uncross(9, Phase.CLOSED), Reason.INSTRUMENT_UNKNOWN),
    ],
)
def test_a_refused_command_says_why_and_changes_nothing(hot, body, reason):
    recorder = venue_on(hot)
    before = list(recorder.machine.hot.canonical()), list(cold_content(recorder.machine))
    events = recorder.do(body)
    assert kinds(events) == [EventKind.REJECTED]
    assert events["reason"].tolist() == [reason]
    assert (list(recorder.machine.hot.canonical()), list(cold_content(recorder.machine))) == before


def cold_content(machine: Machine) -> list[tuple[str, bytes]]:
    return list(cold_sections(machine.venue))


def test_a_revoked_key_never_comes_back(hot):
    recorder = venue_on(hot)
    add = bodies.AddKey(b"k" * 32, 1, 3)
    assert kinds(recorder.do(add, bodies.RevokeKey(b"k" * 32))) == [EventKind.KEY_ADDED, EventKind.KEY_REVOKED]
    assert recorder.do(add)["reason"].tolist() == [Reason.ALREADY_EXISTS]
    assert recorder.machine.venue.keys == {}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("kind", 250, Reason.KIND_UNKNOWN),
        ("version", 9, Reason.VERSION_UNKNOWN),
        ("ref_form", 1, Reason.REF_INVALID),
        ("ref_form", 77, Reason.REF_INVALID),
        ("account", 99, Reason.ACCOUNT_UNKNOWN),
        ("kind", CommandKind.RESUME, Reason.BODY_INVALID),
    ],
)
def test_a_cold_row_of_wrong_form_is_refused(hot, field, value, reason):
    recorder = venue_on(hot)
    batch = cold(bodies.Time())
    batch.rows[field] = value
    assert recorder.do(batch)["reason"].tolist() == [reason]


@given(kind=st.integers(64, 255), body=st.binary(max_size=64))
@settings(max_examples=200)
def test_random_bodies_are_refused_or_valid_and_never_raise(hot, kind, body):
    recorder = Recorder(Machine(hot()))
    batch = cold(bodies.Time())
    batch.rows["kind"], batch.rows["body_length"], batch.blob = kind, len(body), body
    events = recorder.do(batch)
    assert events["flags"][-1] & EventFlag.LAST


def test_resume_stands_alone(hot):
    recorder = venue_on(hot)
    events = recorder.do(bodies.Time(), bodies.Resume(1, 2))
    assert events["reason"].tolist() == [0, Reason.NOT_PERMITTED]


# --- client ids of cold commands -------------------------------------------------------------------------------------


def test_the_same_id_and_body_is_answered_once(hot):
    recorder = venue_on(hot)
    recorder.do(auction_sale(recorder.ts_ns))
    for client_id in ("bid-1", "a-rather-long-client-id-0001"):
        first = recorder.do(bid_of(2, 1, 500 if client_id == "bid-1" else 510, client_id=client_id))
        first_seq = recorder.machine.seq
        again = recorder.do(bid_of(2, 1, 500 if client_id == "bid-1" else 510, client_id=client_id))
        assert first["kind"][0] == EventKind.BID_ACCEPTED
        assert kinds(again) == [EventKind.DUPLICATE]
        assert (again["counter_order"][0], again["reason"][0], again["order"][0]) == (first_seq, Reason.NONE, 1)


def test_another_body_under_the_same_id_is_refused(hot):
    recorder = venue_on(hot)
    recorder.do(auction_sale(recorder.ts_ns))
    recorder.do(bid_of(2, 1, 500, client_id="bid-1"))
    events = recorder.do(bid_of(2, 1, 510, client_id="bid-1"))
    assert (kinds(events), events["reason"].tolist()) == ([EventKind.REJECTED], [Reason.CLIENT_ID_REUSED])
    assert market_of(recorder.machine.venue.sales[1]).lots[0].standing[2].maximum == 500
    assert recorder.do(bid_of(3, 1, 520, client_id="bid-1"))["kind"][0] == EventKind.BID_ACCEPTED, "ids are per account"


OPERATORS = [
    bodies.KillSwitch(True),
    bodies.OpenAccount(9, "ninth"),
    coffee(9),
    bodies.SetReference(1, 6_700),
    bodies.SetAccount(2, group=7, frozen=True),
    bodies.SetLimits(2, "USD", 10**9),
    bodies.Deposit(2, 2, 40),
    bodies.ChangeInstrument(1, name="new crop"),
    bodies.DelistInstrument(1),
    bodies.SetPhase(1, Phase.CALL),
    bodies.MassCancel(by_operator=True),
    bodies.CancelAfter(60 * SECOND_NS),
    bodies.BustTrade(1, 0, 1, 6_700, 5, 2, 3),
    bodies.CorrectTrade(1, 0, 1, 6_700, 5, 2, 3, 6_690, 5),
]


@pytest.mark.parametrize("body", OPERATORS, ids=lambda body: type(body).__name__)
def test_a_command_sent_again_is_answered_again_and_done_once(hot, body):
    recorder = Recorder(Machine(hot()))
    open_venue(recorder, instruments=1)
    recorder.do(coffee(2, deposit=True))
    first = recorder.do(cold(body, account=1, ref=text_ref("once")))
    seq, before = recorder.machine.seq, (list(recorder.machine.hot.canonical()), cold_content(recorder.machine))
    again = recorder.do(cold(body, account=1, ref=text_ref("once")), after_s=1)
    assert EventKind.REJECTED not in kinds(first)
    assert (kinds(again), int(again["counter_order"][0])) == ([EventKind.DUPLICATE], seq)
    assert (list(recorder.machine.hot.canonical()), cold_content(recorder.machine)) == before


@pytest.mark.parametrize("body", OPERATORS, ids=lambda body: type(body).__name__)
def test_any_of_them_can_be_skipped(hot, body):
    recorder = Recorder(Machine(hot()))
    open_venue(recorder, instruments=1)
    recorder.do(coffee(2, deposit=True))
    before = list(recorder.machine.hot.canonical()), cold_content(recorder.machine)
    recorder.do(cold(body, account=1))
    machine, events = recorder.replayed(hot, frozenset({recorder.machine.seq}))
    assert kinds(events[-1]) == [EventKind.SKIPPED]
    assert (list(machine.hot.canonical()), cold_content(machine)) == before


def test_a_refusal_is_remembered_with_its_reason(hot):
    recorder = venue_on(hot)
    recorder.do(auction_sale(recorder.ts_ns))
    recorder.do(bid_of(2, 1, 395, client_id="low"))
    again = recorder.do(bid_of(2, 1, 395, client_id="low"))
    assert (kinds(again), again["reason"].tolist()) == ([EventKind.DUPLICATE], [Reason.BID_INCREMENT])


def test_an_id_is_forgotten_a_day_after_its_answer(hot):
    recorder = venue_on(hot)
    recorder.do(bid_of(2, 1, 395, client_id="old"))
    recorder.ts_ns += CLIENT_ID_MEMORY_NS - 1
    assert kinds(recorder.do(bid_of(2, 1, 395, client_id="old")))[-1] == EventKind.DUPLICATE
    recorder.ts_ns += SWEEP_EVERY_NS
    assert kinds(recorder.do(bodies.Time()))[0] == EventKind.TIMER
    assert recorder.machine.venue.remembered == {}
    assert kinds(recorder.do(bid_of(2, 1, 395, client_id="old")))[-1] == EventKind.REJECTED


def test_an_account_has_a_share_of_the_ids_that_are_remembered(hot):
    recorder = Recorder(Machine(hot(Space(client_ids=3, client_ids_share=2))))
    open_venue(recorder)

    def answer(account: int, client_id: str) -> int:
        return recorder.do(bid_of(account, 1, 395, client_id=client_id))["reason"][-1]

    unknown, share, full = Reason.SALE_UNKNOWN, Reason.CLIENT_IDS_SHARE_FULL, Reason.CLIENT_IDS_FULL
    assert [answer(2, "a"), answer(2, "b"), answer(2, "c"), answer(2, "a")] == [unknown, unknown, share, unknown]
    assert [answer(3, "a"), answer(3, "b"), answer(4, "a")] == [unknown, full, full]
    told = recorder.machine.snapshot(Tail().after(recorder.records[-1]))
    recorder.machine = Machine.restored(hot(Space(client_ids=4, client_ids_share=2)), told)
    assert [answer(2, "c"), answer(3, "b")] == [share, unknown], "counted anew from a snapshot"
    recorder.ts_ns += CLIENT_ID_MEMORY_NS + SWEEP_EVERY_NS
    recorder.do(bodies.Time())
    assert [answer(2, "c"), answer(4, "a")] == [unknown, unknown]


# --- skip and bugs ---------------------------------------------------------------------------------------------------


def planted(turn, body):
    if body.offer.lot == 2:
        raise ZeroDivisionError("planted")
    return Reason.NONE


def test_a_bug_in_a_rule_stops_the_machine_and_a_skip_passes_over_it(hot, monkeypatch):
    monkeypatch.setitem(machine_module.RULES, CommandKind.BID, planted)
    recorder = venue_on(hot)
    recorder.do(order_row(1, Side.BUY, 6700, 1), bid_of(2, 1, 400))
    good = recorder.machine.state_hash()
    with pytest.raises(ZeroDivisionError) as raised:
        recorder.do(order_row(1, Side.BUY, 6700, 1), bid_of(2, 2, 400), order_row(1, Side.BUY, 6700, 2))
    poison = recorder.records[-1].first_seq + 1
    assert raised.value.__notes__[0] == f"while applying command {poison} (record {len(recorder.records)})"

    with pytest.raises(ZeroDivisionError):
        replayed(hot, recorder)
    again = Machine(hot(), frozenset({poison}))
    for record in recorder.records[:-1]:
        again.apply(record)
    assert again.state_hash() == good
    events = again.apply(recorder.records[-1])
    assert events["kind"].tolist()[1:2] == [EventKind.SKIPPED]
    assert events["command"].tolist() == [0, 1, 2]
    assert (events["flags"] & EventFlag.LAST).tolist() == [1, 1, 1]
    assert again.seq == poison + 1


def test_a_failure_among_hot_commands_names_their_run(hot, monkeypatch):
    def fails(*args, **kwargs):
        raise ZeroDivisionError("planted")

    recorder = venue_on(hot)
    monkeypatch.setattr(recorder.machine.hot, "run", fails, raising=True)
    orders = [order_row(1, Side.BUY, 6700, qty) for qty in (1, 2, 3)]
    with pytest.raises(ZeroDivisionError) as raised:
        recorder.do(bodies.Time(), *orders, bodies.Time())
    first = recorder.records[-1].first_seq
    assert f"commands {first + 1} to {first + 3} " in raised.value.__notes__[0]


def test_a_hot_command_can_be_skipped_among_others(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    recorder.do(*(order_row(1, Side.BUY, 6700, qty) for qty in (1, 2, 3)))
    first_seq = recorder.records[-1].first_seq
    events = replayed(hot, recorder, frozenset({first_seq + 1}))[-1]
    assert kinds(events) == [EventKind.ACCEPTED, EventKind.SKIPPED, EventKind.ACCEPTED]
    assert events["qty"].tolist() == [1, 0, 3]


def test_a_skip_passes_over_timers_of_the_same_sequence_and_names_them(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.CALL, False)))
    recorder.do(bodies.Time(), after_s=5)
    events = replayed(hot, recorder, frozenset({recorder.records[-1].first_seq}))[-1]
    assert kinds(events) == [EventKind.TIMER, EventKind.SKIPPED, EventKind.SKIPPED]
    assert (events["flags"] & EventFlag.BY_TIMER != 0).tolist() == [True, True, False]


def test_a_skipped_resume_passes_over_the_timers_that_were_due(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.CALL, False)))
    start_ns = recorder.ts_ns
    recorder.do(bodies.Resume(start_ns, start_ns + 60 * SECOND_NS), after_s=60)
    events = replayed(hot, recorder, frozenset({recorder.records[-1].first_seq}))[-1]
    assert kinds(events) == [EventKind.SKIPPED, EventKind.TIMER, EventKind.SKIPPED]
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 1]


def replayed(hot: type, recorder: Recorder, skips: frozenset[int] = frozenset()) -> list[np.ndarray]:
    machine = Machine(hot(), skips)
    return [machine.apply(record) for record in recorder.records]


# --- time ------------------------------------------------------------------------------------------------------------


def test_resume_treats_each_kind_of_timer_by_its_rule(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (100, Phase.CALL, False), (200, Phase.CONTINUOUS, True)))
    stages = Stages(live_ns=recorder.ts_ns + 300 * SECOND_NS)
    recorder.do(
        auction_sale(recorder.ts_ns, stop_ns=recorder.ts_ns + 900 * SECOND_NS),
        auction_sale(recorder.ts_ns, 2, lots=1),
        auction_sale(recorder.ts_ns, 3, stages=stages),
    )
    recorder.do(bid_of(2, 1, 400, sale=2))
    start_ns, outage_ns = recorder.ts_ns, 7200 * SECOND_NS
    before = {(timer.kind, timer.subject): timer.due_ns for timer in recorder.machine.venue.timers}
    not_here = {TimerKind.EXPIRY, TimerKind.CANCEL_AFTER, TimerKind.DAY_END, TimerKind.AWARD_DUE}
    assert {kind for kind, _ in before} == set(TimerKind) - not_here
    assert recorder.machine.outage_clock_runs()

    recorder.ts_ns += outage_ns
    events = recorder.do(bodies.Resume(start_ns, recorder.ts_ns))
    after = {(timer.kind, timer.subject): timer.due_ns for timer in recorder.machine.venue.timers}
    assert after == {
        (TimerKind.PHASE_MOVE, 1): before[TimerKind.PHASE_MOVE, 1] + outage_ns,
        (TimerKind.UNCROSS, 1): before[TimerKind.UNCROSS, 1] + outage_ns,
        (TimerKind.SALE_OPEN_UNTIL, 1): before[TimerKind.SALE_OPEN_UNTIL, 1] + outage_ns,
        (TimerKind.SALE_ROUND, 1): before[TimerKind.SALE_ROUND, 1] + outage_ns,
        (TimerKind.SALE_STAGE, 3): before[TimerKind.SALE_STAGE, 3] + outage_ns,
        (TimerKind.SALE_CLOCK, 2): recorder.ts_ns + 180 * SECOND_NS,
        (TimerKind.CLIENT_ID_SWEEP, 0): recorder.ts_ns + SWEEP_EVERY_NS,
    }
    assert kinds(events) == [EventKind.RESUMED, EventKind.CLOCK, EventKind.TIMER]
    assert events["qty"][0] == outage_ns
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 1]
    sales = recorder.machine.venue.sales
    assert market_of(sales[1]).open_until_ns == after[TimerKind.SALE_OPEN_UNTIL, 1]
    assert market_of(sales[2]).clocks[0].due_ns == after[TimerKind.SALE_CLOCK, 2]


def test_a_machine_clock_behind_the_log_is_an_outage_of_no_length(hot):
    recorder = venue_on(hot)
    recorder.do(auction_sale(recorder.ts_ns, lots=1), bid_of(2, 1, 400))
    events = recorder.do(bodies.Resume(recorder.ts_ns, recorder.ts_ns - 5 * SECOND_NS))
    assert kinds(events) == [EventKind.RESUMED, EventKind.CLOCK]
    assert events["qty"][0] == 0


def test_only_timers_that_an_outage_extends_keep_the_log_speaking(hot):
    recorder = venue_on(hot)
    assert recorder.machine.next_due() == recorder.ts_ns + SWEEP_EVERY_NS
    assert not recorder.machine.outage_clock_runs()
    recorder.do(schedule(recorder, (5, Phase.CALL, False)))
    assert recorder.machine.outage_clock_runs()


# --- calendars -------------------------------------------------------------------------------------------------------


def test_a_schedule_sent_again_does_nothing_even_after_its_moves(hot):
    recorder = venue_on(hot)
    batch = schedule(recorder, (5, Phase.CALL, False), (10, Phase.CONTINUOUS, True))
    assert recorder.do(batch)["qty"].tolist() == [2]
    assert recorder.do(batch)["qty"].tolist() == [0]
    recorder.do(bodies.Time(), after_s=20)
    assert recorder.do(batch)["qty"].tolist() == [0]
    assert recorder.machine.venue.moves_of(1) == []


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ([(0, Phase.CALL, False)], Reason.DUE_IN_PAST),
        ([(5, Phase.CALL, False), (-5, Phase.CALL, False)], Reason.DUE_IN_PAST),
        ([(5, Phase.CALL, False), (5, Phase.CLOSED, False)], Reason.BODY_INVALID),
        ([(5, Phase.CONTINUOUS, False)], Reason.PHASE_MOVE_ILLEGAL),
        ([(5, Phase.HALTED, True)], Reason.PHASE_MOVE_ILLEGAL),
    ],
)
def test_a_schedule_is_taken_whole_or_not_at_all(hot, moves, reason):
    recorder = venue_on(hot)
    assert recorder.do(schedule(recorder, *moves))["reason"].tolist() == [reason]
    assert recorder.machine.venue.moves_of(1) == []


def test_no_calendar_ends_a_halt(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.CALL, False)))
    recorder.do(bodies.SetPhase(1, Phase.HALTED))
    events = recorder.do(bodies.Time(), after_s=6)
    assert events["reason"][events["kind"] == EventKind.REJECTED].tolist() == [Reason.PHASE_MOVE_ILLEGAL]
    assert recorder.machine.hot.phase(1) == Phase.HALTED
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    assert recorder.machine.hot.phase(1) == Phase.CALL, "an operator ends it"


def test_a_newer_calendar_replaces_the_moves_of_older_ones(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.CALL, False)), schedule(recorder, (6, Phase.CALL, False), instrument=2))
    recorder.do(schedule(recorder, (7, Phase.PRE_OPEN, False), version=2))
    assert [timer.phase for timer in recorder.machine.venue.moves_of(1)] == [Phase.PRE_OPEN]
    assert len(recorder.machine.venue.moves_of(2)) == 1
    late = recorder.do(schedule(recorder, (8, Phase.CALL, False)))
    assert late["reason"].tolist() == [Reason.CALENDAR_SUPERSEDED]


def test_a_move_that_became_illegal_says_so_and_changes_nothing(hot):
    recorder = venue_on(hot)
    recorder.do(schedule(recorder, (5, Phase.NO_CANCEL, False), (6, Phase.CONTINUOUS, True)))
    events = recorder.do(bodies.Time(), after_s=6)
    assert kinds(events) == [EventKind.TIMER, EventKind.REJECTED, EventKind.TIMER, EventKind.REJECTED, EventKind.DONE]
    assert events["reason"].tolist()[1::2] == [Reason.PHASE_MOVE_ILLEGAL] * 2
    assert recorder.machine.hot.phase(1) == Phase.CLOSED


def test_the_auction_price_is_kept_beside_the_published_reference(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    recorder.do(order_row(1, Side.BUY, 6800, 5), order_row(2, Side.SELL, 6750, 5))
    assert recorder.machine.indication(1) == (6750, 5, 0)
    events = recorder.do(bodies.Uncross(1, Phase.CLOSED))
    assert kinds(events) == [EventKind.FILL, EventKind.UNCROSSED, EventKind.PHASE]
    listing = recorder.machine.venue.instruments[1]
    assert (listing.reference, listing.last_auction) == (6705, 6750)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    nothing = recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    assert nothing["flags"][0] & EventFlag.NO_PRICE
    assert recorder.machine.venue.instruments[1].last_auction == 6750


# --- history does not depend on how it was cut -----------------------------------------------------------------------


@given(flow=mixed_flow(), cuts=st.sets(st.integers(1, 60)))
@settings(max_examples=60, deadline=None)
def test_any_partition_into_records_gives_the_same_history(hot, flow, cuts):
    """Commands of one time: events by (seq, index) and the state hash do not depend on the cut."""
    whole, parts = Recorder(Machine(hot())), Recorder(Machine(hot()))
    for recorder in (whole, parts):
        open_markets(recorder)
    for after_s, batches in flow:
        together = named(whole.do(*batches, after_s=after_s), whole)
        edges = sorted({0, len(batches)} | {cut for cut in cuts if cut < len(batches)})
        pieces = [
            named(parts.do(*batches[start:end], after_s=after_s if start == 0 else 0), parts)
            for start, end in pairwise(edges)
        ]
        assert np.array_equal(together, np.concatenate(pieces))
        assert whole.machine.state_hash() == parts.machine.state_hash()
        audit(parts.machine.venue, parts.machine.hot)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_refused_changed_nothing(hot, seed):
    """Every cold command of a flow alone in its record: a rule checks completely, then it mutates."""
    recorder, refused = Recorder(Machine(hot())), 0
    open_markets(recorder)
    for after_s, batches in seeded_flow(seed + 200):
        recorder.do(bodies.Time(), after_s=after_s)
        for batch in batches:
            is_cold = batch.rows["kind"][0] >= COLD_FIRST and batch.rows["ref_form"][0] == RefForm.NONE
            before = (dict(recorder.machine.hot.canonical()), cold_content(recorder.machine)) if is_cold else None
            events = recorder.do(batch)
            if is_cold and kinds(events) == [EventKind.REJECTED]:
                refused += 1
                assert (dict(recorder.machine.hot.canonical()), cold_content(recorder.machine)) == before
    assert refused > 20


@pytest.mark.parametrize("seed", range(8))
def test_starts_and_outages_in_between_do_not_change_history(hot, seed):
    """One machine never stops; the other goes on from a snapshot of itself every few records."""
    random, whole, again = Random(seed), Recorder(Machine(hot())), Recorder(Machine(hot()))
    for recorder in (whole, again):
        open_markets(recorder)
    for after_s, batches in seeded_flow(seed + 100):
        assert np.array_equal(whole.do(*batches, after_s=after_s), again.do(*batches, after_s=after_s))
        if random.randrange(3) == 0:
            again.restart(hot)
        if random.randrange(8) == 0:
            last_ns, outage_s = whole.ts_ns, random.randrange(200)
            told = [
                recorder.do(bodies.Resume(last_ns, last_ns + outage_s * SECOND_NS), after_s=outage_s)
                for recorder in (whole, again)
            ]
            assert np.array_equal(*told)
        audit(again.machine.venue, again.machine.hot)
        assert whole.machine.state_hash() == again.machine.state_hash()


def named(events: np.ndarray, recorder: Recorder) -> np.ndarray:
    """Events with their sequence where the row of the record stood."""
    events = events.copy()
    events["command"] += recorder.records[-1].first_seq
    return events


def test_joined_batches_keep_their_bodies(hot):
    recorder = venue_on(hot)
    batch = join(
        [order_row(1, Side.BUY, 6700, 1, ref=text_ref("a")), cold(bodies.Time()), cold(auction_sale(recorder.ts_ns))]
    )
    told = kinds(recorder.do(batch))[1:]
    assert told == [EventKind.DONE, EventKind.SALE_PLANNED, EventKind.SALE_STAGE, EventKind.SALE_OPENED]


def test_the_order_of_insertion_is_not_part_of_the_state(hot):
    """Register contents in another order of insertion give the same hash."""
    forward, backward = Recorder(Machine(hot())), Recorder(Machine(hot()))
    keys = [bodies.AddKey(bytes([number]) * 32, number, 1) for number in (1, 2, 3)]
    for recorder, order in ((forward, keys), (backward, keys[::-1])):
        open_venue(recorder)
        recorder.do(*order)
    assert forward.machine.state_hash() == backward.machine.state_hash()
