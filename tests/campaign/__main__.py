"""`python -m tests.campaign --part flips --count 50000`: portions of the proofs, each noted in a ledger that sums them.

A part goes on after its last portion in the ledger, and stops when the code under it changes; without `--part` every
part runs until its goal. Exit code 1 when something failed. With `--first` the portion is run alone, to repeat a
failure, and is not noted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from tests.campaign.ledger import DEFAULT, Ledger, Portion, revision
from tests.campaign.parts import PARTS, run


def portions(first: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + count, size):
        yield start, min(size, first + count - start)


def campaign(ledger: Ledger, part: str, count: int, lanes: int) -> int:
    """Run the next `count` items of a part, noting whole portions. Returns how many items failed."""
    first, version, failed = ledger.next_first(part), revision(), 0
    pool = ProcessPoolExecutor(lanes, mp_context=get_context("spawn"))
    try:
        waiting = [
            (start, size, pool.submit(run, part, start, size))
            for start, size in portions(first, count, PARTS[part].portion)
        ]
        for start, size, future in waiting:  # noted in order, so that an interruption leaves no hole
            outcome, seconds = future.result()
            if revision() != version:
                print(f"the working tree is no longer {version}: {part} stops, this portion is not noted", flush=True)
                break
            at = datetime.now(UTC).isoformat(timespec="seconds")
            ledger.append(
                Portion(
                    part, start, size, len(outcome.failures), outcome.sums, outcome.failures, version,
                    round(seconds, 1), at,
                )
            )  # fmt: skip
            failed += len(outcome.failures)
            print(f"{part} {start} to {start + size}: {len(outcome.failures)} failed, {seconds:.0f} s", flush=True)
            for failure in outcome.failures:
                print(f"  {failure}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    return failed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="default: every part in turn")
    parser.add_argument("--count", type=int, help="items more; default: what the goal still lacks")
    parser.add_argument("--first", type=int, help="run from this item alone, without the ledger")
    parser.add_argument("--lanes", type=int, help="portions side by side")
    parser.add_argument("--summary", action="store_true", help="print the table alone")
    parser.add_argument("--ledger", type=Path, default=DEFAULT)
    options = parser.parse_args(argv)
    ledger, goals = Ledger(options.ledger), {name: part.goal for name, part in PARTS.items()}
    failed = 0
    if options.first is not None:
        if options.part is None:
            parser.error("--first needs --part")
        outcome, _ = run(options.part, options.first, options.count or 1)
        print("\n".join(outcome.failures) or "nothing failed", outcome.sums)
        return 1 if outcome.failures else 0
    if not options.summary:
        try:
            for name in [options.part] if options.part else PARTS:
                wanted = options.count or max(0, goals[name] - ledger.next_first(name))
                failed += campaign(ledger, name, wanted, options.lanes or PARTS[name].lanes)
        except KeyboardInterrupt:
            print("interrupted; whole portions are noted", file=sys.stderr)
    print(ledger.table(goals))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
