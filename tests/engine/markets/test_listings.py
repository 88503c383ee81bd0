"""Instruments at run time: what may change, and what a delisting takes with it."""

from __future__ import annotations

import pytest

from engine import limits
from engine.codes import EventKind, OrderType, Phase, Reason, Side, TimeInForce
from engine.messages import bodies
from tests.recorder import HOTS, SECOND_NS, coffee, continuous, kinds, of_kind, order_row, refusal, venue_on

pytestmark = pytest.mark.parametrize("hot", HOTS)


def test_what_is_not_said_stays(hot):
    recorder = venue_on(hot)
    before = recorder.machine.venue.instruments[1]
    events = recorder.do(bodies.ChangeInstrument(1, name="new crop", qty_max=10, reference=6_800, collar_floor=5))
    assert kinds(events) == [EventKind.INSTRUMENT_CHANGED, EventKind.REFERENCE_SET, EventKind.COLLAR_SET]
    after = recorder.machine.venue.instruments[1]
    assert (after.name, after.qty_max, after.reference, after.collar_floor) == ("new crop", 10, 6_800, 5)
    assert (after.symbol, after.attributes, after.rules) == (before.symbol, before.attributes, before.rules)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    assert refusal(recorder.do(order_row(1, Side.BUY, 6_800, 11))) == Reason.QTY_RANGE
    assert kinds(recorder.do(bodies.ChangeInstrument(1))) == [EventKind.INSTRUMENT_CHANGED]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bodies.ChangeInstrument(9, name="none"), Reason.INSTRUMENT_UNKNOWN),
        (bodies.ChangeInstrument(1, rules="nobodys"), Reason.RULES_UNKNOWN),
        (bodies.ChangeInstrument(1, reference=100_001), Reason.PRICE_BAND),
        (bodies.ChangeInstrument(1, extensions_max=1), Reason.BODY_INVALID),
        (bodies.ChangeInstrument(1, extensions_max=1, extension_ns=limits.EXTENSION_NS_MIN - 1), Reason.BODY_INVALID),
        (coffee(3, extensions_max=1), Reason.BODY_INVALID),
    ],
)
def test_a_change_is_refused_with_its_reason(hot, body, reason):
    recorder = venue_on(hot)
    before = recorder.machine.venue.instruments[1]
    assert refusal(recorder.do(body)) == reason
    assert recorder.machine.venue.instruments == {1: before, 2: recorder.machine.venue.instruments[2]}


def test_an_open_call_keeps_the_rules_it_began_with(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    for change in ({"rules": "xetra"}, {"collar_floor": 5}, {"widen_bps": 5}, {"after_extensions": "halt"}):
        assert refusal(recorder.do(bodies.ChangeInstrument(1, **change))) == Reason.PHASE_FORBIDS
    assert kinds(recorder.do(bodies.ChangeInstrument(1, rules="harvest", reference=6_700, source="a call")))
    recorder.do(bodies.Uncross(1, Phase.CLOSED))
    assert kinds(recorder.do(bodies.ChangeInstrument(1, rules="xetra"))) == [EventKind.INSTRUMENT_CHANGED]


def test_a_delisting_takes_orders_stock_and_calendar_with_it(hot):
    recorder = venue_on(hot)
    recorder.do(coffee(3, deposit=True), bodies.Deposit(1, 3, 40), bodies.SetPhase(3, Phase.CALL))
    recorder.do(
        order_row(1, Side.SELL, 6_800, 5, instrument=3), order_row(2, Side.BUY, 6_600, 5, instrument=3),
        order_row(2, Side.BUY, 0, 5, instrument=3, type=OrderType.STOP, stop_price=6_900),
        order_row(2, Side.BUY, 6_600, 5, instrument=3, tif=TimeInForce.GTD, expire_at=recorder.ts_ns + 10**12),
    )  # fmt: skip
    soon = recorder.ts_ns + SECOND_NS
    entries = (
        bodies.ScheduleEntry(soon, Phase.CALL),
        bodies.ScheduleEntry(soon + 1, 0, day_end=True),
        bodies.ScheduleEntry(soon + 2, Phase.CONTINUOUS, uncross=True, random_ns=30, seed=b"s" * 32),
    )
    recorder.do(bodies.Schedule(3, 1, entries))
    assert refusal(recorder.do(bodies.DelistInstrument(3))) == Reason.PHASE_FORBIDS
    recorder.do(bodies.SetPhase(3, Phase.HALTED))
    events = recorder.do(bodies.DelistInstrument(3, "no harvest"))
    assert kinds(events) == [EventKind.CANCELLED] * 4 + [EventKind.SEED_REVEALED, EventKind.INSTRUMENT_DELISTED]
    assert set(events["reason"][:4]) == {Reason.DELISTED} and events["qty"][-1] == 4
    venue = recorder.machine.venue
    assert 3 not in venue.instruments and venue.delisted[3].symbol == "PE-WASHED-3"
    assert (venue.moves_of(3), venue.timers.of_calendar(3), venue.instrument("PE-WASHED-3")) == ([], [], None)
    assert not any(key[0] == 3 for key in venue.schedule_keys)
    assert recorder.machine.next_due() == next(iter(venue.timers)).due_ns, "the sweep alone is left"
    events = recorder.do(bodies.Time(), after_s=2_000)
    assert kinds(events) == [EventKind.DONE]


def test_number_and_symbol_never_come_back(hot):
    recorder = venue_on(hot)
    recorder.do(bodies.DelistInstrument(2))
    recorder.restart(hot)
    for again in (coffee(2, symbol="OTHER"), coffee(7, symbol="PE-WASHED-2")):
        assert refusal(recorder.do(again)) == Reason.ALREADY_EXISTS
    for body in (
        bodies.DelistInstrument(2), bodies.ChangeInstrument(2), bodies.SetReference(2, 5), bodies.SetPhase(2, 1),
        bodies.Uncross(2, Phase.CLOSED), bodies.MassCancel(1, 2, by_operator=True), bodies.Deposit(1, 2, 1),
        bodies.Schedule(2, 1, (bodies.ScheduleEntry(recorder.ts_ns + 1, Phase.CALL),)),
    ):  # fmt: skip
        assert refusal(recorder.do(body)) == Reason.INSTRUMENT_UNKNOWN
    assert refusal(recorder.do(order_row(1, Side.BUY, 6_700, 5, instrument=2))) == Reason.INSTRUMENT_UNKNOWN


def test_currencies_are_numbered_by_their_first_listing(hot, monkeypatch):
    recorder = venue_on(hot)
    recorder.do(coffee(3, currency="PEN"), coffee(4, currency="USD"), bodies.DelistInstrument(3))
    assert recorder.machine.venue.currencies == {"USD": 1, "PEN": 2}
    monkeypatch.setattr(limits, "CURRENCIES_MAX", 2)
    assert refusal(recorder.do(coffee(5, currency="EUR"))) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(coffee(5, currency="PEN"))) == [EventKind.INSTRUMENT_LISTED]
    assert recorder.machine.venue.instruments[5].currency_number == 2


def test_classes_are_the_books_own(hot):
    recorder = venue_on(hot)
    recorder.do(coffee(3, classes=True), bodies.SetAccount(2, coop=True))
    continuous(recorder, 3)
    recorder.do(*(order_row(account, Side.SELL, 6_700, 5, instrument=3) for account in (1, 2)))
    fills = of_kind(recorder.do(order_row(3, Side.BUY, 6_700, 5, instrument=3)), EventKind.FILL)
    assert fills["counter_account"].tolist() == [2]
