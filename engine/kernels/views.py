"""What readers ask of the books: levels, orders in priority order, the orders of one account, a text id's order."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, step
from engine.kernels.constants import (
    EXTRA,
    GTC,
    GTD,
    ICEBERG,
    LIMIT,
    MARKET,
    RANK_NONE,
    REF_FORM_MASK,
    REF_FORM_SHIFT,
    SIDES,
    UNPRICED,
)
from engine.kernels.ids import find_id
from engine.kernels.levels import find_level, next_rank
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
    if o.flags & EXTRA:
        x = s.extras[s.links[slot].extra]
        view.type = x.type
        view.tif = x.tif
    view.ref_form = (o.flags >> REF_FORM_SHIFT) & REF_FORM_MASK
    view.ref_hi = c.ref_hi
    view.ref_lo = c.ref_lo


@step
def has_extra_view(s, slot):
    """Whether an order is an iceberg, a waiting stop or gtd."""
    if s.orders[slot].flags & EXTRA == 0:
        return False
    x = s.extras[s.links[slot].extra]
    return x.type == ICEBERG or x.waiting != 0 or x.tif == GTD


@step
def copy_extra(s, slot, view):
    """One EXTRA_VIEW row: what does not apply to the order any more is zero."""
    x = s.extras[s.links[slot].extra]
    view.order = order_id(s, slot)
    view.expire_at = x.expire_at if x.tif == GTD else 0
    view.peak = x.peak if x.type == ICEBERG else 0
    view.shown = x.shown if x.type == ICEBERG else 0
    view.stop_price = x.stop_price if x.waiting else 0
    view.waiting = x.waiting
    view.stp = x.stp if x.waiting else 0
    view.stp_group = x.stp_group if x.waiting else 0
    view.spare = 0


@step
def price_at(s, side, rank):
    """Price of a rank, on a side with or without classes. (Of waiting stops: the stop price.)"""
    if s.sides[side].classes:
        rank >>= 1
    return rank if (side + (side >> 1)) & 1 else -rank


@kernel
def levels_of(s, side, out):
    """Prices of a side, best first, and what is shown there, as LEVEL_VIEW rows. Returns how many were written."""
    rank = np.int64(s.sides[side].best)
    count = 0
    while rank != RANK_NONE:
        q = s.levels[find_level(s, side, rank)]
        price = price_at(s, side, rank)
        lots = q.total - q.hidden
        if count > 0 and out[count - 1].price == price:
            out[count - 1].qty += lots
            out[count - 1].orders += q.count
        elif count == len(out):
            break
        else:
            out[count].price = price
            out[count].qty = lots
            out[count].orders = q.count
            count += 1
        rank = next_rank(s, side, rank)
    return count


@kernel
def count_levels(s):
    """Prices with orders over all sides, waiting stops left out."""
    count = 0
    for side in range(len(s.sides)):
        rank = np.int64(s.sides[side].best)
        if side & (SIDES - 1) > 1:
            continue
        while rank != RANK_NONE:
            following = next_rank(s, side, rank)
            if following == RANK_NONE or price_at(s, side, following) != price_at(s, side, rank):
                count += 1
            rank = following
    return count


@step
def orders_of_side(s, side, out, count):
    """Orders of a side in priority order, unpriced first, as ORDER_VIEW rows into out[count:]; the new count."""
    v = s.sides[side]
    if v.unpriced != NOTHING and s.levels[v.unpriced].count > 0:
        slot = np.int64(s.levels[v.unpriced].head)
        while slot != NOTHING:
            copy_order(s, slot, out[count])
            count += 1
            slot = np.int64(s.orders[slot].next)
    rank = np.int64(v.best)
    while rank != RANK_NONE:
        slot = np.int64(s.levels[find_level(s, side, rank)].head)
        while slot != NOTHING:
            copy_order(s, slot, out[count])
            count += 1
            slot = np.int64(s.orders[slot].next)
        rank = next_rank(s, side, rank)
    return count


@kernel
def orders_by_book(s, instruments, out):
    """Every open order of the books in `instruments`: book by book, its sides in order, each in priority order.

    instruments  in   int64[k]
    out          out  ORDER_VIEW[orders of these books]
    returns      how many were written
    """
    count = 0
    for i in range(len(instruments)):
        for side in range(SIDES * instruments[i], SIDES * (instruments[i] + 1)):
            count = orders_of_side(s, side, out, count)
    return count


@kernel
def extras_by_slot(s, out):
    """What open orders have beside their ORDER_VIEW, as EXTRA_VIEW rows by slot. Returns how many there are; writes as
    many as fit."""
    count = 0
    for slot in range(s.meta[0].slots_fresh):
        if s.orders[slot].flags & EXTRA and has_extra_view(s, slot):
            if count < len(out):
                copy_extra(s, slot, out[count])
            count += 1
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
def extra_at(s, order, out):
    """What an open order has beside its ORDER_VIEW into out[0]. Returns whether there is anything."""
    slot = slot_of(s, order)
    if slot < 0 or not has_extra_view(s, slot):
        return False
    copy_extra(s, slot, out[0])
    return True


@kernel
def order_named(s, account, form, hi, lo):
    """Id of the open order that a text id names, or 0."""
    entry = find_id(s, account, form, hi, lo)
    if entry < 0:
        return 0
    order = np.int64(s.ids[entry].order)
    return order if slot_of(s, order) >= 0 else 0
