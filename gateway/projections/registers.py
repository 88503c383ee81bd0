"""Everything but orders and fills as rows: accounts, instruments, phases, auctions and sales, one event at a time.

The registers hold what later rows need to know: names and references of instruments, terms of sales.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import numpy as np

from engine.codes import AccountFlag, AwardState, EventFlag, EventKind, Phase, SaleStage, SaleState, name_of
from engine.domain.units import decimals_of, ticks_to_text, value_minor
from engine.limits import ACCOUNTS_MAX
from engine.markets.random_end import commitment, content_of
from engine.messages.audience import AUDIENCE
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
from engine.state.sales.awards import HOLDING
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
    """What the values of a sale's lots need, and what an outage moves. What it sold may change after its end."""

    mechanism: str
    tick_size: Fraction
    numerator: int
    denominator: int
    open_until_ns: int
    clock_runs: bool = False
    ended: bool = False
    bag_grams: dict[int, int] = field(default_factory=dict)  # by lot
    sold_bags: dict[int, int] = field(default_factory=dict)  # by lot
    worth: dict[int, int] = field(default_factory=dict)  # of what was sold, by lot

    def value_minor(self, lot: int, bags: int, price: int) -> int:
        return value_minor(price, bags * self.bag_grams[lot], self.numerator, self.denominator)


class AwardTerms(NamedTuple):
    """An award as it is counted in what its lot has sold: not at all unless its buyer holds the bags."""

    price: int
    bags: int
    value_minor: int


