"""Order ids. id = generation << 32 | slot; slots come from a FIFO ring.

The ring begins with slots 0 .. slots_initial - 1. When a slot is wanted and the ring is empty, the number of slots
issued doubles (up to orders_max) and the new ones join it in rising order. A slot returns to the ring's end as soon as
its order ends; one that has lived `generations_max` lives never returns. Slots that were never used stand before all
that were given back, so `slots_fresh .. slots_issued` is a part of the ring that needs no memory.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import step


@step
def slot_available(s):
    m = s.meta[0]
    return m.slots_fresh < m.slots_issued or m.ring_count > 0 or m.slots_issued < m.orders_max


@step
def needs_slots(s):
    """Whether the ring would double beyond the arrays that hold the orders."""
    m = s.meta[0]
    if m.slots_fresh < m.slots_issued or m.ring_count > 0 or m.slots_issued >= m.orders_max:
        return False
    return min(2 * m.slots_issued, m.orders_max) > len(s.orders)


@step
def take_slot(s):
    """The next slot of the ring, in its next generation. The caller has checked that there is one."""
    m = s.meta[0]
    if m.slots_fresh == m.slots_issued and m.ring_count == 0:
        m.slots_issued = min(2 * m.slots_issued, m.orders_max)
    if m.slots_fresh < m.slots_issued:
        slot = np.int64(m.slots_fresh)
        m.slots_fresh = slot + 1
    else:
        slot = np.int64(s.ring[m.ring_first & (len(s.ring) - 1)])
        m.ring_first += 1
        m.ring_count -= 1
    m.orders_open += 1
    s.orders[slot].generation += 1
    return slot


@step
def give_back_slot(s, slot):
    """Free a slot whose order has ended."""
    m, o = s.meta[0], s.orders[slot]
    o.flags = 0
    m.orders_open -= 1
    if o.generation < m.generations_max:
        s.ring[(m.ring_first + m.ring_count) & (len(s.ring) - 1)] = slot
        m.ring_count += 1


@step
def order_id(s, slot):
    return np.int64(s.orders[slot].generation) << 32 | slot


@step
def slot_of(s, order):
    """Slot of an open order's id, or -1 when there is no such open order."""
    if order <= 0:
        return -1
    slot = order & 0xFFFFFFFF
    if slot >= s.meta[0].slots_fresh:
        return -1
    o = s.orders[slot]
    if o.generation != order >> 32 or o.flags == 0:
        return -1
    return slot
