"""Continuous matching on workloads A, B and C: ns a message of the kernel, beside the oracle on a prefix.

    book.A         orders named by the file's rising ids, looked up in a flat array
    book.A.orders  named by the engine's order id, as answered when they were accepted
    book.A.texts   named by text id in the hashed table; every id of the run is remembered against a retry
    book.A.each    as .orders, one command at a time with nothing fetched ahead, a clock read round each

Every run gives the published hash of all fills, or the benchmark fails. CPU time of the thread is what counts, because
machines are shared; `steps` are those of the calibrating loop in the same run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from fractions import Fraction
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np

from bench.book_rows import RECORD_ROWS, Fills, Rows, books_of, order_rows, text_rows
from bench.calibration import calibration_ns
from bench.latency import PERCENTILES, spans_of_each
from bench.workloads import WORKLOADS, Workload, workload_file
from engine.codes import CommandKind, EventKind, Phase
from engine.kernels import book
from engine.kernels.constants import DONE
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.flow import Replay
from gateway.flow_file import Flow, read_flow

ORACLE_MESSAGES = 20_000
FORMS = ("ids", "orders", "texts", "each")


def check(workload: Workload, *found: Any) -> None:
    """Raises AssertionError unless (hash, fills, lots, resting lots) are the published ones."""
    assert found == (workload.fnv, workload.fills, workload.volume, workload.resting_qty), (workload.name, found)


def by_file_id(workload: Workload, flow: Flow) -> tuple[float, float]:
    """(CPU, wall) ns a timed message."""
    low, high = flow.price_range
    replay = Replay(instruments=workload.symbols, ids=flow.ids, price_min=low, price_max=high)
    replay.run(flow.messages, flow.warm)
    wall, cpu = perf_counter_ns(), thread_time_ns()
    replay.run(flow.messages)
    cpu, wall = thread_time_ns() - cpu, perf_counter_ns() - wall
    check(workload, replay.fnv, replay.fills, replay.volume_lots, replay.resting()[1])
    return cpu / workload.timed, wall / workload.timed


def by_rows(workload: Workload, flow: Flow, rows: Rows) -> tuple[float, float, np.ndarray]:
    """(CPU, wall) ns a timed message of the kernel, record by record; engine ids by file id. The events are folded
    outside of the measured time."""
    books, fills = books_of(flow), Fills(rows.file_ids, flow.ids)
    meta, events, cpu_ns, wall_ns = books.state.meta[0], books.events, 0, 0
    for record, first in enumerate(range(0, len(rows.commands), RECORD_ROWS)):
        commands = rows.commands[first : first + RECORD_ROWS]
        extensions = rows.extensions[rows.first_extension[record] : rows.first_extension[record + 1]]
        status, row, index = -1, 0, 0
        while status != DONE:
            wall, cpu = perf_counter_ns(), thread_time_ns()
            status = book.run(books.state, commands, extensions, False, first + 1, 0, row, index, events)
            if status != DONE:
                books.make_room(status)
            cpu, wall = thread_time_ns() - cpu, perf_counter_ns() - wall
            if first >= workload.warm:
                cpu_ns, wall_ns = cpu_ns + cpu, wall_ns + wall
            fills.add(events[: int(meta["event_count"])], first)
            row, index = int(meta["row"]), int(meta["event_index"])
    check(workload, *fills.found, int(books.state.sides["total"].sum()))
    return cpu_ns / workload.timed, wall_ns / workload.timed, fills.order_of


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


def each_alone(workload: Workload, flow: Flow, rows: Rows, runs: int) -> dict[str, Any]:
    """Percentiles of the time of one command, medians over the runs."""
    found = []
    for _ in range(runs):
        books, fills = books_of(flow), Fills(rows.file_ids, flow.ids)
        spans, own_ns = spans_of_each(books, rows.commands, rows.extensions, fills)
        check(workload, *fills.found, int(books.state.sides["total"].sum()))
        found.append([*np.percentile(spans[workload.warm :], PERCENTILES), own_ns])
    figures = np.median(found, axis=0)
    names = [f"latency_ns_p{percentile:g}" for percentile in PERCENTILES]
    return dict(zip([*names, "clock_ns"], figures.round(1).tolist(), strict=True))


def measure(name: str, forms: list[str], runs: int, calibration: float) -> list[dict[str, Any]]:
    workload = WORKLOADS[name]
    flow = read_flow(workload_file(name).read_bytes(), Fraction(1))
    plain = oracle_ns(workload, flow)
    same = {"title": workload.title, "messages": workload.timed, "oracle_ns_per_message": round(plain), "runs": runs,
            "calibration_ns": round(calibration, 3), "hash": workload.fnv, "seed": workload.seed}  # fmt: skip
    lines = []

    def line(label: str, work: Callable[[], tuple[float, ...]]) -> None:
        work()
        spans = [work()[:2] for _ in range(runs)]
        cpu = median(span[0] for span in spans)
        lines.append(
            {
                "name": label,
                "ns_per_message": round(cpu, 1),
                "ns_per_message_best": round(min(span[0] for span in spans), 1),
                "ns_per_message_wall": round(median(span[1] for span in spans), 1),
                "ratio": round(plain / cpu, 1),
                "steps": round(cpu / calibration, 1),
            }
            | same
        )

    if "ids" in forms:
        line(f"book.{name}", lambda: by_file_id(workload, flow))
    if forms == ["ids"]:
        return lines
    texts = text_rows(flow)
    orders = order_rows(texts, by_rows(workload, flow, texts)[2])
    if "orders" in forms:
        line(f"book.{name}.orders", lambda: by_rows(workload, flow, orders))
    if "texts" in forms:
        line(f"book.{name}.texts", lambda: by_rows(workload, flow, texts))
    if "each" in forms and name == "A":
        figures = each_alone(workload, flow, orders, runs)
        p50 = figures["latency_ns_p50"]
        ratios = {"ratio": round(plain / p50, 1), "steps": round(p50 / calibration, 1)}
        lines.append({"name": f"book.{name}.each"} | figures | ratios | same)
    return lines


def text_of(line: dict[str, Any]) -> str:
    if "clock_ns" in line:
        figures = "  ".join(f"p{p:g} {line[f'latency_ns_p{p:g}']:,.0f}" for p in PERCENTILES)
        told = f"{figures} ns (the clock's own {line['clock_ns']:.0f} in)"
    else:
        told = (
            f"kernel {line['ns_per_message']:6.1f} ns "
            f"(best {line['ns_per_message_best']:.1f}, wall {line['ns_per_message_wall']:.1f})"
        )
    return (
        f"{line['name']:13s} {line['title']:20s} n={line['messages']:,}  {told}  "
        f"oracle {line['oracle_ns_per_message']:,} ns  {line['ratio']:.0f}x  "
        f"{line['steps']:.1f} steps of {line['calibration_ns']:.2f} ns  hash {line['hash']}  seed {line['seed']}"
    )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench book", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each line")
    parser.add_argument("--workloads", default="ABC", help="which ones, for example AC")
    parser.add_argument("--forms", default=",".join(FORMS), help="which lines of each, for example ids,texts")
    options = parser.parse_args(argv)
    calibration = calibration_ns()
    lines = []
    for name in options.workloads:
        for line in measure(name, options.forms.split(","), options.runs, calibration):
            lines.append(line)
            if not options.json:
                print(text_of(line), flush=True)
    if options.json:
        print(json.dumps(lines))
