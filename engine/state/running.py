"""Commands and calls carried out by kernels, which come back for room and are called again."""

from __future__ import annotations

import numpy as np

from engine.codes import CommandKind, Reason, RefForm, Rest
from engine.domain.sharing_rule import BY_TIME, SharingRule
from engine.kernels import book, loading, mass_cancel
from engine.kernels.auction_orders import auction_orders
from engine.kernels.call_side import call_sides
from engine.kernels.constants import BROKEN, COLD_FIRST, DONE, NEED_EVENTS, SIDES, STOPS
from engine.kernels.uncross import uncross
from engine.messages.refs import is_digest_of
from engine.messages.rows import EVENT, joined
from engine.state.hot import Which
from engine.state.readers import Readers

REF_FORM_BROKEN = 255


class Running(Readers):
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
        if bodies is not None:
            rows = _with_broken_refs_marked(rows, bodies, row)
        rows, extensions = read_only(rows), read_only(extensions)
        blocks = []
        first_row, index, meta = row, first_index, self.state.meta[0]
        while True:
            status = book.run(
                self.state, rows, extensions, bodies is not None, first_seq, ts_ns, row, index, self.events
            )
            if count := int(meta["event_count"]):
                blocks.append(joined([self.events[:count]]))
            row, index = int(meta["row"]), int(meta["event_index"])
            if status == DONE:
                break
            self.make_room(status)
        events = blocks[0] if len(blocks) == 1 else joined(blocks) if blocks else np.zeros(0, EVENT)
        if bodies is not None:
            self._keep_texts(rows, bodies, first_row, events)
        return row, events

    def _keep_texts(self, rows: np.ndarray, bodies: list[bytes], first_row: int, events: np.ndarray) -> None:
        """Remember the full text of long client ids of the orders just accepted."""
        accepted = None
        for row in range(first_row, len(rows)):
            if rows[row]["kind"] >= COLD_FIRST:
                break
            if rows[row]["kind"] != CommandKind.NEW or rows[row]["ref_form"] != RefForm.DIGEST:
                continue
            if accepted is None:
                found = events[events["kind"] == 1]
                accepted = dict(zip(found["command"].tolist(), found["order"].tolist(), strict=True))
            if row in accepted:
                self._texts[accepted[row]] = bodies[row].decode("ascii")
        if len(self._texts) > 1_024 + 2 * int(self.state.meta[0]["orders_open"]):
            self._texts = {order: text for order, text in self._texts.items() if self.order(order) is not None}

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
        assert self.state.books[instrument]["listed"]
        assert sharing.rest != Rest.NOBODY and (sharing.rest != Rest.LOT_EACH or sharing.least == 1)
        price, has_price = (0, False) if price_ticks is None else (price_ticks, True)
        sides, index, blocks = call_sides(volume_lots if has_price else 0), first_index, list[np.ndarray]()
        while True:
            events = np.empty(self._call_rows(instrument), EVENT)  # of its own: a large call is not copied
            status = uncross(
                self.state, instrument, price, has_price, sharing, unpriced_last, block_seq, sides, command, index,
                ts_ns, events,
            )  # fmt: skip
            meta = self.state.meta[0]
            blocks.append(events[: int(meta["event_count"])])
            index = int(meta["event_index"])
            if status == DONE:
                break
            assert status != BROKEN, f"{sides['left']} lots more than {instrument} trades at {price_ticks}"
            self.make_room(status)
        orders = self._auction_orders(instrument)
        if len(orders):
            self._cancel(orders, Reason.AUCTION_REMAINDER, command, index, ts_ns, blocks)
        return blocks[0] if len(blocks) == 1 else joined(blocks)

    def _call_rows(self, instrument: int) -> int:
        """Rows for the events of an uncross: for all that it can give, or the square of the buffer's, a million."""
        orders = self.state.sides["orders"][SIDES * instrument : SIDES * instrument + STOPS]
        return min(2 * int(orders.sum()) + 2, len(self.events) ** 2)

    def _auction_orders(self, instrument: int) -> np.ndarray:
        """int64[n]: ids of a book's orders for one uncross, rising."""
        found = np.empty(64, np.int64)
        count = auction_orders(self.state, instrument, found)
        if count > len(found):
            found = np.empty(count, np.int64)
            auction_orders(self.state, instrument, found)
        return np.sort(found[:count])

    def elect(self, instrument: int, *, seq: int, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        index, blocks = first_index, list[np.ndarray]()
        while True:
            status = book.elect(self.state, instrument, seq, command, index, ts_ns, self.events)
            index = self._take_events(blocks)
            if status == DONE:
                return joined(blocks)
            self.make_room(status)

    def cancel(self, which: Which, reason: int, *, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        blocks: list[np.ndarray] = []
        self._cancel(self._ids_of(which), reason, command, first_index, ts_ns, blocks)
        return joined(blocks)

    def _cancel(
        self, orders: np.ndarray, reason: int, command: int, index: int, ts_ns: int, blocks: list[np.ndarray]
    ) -> None:
        """Cancel open orders, int64[n] ids in this order; the events go into `blocks`."""
        at = 0
        while True:
            status, at = mass_cancel.cancel_orders(
                self.state, orders, at, int(reason), command, index, ts_ns, self.events
            )
            index = self._take_events(blocks)
            if status == DONE:
                return
            assert status == NEED_EVENTS, f"order {orders[at]} is not open"

    def next_expiry(self) -> int | None:
        s = self.state
        return int(s.extras[s.expiries[0]]["expire_at"]) if s.meta[0]["expiries"] else None

    def expire(self, due_ns: int, *, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        assert due_ns == self.next_expiry()
        index, blocks = first_index, list[np.ndarray]()
        while True:
            status = mass_cancel.expire(self.state, due_ns, command, index, ts_ns, self.events)
            index = self._take_events(blocks)
            if status == DONE:
                return joined(blocks)
            assert status == NEED_EVENTS, f"a gtd order was due before {due_ns}"

    def _take_events(self, blocks: list[np.ndarray]) -> int:
        """Copy what a kernel wrote. Returns the index of the command's next event."""
        meta = self.state.meta[0]
        blocks.append(joined([self.events[: int(meta["event_count"])]]))
        return int(meta["event_index"])

    def sweep_client_ids(self, now_ns: int) -> None:
        loading.sweep(self.state, now_ns)


def read_only(rows: np.ndarray) -> np.ndarray:
    """A view of the one kind that the kernel is compiled for: contiguous and read-only, as records come from disk."""
    view = np.ascontiguousarray(rows).view()
    view.flags.writeable = False
    return view


def _with_broken_refs_marked(rows: np.ndarray, bodies: list[bytes], start: int) -> np.ndarray:
    """The rows, with an impossible ref_form wherever a hot row's body is not the text of its digest.

    A kernel cannot compute BLAKE2b; it answers such a row at the place where every malformed ref is answered. Only the
    hot rows from `start` to the next cold one are looked at: a record may have very many such runs.
    """
    hot = rows["kind"][start:] < COLD_FIRST
    end = start + (len(hot) if hot.all() else int(hot.argmin()))
    run, broken = rows[start:end], []
    suspects = np.flatnonzero((run["body_length"] != 0) | (run["ref_form"] == RefForm.DIGEST))
    for row in (start + suspects).tolist():
        command, body = rows[row], bodies[row]
        if not body and command["kind"] == CommandKind.CANCEL:
            continue
        if not is_digest_of(body, int(command["ref_hi"]), int(command["ref_lo"])):
            broken.append(row)
    if broken:
        rows = rows.copy()
        rows["ref_form"][broken] = REF_FORM_BROKEN
    return rows
