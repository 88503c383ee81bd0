"""Batches of hot rows, and several implementations of `Hot` run side by side on them.

`tests/engine/draws.py` draws what they are run on from a `random.Random`: hypothesis hands out one that it can shrink,
long flows use a seeded one.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from engine.codes import CommandKind, Phase, Reason, Side
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.rows import COMMAND_FORM, EXTENSION_FORM, NO_EXTENSION
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot, Which

ACCOUNTS = (1, 2, 3)
INSTRUMENTS = {
    1: dict(multiplier=1, price_min=1, price_max=PRICE_TICKS_MAX, qty_max=10**9),
    2: dict(multiplier=25, price_min=-500, price_max=5_000, qty_max=QTY_LOTS_MAX),
    70: dict(multiplier=10**9, price_min=-PRICE_TICKS_MAX, price_max=PRICE_TICKS_MAX, qty_max=QTY_LOTS_MAX),
}
# Beside those: co-ops first, deposits, and both.
FURNISHED = {
    3: dict(multiplier=2, price_min=-1_000, price_max=10_000, qty_max=10**6, classes=True),
    4: dict(multiplier=1, price_min=1, price_max=10_000, qty_max=10**6, currency=1, deposit=True),
    5: dict(multiplier=3, price_min=1, price_max=10_000, qty_max=10**6, currency=1, deposit=True, classes=True),
}
PARTIES = {1: (7, False), 2: (7, False), 3: (0, False), 4: (7, True), 5: (0, True), 6: (8, False)}  # group, co-op


def set_up(hot: Hot, phase: Phase = Phase.CONTINUOUS) -> Hot:
    for instrument, terms in INSTRUMENTS.items():
        hot.list_instrument(instrument, **terms)
        hot.set_phase(instrument, phase)
    for account in ACCOUNTS:
        hot.open_account(account)
    return hot


def furnished(hot: Hot, phase: Phase = Phase.CONTINUOUS) -> Hot:
    """With every kind of book and account, and stock for them."""
    set_up(hot, phase)
    for account, (group, coop) in PARTIES.items():
        hot.open_account(account)
        hot.set_account(account, frozen=False, group=group, coop=coop)
    for instrument, terms in FURNISHED.items():
        hot.list_instrument(instrument, **terms)
        hot.set_phase(instrument, phase)
        if terms.get("deposit"):
            for account in PARTIES:
                assert hot.add_stock(account, instrument, 1_000)
    return hot


class Batch:
    """Rows under construction, with extensions and bodies."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.extensions: list[np.ndarray] = []
        self.bodies: list[bytes] = []

    def add(self, kind: int, /, *, ref: Any = (0, 0, 0), target: str | None = None, body: bytes = b"", **fields: Any):
        """One row. `ref` = (form, hi, lo) or a text id; `target` = text id of the order that a REPLACE or AMEND means;
        fields of an extension go into one."""
        row = dict.fromkeys(COMMAND.names or (), 0)
        extension = NO_EXTENSION._asdict()
        row["kind"], row["version"] = kind, ROW_VERSION
        row["account"], row["instrument"], row["qty"] = 1, 1, 0 if kind == CommandKind.CANCEL else 10
        if isinstance(ref, str):
            if len(ref) > 15 and not (kind == CommandKind.CANCEL and len(ref) % 2):
                body = ref.encode()
            ref = text_ref(ref)
        row["ref_form"], row["ref_hi"], row["ref_lo"] = ref
        row["body_length"] = len(body)
        if target is not None:
            extension["target_form"], extension["target_hi"], extension["target_lo"] = text_ref(target)
        if target is not None or not fields.keys() <= row.keys():
            row["extension"] = len(self.extensions) + 1
        for name, value in fields.items():
            (row if name in row else extension)[name] = value
        if target is not None or not fields.keys() <= row.keys():
            packed = EXTENSION_FORM.pack(*extension.values())
            self.extensions.append(np.frombuffer(bytearray(packed), EXTENSION))
        self.rows.append(np.frombuffer(bytearray(COMMAND_FORM.pack(*row.values())), COMMAND))
        self.bodies.append(body)
        return self

    def arrays(self) -> tuple[np.ndarray, np.ndarray, list[bytes] | None]:
        rows = np.frombuffer(bytearray().join(self.rows), COMMAND)
        extensions = np.frombuffer(bytearray().join(self.extensions), EXTENSION)
        return rows, extensions, self.bodies if any(self.bodies) else None


TELLING = frozenset({"run", "cancel", "expire", "uncross", "elect"})  # methods that give events


class Difference(AssertionError):
    """Two implementations answered one call differently."""


