"""Random flows for order books, and several implementations run side by side on them.

A flow is drawn from a `random.Random`: hypothesis hands out one that it can shrink, long flows use a seeded one.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from engine.codes import CommandKind, OrderType, Phase, Side, TimeInForce
from engine.limits import CLIENT_ID_MEMORY_NS, PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.refs import stream_ref, text_ref
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot

HOUR_NS = 3600 * 10**9
ACCOUNTS = (1, 2, 3)
INSTRUMENTS = {
    1: dict(multiplier=1, price_min=1, price_max=PRICE_TICKS_MAX, qty_max=10**9),
    2: dict(multiplier=25, price_min=-500, price_max=5_000, qty_max=QTY_LOTS_MAX),
    70: dict(multiplier=10**9, price_min=-PRICE_TICKS_MAX, price_max=PRICE_TICKS_MAX, qty_max=QTY_LOTS_MAX),
}
LONG_TEXTS = ("a-client-id-of-32-characters-000", "a-client-id-of-32-characters-001", "0123456789abcdef")


def set_up(hot: Hot, phase: Phase = Phase.CONTINUOUS) -> Hot:
    for instrument, terms in INSTRUMENTS.items():
        hot.list_instrument(instrument, **terms)
        hot.set_phase(instrument, phase)
    for account in ACCOUNTS:
        hot.open_account(account)
    return hot


class Batch:
    """Rows under construction, with extensions and bodies."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.extensions: list[np.ndarray] = []
        self.bodies: list[bytes] = []

    def add(self, kind: int, /, *, ref: Any = (0, 0, 0), target: str | None = None, body: bytes = b"", **fields: Any):
        """One row. `ref` = (form, hi, lo) or a text id; `target` = text id of a REPLACE's order, in an extension."""
        row = np.zeros(1, COMMAND)
        row["kind"], row["version"] = kind, ROW_VERSION
        row["account"], row["instrument"], row["qty"] = 1, 1, 0 if kind == CommandKind.CANCEL else 10
        if isinstance(ref, str):
            if len(ref) > 15 and not (kind == CommandKind.CANCEL and len(ref) % 2):
                body = ref.encode()
            ref = text_ref(ref)
        row["ref_form"], row["ref_hi"], row["ref_lo"] = ref
        row["body_length"] = len(body)
        if target is not None:
            extension = np.zeros(1, EXTENSION)
            extension["target_form"], extension["target_hi"], extension["target_lo"] = text_ref(target)
            self.extensions.append(extension)
            row["extension"] = len(self.extensions)
        for name, value in fields.items():
            row[name] = value
        self.rows.append(row)
        self.bodies.append(body)
        return self

    def arrays(self) -> tuple[np.ndarray, np.ndarray, list[bytes] | None]:
        rows = np.concatenate(self.rows) if self.rows else np.zeros(0, COMMAND)
        extensions = np.concatenate(self.extensions) if self.extensions else np.zeros(0, EXTENSION)
        return rows, extensions, self.bodies if any(self.bodies) else None


