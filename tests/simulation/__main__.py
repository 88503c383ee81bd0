"""`python -m tests.simulation --seeds 2000 --first 0`: run seeds, name those that fail, sum what happened."""

from __future__ import annotations

import argparse
import sys
import time
from typing import get_args

from gateway.cli import use_kernel_cache

use_kernel_cache()

from tests.simulation.run import simulate  # noqa: E402
from tests.simulation.storm import Mode  # noqa: E402
from tests.simulation.world import Violation  # noqa: E402

MODES: tuple[Mode, ...] = get_args(Mode)
SUMS = ("crashes", "refusals", "snapshots", "records", "commands", "messages")


def main() -> int:
    """Exit code 1 when a seed fails; it fails again with `--first SEED --seeds 1` and its mode."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mode", choices=[*MODES, "both"], default="both", help="both: even seeds are safety's")
    parser.add_argument("--each", action="store_true", help="a line for each seed")
    options = parser.parse_args()
    started = time.monotonic()
    failed, sums = 0, dict.fromkeys(SUMS, 0)
    for seed in range(options.first, options.first + options.seeds):
        try:
            report = simulate(seed, mode=mode_of(seed) if options.mode == "both" else options.mode)
        except Violation as violation:
            failed += 1
            print(violation, flush=True)
            continue
        if options.each:
            print(report)
        for name in SUMS:
            sums[name] += getattr(report, name)
    if not options.each:
        told = ", ".join(f"{value:,} {name}" for name, value in sums.items())
        print(
            f"simulation: {options.seeds} seeds from {options.first}, {failed} failed; {told}; "
            f"{time.monotonic() - started:.0f} s"
        )
    return 1 if failed else 0


def mode_of(seed: int) -> Mode:
    """Where both are wanted."""
    return MODES[seed % 2]


if __name__ == "__main__":
    sys.exit(main())
