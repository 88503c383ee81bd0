"""Open orders, the sides of a book that hold them, and the ring of slots that their ids come from."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from sortedcontainers import SortedDict

from engine.codes import BookFlag, OrderType, Phase, Side
from engine.limits import PRICE_TICKS_MAX
from engine.state.hot import Space

UNPRICED_TYPES = frozenset({OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP})
STOP_TYPES = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


@dataclass(slots=True)
class ClientId:
    """A text id that is remembered, with the first answer to it."""

    body_hash: int
    seq: int
    order: int = 0
    reason: int = 0
    closed_ns: int = -1


@dataclass(slots=True)
class Order:
    order: int
    seq: int
    qty: int  # open
    entered_qty: int
    account: int
    instrument: int
    price: int
    side: int
    type: int
    tif: int
    ref: tuple[int, int, int]  # form, hi, lo
    text: str | None = None
    expire_at: int = 0
    peak: int = 0  # of an iceberg
    shown: int = 0
    stop_price: int = 0  # of a stop that waits
    waiting: bool = False
    stp: int = 0  # while it takes, or waits as a stop
    stp_group: bool = False
    coop: bool = False  # its account is a co-op's
    client_ids: list[ClientId] = field(default_factory=list)  # its own and those of its replaces and amends

    @property
    def unpriced(self) -> bool:
        return self.type in UNPRICED_TYPES

    @property
    def on_show(self) -> int:
        """Lots that others see, and that trade before it loses its place."""
        return self.shown if self.peak else self.qty

    def view(self) -> tuple:
        return (
            self.order, self.seq, self.qty, self.entered_qty, self.account, self.instrument, self.price, self.side,
            self.type, self.tif, *self.ref,
        )  # fmt: skip

    def extra_view(self) -> tuple | None:
        if not (self.peak or self.waiting or self.expire_at):
            return None
        return (
            self.order, self.expire_at, self.peak, self.shown, self.stop_price, self.waiting, self.stp, self.stp_group,
            0,
        )  # fmt: skip


Queue = OrderedDict[int, Order]  # by arrival


class BookSide:
    """Open orders of one side.

    unpriced  by arrival
    levels    by place, best first: twice the rank of the price (rising prices for sells, falling for buys), and in a
              book with classes one more for orders of no co-op
    stops     that wait, by the order in which they would be elected: rising stop prices for buys, falling for sells
    """

    def __init__(self, side: int, classes: bool) -> None:
        self.side, self.classes = side, classes
        self.unpriced: Queue = OrderedDict()
        self.levels: SortedDict = SortedDict()
        self.stops: SortedDict = SortedDict()
        self.total_lots = 0

    def rank(self, price: int) -> int:
        return -price if self.side == Side.BUY else price

    def place(self, order: Order) -> int:
        return 2 * self.rank(order.price) + (self.classes and not order.coop)

    def add(self, order: Order) -> None:
        """At the end of its queue."""
        self.total_lots += order.qty
        if order.waiting:
            self.stops.setdefault(-self.rank(order.stop_price), OrderedDict())[order.order] = order
        elif order.unpriced:
            self.unpriced[order.order] = order
        else:
            self.levels.setdefault(self.place(order), OrderedDict())[order.order] = order

    def remove(self, order: Order) -> None:
        self.total_lots -= order.qty
        if order.unpriced and not order.waiting:
            del self.unpriced[order.order]
            return
        queues, key = (self.stops, -self.rank(order.stop_price)) if order.waiting else (self.levels, self.place(order))
        queue = queues[key]
        del queue[order.order]
        if not queue:
            del queues[key]

    def to_end_of_level(self, order: Order) -> None:
        self.levels[self.place(order)].move_to_end(order.order)

    def best(self) -> Order | None:
        """The first order that has a limit."""
        return next(iter(self.levels.peekitem(0)[1].values())) if self.levels else None

    def willing(self, limit: int) -> Iterator[Queue]:
        """Queues of orders that trade with an order of the other side with this limit, in priority order."""
        last = 2 * self.rank(limit) + 1
        for place, queue in self.levels.items():
            if place > last:
                return
            yield queue

    def by_price(self) -> Iterator[tuple[int, list[Order]]]:
        """(price, its orders in priority order), best first."""
        price, orders = 0, list[Order]()
        for queue in self.levels.values():
            first = next(iter(queue.values()))
            if orders and first.price != price:
                yield price, orders
                orders = []
            price = first.price
            orders += queue.values()
        if orders:
            yield price, orders

    def by_priority(self) -> Iterator[Order]:
        """All but the waiting stops."""
        return chain(self.unpriced.values(), *(queue.values() for queue in self.levels.values()))

    def waiting(self) -> Iterator[Order]:
        return chain.from_iterable(queue.values() for queue in self.stops.values())


class Book:
    def __init__(self, instrument: int, multiplier: int, price_min: int, price_max: int, qty_max: int, currency: int,
                 deposit: bool, classes: bool) -> None:  # fmt: skip
        self.instrument = instrument
        self.phase = int(Phase.CLOSED)
        self.multiplier, self.price_min, self.price_max, self.qty_max = multiplier, price_min, price_max, qty_max
        self.currency, self.deposit, self.classes = currency, deposit, classes
        self.collar_low, self.collar_high = -PRICE_TICKS_MAX, PRICE_TICKS_MAX
        self.last: int | None = None  # price of the newest fill
        self.sides = (BookSide(Side.BUY, classes), BookSide(Side.SELL, classes))

    @property
    def flags(self) -> int:
        return (
            BookFlag.DEPOSIT * self.deposit
            + BookFlag.CLASSES * self.classes
            + BookFlag.TRADED * (self.last is not None)
        )

    def collar(self, side: int) -> int:
        """The worst price at which a taker of this side trades."""
        return self.collar_high if side == Side.BUY else self.collar_low

    def beyond_collar(self, side: int, price: int) -> bool:
        return beyond(side, price, self.collar(side))

    def worth(self, type_: int, price: int) -> int:
        """Price, without a sign, at which an order counts towards limits."""
        if type_ in UNPRICED_TYPES:
            return max(abs(self.price_min), abs(self.price_max))
        return abs(price)


def beyond(side: int, price: int, limit: int) -> bool:
    """Whether a price is worse than `limit` for who buys or sells."""
    return price > limit if side == Side.BUY else price < limit


class Slots:
    """Order ids: generation << 32 | slot, slots from a FIFO ring that doubles when a slot is wanted and it is empty."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.issued = space.slots_initial
        self.ring = deque(range(self.issued))
        self.generation: dict[int, int] = {}

    def available(self) -> bool:
        return bool(self.ring) or self.issued < self.space.orders

    def take(self) -> int:
        if not self.ring:
            grown = min(2 * self.issued, self.space.orders)
            self.ring.extend(range(self.issued, grown))
            self.issued = grown
        slot = self.ring.popleft()
        self.generation[slot] = self.generation.get(slot, 0) + 1
        return self.generation[slot] << 32 | slot

    def give_back(self, order: int) -> None:
        if order >> 32 < self.space.generations:
            self.ring.append(order & 0xFFFFFFFF)
