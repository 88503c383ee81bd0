"""Continuous trading: an order meets the other side of its book, and the stops that its trades elect follow it.

Read `_arrive`, then `_take`. A round of elections begins when a taker has wholly finished: the waiting stops whose
price its fills touched queue up behind those elected before, and act one by one.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile

from engine.codes import MATCHING_PHASES, EventFlag, EventKind, FeeClass, OrderType, Reason, Side, StpMode, TimeInForce
from engine.oracle.orders import Book, BookSide, Order, beyond
from engine.oracle.venue import Venue


class Matching(Venue):
    def _arrive(self, order: Order, need: int) -> None:
        """A new or replaced order. `need`: lots that must trade at once, or it ends."""
        book = self.books[order.instrument]
        if book.phase not in MATCHING_PHASES:
            order.shown = min(order.peak, order.qty)
            self._rest(order)
            return
        elected: deque[Order] = deque()
        if not order.waiting:
            self._take(order, need, elected)
        elif self._is_touched(order, book):
            elected.append(order)
        else:
            self._rest(order)
        self._elect_all(elected)

    # Stops

    def _is_touched(self, stop: Order, book: Book) -> bool:
        if book.last is None:
            return False
        return book.last >= stop.stop_price if stop.side == Side.BUY else book.last <= stop.stop_price

    def _touched(self, book: Book, low: int, high: int) -> deque[Order]:
        """There were trades from `low` to `high`: the stops that they concern, out of the book, in their order."""
        buys, sells = book.sides
        touched = deque(takewhile(lambda stop: stop.stop_price <= high, buys.waiting()))
        touched.extend(takewhile(lambda stop: stop.stop_price >= low, sells.waiting()))
        for stop in touched:
            self._take_out(stop)
        return touched

    def _elect_all(self, elected: deque[Order]) -> None:
        while elected:
            self._elect(elected.popleft(), elected)

    def _elect(self, stop: Order, elected: deque[Order]) -> None:
        """A stop becomes the order that it stood for, and acts."""
        stop.type = OrderType.MARKET if stop.type == OrderType.STOP else OrderType.LIMIT
        stop.waiting, stop.stop_price, stop.seq = False, 0, self._seq
        self._tell(EventKind.TRIGGERED, stop, stop.qty)
        book = self.books[stop.instrument]
        if stop.type == OrderType.LIMIT and book.beyond_collar(stop.side, stop.price):
            self._finish(stop, Reason.BEYOND_COLLAR)
        else:
            self._take(stop, 0, elected)

    # Taking

    def _finish(self, taker: Order, reason: int) -> None:
        self._tell(EventKind.CANCELLED, taker, taker.qty, reason)
        self._end(taker)

    def _take(self, taker: Order, need: int, elected: deque[Order]) -> None:
        """Trade what can be traded, rest or end with what is left, and queue the stops that this elects."""
        book = self.books[taker.instrument]
        if taker.type == OrderType.MARKET_TO_LIMIT:
            best = book.sides[1 - taker.side].best()
            if best is None or book.beyond_collar(taker.side, best.price):
                self._finish(taker, Reason.MARKET_REMAINDER)
                return
            taker.type, taker.price = OrderType.LIMIT, best.price
            self._tell(EventKind.REPRICED, taker, taker.qty)
        limit = book.collar(taker.side) if taker.unpriced else taker.price
        if self._tradable(taker, limit, need) < need:
            fok = taker.tif == TimeInForce.FOK
            self._finish(taker, Reason.FOK_UNFILLABLE if fok else Reason.MIN_QTY_UNFILLABLE)
            return
        prices = self._match(taker, limit)
        if taker.order in self.orders:
            self._leave(taker)
        if prices:
            elected.extend(self._touched(book, min(prices), max(prices)))

    def _leave(self, taker: Order) -> None:
        """What becomes of a taker that has traded all it could."""
        if taker.qty == 0:
            self._end(taker)
        elif taker.tif == TimeInForce.IOC:
            self._finish(taker, Reason.IOC_REMAINDER)
        elif taker.type == OrderType.MARKET:
            self._finish(taker, Reason.MARKET_REMAINDER)
        else:
            taker.shown = min(taker.peak, taker.qty)
            self._rest(taker)

    def _tradable(self, taker: Order, limit: int, need: int) -> int:
        """Lots, `need` or more where there are so many, that it trades before its self-trade prevention ends or
        shortens it."""
        lots = 0
        for queue in self._side_facing(taker).willing(limit):
            if lots >= need:
                break
            own = [order for order in queue.values() if self._is_own(taker, order)]
            if taker.stp == StpMode.CANCEL_MAKER:
                lots += sum(order.qty for order in queue.values()) - sum(order.qty for order in own)
                continue
            if own:
                for order in queue.values():
                    if order is own[0]:
                        return lots
                    lots += order.on_show
            lots += sum(order.qty for order in queue.values())
        return lots

    def _side_facing(self, taker: Order) -> BookSide:
        return self.books[taker.instrument].sides[1 - taker.side]

    def _is_own(self, taker: Order, maker: Order) -> bool:
        return taker.stp != StpMode.NONE and self._same_owner(taker.account, maker.account, taker.stp_group)

    def _match(self, taker: Order, limit: int) -> set[int]:
        """Best price first, oldest first, always at the maker's price. Returns the prices of its fills."""
        makers, prices = self._side_facing(taker), set()
        while taker.qty:
            maker = makers.best()
            if maker is None or beyond(taker.side, maker.price, limit):
                break
            if self._is_own(taker, maker):
                self._prevent(taker, maker)
                if taker.order not in self.orders:
                    break
            else:
                self._fill(taker, maker)
                prices.add(maker.price)
        return prices

    def _fill(self, taker: Order, maker: Order) -> None:
        lots = min(taker.qty, maker.on_show)
        flags = EventFlag.CLASS_FIRST if self._goes_before_its_time(maker) else 0
        taker.qty -= lots
        self._use(maker, lots)
        self._events.emit(
            EventKind.FILL, side=taker.side, flags=flags, fee_class=FeeClass.CONTINUOUS, instrument=taker.instrument,
            price=maker.price, account=taker.account, counter_account=maker.account, order=taker.order,
            counter_order=maker.order, qty=lots, leaves=maker.qty,
        )  # fmt: skip
        book = self.books[taker.instrument]
        book.last = maker.price
        if book.deposit:
            seller, buyer = (maker, taker) if taker.side == Side.BUY else (taker, maker)
            self.stock[seller.account, book.instrument] -= lots
            self.stock[buyer.account, book.instrument] += lots

    def _use(self, maker: Order, lots: int) -> None:
        """Take lots that a maker shows. An iceberg shows its next peak at the end of its level."""
        self._reduce(maker, lots)
        if maker.peak and maker.qty:
            maker.shown -= lots
            if maker.shown == 0:
                maker.shown = min(maker.peak, maker.qty)
                maker.seq = self._seq
                self._side_of(maker).to_end_of_level(maker)

    def _goes_before_its_time(self, maker: Order) -> bool:
        """Whether a co-op's order trades before an older one of another at its price."""
        side = self._side_of(maker)
        others = side.levels.get(side.place(maker) + 1) if side.classes and maker.coop else None
        return others is not None and next(iter(others.values())).seq < maker.seq

    # Self-trade prevention

    def _prevent(self, taker: Order, maker: Order) -> None:
        """What happens instead of a trade with an order of one's own."""
        if taker.stp == StpMode.DECREMENT:
            lots = min(taker.qty, maker.on_show)
            self._decrement_maker(maker, lots)
            taker.qty -= lots
            taker.entered_qty -= lots
            self._tell_decrement(taker, lots)
            if taker.qty == 0:
                self._end(taker)
            return
        if taker.stp in (StpMode.CANCEL_MAKER, StpMode.CANCEL_BOTH):
            self._cancel_at_rest(maker, Reason.SELF_TRADE)
        if taker.stp in (StpMode.CANCEL_TAKER, StpMode.CANCEL_BOTH):
            self._finish(taker, Reason.SELF_TRADE)

    def _decrement_maker(self, maker: Order, lots: int) -> None:
        maker.entered_qty -= lots
        self._use(maker, lots)
        self._tell_decrement(maker, lots)

    def _tell_decrement(self, order: Order, lots: int) -> None:
        kind = EventKind.REDUCED if order.qty else EventKind.CANCELLED
        self._tell(kind, order, lots, Reason.SELF_TRADE, leaves=order.qty)
