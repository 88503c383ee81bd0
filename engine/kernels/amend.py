"""AMEND: another total quantity. Less keeps the order's place, more puts it last, no more than was filled ends it."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare
from engine.kernels.constants import AMENDED, AMENDED_AWAY, HELD
from engine.kernels.events import emit_of_order
from engine.kernels.holdings import hold
from engine.kernels.resting import cancel_resting, rest, shrink, withdraw


@rare
def amend(s, events, slot, entered_qty, open_qty):
    """All checks are passed: the order in `slot` has `entered_qty` in all and `open_qty` open from here on."""
    o, m = s.orders[slot], s.meta[0]
    if open_qty <= 0:
        cancel_resting(s, events, slot, AMENDED_AWAY)
        return
    loses_place = open_qty > o.qty
    s.cold[slot].entered_qty = entered_qty
    if open_qty < o.qty:
        shrink(s, slot, open_qty)
    elif loses_place:
        more = open_qty - o.qty
        withdraw(s, slot)
        o.qty = open_qty
        s.cold[slot].seq = m.first_seq + m.row
        rest(s, slot)
        if o.flags & HELD:
            hold(s, slot, more)
    emit_of_order(s, events, AMENDED, slot, np.int64(o.qty), 1 if loses_place else 0, 0)