class Registers:
    """By id. A store gives them back after a restart."""

    def __init__(self) -> None:
        self.instruments: dict[int, InstrumentState] = {}
        self.sales: dict[int, SaleTerms] = {}
        self.awards: dict[int, AwardTerms] = {}
        self._hammer = (0, 0)  # seq and index of the last LOT_SOLD
        self._settled = (0, 0)  # of the last AWARD_SET
        self._taken = (0, 0)  # of the last AWARD_SET by which an offer was taken: LOT_SOLD comes behind it
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
        mechanism = str(type(plan.mechanism).__struct_config__.tag)
        self.sales[plan.sale] = SaleTerms(
            mechanism,
            tick_size,
            unit.value_numerator,
            unit.value_denominator,
            open_until_ns,
            bag_grams={number: lot.bag_grams for number, lot in enumerate(plan.lots, 1)},
        )
        yield (
            "sale",
            (
                plan.sale, plan.title, "planned", unit.tick_size, unit.price_unit, unit.currency, opening,
                ticks_to_text(opening, tick_size), increment, ticks_to_text(increment, tick_size), clock_ns,
                open_until_ns, unit.value_numerator, unit.value_denominator, len(plan.lots), seq, ts_ns,
                mechanism, plan.season, plan.version,
            ),
        )  # fmt: skip
        for number, lot in enumerate(plan.lots, 1):
            yield "lot", (plan.sale, number, lot.title, lot.bags, lot.bag_grams, _json(lot.attributes), "open")
        yield "lots_of_plan", (plan.sale,)

    def _sale_opened(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        if int(event["order"]) not in self.sales:  # to generation 3 a sale was not planned before
            yield from self._sale_planned(event, seq, ts_ns, body)
            yield "sale_stage", (name_of(SaleStage, SaleStage.LIVE), int(event["order"]))
        yield "sale_opened", (name_of(SaleState, SaleState.OPEN), seq, ts_ns, int(event["order"]))

    def _sale_stage(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        yield "sale_stage", (name_of(SaleStage, int(event["qty"])), int(event["order"]))

    def _lot_price(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        told = (None, None) if price == 0 else (price, ticks_to_text(price, self.sales[sale].tick_size))
        yield "lot_price", (*told, int(event["qty"]), sale, lot)

    def _lot_changed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """Of an award that no longer holds, or holds at another price, that has told all. Else it is the lot's price;
        its quantity counts bids in English sales alone."""
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        if (seq, int(event["index"]) - 1) == self._settled:
            return
        state = self.sales[sale]
        bids = int(event["qty"]) if state.mechanism == "english" else None
        told = (None, None) if price == 0 else (price, ticks_to_text(price, state.tick_size))
        yield "lot_price", (*told, bids, sale, lot)

    def _round(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """Of one lot's clock: the price that it shows. A round of the whole sale tells its prices lot by lot."""
        sale, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        if lot and price:
            yield "lot_price", (price, ticks_to_text(price, self.sales[sale].tick_size), None, sale, lot)

    def _own_bid(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """What an account was told of its bids, as the operator may see it: no maximum, no limit, nothing sealed."""
        kind = EventKind(int(event["kind"]))
        seen = AUDIENCE[kind].operator
        if "account" not in seen:
            return
        price = int(event["price"]) if "price" in seen else 0
        yield (
            "sale_bid",
            (
                seq, int(event["index"]), ts_ns, int(event["order"]), int(event["instrument"]), int(event["account"]),
                name_of(EventKind, kind), price or None,
                int(event["counter_order"]) or None if "counter_order" in seen else None,
            ),
        )  # fmt: skip

    def _award_set(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """A state of an award. What its lot has sold moves with it, unless the hammer has just told that."""
        award, number, lot = int(event["order"]), int(event["counter_order"]), int(event["instrument"])
        index, state, bags = int(event["index"]), AwardState(int(event["reason"])), int(event["qty"])
        sale, before = self.sales[number], self.awards.get(award)
        price = int(event["price"])
        if before is not None and state == AwardState.ALLOWANCE_ASKED:  # the event has the price that is asked for
            price = before.price
        worth = sale.value_minor(lot, bags, price)
        now = AwardTerms(price, bags if state in HOLDING else 0, worth if state in HOLDING else 0)
        counted = now if (seq, index - 1) == self._hammer else before or AwardTerms(price, 0, 0)
        self.awards[award], self._settled = now, (seq, index)
        if counted is not now and not counted.bags and now.bags:
            self._taken = seq, index
        if now[1:] != counted[1:]:
            sale.sold_bags[lot] = sale.sold_bags.get(lot, 0) + now.bags - counted.bags
            sale.worth[lot] = sale.worth.get(lot, 0) + now.value_minor - counted.value_minor
            yield self._result_of(number, lot, None, None)
        yield (
            "award",
            (
                award, number, lot, int(event["counter_account"]), int(event["account"]), price,
                ticks_to_text(price, sale.tick_size), bags, stored_int(worth), name_of(AwardState, state),
                int(event["leaves"]) or None, seq, seq, ts_ns,
            ),
        )  # fmt: skip

    def _result_of(self, number: int, lot: int, buyer: int | None, seller: int | None) -> tuple[str, tuple]:
        sale = self.sales[number]
        bags, worth = sale.sold_bags[lot], stored_int(sale.worth[lot])
        state = "sold" if bags else "passed_in"
        return "lot_sold", (state, buyer, seller, bags, worth if bags else None, number, lot)

    def _resumed(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """An outage moves the end of each sale that still waits for first bids (a running clock tells itself)."""
        for sale, terms in self.sales.items():
            if terms.open_until_ns and not terms.clock_runs and not terms.ended:
                terms.open_until_ns += int(event["qty"])
                yield "sale_open_until", (terms.open_until_ns, sale)

    def _clock(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """Of a Helmsman sale: it is pending. A timed one has no time until which it waits for first bids."""
        terms = self.sales[int(event["order"])]
        terms.clock_runs = bool(terms.open_until_ns)
        state = SaleState.PENDING if terms.clock_runs else SaleState.OPEN
        yield "sale_clock", (int(event["leaves"]), name_of(SaleState, state), int(event["order"]))

    def _lot_sold(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        """Several times of a lot that is divided; each has a row of its own."""
        number, lot, price = int(event["order"]), int(event["instrument"]), int(event["price"])
        bags, buyer, seller = int(event["qty"]), int(event["account"]), int(event["counter_account"])
        sale, index = self.sales[number], int(event["index"])
        text, worth = ticks_to_text(price, sale.tick_size), sale.value_minor(lot, bags, price)
        if (seq, index - 1) != self._taken:
            sale.sold_bags[lot] = sale.sold_bags.get(lot, 0) + bags
            sale.worth[lot] = sale.worth.get(lot, 0) + worth
        self._hammer = seq, index
        yield "lot_price", (price, text, None, number, lot)
        yield self._result_of(number, lot, buyer, seller)
        yield "sale_result", (seq, index, ts_ns, number, lot, price, text, bags, stored_int(worth), buyer, seller)

    def _lot_passed_in(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        yield "lot_passed_in", (int(event["order"]), int(event["instrument"]))

    def _sale_finished(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale = int(event["order"])
        self.sales[sale].ended = True
        yield "sale_finished", (name_of(SaleState, SaleState.FINISHED), int(event["qty"]), seq, ts_ns, sale)

    def _sale_voided(self, event: np.void, seq: int, ts_ns: int, body: Callable[[], Body]) -> Told:
        sale = int(event["order"])
        self.sales[sale].ended = True
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
    EventKind.SALE_STAGE: "_sale_stage",
    EventKind.LOT_CHANGED: "_lot_changed",
    EventKind.ROUND: "_round",
    EventKind.BID_ACCEPTED: "_own_bid",
    EventKind.LOT_LEADER: "_own_bid",
    EventKind.LOT_OUTBID: "_own_bid",
    EventKind.BID_WAITS: "_own_bid",
    EventKind.BID_VOIDED: "_own_bid",
    EventKind.BID_OPENED: "_own_bid",
    EventKind.KEY_REFUSED: "_own_bid",
    EventKind.AWARD_SET: "_award_set",
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
