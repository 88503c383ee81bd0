"""The last part of the table in `engine/kernels/validate.py`, from `phase_forbids`: what a row may do as things are."""

from __future__ import annotations

import numpy as np

from engine.kernels.chains import crosses_own
from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    ACCOUNT_FROZEN,
    ALL_OR_NONE,
    AT_AUCTION,
    CANCEL_MASK,
    DISPLAY_RANGE,
    ENTRY_MASK,
    EXPIRY_PAST,
    FOK,
    GTC,
    GTD,
    ICEBERG,
    ICEBERG_PARTS_MAX,
    IOC,
    MATCHING_MASK,
    MIN_QTY_RANGE,
    NEW,
    NOTIONAL_RANGE,
    ORDERS_FULL,
    PHASE_FORBIDS,
    POST_ONLY,
    POST_ONLY_CROSSES,
    PRICE_BAND,
    PRICE_COLLAR,
    PRICE_NOT_ALLOWED,
    PRICE_RANGE,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    QTY_RANGE,
    SELF_CROSS,
    SELL,
    SIDE_INVALID,
    SIDE_TOTAL_LOTS_MAX,
    SIDE_TOTAL_RANGE,
    SIDES,
    SLIDE,
    STP_GROUP,
    STP_NONE,
    TERMS_CONFLICT,
    TERMS_IN_CALL,
    TIF_IN_CALL,
    TIF_NEEDS_CALL,
    TYPE_INVALID,
    UNPRICED,
    UNUSUAL,
    VALIDITY_PAST,
    VENUE_STOPPED,
)
from engine.kernels.extras import type_of
from engine.kernels.holdings import holding_reason, is_watched
from engine.kernels.ranks import limit_in, price_in
from engine.kernels.slots import slot_available
from engine.kernels.terms import extension_terms, is_stop_type, is_unpriced_type, terms_conflict
from engine.kernels.validate import find_target
from engine.kernels.worth import notional_fits, unpriced_worth, worth_of

NOTHING = -1


@step
def is_matching(b):
    return (MATCHING_MASK >> np.int64(b.phase)) & 1 != 0


@step
def barred(s, r, b, wanted):
    """Who may speak now: phase, kill switch, freeze. `wanted` is the mask of phases. Returns a reason or 0."""
    if (wanted >> np.int64(b.phase)) & 1 == 0:
        return PHASE_FORBIDS
    if s.meta[0].stopped:
        return VENUE_STOPPED
    if s.accounts[r.account].frozen:
        return ACCOUNT_FROZEN
    return 0


@step
def refusal_of_cancel(s, r, extensions):
    """(reason or 0, slot of the target)."""
    if (CANCEL_MASK >> np.int64(s.books[r.instrument].phase)) & 1 == 0:
        return PHASE_FORBIDS, NOTHING
    return find_target(s, r, extensions)


@step
def price_reason(b, price):
    if abs(price) > PRICE_TICKS_MAX:
        return PRICE_RANGE
    if price < b.price_min or price > b.price_max:
        return PRICE_BAND
    return 0


@step
def is_beyond_collar(b, side, price):
    """Of a limit that could trade at once. Without a branch: sides come in no order that could be foreseen."""
    return ((side == SELL) & (price < b.collar_low)) | ((side != SELL) & (price > b.collar_high))


@rare
def terms_reason(s, r, extensions):
    """Of an unusual row, validity_past to tif_needs_call. Returns a reason or 0."""
    b = s.books[r.instrument]
    _, min_qty, _, _, valid_until = extension_terms(r, extensions)
    if valid_until != 0 and s.meta[0].ts_ns > valid_until:
        return VALIDITY_PAST
    if terms_conflict(r, extensions):
        return TERMS_CONFLICT
    if is_matching(b):
        return TIF_NEEDS_CALL if r.tif == AT_AUCTION else 0
    if r.tif == IOC or r.tif == FOK:
        return TIF_IN_CALL
    if r.flags & (POST_ONLY | ALL_OR_NONE) or min_qty != 0:
        return TERMS_IN_CALL
    return 0


@rare
def ranges_reason(s, r, extensions):
    """Of an unusual row, display_range to expiry_past. Returns a reason or 0."""
    display_qty, min_qty, _, expire_at, _ = extension_terms(r, extensions)
    if r.type == ICEBERG and (display_qty < 1 or display_qty > r.qty or display_qty * ICEBERG_PARTS_MAX < r.qty):
        return DISPLAY_RANGE
    if min_qty < 0 or min_qty > r.qty:
        return MIN_QTY_RANGE
    if r.tif == GTD and expire_at <= s.meta[0].ts_ns:
        return EXPIRY_PAST
    return 0


@rare
def crossing_reason(s, r):
    """Of an unusual row, post_only_crosses to self_cross. Returns (reason or 0, price, which post-only may slide)."""
    b, price = s.books[r.instrument], np.int64(r.price)
    if not is_matching(b):
        if r.stp != STP_NONE and not is_stop_type(r.type):
            whole_group = r.flags & STP_GROUP != 0
            is_unpriced = is_unpriced_type(r.type)
            if crosses_own(s, r.account, r.instrument, np.int64(r.side), is_unpriced, price, whole_group):
                return SELF_CROSS, price
        return 0, price
    if r.flags & POST_ONLY:
        other = 1 - np.int64(r.side)
        v = s.sides[SIDES * np.int64(r.instrument) + other]
        if v.best <= limit_in(v, other, price):
            if r.flags & SLIDE == 0:
                return POST_ONLY_CROSSES, price
            price = price_in(v, other, np.int64(v.best)) + (1 if r.side == SELL else -1)
            if price < b.price_min or price > b.price_max:
                return POST_ONLY_CROSSES, price
            if not notional_fits(abs(price), b.multiplier, np.int64(r.qty)):
                return NOTIONAL_RANGE, price
    return 0, price


