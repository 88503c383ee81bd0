"""A call's book: its curve, and the trades and remainders of an uncross."""

from __future__ import annotations

import numpy as np

from engine.codes import EventFlag, EventKind, FeeClass, OrderType, Reason, Side, TimeInForce
from engine.domain.curve import Curve
from engine.oracle.matching import Matching
from engine.oracle.orders import Book, Order


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
        self, instrument: int, price_ticks: int | None, volume_lots: int, *, command: int, first_index: int, ts_ns: int
    ) -> np.ndarray:
        self._ts_ns = ts_ns
        self._events.begin(command, first_index)
        book = self.books[instrument]
        if price_ticks is not None and volume_lots:
            self._trade_at(book, price_ticks, volume_lots)
            book.last = price_ticks
        for side in book.sides:
            for order in list(side.unpriced.values()):
                self._end_or_price(order, price_ticks)
        for order in sorted((order for side in book.sides for order in side.by_priority()), key=lambda o: o.order):
            if order.tif == TimeInForce.AT_AUCTION:
                self._cancel_at_rest(order, Reason.AUCTION_REMAINDER)
        return self._events.take()

    def _trade_at(self, book: Book, price: int, volume: int) -> None:
        buys, sells = book.sides
        while volume:
            buy, sell = next(buys.by_priority()), next(sells.by_priority())
            assert buy.unpriced or buy.price >= price, "more volume than willing buyers"
            assert sell.unpriced or sell.price <= price, "more volume than willing sellers"
            lots = min(buy.qty, sell.qty, volume)
            volume -= lots
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
