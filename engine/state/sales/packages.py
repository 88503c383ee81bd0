"""State of a sale by package bids. What is marked secret is its bidder's alone until the sale is over."""

from __future__ import annotations

from msgspec import Struct, field

from engine.messages.sales.packages import Package


class PackageSet(Struct, array_like=True):
    """What one account offers in one set. Secret."""

    seq: int  # of its command: who came first
    account: int
    packages: tuple[Package, ...]


class PackageBid(Struct, array_like=True):
    """One bid of the frozen problem. Secret."""

    account: int
    group: int  # number of its exclusive set: of bids in one at most one wins
    uses: tuple[tuple[int, int], ...]  # (place of a lot, bags), rising
    price: int  # ticks
    value: int  # ticks x grams


class Proof(Struct):
    """How far it is known what the problem, or the problem without one account, is worth at most."""

    value: int  # of the best allocation so far, ticks x grams
    chosen: tuple[int, ...]  # its bids, rising
    proved: bool = False  # none is worth more
    by: str = ""  # the venue's own enumeration, or the solver that proposed it
    leaves: list[tuple[int, ...]] = field(default_factory=list)  # paths proved, rising; merged where both sides are


class PackagesState(Struct, tag="packages"):
    closes_ns: int
    until_ns: int
    timer: int = 0
    sets: dict[int, dict[int, PackageSet]] = field(default_factory=dict)  # secret: by account, then its own number
    shared: dict[int, dict[int, PackageSet]] = field(default_factory=dict)  # secret: by account, then shared number
    bids: list[PackageBid] = field(default_factory=list)  # secret: once it is frozen
    digest: bytes = b""  # of the frozen problem; none: it is not
    proofs: dict[int, Proof] = field(default_factory=dict)  # secret: by the account that is left out; 0: none is
    outcome: str = ""  # proved, best, void; none: it is open
    value: int = 0  # of the allocation that was awarded, ticks x grams
    proposals: int = 0  # taken
