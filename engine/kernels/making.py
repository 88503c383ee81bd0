"""The maker's part: lots are taken from the first order of a level, an iceberg shows the next of its own."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step
from engine.kernels.constants import EXTRA
from engine.kernels.levels import close_level
from engine.kernels.queues import append, unlink
from engine.kernels.resting import end_order, lots_gone

NOTHING = -1


@step
def shown_of(s, slot):
    """Lots of a resting order that can be traded at once."""
    o = s.orders[slot]
    if o.flags & EXTRA:
        x = s.extras[s.links[slot].extra]
        if x.peak > 0:
            return np.int64(x.shown)
    return np.int64(o.qty)


@rare
def take_lots(s, side, level, slot, lots):
    """Take `lots`, no more than are shown, from the first order of a level; end it, or show the next of an iceberg."""
    v, q, o, m = s.sides[side], s.levels[level], s.orders[slot], s.meta[0]
    lots_gone(s, slot, lots)
    v.total -= lots
    q.total -= lots
    o.qty -= lots
    if o.qty == 0:
        v.orders -= 1
        if unlink(s, level, slot) == 0:
            close_level(s, side, np.int64(q.rank))
        end_order(s, slot)
    elif o.flags & EXTRA:
        x = s.extras[s.links[slot].extra]
        if x.peak > 0:
            x.shown -= lots
            if x.shown == 0:
                x.shown = min(x.peak, o.qty)
                q.hidden -= x.shown
                s.cold[slot].seq = m.first_seq + m.row
                unlink(s, level, slot)
                append(s, level, slot)
