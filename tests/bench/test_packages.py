"""The package benchmark in small: proved, the same answer twice, and a payment rule that costs more."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.package_problems import KINDS


def lines(*options: str) -> list[dict]:
    command = [sys.executable, "-m", "bench", "packages", "--json", "--lots", "20", "--bids", "60", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_small_run() -> None:
    once, again = (lines("--kinds", "containers", "--seeds", "2") for _ in range(2))
    assert [line["hash"] for line in once] == [line["hash"] for line in again] and once[0]["hash"] != once[1]["hash"]
    for line in once:
        assert line["proved"] and 0 < line["seconds_found"] <= line["seconds"]
        assert line["leaves"] and line["bytes"] > 8 * 20 * line["leaves"] / 8 and line["proposals"] > 1
        assert 0 < line["verify_ms_p50"] <= line["verify_ms_max"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_is_what_it_says(kind: str) -> None:
    from bench.package_problems import problem_of

    problem = problem_of(kind, 50, 500, seed=1)
    assert (len(problem.supply), len(problem.bids)) == (50, 500) and problem == problem_of(kind, 50, 500, seed=1)
    assert problem != problem_of(kind, 50, 500, seed=2)
    assert all(0 < bags <= problem.supply[lot] for bid in problem.bids for lot, bags in bid.uses)


def test_with_payments_every_winner_is_proved() -> None:
    (plain,) = lines("--kinds", "containers", "--seeds", "1")
    (paid,) = lines("--kinds", "containers", "--seeds", "1", "--payment", "vcg")
    assert paid["proved"] and paid["hash"] == plain["hash"] and paid["proposals"] > plain["proposals"]
