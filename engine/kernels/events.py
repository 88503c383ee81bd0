"""Writing event rows. The caller has checked that the buffer has room."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import step
from engine.kernels.constants import FEE_NONE, FLAG_STOP, FLAG_UNPRICED, UNPRICED
from engine.kernels.extras import is_waiting
from engine.kernels.slots import order_id


@step
def emit(
    s, events, kind, side, flags, reason, fee_class, instrument, price, account, counter_account, order, counter_order,
    qty, leaves,
):  # fmt: skip
    m = s.meta[0]
    e = events[m.event_count]
    e.kind = kind
    e.side = side
    e.flags = flags
    e.reason = reason
    e.fee_class = fee_class
    e.command = m.row
    e.index = m.event_index
    e.instrument = instrument
    e.price = price
    e.account = account
    e.counter_account = counter_account
    e.order = order
    e.counter_order = counter_order
    e.qty = qty
    e.leaves = leaves
    m.event_count += 1
    m.event_index += 1


@step
def emit_of_order(s, events, kind, slot, qty, leaves, reason):
    """An event about one order as it is now: AMENDED, CANCELLED, REDUCED, REPRICED, TRIGGERED."""
    o = s.orders[slot]
    flags = FLAG_UNPRICED if o.flags & UNPRICED else np.int64(0)
    if is_waiting(s, slot):
        flags |= FLAG_STOP
    emit(
        s, events, kind, o.side, np.int64(flags), reason, FEE_NONE, o.instrument, np.int64(o.price), o.account, 0,
        order_id(s, slot), 0, np.int64(qty), np.int64(leaves),
    )  # fmt: skip
