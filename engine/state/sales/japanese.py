"""State of a Japanese clock sale while it is open and after."""

from __future__ import annotations

from msgspec import Struct, field

from engine.state.sales.ticking import TickingLot


class Holder(Struct, array_like=True):
    """An account that pressed the button of a lot. Secret."""

    account: int
    seq: int  # of the command: of those that let go together the lowest buys
    limit: int  # above it the venue lets go; 0: none
    left_round: int = 0  # round in which it let go; 0: it holds


class JapaneseLot(TickingLot):
    held: int = 0  # who held when this price was first shown; before the first rise 0
    holders: dict[int, Holder] = field(default_factory=dict)  # secret: by account
    buyer: int = 0  # the buyer's and the seller's to know; 0: passed in, or not closed
    paid: int = 0  # ticks; 0: the same


class JapaneseState(Struct, tag="japanese"):
    lots: list[JapaneseLot]
