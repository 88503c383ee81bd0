"""Price-time priority: a taker trades with the best rank first, in it with the oldest order, at the maker's price."""

from __future__ import annotations

import numpy as np

from engine.kernels.bits import prefetch
from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    BUY,
    CLASSES,
    DEPOSIT,
    DONE,
    EXTRA,
    FEE_CONTINUOUS,
    FILL,
    FLAG_CLASS_FIRST,
    HELD,
    NEED_EVENTS,
    SIDES,
    STP_NONE,
    TRADED,
)
from engine.kernels.events import emit
from engine.kernels.holdings import move_lots
from engine.kernels.levels import close_level, find_level, next_rank
from engine.kernels.making import shown_of, take_lots
from engine.kernels.ranks import rank_of
from engine.kernels.resting import end_order, lots_gone
from engine.kernels.self_trade import is_own, prevent
from engine.kernels.slots import order_id

NOTHING = -1


@step
def note_fill(s, b, price):
    """The newest price of a book, and the span of a taker's prices: they go one way only."""
    m = s.meta[0]
    b.last = price
    if m.filled == 0:
        b.flags |= TRADED
        m.filled = 1
        m.fill_first = price
    m.fill_last = price


@rare
def comes_first(s, side, level, seq):
    """Whether an order of a co-op, of priority `seq`, stands before an older one of no co-op at the same price."""
    rank = np.int64(s.levels[level].rank)
    if rank & 1 or next_rank(s, side, rank) != rank + 1:
        return False
    return s.cold[s.levels[find_level(s, side, rank + 1)].head].seq < seq


@rare
def meet(s, events, slot, side, level, left):
    """A taker with `left` lots meets the first order of a level, whatever either of them is. Returns its lots left.

    Writes one event or two. The level is sound before and after, and closed when its last order is gone.
    """
    m, taker = s.meta[0], s.orders[slot]
    maker_slot = np.int64(s.levels[level].head)
    maker = s.orders[maker_slot]
    if m.stp != STP_NONE and is_own(s, taker.account, maker.account, m.stp_group != 0):
        return prevent(s, events, slot, side, level, maker_slot, left)
    b, price = s.books[taker.instrument], np.int64(maker.price)
    traded = min(left, shown_of(s, maker_slot))
    flags = 0
    if b.flags & CLASSES and comes_first(s, side, level, s.cold[maker_slot].seq):
        flags = FLAG_CLASS_FIRST
    emit(s, events, FILL, taker.side, flags, 0, FEE_CONTINUOUS, taker.instrument, price, taker.account, maker.account,
         order_id(s, slot), order_id(s, maker_slot), traded, maker.qty - traded)  # fmt: skip
    note_fill(s, b, price)
    if b.flags & DEPOSIT:
        buyer, seller = (taker, maker) if taker.side == BUY else (maker, taker)
        move_lots(s, taker.instrument, seller.account, buyer.account, traded)
    lots_gone(s, slot, traded)
    take_lots(s, side, level, maker_slot, traded)
    return left - traded


@step
def match(s, events, slot, limit, left):
    """Trade `left` lots of the order in `slot` against ranks up to `limit` of the other side.

    returns (status, lots left): NEED_EVENTS leaves the book sound, with another event certain to follow. Lots left are
    -1 when self-trade prevention ended the taker. Between plain orders, room for the event that ends the taker is kept.
    """
    taker = s.orders[slot]
    taker_id = order_id(s, slot)
    other = SIDES * np.int64(taker.instrument) + (1 - taker.side)
    v, m, b = s.sides[other], s.meta[0], s.books[taker.instrument]
    careful = m.stp != STP_NONE or b.flags & (CLASSES | DEPOSIT) != 0 or taker.flags & HELD != 0
    while left > 0 and v.best <= limit:
        rank = np.int64(v.best)
        price = rank_of(1 - taker.side, rank)
        level = find_level(s, other, rank)
        q = s.levels[level]
        maker_slot = np.int64(q.head)
        before = left
        plain = True
        while left > 0 and maker_slot >= 0:
            if m.event_count + 2 > len(events):
                q.head = maker_slot
                s.orders[maker_slot].prev = NOTHING
                if left != before:
                    note_fill(s, b, price)
                return NEED_EVENTS, left
            maker = s.orders[maker_slot]
            if careful or maker.flags & (EXTRA | HELD):
                plain = False
                break
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
        if left != before:
            note_fill(s, b, price)
        if maker_slot >= 0:
            q.head = maker_slot
            s.orders[maker_slot].prev = NOTHING
            if not plain:
                left = meet(s, events, slot, other, level, left)
        else:
            close_level(s, other, rank)
    return DONE, left
