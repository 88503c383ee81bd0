"""What readers ask of the books: levels, orders in priority order, the orders of one account, a text id's order."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, step
from engine.kernels.constants import GTC, LIMIT, LIVE, MARKET, RANK_NONE, REF_FORM_MASK, REF_FORM_SHIFT, UNPRICED
from engine.kernels.ids import attach_id, enter_id, find_id, forget_ids, rehash_streams
from engine.kernels.levels import find_level, move_window, next_rank, open_level
from engine.kernels.matching import rank_of, unpriced_level
from engine.kernels.queues import append
from engine.kernels.slots import order_id, slot_of

NOTHING = -1


@step
def copy_order(s, slot, view):
    """One ORDER_VIEW row."""
    o, c = s.orders[slot], s.cold[slot]
    view.order = order_id(s, slot)
    view.seq = c.seq
    view.qty = o.qty
    view.entered_qty = c.entered_qty
    view.account = o.account
    view.instrument = o.instrument
    view.price = o.price
    view.side = o.side
    view.type = MARKET if o.flags & UNPRICED else LIMIT
    view.tif = GTC
    view.ref_form = o.flags >> REF_FORM_SHIFT & REF_FORM_MASK
    view.ref_hi = c.ref_hi
    view.ref_lo = c.ref_lo


@kernel
def levels_of(s, side, out):
    """Priced levels of a side, best first, as LEVEL_VIEW rows into `out`. Returns how many were written."""
    rank = np.int64(s.sides[side].best)
    count = 0
    while rank != RANK_NONE and count < len(out):
        q = s.levels[find_level(s, side, rank)]
        out[count].price = rank if side & 1 else -rank
        out[count].qty = q.total
        out[count].orders = q.count
        count += 1
        rank = next_rank(s, side, rank)
    return count


@kernel
def count_levels(s, side):
    """Priced levels of a side."""
    count = 0
    rank = np.int64(s.sides[side].best)
    while rank != RANK_NONE:
        count += 1
        rank = next_rank(s, side, rank)
    return count


@kernel
def orders_of_side(s, side, out):
    """Orders of a side in priority order, unpriced first, as ORDER_VIEW rows. Returns how many were written."""
    v = s.sides[side]
    count = 0
    if v.unpriced != NOTHING and s.levels[v.unpriced].count > 0:
        slot = np.int64(s.levels[v.unpriced].head)
        while slot != NOTHING and count < len(out):
            copy_order(s, slot, out[count])
            count += 1
            slot = np.int64(s.orders[slot].next)
    rank = np.int64(v.best)
    while rank != RANK_NONE:
        slot = np.int64(s.levels[find_level(s, side, rank)].head)
        while slot != NOTHING and count < len(out):
            copy_order(s, slot, out[count])
            count += 1
            slot = np.int64(s.orders[slot].next)
        rank = next_rank(s, side, rank)
    return count


@kernel
def orders_of_account(s, account, out):
    """Open orders of an account by slot, as ORDER_VIEW rows. Returns how many there are; writes as many as fit."""
    count = 0
    for slot in range(s.meta[0].slots_fresh):
        o = s.orders[slot]
        if o.flags != 0 and o.account == account:
            if count < len(out):
                copy_order(s, slot, out[count])
            count += 1
    return count


@kernel
def order_at(s, order, out):
    """The open order with this id into out[0]. Returns whether there is one."""
    slot = slot_of(s, order)
    if slot < 0:
        return False
    copy_order(s, slot, out[0])
    return True


@kernel
def order_named(s, account, form, hi, lo):
    """Id of the open order that a text id names, or 0."""
    entry = find_id(s, account, form, hi, lo)
    if entry < 0:
        return 0
    order = np.int64(s.ids[entry].order)
    return order if slot_of(s, order) >= 0 else 0


@kernel
def sweep(s, now_ns):
    """Forget text ids closed long enough before now_ns."""
    forget_ids(s, now_ns)


@kernel
def reindex_ids(s):
    """Enter every text id into an empty, larger index. It is called when all entries are in use."""
    for entry in range(s.meta[0].ids):
        enter_id(s, entry)


@step
def load_order(s, side, level, view):
    """One ORDER_VIEW row behind the others of its level."""
    slot = view.order & 0xFFFFFFFF
    o, c, v = s.orders[slot], s.cold[slot], s.sides[side]
    o.price = view.price
    o.account = view.account
    o.qty = view.qty
    o.instrument = view.instrument
    o.side = view.side
    o.flags = (LIVE | UNPRICED if view.type == MARKET else LIVE) | np.int64(view.ref_form) << REF_FORM_SHIFT
    c.seq = view.seq
    c.entered_qty = view.entered_qty
    c.ref_hi = view.ref_hi
    c.ref_lo = view.ref_lo
    append(s, level, slot)
    v.total += view.qty
    v.orders += 1
    s.meta[0].orders_open += 1


@kernel
def load_side(s, side, orders):
    """Fill an empty side with ORDER_VIEW[n] in priority order. The caller has made room for its levels.

    Levels come worst first, so that far ones join the sorted vector at its end; in a level, orders come oldest first.
    """
    v = s.sides[side]
    first, end = 0, len(orders)
    while first < end and orders[first].type == MARKET:
        load_order(s, side, unpriced_level(s, side), orders[first])
        first += 1
    if first < end:
        v.best = rank_of(side & 1, np.int64(orders[first].price))
        v.rank0 = v.best - (v.ticks >> 2)
    while first < end:
        start = end - 1
        while start > first and orders[start - 1].price == orders[start].price:
            start -= 1
        level = open_level(s, side, rank_of(side & 1, np.int64(orders[start].price)))
        for i in range(start, end):
            load_order(s, side, level, orders[i])
        end = start


@kernel
def load_ids(s):
    """Enter the first meta.ids rows of State.ids into the empty index; bind those of open orders to them."""
    for entry in range(s.meta[0].ids):
        enter_id(s, entry)
        e = s.ids[entry]
        if e.closed_ns == NOTHING:
            attach_id(s, entry, np.int64(e.order) & 0xFFFFFFFF, np.int64(e.order))


@kernel
def reindex_streams(s, old_keys, old_last):
    """Enter the streams of two old arrays into the larger, empty ones of the state."""
    rehash_streams(old_keys, old_last, s)


@kernel
def relocate(s, side, rank0, ticks, level0, bits0, kept):
    """Give a side another window; see `move_window`."""
    move_window(s, side, rank0, ticks, level0, bits0, kept)
