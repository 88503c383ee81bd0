"""Seeds of the simulated venue."""

from __future__ import annotations

from tests.campaign.ledger import Outcome
from tests.simulation.run import simulate
from tests.simulation.world import Violation


def run(first: int, count: int) -> Outcome:
    """Seeds `first` to `first + count`."""
    outcome = Outcome()
    for seed in range(first, first + count):
        try:
            report = simulate(seed)
        except Violation as violation:
            outcome.failures.append(f"--part simulation --first {seed}: {violation}")
            continue
        outcome.add(crashes=report.crashes, records=report.records, commands=report.commands)
    return outcome
