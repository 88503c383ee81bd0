"""The uncross: both sides trade at one price in priority order, then unpriced orders that are left are cancelled.

The price and the volume are the call auction's (`engine/kernels/clearing.py`); here they are only carried out.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, step
from engine.kernels.constants import (
    BROKEN,
    BUY,
    CANCELLED,
    DONE,
    FEE_CALL,
    FILL,
    FLAG_AUCTION,
    NEED_EVENTS,
    SELL,
    SIDES,
    UNPRICED_REMAINDER,
)
from engine.kernels.events import emit, emit_of_order
from engine.kernels.levels import close_level, find_level
from engine.kernels.matching import end_order, withdraw
from engine.kernels.queues import unlink
from engine.kernels.slots import order_id

NOTHING = -1


@step
def first_level(s, side, limit):
    """Level with the order of highest priority on `side`: unpriced first, then the best rank up to `limit`; or -1."""
    v = s.sides[side]
    if v.unpriced != NOTHING and s.levels[v.unpriced].count > 0:
        return np.int64(v.unpriced)
    if v.best > limit:
        return NOTHING
    return find_level(s, side, np.int64(v.best))


@step
def take_from(s, side, level, qty):
    """Trade `qty` lots of the first order of a level. Returns its quantity left."""
    v, q = s.sides[side], s.levels[level]
    slot = np.int64(q.head)
    o = s.orders[slot]
    leaves = o.qty - qty
    v.total -= qty
    if leaves > 0:
        o.qty = leaves
        q.total -= qty
        return leaves
    o.qty = qty
    v.orders -= 1
    if unlink(s, level, slot) == 0 and level != v.unpriced:
        close_level(s, side, np.int64(v.best))
    o.qty = 0
    end_order(s, slot)
    return leaves


@kernel
def uncross(s, instrument, price, volume, command, first_index, ts_ns, events):
    """Trade `volume` lots at `price`, then cancel unpriced remainders, buys first, by arrival.

    price   in  int64     ticks; not read when volume is 0
    events  out EVENT[n]  meta.event_count of them are written, none flagged LAST; meta.event_index goes on
    returns (status, lots left): NEED_EVENTS to be called again with the lots left; BROKEN when fewer lots are willing
    """
    m = s.meta[0]
    m.ts_ns = ts_ns
    m.row = command
    m.event_count = 0
    m.event_index = first_index
    buys, sells = SIDES * instrument + BUY, SIDES * instrument + SELL
    while volume > 0:
        if m.event_count == len(events):
            return NEED_EVENTS, volume
        buy_level, sell_level = first_level(s, buys, -price), first_level(s, sells, price)
        if buy_level == NOTHING or sell_level == NOTHING:
            return BROKEN, volume
        buy_slot, sell_slot = np.int64(s.levels[buy_level].head), np.int64(s.levels[sell_level].head)
        buy, sell = s.orders[buy_slot], s.orders[sell_slot]
        traded = min(min(np.int64(buy.qty), np.int64(sell.qty)), volume)
        buy_id, sell_id = order_id(s, buy_slot), order_id(s, sell_slot)
        volume -= traded
        take_from(s, buys, buy_level, traded)
        leaves = take_from(s, sells, sell_level, traded)
        emit(s, events, FILL, BUY, FLAG_AUCTION, 0, FEE_CALL, instrument, price, buy.account, sell.account, buy_id,
             sell_id, traded, leaves)  # fmt: skip
    for side in (buys, sells):
        v = s.sides[side]
        while v.unpriced != NOTHING and s.levels[v.unpriced].count > 0:
            if m.event_count == len(events):
                return NEED_EVENTS, volume
            slot = np.int64(s.levels[v.unpriced].head)
            emit_of_order(s, events, CANCELLED, slot, s.orders[slot].qty, UNPRICED_REMAINDER)
            withdraw(s, slot)
            end_order(s, slot)
    return DONE, volume
