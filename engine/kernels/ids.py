"""What makes a retry safe: rising numbers per stream, and text ids remembered with their first answer.

Both are open-addressing tables with linear probing, placed by a seeded hash: where an entry stands is never seen from
outside. A closed text id waits in a queue by closing time (venue time never falls), so that forgetting is a walk from
its front.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.bits import ALL_ONES, ONE, ZERO, prefetch
from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    CANCEL,
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
EACH_BYTE = np.uint64(0x0101010101010101)
HIGH_BITS = np.uint64(0x8080808080808080)
ENTRY_BITS = 24  # of an index place; above them a part of the hash
ENTRY_MASK = 2**ENTRY_BITS - 1


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


@step
def at_least(word, c):
    """0x80 in each byte of `word` that is >= c; all bytes are below 0x80."""
    return (word + EACH_BYTE * np.uint64(0x80 - c)) & HIGH_BITS


@step
def allowed(word):
    """0xFF in each byte of eight that is one of [A-Za-z0-9._:-], else 0; all bytes are below 0x80."""
    letters = at_least(word | EACH_BYTE * np.uint64(0x20), 97) & ~at_least(word | EACH_BYTE * np.uint64(0x20), 123)
    digits_and_colon = at_least(word, 48) & ~at_least(word, 59)
    hyphen_and_dot = at_least(word, 45) & ~at_least(word, 47)
    underscore = at_least(word, 95) & ~at_least(word, 96)
    found = letters | digits_and_colon | hyphen_and_dot | underscore
    return found | (found - (found >> np.uint64(7)))


@step
def is_exact_text(hi, lo):
    """Whether 16 bytes are 1 to 15 characters of [A-Za-z0-9._:-], zero padded.

    Eight bytes at a time: a loop over the bytes took 40 ns.
    """
    first, last = allowed(hi), allowed(lo)
    ascii_only = ((hi | lo) & HIGH_BITS) == ZERO
    rest_is_zero = (hi & ~first) == ZERO and (lo & ~last) == ZERO
    no_gap = (first & (first + ONE)) == ZERO and (last & (last + ONE)) == ZERO and (last == ZERO or first == ALL_ONES)
    return ascii_only and rest_is_zero and no_gap and first != ZERO and last >> np.uint64(56) == ZERO


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


@step
def id_hash(seed, account, form, hi, lo):
    value = mixed(seed, np.uint64(np.int64(account) << 8 | np.int64(form)))
    return mixed(mixed(value, hi), lo)


@step
def tag_of(hashed):
    """What an index place keeps of the hash beside the entry: bits 24 to 31."""
    return np.int64(hashed >> np.uint64(56)) << ENTRY_BITS


@step
def seek(id_index, ids, hashed, account, form, hi, lo):
    """(entry, its place) of a remembered text id; (-1, the free place where it would go)."""
    mask = len(id_index) - 1
    place = np.int64(hashed) & mask
    tag = tag_of(hashed)
    held = np.int64(id_index[place])
    while held != 0:
        if held & ~ENTRY_MASK == tag:  # one entry in 256 is looked at in vain
            entry = (held & ENTRY_MASK) - 1
            e = ids[entry]
            if e.lo == lo and e.hi == hi and e.account == account and e.form == form:
                return entry, place
        place = (place + 1) & mask
        held = np.int64(id_index[place])
    return np.int64(NOTHING), place


@step
def find_id(s, account, form, hi, lo):
    """Entry of a remembered text id, or -1."""
    entry, _ = seek(s.id_index, s.ids, id_hash(s.meta[0].hash_seed, account, form, hi, lo), account, form, hi, lo)
    return entry


@step
def fetch_id_place(s, account, form, hi, lo):
    """Ask for the place in the index of a text id."""
    prefetch(s.id_index, np.int64(id_hash(s.meta[0].hash_seed, account, form, hi, lo)) & (len(s.id_index) - 1))


@step
def likely_entry(s, account, form, hi, lo):
    """The entry that a text id seems to have by its tag, or -1; the entry is not looked at."""
    hashed = id_hash(s.meta[0].hash_seed, account, form, hi, lo)
    mask = len(s.id_index) - 1
    place = np.int64(hashed) & mask
    tag = tag_of(hashed)
    held = np.int64(s.id_index[place])
    while held != 0:
        if held & ~ENTRY_MASK == tag:
            return (held & ENTRY_MASK) - 1
        place = (place + 1) & mask
        held = np.int64(s.id_index[place])
    return np.int64(NOTHING)


@step
def enter_id(s, entry):
    """Put an entry that is not in the index there."""
    e = s.ids[entry]
    hashed = id_hash(s.meta[0].hash_seed, e.account, e.form, e.hi, e.lo)
    mask = len(s.id_index) - 1
    place = np.int64(hashed) & mask
    while s.id_index[place] != 0:
        place = (place + 1) & mask
    s.id_index[place] = tag_of(hashed) | (entry + 1)


@step
def remember_id(s, place, hashed, account, form, hi, lo, body_hash, seq):
    """A new entry at a free place of the index. The caller has checked that there is room. Returns its number."""
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
    s.id_index[place] = tag_of(hashed) | (entry + 1)
    return entry


@step
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


@step
def attach_id(s, entry, slot, order):
    """Bind an entry to the open order in `slot`: it is closed when the order ends.

    links[slot].named is the only entry of the order, or -2 less the first of several: closing one then reads nothing
    of it, and a cache miss on it delays nothing.
    """
    o, e = s.orders[slot], s.ids[entry]
    e.order = order
    if o.flags & NAMED:
        before = np.int64(s.links[slot].named)
        e.next = before if before >= 0 else -2 - before
        s.links[slot].named = -2 - entry
    else:
        o.flags |= NAMED
        s.links[slot].named = entry


@step
def close_ids_of(s, slot):
    """Close the text ids of an order that has ended."""
    entry = np.int64(s.links[slot].named)
    if entry >= 0:
        close_id(s, entry)
    else:
        close_chain(s, -2 - entry)


@rare
def close_chain(s, entry):
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
        hashed = id_hash(m.hash_seed, e.account, e.form, e.hi, e.lo)
        place = np.int64(hashed) & mask
        while s.id_index[place] != tag_of(hashed) | (entry + 1):
            place = (place + 1) & mask
        # Close the gap: pull back each follower that the gap would cut off from its home place.
        gap = place
        while True:
            place = (place + 1) & mask
            other = np.int64(s.id_index[place])
            if other == 0:
                break
            f = s.ids[(other & ENTRY_MASK) - 1]
            home = np.int64(id_hash(m.hash_seed, f.account, f.form, f.hi, f.lo)) & mask
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
