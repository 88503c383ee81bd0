"""Decimal text, ticks, lots and money: exact, one rounding, and a refusal with a code for anything else."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.units import (
    KG_PER,
    QUOTATION_PER_KG,
    UnitError,
    decimal_text,
    decimals_of,
    parse_decimal,
    price_to_ticks,
    qty_to_lots,
    round_half_even,
    ticks_to_text,
    value_factor,
    value_minor,
)
from engine.limits import QTY_LOTS_MAX

TICKS = st.sampled_from([Fraction(1), Fraction(1, 20), Fraction(1, 100), Fraction(1, 4), Fraction(25), Fraction(1, 8)])


@pytest.mark.parametrize(
    ("price", "tick", "unit", "lots", "lot_kg", "minor"),
    [
        # 275 bags of 69 kg = 18,975 kg at 335.25 US cents/lb: 140,244.17 USD
        ("335.25", "0.05", "USc/lb", 275, Fraction(69), 14_024_417),
        # 320 bags of 60 kg = 19,200 kg, by the tonne
        ("2410", "1", "USD/t", 320, Fraction(60), 4_627_200),
        # boxes of bananas of 18.14 kg
        ("0.7543", "0.0001", "USD/kg", 1_080, Fraction(1814, 100), 1_477_764),
        # quinoa in sacks of 50 kg, in soles
        ("6.35", "0.01", "PEN/kg", 13, Fraction(50), 412_750),
        # a differential below the exchange price
        ("-12.50", "0.05", "USc/lb", 275, Fraction(69), -522_909),
        ("0", "0.05", "USc/lb", 275, Fraction(69), 0),
        # 300 kg of an auction lot at 4.80 USD/lb
        ("4.80", "0.01", "USD/lb", 300, Fraction(1), 317_466),
    ],
)
def test_value_of_a_fill(price, tick, unit, lots, lot_kg, minor):
    tick_size = parse_decimal(tick)
    factor = value_factor(tick_size, QUOTATION_PER_KG[unit], lot_kg)
    ticks = price_to_ticks(price, tick_size)
    assert value_minor(ticks, lots, factor.numerator, factor.denominator) == minor
    exact = parse_decimal(price) * QUOTATION_PER_KG[unit] * lots * lot_kg * 100
    assert abs(exact - minor) <= Fraction(1, 2)


def test_a_pound_is_exact():
    assert KG_PER["lb"] == Fraction("0.45359237")


@pytest.mark.parametrize(
    ("value", "rounded"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("-0.5", 0), ("-1.5", -2), ("2.51", 3)]
)
def test_a_half_goes_to_the_even_neighbour(value, rounded):
    assert round_half_even(Fraction(value)) == rounded


MALFORMED = [
    "", " ", "NaN", "nan", "Infinity", "-inf", "1e400", "1E5", "0x10", "1_000", "1,000", "１２", "٣", "+1", "--1", "-",
    ".5", "5.", "01", "00", "1.2.3", " 1", "1 ", "1\n", "\u22121", "1" * 14, "1." + "0" * 13, "1/3", "½",
]  # fmt: skip


@pytest.mark.parametrize("text", [*MALFORMED, None, 1, 1.5, True, b"1"])
def test_what_is_no_plain_decimal_is_malformed(text):
    for read in (parse_decimal, qty_to_lots, lambda some: price_to_ticks(some, Fraction(1, 20))):
        with pytest.raises(UnitError) as refused:
            read(text)
        assert refused.value.code == "malformed"


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_malformed(text):
    try:
        value = parse_decimal(text)
    except UnitError as refused:
        assert refused.code == "malformed"
    else:
        assert value == Fraction(text) and text.isascii()


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        (lambda text: price_to_ticks(text, Fraction(1, 20)), "335.26", "off_tick"),
        (lambda text: price_to_ticks(text, Fraction(25)), "30", "off_tick"),
        (qty_to_lots, "0.5", "off_lot"),
        (qty_to_lots, "10.000001", "off_lot"),
    ],
)
def test_what_falls_between_is_refused(read, text, code):
    with pytest.raises(UnitError) as refused:
        read(text)
    assert refused.value.code == code
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("text", "ticks"), [("335.25", 6705), ("335.250", 6705), ("-0.05", -1), ("0", 0), ("-0", 0), ("0.10", 2)]
)
def test_price_text_to_ticks(text, ticks):
    assert price_to_ticks(text, Fraction(1, 20)) == ticks


def test_quantities_may_be_written_with_zeros_and_may_be_refused_later():
    assert (qty_to_lots("10.00"), qty_to_lots("-3"), qty_to_lots("0")) == (10, -3, 0)


def test_the_largest_quantity_can_be_written():
    assert qty_to_lots(str(QTY_LOTS_MAX)) == QTY_LOTS_MAX


@given(ticks=st.integers(-(10**9), 10**9), tick_size=TICKS)
def test_ticks_and_text_are_each_others_inverse(ticks, tick_size):
    text = ticks_to_text(ticks, tick_size)
    assert price_to_ticks(text, tick_size) == ticks
    assert len(text.partition(".")[2]) == decimals_of(tick_size)


@given(value=st.fractions(max_denominator=10**6))
def test_decimal_text_is_exact_or_refused(value):
    try:
        text = decimal_text(value)
    except UnitError:
        with pytest.raises(UnitError):
            decimals_of(value)
    else:
        assert Fraction(text) == value


def test_a_tick_without_decimals_of_its_own_is_refused():
    with pytest.raises(UnitError):
        decimals_of(Fraction(1, 3))
    with pytest.raises(UnitError):
        decimal_text(Fraction(1, 8), 2)


@given(
    ticks=st.integers(-(10**9), 10**9),
    lots=st.integers(1, 10**12),
    numerator=st.integers(1, 2**62),
    denominator=st.integers(1, 2**62),
)
def test_value_is_within_half_a_cent_of_the_exact_product(ticks, lots, numerator, denominator):
    exact = Fraction(ticks * lots * numerator, denominator)
    minor = value_minor(ticks, lots, numerator, denominator)
    assert abs(exact - minor) <= Fraction(1, 2)
    if abs(exact - minor) == Fraction(1, 2):
        assert minor % 2 == 0
    assert value_minor(-ticks, lots, numerator, denominator) == -minor
