"""Replays of the common workloads: published prefix checks and fill hashes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bench.workloads import WORKLOADS, workload_file
from engine.state.audit import audit
from engine.state.flow import Replay
from gateway.flow_file import read_flow

# Published: (workload, timed messages, fills, volume, hash); None: not published
PREFIXES = [
    ("A", 500, 15_333, 389_085, "30833a37d6adec25"),
    ("A", 2_000, 16_002, 407_961, "6f0e82768bb515d4"),
    ("A", 20_000, 20_201, 551_652, "0491d41f8e760995"),
    ("B", 20_000, 4_765, None, None),
    ("C", 5_000, 147_637, 3_767_611, None),
]


@pytest.fixture(scope="module")
def flows():
    return {name: read_flow(workload_file(name).read_bytes(), Fraction(1)) for name in WORKLOADS}


def replay_of(flow, symbols: int) -> Replay:
    low, high = flow.price_range
    return Replay(instruments=symbols, ids=flow.ids, price_min=low, price_max=high)


@pytest.mark.parametrize("name, timed, fills, volume, fnv", PREFIXES)
def test_a_prefix_gives_the_published_fills(flows, name, timed, fills, volume, fnv):
    replay = replay_of(flows[name], WORKLOADS[name].symbols)
    replay.run(flows[name].messages, WORKLOADS[name].warm)
    replay.run(flows[name].messages, WORKLOADS[name].warm + timed)
    assert replay.fills == fills and volume in (None, replay.volume_lots) and fnv in (None, replay.fnv)
    if name == "A" and timed == 500:
        audit(replay.books)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_gives_the_published_hash(flows, name):
    workload = WORKLOADS[name]
    replay = replay_of(flows[name], workload.symbols)
    replay.run(flows[name].messages)
    assert (replay.fnv, replay.fills, replay.volume_lots) == (workload.fnv, workload.fills, workload.volume)
    assert replay.resting()[1] == workload.resting_qty and not replay.rejects