class Twins:
    """Implementations that must agree: `first` is the oracle, the others are compared with it after every step."""

    def __init__(self, first: Hot, *others: Hot) -> None:
        self.first, self.others = first, others
        self.seq, self.ts_ns = 1, 10**15

    @property
    def all(self) -> tuple[Hot, ...]:
        return self.first, *self.others

    def run(self, batch: Batch, first_index: int = 0) -> np.ndarray:
        rows, extensions, bodies = batch.arrays()
        self.ts_ns += 1
        said = dict(first_seq=self.seq, ts_ns=self.ts_ns, first_index=first_index)
        at, expected = self.first.run(rows, extensions, bodies, 0, **said)
        for other in self.others:
            other_at, events = other.run(rows, extensions, bodies, 0, **said)
            assert other_at == at
            assert_same_events(expected, events)
        self.seq += len(rows)
        self.compare()
        return expected

    def set_phase(self, instrument: int, phase: int) -> None:
        for hot in self.all:
            hot.set_phase(instrument, phase)
        self.compare()

    def uncross(self, instrument: int, price: int | None, volume: int) -> np.ndarray:
        said = dict(command=3, first_index=5, ts_ns=self.ts_ns)
        expected = self.first.uncross(instrument, price, volume, **said)
        for other in self.others:
            assert_same_events(expected, other.uncross(instrument, price, volume, **said))
        self.compare()
        return expected

    def sweep(self, elapsed_ns: int) -> None:
        self.ts_ns += elapsed_ns
        for hot in self.all:
            hot.sweep_client_ids(self.ts_ns)
        self.compare()

    def compare(self) -> None:
        expected = self.first.sections()
        for other in self.others:
            assert_same_sections(expected, other.sections())
            if isinstance(other, Books):
                audit(other)

    def reload(self, fresh: list[Hot]) -> None:
        """Each of the fresh ones goes on from the sections of another one's neighbour."""
        told = [hot.sections() for hot in self.all]
        for hot, sections in zip(fresh, told[1:] + told[:1], strict=True):
            hot.load(sections)
        self.first, self.others = fresh[0], tuple(fresh[1:])
        self.compare()

    def compare_readers(self) -> None:
        for other in self.others:
            for instrument in INSTRUMENTS:
                for side in Side:
                    assert np.array_equal(other.depth(instrument, side, 3), self.first.depth(instrument, side, 3))
                for ours, theirs in zip(self.first.curve(instrument), other.curve(instrument), strict=True):
                    assert np.array_equal(ours, theirs)
            for account in (*ACCOUNTS, 9):
                own = self.first.orders_of(account)
                assert np.array_equal(other.orders_of(account), own)
                for order in own["order"].tolist():
                    assert other.text_of(order) == self.first.text_of(order)
                    assert other.order(order) == self.first.order(order)
                for text in TEXTS:
                    assert other.order_of_text(account, *text_ref(text)) == self.first.order_of_text(
                        account, *text_ref(text)
                    )
            assert other.order(12345 << 32) is None and other.order(0) is None


def assert_same_sections(expected: dict[str, Any], found: dict[str, Any]) -> None:
    assert list(expected) == list(found)
    for name, part in expected.items():
        other = found[name]
        if isinstance(part, bytes):
            assert part == other, name
        else:
            assert part.dtype == other.dtype and part.tobytes() == other.tobytes(), name


def assert_same_events(expected: np.ndarray, events: np.ndarray) -> None:
    if expected.tobytes() != events.tobytes():
        for ours, theirs in zip(expected, events, strict=False):
            assert ours == theirs
        assert len(expected) == len(events)


TEXTS = (*(f"id-{n}" for n in range(40)), *LONG_TEXTS)
FAR = (1, 2, 64, 500, 4_999, 1_000_000, PRICE_TICKS_MAX, -400, PRICE_TICKS_MAX + 1, -(2**31), 2**31 - 1)
QTYS = (0, -5, 10**9, 10**9 + 1, QTY_LOTS_MAX, QTY_LOTS_MAX + 1, 2**62, 2**63 - 1, -(2**63))


def price_of(random: Random) -> int:
    kind = random.randrange(12)
    if kind == 0:
        return random.choice(FAR)
    if kind <= 2:
        return 100 + 70 * random.randrange(-2, 40)  # outside a window of 64
    return 100 + random.randrange(-6, 7)


def ref_of(random: Random, now: int) -> Any:
    """No id, a stream number that mostly rises with `now`, or a text id."""
    kind = random.randrange(8)
    if kind < 3:
        return 0, 0, 0
    if kind < 5:
        return stream_ref(random.randrange(3), max(0, now - random.randrange(4)))
    return random.choice(TEXTS)


