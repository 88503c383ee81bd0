"""Continuous matching on workloads A, B and C: ns a message of the kernel, beside the oracle on a prefix.

Every run gives the published hash of all fills, or the benchmark fails. CPU time of the thread is what counts, because
machines are shared; `calibration` is a loop of dependent integer steps in the same run, by which lines of different
machines and minutes can be compared.
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np

from bench.workloads import WORKLOADS, Workload, workload_file
from engine.codes import CommandKind, EventKind, Phase
from engine.kernels.compiled import kernel
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.flow import Replay
from gateway.flow_file import Flow, read_flow

ORACLE_MESSAGES = 20_000
CALIBRATION_STEPS = 10**8


@kernel
def dependent_steps(n):
    """n steps of a xorshift generator, each waiting for the one before."""
    x = np.uint64(88172645463325252)
    for _ in range(n):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
    return x


def calibration_ns() -> float:
    """CPU ns of one dependent step, best of five."""
    dependent_steps(1)
    spans = []
    for _ in range(5):
        start = thread_time_ns()
        dependent_steps(CALIBRATION_STEPS // 10)
        spans.append((thread_time_ns() - start) / (CALIBRATION_STEPS // 10))
    return min(spans)


def replayed(workload: Workload, flow: Flow) -> tuple[float, float]:
    """(CPU, wall) ns a timed message. Raises AssertionError unless every fill is the published one."""
    low, high = flow.price_range
    replay = Replay(instruments=workload.symbols, ids=flow.ids, price_min=low, price_max=high)
    replay.run(flow.messages, flow.warm)
    wall, cpu = perf_counter_ns(), thread_time_ns()
    replay.run(flow.messages)
    cpu, wall = thread_time_ns() - cpu, perf_counter_ns() - wall
    found = replay.fnv, replay.fills, replay.volume_lots, replay.resting()[1]
    assert found == (workload.fnv, workload.fills, workload.volume, workload.resting_qty), (workload.name, found)
    return cpu / workload.timed, wall / workload.timed


def oracle_ns(workload: Workload, flow: Flow) -> float:
    """CPU ns a message of the plain-Python twin over the workload's first messages, one row a call."""
    oracle = Oracle()
    for instrument in range(1, workload.symbols + 1):
        oracle.list_instrument(
            instrument, multiplier=1, price_min=-PRICE_TICKS_MAX, price_max=PRICE_TICKS_MAX, qty_max=QTY_LOTS_MAX
        )
        oracle.set_phase(instrument, Phase.CONTINUOUS)
    oracle.open_account(1)
    # The rows are those of the end of the warm part and the beginning of the timed one.
    first = max(0, flow.warm - ORACLE_MESSAGES // 2)
    messages = flow.messages[first : first + ORACLE_MESSAGES]
    rows = np.zeros(len(messages), COMMAND)
    for name in ("kind", "side", "type", "tif", "instrument", "account", "price", "qty"):
        rows[name] = messages[name]
    rows["version"] = ROW_VERSION
    ids, extensions = messages["id"].tolist(), np.zeros(0, EXTENSION)
    order_of: dict[int, int] = {}
    start = thread_time_ns()
    for i, file_id in enumerate(ids):
        rows["order"][i] = order_of.get(file_id, 0) if rows["kind"][i] != CommandKind.NEW else 0
        _, events = oracle.run(rows[: i + 1], extensions, None, i, first_seq=1, ts_ns=0)
        if events[0]["kind"] == EventKind.ACCEPTED:
            order_of[file_id] = int(events[0]["order"])
    return (thread_time_ns() - start) / len(ids)


def measure(name: str, runs: int, calibration: float) -> dict[str, Any]:
    workload = WORKLOADS[name]
    flow = read_flow(workload_file(name).read_bytes(), Fraction(1))
    replayed(workload, flow)
    spans = [replayed(workload, flow) for _ in range(runs)]
    cpu = [span[0] for span in spans]
    plain = oracle_ns(workload, flow)
    return {
        "name": f"book.{name}",
        "title": workload.title,
        "messages": workload.timed,
        "ns_per_message": round(median(cpu), 1),
        "ns_per_message_best": round(min(cpu), 1),
        "ns_per_message_wall": round(median(span[1] for span in spans), 1),
        "oracle_ns_per_message": round(plain),
        "ratio": round(plain / median(cpu), 1),
        "steps": round(median(cpu) / calibration, 1),
        "calibration_ns": round(calibration, 3),
        "runs": runs,
        "hash": workload.fnv,
        "seed": workload.seed,
    }


def text_of(line: dict[str, Any]) -> str:
    return (
        f"{line['name']}  {line['title']:20s} n={line['messages']:,}  kernel {line['ns_per_message']:6.1f} ns "
        f"(best {line['ns_per_message_best']:.1f}, wall {line['ns_per_message_wall']:.1f})  "
        f"oracle {line['oracle_ns_per_message']:,} ns  {line['ratio']:.0f}x  "
        f"{line['steps']:.1f} steps of {line['calibration_ns']:.2f} ns  hash {line['hash']}  seed {line['seed']}"
    )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench book", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each workload")
    parser.add_argument("--workloads", default="ABC", help="which ones, for example AC")
    options = parser.parse_args(argv)
    calibration = calibration_ns()
    lines = []
    for name in options.workloads:
        lines.append(measure(name, options.runs, calibration))
        if not options.json:
            print(text_of(lines[-1]), flush=True)
    if options.json:
        print(json.dumps(lines))
