"""Orders as rows: what all events of one batch come to, order by order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.codes import EventFlag, EventKind, OrderType, RefForm
from gateway.projections.flow import Changes, Flow, rows_at
from gateway.projections.lives import Lives
from gateway.projections.postings import Postings, postings_by_seq

KEPT = -1  # in place of a type or time in force that this batch does not change


def _kinds(*kinds: EventKind) -> np.ndarray:
    found = np.zeros(256, bool)
    found[list(kinds)] = True
    return found


_TERMS = _kinds(EventKind.ACCEPTED, EventKind.REPLACED)  # state all of an order's terms, in their command's row
_TURNS = _kinds(EventKind.TRIGGERED, EventKind.REPRICED)  # change its type
_ENTRIES = _TERMS | _TURNS | _kinds(EventKind.AMENDED, EventKind.REDUCED)  # say its price and what is open
# Whether an event of a kind touches its `order`, and its `counter_order`.
_TOUCHES = np.column_stack([_ENTRIES | _kinds(EventKind.CANCELLED, EventKind.FILL), _kinds(EventKind.FILL)])


@dataclass
class _Runs:
    """What the events of each order in one batch come to. All arrays of one length."""

    order: np.ndarray
    entered: np.ndarray  # seq of the command that entered it: the key of its row
    first: np.ndarray  # event of its first touch
    entry: np.ndarray  # event of its last entry, which says price and open quantity (meaningless without one)
    terms: np.ndarray  # event of its last ACCEPTED or REPLACED; -1: there was none
    type: np.ndarray  # or KEPT
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


def order_changes(flow: Flow, lives: Lives) -> Changes:
    """Gather every order's events of this batch and write what they come to. Rows stand in the order of entry.

    A touch is (order, event): two for a FILL, one for every other kind. Sorted by order and then by event, the touches
    of one order are a run; runs that begin with ACCEPTED are new rows.
    """
    kind = flow.events["kind"]
    touched, counter = np.nonzero(_TOUCHES[kind])
    if not len(touched):
        return {}
    orders = np.where(counter, flow.events["counter_order"][touched], flow.events["order"][touched])
    sort = np.argsort(orders, kind="stable")
    orders, at = orders[sort], touched[sort]
    kind, qty = kind[at], flow.events["qty"][at]
    reduced = kind == EventKind.REDUCED
    if reduced.any():
        qty = np.where(reduced, flow.events["leaves"][at], qty)  # what is open, as the other entries say it
    starts = np.flatnonzero(np.concatenate([[True], orders[1:] != orders[:-1]]))
    ends = np.concatenate([starts[1:], [len(orders)]]) - 1
    place = np.arange(len(orders))

    filled = np.where(kind == EventKind.FILL, qty, 0)
    total = np.cumsum(filled)
    filled_all = total[ends] - total[starts] + filled[starts]
    entry, terms, turn = (
        np.maximum.reduceat(np.where(kinds[kind], place, -1), starts) for kinds in (_ENTRIES, _TERMS, _TURNS)
    )  # the last of each, -1: none
    has_entry = entry >= 0
    filled_after = np.where(has_entry, total[ends] - total[entry], filled_all)
    qty_entry = np.where(has_entry, qty[entry] + filled_all - filled_after, 0)  # without what was filled before
    open_after = np.where(has_entry, qty[entry] - filled_after, 0)
    cancelled = kind[ends] == EventKind.CANCELLED
    new = kind[starts] == EventKind.ACCEPTED
    seq = flow.seq[at[starts]]
    seq[~new] = lives.seq_of(orders[starts][~new])
    lives.enter(orders[starts][new], seq[new])

    at_end = at[ends]
    run = _Runs(
        orders[starts], seq, at[starts], at[entry], np.where(terms < 0, -1, at[terms]),
        _types(flow, at, terms, turn), at_end, filled_all, qty_entry, np.where(cancelled, 0, open_after),
        cancelled, flow.seq[at_end], flow.ts_ns[at_end], flow.events["reason"][at_end],
    )  # fmt: skip
    by_entry = np.argsort(seq)
    run, new, has_entry, cancelled = run.where(by_entry), new[by_entry], has_entry[by_entry], cancelled[by_entry]
    entered = np.empty(len(sort), np.int64)  # by touch
    entered[sort] = np.repeat(seq, ends - starts + 1)
    return _new(flow, run.where(new)) | {
        "order_changed": _changed(flow, run.where(~new & has_entry)),
        **_terms(flow, run.where(run.terms >= 0)),
        "order_cancelled": _cancelled(run.where(~new & ~has_entry & cancelled)),
        "order_filled": _filled(run.where(~new & ~has_entry & ~cancelled)),
        "closed_account": _closed(flow, touched, counter == 1, entered),
    }


def _types(flow: Flow, at: np.ndarray, terms: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Of each run: the type of its last terms, unless it was triggered or repriced since; KEPT without either."""
    types = np.where(terms < 0, KEPT, flow.rows["type"][flow.row[at[terms]]].astype(np.int64))
    turned = turn > terms
    if turned.any():
        unpriced = (flow.events["flags"][at[turn]] & EventFlag.UNPRICED) != 0
        types = np.where(turned, np.where(unpriced, int(OrderType.MARKET), int(OrderType.LIMIT)), types)
    return types


