"""Orders as rows: what all events of one batch come to, order by order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.codes import EventKind, RefForm
from gateway.projections.flow import Changes, Flow, rows_at

_TOUCHES = np.zeros((256, 2), bool)  # whether an event of a kind touches its `order`, and its `counter_order`
_TOUCHES[[EventKind.ACCEPTED, EventKind.REPLACED, EventKind.CANCELLED, EventKind.FILL], 0] = True
_TOUCHES[EventKind.FILL, 1] = True


@dataclass
class _Runs:
    """What the events of each order in one batch come to. All arrays of one length."""

    order: np.ndarray
    first: np.ndarray  # event of its first touch
    entry: np.ndarray  # event of its last ACCEPTED or REPLACED (meaningless without one)
    last: np.ndarray
    filled: np.ndarray  # lots, in this batch
    qty: np.ndarray  # lots filled in this batch before the last entry, plus that entry's quantity
    open: np.ndarray  # lots afterwards (known where there is an entry, or it was cancelled)
    cancelled: np.ndarray
    seq: np.ndarray  # of the last touch
    ts_ns: np.ndarray
    reason: np.ndarray

    def where(self, mask: np.ndarray) -> _Runs:
        return _Runs(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def order_changes(flow: Flow) -> Changes:
    """Gather every order's events of this batch and write what they come to.

    A touch is (order, event): one for ACCEPTED, REPLACED and CANCELLED, two for a FILL. Sorted by order and then
    by event, the touches of one order are a run; runs that begin with ACCEPTED are new rows.
    """
    kind = flow.events["kind"]
    at, side = np.nonzero(_TOUCHES[kind])
    if not len(at):
        return {}
    orders = np.where(side == 0, flow.events["order"][at], flow.events["counter_order"][at])
    sort = np.argsort(orders, kind="stable")
    orders, at = orders[sort], at[sort]
    kind, qty = kind[at], flow.events["qty"][at]
    starts = np.flatnonzero(np.concatenate([[True], orders[1:] != orders[:-1]]))
    ends = np.concatenate([starts[1:], [len(orders)]]) - 1
    place = np.arange(len(orders))

    filled = np.where(kind == EventKind.FILL, qty, 0)
    total = np.cumsum(filled)
    filled_all = total[ends] - total[starts] + filled[starts]
    entered = (kind == EventKind.ACCEPTED) | (kind == EventKind.REPLACED)
    entry = np.maximum.reduceat(np.where(entered, place, -1), starts)  # last that set quantity and price
    has_entry = entry >= 0
    filled_after = np.where(has_entry, total[ends] - total[entry], filled_all)
    qty_entry = np.where(has_entry, qty[entry] + filled_all - filled_after, 0)  # without what was filled before
    open_after = np.where(has_entry, qty[entry] - filled_after, 0)
    cancelled = kind[ends] == EventKind.CANCELLED
    new = kind[starts] == EventKind.ACCEPTED

    at_end = at[ends]
    run = _Runs(
        orders[starts], at[starts], at[entry], at_end, filled_all, qty_entry, np.where(cancelled, 0, open_after),
        cancelled, flow.seq[at_end], flow.ts_ns[at_end], flow.events["reason"][at_end],
    )  # fmt: skip
    return _new(flow, run.where(new)) | {
        "order_replaced": _replaced(flow, run.where(~new & has_entry)),
        "order_cancelled": _cancelled(run.where(~new & ~has_entry & cancelled)),
        "order_filled": _filled(run.where(~new & ~has_entry & ~cancelled)),
    }


def _new(flow: Flow, run: _Runs) -> Changes:
    """New orders, those with a client id of the packed form as numbers alone."""
    event, entry = rows_at(flow.events, run.first), rows_at(flow.events, run.entry)
    command, entry_command = flow.row[run.first], flow.row[run.entry]
    stream = flow.rows["ref_form"][command] == RefForm.STREAM
    rows = np.column_stack(
        [
            run.order,
            event["account"],
            event["instrument"],
            event["side"],
            flow.rows["type"][command],
            flow.rows["tif"][entry_command],
            entry["price"],
            run.qty,
            run.filled,
            flow.seq[run.first],
            flow.ts_ns[run.first],
            *_ends(run),
            flow.rows["ref_hi"][command].view("<i8"),
            flow.rows["ref_lo"][command].view("<i8"),
        ]
    )
    texts = map(flow.client_text, command[~stream].tolist())
    named = [(*row[:-2], text) for row, text in zip(rows[~stream].tolist(), texts, strict=True)]
    return {"order": rows[stream], "order_named": named}


def _replaced(flow: Flow, run: _Runs) -> np.ndarray:
    """Orders of an earlier batch that were replaced in this one: all but what they had filled before is known."""
    tif, price = flow.rows["tif"][flow.row[run.entry]], flow.events["price"][run.entry]
    return np.column_stack([tif, price, run.qty, run.filled, *_ends(run), run.order])


def _cancelled(run: _Runs) -> np.ndarray:
    return np.column_stack([run.filled, run.seq, run.ts_ns, run.reason, run.order])


def _filled(run: _Runs) -> np.ndarray:
    """Orders of an earlier batch that only traded: how much is left is known to the store."""
    return np.column_stack([run.filled, run.seq, run.ts_ns, run.order])


def _ends(run: _Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """closed_seq, closed_ns and close_reason, zeros where the order is open; a filled one has no reason."""
    closed = run.open == 0
    return run.seq * closed, run.ts_ns * closed, run.reason * run.cancelled
