"""State of a reverse auction: that of an English one in the mirror. What is secret there is secret here."""

from __future__ import annotations

from msgspec import Struct, field

from engine.state.sales.english import EnglishLot, SaleClock


class ReverseState(Struct, tag="reverse"):
    lots: list[EnglishLot]  # each price is MIRROR - ticks (`engine/markets/sales/mirror.py`), each maximum a minimum
    clocks: dict[int, SaleClock] = field(default_factory=dict)  # by scope: 0 for all, else number of group or lot
    stop_ns: int = 0
    stop_timer: int = 0
    bids_taken: int = 0  # secret: with those that were voided
