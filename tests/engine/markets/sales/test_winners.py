"""Winner determination: the published examples, brute force, and proofs that hold or do not."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.limits import PACKAGE_LOOKS_MAX
from engine.markets.sales.winners import Problem, enumerate_best, leaf_bound, merge, value_of
from engine.state.sales.packages import PackageBid

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "auction-vectors.json").read_text(encoding="utf-8"))
VCG = [vector for vector in VECTORS["vectors"] if vector["kind"] == "combinatorial_vcg"]
SCALE = 10  # fractional quantities and values of the examples to whole numbers


def problem_of(given_: dict[str, Any]) -> tuple[Problem, dict[str, int], list[tuple[int, int]]]:
    """The problem, accounts by name, and the place of each bid in its set."""
    items = sorted(given_["items"])
    names: dict[str, int] = {}
    bids, places = [], []
    for group, bid_set in enumerate(given_["exclusive_bid_sets"]):
        for at, bid in enumerate(bid_set):
            account = names.setdefault(bid["bidder"], len(names) + 1)
            uses = tuple((items.index(item), scaled(bags)) for item, bags in sorted(bid["items"].items()))
            bids.append(PackageBid(account, group, uses, 0, scaled(bid["value"])))
            places.append((group, at))
    return Problem(tuple(scaled(given_["items"][item]) for item in items), tuple(bids)), names, places


def scaled(number: float) -> int:
    exact = Fraction(str(number)) * SCALE
    assert exact.denominator == 1
    return int(exact)


def vcg(problem: Problem) -> tuple[tuple[int, ...], dict[int, int]]:
    whole = enumerate_best(problem, PACKAGE_LOOKS_MAX)
    assert whole.proved
    own: dict[int, int] = {}
    for at in whole.chosen:
        own[problem.bids[at].account] = own.get(problem.bids[at].account, 0) + problem.bids[at].value
    without = {account: enumerate_best(problem.without(account), PACKAGE_LOOKS_MAX) for account in own}
    assert all(best.proved for best in without.values())
    return whole.chosen, {account: without[account].value - (whole.value - own[account]) for account in own}


@pytest.mark.parametrize("vector", VCG, ids=[vector["id"] for vector in VCG])
def test_the_published_examples(vector: dict[str, Any]) -> None:
    problem, names, places = problem_of(vector["input"])
    chosen, payments = vcg(problem)
    expected = vector["expected"]
    paid = {name: payments[account] for name, account in names.items() if account in payments}
    if "tie" in vector["id"]:  # the source forces one of two winners; either pays the same
        assert sorted(paid.values()) == sorted(scaled(value) for value in expected["payments"].values())
        return
    assert [list(places[at]) for at in chosen] == expected["winners"]
    assert paid == {name: scaled(value) for name, value in expected["payments"].items()}


def test_there_are_five_of_them() -> None:
    assert len(VCG) == 5


@st.composite
def problems(draw: st.DrawFn, most: int = 8) -> Problem:
    supply = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    bids = []
    for _ in range(draw(st.integers(0, most))):
        lots = sorted(draw(st.sets(st.integers(0, len(supply) - 1), min_size=1)))
        uses = tuple((lot, draw(st.integers(1, supply[lot]))) for lot in lots)
        bids.append(PackageBid(draw(st.integers(1, 4)), draw(st.integers(0, 4)), uses, 0, draw(st.integers(1, 30))))
    return Problem(supply, tuple(bids))


def by_force(problem: Problem) -> tuple[int, tuple[int, ...]]:
    """Every subset: the worthiest, of equal ones the one with the earliest bid in which they differ."""
    best: tuple[int, tuple[int, ...]] = (0, ())
    for size in range(1, len(problem.bids) + 1):
        for chosen in combinations(range(len(problem.bids)), size):
            value = plain_value(problem, chosen)
            if value is None:
                continue
            differ = set(chosen) ^ set(best[1])
            if value > best[0] or (value == best[0] and differ and min(differ) in chosen):
                best = value, chosen
    return best


def plain_value(problem: Problem, chosen: tuple[int, ...]) -> int | None:
    used = [0] * len(problem.supply)
    bids = [problem.bids[at] for at in chosen]
    for bid in bids:
        for lot, bags in bid.uses:
            used[lot] += bags
    if any(have > there for have, there in zip(used, problem.supply, strict=True)):
        return None
    if len({bid.group for bid in bids}) < len(bids) or any(not bid.value for bid in bids):
        return None
    return sum(bid.value for bid in bids)


@settings(max_examples=200, deadline=None)
@given(problems())
def test_the_enumeration_finds_what_brute_force_finds(problem: Problem) -> None:
    best = enumerate_best(problem, 10**9)
    assert best.proved and (best.value, best.chosen) == by_force(problem)
    assert value_of(problem, best.chosen) == best.value
    few = enumerate_best(problem, 0)
    assert value_of(problem, few.chosen) == few.value and (few.value == best.value or not few.proved)


@settings(max_examples=150, deadline=None)
@given(problems(7), st.data())
def test_a_payment_is_between_nothing_and_the_bid_and_the_truth_is_never_worse(problem: Problem, data: Any) -> None:
    if not problem.bids:
        return
    chosen, payments = vcg(problem)
    for account, pays in payments.items():
        bid = sum(problem.bids[at].value for at in chosen if problem.bids[at].account == account)
        assert 0 <= pays <= bid
    liar = data.draw(st.sampled_from(sorted({bid.account for bid in problem.bids})))
    told = Problem(
        problem.supply,
        tuple(
            bid if bid.account != liar else PackageBid(liar, bid.group, bid.uses, 0, data.draw(st.integers(1, 40)))
            for bid in problem.bids
        ),
    )
    then, paid = vcg(told)
    gain = sum(problem.bids[at].value for at in then if problem.bids[at].account == liar) - paid.get(liar, 0)
    truth = sum(problem.bids[at].value for at in chosen if problem.bids[at].account == liar) - payments.get(liar, 0)
    assert truth >= gain


@settings(max_examples=200, deadline=None)
@given(problems(), st.data())
def test_no_allocation_on_a_path_is_worth_more_than_its_bound(problem: Problem, data: Any) -> None:
    """Whatever the prices: weak duality, read off every allocation."""
    scale = data.draw(st.integers(1, 5))
    prices = [data.draw(st.integers(0, 40 * scale)) for _ in problem.supply]
    places = data.draw(st.permutations(range(len(problem.bids))))[: data.draw(st.integers(0, 3))]
    path = [data.draw(st.sampled_from([1, -1])) * (at + 1) for at in places]
    bound = leaf_bound(problem, path, prices, scale)
    assert bound is not None
    must, not_ = {p - 1 for p in path if p > 0}, {-p - 1 for p in path if p < 0}
    for size in range(len(problem.bids) + 1):
        for chosen in combinations(range(len(problem.bids)), size):
            value = plain_value(problem, chosen)
            if value is not None and must <= set(chosen) and not not_ & set(chosen):
                assert value * scale <= bound


@pytest.mark.parametrize(
    ("path", "prices"), [([0], [1]), ([3], [1]), ([-3], [1]), ([1, -1], [1]), ([1, 1], [1]), ([], []), ([], [1, 1])]
)
def test_what_is_no_path_bounds_nothing(path: list[int], prices: list[int]) -> None:
    problem = Problem((1,), (PackageBid(1, 0, ((0, 1),), 0, 5), PackageBid(2, 1, ((0, 1),), 0, 4)))
    assert leaf_bound(problem, path, prices, 1) is None


@given(st.lists(st.integers(1, 5), max_size=4, unique=True), st.randoms(use_true_random=False))
def test_leaves_that_cover_everything_prove_the_whole_and_no_fewer(order: list[int], chance: Any) -> None:
    """A tree that branches on these bids, its leaves in any order: the last one closes it."""
    leaves = [()]
    for bid in order:
        leaves = [(*leaf, sign * bid) for leaf in leaves for sign in (1, -1)]
    chance.shuffle(leaves)
    found: list[tuple[int, ...]] = []
    assert [merge(found, leaf) for leaf in leaves] == [False] * (len(leaves) - 1) + [True]
    assert not found


@pytest.mark.parametrize(
    "chosen",
    [(0, 0), (1, 0), (0, 1), (0, 9), (-1,), (2,)],
    ids=["twice", "order", "room", "beyond", "below", "nothing"],
)
def test_what_is_no_allocation_is_worth_none(chosen: tuple[int, ...]) -> None:
    bids = (PackageBid(1, 0, ((0, 2),), 0, 5), PackageBid(2, 1, ((0, 2),), 0, 4), PackageBid(3, 2, ((0, 1),), 0, 0))
    assert value_of(Problem((3,), bids), chosen) is None


def test_what_has_no_room_left_on_a_path_is_worth_nothing_there() -> None:
    problem = Problem((3,), (PackageBid(1, 0, ((0, 2),), 0, 5), PackageBid(2, 1, ((0, 2),), 0, 4)))
    assert leaf_bound(problem, (), (0,), 1) == 9
    assert leaf_bound(problem, (1,), (0,), 1) == 5, "one bag is left, and the other wants two"
    assert leaf_bound(problem, (-1,), (0,), 1) == 4
