"""The uncross: both sides trade at one price in priority order, then what cannot stay after a call ends.

The price and the volume are the call auction's (`engine/kernels/clearing.py`); here they are only carried out. Each
side is handed out level by level: a level that wants no more than is left fills, the one that wants more shares it
(`engine/kernels/call_sharing.py`), and no order behind it is looked at. The k-th lot bought is the k-th lot sold.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.bits import prefetch
from engine.kernels.call_sharing import next_share, share_out, without_classes
from engine.kernels.call_side import BUYS, MERGED, NOTHING, SELLS
from engine.kernels.compiled import kernel, rare, step
from engine.kernels.constants import (
    AT_AUCTION,
    AUCTION_REMAINDER,
    BROKEN,
    BUY,
    CLASS_REPORT,
    DEPOSIT,
    DONE,
    EXTRA,
    FEE_CALL,
    FILL,
    FLAG_AUCTION,
    HELD,
    MARKET_TO_LIMIT,
    NEED_EVENTS,
    REPRICED,
    SELL,
    SIDES,
    TRADED,
    UNPRICED_REMAINDER,
    UNUSUAL,
)
from engine.kernels.events import emit, emit_of_order
from engine.kernels.holdings import move_lots, release
from engine.kernels.levels import close_level, find_level, next_rank
from engine.kernels.queues import unlink
from engine.kernels.resting import cancel_resting, end_order, reprice, rest, room_to_rest, withdraw
from engine.kernels.slots import order_id


@step
def _first_level(s, side, limit, unpriced_last):
    """The level of highest priority on a side, up to rank `limit`; or NOTHING."""
    v = s.sides[side]
    has_unpriced = v.unpriced != NOTHING and s.levels[v.unpriced].count > 0
    if has_unpriced and not unpriced_last:
        return np.int64(v.unpriced)
    if v.best <= limit:
        return find_level(s, side, np.int64(v.best))
    return np.int64(v.unpriced) if has_unpriced else np.int64(NOTHING)


@rare
def _note_classes(s, side, c, merged, level, rule, block_seq):
    """A side of a book with classes comes to a level of co-ops: note what that changes if its limit is the last."""
    rank = np.int64(s.levels[level].rank)
    if rank & 1 or next_rank(s, side, rank) != rank + 1:
        return
    coops, others = s.levels[level], s.levels[find_level(s, side, rank + 1)]
    total = coops.total + others.total
    if c.left >= total:
        return
    plain = without_classes(s, merged, np.int64(coops.head), np.int64(others.head), total, np.int64(c.left), rule,
                            block_seq)  # fmt: skip
    c.class_lots = min(np.int64(coops.total), np.int64(c.left))
    c.class_gain = c.class_lots - plain
    c.class_price = s.orders[coops.head].price


@step
def _allot(s, side, c, merged, limit, rule, unpriced_last, block_seq):
    """Find the side's next order that trades, and how much. False when there is none though lots are left."""
    v = s.sides[side]
    while c.left > 0:
        if c.slot == NOTHING:
            c.level = _first_level(s, side, limit, unpriced_last)
            if c.level == NOTHING or c.is_shared:
                return False
            q = s.levels[c.level]
            if v.classes and c.level != v.unpriced:
                _note_classes(s, side, c, merged, c.level, rule, block_seq)
            if c.left < q.total:
                share_out(s, c, np.int64(q.head), NOTHING, np.int64(q.total), np.int64(c.left), rule, block_seq)
            c.slot = q.head
        o = s.orders[c.slot]
        if o.next >= 0:
            prefetch(s.orders, np.int64(o.next))
        share = next_share(s, c, np.int64(c.slot), rule, block_seq) if c.is_shared else np.int64(o.qty)
        if share > 0:
            c.allotted = share
            c.left -= share
            return True
        c.slot = o.next
    return False


@rare
def _use_unusual(s, slot, q, lots):
    """What an order has beside its level loses `lots` of it, before its quantity does: a hold, the peak of an iceberg.

    In an uncross an iceberg trades from the whole and keeps its place; its peaks run down as if it had not.
    """
    o = s.orders[slot]
    if o.flags & HELD:
        release(s, slot, lots)
    if o.flags & EXTRA:
        x = s.extras[s.links[slot].extra]
        if x.peak > 0:
            open_lots = o.qty - lots
            q.hidden -= o.qty - x.shown
            x.shown = x.shown - lots if lots < x.shown else x.peak - (lots - x.shown) % x.peak
            x.shown = min(np.int64(x.shown), open_lots)
            q.hidden += open_lots - x.shown


