"""Package sales as they come: who wants which lots together, and what for. Seeded; the same on every machine.

regions     unique lots; a bidder wants lots of one or two regions together, two to four of them, in exclusive sets
containers  lots of several containers; a bidder wants whole containers of up to four lots, in exclusive sets
loose       any lots of the sale in any number, each package for itself: the hardest kind
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.markets.sales.winners import Problem
from engine.state.sales.packages import PackageBid

GRAMS = 60_000  # a bag
REGIONS = 7
PER_SET = 8  # packages of one exclusive set
SETS = 2  # of one bidder


def problem_of(kind: str, lots: int, bids: int, seed: int) -> Problem:
    return KINDS[kind](lots, bids, np.random.Generator(np.random.PCG64(seed)))


def _regions(lots: int, bids: int, random: np.random.Generator) -> Problem:
    region = np.sort(random.integers(0, REGIONS, lots))
    worth = random.integers(300, 900, lots)  # ticks
    found = []
    while len(found) < bids:
        group = len(found) // PER_SET
        if len(found) % PER_SET == 0:
            home = random.choice(REGIONS, 2, replace=False)
            taste = random.normal(1.0, 0.12, lots)
            near = np.flatnonzero(np.isin(region, home))
            if not near.size:
                near = np.arange(lots)
        size = min(int(random.integers(1, 6)), near.size)
        picked = np.sort(random.choice(near, size, replace=False))
        together = 1 + 0.04 * (size - 1)
        price = max(1, int((worth[picked] * taste[picked]).mean() * together))
        uses = tuple((int(lot), 1) for lot in picked)
        found.append(PackageBid(group // SETS + 1, group, uses, price, price * GRAMS * size))
    return Problem((1,) * lots, tuple(found))


def _containers(lots: int, bids: int, random: np.random.Generator) -> Problem:
    supply = random.integers(2, 9, lots)
    worth = random.integers(300, 900, lots)
    found = []
    while len(found) < bids:
        group = len(found) // PER_SET
        if len(found) % PER_SET == 0:
            taste = random.normal(1.0, 0.12, lots)
        picked = np.sort(random.choice(lots, int(random.integers(1, 5)), replace=False))
        bags = np.array([int(random.integers(1, supply[lot] + 1)) for lot in picked])
        together = 1 + 0.02 * (int(bags.sum()) - 1) ** 0.5
        price = max(1, int((worth[picked] * taste[picked] * bags).sum() / bags.sum() * together))
        uses = tuple((int(lot), int(count)) for lot, count in zip(picked, bags, strict=True))
        found.append(PackageBid(group // SETS + 1, group, uses, price, price * GRAMS * int(bags.sum())))
    return Problem(tuple(int(count) for count in supply), tuple(found))


def _loose(lots: int, bids: int, random: np.random.Generator) -> Problem:
    worth = random.integers(300, 900, lots)
    found = []
    for group in range(bids):
        size = int(random.integers(1, min(8, lots + 1)))
        picked = np.sort(random.choice(lots, size, replace=False))
        price = max(1, int(worth[picked].mean() * random.normal(1.0, 0.1)))
        found.append(
            PackageBid(group // 8 + 1, group, tuple((int(lot), 1) for lot in picked), price, price * GRAMS * size)
        )
    return Problem((1,) * lots, tuple(found))


KINDS: dict[str, Callable[[int, int, np.random.Generator], Problem]] = {
    "regions": _regions,
    "containers": _containers,
    "loose": _loose,
}
