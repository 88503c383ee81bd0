"""Order books, client ids and slots in plain Python: the rules of the hot path, as short as they can be said.

Read `_decide` for the order of the checks (the table stands in `engine/kernels/validate.py`), `_match` for price-time
priority. A side is a sorted map from rank to a queue of orders; rank is the price for sells and its negative for buys,
so that the best level of either side comes first.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sortedcontainers import SortedDict

from engine.codes import (
    CANCEL_PHASES,
    COLD_FIRST,
    ENTRY_PHASES,
    MATCHING_PHASES,
    CommandKind,
    EventFlag,
    EventKind,
    FeeClass,
    OrderType,
    Phase,
    Reason,
    RefForm,
    Side,
    TimeInForce,
)
from engine.domain.curve import Curve
from engine.limits import (
    CLIENT_ID_MEMORY_NS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    SIDE_TOTAL_LOTS_MAX,
)
from engine.messages.refs import exact_text, is_digest_of, is_exact_text
from engine.messages.rows import EVENT, ROW_VERSION
from engine.state.hot import (
    BOOK_VIEW,
    CLIENT_ID_VIEW,
    LEVEL_VIEW,
    ORDER_VIEW,
    SLOTS_VIEW,
    STREAM_VIEW,
    Section,
    Space,
)
from engine.state.sections import canonical_parts, orders_by_book, texts_of

TEXT_FORMS = (RefForm.TEXT, RefForm.DIGEST)


class Row(NamedTuple):
    """A command row as Python numbers; the fields of COMMAND, in its order."""

    kind: int
    side: int
    type: int
    tif: int
    flags: int
    stp: int
    version: int
    ref_form: int
    instrument: int
    account: int
    connection: int
    price: int
    qty: int
    order: int
    ref_hi: int
    ref_lo: int
    extension: int
    body_length: int

    @property
    def unpriced(self) -> bool:
        return self.type == OrderType.MARKET


@dataclass(slots=True)
class Order:
    order: int
    seq: int
    qty: int
    entered_qty: int
    account: int
    instrument: int
    price: int
    side: int
    type: int
    tif: int
    ref: tuple[int, int, int]  # form, hi, lo
    text: str | None
    client_ids: list[ClientId] = field(default_factory=list)  # its own and those of its replaces

    @property
    def unpriced(self) -> bool:
        return self.type == OrderType.MARKET

    def view(self) -> tuple:
        return (
            self.order, self.seq, self.qty, self.entered_qty, self.account, self.instrument, self.price, self.side,
            self.type, self.tif, *self.ref,
        )  # fmt: skip


@dataclass(slots=True)
class ClientId:
    body_hash: int
    seq: int
    order: int = 0
    reason: int = 0
    closed_ns: int = -1


Queue = OrderedDict[int, Order]  # by arrival


class BookSide:
    """Open orders of one side: unpriced ones by arrival, the others by rank and arrival."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.unpriced: Queue = OrderedDict()
        self.levels: SortedDict = SortedDict()  # rank -> Queue
        self.total_lots = 0

    def rank(self, price: int) -> int:
        return -price if self.side == Side.BUY else price

    def queue_of(self, order: Order) -> Queue:
        if order.unpriced:
            return self.unpriced
        return self.levels.setdefault(self.rank(order.price), OrderedDict())

    def add(self, order: Order) -> None:
        self.queue_of(order)[order.order] = order
        self.total_lots += order.qty

    def remove(self, order: Order) -> None:
        queue = self.queue_of(order)
        del queue[order.order]
        if not queue and not order.unpriced:
            del self.levels[self.rank(order.price)]
        self.total_lots -= order.qty

    def reduce(self, order: Order, qty: int) -> None:
        order.qty -= qty
        self.total_lots -= qty

    def willing(self, limit: int | None) -> Iterator[Order]:
        """Priced orders in priority order that trade with an opposite limit (None: any)."""
        for rank in list(self.levels):
            if limit is not None and rank > self.rank(limit):
                return
            yield from list(self.levels[rank].values())

    def by_priority(self) -> Iterator[Order]:
        yield from self.unpriced.values()
        for queue in self.levels.values():
            yield from queue.values()


class Book:
    def __init__(self, instrument: int, multiplier: int, price_min: int, price_max: int, qty_max: int) -> None:
        self.instrument = instrument
        self.phase = int(Phase.CLOSED)
        self.multiplier, self.price_min, self.price_max, self.qty_max = multiplier, price_min, price_max, qty_max
        self.sides = (BookSide(Side.BUY), BookSide(Side.SELL))


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


