"""`python -m tests.simulation --seeds 2000 --first 0`: run seeds, name those that fail, sum what happened."""

from __future__ import annotations

import argparse
import sys
import time

from gateway.cli import use_kernel_cache

use_kernel_cache()

from tests.simulation.run import simulate  # noqa: E402
from tests.simulation.world import Violation  # noqa: E402


def main() -> int:
    """Exit code 1 when a seed fails; it fails again with `--first SEED --seeds 1`."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--each", action="store_true", help="a line for each seed")
    options = parser.parse_args()
    started = time.monotonic()
    crashes = records = commands = failed = 0
    for seed in range(options.first, options.first + options.seeds):
        try:
            report = simulate(seed)
        except Violation as violation:
            failed += 1
            print(violation, flush=True)
            continue
        if options.each:
            print(report)
        crashes, records, commands = crashes + report.crashes, records + report.records, commands + report.commands
    if not options.each:
        print(
            f"simulation: {options.seeds} seeds from {options.first}, {failed} failed; {crashes} crashes, "
            f"{records:,} records, {commands:,} commands, {time.monotonic() - started:.0f} s"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
