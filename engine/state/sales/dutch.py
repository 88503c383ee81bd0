"""State of a Dutch clock sale while it is open and after. Nothing in it but the accounts is secret."""

from __future__ import annotations

from msgspec import Struct, field

from engine.state.sales.ticking import TickingLot


class Take(Struct, array_like=True):
    """A part of a lot, or all of it, at the price that the clock showed."""

    seq: int  # of its command
    account: int  # the buyer's and the seller's to know
    price: int
    bags: int


class DutchLot(TickingLot):
    left: int = 0  # bags that nobody has taken
    takes: list[Take] = field(default_factory=list)  # by arrival


class DutchState(Struct, tag="dutch"):
    lots: list[DutchLot]