class Books:
    """Fulfils `engine.state.hot.Hot`."""

    def __init__(self, space: Space = Space()) -> None:
        self.space = space
        self.books: dict[int, Book] = {}
        self.accounts: set[int] = set()
        self.orders: dict[int, Order] = {}
        self.slots = Slots(space)
        self.streams: dict[tuple[int, int], int] = {}  # (account, stream) -> last number taken
        self.client_ids: dict[tuple[int, int, int, int], ClientId] = {}  # (account, form, hi, lo)
        self.streams_of: Counter[int] = Counter()  # streams by account
        self.client_ids_of: Counter[int] = Counter()
        self._events: list[tuple] = []

    # Registers

    def list_instrument(
        self, instrument: int, *, multiplier: int, price_min: int, price_max: int, qty_max: int
    ) -> None:
        assert instrument not in self.books
        self.books[instrument] = Book(instrument, multiplier, price_min, price_max, qty_max)

    def open_account(self, account: int) -> None:
        self.accounts.add(account)

    def set_phase(self, instrument: int, phase: int) -> None:
        self.books[instrument].phase = int(phase)

    def phase(self, instrument: int) -> int:
        return self.books[instrument].phase

    # Commands

    def run(
        self,
        rows: np.ndarray,
        extensions: np.ndarray,
        bodies: list[bytes] | None,
        row: int,
        *,
        first_seq: int,
        ts_ns: int,
        first_index: int = 0,
    ) -> tuple[int, np.ndarray]:
        blocks = []
        self._ts_ns = ts_ns
        start = row
        while row < len(rows) and rows[row]["kind"] < COLD_FIRST:
            command = Row(*rows[row].item())
            self._seq, self._extensions = first_seq + row, extensions
            self._body = bodies[row] if bodies is not None else b""
            self._events = []
            self._command(command)
            blocks.append(self._block(row, first_index if row == start else 0, last=True))
            row += 1
        return row, np.concatenate(blocks) if blocks else np.zeros(0, EVENT)

    def _block(self, command: int, first_index: int, *, last: bool) -> np.ndarray:
        events = np.array(self._events, EVENT) if self._events else np.zeros(0, EVENT)
        events["command"] = command
        events["index"] = first_index + np.arange(len(events))
        if last:
            events["flags"][-1] |= EventFlag.LAST
        return events

    def _emit(self, kind: int, *, side=0, flags=0, reason=0, fee_class=0, instrument=0, price=0, account=0,
              counter_account=0, order=0, counter_order=0, qty=0, leaves=0) -> None:  # fmt: skip
        self._events.append((kind, side, flags, reason, fee_class, 0, 0, instrument, price, account, counter_account,
                             order, counter_order, qty, leaves))  # fmt: skip

    def _of_order(self, kind: int, order: Order, qty: int, reason: int = 0) -> None:
        flags = EventFlag.UNPRICED if order.unpriced else 0
        self._emit(kind, side=order.side, flags=flags, reason=reason, instrument=order.instrument, price=order.price,
                   account=order.account, order=order.order, qty=qty)  # fmt: skip

    def _reject(self, row: Row, reason: int, counter_order: int = 0) -> None:
        """Echo what the row says, as far as it is in range."""
        reads_terms = row.kind != CommandKind.CANCEL
        self._emit(
            EventKind.REJECTED,
            reason=reason,
            counter_order=counter_order,
            instrument=row.instrument,
            account=row.account,
            side=row.side if reads_terms and row.side <= 1 else 0,
            price=row.price if reads_terms and abs(row.price) <= PRICE_TICKS_MAX else 0,
            qty=row.qty if reads_terms and 1 <= row.qty <= QTY_LOTS_MAX else 0,
            order=max(row.order, 0) if row.kind in (CommandKind.CANCEL, CommandKind.REPLACE) else 0,
        )

    def _command(self, row: Row) -> None:
        reason = self._malformed(row)
        if reason:
            self._reject(row, reason)
            return
        remembered = None
        if row.ref_form == RefForm.STREAM:
            stream = (row.account, row.ref_hi)
            last = self.streams.get(stream, 0)
            if row.ref_lo <= last:
                self._reject(row, Reason.STALE_REF, counter_order=last)
                return
            if stream not in self.streams:
                if self.streams_of[row.account] >= self.space.streams_share:
                    self._reject(row, Reason.STREAMS_SHARE_FULL)
                    return
                if len(self.streams) == self.space.streams:
                    self._reject(row, Reason.STREAMS_FULL)
                    return
                self.streams_of[row.account] += 1
            self.streams[stream] = row.ref_lo
        elif row.ref_form in TEXT_FORMS and row.kind != CommandKind.CANCEL:
            key = (row.account, row.ref_form, row.ref_hi, row.ref_lo)
            body_hash = self._body_hash(row)
            first = self.client_ids.get(key)
            if first is not None:
                if first.body_hash != body_hash:
                    self._reject(row, Reason.CLIENT_ID_REUSED)
                else:
                    self._emit(EventKind.DUPLICATE, reason=first.reason, instrument=row.instrument,
                               account=row.account, order=first.order, counter_order=first.seq)  # fmt: skip
                return
            if self.client_ids_of[row.account] >= self.space.client_ids_share:
                self._reject(row, Reason.CLIENT_IDS_SHARE_FULL)
                return
            if len(self.client_ids) == self.space.client_ids:
                self._reject(row, Reason.CLIENT_IDS_FULL)
                return
            self.client_ids_of[row.account] += 1
            remembered = self.client_ids[key] = ClientId(body_hash, self._seq)

        reason, target = self._refusal(row)
        if reason:
            self._reject(row, reason)
            if remembered:
                remembered.reason, remembered.closed_ns = reason, self._ts_ns
            return
        if row.kind == CommandKind.CANCEL:
            assert target is not None
            self._of_order(EventKind.CANCELLED, target, target.qty, Reason.BY_OWNER)
            self._side_of(target).remove(target)
            self._end(target)
            return
        if row.kind == CommandKind.NEW:
            text = None
            if row.ref_form == RefForm.TEXT:
                text = exact_text(row.ref_hi, row.ref_lo)
            elif row.ref_form == RefForm.DIGEST:
                text = self._body.decode("ascii")
            order = Order(self.slots.take(), self._seq, row.qty, row.qty, row.account, row.instrument, row.price,
                          row.side, row.type, row.tif, (row.ref_form, row.ref_hi, row.ref_lo), text)  # fmt: skip
            self.orders[order.order] = order
            self._of_order(EventKind.ACCEPTED, order, row.qty)
        else:
            assert target is not None
            order = target
            self._side_of(order).remove(order)
            order.seq, order.qty, order.entered_qty, order.price, order.tif = (
                self._seq, row.qty, row.qty, row.price, row.tif,
            )  # fmt: skip
            self._of_order(EventKind.REPLACED, order, row.qty)
        if remembered:
            remembered.order = order.order
            order.client_ids.append(remembered)
        self._arrive(order)

    def _malformed(self, row: Row) -> int:
        """Checks of form, account and instrument: a refusal here consumes no client id and no stream number."""
        cancel = row.kind == CommandKind.CANCEL
        if row.kind == CommandKind.AMEND:
            return Reason.KIND_UNSUPPORTED
        if row.kind not in (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE):
            return Reason.KIND_UNKNOWN
        if row.version != ROW_VERSION:
            return Reason.VERSION_UNKNOWN
        if not cancel:
            if row.side > Side.SELL:
                return Reason.SIDE_INVALID
            if row.type > OrderType.MARKET:
                return Reason.TYPE_UNSUPPORTED if row.type <= max(OrderType) else Reason.TYPE_INVALID
            if row.tif > TimeInForce.FOK:
                return Reason.TIF_UNSUPPORTED if row.tif <= max(TimeInForce) else Reason.TIF_INVALID
        if row.flags:
            return Reason.FLAGS_INVALID
        if row.stp:
            return Reason.STP_INVALID
        if row.extension:
            if row.kind != CommandKind.REPLACE or row.order or row.extension > len(self._extensions):
                return Reason.EXTENSION_INVALID
            extension = self._extensions[row.extension - 1]
            others = set(extension.dtype.names) - {"target_form", "target_hi", "target_lo"}
            if any(np.any(extension[name]) for name in others):
                return Reason.EXTENSION_INVALID
            if extension["target_form"] not in TEXT_FORMS:
                return Reason.REF_INVALID
        if not self._ref_is_well_formed(row):
            return Reason.REF_INVALID
        if row.account not in self.accounts:
            return Reason.ACCOUNT_UNKNOWN
        if row.instrument not in self.books:
            return Reason.INSTRUMENT_UNKNOWN
        return 0

    def _ref_is_well_formed(self, row: Row) -> bool:
        if row.body_length != len(self._body) or (self._body and row.ref_form != RefForm.DIGEST):
            return False
        match row.ref_form:
            case RefForm.NONE:
                return row.ref_hi == 0 and row.ref_lo == 0
            case RefForm.STREAM:
                return row.ref_hi < 2**32 and row.ref_lo < 2**63
            case RefForm.TEXT:
                return is_exact_text(row.ref_hi, row.ref_lo)
            case RefForm.DIGEST:
                if row.kind == CommandKind.CANCEL and not self._body:
                    return True
                return is_digest_of(self._body, row.ref_hi, row.ref_lo)
        return False

    def _target_ref(self, row: Row) -> tuple[int, int, int]:
        """Text id that names the target of a REPLACE; (0, 0, 0) when the row names it by order id."""
        if not row.extension:
            return 0, 0, 0
        extension = self._extensions[row.extension - 1]
        return int(extension["target_form"]), int(extension["target_hi"]), int(extension["target_lo"])

    def _body_hash(self, row: Row) -> int:
        """64 bits over what the command says: connection, account, reference and version left out."""
        terms = row.kind | row.side << 8 | row.type << 16 | row.tif << 24 | row.flags << 32 | row.stp << 40
        words = (terms, row.instrument | (row.price % 2**32) << 32, row.qty, row.order, *self._target_ref(row))
        value = 0xCBF29CE484222325
        for word in words:
            value = (value ^ word % 2**64) * 0x9E3779B97F4A7C15 % 2**64
            value ^= value >> 32
        return value

    def _refusal(self, row: Row) -> tuple[int, Order | None]:
        """Checks after the identity step: a refusal here is the remembered answer. (0, target) when there is none."""
        book = self.books[row.instrument]
        if row.kind != CommandKind.NEW and book.phase not in CANCEL_PHASES:
            return Reason.PHASE_FORBIDS, None
        if row.kind == CommandKind.CANCEL:
            return self._target(row)
        if book.phase not in ENTRY_PHASES:
            return Reason.PHASE_FORBIDS, None
        if book.phase not in MATCHING_PHASES and row.tif != TimeInForce.GTC:
            return Reason.TIF_IN_CALL, None
        if not 1 <= row.qty <= min(QTY_LOTS_MAX, book.qty_max):
            return Reason.QTY_RANGE, None
        if row.unpriced:
            if row.price != 0:
                return Reason.PRICE_NOT_ALLOWED, None
            price_size = max(abs(book.price_min), abs(book.price_max))
        else:
            if abs(row.price) > PRICE_TICKS_MAX:
                return Reason.PRICE_RANGE, None
            if not book.price_min <= row.price <= book.price_max:
                return Reason.PRICE_BAND, None
            price_size = abs(row.price)
        if price_size * row.qty * book.multiplier > NOTIONAL_MAX:
            return Reason.NOTIONAL_RANGE, None
        target = None
        if row.kind == CommandKind.REPLACE:
            reason, target = self._target(row)
            if reason:
                return reason, None
            assert target is not None
            if target.side != row.side:
                return Reason.SIDE_INVALID, None
            if target.type != row.type:
                return Reason.TYPE_INVALID, None
        given_up = target.qty if target else 0
        if book.sides[row.side].total_lots - given_up + row.qty > SIDE_TOTAL_LOTS_MAX:
            return Reason.SIDE_TOTAL_RANGE, None
        if row.kind == CommandKind.NEW and not self.slots.available():
            return Reason.ORDERS_FULL, None
        return 0, target

    def _target(self, row: Row) -> tuple[int, Order | None]:
        """The open order that a CANCEL or REPLACE names, or the reason why it may not."""
        number = row.order
        if number == 0:
            ref = self._target_ref(row)
            if row.kind == CommandKind.CANCEL:
                ref = row.ref_form, row.ref_hi, row.ref_lo
            number = self.order_of_text(row.account, *ref) or 0
        order = self.orders.get(number)
        if order is None:
            return Reason.ORDER_UNKNOWN, None
        if order.account != row.account:
            return Reason.NOT_OWNER, None
        if order.instrument != row.instrument:
            return Reason.INSTRUMENT_MISMATCH, None
        return 0, order

    # Matching

    def _side_of(self, order: Order) -> BookSide:
        return self.books[order.instrument].sides[order.side]

    def _arrive(self, taker: Order) -> None:
        """A new or replaced order meets the book: trade what crosses, rest or cancel what is left."""
        book = self.books[taker.instrument]
        if book.phase not in MATCHING_PHASES:
            book.sides[taker.side].add(taker)
            return
        makers = book.sides[1 - taker.side]
        limit = None if taker.unpriced else taker.price
        if taker.tif == TimeInForce.FOK:
            wanted = taker.qty
            for maker in makers.willing(limit):
                wanted -= maker.qty
                if wanted <= 0:
                    break
            else:
                self._of_order(EventKind.CANCELLED, taker, taker.qty, Reason.FOK_UNFILLABLE)
                self._end(taker)
                return
        self._match(taker, makers, limit)
        if taker.qty == 0:
            self._end(taker)
        elif taker.unpriced or taker.tif == TimeInForce.IOC:
            reason = Reason.IOC_REMAINDER if taker.tif == TimeInForce.IOC else Reason.MARKET_REMAINDER
            self._of_order(EventKind.CANCELLED, taker, taker.qty, reason)
            self._end(taker)
        else:
            book.sides[taker.side].add(taker)

    def _match(self, taker: Order, makers: BookSide, limit: int | None) -> None:
        """Best price first, oldest first, always at the maker's price."""
        while taker.qty and makers.levels:
            rank, queue = makers.levels.peekitem(0)
            if limit is not None and rank > makers.rank(limit):
                return
            maker = next(iter(queue.values()))
            traded = min(taker.qty, maker.qty)
            self._trade(maker, traded)
            taker.qty -= traded
            self._emit(
                EventKind.FILL, side=taker.side, fee_class=FeeClass.CONTINUOUS, instrument=taker.instrument,
                price=maker.price, account=taker.account, counter_account=maker.account, order=taker.order,
                counter_order=maker.order, qty=traded, leaves=maker.qty,
            )  # fmt: skip

    def _trade(self, resting: Order, qty: int) -> None:
        side = self._side_of(resting)
        side.reduce(resting, qty)
        if resting.qty == 0:
            side.remove(resting)
            self._end(resting)

    def _end(self, order: Order) -> None:
        """An order that is no longer in the book: its slot is free, its client ids begin to be forgotten."""
        del self.orders[order.order]
        self.slots.give_back(order.order)
        for client_id in order.client_ids:
            client_id.closed_ns = self._ts_ns

    # Calls

    def curve(self, instrument: int) -> Curve:
        sides = self.books[instrument].sides
        at: dict[int, list[int]] = {}
        for side in sides:
            for queue in side.levels.values():
                for order in queue.values():
                    at.setdefault(order.price, [0, 0])[order.side] += order.qty
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
        self._ts_ns, self._events = ts_ns, []
        buys, sells = self.books[instrument].sides
        while volume_lots and price_ticks is not None:
            buy, sell = next(buys.by_priority()), next(sells.by_priority())
            assert buy.unpriced or buy.price >= price_ticks, "more volume than willing buyers"
            assert sell.unpriced or sell.price <= price_ticks, "more volume than willing sellers"
            traded = min(buy.qty, sell.qty, volume_lots)
            volume_lots -= traded
            self._trade(buy, traded)
            self._trade(sell, traded)
            self._emit(
                EventKind.FILL, side=Side.BUY, flags=EventFlag.AUCTION, fee_class=FeeClass.CALL, instrument=instrument,
                price=price_ticks, account=buy.account, counter_account=sell.account, order=buy.order,
                counter_order=sell.order, qty=traded, leaves=sell.qty,
            )  # fmt: skip
        for side in (buys, sells):
            for order in list(side.unpriced.values()):
                self._of_order(EventKind.CANCELLED, order, order.qty, Reason.UNPRICED_REMAINDER)
                side.remove(order)
                self._end(order)
        return self._block(command, first_index, last=False)

    def sweep_client_ids(self, now_ns: int) -> None:
        self.client_ids = {
            key: known
            for key, known in self.client_ids.items()
            if known.closed_ns < 0 or known.closed_ns > now_ns - CLIENT_ID_MEMORY_NS
        }
        self.client_ids_of = Counter(account for account, *_ in self.client_ids)

    # Readers

    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        levels = self.books[instrument].sides[side].levels
        view = []
        for rank in levels.islice(0, limit):
            queue = levels[rank]
            price = -rank if side == Side.BUY else rank
            view.append((price, sum(order.qty for order in queue.values()), len(queue)))
        return np.array(view, LEVEL_VIEW)

    def orders_of(self, account: int) -> np.ndarray:
        own = sorted((order for order in self.orders.values() if order.account == account), key=lambda o: o.order)
        return np.array([order.view() for order in own], ORDER_VIEW)

    def order(self, order: int) -> np.void | None:
        found = self.orders.get(order)
        return np.array([found.view()], ORDER_VIEW)[0] if found else None

    def text_of(self, order: int) -> str | None:
        found = self.orders.get(order)
        return found.text if found else None

    def order_of_text(self, account: int, form: int, hi: int, lo: int) -> int | None:
        known = self.client_ids.get((account, form, hi, lo))
        return known.order if known and known.order in self.orders else None

    # The whole of it

    def sections(self) -> dict[str, Section]:
        """See `engine.state.sections`."""
        heads, orders = [], []
        for number in sorted(self.books):
            book = self.books[number]
            sides = [[order.view() for order in side.by_priority()] for side in book.sides]
            head = (number, book.phase, book.multiplier, book.price_min, book.price_max, book.qty_max)
            heads.append((*head, len(sides[0]), len(sides[1])))
            orders += sides[0] + sides[1]
        known = []
        for account, form, hi, lo in sorted(self.client_ids):
            entry = self.client_ids[account, form, hi, lo]
            known.append((account, form, entry.reason, hi, lo, entry.body_hash, entry.order, entry.seq,
                          entry.closed_ns))  # fmt: skip
        texts = [
            f"{order.order}={order.text}\n"
            for _, order in sorted(self.orders.items())
            if order.ref[0] == RefForm.DIGEST
        ]
        used = len(self.slots.generation)
        given_back = list(self.slots.ring)[self.slots.issued - used :]
        return {
            "books": np.array(heads, BOOK_VIEW),
            "orders": np.array(orders, ORDER_VIEW),
            "accounts": np.array(sorted(self.accounts), np.uint32),
            "streams": np.array([(*key, self.streams[key]) for key in sorted(self.streams)], STREAM_VIEW),
            "client_ids": np.array(known, CLIENT_ID_VIEW),
            "texts": "".join(texts).encode("ascii"),
            "slots": np.array([(self.slots.issued, used)], SLOTS_VIEW),
            "lives": np.array([self.slots.generation[slot] for slot in range(used)], np.uint32),
            "ring": np.array(given_back, np.int32),
        }

    def load(self, sections: Mapping[str, Any]) -> None:
        """Become the state that `sections` tell."""
        assert not self.books and not self.slots.generation, "only books that were never used are loaded"
        self.accounts = set(sections["accounts"].tolist())
        (issued, used), ring = sections["slots"].tolist()[0], sections["ring"].tolist()
        self.slots.issued = issued
        self.slots.ring = deque([*range(used, issued), *ring])
        self.slots.generation = dict(enumerate(sections["lives"].tolist()))
        texts = texts_of(sections)
        for head, buys, sells in orders_by_book(sections):
            number, phase, *terms = head.tolist()[:6]
            book = self.books[number] = Book(number, *terms)
            book.phase = phase
            for row in buys.tolist() + sells.tolist():
                order = Order(*row[:10], row[10:], texts.get(row[0]))  # type: ignore[call-arg]
                if order.ref[0] == RefForm.TEXT:
                    order.text = exact_text(*order.ref[1:])
                self.orders[order.order] = order
                book.sides[order.side].add(order)
        self.streams = {(account, stream): last for account, stream, last in sections["streams"].tolist()}
        for account, form, reason, hi, lo, body_hash, made, seq, closed_ns in sections["client_ids"].tolist():
            entry = self.client_ids[account, form, hi, lo] = ClientId(body_hash, seq, made, reason, closed_ns)
            if closed_ns < 0:
                self.orders[made].client_ids.append(entry)
        self.streams_of = Counter(account for account, _ in self.streams)
        self.client_ids_of = Counter(account for account, *_ in self.client_ids)

    def canonical(self) -> Iterator[tuple[str, bytes]]:
        return canonical_parts(self.sections())
