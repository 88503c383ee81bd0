"""The state that the rules work on: books, accounts, orders at rest, what they are held for, ids."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sortedcontainers import SortedSet

from engine.codes import EventFlag, EventKind, Side
from engine.limits import SIDE_TOTAL_LOTS_MAX
from engine.oracle.orders import Book, BookSide, ClientId, Order, Slots
from engine.oracle.rows import Events
from engine.state.hot import SIDE_BOTH, TIF_ANY, Space, Which


@dataclass(slots=True)
class Account:
    frozen: bool = False
    group: int = 0  # 0: none
    coop: bool = False


class Venue:
    """An order is open from its acceptance to `_end`, and at rest while it stands in its book: a taker, or a stop that
    was elected and has not acted yet, is open and not at rest. Limits and promised stock are counted for orders at
    rest; they are looked at only between commands, when every open order is.
    """

    def __init__(self, space: Space = Space()) -> None:
        self.space = space
        self.stopped = False
        self.books: dict[int, Book] = {}
        self.accounts: dict[int, Account] = {}
        self.orders: dict[int, Order] = {}
        self.expiries: SortedSet = SortedSet()  # (expire_at, order)
        self.slots = Slots(space)
        # Identity
        self.streams: dict[tuple[int, int], int] = {}  # (account, stream) -> last number taken
        self.client_ids: dict[tuple[int, int, int, int], ClientId] = {}  # (account, form, hi, lo)
        self.streams_of: Counter[int] = Counter()  # streams by account
        self.client_ids_of: Counter[int] = Counter()
        # Holdings
        self.limits: dict[tuple[int, int], tuple[int, int, int]] = {}  # (account, currency) -> buy, sell, orders
        self.used: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])  # the same, of what is at rest
        self.stock: Counter[tuple[int, int]] = Counter()  # (account, instrument) -> lots
        self.deposited: Counter[int] = Counter()  # the same of all accounts, by instrument
        self.promised: Counter[tuple[int, int]] = Counter()  # of which to sells at rest
        # The command in hand
        self._events = Events()
        self._seq = self._ts_ns = 0

    # Registers

    def list_instrument(self, instrument: int, *, multiplier: int, price_min: int, price_max: int, qty_max: int,
                        currency: int = 0, deposit: bool = False, classes: bool = False) -> None:  # fmt: skip
        assert instrument not in self.books
        self.books[instrument] = Book(instrument, multiplier, price_min, price_max, qty_max, currency, deposit, classes)

    def change_instrument(self, instrument: int, *, qty_max: int) -> None:
        self.books[instrument].qty_max = qty_max

    def delist_instrument(self, instrument: int) -> None:
        assert not self.has_orders(Which(instrument=instrument))
        del self.books[instrument]
        for key in [key for key in self.stock if key[1] == instrument]:
            del self.stock[key]
        del self.deposited[instrument]

    def set_collar(self, instrument: int, low: int, high: int) -> None:
        assert low <= high
        book = self.books[instrument]
        book.collar_low, book.collar_high = low, high

    def set_phase(self, instrument: int, phase: int) -> None:
        self.books[instrument].phase = int(phase)

    def phase(self, instrument: int) -> int:
        return self.books[instrument].phase

    def last(self, instrument: int) -> int | None:
        return self.books[instrument].last

    def open_account(self, account: int) -> None:
        self.accounts.setdefault(account, Account())

    def set_account(self, account: int, *, frozen: bool, group: int, coop: bool) -> None:
        known = self.accounts[account]
        assert (known.group, known.coop) == (group, coop) or not self.has_orders(Which(account=account))
        known.frozen, known.group, known.coop = bool(frozen), group, bool(coop)

    def set_stopped(self, stopped: bool) -> None:
        self.stopped = bool(stopped)

    def has_orders(self, which: Which) -> bool:
        return next(self._chosen(which), None) is not None

    # Limits and stock

    def set_limits(self, account: int, currency: int, *, buy_max: int, sell_max: int, orders_max: int) -> None:
        assert account in self.accounts and min(buy_max, sell_max, orders_max) >= 0
        if buy_max or sell_max or orders_max:
            self.limits[account, currency] = buy_max, sell_max, orders_max
        else:
            self.limits.pop((account, currency), None)

    def limits_of(self, account: int, currency: int) -> tuple[int, int, int]:
        if (account, currency) not in self.limits:
            return 0, 0, 0
        buy, sell, orders = self.used[account, currency]
        return buy, sell, orders

    def add_stock(self, account: int, instrument: int, lots: int) -> bool:
        assert account in self.accounts and self.books[instrument].deposit
        key = account, instrument
        if self.stock[key] + lots < self.promised[key] or self.deposited[instrument] + lots > SIDE_TOTAL_LOTS_MAX:
            return False
        self.stock[key] += lots
        self.deposited[instrument] += lots
        return True

    def stock_of(self, account: int, instrument: int) -> tuple[int, int]:
        return self.stock[account, instrument], self.promised[account, instrument]

    def move_stock(self, instrument: int, seller: int, buyer: int, lots: int) -> bool:
        key = buyer, instrument
        if self.stock[key] - self.promised[key] < lots:
            return False
        self.stock[key] -= lots
        self.stock[seller, instrument] += lots
        return True

    def _count(self, order: Order, lots: int, orders: int) -> None:
        """So many lots, and orders, more at rest (fewer, when negative)."""
        book = self.books[order.instrument]
        used = self.used[order.account, book.currency]
        used[order.side] += book.worth(order.type, order.price) * lots * book.multiplier
        used[2] += orders
        if book.deposit and order.side == Side.SELL:
            self.promised[order.account, order.instrument] += lots

    # Orders

    def _same_owner(self, account: int, other: int, by_group: bool) -> bool:
        if account == other:
            return True
        group = self.accounts[account].group
        return by_group and group != 0 and group == self.accounts[other].group

    def _side_of(self, order: Order) -> BookSide:
        return self.books[order.instrument].sides[order.side]

    def _rest(self, order: Order) -> None:
        """At the end of its queue, where nobody asks any more how it prevents self-trade unless it is a stop."""
        if not order.waiting:
            order.stp, order.stp_group = 0, False
        self._side_of(order).add(order)
        self._count(order, order.qty, 1)

    def _take_out(self, order: Order) -> None:
        self._side_of(order).remove(order)
        self._count(order, -order.qty, -1)

    def _reduce(self, order: Order, lots: int) -> None:
        """An order at rest has fewer lots open; with none it is over."""
        order.qty -= lots
        self._side_of(order).total_lots -= lots
        self._count(order, -lots, 0)
        if order.qty == 0:
            self._take_out(order)
            self._end(order)

    def _end(self, order: Order) -> None:
        """It is no longer open: its slot is free, its client ids begin to be forgotten."""
        del self.orders[order.order]
        self.expiries.discard((order.expire_at, order.order))
        self.slots.give_back(order.order)
        for client_id in order.client_ids:
            client_id.closed_ns = self._ts_ns

    def _cancel_at_rest(self, order: Order, reason: int) -> None:
        self._tell(EventKind.CANCELLED, order, order.qty, reason)
        self._take_out(order)
        self._end(order)

    def _chosen(self, which: Which) -> Iterator[Order]:
        """Open orders that fulfil all that is said, by rising id."""
        for _, order in sorted(self.orders.items()):
            if (
                which.account in (0, order.account)
                and which.instrument in (0, order.instrument)
                and which.side in (SIDE_BOTH, order.side)
                and which.tif in (TIF_ANY, order.tif)
            ):
                yield order

    # Events

    def _tell(self, kind: int, order: Order, qty: int, reason: int = 0, leaves: int = 0) -> None:
        """An event that shows the order's price and what kind of price it is."""
        flags = EventFlag.UNPRICED * order.unpriced | EventFlag.STOP * order.waiting
        self._events.emit(
            kind, side=order.side, flags=flags, reason=reason, instrument=order.instrument, price=order.price,
            account=order.account, order=order.order, qty=qty, leaves=leaves,
        )  # fmt: skip
