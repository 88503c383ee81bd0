"""The best allocation of a package problem and the leaves that prove it: branch and bound that the engine can check.

At each path the relaxation's prices of the lots, rounded to integers, bound what is on it (`winners.leaf_bound`, the
engine's own arithmetic). Where that is not below the next better worth, the most divided bid is in, or it is not. No
float decides what is proved: a bad price only costs a further look.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.limits import PROOF_DEPTH_MAX
from engine.markets.sales.winners import Problem, leaf_bound, value_of
from engine.messages.sales.packages import Leaf
from gateway.solver.relaxation import PRICE_MAX, Relaxation

SCALE_MAX = 10**6
WHOLE = 1e-6  # as near to 0 or 1 a bid is not divided


class Look(NamedTuple):
    bound: int  # scale x worth
    prices: tuple[int, ...]
    branch: int  # k: what the paths below this one decide; 0: nothing is left to decide


class Search:
    """`chosen` is worth `value`, the best so far. `prove` looks at paths; once it is `proved` there are `leaves`."""

    def __init__(self, problem: Problem, chosen: tuple[int, ...] = ()) -> None:
        self.problem, self.chosen = problem, chosen
        self.value = value_of(problem, chosen) or 0
        self.step = problem.step()
        # Rounding moves a bound by half a unit for each bag, twice: to a hundredth of a step.
        self.scale = min(SCALE_MAX, -(-100 * sum(problem.supply) // self.step))
        self.relaxation = Relaxation(problem)
        self.looks: dict[tuple[int, ...], Look] = {}
        self._open: list[tuple[int, ...]] = [()]

    @property
    def proved(self) -> bool:
        return not self._open

    def improve(self, nodes_max: int, *, thorough: bool = False) -> bool:
        """Ask HiGHS for a better allocation."""
        return self._better(self.relaxation.search(nodes_max, thorough=thorough))

    def prove(self, looks_max: int) -> Iterator[tuple[int, ...]]:
        """Go on until it is proved or so many paths were looked at in all; tells each better allocation it meets."""
        while self._open and len(self.looks) < looks_max:
            path = self._open.pop()
            if self._covered(path):
                continue
            look, better = self._look(path)
            self.looks[path] = look
            if better:
                yield self.chosen
            if look.bound >= self._goal() and look.branch and len(path) < PROOF_DEPTH_MAX:
                self._open += [(*path, -look.branch), (*path, look.branch)]
            elif look.bound >= self._goal():
                self._open.append(path)
                return

    def leaves(self) -> list[Leaf]:
        """The proof: paths that together are everything, each as short as its bound allows."""
        assert self.proved
        leaves: list[Leaf] = []
        paths: list[tuple[int, ...]] = [()]
        while paths:
            path = paths.pop()
            look = self.looks[path]
            if look.bound < self._goal():
                leaves.append(Leaf(path, look.prices))
            else:
                paths += [(*path, -look.branch), (*path, look.branch)]
        return leaves

    def _covered(self, path: tuple[int, ...]) -> bool:
        """Whether a better allocation, found since, has closed a path above."""
        return any(self.looks[path[:size]].bound < self._goal() for size in range(len(path)))

    def _goal(self) -> int:
        return self.scale * (self.value + self.step)

    def _look(self, path: tuple[int, ...]) -> tuple[Look, bool]:
        """What the path is worth at most and where to go on; whether it gave a better allocation."""
        solved = self.relaxation.solve(path)
        prices: tuple[int, ...] = (0,) * len(self.problem.supply)
        branch, better = 0, False
        if solved is not None:
            prices = tuple(min(PRICE_MAX, max(0, round(float(price) * self.scale))) for price in solved.prices)
            divided = np.minimum(solved.taken, 1 - solved.taken)
            if len(divided) and divided.max() > WHOLE:
                branch = self.relaxation.places[int(divided.argmax())] + 1
            else:
                better = self._better(self.relaxation.whole(solved.taken))
        bound = leaf_bound(self.problem, path, prices, self.scale)
        assert bound is not None
        return Look(bound, prices, branch or self._undecided(path)), better

    def _undecided(self, path: tuple[int, ...]) -> int:
        decided = {abs(step) - 1 for step in path}
        return next((at + 1 for at in self.relaxation.places if at not in decided), 0)

    def _better(self, chosen: tuple[int, ...]) -> bool:
        value = value_of(self.problem, chosen) or 0
        if value <= self.value:
            return False
        self.value, self.chosen = value, chosen
        return True