def random_row(batch: Batch, random: Random, open_orders: list[tuple[int, int, int, int, int]], now: int) -> None:
    """Append a row; `open_orders` are (order, account, instrument, side, type) of some open or ended orders."""
    if batch.rows and random.randrange(10) == 0:
        again = random.randrange(len(batch.rows))
        batch.rows.append(batch.rows[again].copy())
        batch.bodies.append(batch.bodies[again])
        return
    kind = random.choice((CommandKind.NEW,) * 5 + (CommandKind.CANCEL,) * 2 + (CommandKind.REPLACE,) * 2)
    fields: dict[str, Any] = dict(account=random.choice(ACCOUNTS), instrument=random.choice((1, 1, 1, 2, 70)))
    target = None
    fields["side"], fields["type"] = random.randrange(2), int(random.randrange(6) == 0)
    if kind != CommandKind.NEW:
        if open_orders and random.randrange(4):
            order, account, instrument, side, type_ = random.choice(open_orders)
            fields.update(order=order, account=account, instrument=instrument, side=side, type=type_)
        elif kind == CommandKind.REPLACE and random.randrange(3):
            target = random.choice(TEXTS)
    if kind != CommandKind.CANCEL:
        fields["price"] = 0 if fields["type"] == OrderType.MARKET else price_of(random)
        fields["qty"] = random.choice(QTYS) if random.randrange(30) == 0 else random.randrange(1, 30)
        fields["tif"] = random.choice((TimeInForce.GTC,) * 4 + (TimeInForce.IOC, TimeInForce.FOK))
    if random.randrange(12) == 0:
        name = random.choice(("account", "instrument", "kind", "side", "type", "tif", "flags", "stp", "version",
                              "extension", "ref_form", "order", "price", "ref_hi", "ref_lo"))  # fmt: skip
        fields[name] = random.randrange(5)
    batch.add(kind, ref=ref_of(random, now), target=target, **fields)
    if random.randrange(40) == 0 and batch.extensions:
        name = random.choice(EXTENSION.names)
        if name != "reserved":
            batch.extensions[-1][name] = random.randrange(3)
    if random.randrange(60) == 0:
        batch.bodies[-1] = random.choice([b"", b"0123456789abcdef", b"not/allowed in a text", b"short"])
        batch.rows[-1]["body_length"] = len(batch.bodies[-1])


def best_uncross(hot: Hot, instrument: int) -> tuple[int | None, int]:
    """A price with the most volume, and that volume."""
    curve = hot.curve(instrument)
    best, volume = None, 0
    for price in (curve.prices_ticks.tolist() or [100]) if curve is not None else []:
        demand = int(curve.buy_lots[curve.prices_ticks >= price].sum()) + curve.unpriced_buy_lots
        supply = int(curve.sell_lots[curve.prices_ticks <= price].sum()) + curve.unpriced_sell_lots
        if min(demand, supply) > volume:
            best, volume = price, min(demand, supply)
    return best, volume


def play(twins: Twins, random: Random, steps: int, rows_max: int, fresh: Callable[[], list[Hot]] | None = None) -> None:
    """`steps` batches, phase moves, uncrosses and sweeps; with `fresh`, now and then all go on as new ones."""
    known: list[tuple[int, int, int, int, int]] = []
    for _ in range(steps):
        choice = random.randrange(11 if fresh else 10)
        if choice == 10:
            assert fresh is not None
            twins.reload(fresh())
        elif choice == 0:
            twins.set_phase(random.choice(list(INSTRUMENTS)), random.choice((*Phase, Phase.CONTINUOUS, Phase.CALL)))
        elif choice == 1:
            instrument = random.choice(list(INSTRUMENTS))
            twins.uncross(instrument, *best_uncross(twins.first, instrument))
            if random.randrange(2):
                twins.set_phase(instrument, Phase.CONTINUOUS)
        elif choice == 2:
            twins.sweep(random.choice((0, HOUR_NS, CLIENT_ID_MEMORY_NS - HOUR_NS)))
        else:
            batch = Batch()
            for account in ACCOUNTS:
                for view in twins.first.orders_of(account)[-20:]:
                    known.append(tuple(int(view[x]) for x in ("order", "account", "instrument", "side", "type")))
            known = known[-60:]
            for _ in range(random.randrange(1, rows_max + 1)):
                random_row(batch, random, known, twins.seq + len(batch.rows))
            twins.run(batch)
    twins.compare_readers()
