"""Package bids: sets of lots, all or nothing. The rule is in `engine/markets/sales/packages.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.messages.body import Body, Digest, Label, LotNumber, PositiveTicks, QtyLots, SaleId, TimeNs

SetNumber = Annotated[int, Meta(ge=1, le=limits.PACKAGE_SETS_MAX)]


class Packages(Body, frozen=True, tag="packages"):
    opening: PositiveTicks  # of the lots that name none
    closes_ns: TimeNs  # bids are taken until here, and then nothing of the problem changes
    until_ns: TimeNs  # and proposals until here
    step_bags: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)] = 1
    payment: Annotated[str, Meta(pattern=r"^(as_bid|vcg)\Z")] = "as_bid"
    # What happens at `until_ns` when it is not proved that no allocation is worth more (or what without a winner is).
    fallback: Annotated[str, Meta(pattern=r"^(best|void)\Z")] = "best"
    shared_sets: Annotated[int, Meta(ge=0, le=limits.PACKAGE_SETS_MAX)] = 0  # in which bids of several accounts stand


class Part(Body, frozen=True):
    lot: LotNumber
    bags: QtyLots


class Package(Body, frozen=True):
    """All of these bags or none, at one price per unit for them all."""

    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=limits.PACKAGE_PARTS_MAX)]
    price: PositiveTicks


class PackagesOffer(Body, frozen=True, tag="packages"):
    """Packages of which at most one is won. The same set again takes the place of what it held; none: nothing."""

    set: SetNumber
    packages: Annotated[tuple[Package, ...], Meta(max_length=limits.PACKAGES_PER_SET_MAX)]
    shared: bool = False  # `set` is one of the sale's shared sets


class Leaf(Body, frozen=True):
    """Proof for a part of all allocations: those with bid k - 1 for each k > 0 on the path, without it for k < 0.

    prices  of a bag of each lot, in 1 / scale of tick x gram: what is not on the path is worth no more than the bags
            that are left at these prices and what each set offers beyond them
    """

    path: Annotated[tuple[int, ...], Meta(max_length=limits.PROOF_DEPTH_MAX)]
    prices: Annotated[tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...], Meta(max_length=limits.SALE_LOTS_MAX)]


class Propose(Body, frozen=True):
    """A solver's word on a frozen problem: an allocation, parts of the proof that none is worth more, or both."""

    sale: SaleId
    digest: Digest  # of the problem
    without: Annotated[int, Meta(ge=0, le=limits.ACCOUNTS_MAX)] = 0  # the problem without this account's bids; 0: whole
    chosen: Annotated[tuple[int, ...], Meta(max_length=limits.PACKAGE_BIDS_MAX)] | None = None  # bids, rising
    scale: Annotated[int, Meta(ge=1, le=10**6)] = 1
    leaves: Annotated[tuple[Leaf, ...], Meta(max_length=limits.PROOF_LEAVES_PER_COMMAND_MAX)] = ()
    solver: Label = ""  # name and version
