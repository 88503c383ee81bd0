"""Decimal text to ticks and back, and the value of a fill: the only conversion and the only rounding of the venue.

A price is a whole number of ticks of the quotation unit, a quantity a whole number of lots of a stated unit. Money is
computed once per fill, as ticks x lots x an exact rational factor, rounded half to even to minor units (cents).
"""

from __future__ import annotations

import re
from fractions import Fraction

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?", re.ASCII)

# Exact weights in kg. ref_units.csv of the trade data gives the sources.
KG_PER = {
    "kg": Fraction(1),
    "g": Fraction(1, 1000),
    "lb": Fraction(45359237, 10**8),
    "t": Fraction(1000),
}
MINOR_PER_MAJOR = 100  # cents in a dollar, céntimos in a sol


class UnitError(ValueError):
    """A number that is no price or quantity here. `code` is the stable reason: malformed, off_tick, off_lot."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_decimal(text: str) -> Fraction:
    """Exact value of ASCII decimal text: optional minus, no exponent, no leading zeros, no plus.

    Raises UnitError("malformed") otherwise: NaN, 1e400, full-width digits, 1_000 and the empty string all end here.
    """
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise UnitError("malformed", f"{text!r:.40} is not a decimal number such as 335.25")
    return Fraction(text)


def price_to_ticks(text: str, tick_size: Fraction) -> int:
    """Ticks of a decimal price. Raises UnitError: malformed, or off_tick when it is between two ticks."""
    ticks = parse_decimal(text) / tick_size
    if ticks.denominator != 1:
        raise UnitError("off_tick", f"{text} is not a multiple of the tick {decimal_text(tick_size)}")
    return ticks.numerator


def qty_to_lots(text: str) -> int:
    """Lots of a decimal quantity. Raises UnitError: malformed, or off_lot when it is not whole."""
    lots = parse_decimal(text)
    if lots.denominator != 1:
        raise UnitError("off_lot", f"{text} is not a whole number of lots")
    return lots.numerator


def decimals_of(tick_size: Fraction) -> int:
    """Digits after the point that show every multiple of the tick exactly. Raises UnitError for a tick such as 1/3."""
    for digits in range(13):
        if (tick_size * 10**digits).denominator == 1:
            return digits
    raise UnitError("malformed", f"tick {tick_size} has no finite decimal form")


def decimal_text(value: Fraction, digits: int | None = None) -> str:
    """Exact decimal text of a value, with `digits` after the point (as many as it needs when None)."""
    digits = decimals_of(value) if digits is None else digits
    scaled = value * 10**digits
    if scaled.denominator != 1:
        raise UnitError("malformed", f"{value} does not end after {digits} decimals")
    sign, whole = ("-" if scaled < 0 else ""), str(abs(scaled.numerator)).rjust(digits + 1, "0")
    return f"{sign}{whole[:-digits]}.{whole[-digits:]}" if digits else f"{sign}{whole}"


def ticks_to_text(ticks: int, tick_size: Fraction) -> str:
    """The decimal price of a number of ticks, always with all the decimals of the tick."""
    return decimal_text(ticks * tick_size, decimals_of(tick_size))


def round_half_even(value: Fraction) -> int:
    """Nearest integer; a half goes to the even neighbour."""
    return round(value)


def value_minor(ticks: int, lots: int, numerator: int, denominator: int) -> int:
    """Value of a fill in minor units: ticks x lots x numerator / denominator, rounded once, half to even."""
    return round_half_even(Fraction(ticks * lots * numerator, denominator))


def value_factor(tick_size: Fraction, price_per_kg: Fraction, lot_kg: Fraction) -> Fraction:
    """Minor units per tick and lot.

    tick_size     in the quotation unit (0.05 US cents)
    price_per_kg  major units of currency that 1 quotation unit means per kg (US cents/lb: 1/100 / 0.45359237)
    lot_kg        kg in a lot
    """
    return tick_size * price_per_kg * lot_kg * MINOR_PER_MAJOR


# Quotation units: how many major units of the currency one unit of quotation means, per kg.
QUOTATION_PER_KG = {
    "USc/lb": Fraction(1, 100) / KG_PER["lb"],
    "USD/lb": Fraction(1) / KG_PER["lb"],
    "USD/t": Fraction(1, 1000),
    "USD/kg": Fraction(1),
    "PEN/kg": Fraction(1),
}
