"""The checks of a hot command, in one order; the first that fails gives the reason. The oracle follows the same table.

    check                                                           new cancel replace amend  reason
    kind is one of the four                                          x    x      x      x     kind_unknown
    version                                                          x    x      x      x     version_unknown
    side, type, tif                                                  x           x            side_, type_, tif_invalid
    flags: OrderFlag bits; of a CANCEL or AMEND zero                 x    x      x      x     flags_invalid
    stp: a StpMode; of a CANCEL or AMEND none                        x    x      x      x     stp_invalid
    extension: in range, with nothing but what concerns the kind     x           x      x     extension_invalid
      (a CANCEL has none); names the target by text when                         x      x     ref_invalid
      `order` is 0, and only then
    client_ref and body have the shape of their form                 x    x      x      x     ref_invalid
    account is open                                                  x    x      x      x     account_unknown
    instrument is listed                                             x    x      x      x     instrument_unknown
    -- identity: until here nothing is consumed --
    stream number rises                                              x    x      x      x     stale_ref
    the account's share has room for another stream                  x    x      x      x     streams_share_full
    room for another stream                                          x    x      x      x     streams_full
    text id is new or repeated (none of a CANCEL)                    x           x      x     client_id_reused
    the account's share has room for another text id                 x           x      x     client_ids_share_full
    room for another text id                                         x           x      x     client_ids_full
    -- from here a refusal is this id's answer for ever --
    phase (REPLACE, AMEND: one of entry and of cancelling)           x    x      x      x     phase_forbids
    the venue is not stopped                                         x           x      x     venue_stopped
    the account is not frozen                                        x           x      x     account_frozen
    valid_until, if any, is not over                                 x           x      x     validity_past
    terms go together (engine/kernels/terms.py)                      x           x            terms_conflict
    in a call: no ioc, no fok                                        x           x            tif_in_call
      no post-only, minimum quantity, all-or-none                    x           x            terms_in_call
    trading continuously: no at_auction                              x           x            tif_needs_call
    qty is 1 (AMEND: 0) .. the instrument's maximum                  x           x      x     qty_range
    unpriced types: price is 0                                       x           x            price_not_allowed
    others: |price| <= PRICE_TICKS_MAX, then the declared range      x           x            price_range, price_band
    stops: the same of stop_price                                    x           x            price_range, price_band
    trading continuously, limit or iceberg: within the collar        x           x            price_collar
    iceberg: display_qty is 1 .. qty, in at most ICEBERG_PARTS_MAX   x           x            display_range
    min_qty is 0 .. qty                                              x           x            min_qty_range
    gtd: expire_at is to come                                        x           x            expiry_past
    worth x qty x multiplier                                         x           x            notional_range
    target is open, own, of this instrument                               x      x      x     order_unknown, not_owner,
                                                                                              instrument_mismatch
    target has this side and (now) this type                                     x            side_invalid, type_invalid
    -- an AMEND that leaves no more lots open than there are passes --
    iceberg: new open lots in at most ICEBERG_PARTS_MAX parts                           x     display_range
    worth x new open lots x multiplier                                                  x     notional_range
    open lots of the side, waiting stops included                    x           x      x     side_total_range
    a slot is free                                                   x                        orders_full
    post-only, trading continuously: does not cross, or slides       x           x            post_only_crosses
      to a price in the declared range, and what it is worth there   x           x            notional_range
    in a call, with stp, not a stop: crosses none of its own         x           x            self_cross
    open orders of account and currency                              x                        limit_orders
    worth of its open buys, of its open sells                        x           x      x     limit_notional
    sells in a book of deposits: lots deposited                      x           x      x     stock_short

A CANCEL's or AMEND's side, type, tif, price, a CANCEL's qty and a NEW's order are not read. A CANCEL whose `order` is
not 0 does not read the text in its client_ref.

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
    FLAGS_INVALID,
    FLAGS_KNOWN,
    FOK,
    INSTRUMENT_MISMATCH,
    INSTRUMENT_UNKNOWN,
    KIND_UNKNOWN,
    MARKET,
    NEW,
    NOT_OWNER,
    ORDER_UNKNOWN,
    REF_DIGEST,
    REF_INVALID,
    REF_TEXT,
    ROW_VERSION,
    SELL,
    SIDE_INVALID,
    STP_INVALID,
    STP_LAST,
    TIF_INVALID,
    TIF_LAST,
    TYPE_INVALID,
    TYPE_LAST,
    VERSION_UNKNOWN,
)
from engine.kernels.ids import find_id, ref_is_well_formed
from engine.kernels.slots import slot_of
from engine.kernels.terms import extension_reason

NOTHING = -1


@step
def is_unusual(r):
    """Whether a NEW or REPLACE is more than a plain limit or market order."""
    return r.type > MARKET or r.tif > FOK or r.flags != 0 or r.stp != 0 or r.extension != 0


@step
def malformed(s, r, extensions, has_bodies):
    """First part of the table, to `instrument_unknown`. Returns a reason or 0."""
    kind = r.kind
    if kind < NEW or kind > AMEND:
        return KIND_UNKNOWN
    if r.version != ROW_VERSION:
        return VERSION_UNKNOWN
    if kind != CANCEL and kind != AMEND:
        if r.side > SELL:
            return SIDE_INVALID
        if r.type > TYPE_LAST:
            return TYPE_INVALID
        if r.tif > TIF_LAST:
            return TIF_INVALID
        if r.flags > FLAGS_KNOWN:
            return FLAGS_INVALID
        if r.stp > STP_LAST:
            return STP_INVALID
    else:
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
def find_target(s, r, extensions):
    """(reason, slot) of the open order that a CANCEL, REPLACE or AMEND names."""
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
    if r.kind != CANCEL:
        if r.extension == 0:
            return 0
        x = extensions[np.int64(r.extension) - 1]
        form, hi, lo = np.int64(x.target_form), x.target_hi, x.target_lo
    if form != REF_TEXT and form != REF_DIGEST:
        return 0
    entry = find_id(s, np.int64(r.account), form, hi, lo)
    return np.int64(s.ids[entry].order) if entry >= 0 else 0
