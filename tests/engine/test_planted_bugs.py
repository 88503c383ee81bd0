"""The flows that compare kernel and oracle are tested too: each planted bug shows within some thousands of commands."""

from __future__ import annotations

from random import Random

import pytest

from engine.oracle.books import Books as Oracle
from tests.engine.book_flows import Difference, Twins, furnished
from tests.engine.draws import Flow
from tests.engine.planted_bugs import BUGS
from tests.engine.shrinking import difference, shrunk, told

COMMANDS = 40_000  # within which each shows; most need a few hundred
STEPS_PER_FLOW = 120


def commands_until_found(name: str, limit: int = COMMANDS) -> int:
    """Commands run until the flows tell a broken oracle from the right one; `limit` when they do not."""
    done = 0
    for seed in range(limit):
        twins = Twins(furnished(Oracle()), furnished(BUGS[name]()), compare_every=20)
        flow = Flow(twins, Random(seed))
        try:
            for _ in range(STEPS_PER_FLOW):
                flow.step(40)
                if done + twins.seq >= limit:
                    return limit
            twins.compare()
        except Difference:
            return done + twins.seq
        done += twins.seq
    return done


@pytest.mark.parametrize("name", BUGS)
def test_the_flows_find_a_planted_bug(name):
    assert commands_until_found(name) < COMMANDS


def test_the_flows_find_nothing_where_nothing_is_planted(monkeypatch):
    monkeypatch.setitem(BUGS, "none", Oracle)
    assert commands_until_found("none", 3_000) == 3_000


def test_a_flow_that_differs_is_shortened_to_what_a_reader_can_follow():
    def make():
        return [furnished(Oracle()), furnished(BUGS["StopsByArrival"]())]

    for seed in range(30):
        twins = Twins(*make(), compare_every=10_000)
        flow = Flow(twins, Random(seed))
        try:
            for _ in range(STEPS_PER_FLOW):
                flow.step(40)
        except Difference:
            break
    calls = shrunk(twins.journal, make, seconds=20)
    assert difference(calls, make)
    assert len(calls) <= 6 < len(twins.journal), "two stops, a maker and a taker"
    assert "type=STOP" in "".join(map(told, calls))
