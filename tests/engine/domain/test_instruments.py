"""An instrument is built from its listing and speaks both decimal text and ticks."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest

from engine.domain.instruments import Instrument
from engine.domain.units import UnitError
from tests.recorder import coffee


def listed(**changes: object) -> Instrument:
    return Instrument.listed(**msgspec.structs.asdict(coffee(**changes)))


def test_prices_quantities_and_value():
    instrument = listed()
    assert (instrument.tick_size, instrument.price_decimals) == (Fraction(1, 20), 2)
    assert instrument.ticks("335.25") == 6705
    assert instrument.price_text(6705) == "335.25"
    assert instrument.lots("275") == 275
    assert instrument.value_minor(6705, 275) == 14_024_417


@pytest.mark.parametrize("tick_size", ["0", "0.000", "-1", "nan", "05"])
def test_a_tick_is_a_positive_decimal(tick_size):
    with pytest.raises(UnitError):
        Instrument.listed(**msgspec.structs.asdict(coffee()) | {"tick_size": tick_size})


def test_bounds_leave_a_price():
    with pytest.raises(UnitError) as refused:
        listed(price_min=11, price_max=10)
    assert refused.value.code == "price_band"
    assert [listed(price_min=5, price_max=10).in_band(ticks) for ticks in (4, 5, 10, 11)] == [False, True, True, False]


def test_a_changed_reference_is_a_new_value():
    before = listed()
    after = before.with_reference(None).with_last_auction(6700)
    assert (before.reference, before.last_auction) == (6705, None)
    assert (after.reference, after.last_auction) == (None, 6700)
