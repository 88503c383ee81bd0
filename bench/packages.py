"""Package sales: seconds to find the best of 50 lots and 500 bids and to prove it, and what the proof costs the engine.

The solver runs in this process; each proposal is a command to a real machine, whose frozen sale it is. The kinds are
in `bench/package_problems.py`. Seconds are of CPU, of one thread; `steps` is all of it in steps of the calibrating
loop. The hash is of the worth and the allocation. What is not proved is said to be so: there the sale falls back.
"""

from __future__ import annotations

import argparse
import json
from hashlib import blake2b
from time import thread_time_ns
from typing import NamedTuple

import numpy as np

from bench.calibration import calibration_ns
from bench.package_problems import GRAMS, KINDS, problem_of
from engine.codes import EventKind, SaleStage
from engine.log.memory import MemoryLog
from engine.machine import Machine
from engine.markets.sales.packages import market_of
from engine.markets.sales.winners import Problem
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.sales.commands import EndSale
from engine.messages.sales.packages import Package, Packages, PackagesOffer, Part
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit
from engine.oracle.books import Books
from engine.state.sales.sale import Sale
from gateway.sequencer import Stamp
from gateway.solver.solve import solve
from gateway.solver.task import task_of

SELLER, BIDDERS = 1, 20
T0_NS, SECOND_NS = 1_780_000_000 * 10**9, 10**9


class House:
    """A machine that takes one record after the other."""

    def __init__(self) -> None:
        self.machine, self.stamp = Machine(Books()), Stamp(MemoryLog().claim(), 0)
        accounts = [bodies.OpenAccount(number, f"member {number}") for number in range(1, BIDDERS + 2)]
        self.do(*map(cold, [bodies.Genesis(b"g" * 16, "bench"), *accounts]))

    def do(self, *batches: Batch) -> np.ndarray:
        record = self.stamp.record(join(list(batches)), T0_NS, self.machine.seq, self.machine.event_digest)
        events = self.machine.apply(record)
        assert EventKind.REJECTED not in events["kind"], events
        return events

    def frozen(self, problem: Problem, payment: str) -> Sale:
        """The problem as a sale that has closed; its exclusive sets go round the bidders."""
        lots = tuple(SaleLot(SELLER, f"lot {n}", bags, GRAMS) for n, bags in enumerate(problem.supply, 1))
        terms = Packages(1, T0_NS + 60 * SECOND_NS, T0_NS + 600 * SECOND_NS, payment=payment)
        self.do(cold(SaleTerms(1, 1, "packages", Unit("0.01", "USD/kg", "USD", 1, 1_000), Stages(), lots, terms)))
        for group in sorted({bid.group for bid in problem.bids}):
            own = [bid for bid in problem.bids if bid.group == group]
            packages = [Package(tuple(Part(lot + 1, bags) for lot, bags in bid.uses), bid.price) for bid in own]
            offer = PackagesOffer(group // BIDDERS + 1, tuple(packages))
            self.do(cold(bodies.Bid(1, offer), account=SELLER + 1 + group % BIDDERS))
        self.do(cold(EndSale(1, "the close")))
        return self.machine.venue.sales[1]


class Line(NamedTuple):
    kind: str
    lots: int
    bids: int
    payment: str
    proved: bool
    seconds_found: float  # until the best of all that it names
    seconds: float  # until it has said everything
    proposals: int
    leaves: int
    bytes: int  # of the proposals in the log
    verify_ms_p50: float  # one PROPOSE in the engine
    verify_ms_max: float
    steps: float
    calibration_ns: float
    hash: str
    seed: int

    def text(self) -> str:
        return (
            f"packages.{self.kind:<10s} {self.lots} lots {self.bids} bids {self.payment:6s}  "
            f"found {self.seconds_found:5.2f} s  {'proved' if self.proved else 'NOT PROVED'} {self.seconds:5.2f} s  "
            f"{self.proposals:,d} proposals, {self.leaves:,d} leaves, {self.bytes:,d} bytes  "
            f"verify p50 {self.verify_ms_p50:.2f} max {self.verify_ms_max:.2f} ms  "
            f"{self.steps / 1e6:,.0f} M steps of {self.calibration_ns:.2f} ns  hash {self.hash}  seed {self.seed}"
        )


def line_of(kind: str, lots: int, bids: int, payment: str, seed: int) -> Line:
    house = House()
    sale = house.frozen(problem_of(kind, lots, bids, seed), payment)
    assert sale.stage == SaleStage.LIVE, "small enough for the venue's own enumeration"
    found = solving = leaves = size = 0
    verified: list[int] = []
    proposals = solve(task_of(sale))
    while True:
        start = thread_time_ns()
        body = next(proposals, None)
        solving += thread_time_ns() - start
        if body is None:
            break
        if not body.without and body.chosen is not None:
            found = solving
        leaves += len(body.leaves)
        batch = cold(body)
        size += batch.nbytes
        start = thread_time_ns()
        house.do(batch)
        verified.append(thread_time_ns() - start)
    best, step = market_of(sale).proofs[0], calibration_ns()
    return Line(
        kind, lots, bids, payment, market_of(sale).outcome == "proved", found / 1e9, solving / 1e9,
        len(verified), leaves, size, float(np.median(verified)) / 1e6, max(verified) / 1e6, solving / step, step,
        blake2b(repr((best.value, best.chosen)).encode(), digest_size=4).hexdigest(), seed,
    )  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench packages", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--lots", type=int, default=50)
    parser.add_argument("--bids", type=int, default=500)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of " + ", ".join(KINDS))
    parser.add_argument("--payment", choices=["as_bid", "vcg"], default="as_bid")
    parser.add_argument("--seeds", type=int, default=3, help="sales of each kind")
    parser.add_argument("--seed", type=int, default=42, help="of the first")
    options = parser.parse_args(argv)
    done = []
    for kind in options.kinds.split(","):
        for seed in range(options.seed, options.seed + options.seeds):
            line = line_of(kind, options.lots, options.bids, options.payment, seed)
            done.append(line._asdict())
            if not options.json:
                print(line.text(), flush=True)
    if options.json:
        print(json.dumps(done))
