"""Rows of State.extras: what an order has beside its plain row."""

from __future__ import annotations

import numpy as np

from engine.kernels.auction_orders import enter_auction, leave_auction
from engine.kernels.compiled import rare, step
from engine.kernels.constants import AT_AUCTION, EXTRA, FOK, GTD, ICEBERG, LIMIT, MARKET, STOP, STOP_LIMIT, UNPRICED
from engine.kernels.expiry import enter_expiry, leave_expiry
from engine.kernels.slots import order_id

NOTHING = -1


@step
def extras_full(s):
    """Whether another row finds no room."""
    return s.meta[0].extra_free == NOTHING and s.meta[0].extras_used >= len(s.extras)


@rare
def take_extra(s, slot):
    """A row for the order in `slot`, which has none. The caller has checked for room."""
    m = s.meta[0]
    extra = np.int64(m.extra_free)
    if extra == NOTHING:
        extra = np.int64(m.extras_used)
        m.extras_used = extra + 1
    else:
        m.extra_free = s.extras[extra].heap_place
    s.orders[slot].flags |= EXTRA
    s.links[slot].extra = extra
    return extra


@rare
def drop_extra(s, slot):
    """The order in `slot` has a row no longer."""
    m = s.meta[0]
    extra = np.int64(s.links[slot].extra)
    if s.extras[extra].tif == GTD:
        leave_expiry(s, extra)
    elif s.extras[extra].tif == AT_AUCTION:
        leave_auction(s, extra)
    s.extras[extra].order = 0
    s.extras[extra].heap_place = m.extra_free
    m.extra_free = extra
    s.orders[slot].flags &= ~EXTRA


@step
def is_unusual_kind(type_, tif):
    """Whether an order of this type and time in force has a row."""
    return type_ > MARKET or tif > FOK


@rare
def set_terms(s, slot, type_, tif, qty, display_qty, stop_price, expire_at, stp, stp_group):
    """Give the order in `slot` the row that its terms need, or none; it rests nowhere now."""
    if s.orders[slot].flags & EXTRA:
        drop_extra(s, slot)
    if not is_unusual_kind(type_, tif):
        return
    extra = take_extra(s, slot)
    x = s.extras[extra]
    is_stop = type_ >= STOP and type_ <= STOP_LIMIT
    x.order = order_id(s, slot)
    x.type = type_
    x.tif = tif
    x.peak = display_qty if type_ == ICEBERG else 0
    x.shown = min(x.peak, qty)
    x.waiting = 1 if is_stop else 0
    x.stop_price = stop_price if is_stop else 0
    x.stp = stp if is_stop else 0
    x.stp_group = stp_group if is_stop else 0
    x.expire_at = 0
    if tif == GTD:
        x.expire_at = expire_at
        enter_expiry(s, extra)
    elif tif == AT_AUCTION:
        enter_auction(s, extra)


@step
def is_waiting(s, slot):
    """Whether the order is a stop that was not elected."""
    return s.orders[slot].flags & EXTRA != 0 and s.extras[s.links[slot].extra].waiting != 0


@rare
def type_of(s, slot):
    """OrderType of an open order as it is now."""
    o = s.orders[slot]
    if o.flags & EXTRA:
        return np.int64(s.extras[s.links[slot].extra].type)
    return MARKET if o.flags & UNPRICED else LIMIT
