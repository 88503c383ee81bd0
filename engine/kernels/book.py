"""Hot commands applied to the books: `apply` decides one row, `run` a whole batch.

A row asks for room before it changes anything; a status other than DONE means: make room, call again with the same row.
What stops a row in the middle leaves meta.taker, and meta.stage says where it goes on (engine/kernels/stages.py).
"""

from __future__ import annotations

import numpy as np

from engine.kernels.amend import amend
from engine.kernels.chains import join_chain
from engine.kernels.compiled import kernel, part, rare, step
from engine.kernels.constants import (
    ACCEPTED,
    AMEND,
    BY_OWNER,
    CANCEL,
    CLIENT_ID_REUSED,
    CLIENT_IDS_FULL,
    CLIENT_IDS_SHARE_FULL,
    COLD_FIRST,
    DONE,
    DUPLICATE,
    EXTRA,
    FLAG_LAST,
    FLAG_STOP,
    FLAG_UNPRICED,
    HELD,
    LIVE,
    NEED_CHAINS,
    NEED_CLIENT_IDS,
    NEED_EVENTS,
    NEED_EXTRAS,
    NEED_SLOTS,
    NEED_STREAMS,
    NEW,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    REF_DIGEST,
    REF_FORM_SHIFT,
    REF_STREAM,
    REF_TEXT,
    REJECTED,
    REPLACE,
    REPLACED,
    SELL,
    SIDES,
    STALE_REF,
    STOPS,
    STP_GROUP,
    STP_NONE,
    STREAMS_FULL,
    STREAMS_SHARE_FULL,
    TRADED,
    UNPRICED,
)
from engine.kernels.events import emit
from engine.kernels.extras import extras_full, is_unusual_kind, set_terms
from engine.kernels.fetching import fetch_ahead
from engine.kernels.holdings import begin_holding, hold, holdings_room, is_watched
from engine.kernels.ids import (
    attach_id,
    body_hash,
    close_id,
    extension_hash,
    find_stream,
    id_hash,
    remember_id,
    seek,
)
from engine.kernels.refusal import is_matching, refusal_of_amend, refusal_of_cancel, refusal_of_entry
from engine.kernels.resting import cancel_resting, lots_gone, room_to_rest, withdraw
from engine.kernels.slots import needs_slots, order_id, take_slot
from engine.kernels.stages import after_taker, arrive, arrive_unusual, go_on
from engine.kernels.terms import extension_terms, is_stop_type, is_unpriced_type
from engine.kernels.validate import is_unusual, malformed

NOTHING = -1
ZERO = np.uint64(0)


@rare
def reject(s, events, r, reason, counter_order):
    """REJECTED, echoing what the row says as far as it is in range."""
    side, price, qty, order = 0, 0, 0, 0
    if r.kind != CANCEL and r.kind != AMEND:
        side = np.int64(r.side) if r.side <= SELL else 0
        price = np.int64(r.price) if abs(np.int64(r.price)) <= PRICE_TICKS_MAX else 0
    if r.kind != CANCEL:
        qty = np.int64(r.qty) if r.qty >= 1 and r.qty <= QTY_LOTS_MAX else 0
    if r.kind >= CANCEL and r.kind <= AMEND and r.order > 0:
        order = np.int64(r.order)
    emit(s, events, REJECTED, side, 0, reason, 0, r.instrument, price, r.account, 0, order, counter_order, qty, 0)


@step
def room(s, r, unusual):
    """What must be made larger before a well-formed row can be decided, or DONE."""
    m = s.meta[0]
    if r.ref_form == REF_STREAM:
        if 2 * m.streams >= len(s.stream_keys) and m.streams < m.streams_max:
            return NEED_STREAMS
    elif r.ref_form != 0 and m.ids == len(s.ids) and m.ids < m.ids_max:
        return NEED_CLIENT_IDS
    if r.kind != NEW and r.kind != REPLACE:
        return DONE
    side = SIDES * np.int64(r.instrument) + r.side
    if is_stop_type(r.type):
        side += STOPS
    status = room_to_rest(s, side)
    if status == DONE and r.kind == NEW and needs_slots(s):
        status = NEED_SLOTS
    if status == DONE and (unusual or m.chained or is_watched(s, r.account, r.instrument)):
        status = room_beside(s, r)
    return status