@step
def _trade(s, side, c, lots):
    """`lots` of what the side's order was allotted trade. Returns its open quantity.

    Of a level that fills whole nothing is mended until its last order is gone.
    """
    v, q = s.sides[side], s.levels[c.level]
    slot = np.int64(c.slot)
    o = s.orders[slot]
    if o.flags & UNUSUAL:
        _use_unusual(s, slot, q, lots)
    o.qty -= lots
    c.allotted -= lots
    leaves = np.int64(o.qty)
    if c.is_shared:
        q.total -= lots
        v.total -= lots
    if c.allotted > 0:
        return leaves
    c.slot = o.next
    if leaves == 0:
        if c.is_shared:
            v.orders -= 1
            unlink(s, np.int64(c.level), slot)  # never the last: the level wants more than there is
        elif c.slot == NOTHING:
            v.total -= q.total
            v.orders -= q.count
            q.total = q.hidden = q.count = 0
            if c.level != v.unpriced:
                close_level(s, side, np.int64(q.rank))
        end_order(s, slot)
    return leaves


@rare
def _give_price(s, events, slot, price):
    """A market-to-limit order that is left over has the auction price for its limit from here on; its seq stays."""
    qty = np.int64(s.orders[slot].qty)
    withdraw(s, slot)
    reprice(s, slot, price, qty)
    emit_of_order(s, events, REPRICED, slot, qty, 0, 0)
    rest(s, slot)


@step
def _end_unpriced(s, side, price, has_price, events):
    """Unpriced orders left over, by arrival: they end, or get the price. Returns a status."""
    v, m = s.sides[side], s.meta[0]
    while v.unpriced != NOTHING and s.levels[v.unpriced].count > 0:
        if m.event_count == len(events):
            return NEED_EVENTS
        slot = np.int64(s.levels[v.unpriced].head)
        o = s.orders[slot]
        reason = UNPRICED_REMAINDER
        if o.flags & EXTRA:
            x = s.extras[s.links[slot].extra]
            if x.type == MARKET_TO_LIMIT:
                if x.tif == AT_AUCTION:
                    reason = AUCTION_REMAINDER
                elif has_price:
                    status = room_to_rest(s, side)
                    if status != DONE:
                        return status
                    _give_price(s, events, slot, price)
                    continue
        cancel_resting(s, events, slot, reason)
    return DONE


@kernel
def uncross(
    s, instrument, price, has_price, rule, unpriced_last, block_seq, sides, command, first_index, ts_ns, events
):
    """Trade what `sides` have left at `price`, report what classes changed, then end or price unpriced remainders,
    buys first, by arrival. Orders for one uncross that have a limit are the caller's to end.

    price, has_price  in       int64, bool   ticks
    rule              in       SharingRule   by the levels that are not filled whole
    unpriced_last     in       bool
    block_seq         in       int64         for rules by block
    sides             in, out  CALL_SIDE[3]  call_sides(volume) at first, then as it was left
    events            out      EVENT[n]      meta.event_count of them are written, none flagged LAST; meta.event_index
                                             goes on
    returns status: NEED_... to be called again with the same sides; BROKEN when fewer lots are willing
    """
    m, book = s.meta[0], s.books[instrument]
    m.ts_ns = ts_ns
    m.row = command
    m.event_count = 0
    m.event_index = first_index
    first = SIDES * instrument
    buy_limit, sell_limit = -price, price
    if s.sides[first].classes:
        buy_limit, sell_limit = 2 * buy_limit + 1, 2 * sell_limit + 1
    buys, sells, merged = sides[BUYS], sides[SELLS], sides[MERGED]
    while buys.left + buys.allotted > 0:
        if m.event_count == len(events):
            return NEED_EVENTS
        if buys.allotted == 0 and not _allot(s, first + BUY, buys, merged, buy_limit, rule, unpriced_last, block_seq):
            return BROKEN
        if sells.allotted == 0 and not _allot(
            s, first + SELL, sells, merged, sell_limit, rule, unpriced_last, block_seq
        ):
            return BROKEN
        buy, sell = s.orders[buys.slot], s.orders[sells.slot]
        buyer, seller = buy.account, sell.account
        buy_id, sell_id = order_id(s, np.int64(buys.slot)), order_id(s, np.int64(sells.slot))
        lots = min(np.int64(buys.allotted), np.int64(sells.allotted))
        if book.flags & DEPOSIT:
            move_lots(s, instrument, seller, buyer, lots)
        _trade(s, first + BUY, buys, lots)
        leaves = _trade(s, first + SELL, sells, lots)
        emit(s, events, FILL, BUY, FLAG_AUCTION, 0, FEE_CALL, instrument, price, buyer, seller, buy_id, sell_id, lots,
             leaves)  # fmt: skip
        book.last = price
        book.flags |= TRADED
    for side in range(2):
        c = sides[side]
        if c.class_gain > 0:
            if m.event_count == len(events):
                return NEED_EVENTS
            emit(s, events, CLASS_REPORT, side, 0, 0, 0, instrument, c.class_price, 0, 0, 0, 0, c.class_lots,
                 c.class_gain)  # fmt: skip
            c.class_gain = 0
    for side in range(2):
        status = _end_unpriced(s, first + side, price, has_price, events)
        if status != DONE:
            return status
    return DONE
