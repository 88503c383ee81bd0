"""Prices, weights and values of a sale as decimal text."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from engine.domain.units import MINOR_PER_MAJOR, decimal_text, parse_decimal, ticks_to_text
from engine.messages.sales.terms import SaleLot
from engine.state.sales.sale import Sale


def price_text(sale: Sale, ticks: int) -> str:
    """A price of the sale with all the decimals of its tick."""
    return _price_text(ticks, sale.terms.unit.tick_size)


def value_text(sale: Sale, grams: int, ticks: int) -> str:
    """Value of a weight at a price, in the currency with two decimals."""
    return decimal_text(Fraction(sale.value_minor(grams, ticks), MINOR_PER_MAJOR), 2)


def bag_kg(lot: SaleLot) -> str:
    return _kg_text(lot.bag_grams)


# A view of a large sale has hundreds of them, of which a few are new since the last.
@lru_cache(maxsize=16_384)
def _price_text(ticks: int, tick_size: str) -> str:
    return ticks_to_text(ticks, parse_decimal(tick_size))


@lru_cache(maxsize=1_024)
def _kg_text(grams: int) -> str:
    return decimal_text(Fraction(grams, 1000))
