"""Price-time priority: a taker trades with the best rank first, in it with the oldest order, at the maker's price."""

from __future__ import annotations

import numpy as np

from engine.kernels.bits import prefetch
from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    CANCELLED,
    DONE,
    FEE_CONTINUOUS,
    FILL,
    FOK,
    FOK_UNFILLABLE,
    GTC,
    IOC,
    IOC_REMAINDER,
    MARKET_REMAINDER,
    MATCHING_MASK,
    NAMED,
    NEED_EVENTS,
    RANK_ANY,
    SELL,
    SIDES,
    UNPRICED,
)
from engine.kernels.events import emit, emit_of_order
from engine.kernels.ids import close_ids_of
from engine.kernels.levels import close_level, find_level, next_rank, open_level, take_single_level
from engine.kernels.queues import append, unlink
from engine.kernels.slots import give_back_slot, order_id

NOTHING = -1


@step
def rank_of(side, price):
    return price if side == SELL else -price


@step
def end_order(s, slot):
    """An order that is in no level any more: its text ids begin to be forgotten, its slot is free."""
    if s.orders[slot].flags & NAMED:
        close_ids_of(s, slot)
    give_back_slot(s, slot)


@rare
def unpriced_level(s, side):
    """The level of a side's unpriced orders, made at first use."""
    v = s.sides[side]
    if v.unpriced == NOTHING:
        v.unpriced = take_single_level(s)
    return np.int64(v.unpriced)


@step
def rest(s, slot):
    """Put an order last in the level of its price, or among the unpriced ones."""
    o = s.orders[slot]
    side = SIDES * np.int64(o.instrument) + o.side
    v = s.sides[side]
    if o.flags & UNPRICED:
        level = unpriced_level(s, side)
    else:
        level = open_level(s, side, rank_of(o.side, np.int64(o.price)))
    append(s, level, slot)
    v.total += o.qty
    v.orders += 1


@step
def withdraw(s, slot):
    """Take a resting order out of its level, with all of its quantity."""
    o = s.orders[slot]
    side = SIDES * np.int64(o.instrument) + o.side
    v = s.sides[side]
    v.total -= o.qty
    v.orders -= 1
    if o.flags & UNPRICED:
        unlink(s, np.int64(v.unpriced), slot)
        return
    rank = rank_of(o.side, np.int64(o.price))
    if unlink(s, find_level(s, side, rank), slot) == 0:
        close_level(s, side, rank)


@rare
def fillable(s, side, limit, qty):
    """Whether the levels of `side` up to rank `limit` hold at least `qty`."""
    rank = np.int64(s.sides[side].best)
    while rank <= limit:
        qty -= s.levels[find_level(s, side, rank)].total
        if qty <= 0:
            return True
        rank = next_rank(s, side, rank)
    return False


@step
def match(s, events, slot, limit, left):
    """Trade `left` lots of the order in `slot` against ranks up to `limit` of the other side.

    returns (status, lots left): NEED_EVENTS leaves the book between two fills, with another fill certain to follow.
    Room for the event that ends the taker is always kept.
    """
    taker = s.orders[slot]
    taker_id = order_id(s, slot)
    other = SIDES * np.int64(taker.instrument) + (1 - taker.side)
    v, m = s.sides[other], s.meta[0]
    while left > 0 and v.best <= limit:
        rank = np.int64(v.best)
        price = rank_of(1 - taker.side, rank)
        level = find_level(s, other, rank)
        q = s.levels[level]
        maker_slot = np.int64(q.head)
        while left > 0 and maker_slot >= 0:
            if m.event_count + 2 > len(events):
                q.head = maker_slot
                s.orders[maker_slot].prev = NOTHING
                return NEED_EVENTS, left
            maker = s.orders[maker_slot]
            behind = np.int64(maker.next)
            if behind >= 0:
                prefetch(s.orders, behind)
            maker_id = order_id(s, maker_slot)
            traded = min(left, np.int64(maker.qty))
            leaves = maker.qty - traded
            left -= traded
            q.total -= traded
            v.total -= traded
            emit(s, events, FILL, taker.side, 0, 0, FEE_CONTINUOUS, taker.instrument, price, taker.account,
                 maker.account, taker_id, maker_id, traded, leaves)  # fmt: skip
            if leaves == 0:
                q.count -= 1
                v.orders -= 1
                end_order(s, maker_slot)
                maker_slot = behind
            else:
                maker.qty = leaves
        if maker_slot >= 0:
            q.head = maker_slot
            s.orders[maker_slot].prev = NOTHING
        else:
            close_level(s, other, rank)
    return DONE, left


@step
def arrive(s, events, slot, left, tif, again):
    """A new or replaced order, in no level, meets the book: trade what crosses, rest or cancel what is left.

    again  the event buffer interrupted this order's matching; `left` lots are still to trade
    """
    o = s.orders[slot]
    m = s.meta[0]
    if (MATCHING_MASK >> np.int64(s.books[o.instrument].phase)) & 1 == 0:
        rest(s, slot)
        return DONE
    other = SIDES * np.int64(o.instrument) + (1 - o.side)
    limit = RANK_ANY if o.flags & UNPRICED else rank_of(1 - o.side, np.int64(o.price))
    if s.sides[other].best <= limit:
        if tif == FOK and not again and not fillable(s, other, limit, left):
            emit_of_order(s, events, CANCELLED, slot, left, FOK_UNFILLABLE)
            end_order(s, slot)
            return DONE
        status, left = match(s, events, slot, limit, left)
        if status != DONE:
            m.taker = slot
            m.left = left
            m.tif = tif
            return status
    elif tif == FOK:
        emit_of_order(s, events, CANCELLED, slot, left, FOK_UNFILLABLE)
        end_order(s, slot)
        return DONE
    if left == 0:
        end_order(s, slot)
    elif tif == GTC and o.flags & UNPRICED == 0:
        o.qty = left
        rest(s, slot)
    else:
        emit_of_order(s, events, CANCELLED, slot, left, IOC_REMAINDER if tif == IOC else MARKET_REMAINDER)
        end_order(s, slot)
    return DONE
