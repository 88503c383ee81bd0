"""Everything but orders and fills as rows: accounts, instruments, phases, auctions and sales, one event at a time.

The registers hold what later rows need to know: names and references of instruments, terms of sales.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

import numpy as np

from engine.codes import AccountFlag, EventFlag, EventKind, Phase, SaleState, name_of
from engine.domain.units import decimals_of, ticks_to_text, value_minor
from engine.limits import ACCOUNTS_MAX
from engine.markets.random_end import commitment, content_of
from engine.messages.bodies import (
    Body,
    BustTrade,
    ChangeInstrument,
    CorrectTrade,
    ListInstrument,
    OpenAccount,
    SetLimits,
)
from engine.messages.sales.english import English
from engine.messages.sales.terms import SaleTerms as PlannedSale
from gateway.projections.flow import Flow

STORED_INT_MAX = 2**63 - 1
COLD_EVENTS_FIRST = 32  # kinds below are those of orders, handled as columns

CORRECTED, BUSTED = 1, 2  # states of a fill

Told = Iterator[tuple[str, tuple]]  # (statement, row)


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
    worth: dict[int, int] = field(default_factory=dict)  # of what was sold, by lot


class Registers:
    """By id. A store gives them back after a restart."""

    def __init__(self) -> None:
        self.instruments: dict[int, InstrumentState] = {}
        self.sales: dict[int, SaleTerms] = {}  # not finished
        self.accounts = np.zeros(ACCOUNTS_MAX + 1, bool)  # opened
        self.auctions = 0  # running number over the venue
        self._announced = (0, 0, 0)  # index, announced_ns, window_ns of the last RANDOM_END

    def price_text(self, instrument: int, ticks: int | None) -> str | None:
        return None if ticks is None else ticks_to_text(ticks, self.instruments[instrument].tick_size)

    def fold(self, flow: Flow) -> tuple[dict[str, list[tuple]], set[int]]:
        """Rows by statement, and the instruments whose counts moved."""
        touched: set[int] = set()
        lists: dict[str, list[tuple]] = {}
        for at in np.flatnonzero(flow.events["kind"] >= COLD_EVENTS_FIRST).tolist():
            event = flow.events[at]
            seq, ts_ns = int(flow.seq[at]), int(flow.ts_ns[at])
            name = _TELLS.get(int(event["kind"]))
            if name is None:
                continue
            for statement, row in getattr(self, name)(event, seq, ts_ns, partial(flow.body, at)):
                lists.setdefault(statement, []).append(row)
            if event["kind"] == EventKind.UNCROSSED:
                touched.add(int(event["instrument"]))
        return lists, touched

    def _account_opened(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        opened = body()
        assert isinstance(opened, OpenAccount)
        self.accounts[opened.account] = True
        yield "account", (opened.account, opened.label, opened.kind, seq, ts_ns)

    def _instrument_listed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        listed = body()
        assert isinstance(listed, ListInstrument)
        state = InstrumentState(listed.symbol, Fraction(listed.tick_size), listed.rules, listed.reference)
        self.instruments[listed.instrument] = state
        tick_scale = 10 ** decimals_of(state.tick_size)
        yield (
            "instrument",
            (
                listed.instrument, listed.symbol, listed.name, listed.commodity, listed.tick_size,
                stored_int(int(state.tick_size * tick_scale)), tick_scale, listed.price_unit, listed.lot_unit,
                listed.currency, listed.value_numerator, listed.value_denominator, listed.rules,
                _json(listed.attributes), listed.source, listed.reference,
                self.price_text(listed.instrument, listed.reference), name_of(Phase, Phase.CLOSED), seq, ts_ns,
            ),
        )  # fmt: skip

    def _reference_set(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        instrument = int(event["instrument"])
        reference = None if int(event["flags"]) & EventFlag.NO_PRICE else int(event["price"])
        self.instruments[instrument].reference_ticks = reference
        yield "reference", (reference, self.price_text(instrument, reference), instrument)

    def _account_set(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        flags = int(event["leaves"])
        frozen, coop = bool(flags & AccountFlag.FROZEN), bool(flags & AccountFlag.COOP)
        yield "account_set", (int(event["order"]), frozen, coop, int(event["account"]))

    def _limits_set(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        said = body()
        assert isinstance(said, SetLimits)
        key, limits = (said.account, said.currency), (said.buy_max, said.sell_max, said.orders_max)
        if any(limits):
            yield "account_limits", (*key, *limits)
        else:
            yield "account_limits_gone", key

    def _instrument_changed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        said = body()
        assert isinstance(said, ChangeInstrument)
        state = self.instruments[said.instrument]
        state.rules = said.rules or state.rules
        attributes = None if said.attributes is None else _json(said.attributes)
        yield "instrument_changed", (said.name, attributes, said.source, said.rules, said.instrument)

    def _instrument_delisted(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        yield "instrument_delisted", (seq, ts_ns, int(event["instrument"]))

    def _random_end(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """Its commitment follows at once."""
        self._announced = int(event["index"]), int(event["leaves"]), int(event["qty"])
        yield from ()

    def _seed_committed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        index, announced_ns, window_ns = self._announced
        assert index + 1 == event["index"], "a commitment follows the announcement"
        commitment = _content(event).hex()
        yield "random_end", (seq, index, ts_ns, int(event["instrument"]), announced_ns, window_ns, commitment)

    def _seed_revealed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        seed = _content(event)
        yield "seed", (seed.hex(), seq, ts_ns, commitment(seed).hex())

    def _trade_busted(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        said = body()
        assert isinstance(said, BustTrade)
        terms = said.price, said.qty
        yield "correction", (seq, ts_ns, said.seq, said.index, BUSTED, *terms, *terms, said.why)
        yield "fill_corrected", (BUSTED, *terms, said.seq, said.index)

    def _trade_corrected(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        said = body()
        assert isinstance(said, CorrectTrade)
        new = said.new_price, said.new_qty
        yield "correction", (seq, ts_ns, said.seq, said.index, CORRECTED, said.price, said.qty, *new, said.why)
        yield "fill_corrected", (CORRECTED, *new, said.seq, said.index)

    def _phase(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        yield "phase", (name_of(Phase, int(event["reason"])), int(event["instrument"]))

    def _uncrossed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
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

    def _sale_planned(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        plan = body()
        assert isinstance(plan, PlannedSale)
        unit, tick_size = plan.unit, Fraction(plan.unit.tick_size)
        opening = increment = clock_ns = open_until_ns = 0
        if isinstance(plan.mechanism, English):
            opening, increment = plan.mechanism.opening, plan.mechanism.increments[0].increment
            clock_ns, open_until_ns = plan.mechanism.clock_ns, plan.mechanism.open_until_ns
        self.sales[plan.sale] = SaleTerms(
            tick_size,
            unit.value_numerator,
            unit.value_denominator,
            open_until_ns,
            bag_grams={number: lot.bag_grams for number, lot in enumerate(plan.lots, 1)},
        )
        yield "sale_planned_again", (plan.sale,)
        yield (
            "sale",
            (
                plan.sale, plan.title, "planned", unit.tick_size, unit.price_unit, unit.currency, opening,
                ticks_to_text(opening, tick_size), increment, ticks_to_text(increment, tick_size), clock_ns,
                open_until_ns, unit.value_numerator, unit.value_denominator, len(plan.lots), seq, ts_ns,
            ),
        )  # fmt: skip
        for number, lot in enumerate(plan.lots, 1):
            yield "lot", (plan.sale, number, lot.title, lot.bags, lot.bag_grams, _json(lot.attributes), "open")

    def _sale_opened(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        if int(event["order"]) not in self.sales:  # to generation 3 a sale was not planned before
            yield from self._sale_planned(event, seq, ts_ns, body)
        yield "sale_opened", (name_of(SaleState, SaleState.OPEN), seq, ts_ns, int(event["order"]))

    def _lot_price(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        told = (None, None) if price == 0 else (price, ticks_to_text(price, self.sales[sale].tick_size))
        yield "lot_price", (*told, int(event["qty"]), sale, lot)

    def _resumed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """An outage moves the end of each sale that still waits for first bids (a running clock tells itself)."""
        for sale, terms in self.sales.items():
            if terms.open_until_ns and not terms.clock_runs:
                terms.open_until_ns += int(event["qty"])
                yield "sale_open_until", (terms.open_until_ns, sale)

    def _clock(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """Of a Helmsman sale: it is pending. A timed one has no time until which it waits for first bids."""
        terms = self.sales[int(event["order"])]
        terms.clock_runs = bool(terms.open_until_ns)
        state = SaleState.PENDING if terms.clock_runs else SaleState.OPEN
        yield "sale_clock", (int(event["leaves"]), name_of(SaleState, state), int(event["order"]))

    def _lot_sold(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        state = self.sales[sale]
        grams = int(event["qty"]) * state.bag_grams[lot]
        worth = state.worth.get(lot, 0) + value_minor(price, grams, state.numerator, state.denominator)
        state.worth[lot] = worth
        yield (
            "lot_sold",
            (price, ticks_to_text(price, state.tick_size), int(event["account"]), int(event["counter_account"]),
             stored_int(worth), sale, lot),
        )  # fmt: skip

    def _lot_passed_in(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        yield "lot_passed_in", (int(event["order"]), int(event["instrument"]))

    def _sale_finished(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale = int(event["order"])
        del self.sales[sale]
        yield "sale_finished", (name_of(SaleState, SaleState.FINISHED), int(event["qty"]), seq, ts_ns, sale)

    def _sale_voided(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale = int(event["order"])
        self.sales.pop(sale, None)
        yield "sale_finished", ("void", 0, seq, ts_ns, sale)


_TELLS: dict[int, str] = {
    EventKind.RESUMED: "_resumed",
    EventKind.ACCOUNT_OPENED: "_account_opened",
    EventKind.INSTRUMENT_LISTED: "_instrument_listed",
    EventKind.REFERENCE_SET: "_reference_set",
    EventKind.ACCOUNT_SET: "_account_set",
    EventKind.LIMITS_SET: "_limits_set",
    EventKind.INSTRUMENT_CHANGED: "_instrument_changed",
    EventKind.INSTRUMENT_DELISTED: "_instrument_delisted",
    EventKind.RANDOM_END: "_random_end",
    EventKind.SEED_COMMITTED: "_seed_committed",
    EventKind.SEED_REVEALED: "_seed_revealed",
    EventKind.TRADE_BUSTED: "_trade_busted",
    EventKind.TRADE_CORRECTED: "_trade_corrected",
    EventKind.PHASE: "_phase",
    EventKind.UNCROSSED: "_uncrossed",
    EventKind.SALE_PLANNED: "_sale_planned",
    EventKind.SALE_OPENED: "_sale_opened",
    EventKind.LOT_CHANGED: "_lot_price",
    EventKind.SALE_VOIDED: "_sale_voided",
    EventKind.LOT_PRICE: "_lot_price",
    EventKind.CLOCK: "_clock",
    EventKind.LOT_SOLD: "_lot_sold",
    EventKind.LOT_PASSED_IN: "_lot_passed_in",
    EventKind.SALE_FINISHED: "_sale_finished",
}


def _content(event: np.void) -> bytes:
    """The 32 bytes that an event carries."""
    return content_of(*(int(event[name]) for name in ("order", "counter_order", "qty", "leaves")))


def stored_int(value: int) -> int | str:
    """An integer as a store of int64 can keep it: itself, or its decimal text."""
    return value if abs(value) <= STORED_INT_MAX else str(value)


def _json(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
