"""Bytes of a resting order, every array and index of the hot state counted, with packed and with text client ids.

Orders lie round a price of their own in each of 10,000 instruments; each case runs in a process of its own, whose peak
(arrays are copied while they double) is told beside. The baseline is the plain-Python twin with a fiftieth of it all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from hashlib import blake2b
from time import thread_time_ns
from typing import Any

import numpy as np

from bench.calibration import calibration_ns
from engine.codes import CommandKind, EventKind, Phase, RefForm
from engine.limits import RECORD_COMMANDS_MAX
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.hot import Space

INSTRUMENTS, ACCOUNTS = 10_000, 1_000
ORACLE_SHARE = 50
MIDDLE_TICKS, NEAR = 30_000, 0.05  # distances from the middle are geometric, 20 ticks in the mean
FORMS = {"packed": RefForm.STREAM, "text": RefForm.TEXT}


def resting_rows(random: np.random.Generator, first: int, count: int, instruments: int, form: RefForm) -> np.ndarray:
    """COMMAND[count]: orders that do not trade, the first of them number `first`."""
    rows = np.zeros(count, COMMAND)
    number = np.arange(first, first + count)
    rows["kind"], rows["version"], rows["ref_form"] = CommandKind.NEW, ROW_VERSION, form
    rows["instrument"], rows["account"] = number % instruments + 1, number % ACCOUNTS + 1
    rows["side"] = random.integers(0, 2, count)
    away = np.minimum(random.geometric(NEAR, count), 9_000)
    rows["price"] = MIDDLE_TICKS + np.where(rows["side"] == 1, away, -away)
    rows["qty"] = random.integers(1, 101, count)
    rows["ref_hi"], rows["ref_lo"] = 1, number + 1
    if form == RefForm.TEXT:
        texts = np.array([b"order-%08d" % i for i in number.tolist()], "S16").view("<u8").reshape(-1, 2)
        rows["ref_hi"], rows["ref_lo"] = texts[:, 0], texts[:, 1]
    return rows


def resident_bytes(what: str = "VmRSS") -> int:
    """Memory of this process that is resident now; `VmHWM`: at most so far."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(what))


def case(orders: int, instruments: int, form: str, oracle: bool, seed: int) -> dict[str, Any]:
    """In a process of its own: fill the books and look at the memory."""
    random = np.random.Generator(np.random.PCG64(seed))
    space = Space(client_ids=2**23, client_ids_share=2**23)
    books: Books | Oracle = Oracle(space) if oracle else Books(space)
    nothing = np.zeros(0, EXTENSION)
    resting_rows(random, 0, RECORD_COMMANDS_MAX, instruments, FORMS[form])
    before = resident_bytes()
    for account in range(1, ACCOUNTS + 1):
        books.open_account(account)
    for instrument in range(1, instruments + 1):
        books.list_instrument(instrument, multiplier=1, price_min=1, price_max=100_000, qty_max=100)
        books.set_phase(instrument, Phase.CONTINUOUS)
    cpu_ns, told = 0, blake2b(digest_size=4)
    for first in range(0, orders, RECORD_COMMANDS_MAX):
        rows = resting_rows(random, first, min(RECORD_COMMANDS_MAX, orders - first), instruments, FORMS[form])
        cpu_ns -= thread_time_ns()
        done, events = books.run(rows, nothing, None, 0, first_seq=first + 1, ts_ns=0)
        cpu_ns += thread_time_ns()
        assert done == len(rows) and (events["kind"] == EventKind.ACCEPTED).all()
        told.update(events["order"].tobytes())
    found = {
        "resident_bytes": resident_bytes() - before,
        "peak_bytes": resident_bytes("VmHWM") - before,
        "ns_per_order": round(cpu_ns / orders, 1),
        "hash": told.hexdigest(),
    }
    if isinstance(books, Books):
        found["arrays"] = {name: array.nbytes for name, array in books.state._asdict().items()}
    return found


def in_a_process(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.memory", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(orders: int, instruments: int, form: str, seed: int, calibration: float) -> dict[str, Any]:
    found = in_a_process(orders, instruments, form, "arrays", seed)
    plain = in_a_process(orders // ORACLE_SHARE, max(1, instruments // ORACLE_SHARE), form, "oracle", seed)
    arrays, each = found.pop("arrays"), plain["resident_bytes"] / (orders // ORACLE_SHARE)
    most = sorted(arrays.items(), key=lambda pair: -pair[1])
    return {
        "name": f"memory.{form}",
        "orders": orders,
        "instruments": instruments,
        "bytes_per_order": round(sum(arrays.values()) / orders, 1),
        "resident_per_order": round(found["resident_bytes"] / orders, 1),
        "peak_mib": round(found["peak_bytes"] / 2**20),
        "oracle_bytes_per_order": round(each),
        "ratio": round(each * orders / sum(arrays.values()), 1),
        "ns_per_order": found["ns_per_order"],
        "steps": round(found["ns_per_order"] / calibration, 1),
        "calibration_ns": round(calibration, 3),
        "arrays": {name: round(size / orders, 1) for name, size in most if size * 100 > sum(arrays.values())},
        "hash": found["hash"],
        "seed": seed,
    }


def text_of(line: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {size:.0f}" for name, size in line["arrays"].items())
    return (
        f"{line['name']:13s} n={line['orders']:,} in {line['instruments']:,} books  "
        f"{line['bytes_per_order']:.0f} bytes an order ({parts})  resident {line['resident_per_order']:.0f}  "
        f"peak {line['peak_mib']:,} MiB  oracle {line['oracle_bytes_per_order']:,}  {line['ratio']:.1f}x  "
        f"entered in {line['ns_per_order']:.0f} ns, {line['steps']:.0f} steps of {line['calibration_ns']:.2f} ns  "
        f"hash {line['hash']}  seed {line['seed']}"
    )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench memory", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--orders", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--instruments", type=int, default=INSTRUMENTS)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    calibration, lines = calibration_ns(), []
    for orders in options.orders:
        for form in FORMS:
            lines.append(measure(orders, options.instruments, form, options.seed, calibration))
            if not options.json:
                print(text_of(lines[-1]), flush=True)
    if options.json:
        print(json.dumps(lines))


if __name__ == "__main__":
    from gateway.cli import use_kernel_cache

    use_kernel_cache()
    n, books, form, what, seed = sys.argv[1:]
    print(json.dumps(case(int(n), int(books), form, what == "oracle", int(seed))))
