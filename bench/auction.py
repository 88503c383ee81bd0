"""Call auction: price and fills of N orders as flat columns, and uncrossing the same orders from a live book.

    auction.flat      by price and time
    auction.pro-rata  the orders at the margin share by their quantities
    auction.books     a thousand calls of a thousandth of the orders each, on one thread or two
    auction.live      curve, price and uncross of a resting book, every fill an event

The baseline is the same auction in numpy (bincount, stable argsort, cumsum) on the same orders; both answers are hashed
and must be equal. Orders lie on a ladder of ticks round the reference, 2 % of them unpriced.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from time import perf_counter_ns, process_time_ns
from typing import NamedTuple

import numpy as np

from bench.calibration import calibration_ns
from engine.codes import CommandKind, EventKind, OrderType, Phase, Side
from engine.domain.curve import Clearing
from engine.limits import RECORD_COMMANDS_MAX
from engine.markets.call_auction import BookCalls, FlatOrders, Scratch, clear, clear_books, clear_flat
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.state.books import Books

UNPRICED_SHARE = 0.02
NUMPY_ORDERS_MAX = 10**6  # beyond it the baseline runs once
INSTRUMENT, ACCOUNTS = 1, 8
PRO_RATA = "harvest_pro_rata"
BOOKS, BOOKS_A_TASK = 1_000, 32


def orders_of(n: int, ticks: int, seed: int) -> FlatOrders:
    """n orders in time order on `ticks` ticks; about half of the quantity crosses."""
    random = np.random.Generator(np.random.PCG64(seed))
    return FlatOrders(
        side=random.integers(0, 2, n).astype(np.uint8),
        price_ticks=np.clip(random.normal(ticks / 2, ticks / 8, n), 1, ticks).astype(np.int32),
        unpriced=(random.random(n) < UNPRICED_SHARE).astype(np.uint8),
        qty_lots=random.integers(1, 101, n),
    )


def clear_in_numpy(orders: FlatOrders, reference: int, *, pro_rata: bool = False) -> tuple[Clearing, np.ndarray]:
    """The harvest rule with array operations alone, on every tick between the lowest and the highest limit."""
    side, price, unpriced, qty = orders.side, orders.price_ticks, orders.unpriced.astype(bool), orders.qty_lots
    low, high = int(price[~unpriced].min()), int(price[~unpriced].max())
    low, high = min(low, reference), max(high, reference)
    ticks = high - low + 1
    key = np.where(side == Side.BUY, price - low + 1, high - price + 1)  # higher is better for its own side
    key[unpriced] = ticks + 1
    cell = side.astype(np.int64) * (ticks + 2) + key
    table = np.bincount(cell, weights=qty, minlength=2 * (ticks + 2)).astype(np.int64).reshape(2, ticks + 2)
    at_or_better = table[:, ::-1].cumsum(axis=1)[:, ::-1]
    demand, supply = at_or_better[0, 1:-1], at_or_better[1, 1:-1][::-1]
    volume, surplus = np.minimum(demand, supply), demand - supply
    if volume.max(initial=0) == 0:
        return Clearing(None, 0, 0), np.zeros(side.size, np.int64)
    kept = np.flatnonzero(volume == volume.max())
    kept = kept[np.abs(surplus[kept]) == np.abs(surplus[kept]).min()]
    buying, selling = surplus[kept] > 0, surplus[kept] < 0
    if buying.all():
        tick = kept[-1]
    elif selling.all():
        tick = kept[0]
    else:
        ends = (kept[buying][-1], kept[selling][0]) if buying.any() and selling.any() else (kept[0], kept[-1])
        tick = np.clip(reference - low, *ends)
    clearing = Clearing(int(tick) + low, int(volume[tick]), int(surplus[tick]))
    fills = np.zeros(side.size, np.int64)
    for which in (Side.BUY, Side.SELL):
        mine = np.flatnonzero(side == which)
        queue = mine[np.argsort(-key[mine], kind="stable")]
        before = np.cumsum(qty[queue]) - qty[queue]
        fills[queue] = np.clip(clearing.volume_lots - before, 0, qty[queue])
        cut = np.flatnonzero(fills[queue] < qty[queue])
        if pro_rata and len(cut):
            margin = queue[key[queue] == key[queue[cut[0]]]]
            fills[margin] = _proportional(qty[margin], int(fills[margin].sum()))
    return clearing, fills


def _proportional(qty: np.ndarray, lots: int) -> np.ndarray:
    """Floors of the proportion, then a lot each by arrival."""
    shares = qty * lots // qty.sum()
    shares[: lots - shares.sum()] += 1
    return shares


def checksum(clearing: Clearing, fills: np.ndarray) -> str:
    """Eight hex digits of price, volume and every fill."""
    answer = f"{clearing.price_ticks},{clearing.volume_lots},".encode()
    return blake2b(answer + fills.astype("<i8").tobytes(), digest_size=4).hexdigest()


class Span(NamedTuple):
    wall: int
    cpu: int  # of all threads


def spans_ns(work: Callable[[], object], runs: int) -> list[Span]:
    """Time of each call, the first not counted."""
    work()
    spans = []
    for _ in range(runs):
        wall, cpu = perf_counter_ns(), process_time_ns()
        work()
        cpu = process_time_ns() - cpu
        spans.append(Span(perf_counter_ns() - wall, cpu))
    return spans


class Line(NamedTuple):
    name: str
    orders: int
    ticks: int
    ns_per_order: float  # median
    ns_per_order_best: float
    cpu_ns_per_order: float  # median, all threads together; less than the others where the machine is shared
    numpy_ns_per_order: float  # median
    ratio: float  # numpy over kernel, medians of CPU time
    steps: float  # of the calibrating loop in the time of one order
    calibration_ns: float
    hash: str
    seed: int

    def text(self) -> str:
        return (
            f"auction.{self.name:<9s} n={self.orders:<9,d} ticks={self.ticks:<7,d} "
            f"kernel {self.ns_per_order:7.2f} ns/order (best {self.ns_per_order_best:6.2f}; "
            f"{self.ns_per_order * self.orders / 1e6:9.3f} ms; CPU {self.cpu_ns_per_order:6.2f} ns)  "
            f"numpy {self.numpy_ns_per_order:7.1f}  {self.ratio:6.1f}x  "
            f"{self.steps:.2f} steps of {self.calibration_ns:.2f} ns  hash {self.hash}  seed {self.seed}"
        )


def line_of(name: str, n: int, ticks: int, spans: list[Span], baseline: list[Span], answer: str, seed: int) -> Line:
    walls, step = [span.wall / n for span in spans], calibration_ns()
    cpu, numpy = (float(np.median([span.cpu for span in each])) / n for each in (spans, baseline))
    return Line(
        name, n, ticks, float(np.median(walls)), min(walls), cpu, numpy, numpy / cpu, cpu / step, step, answer, seed
    )


def flat(name: str, rules: str, n: int, ticks: int, seed: int, runs: int) -> Line:
    """Price and every order's fill, from columns."""
    orders, reference = orders_of(n, ticks, seed), ticks // 2
    fills, pro_rata = np.empty(n, np.int64), rules == PRO_RATA
    scratch = Scratch()
    spans = spans_ns(lambda: clear_flat(orders, reference, rules, out=fills, scratch=scratch), runs)
    baseline = spans_ns(
        lambda: clear_in_numpy(orders, reference, pro_rata=pro_rata), runs if n <= NUMPY_ORDERS_MAX else 1
    )
    answer = checksum(clear_flat(orders, reference, rules, out=fills, scratch=scratch).clearing, fills)
    assert answer == checksum(*clear_in_numpy(orders, reference, pro_rata=pro_rata)), "kernel and numpy differ"
    return line_of(name, n, ticks, spans, baseline, answer, seed)


