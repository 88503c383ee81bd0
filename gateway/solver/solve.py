"""A frozen package problem into proposals: better and better allocations, then the proof of the last. Pure.

A quick look of HiGHS, a first try at the proof; where that does not close, a long look for what is better, and the
proof again until it closes or is too long for anyone to check. With payments by Vickrey, Clarke and Groves the same for
the problem without each winner.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from engine.limits import PROOF_LEAVES_PER_COMMAND_MAX
from engine.messages.sales.packages import Leaf, Propose
from gateway.solver.relaxation import NAME
from gateway.solver.search import Search
from gateway.solver.task import Task

QUICK_NODES = 200  # of HiGHS
LONG_NODES = 5_000
FIRST_LOOKS = 4_000  # of ours
LOOKS_MAX = 40_000  # the proof that is not found by then has more leaves than an engine should look at


def solve(task: Task) -> Iterator[Propose]:
    """Each is right on its own: sent again, or in another order after its allocation, it harms nothing."""
    whole = yield from _settled(task, 0)
    if whole is None or task.payment != "vcg":
        return
    for account in sorted({task.bids[at].account for at in whole}):
        yield from _settled(task, account)


def _settled(task: Task, without: int) -> Generator[Propose, None, tuple[int, ...] | None]:
    """Proposals for the problem without an account; returns the allocation that is proved, or None."""
    known = task.known.get(without)
    if known is not None and known.proved:
        return known.chosen
    search = Search(task.problem().without(without), known.chosen if known is not None else ())
    search.improve(QUICK_NODES)
    yield _proposal(task, without, search)  # even of nothing: there must be something that leaves can prove
    for looks_max in (FIRST_LOOKS, LOOKS_MAX):
        if looks_max == LOOKS_MAX and not search.proved and search.improve(LONG_NODES, thorough=True):
            yield _proposal(task, without, search)
        for _ in search.prove(looks_max):
            yield _proposal(task, without, search)
    if not search.proved:
        return None
    leaves = search.leaves()
    for at in range(0, len(leaves), PROOF_LEAVES_PER_COMMAND_MAX):
        yield _proposal(task, without, search, leaves[at : at + PROOF_LEAVES_PER_COMMAND_MAX])
    return search.chosen


def _proposal(task: Task, without: int, search: Search, leaves: Sequence[Leaf] = ()) -> Propose:
    chosen = None if leaves else search.chosen
    return Propose(task.sale, task.digest, without, chosen, search.scale, tuple(leaves), NAME)
