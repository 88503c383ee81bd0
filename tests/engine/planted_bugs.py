"""Oracles with one rule broken: flows that do not tell them from the right one prove nothing."""

from __future__ import annotations

from collections import deque
from typing import Any

from engine.codes import OrderType, Reason, Side, StpMode, TimeInForce
from engine.oracle import books
from engine.oracle.orders import Book, Order, Queue, beyond

BUGS: dict[str, type[books.Books]] = {}


def bug(planted: type[books.Books]) -> type[books.Books]:
    BUGS[planted.__name__] = planted
    return planted


@bug
class IcebergKeepsItsPlace(books.Books):
    def _use(self, maker: Order, lots: int) -> None:
        self._reduce(maker, lots)
        if maker.peak and maker.qty:
            maker.shown = maker.shown - lots or min(maker.peak, maker.qty)


@bug
class IcebergShowsAWholePeakAtItsEnd(books.Books):
    def _use(self, maker: Order, lots: int) -> None:
        super()._use(maker, lots)
        if maker.peak and maker.shown < maker.peak and maker.shown == maker.qty:
            maker.shown = maker.peak


@bug
class AuctionSparesThePeak(books.Books):
    def _use_in_place(self, order: Order, lots: int) -> None:
        self._reduce(order, lots)
        order.shown = min(order.shown, order.qty)


@bug
class StopsByArrival(books.Books):
    def _touched(self, book: Book, low: int, high: int) -> deque[Order]:
        return deque(sorted(super()._touched(book, low, high), key=lambda stop: stop.seq))


@bug
class StopsAtTheLastPriceOnly(books.Books):
    def _touched(self, book: Book, low: int, high: int) -> deque[Order]:
        assert book.last is not None
        return super()._touched(book, book.last, book.last)


@bug
class CascadeDepthFirst(books.Books):
    def _elect_all(self, elected: deque[Order]) -> None:
        while elected:
            later: deque[Order] = deque()
            self._elect(elected.popleft(), later)
            elected.extendleft(reversed(later))


@bug
class StopNotElectedOnArrival(books.Books):
    def _is_touched(self, stop: Order, book: Book) -> bool:
        return False


@bug
class ElectedLimitIgnoresTheCollar(books.Books):
    def _elect(self, stop: Order, elected: deque[Order]) -> None:
        book = self.books[stop.instrument]
        low, high, book.collar_low, book.collar_high = book.collar_low, book.collar_high, -(10**9), 10**9
        super()._elect(stop, elected)
        book.collar_low, book.collar_high = low, high


@bug
class AmendUpKeepsItsPlace(books.Books):
    def _amend(self, order: Order, row: Any) -> None:
        before = list(self._queue(order).values())
        super()._amend(order, row)
        if order.order in self.orders:
            queue = self._queue(order)
            for one in before:
                queue.move_to_end(one.order)

    def _queue(self, order: Order) -> Queue:
        side = self._side_of(order)
        if order.waiting:
            return side.stops[-side.rank(order.stop_price)]
        return side.unpriced if order.unpriced else side.levels[side.place(order)]


@bug
class AmendCountsFromWhatIsOpen(books.Books):
    def _amend(self, order: Order, row: Any) -> None:
        super()._amend(order, row)
        order.entered_qty = order.qty


@bug
class FillOrKillCountsItsOwn(books.Books):
    def _tradable(self, taker: Order, limit: int, need: int) -> int:
        return sum(order.qty for queue in self._side_facing(taker).willing(limit) for order in queue.values())


@bug
class FillOrKillCountsWhatIsHiddenBeforeAnOwn(books.Books):
    def _tradable(self, taker: Order, limit: int, need: int) -> int:
        peaks = [(o, o.peak) for queue in self._side_facing(taker).willing(limit) for o in queue.values()]
        for order, _ in peaks:
            order.peak = 0
        lots = super()._tradable(taker, limit, need)
        for order, peak in peaks:
            order.peak = peak
        return lots


@bug
class GroupsAreStrangers(books.Books):
    def _same_owner(self, account: int, other: int, by_group: bool) -> bool:
        return account == other


