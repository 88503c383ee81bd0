"""The solver beside brute force: every proposal is taken by the engine's rule, and ends in a proof of the best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.package_problems import KINDS, problem_of
from engine.codes import EventKind, SaleStage
from engine.limits import PROOF_DEPTH_MAX, PROOF_LEAVES_PER_COMMAND_MAX
from engine.markets.sales import packages as rule
from engine.markets.sales.winners import Problem, leaf_bound, merge, value_of
from engine.messages import bodies
from engine.messages.sales.packages import Propose
from engine.oracle.books import Books
from engine.state.sales.packages import PackageBid
from gateway.solver import solve as solver
from gateway.solver.search import Search
from gateway.solver.solve import solve
from gateway.solver.task import Known, Task, decode, encode, task_of
from tests.engine.markets.sales.test_packages import (
    KG,
    UNTIL_S,
    A,
    close,
    kinds,
    market_in,
    offer,
    on_sale,
    package,
    sale_of,
    sold,
)
from tests.engine.markets.sales.test_winners import by_force, problems

TAKEN = [EventKind.PROPOSAL_TAKEN]


def task_for(problem: Problem, payment: str = "as_bid") -> Task:
    return Task(1, problem.digest(), payment, problem.supply, problem.bids, {})


def answer_of(problem: Problem, proposals: Iterator[Propose], without: int = 0) -> tuple[int, bool]:
    """(worth, proved), every leaf held to the engine's bound as it comes."""
    best, proved, leaves = 0, False, list[tuple[int, ...]]()
    own = problem.without(without)
    for body in proposals:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=Propose) == body, "within the body's limits"
        if body.without != without:
            continue
        if body.chosen is not None:
            value = value_of(own, body.chosen)
            assert value is not None and value >= best
            best = value
        for leaf in body.leaves:
            bound = leaf_bound(own, leaf.path, leaf.prices, body.scale)
            assert bound is not None and bound < body.scale * (best + own.step())
            proved = merge(leaves, leaf.path) or proved
    return best, proved


@settings(max_examples=80, deadline=None)
@given(problems())
def test_it_finds_and_proves_what_brute_force_finds(problem: Problem) -> None:
    best, _ = by_force(problem)
    assert answer_of(problem, solve(task_for(problem))) == (best, True)


@settings(max_examples=40, deadline=None)
@given(problems(7))
def test_with_vcg_also_without_each_winner(problem: Problem) -> None:
    proposals = list(solve(task_for(problem, "vcg")))
    accounts = {body.without for body in proposals}
    chosen = [body.chosen for body in proposals if body.without == 0 and body.chosen is not None][-1]
    assert accounts == {0} | {problem.bids[at].account for at in chosen}
    for account in accounts:
        assert answer_of(problem, iter(proposals), account) == (by_force(problem.without(account))[0], True)


@settings(max_examples=30, deadline=None)
@given(problems(), st.data())
def test_a_search_that_begins_anywhere_ends_at_the_best(problem: Problem, data: Any) -> None:
    """Branch and bound alone, from no allocation: what it meets on the way is better each time."""
    search = Search(problem)
    values = [value_of(problem, chosen) or 0 for chosen in search.prove(10_000)]
    assert search.proved and values == sorted(set(values)) and search.value == by_force(problem)[0]
    proved: list[tuple[int, ...]] = []
    assert [merge(proved, leaf.path) for leaf in search.leaves()][-1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_sale_is_proved_the_same_way_twice(kind: str) -> None:
    problem = problem_of(kind, 15, 60, seed=3)
    once, again = (list(solve(task_for(problem))) for _ in range(2))
    assert once == again and answer_of(problem, iter(once))[1]
    assert max(len(body.leaves) for body in once) <= PROOF_LEAVES_PER_COMMAND_MAX
    assert all(len(leaf.path) <= PROOF_DEPTH_MAX for body in once for leaf in body.leaves)


def test_worths_of_every_size_are_proved_in_integers() -> None:
    """From one tick x gram to the largest price on a heavy lot: steps that floats do not tell apart are not needed."""
    for unit in (1, 60_000, 10**9):
        pairs = [((0, 1), (1, 1)), ((1, 1), (2, 1)), ((2, 1), (3, 1)), ((0, 1), (3, 1))]
        bids = tuple(PackageBid(1, n, pairs[n % 4], 0, (100 + n * 7 % 5) * unit) for n in range(12))
        problem = Problem((1, 1, 1, 1), bids)
        assert answer_of(problem, solve(task_for(problem))) == (by_force(problem)[0], True)


def test_what_is_known_is_not_done_again() -> None:
    problem = problem_of("regions", 12, 40, seed=1)
    chosen = [body.chosen for body in solve(task_for(problem)) if body.chosen is not None][-1]
    task = task_for(problem, "vcg")
    task.known[0] = Known(chosen, proved=True)
    assert 0 not in {body.without for body in solve(task)}
    task.known |= {problem.bids[at].account: Known((), proved=True) for at in chosen}
    assert list(solve(task)) == []
    assert decode(encode(task)) == task


def test_a_problem_without_bids_is_worth_nothing() -> None:
    problem = Problem((3, 1), ())
    assert answer_of(problem, solve(task_for(problem))) == (0, True)


# --- through the engine's rule ---------------------------------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue looks at no bid itself: everything is the solver's."""
    monkeypatch.setattr(rule, "PACKAGE_LOOKS_MAX", 0)


@pytest.mark.usefixtures("looks")
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_rule_takes_every_proposal_and_awards(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    supply = data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    recorder = on_sale(supply, payment=data.draw(st.sampled_from(["as_bid", "vcg"])), fallback="void")
    for n in range(data.draw(st.integers(1, 8))):
        lots = sorted(data.draw(st.sets(st.integers(1, count), min_size=1)))
        parts = [(lot, data.draw(st.integers(1, supply[lot - 1]))) for lot in lots]
        recorder.do(offer(A + n % 3, data.draw(st.integers(1, 3)), package(data.draw(st.integers(10, 30)), *parts)))
    close(recorder)
    task = task_of(sale_of(recorder))
    best, _ = by_force(task.problem())
    for body in solve(task):
        assert sale_of(recorder).stage == SaleStage.LIVE
        assert kinds(recorder.do(body))[:1] == TAKEN
    market = market_in(recorder)
    assert market.outcome == "proved" and market.value == best and sale_of(recorder).stage == SaleStage.FINISHED
    replayed, _ = recorder.replayed(Books)
    assert replayed.state_hash() == recorder.machine.state_hash()


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("fallback", ["best", "void"])
def test_a_proof_that_does_not_close_leaves_what_was_declared(fallback: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "FIRST_LOOKS", 1)
    monkeypatch.setattr(solver, "LOOKS_MAX", 1)
    recorder = on_sale([1] * 3, fallback=fallback)
    for n, pair in enumerate([(1, 2), (2, 3), (1, 3)]):  # half of each is worth more than any of them
        recorder.do(offer(A + n, 1, package(100 + n, *((lot, 1) for lot in pair))))
    close(recorder)
    proposals = list(solve(task_of(sale_of(recorder))))
    assert proposals and not any(body.leaves for body in proposals)
    for body in proposals:
        assert kinds(recorder.do(body)) == TAKEN
    market = market_in(recorder)
    value = market.proofs[0].value
    assert value == 2 * 102 * KG and not market.proofs[0].proved
    events = recorder.do(bodies.Time(), after_s=UNTIL_S)
    assert market.outcome == fallback and bool(sold(events)) == (fallback == "best")
    assert market.value == (value if fallback == "best" else 0)
