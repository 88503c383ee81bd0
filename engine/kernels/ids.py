"""What makes a retry safe: rising numbers per stream, and text ids remembered with their first answer.

Both are open-addressing tables with linear probing, placed by a seeded hash: where an entry stands is never seen from
outside. A closed text id waits in a queue by closing time (venue time never falls), so that forgetting is a walk from
its front.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    CANCEL,
    CLIENT_ID_EXACT_BYTES,
    CLIENT_ID_MEMORY_NS,
    NAMED,
    REF_DIGEST,
    REF_NONE,
    REF_STREAM,
    REF_TEXT,
)

NOTHING = -1
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
HASH_START = np.uint64(0xCBF29CE484222325)
SHIFT_32 = np.uint64(32)
SHIFT_8 = np.uint64(8)
LOW_BYTE = np.uint64(0xFF)
LOW_WORD = np.uint64(0xFFFFFFFF)


@step
def mixed(value, word):
    """One round of the 64-bit hash: value and word are uint64."""
    value = (value ^ word) * GOLDEN
    return value ^ (value >> SHIFT_32)


@step
def find_stream(s, account, stream):
    """(place, last number taken) of a stream; last is -1 when the place is free."""
    key = np.int64(account) << 32 | np.int64(stream)
    mask = len(s.stream_keys) - 1
    place = np.int64(mixed(s.meta[0].hash_seed, np.uint64(key))) & mask
    while s.stream_keys[place] != key:
        if s.stream_keys[place] == 0:
            return place, np.int64(-1)
        place = (place + 1) & mask
    return place, s.stream_last[place]


@rare
def rehash_streams(old_keys, old_last, s):
    """Enter the streams of two old arrays into the (larger, empty) ones of the state."""
    for i in range(len(old_keys)):
        key = old_keys[i]
        if key != 0:
            place, _ = find_stream(s, key >> 32, key & 0xFFFFFFFF)
            s.stream_keys[place] = key
            s.stream_last[place] = old_last[i]


@rare
def is_exact_text(hi, lo):
    """Whether 16 bytes are 1 to 15 characters of [A-Za-z0-9._:-], zero padded."""
    ended = False
    for i in range(16):
        word = hi if i < 8 else lo
        c = np.int64((word >> (SHIFT_8 * np.uint64(i & 7))) & LOW_BYTE)
        if c == 0:
            if i == 0:
                return False
            ended = True
            continue
        if ended or i >= CLIENT_ID_EXACT_BYTES:
            return False
        letter = (c >= 65 and c <= 90) or (c >= 97 and c <= 122)
        digit_or_colon = c >= 48 and c <= 58
        if not (letter or digit_or_colon or c == 45 or c == 46 or c == 95):
            return False
    return True


@step
def ref_is_well_formed(r, has_bodies):
    """The shape of `client_ref`. That a long text has its digest is checked before the kernel, which cannot."""
    form, body_length = r.ref_form, r.body_length
    if body_length != 0 and (form != REF_DIGEST or not has_bodies):
        return False
    if form == REF_NONE:
        return r.ref_hi == np.uint64(0) and r.ref_lo == np.uint64(0)
    if form == REF_STREAM:
        return (r.ref_hi >> SHIFT_32) == np.uint64(0) and np.int64(r.ref_lo) >= 0
    if form == REF_TEXT:
        return is_exact_text(r.ref_hi, r.ref_lo)
    return form == REF_DIGEST and (body_length != 0 or r.kind == CANCEL)


@rare
def id_hash(s, account, form, hi, lo):
    value = mixed(s.meta[0].hash_seed, np.uint64(np.int64(account) << 8 | np.int64(form)))
    return mixed(mixed(value, hi), lo)


@rare
def find_id(s, account, form, hi, lo):
    """Entry of a remembered text id, or -1."""
    mask = len(s.id_index) - 1
    place = np.int64(id_hash(s, account, form, hi, lo)) & mask
    while s.id_index[place] != 0:
        entry = s.id_index[place] - 1
        e = s.ids[entry]
        if e.lo == lo and e.hi == hi and e.account == account and e.form == form:
            return np.int64(entry)
        place = (place + 1) & mask
    return np.int64(NOTHING)


@rare
def enter_id(s, entry):
    """Put an entry that is not in the index there."""
    e = s.ids[entry]
    mask = len(s.id_index) - 1
    place = np.int64(id_hash(s, e.account, e.form, e.hi, e.lo)) & mask
    while s.id_index[place] != 0:
        place = (place + 1) & mask
    s.id_index[place] = entry + 1


@rare
def remember_id(s, account, form, hi, lo, body_hash, seq):
    """A new entry. The caller has checked that it is not there and that there is room. Returns its number."""
    m = s.meta[0]
    entry = m.ids_free
    if entry == NOTHING:
        entry = m.ids_fresh
        m.ids_fresh = entry + 1
    else:
        m.ids_free = s.ids[entry].next
    m.ids += 1
    s.accounts[account].ids += 1
    e = s.ids[entry]
    e.account = account
    e.form = form
    e.reason = 0
    e.next = NOTHING
    e.hi = hi
    e.lo = lo
    e.body_hash = body_hash
    e.order = 0
    e.seq = seq
    e.closed_ns = NOTHING
    enter_id(s, entry)
    return entry


@rare
def close_id(s, entry):
    """The id's order has ended, or the command was refused: from now on it waits to be forgotten."""
    m, e = s.meta[0], s.ids[entry]
    e.closed_ns = m.ts_ns
    e.next = NOTHING
    if m.closed_first == NOTHING:
        m.closed_first = entry
    else:
        s.ids[m.closed_last].next = entry
    m.closed_last = entry


