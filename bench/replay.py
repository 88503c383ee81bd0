"""Replay of a log from memory: commands a second of the machine, without a disk.

    replay.apply  records that are decoded already: books, events, their digest
    replay.log    from the records' bytes: checksum, chain and decoding too, event digests compared

The baseline is the same machine on the plain-Python books, over the first records.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import Any

from bench.calibration import calibration_ns
from bench.flow import market
from engine.log.memory import MemoryLog
from engine.log.record import Record
from engine.log.replay import replay
from engine.machine import Machine
from engine.oracle.books import Books as Oracle
from engine.state.books import Books

RECORD_COMMANDS = (100, 1_000, 4_000)
ORACLE_COMMANDS = 20_000


def applied(records: list[Record]) -> bytes:
    machine = Machine(Books())
    for record in records:
        machine.apply(record)
    return machine.state_hash()


def replayed(log: MemoryLog) -> bytes:
    machine = Machine(Books())
    replay(log, machine)
    return machine.state_hash()


def oracle_ns(records: list[Record]) -> float:
    """CPU ns a command of the machine on plain-Python books, its opening commands left out."""
    machine, start, seq = Machine(Oracle()), 0, 0
    for record in records:
        machine.apply(record)
        if not start:
            start, seq = thread_time_ns(), machine.seq
        elif machine.seq - seq >= ORACLE_COMMANDS:
            break
    return (thread_time_ns() - start) / (machine.seq - seq)


def measure(per_record: int, commands: int, runs: int, seed: int, calibration: float) -> list[dict[str, Any]]:
    records = [one.record for one in market(commands, per_record, seed)]
    log = MemoryLog([record.raw for record in records])
    count, plain, lines = records[-1].next_seq - 1, oracle_ns(records), []

    def line(name: str, work: Callable[[], bytes]) -> None:
        hashes, cpus, walls = {work()}, [], []
        for _ in range(runs):
            wall, cpu = perf_counter_ns(), thread_time_ns()
            hashes.add(work())
            cpus.append((thread_time_ns() - cpu) / count)
            walls.append((perf_counter_ns() - wall) / count)
        assert len(hashes) == 1, "two replays of one log come to different states"
        cpu = median(cpus)
        lines.append(
            {
                "name": name,
                "commands": count,
                "commands_per_record": per_record,
                "commands_per_second": round(1e9 / cpu),
                "commands_per_second_best": round(1e9 / min(cpus)),
                "commands_per_second_wall": round(1e9 / median(walls)),
                "oracle_ns_per_command": round(plain),
                "ratio": round(plain / cpu, 1),
                "steps": round(cpu / calibration, 1),
                "calibration_ns": round(calibration, 3),
                "hash": hashes.pop().hex()[:8],
                "seed": seed,
            }
        )

    line("replay.apply", lambda: applied(records))
    line("replay.log", lambda: replayed(log))
    return lines


def text_of(line: dict[str, Any]) -> str:
    return (
        f"{line['name']:12s}  {line['commands']:,} commands, {line['commands_per_record']:>5,d} a record  "
        f"{line['commands_per_second']:>10,d} commands/s (best {line['commands_per_second_best']:,d}, "
        f"wall {line['commands_per_second_wall']:,d})  oracle {line['oracle_ns_per_command']:,} ns a command  "
        f"{line['ratio']:.0f}x  {line['steps']:.1f} steps of {line['calibration_ns']:.2f} ns  "
        f"hash {line['hash']}  seed {line['seed']}"
    )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    calibration, lines = calibration_ns(), []
    for per_record in RECORD_COMMANDS:
        for line in measure(per_record, options.commands, options.runs, options.seed, calibration):
            lines.append(line)
            if not options.json:
                print(text_of(line), flush=True)
    if options.json:
        print(json.dumps(lines))
