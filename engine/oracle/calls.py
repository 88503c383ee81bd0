"""A call's book: its curve, and the trades and remainders of an uncross."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from engine.codes import EventFlag, EventKind, FeeClass, OrderType, Reason, Side, TimeInForce
from engine.domain.curve import Curve
from engine.domain.sharing_rule import BY_TIME, SharingRule
from engine.oracle.matching import Matching
from engine.oracle.orders import Book, BookSide, Order
from engine.oracle.sharing import share_margin

Allotted = tuple[Order, int]  # an order, and the lots that it trades


class Sharing(NamedTuple):
    """Who trades how much of an uncross."""

    rule: SharingRule
    unpriced_last: bool
    block_seq: int

    def _levels(self, side: BookSide, price: int) -> Iterator[list[Order]]:
        """Orders that may trade, best level first."""
        unpriced, priced = list(side.unpriced.values()), (list(queue.values()) for queue in side.willing(price))
        if not self.unpriced_last:
            yield unpriced
        yield from priced
        if self.unpriced_last:
            yield unpriced

    def _share(self, orders: list[Order], lots: int) -> list[int]:
        quantities = [order.qty for order in orders]
        if lots >= sum(quantities):
            return quantities
        return share_margin(quantities, [int(order.seq >= self.block_seq) for order in orders], lots, self.rule)

    def allot(self, side: BookSide, price: int, lots: int) -> list[Allotted]:
        """Level after level in full, until one wants more than there is."""
        allotted: list[Allotted] = []
        for level in self._levels(side, price):
            shares = self._share(level, lots)
            allotted += zip(level, shares, strict=True)
            lots -= sum(shares)
        assert lots == 0, "more volume than is willing"
        return allotted

    def class_report(self, side: BookSide, price: int, lots: int) -> dict[str, Any] | None:
        """What co-ops got at the limit where this side runs out, and how much of it for their class alone."""
        if not self.unpriced_last:
            lots -= sum(order.qty for order in side.unpriced.values())
        for limit, orders in side.by_price():
            wanted = sum(order.qty for order in orders)
            if lots <= 0 or side.rank(limit) > side.rank(price):
                return None
            if lots < wanted:
                coops, others = ([order for order in orders if order.coop is coop] for coop in (True, False))
                got = min(sum(order.qty for order in coops), lots)
                merged = _by_seq(coops, others)
                shares = zip(merged, self._share(merged, lots), strict=True)
                gained = got - sum(share for order, share in shares if order.coop)
                return {"side": side.side, "price": limit, "qty": got, "leaves": gained} if gained else None
            lots -= wanted
        return None


def _by_seq(first: list[Order], second: list[Order]) -> list[Order]:
    """Two queues as one: whichever's first is older goes next."""
    merged, left, right = [], deque(first), deque(second)
    while left or right:
        merged.append((left if left and (not right or left[0].seq < right[0].seq) else right).popleft())
    return merged


class Calls(Matching):
    def curve(self, instrument: int) -> Curve:
        sides = self.books[instrument].sides
        at: dict[int, list[int]] = {}
        for side in sides:
            for price, orders in side.by_price():
                at.setdefault(price, [0, 0])[side.side] = sum(order.qty for order in orders)
        prices = sorted(at)
        unpriced = [sum(order.qty for order in side.unpriced.values()) for side in sides]
        return Curve(
            np.array(prices, np.int64),
            np.array([at[price][Side.BUY] for price in prices], np.int64),
            np.array([at[price][Side.SELL] for price in prices], np.int64),
            *unpriced,
        )

    def uncross(
        self,
        instrument: int,
        price_ticks: int | None,
        volume_lots: int,
        *,
        sharing: SharingRule = BY_TIME,
        unpriced_last: bool = False,
        block_seq: int = 0,
        command: int,
        first_index: int,
        ts_ns: int,
    ) -> np.ndarray:
        self._ts_ns = ts_ns
        self._events.begin(command, first_index)
        book = self.books[instrument]
        if price_ticks is not None and volume_lots:
            rules = Sharing(sharing, unpriced_last, block_seq)
            allotted = [rules.allot(side, price_ticks, volume_lots) for side in book.sides]
            reports = [rules.class_report(side, price_ticks, volume_lots) for side in book.sides if book.classes]
            self._trade_at(book, price_ticks, *allotted)
            for report in filter(None, reports):
                self._events.emit(EventKind.CLASS_REPORT, instrument=instrument, **report)
            book.last = price_ticks
        for side in book.sides:
            for order in list(side.unpriced.values()):
                self._end_or_price(order, price_ticks)
        for order in sorted((order for side in book.sides for order in side.by_priority()), key=lambda o: o.order):
            if order.tif == TimeInForce.AT_AUCTION:
                self._cancel_at_rest(order, Reason.AUCTION_REMAINDER)
        return self._events.take()

    def _trade_at(self, book: Book, price: int, buys: list[Allotted], sells: list[Allotted]) -> None:
        """The k-th lot bought is the k-th lot sold."""
        assert sum(lots for _, lots in buys) == sum(lots for _, lots in sells), "more volume than is willing"
        ours, theirs = (deque(each for each in side if each[1]) for side in (buys, sells))
        while ours:
            (buy, wanted), (sell, offered) = ours.popleft(), theirs.popleft()
            lots = min(wanted, offered)
            self._use_in_place(buy, lots)
            self._use_in_place(sell, lots)
            self._events.emit(
                EventKind.FILL, side=Side.BUY, flags=EventFlag.AUCTION, fee_class=FeeClass.CALL,
                instrument=book.instrument, price=price, account=buy.account, counter_account=sell.account,
                order=buy.order, counter_order=sell.order, qty=lots, leaves=sell.qty,
            )  # fmt: skip
            if book.deposit:
                self.stock[sell.account, book.instrument] -= lots
                self.stock[buy.account, book.instrument] += lots
            if lots < wanted:
                ours.appendleft((buy, wanted - lots))
            if lots < offered:
                theirs.appendleft((sell, offered - lots))

    def _use_in_place(self, order: Order, lots: int) -> None:
        """In an uncross an iceberg trades from the whole and keeps its place; its peaks run down as if it had not."""
        self._reduce(order, lots)
        if order.peak and order.qty:
            if lots < order.shown:
                order.shown -= lots
            else:
                order.shown = order.peak - (lots - order.shown) % order.peak
            order.shown = min(order.shown, order.qty)

    def _end_or_price(self, order: Order, price: int | None) -> None:
        """An order without a limit, after the uncross."""
        if order.type == OrderType.MARKET:
            self._cancel_at_rest(order, Reason.UNPRICED_REMAINDER)
        elif order.tif == TimeInForce.AT_AUCTION:
            self._cancel_at_rest(order, Reason.AUCTION_REMAINDER)
        elif price is None:
            self._cancel_at_rest(order, Reason.UNPRICED_REMAINDER)
        else:
            self._take_out(order)
            order.type, order.price = OrderType.LIMIT, price
            self._tell(EventKind.REPRICED, order, order.qty)
            self._rest(order)
