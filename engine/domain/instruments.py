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
from engine.limits import EXTENSION_NS_MIN


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
    deposit: bool = False  # sells need deposited lots
    classes: bool = False  # inside one price the orders of co-ops come first
    collar_floor: int = 0  # ticks
    collar_bps: int = 0  # of |reference|; with a floor of 0: no collar
    extension_ns: int = 0
    extensions_max: int = 0
    widen_bps: int = 0
    after_extensions: str = "print"  # or "halt"
    last_auction: int | None = None  # price of the newest uncross that traded
    call_seq: int = 0  # of the command that began the newest call: orders from before are a time block of their own
    currency_number: int = 0  # of `currency`, in the venue

    @classmethod
    def listed(cls, *, tick_size: str, **fields: object) -> Instrument:
        """From the fields of a LIST_INSTRUMENT body, the tick as decimal text.

        Raises UnitError when the tick is no positive decimal, or the terms do not go together.
        """
        tick = parse_decimal(tick_size)
        if tick <= 0:
            raise UnitError("malformed", f"tick {tick_size} is not positive")
        new = cls(tick_size=tick, **fields)  # type: ignore[arg-type]
        return new.checked()

    def checked(self) -> Instrument:
        """Itself. Raises UnitError when its terms do not go together."""
        if self.extensions_max and self.extension_ns < EXTENSION_NS_MIN:
            raise UnitError("malformed", f"an extension of {self.extension_ns} ns is too short")
        if self.price_min > self.price_max:
            raise UnitError("price_band", f"no price from {self.price_min} to {self.price_max}")
        return self

    def changed(self, **fields: object) -> Instrument:
        """With other terms. Raises UnitError when these do not go together."""
        return replace(self, **fields).checked()  # type: ignore[arg-type]

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

    def with_call(self, seq: int) -> Instrument:
        return replace(self, call_seq=seq)
