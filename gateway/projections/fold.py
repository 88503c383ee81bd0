"""What history says: a pure fold over (record, events) into rows for a store.

`Fold.take` collects applied records; `Fold.changes` turns them into rows, by statement. Nothing here knows which store
will hold them. The fold's own state is small (registers, running numbers) and stands in the stored rows, so that a
store can hand it back after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.codes import EventFlag, EventKind, Reason, Side, name_of
from engine.limits import ACCOUNTS_MAX, INSTRUMENTS_MAX
from engine.log.record import GENESIS_DIGEST, Record
from gateway.projections.flow import Changes, Flow, rows_at
from gateway.projections.lives import Lives
from gateway.projections.orders import order_changes
from gateway.projections.postings import postings_of_fills
from gateway.projections.registers import Registers

NO_TAKER = 2  # in place of the taker's side: a fill of a call


@dataclass(frozen=True)
class Cursor:
    """How far the stored rows go."""

    shard: int = 0
    number: int = 0  # record; 0: nothing yet
    seq: int = 0
    ts_ns: int = 0
    event_digest: bytes = GENESIS_DIGEST


class Fold:
    """State between batches: registers by id, the entries of open orders, and the running numbers given out so far."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self.cursor = cursor or Cursor()
        self.registers = Registers()
        self.lives = Lives()
        self.fills = 0  # running number over the venue
        self.trades = np.zeros(INSTRUMENTS_MAX + 1, np.int64)  # running number of each instrument's last trade
        self.events_waiting = 0
        self._batch: list[tuple[Record, np.ndarray, bytes]] = []

    def take(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        """Collect one applied record with its events (EVENT[n]) and the event digest after it. Records without
        commands have no events and are passed over."""
        if record.count:
            self._batch.append((record, events, event_digest))
            self.events_waiting += len(events)

    def changes(self) -> tuple[Changes, Cursor]:
        """Rows of everything collected, and the cursor after it. The collection is empty afterwards; without anything
        collected the rows are empty and the cursor is the present one."""
        batch, self._batch, self.events_waiting = self._batch, [], 0
        changes: Changes = {}
        if not batch:
            return changes, self.cursor
        flow = Flow.join(batch)
        told, touched = self.registers.fold(flow)
        changes |= told
        touched |= self._fold_fills(flow, changes)
        changes |= order_changes(flow, self.lives)
        self._fold_rejects(flow, changes)
        changes["instrument_counts"] = [
            (int(self.trades[instrument]), self.registers.instruments[instrument].auctions, instrument)
            for instrument in sorted(touched)
        ]
        last, _, event_digest = batch[-1]
        self.cursor = Cursor(last.shard, last.number, last.next_seq - 1, last.ts_ns, event_digest)
        return changes, self.cursor

    def _fold_fills(self, flow: Flow, changes: Changes) -> set[int]:
        at = np.flatnonzero(flow.events["kind"] == EventKind.FILL)
        if not len(at):
            return set()
        fills = rows_at(flow.events, at)
        instruments = fills["instrument"].astype(np.int64)
        # Running number within each instrument: place in a stable sort by instrument, minus the place of its first.
        order = np.argsort(instruments, kind="stable")
        found, first, count = np.unique(instruments[order], return_index=True, return_counts=True)
        trade_ids = np.empty(len(at), np.int64)
        trade_ids[order] = np.arange(1, len(at) + 1) - np.repeat(first, count) + np.repeat(self.trades[found], count)
        self.trades[found] += count

        numbers = np.arange(self.fills + 1, self.fills + 1 + len(at))
        call = (fills["flags"] & EventFlag.AUCTION) != 0
        buyer_first = call | (fills["side"] == Side.BUY)  # whose ids stand in `account` and `order`
        buyers = np.where(buyer_first, fills["account"], fills["counter_account"]).astype(np.int64)
        sellers = np.where(buyer_first, fills["counter_account"], fills["account"]).astype(np.int64)
        changes["fill"] = np.column_stack(
            [
                numbers,
                flow.seq[at],
                fills["index"],
                flow.ts_ns[at],
                instruments,
                trade_ids,
                np.where(call, NO_TAKER, fills["side"]),
                fills["price"],
                fills["qty"],
                buyers,
                np.where(buyer_first, fills["order"], fills["counter_order"]),
                sellers,
                np.where(buyer_first, fills["counter_order"], fills["order"]),
            ]
        )
        changes["fill_account"] = postings_of_fills(np.tile(numbers, 2), np.concatenate([buyers, sellers]))
        changes["fill_instrument"] = postings_of_fills(numbers, instruments)
        self.fills += len(at)
        return set(found.tolist())

    def _fold_rejects(self, flow: Flow, changes: Changes) -> None:
        rejects = flow.events[flow.events["kind"] == EventKind.REJECTED]
        if not len(rejects):
            return
        account = np.where(rejects["account"] <= ACCOUNTS_MAX, rejects["account"], 0).astype(np.int64)
        keys = np.where(self.registers.accounts[account], account, 0) << 16 | rejects["reason"]
        found, counts = np.unique(keys, return_counts=True)
        changes["reject"] = [
            (key >> 16, name_of(Reason, key & 0xFFFF), count)
            for key, count in zip(found.tolist(), counts.tolist(), strict=True)
        ]