@step
def refusal_of_entry(s, r, extensions, unusual):
    """Of a NEW or REPLACE. Returns (reason or 0, slot of the target, price it will have)."""
    b = s.books[r.instrument]
    price = np.int64(r.price)
    reason = barred(s, r, b, ENTRY_MASK if r.kind == NEW else ENTRY_MASK & CANCEL_MASK)
    if reason == 0:
        if unusual:
            reason = terms_reason(s, r, extensions)
        elif r.tif != GTC and not is_matching(b):
            reason = TIF_IN_CALL
    if reason != 0:
        return reason, NOTHING, price
    qty = np.int64(r.qty)
    if qty < 1 or qty > b.qty_max or qty > QTY_LOTS_MAX:
        return QTY_RANGE, NOTHING, price
    if is_unpriced_type(r.type):
        if price != 0:
            return PRICE_NOT_ALLOWED, NOTHING, price
        worth = unpriced_worth(b)
    else:
        reason = price_reason(b, price)
        if reason != 0:
            return reason, NOTHING, price
        worth = abs(price)
    is_stop = unusual and is_stop_type(r.type)
    if is_stop:
        reason = price_reason(b, extension_terms(r, extensions)[2])
        if reason != 0:
            return reason, NOTHING, price
    elif is_matching(b) and not is_unpriced_type(r.type) and is_beyond_collar(b, r.side, price):
        return PRICE_COLLAR, NOTHING, price
    if unusual:
        reason = ranges_reason(s, r, extensions)
        if reason != 0:
            return reason, NOTHING, price
    if not notional_fits(worth, b.multiplier, qty):
        return NOTIONAL_RANGE, NOTHING, price
    v = s.sides[SIDES * np.int64(r.instrument) + r.side]
    total = v.total + v.waiting
    slot = NOTHING
    if r.kind != NEW:
        reason, slot = find_target(s, r, extensions)
        if reason != 0:
            return reason, NOTHING, price
        o = s.orders[slot]
        if o.side != r.side:
            return SIDE_INVALID, NOTHING, price
        if (unusual or o.flags & UNUSUAL) and type_of(s, slot) != r.type:
            return TYPE_INVALID, NOTHING, price
        if (o.flags & UNPRICED != 0) != is_unpriced_type(r.type):
            return TYPE_INVALID, NOTHING, price
        total -= o.qty
    if total > SIDE_TOTAL_LOTS_MAX - qty:
        return SIDE_TOTAL_RANGE, NOTHING, price
    if r.kind == NEW and not slot_available(s):
        return ORDERS_FULL, NOTHING, price
    if unusual:
        reason, price = crossing_reason(s, r)
        if reason != 0:
            return reason, NOTHING, price
        if not is_unpriced_type(r.type):
            worth = abs(price)
    if is_watched(s, r.account, r.instrument):
        reason = holding_reason(s, r.account, r.instrument, np.int64(r.side), worth, qty, slot)
        if reason != 0:
            return reason, NOTHING, price
    return 0, slot, price


@rare
def refusal_of_amend(s, r, extensions):
    """Of an AMEND. Returns (reason or 0, slot of the target, open lots it will have, which may be 0 or less)."""
    b = s.books[r.instrument]
    qty = np.int64(r.qty)
    reason = barred(s, r, b, ENTRY_MASK & CANCEL_MASK)
    if reason != 0:
        return reason, NOTHING, qty
    valid_until = extension_terms(r, extensions)[4]
    if valid_until != 0 and s.meta[0].ts_ns > valid_until:
        return VALIDITY_PAST, NOTHING, qty
    if qty < 0 or qty > b.qty_max or qty > QTY_LOTS_MAX:
        return QTY_RANGE, NOTHING, qty
    reason, slot = find_target(s, r, extensions)
    if reason != 0:
        return reason, NOTHING, qty
    o = s.orders[slot]
    qty -= s.cold[slot].entered_qty - o.qty
    if qty <= o.qty:
        return 0, slot, qty
    if type_of(s, slot) == ICEBERG and qty > s.extras[s.links[slot].extra].peak * ICEBERG_PARTS_MAX:
        return DISPLAY_RANGE, NOTHING, qty
    if not notional_fits(worth_of(s, slot), b.multiplier, qty):
        return NOTIONAL_RANGE, NOTHING, qty
    v = s.sides[SIDES * np.int64(r.instrument) + o.side]
    if v.total + v.waiting - o.qty > SIDE_TOTAL_LOTS_MAX - qty:
        return SIDE_TOTAL_RANGE, NOTHING, qty
    if is_watched(s, r.account, r.instrument):
        side = np.int64(o.side)
        reason = holding_reason(s, r.account, r.instrument, side, worth_of(s, slot), qty, slot)
        if reason != 0:
            return reason, NOTHING, qty
    return 0, slot, qty
