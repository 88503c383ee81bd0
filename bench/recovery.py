"""Recovery: commands a second of a replay from a log on disk, checks included (checksum, chain, event digest).

The baseline, in the same run, reads and checks the same records without applying them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from time import perf_counter

from bench.flow import market
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from gateway.replaying import LOG_FOLDER, open_log, rebuild

RECORD_COMMANDS = (10, 100, 1_000)  # what group commit makes at low and high load


def write(folder: Path, commands: int, per_record: int, seed: int) -> int:
    """A log on disk. Returns its commands."""
    log = LocalLog.open(RealFiles(), folder / LOG_FOLDER)
    log.claim(1)
    for record, _, _ in market(commands, per_record, seed):
        log.write(record)
    written = log.tail.next_seq - 1
    log.close()
    return written


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench recovery", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--commands", type=int, default=1_000_000, help="in records of 1,000; fewer in smaller ones")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    answers = []
    for per_record in RECORD_COMMANDS:
        with tempfile.TemporaryDirectory(prefix="qhatu-bench-") as name:
            folder = Path(name)
            commands = write(folder, options.commands * per_record // max(RECORD_COMMANDS), per_record, options.seed)
            replays, reads, hashes = [], [], set()
            for _ in range(options.runs):
                started = perf_counter()
                rebuilt = rebuild(folder)
                replays.append(perf_counter() - started)
                hashes.add(rebuilt.machine.state_hash().hex())
                started = perf_counter()
                for _record in open_log(folder).read():
                    pass
                reads.append(perf_counter() - started)
        assert len(hashes) == 1 and rebuilt.machine.seq == commands
        median, read = sorted(replays)[len(replays) // 2], sorted(reads)[len(reads) // 2]
        answer = {
            "name": "recovery",
            "commands": commands,
            "commands_per_record": per_record,
            "commands_per_second": round(commands / median),
            "commands_per_second_best": round(commands / min(replays)),
            "read_commands_per_second": round(commands / read),
            "ratio": round(read / median, 3),
            "seconds_per_10_million": round(10**7 * median / commands, 2),
            "hash": hashes.pop()[:8],
            "seed": options.seed,
        }
        answers.append(answer)
        if not options.json:
            print(
                f"recovery  {per_record:>5,d} commands a record  {answer['commands_per_second']:>9,d} commands/s"
                f" (best {answer['commands_per_second_best']:,d}; 10 M in {answer['seconds_per_10_million']:.1f} s)"
                f"  reading alone {answer['read_commands_per_second']:>9,d}  {answer['ratio']:.2f}x"
                f"  hash {answer['hash']}  seed {options.seed}",
                flush=True,
            )
    if options.json:
        print(json.dumps(answers))