@rare
def attach_id(s, entry, slot, order):
    """Bind an entry to the open order in `slot`: it is closed when the order ends."""
    o, e = s.orders[slot], s.ids[entry]
    e.order = order
    if o.flags & NAMED:
        e.next = s.links[slot].named
    o.flags |= NAMED
    s.links[slot].named = entry


@rare
def close_ids_of(s, slot):
    """Close the text ids of an order that has ended."""
    entry = np.int64(s.links[slot].named)
    while entry != NOTHING:
        following = np.int64(s.ids[entry].next)
        close_id(s, entry)
        entry = following


@rare
def forget_ids(s, now_ns):
    """Forget text ids closed at least CLIENT_ID_MEMORY_NS before now_ns."""
    m = s.meta[0]
    mask = len(s.id_index) - 1
    while m.closed_first != NOTHING:
        entry = np.int64(m.closed_first)
        e = s.ids[entry]
        if e.closed_ns > now_ns - CLIENT_ID_MEMORY_NS:
            return
        m.closed_first = e.next
        place = np.int64(id_hash(s, e.account, e.form, e.hi, e.lo)) & mask
        while s.id_index[place] != entry + 1:
            place = (place + 1) & mask
        # Close the gap: pull back each follower that the gap would cut off from its home place.
        gap = place
        while True:
            place = (place + 1) & mask
            other = s.id_index[place]
            if other == 0:
                break
            f = s.ids[other - 1]
            home = np.int64(id_hash(s, f.account, f.form, f.hi, f.lo)) & mask
            if (place - home) & mask >= (place - gap) & mask:
                s.id_index[gap] = other
                gap = place
        s.id_index[gap] = 0
        e.next = m.ids_free
        m.ids_free = entry
        m.ids -= 1
        s.accounts[e.account].ids -= 1


@step
def body_hash(r, target_form, target_hi, target_lo):
    """64 bits over what a row says; connection, account, reference and version left out.

    Words, in order: kind | side << 8 | type << 16 | tif << 24 | flags << 32 | stp << 40; instrument | price << 32
    (price as u4); qty; order; form and two words of the text id that names the target (0 without one).
    """
    terms = (
        np.uint64(r.kind)
        | np.uint64(r.side) << SHIFT_8
        | np.uint64(r.type) << np.uint64(16)
        | np.uint64(r.tif) << np.uint64(24)
        | np.uint64(r.flags) << SHIFT_32
        | np.uint64(r.stp) << np.uint64(40)
    )
    value = mixed(HASH_START, terms)
    value = mixed(value, np.uint64(r.instrument) | (np.uint64(np.int64(r.price)) & LOW_WORD) << SHIFT_32)
    value = mixed(value, np.uint64(np.int64(r.qty)))
    value = mixed(value, np.uint64(np.int64(r.order)))
    value = mixed(value, np.uint64(target_form))
    value = mixed(value, target_hi)
    return mixed(value, target_lo)


@rare
def extension_hash(value, x):
    """The hash goes on over an extension row: display_qty, min_qty, stop_price (as u4), expire_at, valid_until."""
    value = mixed(value, np.uint64(np.int64(x.display_qty)))
    value = mixed(value, np.uint64(np.int64(x.min_qty)))
    value = mixed(value, np.uint64(np.int64(x.stop_price)) & LOW_WORD)
    value = mixed(value, np.uint64(np.int64(x.expire_at)))
    return mixed(value, np.uint64(np.int64(x.valid_until)))
