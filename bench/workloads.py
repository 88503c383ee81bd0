"""The three common workloads of order-book benchmarks, generated from a seed and checked by digest.

A single book, 1,000 books under a Zipf law, one deep book. A plain price-time book runs along with the generator, so
that every cancel and replace names a live order. Files are kept in a cache folder: making one takes seconds.

    record (16 bytes)  type u1 (1 add, 2 cancel, 3 replace), side u1, symbol u2, id u4, price i4, qty u4
    file               "OBW1", u4 warm, timed, symbols, max id + 1, 0; then the records
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple

import numpy as np

RECORD = np.dtype([("type", "u1"), ("side", "u1"), ("symbol", "<u2"), ("id", "<u4"), ("price", "<i4"), ("qty", "<u4")])
MAGIC = b"OBW1"
HEADER_BYTES = 24
ADD, CANCEL, REPLACE = 1, 2, 3
MID_TICKS = 30_000


class Workload(NamedTuple):
    """What defines a workload, and what every right engine makes of it (warm and timed messages together)."""

    name: str
    title: str
    seed: int
    warm: int
    timed: int
    symbols: int
    distance_p: float
    fills: int
    volume: int
    resting_qty: int
    fnv: str
    sha256: str


WORKLOADS = {
    w.name: w
    for w in (
        Workload("A", "one book, 20 k live", 1001, 40_000, 1_000_000, 1, 0.05, 281_279, 9_396_288, 1_032_738,
                 "8b2a7d8f3825fd09", "fb5dc6e28198f5bc2255038daa824eafc4aa625bfab7f7078fba287c61d16eac"),
        Workload("B", "1,000 books, Zipf", 1002, 50_000, 1_000_000, 1_000, 0.05, 160_985, 6_389_809, 1_960_885,
                 "5e3a4813c336d629", "7b6f9e42a01fb8487db253e2b3cd3abf1e3b8ca534aeac9afdc4277d5b4f6b89"),
        Workload("C", "one book, 740 k live", 1003, 1_000_000, 1_000_000, 1, 0.01, 407_565, 12_161_187, 38_405_907,
                 "7f59c6231dfc2318", "320824bd5500df1659e638859c8112414394ab24f4ed93437fb6592815cfabac"),
    )
}  # fmt: skip


def cache_folder() -> Path:
    """`$QHATU_WORKLOADS`, else a folder of this user below the system's temporary one."""
    user = os.environ.get("USER") or str(os.getuid())
    return Path(os.environ.get("QHATU_WORKLOADS") or Path(tempfile.gettempdir()) / f"qhatu-workloads-{user}")


def workload_file(name: str) -> Path:
    """Path of the workload's file, made when it is not there. Raises ValueError when its digest is another."""
    workload = WORKLOADS[name]
    path = cache_folder() / f"{name}.obw"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        records = generate(workload)
        header = np.array([workload.warm, workload.timed, workload.symbols, int(records["id"].max()) + 1, 0], "<u4")
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(MAGIC + header.tobytes() + records.tobytes())
        partial.replace(path)
    digest = sha256(path.read_bytes()[HEADER_BYTES:]).hexdigest()
    if digest != workload.sha256:
        raise ValueError(f"{path}: workload {name} has digest {digest}, not {workload.sha256}")
    return path