class Twins:
    """Implementations that must agree: `first` is the oracle; the others must answer every call as it does, and are
    compared with it as a whole after every `compare_every` calls.

    journal  what was called, as (method, arguments, keywords)
    """

    def __init__(self, first: Hot, *others: Hot, compare_every: int = 1) -> None:
        self.first, self.others, self.compare_every = first, others, compare_every
        self.seq, self.ts_ns = 1, 10**15
        self.journal: list[tuple[str, tuple, dict[str, Any]]] = []
        self.kinds = np.zeros(256, np.int64)  # events by kind
        self.listener: Callable[[np.ndarray], object] = len  # of all events

    @property
    def all(self) -> tuple[Hot, ...]:
        return self.first, *self.others

    def do(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of all. Raises Difference."""
        self.journal.append((method, arguments, keywords))
        expected = self.ask(method, *arguments, **keywords)
        if len(self.journal) % self.compare_every == 0:
            self.compare()
        if method in TELLING:
            events = expected[1] if method == "run" else expected
            self.kinds += np.bincount(events["kind"], minlength=len(self.kinds))
            self.listener(events)
        return expected

    def ask(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """`do` of a method that only reads: not in the journal, and nothing else is compared."""
        expected = getattr(self.first, method)(*arguments, **keywords)
        for other in self.others:
            assert_same_answer(expected, getattr(other, method)(*arguments, **keywords))
        return expected

    def told(self, method: str, *arguments: Any, **keywords: Any) -> np.ndarray:
        """`do` of a method that gives events."""
        return self.do(method, *arguments, **keywords, command=3, first_index=5, ts_ns=self.ts_ns)

    def run(self, batch: Batch, first_index: int = 0) -> np.ndarray:
        """A record of these rows: the timers that are due fire first."""
        rows, extensions, bodies = batch.arrays()
        self.ts_ns += 1
        self.expire()
        _, events = self.do(
            "run", rows, extensions, bodies, 0, first_seq=self.seq, ts_ns=self.ts_ns, first_index=first_index
        )
        self.seq += len(rows)
        return events

    def expire(self) -> None:
        while (due := self.ask("next_expiry")) is not None and due <= self.ts_ns:
            assert len(self.told("expire", due))

    def uncross(
        self, instrument: int, price: int | None, volume: int, then: Phase | None = None, **rules: Any
    ) -> np.ndarray:
        """With `then`, the book moves on to it; into CONTINUOUS its stops are elected. `rules` of sharing."""
        events = self.told("uncross", instrument, price, volume, **rules)
        if then is not None:
            self.do("set_phase", instrument, then)
        if then == Phase.CONTINUOUS:
            self.told("elect", instrument, seq=self.seq)
        self.seq += 1
        return events

    def delist(self, instrument: int) -> None:
        self.told("cancel", Which(instrument=instrument), Reason.DELISTED)
        assert not self.ask("has_orders", Which(instrument=instrument))
        self.do("delist_instrument", instrument)

    def sweep(self, elapsed_ns: int) -> None:
        self.ts_ns += elapsed_ns
        self.do("sweep_client_ids", self.ts_ns)

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
        self.journal.append(("reload", (), {}))
        self.compare()

    def compare_readers(self, texts: tuple[str, ...] = ()) -> None:
        sections = self.first.sections()
        accounts = [*sections["accounts"]["account"].tolist(), 9]
        for head in sections["books"]:
            instrument = int(head["instrument"])
            for other in self.others:
                for ours, theirs in zip(self.first.curve(instrument), other.curve(instrument), strict=True):
                    assert np.array_equal(ours, theirs)
            for side in Side:
                self.ask("depth", instrument, side, 3)
            self.ask("last", instrument)
            self.ask("phase", instrument)
            self.ask("has_orders", Which(instrument=instrument))
            for account in accounts[:-1]:
                if head["flags"] & 1:
                    self.ask("stock_of", account, instrument)
                self.ask("limits_of", account, int(head["currency"]))
        for account in accounts:
            for order in self.ask("orders_of", account)["order"].tolist():
                for reader in ("text_of", "order", "extra_of"):
                    self.ask(reader, order)
            for text in texts:
                self.ask("order_of_text", account, *text_ref(text))
        for reader in ("text_of", "order", "extra_of"):
            assert self.ask(reader, 12345 << 32) is None and self.ask(reader, 0) is None


def assert_same_answer(expected: Any, found: Any) -> None:
    match expected:
        case tuple() if len(expected) == 2 and isinstance(expected[1], np.ndarray):
            assert_same_answer(expected[0], found[0])
            assert_same_answer(expected[1], found[1])
        case np.ndarray():
            assert_same_events(expected, found)
        case _:
            if expected != found:
                raise Difference(f"{expected} expected, {found} found")


def assert_same_events(expected: np.ndarray, events: np.ndarray) -> None:
    if expected.tobytes() == events.tobytes():
        return
    for place, (ours, theirs) in enumerate(zip(expected, events, strict=False)):
        if ours != theirs:
            raise Difference(f"row {place}: {_named(ours)} expected, {_named(theirs)} found")
    raise Difference(f"{len(expected)} rows expected, {len(events)} found: {[*map(_named, expected[-2:])]}, "
                     f"{[*map(_named, events[-2:])]}")  # fmt: skip


def _named(row: np.void) -> dict[str, Any]:
    return {name: value for name, value in zip(row.dtype.names or (), row.tolist(), strict=True) if value}


def assert_same_sections(expected: dict[str, Any], found: dict[str, Any]) -> None:
    assert list(expected) == list(found)
    for name, part in expected.items():
        other = found[name]
        if isinstance(part, bytes):
            assert part == other, name
        elif part.dtype != other.dtype or part.tobytes() != other.tobytes():
            assert part.dtype == other.dtype, name
            for place, (ours, theirs) in enumerate(zip(part, other, strict=False)):
                if ours != theirs:
                    raise Difference(f"{name} {place}: {ours} expected, {theirs} found")
            raise Difference(f"{name}: {len(part)} rows expected, {len(other)} found")


def play(
    twins: Twins,
    random: Random,
    steps: int,
    rows_max: int,
    fresh: Callable[[], list[Hot]] | None = None,
) -> None:
    """`steps` of a generated flow; with `fresh`, now and then all go on as new ones."""
    from tests.engine.draws import TEXTS, Flow

    flow = Flow(twins, random)
    for _ in range(steps):
        if fresh and random.randrange(11) == 10:
            twins.reload(fresh())
        else:
            flow.step(rows_max)
    twins.compare()
    twins.compare_readers(TEXTS)