@rare
def room_beside(s, r):
    """The same, of what is beside the levels: extra rows, chains of owners, limits and stock."""
    m = s.meta[0]
    if is_unusual_kind(r.type, r.tif) and extras_full(s):
        return NEED_EXTRAS
    asks_own = r.stp != STP_NONE and not is_matching(s.books[r.instrument])
    if (m.chained == 0 and asks_own) or (m.chained != 0 and 2 * m.chains + 4 > len(s.chain_keys)):
        return NEED_CHAINS
    return holdings_room(s, r.account, r.instrument)


@rare
def open_stream(s, r, place):
    """Enter a new stream of the account at `place`. Returns a reason or 0."""
    m, a = s.meta[0], s.accounts[r.account]
    if a.streams >= m.streams_share:
        return STREAMS_SHARE_FULL
    if m.streams >= m.streams_max:
        return STREAMS_FULL
    m.streams += 1
    a.streams += 1
    s.stream_keys[place] = np.int64(r.account) << 32 | np.int64(r.ref_hi)
    return 0


@step
def recognise(s, events, r, extensions):
    """Text id of a NEW, REPLACE or AMEND: (True, entry) when it is new, (False, -1) when the row is answered."""
    m = s.meta[0]
    target_form, target_hi, target_lo = np.int64(0), ZERO, ZERO
    if r.extension != 0:
        x = extensions[np.int64(r.extension) - 1]
        target_form, target_hi, target_lo = np.int64(x.target_form), x.target_hi, x.target_lo
    said = body_hash(r, target_form, target_hi, target_lo)
    if r.extension != 0:
        said = extension_hash(said, extensions[np.int64(r.extension) - 1])
    account, form = np.int64(r.account), np.int64(r.ref_form)
    hashed = id_hash(m.hash_seed, account, form, r.ref_hi, r.ref_lo)
    entry, place = seek(s.id_index, s.ids, hashed, account, form, r.ref_hi, r.ref_lo)
    if entry >= 0:
        e = s.ids[entry]
        if e.body_hash != said:
            reject(s, events, r, CLIENT_ID_REUSED, 0)
        else:
            emit(s, events, DUPLICATE, 0, 0, e.reason, 0, r.instrument, 0, r.account, 0, e.order, e.seq, 0, 0)
        return False, np.int64(NOTHING)
    if s.accounts[account].ids >= m.ids_share:
        reject(s, events, r, CLIENT_IDS_SHARE_FULL, 0)
        return False, np.int64(NOTHING)
    if m.ids >= m.ids_max:
        reject(s, events, r, CLIENT_IDS_FULL, 0)
        return False, np.int64(NOTHING)
    return True, np.int64(remember_id(s, place, hashed, account, form, r.ref_hi, r.ref_lo, said, m.first_seq + m.row))


@part
def decide(s, r, extensions, has_bodies, events):
    """One hot row, from its checks to its last event."""
    m = s.meta[0]
    reason = malformed(s, r, extensions, has_bodies)
    if reason != 0:
        reject(s, events, r, reason, 0)
        return DONE
    unusual = is_unusual(r)
    status = room(s, r, unusual)
    if status != DONE:
        return status

    entry = np.int64(NOTHING)
    if r.ref_form == REF_STREAM:
        place, last = find_stream(s, r.account, r.ref_hi)
        number = np.int64(r.ref_lo)
        if number <= max(last, 0):
            reject(s, events, r, STALE_REF, max(last, 0))
            return DONE
        if last < 0:
            reason = open_stream(s, r, place)
            if reason != 0:
                reject(s, events, r, reason, 0)
                return DONE
        s.stream_last[place] = number
    elif (r.ref_form == REF_TEXT or r.ref_form == REF_DIGEST) and r.kind != CANCEL:
        is_new, entry = recognise(s, events, r, extensions)
        if not is_new:
            return DONE

    price, open_qty = np.int64(r.price), np.int64(r.qty)
    if r.kind == NEW or r.kind == REPLACE:
        reason, slot, price = refusal_of_entry(s, r, extensions, unusual)
    elif r.kind == CANCEL:
        reason, slot = refusal_of_cancel(s, r, extensions)
    else:
        reason, slot, open_qty = refusal_of_amend(s, r, extensions)
    if reason != 0:
        reject(s, events, r, reason, 0)
        if entry >= 0:
            s.ids[entry].reason = reason
            close_id(s, entry)
        return DONE
    if r.kind == CANCEL:
        cancel_resting(s, events, slot, BY_OWNER)
        return DONE
    if r.kind == AMEND:
        if entry >= 0:
            attach_id(s, entry, slot, order_id(s, slot))
        amend(s, events, slot, np.int64(r.qty), open_qty)
        return DONE

    seq = m.first_seq + m.row
    is_unpriced = is_unpriced_type(r.type)
    if r.kind == NEW:
        slot = take_slot(s)
        o, c = s.orders[slot], s.cold[slot]
        o.account = r.account
        o.instrument = r.instrument
        o.side = r.side
        o.flags = (LIVE | UNPRICED if is_unpriced else LIVE) | np.int64(r.ref_form) << REF_FORM_SHIFT
        c.ref_hi = r.ref_hi
        c.ref_lo = r.ref_lo
        o.price = price
        if m.chained:
            join_chain(s, slot)
        if is_watched(s, r.account, r.instrument):
            begin_holding(s, slot)
    else:
        withdraw(s, slot)
        o, c = s.orders[slot], s.cold[slot]
        lots_gone(s, slot, np.int64(o.qty))
        o.price = price
    o.qty = r.qty
    c.seq = seq
    c.entered_qty = r.qty
    if unusual or o.flags & EXTRA:
        enter_terms(s, slot, r, extensions)
    if o.flags & HELD:
        hold(s, slot, np.int64(r.qty))
    # From the row, not from the order: reading back what was just written in other widths would stall.
    kind, flags = ACCEPTED if r.kind == NEW else REPLACED, FLAG_UNPRICED if is_unpriced else 0
    if is_stop_type(r.type):
        flags |= FLAG_STOP
    order = order_id(s, slot)
    emit(s, events, kind, r.side, flags, 0, 0, r.instrument, price, r.account, 0, order, 0, r.qty, 0)
    if entry >= 0:
        attach_id(s, entry, slot, order)
    if unusual:
        return arrive_unusual(s, events, slot, r, extensions)
    return arrive(s, events, slot, np.int64(r.qty), np.int64(r.tif))