class _Book:
    """Price-time book of the generator: per side a heap of ranks and a queue of ids per rank, dead ids passed over."""

    __slots__ = ("heaps", "queues")

    def __init__(self) -> None:
        self.heaps: tuple[list[int], list[int]] = ([], [])
        self.queues: tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]] = ({}, {})  # rank -> id -> qty

    def add(self, side: int, price: int, order: int, qty: int) -> None:
        rank = price if side else -price
        queue = self.queues[side].get(rank)
        if queue is None:
            queue = self.queues[side][rank] = {}
            heappush(self.heaps[side], rank)
        queue[order] = qty

    def remove(self, side: int, price: int, order: int) -> None:
        del self.queues[side][price if side else -price][order]

    def trade(self, side: int, price: int, qty: int, filled: list[int]) -> int:
        """Match an incoming order; ids of makers that are used up go to `filled`. Returns the quantity left."""
        heap, queues = self.heaps[1 - side], self.queues[1 - side]
        limit = -price if side else price
        while qty and heap and heap[0] <= limit:
            queue = queues[heap[0]]
            while queue and qty:
                maker = next(iter(queue))
                left = queue[maker]
                if left > qty:
                    queue[maker] = left - qty
                    return 0
                qty -= left
                del queue[maker]
                filled.append(maker)
            if not queue:
                del queues[heappop(heap)]
        return qty


def generate(workload: Workload) -> np.ndarray:
    """RECORD[warm + timed]. The draws and their order are the workload's definition."""
    warm, count, symbols = workload.warm, workload.warm + workload.timed, workload.symbols
    g = np.random.Generator(np.random.PCG64(workload.seed))
    kind_u = g.random(count)
    side_d = g.integers(0, 2, count)
    distance_d = np.minimum(g.geometric(workload.distance_p, count), 9000)
    qty_d = g.integers(1, 101, count)
    move_u = g.random(count)
    step_d = g.integers(0, 2, count) * 2 - 1
    pick_u = g.random(count)
    symbol_u = g.random(count)
    taking_qty_d = g.integers(1, 201, count)
    taking_distance_d = g.integers(0, 6, count)
    step_d[move_u >= 0.01] = 0
    weights = np.cumsum(1.0 / np.arange(1, symbols + 1))
    symbol_d = np.minimum(np.searchsorted(weights / weights[-1], symbol_u, side="right"), symbols - 1)

    columns = [column.tolist() for column in (kind_u, side_d, distance_d, qty_d, step_d, pick_u, symbol_d,
                                              taking_qty_d, taking_distance_d)]  # fmt: skip
    books = [_Book() for _ in range(symbols)]
    mids = [MID_TICKS] * symbols
    live: list[int] = []  # ids of resting orders; removal moves the last one into the hole
    place: dict[int, int] = {}
    orders: dict[int, tuple[int, int, int]] = {}  # id -> (symbol, side, price)
    next_id = 1
    out: list[tuple] = []
    filled: list[int] = []

    def forget(order: int) -> None:
        hole, last = place.pop(order), live.pop()
        if last != order:
            live[hole] = last
            place[last] = hole
        del orders[order]

    for t, (u, side, distance, qty, step, pick, symbol, taking_qty, taking_distance) in enumerate(
        zip(*columns, strict=True)
    ):
        n = len(live)
        kind = "add" if t < warm or u < 0.45 else "cancel" if u < 0.85 else "replace" if u < 0.90 else "take"
        if kind == "cancel" and n < warm // 2:
            kind = "add"
        elif kind == "add" and n > 2 * warm:
            kind = "cancel"
        if kind == "replace" and n == 0:
            kind = "add"
        order = 0
        if kind in ("cancel", "replace"):
            order = live[int(pick * n)]
            symbol, side, price = orders[order]
        mids[symbol] += step
        mid, book = mids[symbol], books[symbol]
        if order:
            book.remove(side, price, order)
            forget(order)
        if kind == "cancel":
            out.append((CANCEL, side, symbol, order, 0, 0))
            continue
        if kind == "take":
            price, qty = (mid - taking_distance if side else mid + taking_distance), taking_qty
        else:
            price = mid + distance if side else mid - distance
        if not order:
            order, next_id = next_id, next_id + 1
        out.append((REPLACE if kind == "replace" else ADD, side, symbol, order, price, qty))
        left = book.trade(side, price, qty, filled)
        for maker in filled:
            forget(maker)
        filled.clear()
        if left:
            book.add(side, price, order, left)
            place[order] = len(live)
            live.append(order)
            orders[order] = (symbol, side, price)
    return np.array(out, RECORD)
