"""Collars around the reference: their width, and who follows whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import EventFlag, EventKind, OrderType, Phase, Reason, Side
from engine.domain.instruments import Instrument
from engine.limits import COLLAR_BPS_MAX, EXTENSIONS_MAX, PRICE_TICKS_MAX, WIDEN_BPS_MAX
from engine.markets.collars import EVERYWHERE, collar_of, corridor_of
from engine.messages import bodies
from tests.recorder import HOTS, coffee, continuous, kinds, order_row, refusal, venue_on


def listing(**terms: object) -> Instrument:
    fields = {name: getattr(coffee(), name) for name in coffee().__struct_fields__}
    return Instrument.listed(**(fields | {"price_min": -PRICE_TICKS_MAX, "price_max": PRICE_TICKS_MAX} | terms))


@pytest.mark.parametrize(
    ("reference", "floor", "bps", "extensions", "expected"),
    [
        (None, 50, 500, 0, EVERYWHERE),
        (6_705, 0, 0, 0, EVERYWHERE),
        (6_705, 0, 0, 3, EVERYWHERE),
        (6_705, 0, 500, 0, (6_369, 7_041)),  # 335.25, rounded up
        (6_705, 400, 500, 0, (6_305, 7_105)),
        (6_705, 336, 500, 0, (6_369, 7_041)),
        (-200, 0, 1_000, 0, (-220, -180)),
        (0, 0, 1_000, 0, (0, 0)),  # a percentage of nothing
        (0, 30, 1_000, 0, (-30, 30)),
        (0, 30, 1_000, 1, (-45, 45)),  # wider by 5,000 bps of the half
        (6_705, 0, 500, 2, (6_033, 7_377)),
        (PRICE_TICKS_MAX, 0, 500, 0, (950_000_000, PRICE_TICKS_MAX)),
    ],
)
def test_the_greater_of_floor_and_percentage_rounded_up(reference, floor, bps, extensions, expected):
    one = listing(reference=reference, collar_floor=floor, collar_bps=bps, widen_bps=5_000)
    assert corridor_of(one, extensions) == expected


@given(
    reference=st.integers(-PRICE_TICKS_MAX, PRICE_TICKS_MAX),
    floor=st.integers(0, PRICE_TICKS_MAX),
    bps=st.integers(0, COLLAR_BPS_MAX),
    widen=st.integers(0, WIDEN_BPS_MAX),
    extensions=st.integers(0, EXTENSIONS_MAX - 1),
)
def test_each_extension_holds_the_one_before(reference, floor, bps, widen, extensions):
    one = listing(reference=reference, collar_floor=floor, collar_bps=bps, widen_bps=widen)
    inner, outer = corridor_of(one, extensions), corridor_of(one, extensions + 1)
    assert -PRICE_TICKS_MAX <= outer.low <= inner.low <= reference <= inner.high <= outer.high <= PRICE_TICKS_MAX
    assert collar_of(one) == corridor_of(one, 0)


@pytest.mark.parametrize("hot", HOTS)
def test_the_collar_follows_its_reference(hot):
    recorder = venue_on(hot)
    events = recorder.do(coffee(3, collar_bps=500))
    assert kinds(events) == [EventKind.INSTRUMENT_LISTED, EventKind.COLLAR_SET]
    assert (events["qty"][1], events["leaves"][1]) == (6_369, 7_041)
    events = recorder.do(bodies.SetReference(3, 1_000))
    assert kinds(events) == [EventKind.REFERENCE_SET, EventKind.COLLAR_SET]
    assert (events["qty"][1], events["leaves"][1]) == (950, 1_050)
    assert kinds(recorder.do(bodies.SetReference(3, 1_000))) == [EventKind.REFERENCE_SET]
    events = recorder.do(bodies.SetReference(3, None))
    assert kinds(events) == [EventKind.REFERENCE_SET, EventKind.COLLAR_SET]
    assert events["flags"][1] & EventFlag.NO_PRICE and not events["qty"][1] and not events["leaves"][1]
    assert kinds(recorder.do(bodies.SetReference(1, 1_000))) == [EventKind.REFERENCE_SET], "no collar is declared"


@pytest.mark.parametrize("hot", HOTS)
def test_takers_trade_within_it(hot):
    recorder = venue_on(hot, instruments=0)
    recorder.do(coffee(1, collar_floor=10))
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    recorder.do(order_row(1, Side.SELL, 6_715, 1), order_row(1, Side.SELL, 6_716, 1))
    recorder.do(bodies.Uncross(1, Phase.CONTINUOUS))
    assert refusal(recorder.do(order_row(2, Side.BUY, 6_716, 5))) == Reason.PRICE_COLLAR
    events = recorder.do(order_row(2, Side.BUY, 0, 5, type=OrderType.MARKET))
    assert kinds(events) == [EventKind.ACCEPTED, EventKind.FILL, EventKind.CANCELLED]
    assert (events["price"][1], events["reason"][2]) == (6_715, Reason.MARKET_REMAINDER)
    recorder.do(bodies.ChangeInstrument(1, collar_floor=11))
    assert kinds(recorder.do(order_row(2, Side.BUY, 6_716, 1)))[1] == EventKind.FILL


@pytest.mark.parametrize("hot", HOTS)
def test_a_collar_is_found_again_in_a_snapshot(hot):
    recorder = venue_on(hot, instruments=0)
    recorder.do(coffee(1, collar_floor=10))
    continuous(recorder, 1)
    recorder.restart(hot)
    assert refusal(recorder.do(order_row(2, Side.BUY, 6_716, 5))) == Reason.PRICE_COLLAR