@rare
def enter_terms(s, slot, r, extensions):
    """The row beside the order that its new terms need, in place of the one it has."""
    display_qty, _, stop_price, expire_at, _ = extension_terms(r, extensions)
    stp_group = 1 if r.flags & STP_GROUP else 0
    set_terms(s, slot, np.int64(r.type), np.int64(r.tif), np.int64(r.qty), display_qty, stop_price, expire_at,
              np.int64(r.stp), stp_group)  # fmt: skip


@part
def apply(s, r, extensions, has_bodies, events):
    """Apply one hot row, or go on with it. DONE: all its events are in the buffer, the last one flagged."""
    m = s.meta[0]
    if m.event_count + 2 > len(events):
        return NEED_EVENTS
    if m.taker == NOTHING:
        status = decide(s, r, extensions, has_bodies, events)
    else:
        status = go_on(s, events)
    if status == DONE:
        events[m.event_count - 1].flags |= FLAG_LAST
    return status


@kernel
def elect(s, instrument, seq, command, first_index, ts_ns, events):
    """Elect the stops that the last price of a book concerns, and let them act; see `run`.

    returns  status: NEED_ something with meta.taker set goes on when called again
    """
    m = s.meta[0]
    m.first_seq = seq - command
    m.row = command
    m.ts_ns = ts_ns
    m.event_count = 0
    m.event_index = first_index
    if m.taker != NOTHING:
        return go_on(s, events)
    b = s.books[instrument]
    if b.flags & TRADED == 0 or b.stops == 0:
        return DONE
    m.fill_first = b.last
    m.fill_last = b.last
    return after_taker(s, events, np.int64(instrument))


@kernel
def run(s, rows, extensions, has_bodies, first_seq, ts_ns, row, first_index, events):
    """Apply hot rows from `row` to the first cold row, the end, or a lack of room.

    s            State, changed
    rows         in   COMMAND[n]
    extensions   in   EXTENSION[m]
    has_bodies   in   bool   some row of the record has a body
    first_seq    in   int64  sequence of row 0
    ts_ns        in   int64  venue time of the record
    row          in   int64  first row to apply
    first_index  in   int64  index of the first event of `row`, or of its next one after NEED_EVENTS
    events       out  EVENT[>= 2]; meta.event_count of them are written
    returns      status: DONE at a cold row or the end; otherwise make room and call again
                 meta.row = first row not wholly applied, meta.event_index = index of its next event
    """
    m = s.meta[0]
    m.first_seq = first_seq
    m.ts_ns = ts_ns
    m.event_count = 0
    m.event_index = first_index
    m.row = row
    for i in range(row, len(rows)):
        r = rows[i]
        if r.kind >= COLD_FIRST:
            break
        fetch_ahead(s, rows, extensions, i)
        status = apply(s, r, extensions, has_bodies, events)
        if status != DONE:
            return status
        m.event_index = 0
        m.row = i + 1
    return DONE