def many(n: int, ticks: int, seed: int, runs: int, threads: int) -> Line:
    """BOOKS calls, one after the other; each thread takes the next BOOKS_A_TASK of them."""
    orders, reference = orders_of(n, ticks, seed), ticks // 2
    starts = np.arange(BOOKS + 1) * n // BOOKS
    references = np.full(BOOKS, reference, np.int64)
    out = BookCalls(*np.empty((3, BOOKS), np.int64), np.empty(n, np.int64))
    scratches = threading.local()

    def task(first: int) -> None:
        if not hasattr(scratches, "own"):
            scratches.own = Scratch()
        group = range(first, min(first + BOOKS_A_TASK, BOOKS))
        clear_books(orders, starts, references, books=group, out=out, scratch=scratches.own)

    def each(answers: Callable[[int], tuple[Clearing, np.ndarray]]) -> str:
        return blake2b("".join(checksum(*answers(book)) for book in range(BOOKS)).encode(), digest_size=4).hexdigest()

    def in_numpy(book: int) -> tuple[Clearing, np.ndarray]:
        mine = slice(starts[book], starts[book + 1])
        return clear_in_numpy(
            FlatOrders(orders.side[mine], orders.price_ticks[mine], orders.unpriced[mine], orders.qty_lots[mine]),
            reference,
        )

    def in_kernel(book: int) -> tuple[Clearing, np.ndarray]:
        clearing = Clearing(*(int(column[book]) for column in out[:3]))
        return clearing, out.fills[starts[book] : starts[book + 1]]

    with ThreadPoolExecutor(threads) as pool:
        spans = spans_ns(lambda: list(pool.map(task, range(0, BOOKS, BOOKS_A_TASK))), runs)
    baseline = spans_ns(lambda: each(in_numpy), 1)
    answer = each(in_kernel)
    assert answer == each(in_numpy), "kernel and numpy differ"
    return line_of(f"books.{threads}", n, ticks, spans, baseline, answer, seed)


