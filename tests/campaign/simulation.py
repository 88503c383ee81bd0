"""Seeds of the simulated venue, safety and liveness by turns."""

from __future__ import annotations

from tests.campaign.ledger import Outcome
from tests.simulation.__main__ import SUMS, mode_of
from tests.simulation.run import simulate
from tests.simulation.world import Violation


def run(first: int, count: int) -> Outcome:
    """Seeds `first` to `first + count`."""
    outcome = Outcome()
    for seed in range(first, first + count):
        try:
            report = simulate(seed, mode=mode_of(seed))
        except Violation as violation:
            outcome.failures.append(f"--part simulation --first {seed}: {violation}")
            continue
        outcome.add(**{name: getattr(report, name) for name in SUMS})
    return outcome
