"""The checks of a hot command, in one order; the first that fails gives the reason. The oracle follows the same table.

    check                                                           NEW CANCEL REPLACE   reason
    kind is one of the three                                         x    x      x       kind_unsupported, kind_unknown
    version                                                          x    x      x       version_unknown
    side, type, tif                                                  x           x       side_invalid, type_*, tif_*
    flags are zero                                                   x    x      x       flags_invalid
    stp is none                                                      x    x      x       stp_invalid
    extension: only a REPLACE without `order` has one, which         x    x      x       extension_invalid
      names the target by text and says nothing else                             x       ref_invalid
    client_ref and body have the shape of their form                 x    x      x       ref_invalid
    account is open                                                  x    x      x       account_unknown
    instrument is listed                                             x    x      x       instrument_unknown
    -- identity: until here nothing is consumed --
    stream number rises                                              x    x      x       stale_ref
    the account's share has room for another stream                  x    x      x       streams_share_full
    room for another stream                                          x    x      x       streams_full
    text id is new (a CANCEL has none of its own)                    x           x       duplicate, client_id_reused
    the account's share has room for another text id                 x           x       client_ids_share_full
    room for another text id                                         x           x       client_ids_full
    -- from here a refusal is this id's answer for ever --
    phase (a REPLACE needs a phase of entry and of cancelling)       x    x      x       phase_forbids
    tif is gtc unless the phase matches                              x           x       tif_in_call
    qty is 1 .. the instrument's maximum                             x           x       qty_range
    market: price is 0                                               x           x       price_not_allowed
    limit: |price| <= PRICE_TICKS_MAX, then the declared range       x           x       price_range, price_band
    |price| x qty x multiplier (market: the range's wider end)       x           x       notional_range
    target is open, own, of this instrument                               x      x       order_unknown, not_owner,
                                                                                         instrument_mismatch
    target has this side and type                                                x       side_invalid, type_invalid
    open quantity of the side                                        x           x       side_total_range
    a slot is free                                                   x                   orders_full

A CANCEL's side, type, tif, price, qty and a NEW's order are not read. A CANCEL whose `order` is not 0 does not read the
text in its client_ref.

Shares are of generation 2. An account that had more than its share before keeps what it has and gets no more until it
is below; nothing is forgotten early.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    ACCOUNT_UNKNOWN,
    AMEND,
    CANCEL,
    CANCEL_MASK,
    ENTRY_MASK,
    EXTENSION_INVALID,
    FLAGS_INVALID,
    FOK,
    GTC,
    INSTRUMENT_MISMATCH,
    INSTRUMENT_UNKNOWN,
    KIND_UNKNOWN,
    KIND_UNSUPPORTED,
    MARKET,
    MATCHING_MASK,
    NEW,
    NOT_OWNER,
    NOTIONAL_MAX,
    NOTIONAL_RANGE,
    ORDER_UNKNOWN,
    ORDERS_FULL,
    PHASE_FORBIDS,
    PRICE_BAND,
    PRICE_NOT_ALLOWED,
    PRICE_RANGE,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    QTY_RANGE,
    REF_DIGEST,
    REF_INVALID,
    REF_TEXT,
    REPLACE,
    ROW_VERSION,
    SELL,
    SIDE_INVALID,
    SIDE_TOTAL_LOTS_MAX,
    SIDE_TOTAL_RANGE,
    SIDES,
    STP_INVALID,
    TIF_IN_CALL,
    TIF_INVALID,
    TIF_LAST,
    TIF_UNSUPPORTED,
    TYPE_INVALID,
    TYPE_LAST,
    TYPE_UNSUPPORTED,
    UNPRICED,
    VERSION_UNKNOWN,
)
from engine.kernels.ids import find_id, ref_is_well_formed
from engine.kernels.slots import slot_available, slot_of

NOTHING = -1
SMALL = 2**31  # two factors below it cannot reach NOTIONAL_MAX


@rare
def extension_reason(r, extensions):
    """Why an extension row may not stand there; 0 when it may."""
    number = np.int64(r.extension)
    if r.kind != REPLACE or r.order != 0 or number > len(extensions):
        return EXTENSION_INVALID
    x = extensions[number - 1]
    others = x.display_qty | x.min_qty | np.int64(x.stop_price) | x.expire_at | x.valid_until
    others |= np.int64(x.principal) | np.int64(x.group)
    for i in range(3):
        others |= np.int64(x.reserved[i])
    if others != 0:
        return EXTENSION_INVALID
    if x.target_form != REF_TEXT and x.target_form != REF_DIGEST:
        return REF_INVALID
    return 0


@rare
def code_reason(value, last, unsupported, invalid):
    """A code that is named but not accepted yet, or none at all."""
    return unsupported if value <= last else invalid


@step
def malformed(s, r, extensions, has_bodies):
    """First part of the table, to `instrument_unknown`. Returns a reason or 0."""
    kind = r.kind
    if kind != NEW and kind != CANCEL and kind != REPLACE:
        return KIND_UNSUPPORTED if kind == AMEND else KIND_UNKNOWN
    if r.version != ROW_VERSION:
        return VERSION_UNKNOWN
    if kind != CANCEL:
        if r.side > SELL:
            return SIDE_INVALID
        if r.type > MARKET:
            return code_reason(r.type, TYPE_LAST, TYPE_UNSUPPORTED, TYPE_INVALID)
        if r.tif > FOK:
            return code_reason(r.tif, TIF_LAST, TIF_UNSUPPORTED, TIF_INVALID)
    if r.flags != 0:
        return FLAGS_INVALID
    if r.stp != 0:
        return STP_INVALID
    if r.extension != 0:
        reason = extension_reason(r, extensions)
        if reason != 0:
            return reason
    if not ref_is_well_formed(r, has_bodies):
        return REF_INVALID
    if r.account >= len(s.accounts) or s.accounts[r.account].open == 0:
        return ACCOUNT_UNKNOWN
    if r.instrument >= len(s.books) or s.books[r.instrument].listed == 0:
        return INSTRUMENT_UNKNOWN
    return 0


@step
def notional_fits(price_size, multiplier, qty):
    """Whether price_size x multiplier x qty <= NOTIONAL_MAX; no product here can overflow."""
    unit = price_size * multiplier
    if unit < SMALL and qty < SMALL:
        return True
    return unit == 0 or qty <= NOTIONAL_MAX // unit


@step
def find_target(s, r, extensions):
    """(reason, slot) of the open order that a CANCEL or REPLACE names."""
    order = np.int64(r.order)
    if order == 0:
        order = target_by_text(s, r, extensions)
    slot = slot_of(s, order)
    if slot < 0:
        return ORDER_UNKNOWN, NOTHING
    o = s.orders[slot]
    if o.account != r.account:
        return NOT_OWNER, NOTHING
    if o.instrument != r.instrument:
        return INSTRUMENT_MISMATCH, NOTHING
    return 0, slot


@rare
def target_by_text(s, r, extensions):
    """Order that a text id names, ended or not; 0 when it names none."""
    form, hi, lo = np.int64(r.ref_form), r.ref_hi, r.ref_lo
    if r.kind == REPLACE:
        if r.extension == 0:
            return 0
        x = extensions[np.int64(r.extension) - 1]
        form, hi, lo = np.int64(x.target_form), x.target_hi, x.target_lo
    if form != REF_TEXT and form != REF_DIGEST:
        return 0
    entry = find_id(s, np.int64(r.account), form, hi, lo)
    return np.int64(s.ids[entry].order) if entry >= 0 else 0


@step
def refusal(s, r, extensions):
    """Last part of the table, from `phase_forbids`. Returns (reason, slot of the target)."""
    b = s.books[r.instrument]
    kind = r.kind
    phase = np.int64(b.phase)
    if kind == CANCEL:
        if (CANCEL_MASK >> phase) & 1 == 0:
            return PHASE_FORBIDS, NOTHING
        return find_target(s, r, extensions)
    wanted = ENTRY_MASK if kind == NEW else ENTRY_MASK & CANCEL_MASK
    if (wanted >> phase) & 1 == 0:
        return PHASE_FORBIDS, NOTHING
    if r.tif != GTC and (MATCHING_MASK >> phase) & 1 == 0:
        return TIF_IN_CALL, NOTHING
    qty = np.int64(r.qty)
    if qty < 1 or qty > b.qty_max or qty > QTY_LOTS_MAX:
        return QTY_RANGE, NOTHING
    price = np.int64(r.price)
    if r.type == MARKET:
        if price != 0:
            return PRICE_NOT_ALLOWED, NOTHING
        price = max(abs(np.int64(b.price_min)), abs(np.int64(b.price_max)))
    else:
        if abs(price) > PRICE_TICKS_MAX:
            return PRICE_RANGE, NOTHING
        if price < b.price_min or price > b.price_max:
            return PRICE_BAND, NOTHING
    if not notional_fits(abs(price), b.multiplier, qty):
        return NOTIONAL_RANGE, NOTHING
    total = s.sides[SIDES * np.int64(r.instrument) + r.side].total
    slot = NOTHING
    if kind == REPLACE:
        reason, slot = find_target(s, r, extensions)
        if reason != 0:
            return reason, NOTHING
        o = s.orders[slot]
        if o.side != r.side:
            return SIDE_INVALID, NOTHING
        if (o.flags & UNPRICED != 0) != (r.type == MARKET):
            return TYPE_INVALID, NOTHING
        total -= o.qty
    if total > SIDE_TOTAL_LOTS_MAX - qty:
        return SIDE_TOTAL_RANGE, NOTHING
    if kind == NEW and not slot_available(s):
        return ORDERS_FULL, NOTHING
    return 0, slot
