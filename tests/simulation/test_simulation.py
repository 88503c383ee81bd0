"""Two hundred seeds keep every promise; the simulator repeats itself exactly; and it finds what is planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import mode_of
from tests.simulation.bugs import BUGS
from tests.simulation.run import simulate
from tests.simulation.variants import Variants
from tests.simulation.world import Violation

SEEDS = int(os.environ.get("QHATU_SIMULATION_SEEDS", "200"))
PORTION = 20
BUG_SEEDS_MAX = 60


@pytest.mark.parametrize("first", range(1, SEEDS + 1, PORTION))
def test_seeds_keep_every_promise(first: int):
    seeds = range(first, min(first + PORTION, SEEDS + 1))
    reports = [simulate(seed, mode=mode_of(seed)) for seed in seeds]
    assert sum(report.crashes for report in reports) > len(reports), "crashes are part of it"
    assert sum(report.messages for report in reports) > 10 * len(reports), "feeds are part of it"
    assert all(report.commands > 100 for report in reports)


def test_a_seed_replays_bit_for_bit():
    for seed in (7, 26, 27):
        assert simulate(seed, mode=mode_of(seed)) == simulate(seed, mode=mode_of(seed))
    assert simulate(7).trace != simulate(8).trace


def test_neither_hash_seed_nor_process_changes_a_run():
    """The same seeds in processes of other PYTHONHASHSEED: same traces, and so the same events and state hashes."""
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--first", "11", "--seeds", "2", "--each"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert outputs == {f"{simulate(11, mode=mode_of(11))}\n{simulate(12, mode=mode_of(12))}\n"}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: type[Variants]):
    for seed in range(1, BUG_SEEDS_MAX + 1):
        try:
            simulate(seed, bug, mode=mode_of(seed))
        except Violation as violation:
            assert f"seed {seed}" in str(violation), "a failing seed names itself"
            return
    pytest.fail(f"no seed up to {BUG_SEEDS_MAX} finds {bug.__name__}")
