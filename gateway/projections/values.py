"""Columns of fills as a store wants them: money and decimal prices, many rows at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from engine.domain.units import ticks_to_text, value_minor

INT64_SAFE = 2.0**62  # a float64 estimate below this is an int64 product without overflow
STORED_INT_MAX = 2**63 - 1
PRICE_TEXTS_MAX = 1_000_000


def values_minor(
    ticks: np.ndarray, lots: np.ndarray, numerator: np.ndarray, denominator: np.ndarray
) -> list[int | str]:
    """`units.value_minor` of every row: ticks x lots x numerator / denominator, half to even.

    All int64[n], denominator > 0. A value that does not fit an int64 is given as decimal text.
    """
    estimate = np.abs(ticks.astype(np.float64)) * lots * numerator
    wide = estimate >= INT64_SAFE
    product = np.where(wide, 0, ticks * np.where(wide, 0, lots) * np.where(wide, 0, numerator))
    whole, rest = np.divmod(product, denominator)
    other = denominator - rest  # distance to the next whole value; rest * 2 could overflow
    whole += (rest > other) | ((rest == other) & (whole & 1 == 1))
    values: list[int | str] = whole.tolist()
    for row in np.flatnonzero(wide):
        value = value_minor(int(ticks[row]), int(lots[row]), int(numerator[row]), int(denominator[row]))
        values[row] = stored_int(value)
    return values


def stored_int(value: int) -> int | str:
    """An integer as a store of int64 can keep it: itself, or its decimal text."""
    return value if abs(value) <= STORED_INT_MAX else str(value)


class PriceTexts(dict[int, str]):
    """Decimal text of (instrument << 32) + price as u4, made when first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.tick_sizes: dict[int, Fraction] = {}

    def __missing__(self, key: int) -> str:
        ticks = key & 0xFFFFFFFF
        text = ticks_to_text(ticks - (ticks >> 31 << 32), self.tick_sizes[key >> 32])
        if len(self) >= PRICE_TEXTS_MAX:
            self.clear()
        self[key] = text
        return text

    def column(self, instruments: np.ndarray, prices: np.ndarray) -> list[str]:
        """instruments u4[n], prices i4[n] in ticks -> n decimal texts."""
        keys = (instruments.astype(np.int64) << 32) + (prices.astype(np.int64) & 0xFFFFFFFF)
        return list(map(self.__getitem__, keys.tolist()))
