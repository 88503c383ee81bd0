"""Winner determination for package bids, in integers: what is feasible, what is best, and what proves it.

A problem: supply of each lot in bags, bids with a value, the lots they use, and a group of which at most one wins. A
solver may propose; here it is checked. An upper bound needs no trust: any prices of the lots give one (weak duality of
linear programming): supply x price, and of each group the most that one of its bids is worth beyond what it uses.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from math import gcd
from typing import NamedTuple

import msgspec

from engine.state.sales.packages import PackageBid

_SCALE = 10**6  # of the order by value per bag
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class Problem(NamedTuple):
    supply: tuple[int, ...]  # bags of each lot
    bids: tuple[PackageBid, ...]  # by arrival

    def without(self, account: int) -> Problem:
        """The same places with the account's bids worth nothing: they are never chosen."""
        if not account:
            return self
        return Problem(self.supply, tuple(_nothing(bid) if bid.account == account else bid for bid in self.bids))

    def digest(self) -> bytes:
        """16 bytes, BLAKE2b-128 of the problem's canonical form."""
        return hashlib.blake2b(_ENCODER.encode([self.supply, self.bids]), digest_size=16).digest()

    def step(self) -> int:
        """Values of allocations are multiples of it."""
        return gcd(*(bid.value for bid in self.bids)) or 1


class Best(NamedTuple):
    value: int
    chosen: tuple[int, ...]  # places of bids, rising
    proved: bool  # none is worth more; the enumeration came to its end


def _nothing(bid: PackageBid) -> PackageBid:
    return PackageBid(bid.account, bid.group, bid.uses, 0, 0)


def value_of(problem: Problem, chosen: Sequence[int]) -> int | None:
    """What an allocation is worth; None when it is none: a place that is not there, out of order or worth nothing, two
    of one group, more bags than there are."""
    left, groups, value, last = list(problem.supply), set(), 0, -1
    for at in chosen:
        if not last < at < len(problem.bids):
            return None
        last, bid = at, problem.bids[at]
        if bid.group in groups or not bid.value:
            return None
        groups.add(bid.group)
        for lot, bags in bid.uses:
            left[lot] -= bags
            if left[lot] < 0:
                return None
        value += bid.value
    return value


def enumerate_best(problem: Problem, looks_max: int) -> Best:
    """Best allocation by branch and bound over the bids in their order, each first taken and then not: of equal values
    the one that has the earliest bid in which they differ. Not proved after so many looks at bids."""
    bids, left = problem.bids, list(problem.supply)
    by_density = sorted(
        (at for at, bid in enumerate(bids) if bid.value),
        key=lambda at: (-bids[at].value * _SCALE // _size(bids[at]), at),
    )
    groups: set[int] = set()
    chosen: list[int] = []
    best: tuple[int, ...] = ()
    best_value = value = at = looks = 0

    def bound() -> int:
        """No allocation of the bids from here on is worth more: lots are poured together, bids cut in pieces."""
        room, worth = sum(left), 0
        for other in by_density:
            if other < at or bids[other].group in groups:
                continue
            size = _size(bids[other])
            if size > room:
                return worth + -(-bids[other].value * room // size)
            room -= size
            worth += bids[other].value
        return worth

    while True:
        while at < len(bids) and not _fits(bids[at], left, groups):
            at += 1
        if value > best_value:
            best, best_value = tuple(chosen), value
        if at < len(bids) and value + bound() > best_value:
            looks += len(bids)
            if looks > looks_max:
                return Best(best_value, best, proved=False)
            _move(bids[at], left, -1)
            groups.add(bids[at].group)
            chosen.append(at)
            value += bids[at].value
        elif chosen:
            at = chosen.pop()
            groups.discard(bids[at].group)
            _move(bids[at], left, 1)
            value -= bids[at].value
        else:
            return Best(best_value, best, proved=True)
        at += 1


def _size(bid: PackageBid) -> int:
    return sum(bags for _, bags in bid.uses)


def _fits(bid: PackageBid, left: Sequence[int], groups: set[int]) -> bool:
    return bool(bid.value) and bid.group not in groups and all(left[lot] >= bags for lot, bags in bid.uses)


def _move(bid: PackageBid, left: list[int], sign: int) -> None:
    for lot, bags in bid.uses:
        left[lot] += sign * bags


def leaf_bound(problem: Problem, path: Sequence[int], prices: Sequence[int], scale: int) -> int | None:
    """scale x value that no allocation on this path exceeds; None when the path or the prices are none.

    path    k > 0: bid k - 1 is in, k < 0: bid -k - 1 is not, each bid at most once
    prices  of a bag of each lot, in 1 / scale
    """
    bids = problem.bids
    if len(prices) != len(problem.supply):
        return None
    left, taken, out, worth = list(problem.supply), set(), set(), 0
    seen: set[int] = set()
    for step in path:
        at = abs(step) - 1
        if step == 0 or at >= len(bids) or at in seen:
            return None
        seen.add(at)
        if step < 0:
            out.add(at)
            continue
        bid = bids[at]
        if bid.group in taken or not bid.value:
            return 0  # nothing is on this path
        taken.add(bid.group)
        worth += bid.value * scale
        for lot, bags in bid.uses:
            left[lot] -= bags
            if left[lot] < 0:
                return 0
    beyond: dict[int, int] = {}
    for at, bid in enumerate(bids):
        if at in out or not bid.value or bid.group in taken:
            continue
        more = bid.value * scale
        for lot, bags in bid.uses:
            if bags > left[lot]:
                break  # there is no room for it on this path
            more -= prices[lot] * bags
        else:
            if more > beyond.get(bid.group, 0):
                beyond[bid.group] = more
    return worth + sum(bags * price for bags, price in zip(left, prices, strict=True)) + sum(beyond.values())


def merge(leaves: list[tuple[int, ...]], path: tuple[int, ...]) -> bool:
    """Note a path that is proved; where the path beside it is too, the one above both is. True: the whole tree is.

    leaves  rising
    """
    while path:
        beside = (*path[:-1], -path[-1])
        at = bisect_left(leaves, beside)
        if at == len(leaves) or leaves[at] != beside:
            at = bisect_left(leaves, path)
            if at == len(leaves) or leaves[at] != path:
                leaves.insert(at, path)
            return False
        del leaves[at]
        path = path[:-1]
    leaves.clear()
    return True