def _new(flow: Flow, run: _Runs) -> Changes:
    """New orders, those with a client id of the packed form as numbers alone."""
    event, entry = rows_at(flow.events, run.first), rows_at(flow.events, run.entry)
    command = flow.row[run.first]
    stream = flow.rows["ref_form"][command] == RefForm.STREAM
    rows = np.column_stack(
        [
            run.entered,
            run.order,
            event["account"],
            event["instrument"],
            event["side"],
            run.type,
            flow.rows["tif"][flow.row[run.terms]],
            entry["price"],
            run.qty,
            run.filled,
            flow.ts_ns[run.first],
            *_ends(run),
            flow.rows["ref_hi"][command].view("<i8"),
            flow.rows["ref_lo"][command].view("<i8"),
        ]
    )
    texts = map(flow.client_text, command[~stream].tolist())
    named = [(*row[:-2], text) for row, text in zip(rows[~stream].tolist(), texts, strict=True)]
    accounts = event["account"].astype(np.int64)
    return {
        "order": rows[stream],
        "order_named": named,
        "order_account": postings_by_seq(run.entered, accounts, run.order),
    }


def _changed(flow: Flow, run: _Runs) -> np.ndarray:
    """Orders of an earlier batch with an entry in this one: all but what they had filled before is known."""
    tif = np.where(run.terms < 0, KEPT, flow.rows["tif"][flow.row[run.terms]].astype(np.int64))
    return np.column_stack(
        [run.type, tif, flow.events["price"][run.entry], run.qty, run.filled, *_ends(run), run.entered]
    )


def _terms(flow: Flow, run: _Runs) -> Changes:
    """The rare terms of those whose last entry has any, and the end of those of the others."""
    command = flow.row[run.terms]
    at = flow.extension_at[command]
    extended = at >= 0
    changes: Changes = {}
    replaced = ~extended & (flow.events["kind"][run.terms] == EventKind.REPLACED)
    if replaced.any():
        changes["order_terms_gone"] = run.entered[replaced].reshape(-1, 1)
    if extended.any():
        rows, types = flow.extensions[at[extended]], flow.rows["type"][command[extended]]
        stop = np.isin(types, (OrderType.STOP, OrderType.STOP_LIMIT))
        changes["order_terms"] = [
            (seq, display or None, stop_price if stops else None, expire_at or None)
            for seq, display, stop_price, stops, expire_at in zip(
                run.entered[extended].tolist(), rows["display_qty"].tolist(), rows["stop_price"].tolist(),
                stop.tolist(), rows["expire_at"].tolist(), strict=True,
            )
        ]  # fmt: skip
    return changes


def _cancelled(run: _Runs) -> np.ndarray:
    return np.column_stack([run.filled, run.seq, run.ts_ns, run.reason, run.entered])


def _filled(run: _Runs) -> np.ndarray:
    """Orders of an earlier batch that only traded: how much is left is known to the store."""
    return np.column_stack([run.filled, run.seq, run.ts_ns, run.entered])


def _ends(run: _Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """closed_seq, closed_ns and close_reason, zeros where the order is open; a filled one has no reason."""
    closed = run.open == 0
    return run.seq * closed, run.ts_ns * closed, run.reason * run.cancelled


def _closed(flow: Flow, at: np.ndarray, counter: np.ndarray, entered: np.ndarray) -> Postings:
    """Orders that a touch ended, or may have ended: a FILL does not tell what it leaves of `order`. Whether it did is
    seen from the order's row, which names the command that closed it.

    at       int64[n]  event of each touch, in the order of events
    counter  bool[n]   whether it touches the event's counter order
    entered  int64[n]  seq of the order's entry
    """
    kind, leaves = flow.events["kind"][at], flow.events["leaves"][at]
    ends = (kind == EventKind.CANCELLED) | ((kind == EventKind.FILL) & (~counter | (leaves == 0)))
    at, counter, entered = at[ends], counter[ends], entered[ends]
    accounts = np.where(counter, flow.events["counter_account"][at], flow.events["account"][at])
    return postings_by_seq(flow.seq[at], accounts.astype(np.int64), entered)
