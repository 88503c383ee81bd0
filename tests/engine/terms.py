"""Rows with every term of an order, and short words for what tests ask of a book."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import CommandKind, Reason
from engine.messages.rows import EXTENSION
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot
from tests.engine.book_flows import Batch

IN_EXTENSION = ("display_qty", "min_qty", "stop_price", "expire_at", "valid_until")


def add(batch: Batch, kind: int, **fields: Any) -> Batch:
    """One row; what stands in an extension row makes one."""
    said = {name: fields.pop(name) for name in IN_EXTENSION if name in fields}
    batch.add(kind, **fields)
    if said:
        if not batch.rows[-1]["extension"][0]:
            batch.extensions.append(np.zeros(1, EXTENSION))
            batch.rows[-1]["extension"] = len(batch.extensions)
        for name, value in said.items():
            batch.extensions[-1][name] = value
    return batch


class Desk:
    """One implementation, its sequence and its clock. Its arrays are audited after each step, while `is_audited`."""

    def __init__(self, hot: Hot) -> None:
        self.hot, self.seq, self.ts_ns, self.is_audited = hot, 1, 10, True

    def run(self, batch: Batch) -> np.ndarray:
        rows, extensions, bodies = batch.arrays()
        at, events = self.hot.run(rows, extensions, bodies, 0, first_seq=self.seq, ts_ns=self.ts_ns)
        assert at == len(rows)
        self.seq += len(rows)
        if self.is_audited and isinstance(self.hot, Books):
            audit(self.hot)
        return events

    def new(self, **fields: Any) -> int:
        """The order's id, whatever became of it. It is an error when it is refused."""
        events = self.run(add(Batch(), CommandKind.NEW, **fields))
        assert events[0]["reason"] == 0, Reason(events[0]["reason"])
        return int(events[0]["order"])

    def reason(self, kind: int = CommandKind.NEW, **fields: Any) -> Reason:
        """Why the row is refused, or Reason.NONE."""
        return Reason(self.run(add(Batch(), kind, **fields))[0]["reason"])

    def events_of(self, method: str, *args: Any, **fields: Any) -> np.ndarray:
        """Of cancel, expire, elect or uncross. None of them is flagged LAST, and they are numbered through."""
        events: np.ndarray = getattr(self.hot, method)(*args, command=3, first_index=5, ts_ns=self.ts_ns, **fields)
        assert events["index"].tolist() == list(range(5, 5 + len(events))) and set(events["command"].tolist()) <= {3}
        assert not (events["flags"] & 1).any()
        if self.is_audited and isinstance(self.hot, Books):
            audit(self.hot)
        return events
