"""Open orders ended by others than their owners: found in any order, sorted by id outside, then ended one by one."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, step
from engine.kernels.constants import BROKEN, DONE, EXPIRED, EXTRA, GTC, NEED_EVENTS, RANK_NONE, SIDES, STOPS
from engine.kernels.levels import find_level, next_rank
from engine.kernels.resting import cancel_resting
from engine.kernels.slots import order_id, slot_of

NOTHING = -1
ANY = 255  # of side and tif
SLOTS_PER_ORDER = 64  # looked at one after another in the time in which one order of a book is found through its links


@step
def is_meant(s, slot, account, side, tif):
    o = s.orders[slot]
    if (account != 0 and o.account != account) or (side != ANY and o.side != side):
        return False
    if tif == ANY:
        return True
    return tif == (np.int64(s.extras[s.links[slot].extra].tif) if o.flags & EXTRA else GTC)


@step
def collect_level(s, level, account, side, tif, out, count):
    """The orders meant of one level into out[count:], as many as fit. Returns the new count."""
    slot = np.int64(s.levels[level].head)
    while slot != NOTHING:
        if is_meant(s, slot, account, side, tif):
            if count < len(out):
                out[count] = order_id(s, slot)
            count += 1
        slot = np.int64(s.orders[slot].next)
    return count


@kernel
def collect(s, account, instrument, side, tif, most, out):
    """Ids of open orders, waiting stops included, in no order. Returns how many there are; writes as many as fit.

    account, instrument  in   int64  0: any. A book with few orders is walked, else every slot is looked at.
    side, tif            in   int64  ANY: any
    most                 in   int64  looking ends when so many are found
    out                  out  int64[n]
    """
    count = 0
    slots, orders = np.int64(s.meta[0].slots_fresh), np.int64(0)
    for place in range(SIDES):
        orders += s.sides[SIDES * instrument + place].orders
    if instrument == 0 or SLOTS_PER_ORDER * orders > slots:
        for slot in range(slots):
            o = s.orders[slot]
            if o.flags == 0 or (instrument != 0 and o.instrument != instrument):
                continue
            if is_meant(s, slot, account, side, tif):
                if count < len(out):
                    out[count] = order_id(s, slot)
                count += 1
                if count >= most:
                    return count
        return count
    for place in range(SIDES):
        if side != ANY and place & (STOPS - 1) != side:
            continue
        v = s.sides[SIDES * instrument + place]
        if v.unpriced != NOTHING and s.levels[v.unpriced].count > 0:
            count = collect_level(s, np.int64(v.unpriced), account, side, tif, out, count)
        rank = np.int64(v.best)
        while rank != RANK_NONE and count < most:
            level = find_level(s, SIDES * instrument + place, rank)
            count = collect_level(s, level, account, side, tif, out, count)
            rank = next_rank(s, SIDES * instrument + place, rank)
    return count


@kernel
def cancel_orders(s, orders, at, reason, command, first_index, ts_ns, events):
    """Cancel the open orders `orders[at:]` one after another.

    orders   in   int64[n]  ids
    events   out  EVENT[k]  meta.event_count of them are written, none flagged LAST; meta.event_index goes on
    returns  (status, at): NEED_EVENTS to be called again from there; BROKEN at an order that is not open
    """
    m = s.meta[0]
    m.ts_ns = ts_ns
    m.row = command
    m.event_count = 0
    m.event_index = first_index
    while at < len(orders):
        if m.event_count == len(events):
            return NEED_EVENTS, at
        slot = slot_of(s, orders[at])
        if slot < 0:
            return BROKEN, at
        cancel_resting(s, events, slot, reason)
        at += 1
    return DONE, at


@kernel
def expire(s, due_ns, command, first_index, ts_ns, events):
    """Cancel the gtd orders whose expire_at is due_ns, by rising id. None may be earlier.

    events   out  EVENT[k]  as `cancel_orders`
    returns  status: NEED_EVENTS to be called again; BROKEN when one is due earlier
    """
    m = s.meta[0]
    m.ts_ns = ts_ns
    m.row = command
    m.event_count = 0
    m.event_index = first_index
    while m.expiries > 0:
        x = s.extras[s.expiries[0]]
        if x.expire_at > due_ns:
            return DONE
        if x.expire_at < due_ns:
            return BROKEN
        if m.event_count == len(events):
            return NEED_EVENTS
        cancel_resting(s, events, x.order & 0xFFFFFFFF, EXPIRED)
    return DONE
