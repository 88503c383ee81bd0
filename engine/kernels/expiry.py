"""Gtd orders by (expire_at, order id): a binary heap of rows of State.extras, each of which knows its place in it.

So the earliest is at hand, and an order that ends otherwise leaves in O(log n).
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step


@step
def is_before(s, extra, other):
    x, y = s.extras[extra], s.extras[other]
    return x.expire_at < y.expire_at or (x.expire_at == y.expire_at and x.order < y.order)


@step
def put(s, place, extra):
    s.expiries[place] = extra
    s.extras[extra].heap_place = place


@rare
def rise(s, place, extra):
    """Put a row at `place` or nearer the top, moving later ones down."""
    while place > 0:
        above = (place - 1) >> 1
        other = np.int64(s.expiries[above])
        if not is_before(s, extra, other):
            break
        put(s, place, other)
        place = above
    put(s, place, extra)


@rare
def sink(s, place, extra):
    """Put a row at `place` or further down, moving earlier ones up."""
    count = s.meta[0].expiries
    while 2 * place + 1 < count:
        below = 2 * place + 1
        if below + 1 < count and is_before(s, np.int64(s.expiries[below + 1]), np.int64(s.expiries[below])):
            below += 1
        other = np.int64(s.expiries[below])
        if not is_before(s, other, extra):
            break
        put(s, place, other)
        place = below
    put(s, place, extra)


@rare
def enter_expiry(s, extra):
    """Enter a row whose `order` and `expire_at` are set. The heap has as much room as there are rows."""
    m = s.meta[0]
    m.expiries += 1
    rise(s, m.expiries - 1, extra)


@rare
def leave_expiry(s, extra):
    """Take a row out, wherever it stands."""
    m = s.meta[0]
    place = np.int64(s.extras[extra].heap_place)
    m.expiries -= 1
    last = np.int64(s.expiries[m.expiries])
    if last == extra:
        return
    if is_before(s, last, extra):
        rise(s, place, last)
    else:
        sink(s, place, last)
