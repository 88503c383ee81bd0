"""State of an English sale. What is marked secret is its bidder's alone."""

from __future__ import annotations

from msgspec import Struct, field


class Placed(Struct, array_like=True):
    """One bid that was taken. Secret."""

    seq: int  # of its command; 0: before generation 4
    account: int
    lot: int
    maximum: int
    bags: int = 0  # of a divided lot
    least_bags: int = 0
    normal: bool = False


class Standing(Struct, array_like=True):
    """Where an account stands on a lot. Secret, but for the bags of a lot that is sold."""

    maximum: int
    rank: int  # of equal maxima the lower leads
    floor: int = 0  # highest full amount that it bid
    bags: int = 0  # wanted, of a divided lot
    least_bags: int = 0
    filled: int = 0  # that would be its own now


class EnglishLot(Struct):
    """Prices in ticks of the sale."""

    price: int | None = None  # None: no bid yet
    leader: int = 0  # account; 0: none. Of a divided lot the first in rank
    bids: int = 0  # bids that moved a price or a leader, the only ones that may be counted in public
    closed: bool = False  # takes no bids: sold or passed in
    sold_bags: int = 0
    placed: list[Placed] = field(default_factory=list)  # secret: by arrival, without those that were voided
    standing: dict[int, Standing] = field(default_factory=dict)  # secret: by account
    runner_up: int | None = None  # secret: highest maximum that does not lead, of a lot sold whole


class SaleClock(Struct):
    """The clock of one scope: its timer, when it is due, and whether it has begun."""

    due_ns: int = 0  # 0: not running
    timer: int = 0


class EnglishState(Struct, tag="english"):
    lots: list[EnglishLot]
    clocks: dict[int, SaleClock] = field(default_factory=dict)  # by scope: 0 for all, else number of group or lot
    open_until_ns: int = 0
    open_timer: int = 0
    stop_ns: int = 0
    stop_timer: int = 0
    waiting: list[Placed] = field(default_factory=list)  # secret: for the operator's decision, by arrival
    bids_taken: int = 0  # secret: with those that waited or were voided
