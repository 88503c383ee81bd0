"""`python -m bench NAME [options]`, `python -m bench --list`, `python -m bench --all`: one question each.

Every line gives a figure, its ratio to a baseline of the same run, and a checksum of the answer. Pin it to one core
(`taskset -c 0`) and compare ratios: machines are shared and noisy.
"""

from __future__ import annotations

import importlib
import sys

from gateway.cli import use_kernel_cache

BENCHMARKS = {
    "book": "continuous matching on workloads A, B and C, by file id, order id and text id; latency of one command",
    "memory": "bytes of a resting order over 10,000 instruments, packed and text ids, peak while arrays double",
    "replay": "commands/s of a log from memory through the machine",
    "auction": "call auction, 10^3 to 10^7 orders, flat and from a live book, beside numpy",
    "pipeline": "durable orders/s over WebSocket with 1, 10, 100 orders a message; latency at 5 k and 20 k/s",
    "sales": "the end of a large sale through a real venue: outbid notices, watchers; 800 lots; 20,000 bids replayed",
    "journal": "commits/s of the log beside a bare pwrite + fdatasync",
    "sqlite": "fills/s into the projection beside a bare executemany",
    "recovery": "commands/s of a replay from disk",
    "snapshot": "acknowledgements at 20 k/s while a snapshot of a million orders is written",
    "packages": "package sales: seconds to find and to prove 50 lots and 500 bids, and what the proof costs",
    "fuzz_rows": "random bytes and nearly right rows: only right answers (--count N --oracle)",
}


def main(argv: list[str]) -> int:
    """Exit code 0; 2 for an unknown name. Options after NAME go to that benchmark (--json is common to all)."""
    if not argv or argv[0] in {"--list", "-h", "--help"}:
        print(__doc__)
        for name, text in BENCHMARKS.items():
            print(f"  {name:10s} {text}")
        return 0
    names = [name for name in BENCHMARKS if name != "fuzz_rows"] if argv[0] == "--all" else [argv[0]]
    if any(name not in BENCHMARKS for name in names):
        print(f"bench: there is no benchmark {argv[0]!r}; python -m bench --list", file=sys.stderr)
        return 2
    use_kernel_cache()
    for name in names:
        importlib.import_module(f"bench.{name}").main(argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
