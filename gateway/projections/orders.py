"""Orders as rows: what all events of one batch come to, order by order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.codes import EventFlag, EventKind, OrderType, Reason, TimeInForce, name_of
from gateway.projections.flow import Changes, Flow, Rows
from gateway.projections.registers import Registers

_SIDES = ("buy", "sell")
_STATES = ("open", "partial", "filled", "cancelled")
_TYPES = [name_of(OrderType, code) for code in range(256)]
_TIFS = [name_of(TimeInForce, code) for code in range(256)]
_REASONS = np.array([name_of(Reason, code) for code in range(max(Reason) + 1)], object)
NOTHING = np.array(None, object)
_ORDER_KINDS = np.zeros(256, bool)
_ORDER_KINDS[[EventKind.ACCEPTED, EventKind.REPLACED, EventKind.CANCELLED]] = True


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


def order_changes(flow: Flow, registers: Registers) -> Changes:
    """Gather every order's events of this batch and write what they come to.

    A touch is (order, event): one for ACCEPTED, REPLACED and CANCELLED, two for a FILL. Sorted by order and then
    by event, the touches of one order are a run; runs that begin with ACCEPTED are new rows.
    """
    kind = flow.events["kind"]
    at_order, at_fill = np.flatnonzero(_ORDER_KINDS[kind]), np.flatnonzero(kind == EventKind.FILL)
    orders = np.concatenate(
        [flow.events["order"][at_order], flow.events["order"][at_fill], flow.events["counter_order"][at_fill]]
    )
    if not len(orders):
        return {}
    at = np.concatenate([at_order, at_fill, at_fill])
    sort = np.lexsort((at, orders))
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
    return {
        "order": _new(flow, registers, run.where(new)),
        "order_replaced": _replaced(flow, registers, run.where(~new & has_entry)),
        "order_cancelled": _cancelled(run.where(~new & ~has_entry & cancelled)),
        "order_filled": _filled(run.where(~new & ~has_entry & ~cancelled)),
    }


def _new(flow: Flow, registers: Registers, run: _Runs) -> Rows:
    event, entry = flow.events[run.first], flow.events[run.entry]
    row, entry_row = flow.row[run.first], flow.row[run.entry]
    closed = run.open == 0
    status = np.where(run.cancelled, 3, np.where(closed, 2, np.where(run.filled > 0, 1, 0)))
    ticks, prices = _limits(registers, entry)
    return zip(
        run.order.tolist(),
        event["account"].tolist(),
        map(registers.symbols.__getitem__, event["instrument"].tolist()),
        map(_SIDES.__getitem__, event["side"].tolist()),
        map(_TYPES.__getitem__, flow.rows["type"][row].tolist()),
        map(_TIFS.__getitem__, flow.rows["tif"][entry_row].tolist()),
        ticks,
        prices,
        run.qty.tolist(),
        run.filled.tolist(),
        run.open.tolist(),
        map(_STATES.__getitem__, status.tolist()),
        flow.client_ids(row),
        flow.seq[run.first].tolist(),
        flow.ts_ns[run.first].tolist(),
        _where(closed, run.seq),
        _where(closed, run.ts_ns),
        _reasons(run),
        strict=True,
    )


def _replaced(flow: Flow, registers: Registers, run: _Runs) -> Rows:
    """Orders of an earlier batch that were replaced in this one: all but what they had filled before is known."""
    entry = flow.events[run.entry]
    ticks, prices = _limits(registers, entry)
    closed = run.open == 0
    return zip(
        map(_TIFS.__getitem__, flow.rows["tif"][flow.row[run.entry]].tolist()),
        ticks,
        prices,
        run.qty.tolist(),
        run.filled.tolist(),
        run.open.tolist(),
        run.cancelled.tolist(),
        _where(closed, run.seq),
        _where(closed, run.ts_ns),
        _reasons(run),
        run.order.tolist(),
        strict=True,
    )


def _cancelled(run: _Runs) -> Rows:
    return zip(
        run.filled.tolist(),
        run.seq.tolist(),
        run.ts_ns.tolist(),
        _reasons(run),
        run.order.tolist(),
        strict=True,
    )


def _filled(run: _Runs) -> Rows:
    """Orders of an earlier batch that only traded: how much is left is known to the store."""
    return zip(run.filled.tolist(), run.seq.tolist(), run.ts_ns.tolist(), run.order.tolist(), strict=True)


def _limits(registers: Registers, entry: np.ndarray) -> tuple[list[int | None], list[str | None]]:
    """Limit prices of ACCEPTED and REPLACED events in ticks and as text; None for orders without one."""
    ticks: list[int | None] = entry["price"].tolist()
    prices: list[str | None] = list(registers.prices.column(entry["instrument"], entry["price"]))
    for row in np.flatnonzero(entry["flags"] & EventFlag.UNPRICED).tolist():
        prices[row] = ticks[row] = None
    return ticks, prices


def _where(mask: np.ndarray, values: np.ndarray) -> list[int | None]:
    """values where the mask holds, None elsewhere."""
    return np.where(mask, values.astype(object), NOTHING).tolist()


def _reasons(run: _Runs) -> list[str | None]:
    """Names of the reasons of cancelled orders, None for the others."""
    return np.where(run.cancelled, _REASONS[run.reason], NOTHING).tolist()
