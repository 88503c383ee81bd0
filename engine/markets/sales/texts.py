"""Prices, weights and values of a sale as decimal text."""

from __future__ import annotations

from fractions import Fraction

from engine.domain.units import MINOR_PER_MAJOR, decimal_text, ticks_to_text
from engine.messages.sales.terms import SaleLot
from engine.state.sales.sale import Sale


def price_text(sale: Sale, ticks: int) -> str:
    """A price of the sale with all the decimals of its tick."""
    return ticks_to_text(ticks, sale.tick_size)


def value_text(sale: Sale, grams: int, ticks: int) -> str:
    """Value of a weight at a price, in the currency with two decimals."""
    return decimal_text(Fraction(sale.value_minor(grams, ticks), MINOR_PER_MAJOR), 2)


def bag_kg(lot: SaleLot) -> str:
    return decimal_text(Fraction(lot.bag_grams, 1000))
