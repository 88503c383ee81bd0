"""An instrument: what has a book, in which unit it is quoted, and what a fill of it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from engine.domain.units import (
    UnitError,
    decimals_of,
    parse_decimal,
    price_to_ticks,
    qty_to_lots,
    ticks_to_text,
    value_minor,
)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listing, as the log has it. Frozen: a changed reference is a new Instrument under the same id.

    Prices are ticks of `tick_size` per `price_unit`, quantities lots of `lot_unit`. Value of a fill in minor units of
    `currency` = ticks x lots x value_numerator / value_denominator, rounded once, half to even.
    """

    instrument: int
    symbol: str
    name: str
    commodity: str
    tick_size: Fraction
    price_unit: str
    lot_unit: str
    currency: str
    value_numerator: int
    value_denominator: int
    multiplier: int
    price_min: int
    price_max: int
    qty_max: int
    reference: int | None
    rules: str
    attributes: Mapping[str, str]
    source: str
    last_auction: int | None = None  # price of the newest uncross that traded

    @classmethod
    def listed(cls, *, tick_size: str, **fields: object) -> Instrument:
        """From the fields of a LIST_INSTRUMENT body, the tick as decimal text.

        Raises UnitError when the tick is no positive decimal, or the bounds leave no price.
        """
        tick = parse_decimal(tick_size)
        if tick <= 0:
            raise UnitError("malformed", f"tick {tick_size} is not positive")
        new = cls(tick_size=tick, **fields)  # type: ignore[arg-type]
        if new.price_min > new.price_max:
            raise UnitError("price_band", f"no price from {new.price_min} to {new.price_max}")
        return new

    @property
    def price_decimals(self) -> int:
        return decimals_of(self.tick_size)

    def ticks(self, price: str) -> int:
        """Ticks of a decimal price. Raises UnitError: malformed, off_tick."""
        return price_to_ticks(price, self.tick_size)

    def lots(self, quantity: str) -> int:
        """Lots of a decimal quantity. Raises UnitError: malformed, off_lot."""
        return qty_to_lots(quantity)

    def price_text(self, ticks: int) -> str:
        """Decimal price with all the decimals of the tick."""
        return ticks_to_text(ticks, self.tick_size)

    def in_band(self, ticks: int) -> bool:
        """Within the declared price range, both ends included."""
        return self.price_min <= ticks <= self.price_max

    def value_minor(self, ticks: int, lots: int) -> int:
        """Value of a fill in minor units (cents) of `currency`."""
        return value_minor(ticks, lots, self.value_numerator, self.value_denominator)

    def with_reference(self, reference: int | None) -> Instrument:
        return replace(self, reference=reference)

    def with_last_auction(self, price_ticks: int) -> Instrument:
        return replace(self, last_auction=price_ticks)
