"""Order books, client ids and slots in plain Python: the rules of the hot path, as short as they can be said.

rows       command rows in, event rows out
orders     orders, sides of a book, slots
venue      the state, its registers, what is at rest
identity   stream numbers and text ids
entry      the checks of a command, in their order
matching   continuous trading, stops, self-trade prevention
calls      curve and uncross
sections   readers, the state as arrays and back
"""

from __future__ import annotations

import numpy as np

from engine.codes import COLD_FIRST, CommandKind, EventKind, Reason, RefForm, TimeInForce
from engine.messages.refs import exact_text
from engine.oracle.calls import Calls
from engine.oracle.entry import ALL_OR_NONE, FOK, STP_GROUP, Entry, amended_qty, form_reason
from engine.oracle.orders import STOP_TYPES, Order
from engine.oracle.rows import Extension, Row, extension_at, rows_from
from engine.oracle.sections import Sections
from engine.state.hot import Which


class Books(Entry, Calls, Sections):
    """Fulfils `engine.state.hot.Hot`."""

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
        self._ts_ns, index = ts_ns, first_index
        for command in rows_from(rows, row):
            if command.kind >= COLD_FIRST:
                break
            self._seq = first_seq + row
            self._events.begin(row, index)
            self._command(command, extensions, bodies[row] if bodies is not None else b"")
            self._events.end_command()
            row, index = row + 1, 0
        return row, self._events.take()

    def _command(self, row: Row, extensions: np.ndarray, body: bytes) -> None:
        reason = form_reason(row, len(extensions))
        if reason:
            self._reject(row, reason)
            return
        extension = extension_at(extensions, row.extension)
        reason = self._malformed(row, extension, body)
        if reason:
            self._reject(row, reason)
            return
        is_new, remembered = self._identify(row, extension)
        if not is_new:
            return
        reason, target = self._refusal(row, extension)
        if reason:
            self._reject(row, reason)
            if remembered:
                remembered.reason, remembered.closed_ns = reason, self._ts_ns
            return
        if row.kind == CommandKind.NEW:
            target = self._opened(row, body)
        assert target is not None
        if remembered:
            remembered.order = target.order
            target.client_ids.append(remembered)
        if row.kind == CommandKind.CANCEL:
            self._cancel_at_rest(target, Reason.BY_OWNER)
        elif row.kind == CommandKind.AMEND:
            self._amend(target, row)
        else:
            self._enter(target, row, extension)

    def _opened(self, row: Row, body: bytes) -> Order:
        text = None
        if row.ref_form == RefForm.TEXT:
            text = exact_text(row.ref_hi, row.ref_lo)
        elif row.ref_form == RefForm.DIGEST:
            text = body.decode("ascii")
        order = Order(self.slots.take(), self._seq, 0, 0, row.account, row.instrument, 0, row.side, row.type, row.tif,
                      (row.ref_form, row.ref_hi, row.ref_lo), text, coop=self.accounts[row.account].coop)  # fmt: skip
        self.orders[order.order] = order
        return order

    def _enter(self, order: Order, row: Row, extension: Extension) -> None:
        """A new order, or one that gives up its place and terms for those of the row."""
        price = self._entry_price(self.books[row.instrument], row)
        assert price is not None
        if row.kind == CommandKind.REPLACE:
            self._take_out(order)
            self.expiries.discard((order.expire_at, order.order))
        order.seq, order.qty, order.entered_qty, order.price, order.tif = self._seq, row.qty, row.qty, price, row.tif
        order.peak, order.stop_price, order.waiting = (
            extension.display_qty,
            extension.stop_price,
            row.type in STOP_TYPES,
        )
        order.stp, order.stp_group = row.stp, bool(row.flags & STP_GROUP)
        order.expire_at = extension.expire_at
        if row.tif == TimeInForce.GTD:
            self.expiries.add((order.expire_at, order.order))
        self._tell(EventKind.ACCEPTED if row.kind == CommandKind.NEW else EventKind.REPLACED, order, row.qty)
        whole = row.tif == FOK or row.flags & ALL_OR_NONE
        self._arrive(order, row.qty if whole else extension.min_qty)

    def _amend(self, order: Order, row: Row) -> None:
        """Another total quantity: lower keeps the place, higher goes to the end of it; nothing trades."""
        qty = amended_qty(row, order)
        if qty <= 0:
            self._cancel_at_rest(order, Reason.AMENDED_AWAY)
            return
        order.entered_qty = row.qty
        loses_priority = qty > order.qty
        if loses_priority:
            self._take_out(order)
            order.seq, order.qty = self._seq, qty
            self._side_of(order).add(order)
            self._count(order, qty, 1)
        else:
            self._reduce(order, order.qty - qty)
            order.shown = min(order.shown, qty)
        self._tell(EventKind.AMENDED, order, qty, leaves=int(loses_priority))

    # Orders that the venue ends

    def cancel(self, which: Which, reason: int, *, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        self._ts_ns = ts_ns
        self._events.begin(command, first_index)
        for order in list(self._chosen(which)):
            self._cancel_at_rest(order, reason)
        return self._events.take()

    def next_expiry(self) -> int | None:
        return self.expiries[0][0] if self.expiries else None

    def expire(self, due_ns: int, *, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        self._ts_ns = ts_ns
        self._events.begin(command, first_index)
        while self.next_expiry() == due_ns:
            self._cancel_at_rest(self.orders[self.expiries[0][1]], Reason.EXPIRED)
        return self._events.take()

    def elect(self, instrument: int, *, seq: int, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        self._ts_ns, self._seq = ts_ns, seq
        self._events.begin(command, first_index)
        book = self.books[instrument]
        if book.last is not None:
            self._elect_all(self._touched(book, book.last, book.last))
        return self._events.take()
