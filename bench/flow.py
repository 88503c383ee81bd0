"""A busy market from a seed, as applied records: what replay and the projection are measured on.

Each record holds orders round a common price (about half of them trade) and cancels of orders of the record before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.codes import CommandKind, EventKind, Phase, RefForm, Side
from engine.log.interface import Tail
from engine.log.record import Record
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.rows import COMMAND, ROW_VERSION
from engine.state.books import Books
from gateway.sequencer import Stamp

INSTRUMENTS, ACCOUNTS = 20, 200
MIDDLE_TICKS, SPREAD_TICKS = 6_700, 12
CANCEL_SHARE = 0.25
T0_NS, STEP_NS = 1_700_000_000 * 10**9, 10**6


class Applied(NamedTuple):
    record: Record
    events: np.ndarray  # EVENT[n]
    event_digest: bytes


def market(commands: int, per_record: int, seed: int) -> Iterator[Applied]:
    """At least `commands` commands in records of `per_record`, after one that opens the venue."""
    random = np.random.Generator(np.random.PCG64(seed))
    machine, stamp = Machine(Books()), Stamp(Tail(epoch=1), 0)
    ts_ns, number = T0_NS, 0
    live = np.zeros(0, COMMAND)

    def apply(batch: Batch) -> Applied:
        record = stamp.record(batch, ts_ns, machine.seq, machine.event_digest)
        return Applied(record, machine.apply(record), machine.event_digest)

    yield apply(join([cold(body) for body in _opening()]))
    for _ in range(-(-commands // per_record)):
        ts_ns += STEP_NS
        rows = _orders(random, per_record, number)
        number += per_record
        cancels = np.flatnonzero(random.random(per_record) < CANCEL_SHARE)[: len(live)]
        chosen = live[random.permutation(len(live))[: len(cancels)]]
        for name in ("instrument", "account", "order"):
            rows[name][cancels] = chosen[name]
        rows["kind"][cancels], rows["price"][cancels], rows["qty"][cancels] = CommandKind.CANCEL, 0, 0
        applied = apply(Batch(rows))
        accepted = applied.events[applied.events["kind"] == EventKind.ACCEPTED]
        live = rows[accepted["command"]]
        live["order"] = accepted["order"]
        yield applied
    yield apply(Batch(rows[:0]))


def call(orders: int, per_record: int, seed: int) -> tuple[list[Applied], list[Applied]]:
    """A call auction in every instrument: the records that open the venue and enter at least `orders` orders, about
    nine in ten of which will trade, and the records that uncross, an instrument each."""
    random = np.random.Generator(np.random.PCG64(seed))
    machine, stamp = Machine(Books()), Stamp(Tail(epoch=1), 0)

    def apply(batch: Batch) -> Applied:
        record = stamp.record(batch, T0_NS, machine.seq, machine.event_digest)
        return Applied(record, machine.apply(record), machine.event_digest)

    entered = [apply(join([cold(body) for body in _opening() if not isinstance(body, bodies.Uncross)]))]
    for number in range(0, orders, per_record):
        rows = _orders(random, per_record, number)
        rows["price"] += np.where(rows["side"] == Side.BUY, SPREAD_TICKS, -SPREAD_TICKS)
        entered.append(apply(Batch(rows)))
    uncrossed = [apply(cold(bodies.Uncross(number, Phase.CLOSED))) for number in range(1, INSTRUMENTS + 1)]
    return entered, uncrossed


def _opening() -> Iterator[bodies.Body]:
    yield bodies.Genesis(b"g" * 16, "bench")
    for account in range(1, ACCOUNTS + 1):
        yield bodies.OpenAccount(account, f"account {account}")
    for number in range(1, INSTRUMENTS + 1):
        yield bodies.ListInstrument(
            number, f"COFFEE-{number}", "coffee", "coffee", "0.05", "USc/lb", "bag of 69 kg", "USD", 345_000_000,
            45_359_237, price_max=100_000, reference=MIDDLE_TICKS,
        )  # fmt: skip
        yield bodies.SetPhase(number, Phase.CALL)
        yield bodies.Uncross(number, Phase.CONTINUOUS)


def _orders(random: np.random.Generator, n: int, number: int) -> np.ndarray:
    """COMMAND[n]: limit orders in the packed form."""
    rows = np.zeros(n, COMMAND)
    rows["kind"], rows["version"], rows["ref_form"] = CommandKind.NEW, ROW_VERSION, RefForm.STREAM
    rows["ref_hi"], rows["ref_lo"] = 1, number + 1 + np.arange(n)
    rows["side"] = random.integers(0, 2, n)
    rows["instrument"] = random.integers(1, INSTRUMENTS + 1, n)
    rows["account"] = random.integers(1, ACCOUNTS + 1, n)
    rows["price"] = MIDDLE_TICKS + random.integers(-SPREAD_TICKS, SPREAD_TICKS + 1, n)
    rows["qty"] = random.integers(1, 101, n)
    return rows
