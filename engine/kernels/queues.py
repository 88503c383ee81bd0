"""Orders of one level in order of arrival: a doubly linked list by slot, with the level's totals kept exact."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import step

NOTHING = -1


@step
def append(s, level, slot):
    """Put an order last in its level."""
    q, o = s.levels[level], s.orders[slot]
    o.next = NOTHING
    if q.count == 0:
        q.head = slot
        o.prev = NOTHING
    else:
        o.prev = q.tail
        s.orders[q.tail].next = slot
    q.tail = slot
    q.count += 1
    q.total += o.qty


@step
def unlink(s, level, slot):
    """Take an order out of its level, wherever it stands. Returns the number of orders left there."""
    q, o = s.levels[level], s.orders[slot]
    before, behind = o.prev, o.next
    if before >= 0:
        s.orders[before].next = behind
    else:
        q.head = behind
    if behind >= 0:
        s.orders[behind].prev = before
    else:
        q.tail = before
    q.count -= 1
    q.total -= o.qty
    return np.int64(q.count)