def book_in_call(orders: FlatOrders, ticks: int) -> tuple[Books, np.ndarray]:
    """A live book in CALL with these orders; the engine id of each."""
    books = Books()
    books.list_instrument(INSTRUMENT, multiplier=1, price_min=1, price_max=ticks, qty_max=100)
    for account in range(1, ACCOUNTS + 1):
        books.open_account(account)
    books.set_phase(INSTRUMENT, Phase.CALL)
    rows = np.zeros(orders.side.size, COMMAND)
    rows["kind"], rows["version"], rows["instrument"] = CommandKind.NEW, ROW_VERSION, INSTRUMENT
    rows["account"] = np.arange(rows.size) % ACCOUNTS + 1
    rows["side"], rows["qty"] = orders.side, orders.qty_lots
    rows["type"] = np.where(orders.unpriced, OrderType.MARKET, OrderType.LIMIT)
    rows["price"] = np.where(orders.unpriced, 0, orders.price_ticks)
    ids = []
    for first in range(0, rows.size, RECORD_COMMANDS_MAX):
        batch = rows[first : first + RECORD_COMMANDS_MAX].copy()
        done, events = books.run(batch, np.zeros(0, EXTENSION), None, 0, first_seq=first + 1, ts_ns=first + 1)
        assert done == batch.size and (events["kind"] == EventKind.ACCEPTED).all()
        ids.append(events["order"])
    return books, np.concatenate(ids)


def live(n: int, ticks: int, seed: int, runs: int) -> Line:
    """Curve, price and uncross of a resting book: every fill an event, filled orders freed."""
    orders, reference = orders_of(n, ticks, seed), ticks // 2
    spans, answer = [], ""
    for _ in range(runs):
        books, ids = book_in_call(orders, ticks)
        wall, cpu = perf_counter_ns(), process_time_ns()
        clearing = clear(books.curve(INSTRUMENT), reference)
        events = books.uncross(
            INSTRUMENT, clearing.price_ticks, clearing.volume_lots, command=0, first_index=0, ts_ns=n + 1
        )
        cpu = process_time_ns() - cpu
        spans.append(Span(perf_counter_ns() - wall, cpu))
        answer = checksum(clearing, _fills_of(events, ids))
    baseline = spans_ns(lambda: clear_in_numpy(orders, reference), runs)
    assert answer == checksum(*clear_in_numpy(orders, reference)), "book and numpy differ"
    return line_of("live", n, ticks, spans, baseline, answer, seed)


def _fills_of(events: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Lots of each order, from the FILL events of an uncross."""
    fills = events[events["kind"] == EventKind.FILL]
    place = np.argsort(ids)
    lots = np.zeros(ids.size, np.int64)
    for column in ("order", "counter_order"):
        np.add.at(lots, place[np.searchsorted(ids, fills[column], sorter=place)], fills["qty"])
    return lots


def lines(flat_max: int, books_max: int, live_max: int, seed: int, runs: int) -> Iterator[Line]:
    for name, rules in (("flat", "harvest"), ("pro-rata", PRO_RATA)):
        for power in range(3, 8):
            for ticks in (1_024, 65_536):
                if 10**power <= flat_max:
                    yield flat(name, rules, 10**power, ticks, seed, runs)
    for threads in (1, 2):
        if books_max:
            yield many(books_max, 1_024, seed, runs, threads)
    for power in range(3, 7):
        if 10**power <= live_max:
            yield live(10**power, 1_024, seed, runs)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench auction", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--flat-max", type=int, default=10**7, help="orders of the largest flat call")
    parser.add_argument("--books", type=int, default=10**6, help=f"orders of {BOOKS:,} calls together")
    parser.add_argument("--live-max", type=int, default=10**6, help="orders of the largest live book")
    parser.add_argument("--runs", type=int, default=9, help="medians are over this many runs")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(argv)
    done = []
    for line in lines(options.flat_max, options.books, options.live_max, options.seed, options.runs):
        done.append(line._asdict())
        if not options.json:
            print(line.text(), flush=True)
    if options.json:
        print(json.dumps(done))