@bug
class DecrementLeavesTheMaker(books.Books):
    def _prevent(self, taker: Order, maker: Order) -> None:
        if taker.stp == StpMode.DECREMENT and taker.qty < maker.on_show:
            self._finish(taker, Reason.SELF_TRADE)
        else:
            super()._prevent(taker, maker)


@bug
class CancelBothTakerFirst(books.Books):
    def _prevent(self, taker: Order, maker: Order) -> None:
        if taker.stp == StpMode.CANCEL_BOTH:
            self._finish(taker, Reason.SELF_TRADE)
            self._cancel_at_rest(maker, Reason.SELF_TRADE)
        else:
            super()._prevent(taker, maker)


@bug
class SlideOntoTheBest(books.Books):
    def _entry_price(self, book: Book, row: Any) -> int | None:
        price = super()._entry_price(book, row)
        return price if price in (None, row.price) else price + (1 if row.side == Side.BUY else -1)


@bug
class CollarShutsAtItsEdge(books.Books):
    def _terms_reason(self, book: Book, row: Any, extension: Any) -> int:
        reason = super()._terms_reason(book, row, extension)
        at_edge = row.price == book.collar(row.side) and row.type == OrderType.LIMIT
        return reason or (Reason.PRICE_COLLAR if at_edge else 0)


@bug
class MarketToLimitRestsAtItsLastFill(books.Books):
    def _leave(self, taker: Order) -> None:
        if taker.qty and taker.type == OrderType.LIMIT and taker.tif == TimeInForce.DAY:
            taker.price = self.books[taker.instrument].last or taker.price
        super()._leave(taker)


@bug
class UncrossEndsMarketToLimit(books.Books):
    def _end_or_price(self, order: Order, price: int | None) -> None:
        super()._end_or_price(order, None)


@bug
class AuctionOrdersStay(books.Books):
    def uncross(self, instrument: int, price_ticks: int | None, volume_lots: int, **said: int):
        kept = [order for order in self.orders.values() if order.tif == TimeInForce.AT_AUCTION and not order.unpriced]
        for order in kept:
            order.tif = TimeInForce.DAY
        return super().uncross(instrument, price_ticks, volume_lots, **said)


@bug
class WaitingStopsAreWorthNothing(books.Books):
    def _count(self, order: Order, lots: int, orders: int) -> None:
        if not order.waiting:
            super()._count(order, lots, orders)


@bug
class PromisedStockIsNotGivenBack(books.Books):
    def _cancel_at_rest(self, order: Order, reason: int) -> None:
        promised = dict(self.promised)
        super()._cancel_at_rest(order, reason)
        if reason == Reason.BY_OWNER:
            self.promised.update({key: promised[key] - self.promised[key] for key in promised})


@bug
class EveryoneIsAnOther(books.Books):
    def _opened(self, row: Any, body: bytes) -> Order:
        order = super()._opened(row, body)
        order.coop = False
        return order


@bug
class CoopsOlderThanOthersAreFlaggedToo(books.Books):
    def _goes_before_its_time(self, maker: Order) -> bool:
        side = self._side_of(maker)
        return bool(side.classes and maker.coop and side.place(maker) + 1 in side.levels)


@bug
class ExpiryAtItsVeryTimeIsTaken(books.Books):
    def _terms_reason(self, book: Book, row: Any, extension: Any) -> int:
        if extension.expire_at == self._ts_ns:
            extension = extension._replace(expire_at=self._ts_ns + 1)
        return super()._terms_reason(book, row, extension)


@bug
class UnpricedOrdersCrossNobody(books.Books):
    def _crosses_own(self, book: Book, row: Any) -> bool:
        return super()._crosses_own(book, row) and any(
            not order.unpriced and not beyond(row.side, order.price, row.price)
            for order in book.sides[1 - row.side].by_priority()
        )


@bug
class EveryMarginByTime(books.Books):
    def uncross(self, instrument: int, price_ticks: int | None, volume_lots: int, **said: Any):
        said.pop("sharing", None)
        return super().uncross(instrument, price_ticks, volume_lots, **said)
