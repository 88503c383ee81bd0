"""Where an order rests: a price's level, the queue of unpriced orders, a level of waiting stops; and its end."""

from __future__ import annotations

import numpy as np

from engine.kernels.chains import leave_chain
from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    CANCELLED,
    CHAINED,
    DONE,
    EXTRA,
    FAR_FIRST,
    HELD,
    LIMIT,
    NAMED,
    NEED_FAR,
    NEED_LEVELS,
    NEED_WINDOW,
    SIDES,
    STOPS,
    UNPRICED,
    UNUSUAL,
)
from engine.kernels.events import emit_of_order
from engine.kernels.extras import drop_extra, is_waiting
from engine.kernels.holdings import end_holding, hold, release
from engine.kernels.ids import close_ids_of
from engine.kernels.levels import close_level, find_level, open_level, take_single_level
from engine.kernels.queues import append, unlink
from engine.kernels.ranks import rank_in, stop_rank
from engine.kernels.slots import give_back_slot

NOTHING = -1


@step
def room_to_rest(s, side):
    """What must be made larger before an order can rest on this side at whatever price, or DONE."""
    v, m = s.sides[side], s.meta[0]
    if v.ticks == 0:
        m.wanted = side
        return NEED_WINDOW
    if m.level_spare == NOTHING and m.levels_used >= len(s.levels):
        return NEED_LEVELS
    if v.far_count == v.far_capacity and m.far_used + max(FAR_FIRST, 2 * np.int64(v.far_capacity)) > len(s.far):
        m.wanted = 2 * np.int64(v.far_capacity)
        return NEED_FAR
    return DONE


@rare
def unpriced_level(s, side):
    """The level of a side's unpriced orders, made at first use."""
    v = s.sides[side]
    if v.unpriced == NOTHING:
        v.unpriced = take_single_level(s)
    return np.int64(v.unpriced)


@step
def rest(s, slot):
    """Put an order last in its level. The caller has made room."""
    o = s.orders[slot]
    if o.flags & (UNPRICED | EXTRA):
        rest_unusual(s, slot)
        return
    side = SIDES * np.int64(o.instrument) + o.side
    v = s.sides[side]
    append(s, open_level(s, side, rank_in(s, v, o.side, np.int64(o.price), o.account)), slot)
    v.total += o.qty
    v.orders += 1


@rare
def rest_unusual(s, slot):
    """Of an iceberg, `shown` says what it shows."""
    o = s.orders[slot]
    side = SIDES * np.int64(o.instrument) + o.side
    v = s.sides[side]
    if is_waiting(s, slot):
        v.waiting += o.qty
        s.books[o.instrument].stops += 1
        side += STOPS
        v = s.sides[side]
        rank = stop_rank(o.side, np.int64(s.extras[s.links[slot].extra].stop_price))
        append(s, open_level(s, side, rank), slot)
    elif o.flags & UNPRICED:
        append(s, unpriced_level(s, side), slot)
    else:
        level = open_level(s, side, rank_in(s, v, o.side, np.int64(o.price), o.account))
        append(s, level, slot)
        s.levels[level].hidden += hidden_of(s, slot)
    v.total += o.qty
    v.orders += 1


@step
def hidden_of(s, slot):
    """Open lots that an order does not show."""
    if s.orders[slot].flags & EXTRA:
        x = s.extras[s.links[slot].extra]
        if x.peak > 0:
            return s.orders[slot].qty - x.shown
    return 0


@step
def withdraw(s, slot):
    """Take a resting order out of its level, with all of its lots."""
    o = s.orders[slot]
    if o.flags & (UNPRICED | EXTRA):
        withdraw_unusual(s, slot)
        return
    side = SIDES * np.int64(o.instrument) + o.side
    v = s.sides[side]
    v.total -= o.qty
    v.orders -= 1
    rank = rank_in(s, v, o.side, np.int64(o.price), o.account)
    if unlink(s, find_level(s, side, rank), slot) == 0:
        close_level(s, side, rank)


@rare
def withdraw_unusual(s, slot):
    o = s.orders[slot]
    side, level = place_of(s, slot)
    v = s.sides[side]
    v.total -= o.qty
    v.orders -= 1
    if is_waiting(s, slot):
        s.sides[side - STOPS].waiting -= o.qty
        s.books[o.instrument].stops -= 1
    else:
        s.levels[level].hidden -= hidden_of(s, slot)
    if unlink(s, level, slot) == 0 and level != v.unpriced:
        close_level(s, side, np.int64(s.levels[level].rank))


@rare
def place_of(s, slot):
    """(side, level) in which an order rests."""
    o = s.orders[slot]
    side = SIDES * np.int64(o.instrument) + o.side
    v = s.sides[side]
    if is_waiting(s, slot):
        rank = stop_rank(o.side, np.int64(s.extras[s.links[slot].extra].stop_price))
        return side + STOPS, find_level(s, side + STOPS, rank)
    if o.flags & UNPRICED:
        return side, np.int64(v.unpriced)
    return side, find_level(s, side, rank_in(s, v, o.side, np.int64(o.price), o.account))


@rare
def shrink(s, slot, qty):
    """Give a resting order less open lots, in its place. An iceberg goes on to show what it can."""
    o = s.orders[slot]
    side, level = place_of(s, slot)
    q = s.levels[level]
    gone = o.qty - qty
    q.total -= gone
    s.sides[side].total -= gone
    if is_waiting(s, slot):
        s.sides[side - STOPS].waiting -= gone
    else:
        q.hidden -= hidden_of(s, slot)
    o.qty = qty
    if o.flags & EXTRA:
        x = s.extras[s.links[slot].extra]
        x.shown = min(x.shown, qty)
        if x.waiting == 0:
            q.hidden += hidden_of(s, slot)
    lots_gone(s, slot, gone)


@step
def lots_gone(s, slot, qty):
    """An order has `qty` open lots less."""
    if s.orders[slot].flags & HELD:
        release(s, slot, qty)


@step
def end_order(s, slot):
    """An order that is in no level and has no lots any more: its slot is free."""
    if s.orders[slot].flags & (NAMED | UNUSUAL):
        end_unusual(s, slot)
    give_back_slot(s, slot)


@rare
def end_unusual(s, slot):
    """Its text ids begin to be forgotten; it leaves whatever else knew it."""
    flags = s.orders[slot].flags
    if flags & NAMED:
        close_ids_of(s, slot)
    if flags & CHAINED:
        leave_chain(s, slot)
    if flags & HELD:
        end_holding(s, slot)
    if flags & EXTRA:
        drop_extra(s, slot)


@step
def cancel_resting(s, events, slot, reason):
    """CANCELLED of a resting order, and its end."""
    qty = np.int64(s.orders[slot].qty)
    emit_of_order(s, events, CANCELLED, slot, qty, 0, reason)
    withdraw(s, slot)
    lots_gone(s, slot, qty)
    end_order(s, slot)


@step
def cancel_taker(s, events, slot, qty, reason):
    """CANCELLED of an order that rests nowhere and has `qty` lots left, and its end."""
    emit_of_order(s, events, CANCELLED, slot, qty, 0, reason)
    lots_gone(s, slot, qty)
    end_order(s, slot)


@rare
def reprice(s, slot, price, lots):
    """An unpriced order with `lots` left becomes a limit order."""
    o = s.orders[slot]
    lots_gone(s, slot, lots)
    o.price = price
    o.flags &= ~UNPRICED
    s.extras[s.links[slot].extra].type = LIMIT
    if o.flags & HELD:
        hold(s, slot, lots)
