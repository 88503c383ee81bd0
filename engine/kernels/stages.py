"""What an order does when it comes, stage by stage; a command that a lack of room stopped goes on at its stage.

    MATCHING   meta.taker trades meta.left lots up to rank meta.limit
    REMAINDER  it has met all it could: what is left rests or is cancelled
    ELECTING   meta.taker is first of the elected stops: it becomes a market or limit order, and a taker
    UNFILLABLE it cannot trade what it must on entry
    BEYOND     it was elected with a limit outside the collar

Whoever is called with a full event buffer returns NEED_EVENTS only when another event is certain to follow, so that a
command's last event is always in the buffer when it ends.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    ALL_OR_NONE,
    BEYOND_COLLAR,
    BUY,
    DONE,
    EXTRA,
    FOK,
    FOK_UNFILLABLE,
    IOC,
    IOC_REMAINDER,
    LIMIT,
    MARKET,
    MARKET_REMAINDER,
    MARKET_TO_LIMIT,
    MIN_QTY_UNFILLABLE,
    NEED_EVENTS,
    RANK_NONE,
    REPRICED,
    SIDES,
    STOP,
    STP_GROUP,
    STP_NONE,
    TRIGGERED,
    UNPRICED,
)
from engine.kernels.events import emit_of_order
from engine.kernels.extras import is_waiting
from engine.kernels.matching import match
from engine.kernels.ranks import limit_in, price_in
from engine.kernels.refusal import is_beyond_collar, is_matching
from engine.kernels.resting import cancel_taker, end_order, reprice, rest, room_to_rest
from engine.kernels.self_trade import tradable
from engine.kernels.stops import elect_stops, is_elected, queue_elected
from engine.kernels.terms import extension_terms

NOTHING = -1
IDLE, MATCHING, REMAINDER, UNFILLABLE, ELECTING, BEYOND = range(6)


@step
def other_side(s, slot):
    o = s.orders[slot]
    return SIDES * np.int64(o.instrument) + (1 - o.side)


@step
def limit_of(s, slot):
    """The worst rank of the other side that an order trades with: its price, unpriced the collar."""
    o, b = s.orders[slot], s.books[s.orders[slot].instrument]
    price = np.int64(o.price)
    if o.flags & UNPRICED:
        price = np.int64(b.collar_high) if o.side == BUY else np.int64(b.collar_low)
    return limit_in(s.sides[other_side(s, slot)], 1 - o.side, price)


@step
def wait_for_room(s, stage, slot, left, limit, tif):
    m = s.meta[0]
    m.stage = stage
    m.taker = slot
    m.left = left
    m.limit = limit
    m.tif = tif


@step
def finish(s, events, slot, left, tif):
    """A taker has met all it could: it ends, rests, or what is left of it is cancelled. DONE or NEED_EVENTS."""
    if left == 0:
        end_order(s, slot)
    elif left > 0:
        o = s.orders[slot]
        if tif == IOC or o.flags & UNPRICED:
            if s.meta[0].event_count == len(events):
                return NEED_EVENTS
            cancel_taker(s, events, slot, left, IOC_REMAINDER if tif == IOC else MARKET_REMAINDER)
        else:
            o.qty = left
            if o.flags & EXTRA:
                x = s.extras[s.links[slot].extra]
                x.shown = min(x.peak, left)
            rest(s, slot)
    return DONE


@step
def arrive(s, events, slot, left, tif):
    """A plain order, new or replaced, meets the book: trade what crosses, rest or cancel what is left."""
    m, o = s.meta[0], s.orders[slot]
    b = s.books[o.instrument]
    if not is_matching(b):
        rest(s, slot)
        return DONE
    m.stp = STP_NONE
    m.filled = 0
    limit = limit_of(s, slot)
    if s.sides[other_side(s, slot)].best <= limit:
        if tif == FOK and not tradable(s, other_side(s, slot), limit, left, np.int64(o.account)):
            cancel_taker(s, events, slot, left, FOK_UNFILLABLE)
            return DONE
        status, left = match(s, events, slot, limit, left)
        if status != DONE:
            wait_for_room(s, MATCHING, slot, left, limit, tif)
            return status
    elif tif == FOK:
        cancel_taker(s, events, slot, left, FOK_UNFILLABLE)
        return DONE
    instrument = np.int64(o.instrument)
    status = finish(s, events, slot, left, tif)
    if status != DONE:
        wait_for_room(s, REMAINDER, slot, left, limit, tif)
        return status
    if b.stops != 0 and m.filled:
        return after_taker(s, events, instrument)
    return DONE


@rare
def arrive_unusual(s, events, slot, r, extensions):
    """An order with any terms, new or replaced, meets the book. ACCEPTED or REPLACED is written; one more has room."""
    m, o = s.meta[0], s.orders[slot]
    b = s.books[o.instrument]
    left, side = np.int64(o.qty), np.int64(o.side)
    if not is_matching(b):
        rest(s, slot)
        return DONE
    if is_waiting(s, slot):
        if not is_elected(s, slot):
            rest(s, slot)
            return DONE
        queue_elected(s, slot)
        m.taker = slot
        m.stage = ELECTING
        return go_on(s, events)
    other = other_side(s, slot)
    if r.type == MARKET_TO_LIMIT:
        v = s.sides[other]
        if v.best == RANK_NONE or v.best > limit_of(s, slot):
            cancel_taker(s, events, slot, left, MARKET_REMAINDER)
            return DONE
        reprice(s, slot, price_in(v, 1 - side, np.int64(v.best)), left)
        emit_of_order(s, events, REPRICED, slot, left, 0, 0)
    m.filled = 0
    m.stp = r.stp
    m.stp_group = r.flags & STP_GROUP
    limit = limit_of(s, slot)
    need = left if r.tif == FOK or r.flags & ALL_OR_NONE else extension_terms(r, extensions)[1]
    is_fillable = need <= 0 or tradable(s, other, limit, need, np.int64(o.account))
    wait_for_room(s, MATCHING if is_fillable else UNFILLABLE, slot, left, limit, np.int64(r.tif))
    return go_on(s, events)


@rare
def after_taker(s, events, instrument):
    """A taker that had fills is over: it may have elected stops, which act now."""
    m = s.meta[0]
    elect_stops(s, instrument, min(m.fill_first, m.fill_last), max(m.fill_first, m.fill_last))
    if m.elected_first == NOTHING:
        return DONE
    m.taker = m.elected_first
    m.stage = ELECTING
    return go_on(s, events)


@step
def elect_next(s, events):
    """The first of the elected stops becomes a market or limit order, and a taker."""
    m = s.meta[0]
    slot = np.int64(m.taker)
    o, b = s.orders[slot], s.books[s.orders[slot].instrument]
    x = s.extras[s.links[slot].extra]
    if m.event_count + 2 > len(events):
        return NEED_EVENTS
    if x.type != STOP:
        status = room_to_rest(s, SIDES * np.int64(o.instrument) + o.side)
        if status != DONE:
            return status
    m.elected_first = o.next
    x.type = MARKET if x.type == STOP else LIMIT
    x.waiting = 0
    x.stop_price = 0
    s.cold[slot].seq = m.first_seq + m.row
    emit_of_order(s, events, TRIGGERED, slot, o.qty, 0, 0)
    m.filled = 0
    m.stp = x.stp
    m.stp_group = x.stp_group
    x.stp = 0
    x.stp_group = 0
    beyond = x.type == LIMIT and is_beyond_collar(b, o.side, np.int64(o.price))
    wait_for_room(s, BEYOND if beyond else MATCHING, slot, np.int64(o.qty), limit_of(s, slot), np.int64(x.tif))
    return DONE


@rare
def go_on(s, events):
    """From meta.stage to the end of the command, stop by stop, or to a lack of room."""
    m = s.meta[0]
    while True:
        if m.stage == ELECTING:
            status = elect_next(s, events)
            if status != DONE:
                return status
        slot = np.int64(m.taker)
        instrument = np.int64(s.orders[slot].instrument)
        if m.stage == MATCHING:
            status, left = match(s, events, slot, np.int64(m.limit), np.int64(m.left))
            m.left = left
            if status != DONE:
                return status
            m.stage = REMAINDER
        if m.stage == REMAINDER:
            status = finish(s, events, slot, np.int64(m.left), np.int64(m.tif))
            if status != DONE:
                return status
            if m.filled and s.books[instrument].stops != 0:
                elect_stops(s, instrument, min(m.fill_first, m.fill_last), max(m.fill_first, m.fill_last))
        else:
            if m.event_count == len(events):
                return NEED_EVENTS
            reason = BEYOND_COLLAR
            if m.stage == UNFILLABLE:
                reason = FOK_UNFILLABLE if m.tif == FOK else MIN_QTY_UNFILLABLE
            cancel_taker(s, events, slot, np.int64(m.left), reason)
        m.taker = m.elected_first
        m.stage = ELECTING
        if m.elected_first == NOTHING:
            m.stage = IDLE
            return DONE
