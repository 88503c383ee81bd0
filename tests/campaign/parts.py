"""The parts of the campaign, their goals, and how one portion of a part is run."""

from __future__ import annotations

import importlib
import time
from typing import NamedTuple

from gateway.cli import use_kernel_cache
from tests.campaign.ledger import Outcome


class Part(NamedTuple):
    """`run(first, count)` of the module gives the Outcome of items `first` to `first + count`, whoever asks."""

    goal: int
    portion: int  # items noted together
    lanes: int = 1  # portions side by side


PARTS = {
    "simulation": Part(20_000, 500),
    "fuzz_core": Part(5_000, 50, lanes=2),
    "kills": Part(2_000, 40, lanes=2),
    "pauses": Part(200, 10, lanes=2),
    "write_sites": Part(104, 26),
    "failing_calls": Part(10_000, 2_500),
    "flips": Part(200_000, 10_000),
    "flips_snapshots": Part(50_000, 10_000),
    "flips_archive": Part(50_000, 10_000),
    "flips_events": Part(50_000, 5_000),
    "truncations": Part(10_000, 2_000),
    "crash_states": Part(2_000, 500),
}


def run(part: str, first: int, count: int) -> tuple[Outcome, float]:
    """The outcome of a portion and the seconds it took."""
    use_kernel_cache()
    started = time.monotonic()
    outcome = importlib.import_module(f"tests.campaign.{part}").run(first, count)
    return outcome, time.monotonic() - started
