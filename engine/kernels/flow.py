"""A file of orders replayed through the books: each message becomes a command row and is applied with every check.

The file's own ids are mapped to order ids by a flat array, written when an order is accepted and read when it is
cancelled or replaced; the way back, for the fills, is a flat array by slot.
"""

from __future__ import annotations

import numpy as np

from engine.codes import OrderFlag
from engine.kernels.bits import prefetch
from engine.kernels.book import apply
from engine.kernels.compiled import kernel, step
from engine.kernels.constants import (
    CANCEL,
    CLIENT_ID_REUSED,
    DONE,
    FILL,
    NEED_EVENTS,
    NEED_SLOTS,
    NEW,
    REF_STREAM,
    REJECTED,
    ROW_VERSION,
)
from engine.kernels.fetching import (
    AHEAD_NEIGHBOURS,
    AHEAD_ORDER,
    fetch_free_slot,
    fetch_level,
    fetch_neighbours,
    fetch_tail,
)
from engine.limits import GENERATION_MAX

SIDE_OF_ORDER = 255  # side of a replace that does not say one
NEVER_ISSUED = GENERATION_MAX << 32  # order id in place of a file id that no order has
NO_NAME = 1  # account of messages without one: never checked for self-trades
STP_GROUP = int(OrderFlag.STP_GROUP)
NEED_TRADES = 64  # the buffer of trades is full
AHEAD_ID = 2 * AHEAD_ORDER
FNV_PRIME = np.uint64(1099511628211)


@step
def folded(fnv, value):
    """FNV-1a over one 64-bit value."""
    return (fnv ^ np.uint64(value)) * FNV_PRIME


@step
def command_of(s, message, order_of, groups, number, r):
    """Fill the command row of a message. Account and instrument 0: those of the order it names."""
    account, instrument, order = np.int64(message.account), np.int64(message.instrument), np.int64(0)
    if message.kind != NEW:
        order = order_of[message.id]
        o = s.orders[order & 0xFFFFFFFF]
        if account == 0:
            account = np.int64(o.account) if order != 0 else NO_NAME
        if instrument == 0:
            instrument = np.int64(o.instrument) if order != 0 else 1
    r.kind = message.kind
    r.side = message.side if message.side != SIDE_OF_ORDER else s.orders[order & 0xFFFFFFFF].side
    r.type = message.type
    r.tif = message.tif
    r.flags = message.flags
    r.stp = message.stp if account != NO_NAME else 0
    if r.stp != 0 and len(groups) > 0 and groups[account] != 0:
        r.flags |= STP_GROUP
    r.version = ROW_VERSION
    r.ref_form = REF_STREAM
    r.instrument = instrument
    r.account = account
    r.price = message.price
    r.qty = message.qty
    r.order = order if order != 0 or message.kind == NEW else NEVER_ISSUED
    r.ref_hi = 1
    r.ref_lo = number
    r.extension = message.extension


@step
def fetch_messages_ahead(s, messages, i, order_of):
    """Ask for what the messages behind message i will touch: the id's place, its order, the neighbours, the level."""
    if i + AHEAD_ID >= len(messages):
        return
    prefetch(order_of, np.int64(messages[i + AHEAD_ID].id))
    x = messages[i + AHEAD_ORDER]
    slot = order_of[x.id] & 0xFFFFFFFF
    if x.kind != NEW and slot < len(s.orders):
        prefetch(s.orders, slot)
    if x.kind != CANCEL:
        fetch_level(s, np.int64(x.instrument), np.int64(x.side), np.int64(x.price))
    x = messages[i + AHEAD_NEIGHBOURS]
    slot = order_of[x.id] & 0xFFFFFFFF
    if x.kind != NEW and slot < len(s.orders):
        fetch_neighbours(s, slot)
    if x.kind != CANCEL:
        fetch_tail(s, np.int64(x.instrument), np.int64(x.side), np.int64(x.price))
    fetch_free_slot(s)


@kernel
def replay(
    s, messages, times, order_of, id_of, values, groups, command, extensions, events, tally, rejects, trades
):  # fmt: skip
    """Apply messages from tally.message to the end, or to a lack of room.

    s           State, changed
    messages    in      MESSAGE[n]
    times       in      int64[n]      venue time of each message; an empty array: none has one
    order_of    inout   int64[ids]    order id by file id, 0: none yet
    id_of       inout   uint32[slots] file id by slot
    values      in      int64[ids]    what the hash sees of a file id; an empty array: the file id itself
    groups      in      uint32[accounts + 1] group by account; an empty array: nobody has one
    command     inout   COMMAND[1]    the row under construction
    extensions  in      EXTENSION[x]  that messages point to
    events      out     EVENT[>= 2]   every event is written here; its place is reused
    tally       inout   TALLY[1]
    rejects     inout   int64[2^16]   refusals by reason
    trades      out     TRADE[n]      fills of this call, tally.trades of them (n = 0: not kept; else n >= events)
    returns     status: DONE at the end; otherwise make room and call again
    """
    m, t = s.meta[0], tally[0]
    r = command[0]
    m.first_seq = 1
    m.ts_ns = 0
    m.event_count = 0
    t.trades = 0
    fnv = t.fnv
    seen = 0
    status = DONE
    i = t.message
    while i < len(messages):
        message = messages[i]
        if m.event_count + 2 > len(events):
            m.event_count = 0
        fetch_messages_ahead(s, messages, i, order_of)
        seen = m.event_count
        if t.begun == 0 and message.kind == NEW and order_of[message.id] != 0:
            rejects[CLIENT_ID_REUSED] += 1
            i += 1
            continue
        if len(id_of) < len(s.orders):
            status = NEED_SLOTS
            break
        if len(trades) > 0 and t.trades + len(events) > len(trades):
            status = NEED_TRADES
            break
        if t.begun == 0:
            m.event_index = 0
        if len(times) > 0:
            m.ts_ns = times[i]
        m.row = i
        command_of(s, message, order_of, groups, i + 1, r)
        status = apply(s, r, extensions, False, events)
        for k in range(seen, m.event_count):
            e = events[k]
            if e.kind == FILL:
                taker = np.int64(id_of[e.order & 0xFFFFFFFF])
                maker = np.int64(id_of[e.counter_order & 0xFFFFFFFF])
                taker_value, maker_value = taker, maker
                if len(values) > 0:
                    taker_value, maker_value = values[taker], values[maker]
                fnv = folded(folded(fnv, taker_value), maker_value)
                fnv = folded(folded(fnv, np.int64(e.price)), e.qty)
                t.fills += 1
                t.volume += e.qty
                if len(trades) > 0:
                    x = trades[t.trades]
                    x.taker = taker
                    x.maker = maker
                    x.price = e.price
                    x.qty = e.qty
                    x.instrument = e.instrument
                    t.trades += 1
            elif e.kind == REJECTED:
                rejects[e.reason] += 1
            elif message.kind == NEW and e.index == 0:
                order_of[message.id] = e.order
                id_of[e.order & 0xFFFFFFFF] = message.id
        t.begun = 1 if status != DONE and m.event_index > 0 else 0
        if status == NEED_EVENTS:
            m.event_count = 0
        elif status != DONE:
            break
        else:
            i += 1
    t.fnv = fnv
    t.message = i
    return status
