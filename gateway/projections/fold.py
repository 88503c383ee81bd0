"""What history says: a pure fold over (record, events) into rows for a store.

`Fold.take` collects applied records; `Fold.changes` turns them into rows, a list of tuples per statement, in the order
of the statements' columns. Nothing here knows which store will hold them. The fold's own state is small (registers,
running numbers) and stands in the stored rows, so that a store can hand it back after a restart.

Each order is touched once per batch: its events are gathered and only what they come to is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from engine.codes import (
    EventFlag,
    EventKind,
    FeeClass,
    OrderType,
    Phase,
    Reason,
    RefForm,
    SaleState,
    Side,
    TimeInForce,
    name_of,
)
from engine.domain.units import ticks_to_text, value_minor
from engine.limits import ACCOUNTS_MAX, INSTRUMENTS_MAX
from engine.log.record import GENESIS_DIGEST, Record
from engine.messages.bodies import ListInstrument, OpenAccount, OpenSale, decode_body
from engine.messages.rows import COMMAND, EVENT
from gateway.projections.values import PriceTexts, stored_int, values_minor

COLD_EVENTS_FIRST = 32  # kinds below are those of orders, handled as columns
_SIDES = ("buy", "sell")
_TYPES = [name_of(OrderType, code) for code in range(256)]
_TIFS = [name_of(TimeInForce, code) for code in range(256)]
_ORDER_KINDS = np.zeros(256, bool)
_ORDER_KINDS[[EventKind.ACCEPTED, EventKind.REPLACED, EventKind.CANCELLED]] = True

Rows = Iterable[tuple[Any, ...]]  # to be gone through once
Changes = dict[str, Rows]  # by name of the statement


@dataclass(frozen=True)
class Cursor:
    """How far the stored rows go."""

    shard: int = 0
    number: int = 0  # record; 0: nothing yet
    seq: int = 0
    ts_ns: int = 0
    event_digest: bytes = GENESIS_DIGEST


@dataclass
class InstrumentState:
    symbol: str
    tick_size: Fraction
    rules: str
    reference_ticks: int | None
    auctions: int = 0


@dataclass
class SaleTerms:
    """A sale that has not finished: what the values of its lots need, and what an outage moves."""

    tick_size: Fraction
    numerator: int
    denominator: int
    open_until_ns: int
    clock_runs: bool = False
    bag_grams: dict[int, int] = field(default_factory=dict)  # by lot


class Fold:
    """State between batches: registers by id, and the running numbers given out so far."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self.cursor = cursor or Cursor()
        self.instruments: dict[int, InstrumentState] = {}
        self.symbols: dict[int, str] = {}
        self.sales: dict[int, SaleTerms] = {}  # not finished
        self.accounts = np.zeros(ACCOUNTS_MAX + 1, bool)
        self.fills = 0  # running numbers over the venue
        self.auctions = 0
        self.trades = np.zeros(INSTRUMENTS_MAX + 1, np.int64)  # running number of each instrument's last trade
        self._numerator = np.ones(INSTRUMENTS_MAX + 1, np.int64)
        self._denominator = np.ones(INSTRUMENTS_MAX + 1, np.int64)
        self._prices = PriceTexts()
        self._batch: list[tuple[Record, np.ndarray, bytes]] = []
        self.events_waiting = 0

    # Registers: also how a store hands its rows back

    def add_instrument(self, instrument: int, state: InstrumentState, numerator: int, denominator: int) -> None:
        self.instruments[instrument] = state
        self.symbols[instrument] = state.symbol
        self._numerator[instrument], self._denominator[instrument] = numerator, denominator
        self._prices.tick_sizes[instrument] = state.tick_size

    def price_text(self, instrument: int, ticks: int | None) -> str | None:
        return None if ticks is None else ticks_to_text(ticks, self.instruments[instrument].tick_size)

    # Folding

    def take(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        """Collect one applied record with its events (EVENT[n]) and the event digest after it. Records without
        commands have no events and are passed over."""
        if record.count:
            self._batch.append((record, events, event_digest))
            self.events_waiting += len(events)

    def changes(self) -> tuple[Changes, Cursor]:
        """Rows of everything collected, and the cursor after it. The collection is empty afterwards; without anything
        collected the rows are empty and the cursor is the present one."""
        batch, self._batch, self.events_waiting = self._batch, [], 0
        changes: Changes = {}
        if not batch:
            return changes, self.cursor
        flow = _Flow.join(batch)
        touched = self._fold_cold(flow, changes)
        touched |= self._fold_fills(flow, changes)
        self._fold_orders(flow, changes)
        self._fold_rejects(flow, changes)
        changes["instrument_counts"] = [
            (int(self.trades[instrument]), self.instruments[instrument].auctions, instrument)
            for instrument in sorted(touched)
        ]
        last, _, event_digest = batch[-1]
        self.cursor = Cursor(last.shard, last.number, last.next_seq - 1, last.ts_ns, event_digest)
        return changes, self.cursor

    def _fold_fills(self, flow: _Flow, changes: Changes) -> set[int]:
        at = np.flatnonzero(flow.events["kind"] == EventKind.FILL)
        if not len(at):
            return set()
        fills = flow.events[at]
        instruments = fills["instrument"].astype(np.int64)
        # Running number within each instrument: place in a stable sort by instrument, minus the place of its first.
        order = np.argsort(instruments, kind="stable")
        found, first, count = np.unique(instruments[order], return_index=True, return_counts=True)
        trade_ids = np.empty(len(at), np.int64)
        trade_ids[order] = np.arange(1, len(at) + 1) - np.repeat(first, count) + np.repeat(self.trades[found], count)
        self.trades[found] += count

        price = fills["price"].astype(np.int64)
        value = values_minor(price, fills["qty"], self._numerator[instruments], self._denominator[instruments])
        call = (fills["flags"] & EventFlag.AUCTION) != 0
        taker_buys = fills["side"] == Side.BUY
        buyer_first = call | taker_buys  # whose ids stand in `account` and `order`
        sides = np.where(call, 2, fills["side"]).tolist()
        side_names = (*_SIDES, None)
        kinds = [name_of(FeeClass, code) for code in range(max(FeeClass) + 1)]
        changes["fill"] = zip(
            range(self.fills + 1, self.fills + 1 + len(at)),
            flow.seq[at].tolist(),
            fills["index"].tolist(),
            flow.ts_ns[at].tolist(),
            map(self.symbols.__getitem__, instruments.tolist()),
            trade_ids.tolist(),
            map(kinds.__getitem__, fills["fee_class"].tolist()),
            map(side_names.__getitem__, sides),
            price.tolist(),
            self._prices.column(fills["instrument"], fills["price"]),
            fills["qty"].tolist(),
            value,
            np.where(buyer_first, fills["account"], fills["counter_account"]).tolist(),
            np.where(buyer_first, fills["order"], fills["counter_order"]).tolist(),
            np.where(buyer_first, fills["counter_account"], fills["account"]).tolist(),
            np.where(buyer_first, fills["counter_order"], fills["order"]).tolist(),
            strict=True,
        )
        self.fills += len(at)
        return set(found.tolist())

    def _fold_orders(self, flow: _Flow, changes: Changes) -> None:
        """Gather every order's events of this batch and write what they come to.

        A touch is (order, event): one for ACCEPTED, REPLACED and CANCELLED, two for a FILL. Sorted by order and then
        by event, the touches of one order are a run; runs that begin with ACCEPTED are new rows.
        """
        kind = flow.events["kind"]
        at_order, at_fill = np.flatnonzero(_ORDER_KINDS[kind]), np.flatnonzero(kind == EventKind.FILL)
        orders = np.concatenate(
            [flow.events["order"][at_order], flow.events["order"][at_fill], flow.events["counter_order"][at_fill]]
        )
        if not len(orders):
            return
        at = np.concatenate([at_order, at_fill, at_fill])
        sort = np.lexsort((at, orders))
        orders, at = orders[sort], at[sort]
        kind, qty = kind[at], flow.events["qty"][at]
        starts = np.flatnonzero(np.concatenate([[True], orders[1:] != orders[:-1]]))
        ends = np.concatenate([starts[1:], [len(orders)]]) - 1
        place = np.arange(len(orders))

        filled = np.where(kind == EventKind.FILL, qty, 0)
        total = np.cumsum(filled)
        filled_all = total[ends] - total[starts] + filled[starts]
        entered = (kind == EventKind.ACCEPTED) | (kind == EventKind.REPLACED)
        entry = np.maximum.reduceat(np.where(entered, place, -1), starts)  # last that set quantity and price
        has_entry = entry >= 0
        filled_after = np.where(has_entry, total[ends] - total[entry], filled_all)
        qty_entry = np.where(has_entry, qty[entry] + filled_all - filled_after, 0)  # without what was filled before
        open_after = np.where(has_entry, qty[entry] - filled_after, 0)
        cancelled = kind[ends] == EventKind.CANCELLED
        new = kind[starts] == EventKind.ACCEPTED

        at_end = at[ends]
        run = _Runs(
            orders[starts], at[starts], at[entry], at_end, filled_all, qty_entry, np.where(cancelled, 0, open_after),
            cancelled, flow.seq[at_end], flow.ts_ns[at_end], flow.events["reason"][at_end],
        )  # fmt: skip
        self._new_orders(flow, run.where(new), changes)
        self._replaced_orders(flow, run.where(~new & has_entry), changes)
        self._ended_orders(run.where(~new & ~has_entry & cancelled), changes)
        plain = run.where(~new & ~has_entry & ~cancelled)
        changes["order_filled"] = zip(
            plain.filled.tolist(), plain.seq.tolist(), plain.ts_ns.tolist(), plain.order.tolist(), strict=True
        )

    def _new_orders(self, flow: _Flow, run: _Runs, changes: Changes) -> None:
        event, entry = flow.events[run.first], flow.events[run.entry]
        row, entry_row = flow.row[run.first], flow.row[run.entry]
        closed = run.open == 0
        status = np.where(run.cancelled, 3, np.where(closed, 2, np.where(run.filled > 0, 1, 0)))
        ticks, prices = self._limits(entry)
        changes["order"] = zip(
            run.order.tolist(),
            event["account"].tolist(),
            map(self.symbols.__getitem__, event["instrument"].tolist()),
            map(_SIDES.__getitem__, event["side"].tolist()),
            map(_TYPES.__getitem__, flow.rows["type"][row].tolist()),
            map(_TIFS.__getitem__, flow.rows["tif"][entry_row].tolist()),
            ticks,
            prices,
            run.qty.tolist(),
            run.filled.tolist(),
            run.open.tolist(),
            map(("open", "partial", "filled", "cancelled").__getitem__, status.tolist()),
            flow.client_ids(row),
            flow.seq[run.first].tolist(),
            flow.ts_ns[run.first].tolist(),
            _where(closed, run.seq),
            _where(closed, run.ts_ns),
            _reasons(run),
            strict=True,
        )

    def _replaced_orders(self, flow: _Flow, run: _Runs, changes: Changes) -> None:
        """Orders of an earlier batch that were replaced in this one: all but what they had filled before is known."""
        entry = flow.events[run.entry]
        ticks, prices = self._limits(entry)
        closed = run.open == 0
        changes["order_replaced"] = zip(
            map(_TIFS.__getitem__, flow.rows["tif"][flow.row[run.entry]].tolist()),
            ticks,
            prices,
            run.qty.tolist(),
            run.filled.tolist(),
            run.open.tolist(),
            run.cancelled.tolist(),
            _where(closed, run.seq),
            _where(closed, run.ts_ns),
            _reasons(run),
            run.order.tolist(),
            strict=True,
        )

    def _ended_orders(self, run: _Runs, changes: Changes) -> None:
        changes["order_cancelled"] = zip(
            run.filled.tolist(),
            run.seq.tolist(),
            run.ts_ns.tolist(),
            _reasons(run),
            run.order.tolist(),
            strict=True,
        )

    def _limits(self, entry: np.ndarray) -> tuple[list[int | None], list[str | None]]:
        """Limit prices of ACCEPTED and REPLACED events in ticks and as text; None for orders without one."""
        ticks: list[int | None] = entry["price"].tolist()
        prices: list[str | None] = list(self._prices.column(entry["instrument"], entry["price"]))
        for row in np.flatnonzero(entry["flags"] & EventFlag.UNPRICED).tolist():
            prices[row] = ticks[row] = None
        return ticks, prices

    def _fold_rejects(self, flow: _Flow, changes: Changes) -> None:
        rejects = flow.events[flow.events["kind"] == EventKind.REJECTED]
        if not len(rejects):
            return
        account = np.where(rejects["account"] <= ACCOUNTS_MAX, rejects["account"], 0).astype(np.int64)
        keys = np.where(self.accounts[account], account, 0) << 16 | rejects["reason"]
        found, counts = np.unique(keys, return_counts=True)
        changes["reject"] = [
            (key >> 16, name_of(Reason, key & 0xFFFF), count)
            for key, count in zip(found.tolist(), counts.tolist(), strict=True)
        ]

    # Cold events, one at a time, in order

    def _fold_cold(self, flow: _Flow, changes: Changes) -> set[int]:
        """Registers, phases, uncrosses and sales. Returns the instruments whose counts moved."""
        touched: set[int] = set()
        lists: dict[str, list[tuple]] = {}
        for at in np.flatnonzero(flow.events["kind"] >= COLD_EVENTS_FIRST).tolist():
            event = flow.events[at]
            seq, ts_ns = int(flow.seq[at]), int(flow.ts_ns[at])
            name = _COLD.get(int(event["kind"]))
            if name is None:
                continue
            for statement, row in getattr(self, name)(event, seq, ts_ns, lambda at=at: flow.body(at)):
                lists.setdefault(statement, []).append(row)
            if event["kind"] == EventKind.UNCROSSED:
                touched.add(int(event["instrument"]))
        changes |= lists
        return touched

    def _account_opened(self, event, seq, ts_ns, body):
        opened = body()
        assert isinstance(opened, OpenAccount)
        self.accounts[opened.account] = True
        yield "account", (opened.account, opened.label, opened.kind, seq, ts_ns)

    def _instrument_listed(self, event, seq, ts_ns, body):
        listed = body()
        assert isinstance(listed, ListInstrument)
        state = InstrumentState(listed.symbol, Fraction(listed.tick_size), listed.rules, listed.reference)
        self.add_instrument(listed.instrument, state, listed.value_numerator, listed.value_denominator)
        yield (
            "instrument",
            (
                listed.instrument, listed.symbol, listed.name, listed.commodity, listed.tick_size, listed.price_unit,
                listed.lot_unit, listed.currency, listed.value_numerator, listed.value_denominator, listed.rules,
                _json(listed.attributes), listed.source, listed.reference,
                self.price_text(listed.instrument, listed.reference), name_of(Phase, Phase.CLOSED), seq, ts_ns,
            ),
        )  # fmt: skip

    def _reference_set(self, event, seq, ts_ns, body):
        instrument = int(event["instrument"])
        reference = None if int(event["flags"]) & EventFlag.NO_PRICE else int(event["price"])
        self.instruments[instrument].reference_ticks = reference
        yield "reference", (reference, self.price_text(instrument, reference), instrument)

    def _phase(self, event, seq, ts_ns, body):
        yield "phase", (name_of(Phase, int(event["reason"])), int(event["instrument"]))

    def _uncrossed(self, event, seq, ts_ns, body):
        instrument = int(event["instrument"])
        state = self.instruments[instrument]
        state.auctions += 1
        self.auctions += 1
        price = None if int(event["flags"]) & EventFlag.NO_PRICE else int(event["price"])
        yield (
            "auction",
            (
                self.auctions, seq, int(event["index"]), ts_ns, state.symbol, state.auctions, state.rules,
                price, self.price_text(instrument, price), int(event["qty"]), int(event["leaves"]),
                state.reference_ticks, self.price_text(instrument, state.reference_ticks),
            ),
        )  # fmt: skip

    def _sale_opened(self, event, seq, ts_ns, body):
        sale = body()
        assert isinstance(sale, OpenSale)
        tick_size = Fraction(sale.tick_size)
        self.sales[sale.sale] = SaleTerms(
            tick_size,
            sale.value_numerator,
            sale.value_denominator,
            sale.open_until_ns,
            bag_grams={number: lot.bag_grams for number, lot in enumerate(sale.lots, 1)},
        )
        yield (
            "sale",
            (
                sale.sale, sale.title, name_of(SaleState, SaleState.OPEN), sale.tick_size, sale.price_unit,
                sale.currency, sale.opening, ticks_to_text(sale.opening, tick_size), sale.increment,
                ticks_to_text(sale.increment, tick_size), sale.clock_ns, sale.open_until_ns, sale.value_numerator,
                sale.value_denominator, len(sale.lots), seq, ts_ns,
            ),
        )  # fmt: skip
        for number, lot in enumerate(sale.lots, 1):
            yield "lot", (sale.sale, number, lot.title, lot.bags, lot.bag_grams, _json(lot.attributes), "open")

    def _lot_price(self, event, seq, ts_ns, body):
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        yield "lot_price", (price, ticks_to_text(price, self.sales[sale].tick_size), int(event["qty"]), sale, lot)

    def _resumed(self, event, seq, ts_ns, body):
        """An outage moves the end of each sale that still waits for first bids (a running clock tells itself)."""
        for sale, terms in self.sales.items():
            if not terms.clock_runs:
                terms.open_until_ns += int(event["qty"])
                yield "sale_open_until", (terms.open_until_ns, sale)

    def _clock(self, event, seq, ts_ns, body):
        self.sales[int(event["order"])].clock_runs = True
        yield "sale_clock", (int(event["leaves"]), name_of(SaleState, SaleState.PENDING), int(event["order"]))

    def _lot_sold(self, event, seq, ts_ns, body):
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        state = self.sales[sale]
        grams = int(event["qty"]) * state.bag_grams[lot]
        value = stored_int(value_minor(price, grams, state.numerator, state.denominator))
        yield (
            "lot_sold",
            (price, ticks_to_text(price, state.tick_size), int(event["account"]), int(event["counter_account"]), value,
             sale, lot),
        )  # fmt: skip

    def _lot_passed_in(self, event, seq, ts_ns, body):
        yield "lot_passed_in", (int(event["order"]), int(event["instrument"]))

    def _sale_finished(self, event, seq, ts_ns, body):
        sale = int(event["order"])
        del self.sales[sale]
        yield "sale_finished", (name_of(SaleState, SaleState.FINISHED), int(event["qty"]), seq, ts_ns, sale)


_COLD = {
    EventKind.RESUMED: "_resumed",
    EventKind.ACCOUNT_OPENED: "_account_opened",
    EventKind.INSTRUMENT_LISTED: "_instrument_listed",
    EventKind.REFERENCE_SET: "_reference_set",
    EventKind.PHASE: "_phase",
    EventKind.UNCROSSED: "_uncrossed",
    EventKind.SALE_OPENED: "_sale_opened",
    EventKind.LOT_PRICE: "_lot_price",
    EventKind.CLOCK: "_clock",
    EventKind.LOT_SOLD: "_lot_sold",
    EventKind.LOT_PASSED_IN: "_lot_passed_in",
    EventKind.SALE_FINISHED: "_sale_finished",
}


@dataclass
class _Runs:
    """What the events of each order in one batch come to. All arrays of one length."""

    order: np.ndarray
    first: np.ndarray  # event of its first touch
    entry: np.ndarray  # event of its last ACCEPTED or REPLACED (meaningless without one)
    last: np.ndarray
    filled: np.ndarray  # lots, in this batch
    qty: np.ndarray  # lots filled in this batch before the last entry, plus that entry's quantity
    open: np.ndarray  # lots afterwards (known where there is an entry, or it was cancelled)
    cancelled: np.ndarray
    seq: np.ndarray  # of the last touch
    ts_ns: np.ndarray
    reason: np.ndarray

    def where(self, mask: np.ndarray) -> _Runs:
        return _Runs(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass
class _Flow:
    """Records of one batch laid end to end."""

    events: np.ndarray  # EVENT[n]
    seq: np.ndarray  # int64[n]
    ts_ns: np.ndarray  # int64[n]
    row: np.ndarray  # int64[n]  row of the event's command in `rows`
    rows: np.ndarray  # COMMAND[m]
    blob: bytes
    body_end: np.ndarray  # int64[m]  where each row's body ends in the blob

    @classmethod
    def join(cls, batch: list[tuple[Record, np.ndarray, bytes]]) -> _Flow:
        events = np.concatenate([part for _, part, _ in batch]) if batch else np.zeros(0, EVENT)
        lengths = [len(part) for _, part, _ in batch]
        counts = np.array([record.count for record, _, _ in batch], np.int64)
        command = events["command"].astype(np.int64)
        rows = np.concatenate([record.batch.rows for record, _, _ in batch]) if batch else np.zeros(0, COMMAND)
        return cls(
            events,
            np.repeat(np.array([record.first_seq for record, _, _ in batch], np.int64), lengths) + command,
            np.repeat(np.array([record.ts_ns for record, _, _ in batch], np.int64), lengths),
            np.repeat(np.cumsum(counts) - counts, lengths) + command,
            rows,
            b"".join(record.batch.blob for record, _, _ in batch),
            np.cumsum(rows["body_length"], dtype=np.int64),
        )

    def body_bytes(self, row: int) -> bytes:
        end = int(self.body_end[row])
        return self.blob[end - int(self.rows["body_length"][row]) : end]

    def body(self, at: int):
        """The decoded body of the command that caused event `at`."""
        row = int(self.row[at])
        return decode_body(int(self.rows["kind"][row]), self.body_bytes(row))

    def client_ids(self, rows: np.ndarray) -> list[str | None]:
        """Client ids of the commands in `rows` as text: exact, in full from the blob, or "stream/number"."""
        part = self.rows[rows]
        form, hi, lo = part["ref_form"], part["ref_hi"], part["ref_lo"]
        ids: list[str | None]
        if (form == RefForm.STREAM).all():
            return [f"{stream}/{number}" for stream, number in zip(hi.tolist(), lo.tolist(), strict=True)]
        exact = np.ascontiguousarray(np.stack([hi, lo], axis=1)).view("S16").ravel()
        ids = [raw.decode("latin-1") for raw in exact.tolist()]
        for at in np.flatnonzero(form != RefForm.TEXT).tolist():
            if form[at] == RefForm.STREAM:
                ids[at] = f"{hi[at]}/{lo[at]}"
            elif form[at] == RefForm.DIGEST:
                ids[at] = self.body_bytes(int(rows[at])).decode("ascii")
            else:
                ids[at] = None
        return ids


def _where(mask: np.ndarray, values: np.ndarray) -> list[int | None]:
    """values where the mask holds, None elsewhere."""
    return np.where(mask, values.astype(object), None).tolist()


def _reasons(run: _Runs) -> list[str | None]:
    """Names of the reasons of cancelled orders, None for the others."""
    return np.where(run.cancelled, _REASONS[run.reason], None).tolist()


_REASONS = np.array([name_of(Reason, code) for code in range(max(Reason) + 1)], object)


def _json(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
