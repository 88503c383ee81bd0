"""Arrays filled anew: books from the rows of a snapshot, tables into larger ones, a side into another window."""

from __future__ import annotations

import numpy as np

from engine.kernels.auction_orders import enter_auction
from engine.kernels.compiled import kernel, step
from engine.kernels.constants import (
    AT_AUCTION,
    EXTRA,
    GTC,
    ICEBERG,
    LIVE,
    MARKET,
    MARKET_TO_LIMIT,
    REF_FORM_SHIFT,
    SIDES,
    STOP,
    STOPS,
    UNPRICED,
)
from engine.kernels.ids import attach_id, enter_id, fetch_id_place, forget_ids, rehash_streams
from engine.kernels.levels import move_window, open_level
from engine.kernels.queues import append
from engine.kernels.resting import unpriced_level

NOTHING = -1
IDS_AHEAD = 16  # places in the index are fetched so many entries ahead
RANK_UNPRICED = -(2**31)  # in the ranks of `load_orders`: in the unpriced queue


@kernel
def load_extras(s, extras):
    """Fill the first rows of State.extras from EXTRA_VIEW[x]; until its order is loaded, LINK.extra is the row + 1."""
    for i in range(len(extras)):
        x, view = s.extras[i], extras[i]
        x.order = view.order
        x.expire_at = view.expire_at
        x.peak = view.peak
        x.shown = view.shown
        x.stop_price = view.stop_price
        x.waiting = view.waiting
        x.stp = view.stp
        x.stp_group = view.stp_group
        s.links[view.order & 0xFFFFFFFF].extra = i + 1
    s.meta[0].extras_used = len(extras)


@step
def load_order(s, side, level, view):
    """One ORDER_VIEW row behind the others of its level."""
    slot = view.order & 0xFFFFFFFF
    o, c, v, m = s.orders[slot], s.cold[slot], s.sides[side], s.meta[0]
    o.price = view.price
    o.account = view.account
    o.qty = view.qty
    o.instrument = view.instrument
    o.side = view.side
    o.flags = LIVE | np.int64(view.ref_form) << REF_FORM_SHIFT
    if view.type == MARKET or view.type == MARKET_TO_LIMIT or view.type == STOP:
        o.flags |= UNPRICED
    c.seq = view.seq
    c.entered_qty = view.entered_qty
    c.ref_hi = view.ref_hi
    c.ref_lo = view.ref_lo
    append(s, level, slot)
    v.total += view.qty
    v.orders += 1
    m.orders_open += 1
    if view.tif != GTC or view.type > MARKET:
        link = s.links[slot]
        extra = np.int64(link.extra) - 1
        if extra < 0:
            extra = m.extras_used
            m.extras_used = extra + 1
        link.extra = extra
        o.flags |= EXTRA
        x = s.extras[extra]
        x.order = view.order
        x.type = view.type
        x.tif = view.tif
        if view.tif == AT_AUCTION:
            enter_auction(s, extra)
        if view.type == ICEBERG:
            s.levels[level].hidden += view.qty - x.shown
    if side & (SIDES - 1) >= STOPS:
        s.sides[side - STOPS].waiting += view.qty
        s.books[view.instrument].stops += 1


@kernel
def load_orders(s, sides, counts, orders, ranks):
    """Fill empty sides, whose windows stand and whose accounts are known. Extras were loaded before.

    sides   in  int64[k]
    counts  in  int64[k]       orders of each
    orders  in  ORDER_VIEW[n]  side by side, each in priority order
    ranks   in  int64[n]       of their levels, or RANK_UNPRICED
    The caller has made room: single levels, far vectors, extras.

    Levels come worst first, so that far ones join the sorted vector at its end; in a level, orders come oldest first.
    """
    begin = 0
    for i in range(len(sides)):
        side, first, end = sides[i], begin, begin + counts[i]
        begin = end
        v = s.sides[side]
        while first < end and ranks[first] == RANK_UNPRICED:
            load_order(s, side, unpriced_level(s, side), orders[first])
            first += 1
        if first < end:
            v.best = ranks[first]
            v.rank0 = v.best - (v.ticks >> 2)
        while first < end:
            start = end - 1
            while start > first and ranks[start - 1] == ranks[start]:
                start -= 1
            level = open_level(s, side, ranks[start])
            for j in range(start, end):
                load_order(s, side, level, orders[j])
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
def reindex_ids(s):
    """Enter every text id into an empty, larger index. It is called when all entries are in use."""
    count = s.meta[0].ids
    for entry in range(count):
        ahead = s.ids[min(entry + IDS_AHEAD, count - 1)]
        fetch_id_place(s, ahead.account, ahead.form, ahead.hi, ahead.lo)
        enter_id(s, entry)


@kernel
def sweep(s, now_ns):
    """Forget text ids closed long enough before now_ns."""
    forget_ids(s, now_ns)


@kernel
def reindex_streams(s, old_keys, old_last):
    """Enter the streams of two old arrays into the larger, empty ones of the state."""
    rehash_streams(old_keys, old_last, s)


@kernel
def relocate(s, side, rank0, ticks, level0, bits0, kept):
    """Give a side another window; see `move_window`."""
    move_window(s, side, rank0, ticks, level0, bits0, kept)
