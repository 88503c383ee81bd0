"""State of an ascending clock with quantities. What is marked secret is its bidder's alone."""

from __future__ import annotations

from msgspec import Struct, field

from engine.messages.sales.clock import ClockProxy


class Said(Struct, array_like=True):
    """The last word of an account in the round that runs. Secret until the round is over."""

    seq: int  # of its command
    bags: list[int]


class ClockBidder(Struct):
    """An account that bids."""

    first_seq: int  # of its first command here: who came first
    bags: list[int]  # by product: in the last round that is over
    said: Said | None = None  # secret
    proxy: ClockProxy | None = None  # secret
    won: list[int] = field(default_factory=list)  # by product, once the sale is over


class ClockProduct(Struct):
    price: int  # of the round that runs, or the one it was sold at
    before: int = 0  # of the round before; 0: none
    demand: int = 0  # in the last round that is over
    decided: bool = False  # the clock of this product has stopped
    back: bool = False  # at the price of the round before: see rule 8
    sold_bags: int = 0


class ClockState(Struct, tag="clock"):
    products: list[ClockProduct]
    round: int = 0  # that runs; 0: none yet
    round_due_ns: int = 0
    timer: int = 0
    bidders: dict[int, ClockBidder] = field(default_factory=dict)  # by account
