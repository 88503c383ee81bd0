"""The checks of a command, in their one order; the first that fails is the answer.

`form_reason` reads the row alone: a refusal there consumes no client id and no stream number. The rest, after the
identity, is remembered as the id's answer. `engine/kernels/validate.py` has the same table.
"""

from __future__ import annotations

from engine.codes import (
    CANCEL_PHASES,
    ENTRY_PHASES,
    MATCHING_PHASES,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
)
from engine.limits import ICEBERG_PARTS_MAX, NOTIONAL_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX, SIDE_TOTAL_LOTS_MAX
from engine.messages.rows import ROW_VERSION
from engine.oracle.identity import TEXT_FORMS, Identity, ref_is_well_formed
from engine.oracle.orders import STOP_TYPES, UNPRICED_TYPES, Book, Order, beyond
from engine.oracle.rows import Extension, Row

NEW, CANCEL, REPLACE, AMEND = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.AMEND
LIMIT, MARKET, MARKET_TO_LIMIT = OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_TO_LIMIT
ICEBERG = OrderType.ICEBERG
POST_ONLY, SLIDE, ALL_OR_NONE, STP_GROUP = OrderFlag
IOC, FOK, AT_AUCTION = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.AT_AUCTION
LASTING = frozenset({TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD})  # an order of these may rest
FLAGS_OF = {
    LIMIT: POST_ONLY | SLIDE | ALL_OR_NONE | STP_GROUP,
    MARKET: ALL_OR_NONE | STP_GROUP,
    MARKET_TO_LIMIT: ALL_OR_NONE | STP_GROUP,
    OrderType.STOP: STP_GROUP,
    OrderType.STOP_LIMIT: STP_GROUP,
    ICEBERG: POST_ONLY | SLIDE | STP_GROUP,
}


def form_reason(row: Row, extensions: int) -> int:
    """Checks of the row's own numbers; `extensions`: how many rows there are."""
    if row.kind not in (NEW, CANCEL, REPLACE, AMEND):
        return Reason.KIND_UNKNOWN
    if row.version != ROW_VERSION:
        return Reason.VERSION_UNKNOWN
    if row.kind in (NEW, REPLACE):
        if row.side > Side.SELL:
            return Reason.SIDE_INVALID
        if row.type > ICEBERG:
            return Reason.TYPE_INVALID
        if row.tif > AT_AUCTION:
            return Reason.TIF_INVALID
        if row.flags > POST_ONLY | SLIDE | ALL_OR_NONE | STP_GROUP:
            return Reason.FLAGS_INVALID
        if row.stp > StpMode.DECREMENT:
            return Reason.STP_INVALID
    else:
        if row.flags:
            return Reason.FLAGS_INVALID
        if row.stp:
            return Reason.STP_INVALID
    if row.extension > (0 if row.kind == CANCEL else extensions):
        return Reason.EXTENSION_INVALID
    return 0


def extension_reason(row: Row, extension: Extension) -> int:
    if extension.principal or extension.group or any(extension.reserved):
        return Reason.EXTENSION_INVALID
    if row.kind == AMEND and (
        extension.display_qty or extension.min_qty or extension.stop_price or extension.expire_at
    ):
        return Reason.EXTENSION_INVALID
    if (row.kind == NEW or row.order) and any(extension.target):
        return Reason.EXTENSION_INVALID
    if row.kind != NEW and not row.order and extension.target_form not in TEXT_FORMS:
        return Reason.REF_INVALID
    return 0


def terms_conflict(row: Row, extension: Extension) -> bool:
    """Whether type, tif, flags and extension contradict each other."""
    post_only, all_or_none = row.flags & POST_ONLY, row.flags & ALL_OR_NONE
    whole = row.type not in (*STOP_TYPES, ICEBERG)  # of a type that may end at once
    return bool(
        row.flags & ~FLAGS_OF[OrderType(row.type)]
        or (not whole and row.tif not in LASTING)
        or (extension.stop_price and row.type not in STOP_TYPES)
        or (extension.display_qty and row.type != ICEBERG)
        or (extension.min_qty and not whole)
        or (extension.expire_at and row.tif != TimeInForce.GTD)
        or (post_only and row.tif not in LASTING)
        or (row.flags & SLIDE and not post_only)
        or (post_only and (all_or_none or extension.min_qty))
        or (all_or_none and extension.min_qty)
        or (row.tif == AT_AUCTION and (row.flags & ~STP_GROUP or extension.min_qty))
        or (row.flags & STP_GROUP and row.stp == StpMode.NONE)
    )


