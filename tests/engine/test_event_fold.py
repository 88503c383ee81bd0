"""Events tell all: who folds them knows every open order, and finds every trade within its orders' limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest

from engine.codes import EventFlag, EventKind, Reason, Side
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from tests.engine.book_flows import Twins, furnished
from tests.engine.draws import Flow


@dataclass
class Known:
    account: int
    instrument: int
    side: int
    qty: int
    price: int | None
    stop: bool


class Fold:
    """Open orders and deposited lots, out of events alone."""

    def __init__(self) -> None:
        self.orders: dict[int, Known] = {}
        self.moved: Counter[tuple[int, int]] = Counter()  # (account, instrument) -> lots bought less lots sold

    def __call__(self, events: np.ndarray) -> None:
        for event in events:
            match EventKind(event["kind"]):
                case EventKind.ACCEPTED:
                    assert int(event["order"]) not in self.orders
                    self.orders[int(event["order"])] = self.shown(event)
                case EventKind.REPLACED | EventKind.AMENDED | EventKind.TRIGGERED | EventKind.REPRICED:
                    known, self.orders[int(event["order"])] = self.orders[int(event["order"])], self.shown(event)
                    assert (known.account, known.instrument, known.side) == self.party(event)
                    if event["kind"] in (EventKind.TRIGGERED, EventKind.REPRICED):
                        assert known.qty == event["qty"]
                case EventKind.FILL:
                    self.fill(event)
                case EventKind.CANCELLED:
                    known = self.orders.pop(int(event["order"]))
                    assert known == self.shown(event), "all that was open"
                case EventKind.REDUCED:
                    known = self.orders[int(event["order"])]
                    assert event["reason"] == Reason.SELF_TRADE and known.qty - event["qty"] == event["leaves"] > 0
                    known.qty = int(event["leaves"])

    @staticmethod
    def party(event: np.void) -> tuple[int, int, int]:
        return int(event["account"]), int(event["instrument"]), int(event["side"])

    def shown(self, event: np.void) -> Known:
        price = None if event["flags"] & EventFlag.UNPRICED else int(event["price"])
        return Known(*self.party(event), int(event["qty"]), price, bool(event["flags"] & EventFlag.STOP))

    def fill(self, event: np.void) -> None:
        taker, maker = int(event["order"]), int(event["counter_order"])
        assert self.orders[maker].qty - event["qty"] == event["leaves"]
        for order, account, side in ((taker, "account", event["side"]), (maker, "counter_account", 1 - event["side"])):
            known = self.orders[order]
            assert not known.stop, "who waits does not trade"
            assert (known.account, known.instrument, known.side) == (event[account], event["instrument"], side)
            if known.price is not None:
                assert event["price"] <= known.price if side == Side.BUY else event["price"] >= known.price
            known.qty -= int(event["qty"])
            assert known.qty >= 0
            self.moved[known.account, known.instrument] += int(event["qty"]) * (1 if side == Side.BUY else -1)
            if known.qty == 0:
                del self.orders[order]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [Oracle, lambda: Books(window_ticks=64, event_rows=2)], ids=["oracle", "kernel"])
def test_open_orders_are_a_fold_of_events(make, seed):
    twins = Twins(furnished(make()))
    flow, fold = Flow(twins, Random(seed)), Fold()
    learn = flow.learn
    twins.listener = lambda events: (fold(events), learn(events))
    for _ in range(150):
        flow.step(40)
        orders = twins.first.sections()["orders"]
        found = {int(order["order"]): (int(order["account"]), int(order["instrument"]), int(order["side"]),
                                       int(order["qty"]), int(order["price"])) for order in orders}  # fmt: skip
        assert found == {
            number: (known.account, known.instrument, known.side, known.qty, known.price or 0)
            for number, known in fold.orders.items()
        }
    assert len(fold.moved) > 10


@pytest.mark.parametrize("make", [Oracle, lambda: Books(window_ticks=64, event_rows=2)], ids=["oracle", "kernel"])
def test_stock_is_moved_by_fills_alone_and_never_owed(make):
    twins = Twins(furnished(make()))
    flow, fold = Flow(twins, Random(77)), Fold()
    learn = flow.learn
    twins.listener = lambda events: (fold(events), learn(events))
    for _ in range(120):
        flow.rows(40)
        for row in twins.first.sections()["stock"]:
            account, instrument, lots = row.tolist()
            assert lots == 1_000 + fold.moved[account, instrument]
            held, promised = twins.first.stock_of(account, instrument)
            assert 0 <= promised <= held == lots
    assert sum(abs(lots) for (_, instrument), lots in fold.moved.items() if instrument in (4, 5)) > 100
