"""A package problem as HiGHS has it: bids in pieces (linear programme), or whole (mixed-integer).

    maximise  sum of value x taken,  0 <= taken <= 1
    lot       bags of what is taken <= supply
    set       at most one of it is taken, where it has two bids or more

One thread, one seed, limits in nodes and never in seconds: the same answer each time on one machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import highspy
import numpy as np

from engine.markets.sales.winners import Problem, value_of

NAME = f"HiGHS {version('highspy')}"
TOP = 1_000.0  # what the worthiest bid is worth to HiGHS, whose tolerances are absolute
PRICE_MAX = 2**63 - 1
HEURISTICS = ("rins", "rens", "root_reduced_cost")  # whole searches of their own: three quarters of a first look's time


class Solved(NamedTuple):
    taken: np.ndarray  # float64[bids that are worth something]
    prices: np.ndarray  # float64[lots]  of a bag, ticks x grams: the duals of the lots' rows


class Relaxation:
    """The linear programme of a problem; `places[column]` is the bid of a column."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.places = [at for at, bid in enumerate(problem.bids) if bid.value]
        self.column = {at: column for column, at in enumerate(self.places)}
        self._unit = TOP / max((problem.bids[at].value for at in self.places), default=1)
        uses = [(n, *use) for n, at in enumerate(self.places) for use in problem.bids[at].uses]
        self._of, self._lots, self._bags = np.array(uses, np.int64).reshape(-1, 3).T
        self._every = np.arange(len(self.places), dtype=np.int32)
        self._model = self._lp()
        self._highs = _highs(presolve="off")  # each look begins at the basis of the one before
        self._highs.passModel(self._model)

    def solve(self, path: Sequence[int]) -> Solved | None:
        """With what the path decides, and without what it leaves no room for. None: HiGHS finds nothing feasible, or
        not what it wants."""
        left = np.array(self.problem.supply)
        lower, upper = np.zeros(len(self.places)), np.ones(len(self.places))
        for step in path:
            (lower if step > 0 else upper)[self.column[abs(step) - 1]] = step > 0
            if step > 0:
                for lot, bags in self.problem.bids[step - 1].uses:
                    left[lot] -= bags
        if (left < 0).any():
            return None
        upper[self._too_large(left)] = 0
        np.maximum(lower, upper, out=upper)
        self._highs.changeColsBounds(len(self.places), self._every, lower, upper)
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = self._highs.getSolution()
        prices = np.array(solution.row_dual[: len(self.problem.supply)]) / self._unit
        return Solved(np.array(solution.col_value), prices)

    def _too_large(self, left: np.ndarray) -> np.ndarray:
        """bool[columns]: bids that use more of a lot than is left."""
        beyond = self._bags > left[self._lots]
        return np.bincount(self._of[beyond], minlength=len(self.places)) > 0

    def search(self, nodes_max: int, *, thorough: bool) -> tuple[int, ...]:
        """An allocation: the best that HiGHS finds within so many nodes."""
        highs = _highs(presolve="on")
        highs.setOptionValue("mip_max_nodes", nodes_max)
        highs.setOptionValue("mip_rel_gap", 0.0)
        highs.setOptionValue("mip_abs_gap", self.problem.step() * self._unit / 2)
        for name in HEURISTICS:
            highs.setOptionValue(f"mip_heuristic_run_{name}", thorough)
        model = self._lp()
        model.integrality_ = [highspy.HighsVarType.kInteger] * len(self.places)
        highs.passModel(model)
        highs.run()
        return self.whole(np.array(highs.getSolution().col_value))

    def whole(self, taken: np.ndarray) -> tuple[int, ...]:
        """The bids that are taken rather than not; none when that is no allocation."""
        chosen = tuple(at for at, part in zip(self.places, taken, strict=False) if part > 0.5)
        return chosen if value_of(self.problem, chosen) is not None else ()

    def _lp(self) -> Any:
        bids, lots = self.problem.bids, len(self.problem.supply)
        members = Counter(bids[at].group for at in self.places)
        rows = {group: lots + n for n, group in enumerate(group for group, count in members.items() if count > 1)}
        start, index, value = [0], [], []
        for at in self.places:
            uses = [*bids[at].uses, *([(rows[bids[at].group], 1)] if bids[at].group in rows else [])]
            index += [row for row, _ in uses]
            value += [float(bags) for _, bags in uses]
            start.append(len(index))
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self.places), lots + len(rows)
        model.sense_ = highspy.ObjSense.kMaximize
        model.col_cost_ = np.array([bids[at].value * self._unit for at in self.places])
        model.col_lower_, model.col_upper_ = np.zeros(len(self.places)), np.ones(len(self.places))
        model.row_lower_ = np.full(lots + len(rows), -highspy.kHighsInf)
        model.row_upper_ = np.array([*self.problem.supply, *[1] * len(rows)], np.float64)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_, model.a_matrix_.index_ = np.array(start), np.array(index)
        model.a_matrix_.value_ = np.array(value)
        return model


def _highs(presolve: str) -> Any:
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 0)
    highs.setOptionValue("presolve", presolve)
    return highs