class Entry(Identity):
    def _malformed(self, row: Row, extension: Extension, body: bytes) -> int:
        if row.extension and (reason := extension_reason(row, extension)):
            return reason
        if not ref_is_well_formed(row, body):
            return Reason.REF_INVALID
        if row.account not in self.accounts:
            return Reason.ACCOUNT_UNKNOWN
        if row.instrument not in self.books:
            return Reason.INSTRUMENT_UNKNOWN
        return 0

    def _refusal(self, row: Row, extension: Extension) -> tuple[int, Order | None]:
        """(reason, None), or (0, target) of a command that nothing forbids."""
        book = self.books[row.instrument]
        if row.kind != NEW and book.phase not in CANCEL_PHASES:
            return Reason.PHASE_FORBIDS, None
        if row.kind == CANCEL:
            return self._target(row, extension)
        if book.phase not in ENTRY_PHASES:
            return Reason.PHASE_FORBIDS, None
        if self.stopped:
            return Reason.VENUE_STOPPED, None
        if self.accounts[row.account].frozen:
            return Reason.ACCOUNT_FROZEN, None
        if extension.valid_until and self._ts_ns > extension.valid_until:
            return Reason.VALIDITY_PAST, None
        if row.kind == AMEND:
            return self._amend_refusal(book, row, extension)
        reason = self._terms_reason(book, row, extension)
        if reason:
            return reason, None
        target = None
        if row.kind == REPLACE:
            reason, target = self._target(row, extension)
            if reason or target is None:
                return reason, None
            if target.side != row.side:
                return Reason.SIDE_INVALID, None
            if target.type != row.type:
                return Reason.TYPE_INVALID, None
        return self._room_reason(book, row, target), target

    def _terms_reason(self, book: Book, row: Row, extension: Extension) -> int:
        """What a new or replaced order asks for, before anything else that is open is looked at."""
        matching = book.phase in MATCHING_PHASES
        if terms_conflict(row, extension):
            return Reason.TERMS_CONFLICT
        if not matching:
            if row.tif in (IOC, FOK):
                return Reason.TIF_IN_CALL
            if row.flags & (POST_ONLY | ALL_OR_NONE) or extension.min_qty:
                return Reason.TERMS_IN_CALL
        elif row.tif == AT_AUCTION:
            return Reason.TIF_NEEDS_CALL
        if not 1 <= row.qty <= min(book.qty_max, QTY_LOTS_MAX):
            return Reason.QTY_RANGE
        if row.type in UNPRICED_TYPES:
            if row.price != 0:
                return Reason.PRICE_NOT_ALLOWED
        elif reason := price_reason(book, row.price):
            return reason
        if row.type in STOP_TYPES and (reason := price_reason(book, extension.stop_price)):
            return reason
        if matching and row.type in (LIMIT, ICEBERG) and book.beyond_collar(row.side, row.price):
            return Reason.PRICE_COLLAR
        if row.type == ICEBERG:
            shown = extension.display_qty
            if not 1 <= shown <= row.qty <= shown * ICEBERG_PARTS_MAX:
                return Reason.DISPLAY_RANGE
        if not 0 <= extension.min_qty <= row.qty:
            return Reason.MIN_QTY_RANGE
        if row.tif == TimeInForce.GTD and extension.expire_at <= self._ts_ns:
            return Reason.EXPIRY_PAST
        if book.worth(row.type, row.price) * row.qty * book.multiplier > NOTIONAL_MAX:
            return Reason.NOTIONAL_RANGE
        return 0

    def _room_reason(self, book: Book, row: Row, target: Order | None) -> int:
        """Beside what else is open."""
        given_up = target.qty if target else 0
        if book.sides[row.side].total_lots - given_up + row.qty > SIDE_TOTAL_LOTS_MAX:
            return Reason.SIDE_TOTAL_RANGE
        if row.kind == NEW and not self.slots.available():
            return Reason.ORDERS_FULL
        price = self._entry_price(book, row)
        if price is None:
            return Reason.POST_ONLY_CROSSES
        value = book.worth(row.type, price) * row.qty * book.multiplier
        if value > NOTIONAL_MAX:  # below zero, a buy slides away from zero
            return Reason.NOTIONAL_RANGE
        if book.phase not in MATCHING_PHASES and self._crosses_own(book, row):
            return Reason.SELF_CROSS
        return self._holdings_reason(book, row.account, row.side, row.qty, value, target)

    def _amend_refusal(self, book: Book, row: Row, extension: Extension) -> tuple[int, Order | None]:
        if not 0 <= row.qty <= min(book.qty_max, QTY_LOTS_MAX):
            return Reason.QTY_RANGE, None
        reason, target = self._target(row, extension)
        if reason or target is None:
            return reason, None
        qty = amended_qty(row, target)
        if qty <= target.qty:
            return 0, target
        if target.peak and qty > target.peak * ICEBERG_PARTS_MAX:
            return Reason.DISPLAY_RANGE, None
        value = book.worth(target.type, target.price) * qty * book.multiplier
        if value > NOTIONAL_MAX:
            return Reason.NOTIONAL_RANGE, None
        if book.sides[target.side].total_lots - target.qty + qty > SIDE_TOTAL_LOTS_MAX:
            return Reason.SIDE_TOTAL_RANGE, None
        return self._holdings_reason(book, target.account, target.side, qty, value, target), target

    def _target(self, row: Row, extension: Extension) -> tuple[int, Order | None]:
        """The open order that a CANCEL, REPLACE or AMEND names, or the reason why it may not."""
        number = row.order
        if number == 0:
            ref = (row.ref_form, row.ref_hi, row.ref_lo) if row.kind == CANCEL else extension.target
            number = self.order_of_text(row.account, *ref) or 0
        order = self.orders.get(number)
        if order is None:
            return Reason.ORDER_UNKNOWN, None
        if order.account != row.account:
            return Reason.NOT_OWNER, None
        if order.instrument != row.instrument:
            return Reason.INSTRUMENT_MISMATCH, None
        return 0, order

    def _entry_price(self, book: Book, row: Row) -> int | None:
        """The row's price, or the one that a post-only order slides to; None when it may not stand."""
        best = book.sides[1 - row.side].best()
        if not row.flags & POST_ONLY or best is None or beyond(row.side, best.price, row.price):
            return row.price
        if not row.flags & SLIDE:
            return None
        price = best.price - 1 if row.side == Side.BUY else best.price + 1
        return price if book.price_min <= price <= book.price_max else None

    def _crosses_own(self, book: Book, row: Row) -> bool:
        if row.stp == StpMode.NONE or row.type in STOP_TYPES:
            return False
        by_group = bool(row.flags & STP_GROUP)
        return any(
            self._same_owner(row.account, order.account, by_group)
            and (order.unpriced or row.type in UNPRICED_TYPES or not beyond(row.side, order.price, row.price))
            for order in book.sides[1 - row.side].by_priority()
        )

    def _holdings_reason(self, book: Book, account: int, side: int, qty: int, value: int, target: Order | None) -> int:
        """Limits and stock, were `qty` lots worth `value` open in place of what the target has."""
        given_up = book.worth(target.type, target.price) * target.qty * book.multiplier if target else 0
        limits = self.limits.get((account, book.currency))
        if limits:
            used = self.used[account, book.currency]
            if target is None and limits[2] and used[2] + 1 > limits[2]:
                return Reason.LIMIT_ORDERS
            if limits[side] and used[side] - given_up + value > limits[side]:
                return Reason.LIMIT_NOTIONAL
        if book.deposit and side == Side.SELL:
            lots, promised = self.stock_of(account, book.instrument)
            if promised - (target.qty if target else 0) + qty > lots:
                return Reason.STOCK_SHORT
        return 0

    def _reject(self, row: Row, reason: int, counter_order: int = 0) -> None:
        """Echo what the row says, as far as it is read and in range."""
        reads_terms = row.kind not in (CANCEL, AMEND)
        self._events.emit(
            EventKind.REJECTED,
            reason=reason,
            counter_order=counter_order,
            instrument=row.instrument,
            account=row.account,
            side=row.side if reads_terms and row.side <= 1 else 0,
            price=row.price if reads_terms and abs(row.price) <= PRICE_TICKS_MAX else 0,
            qty=row.qty if row.kind != CANCEL and 1 <= row.qty <= QTY_LOTS_MAX else 0,
            order=max(row.order, 0) if row.kind in (CANCEL, REPLACE, AMEND) else 0,
        )


def price_reason(book: Book, price: int) -> int:
    if abs(price) > PRICE_TICKS_MAX:
        return Reason.PRICE_RANGE
    if not book.price_min <= price <= book.price_max:
        return Reason.PRICE_BAND
    return 0


def amended_qty(row: Row, target: Order) -> int:
    """Open quantity that an AMEND leaves: its total less what was filled."""
    return row.qty - (target.entered_qty - target.qty)
