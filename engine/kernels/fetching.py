"""Asking for memory before it is needed: a batch knows which orders and levels its next rows will touch."""

from __future__ import annotations

import numpy as np

from engine.kernels.bits import prefetch
from engine.kernels.compiled import step
from engine.kernels.constants import CANCEL, NEW, REF_DIGEST, REF_TEXT, SELL, SIDES
from engine.kernels.ids import fetch_id_place, likely_entry
from engine.kernels.ranks import rank_of

NOTHING = -1
# How far ahead of the row being applied its order and level, and then the neighbours of its place, are fetched.
AHEAD_ORDER = 12
AHEAD_NEIGHBOURS = 6
# The same for what is named by text: the place in the index, the entry, the order, what stands beside it.
AHEAD_ID, AHEAD_ENTRY, AHEAD_NAMED, AHEAD_BESIDE = 24, 16, 10, 5


@step
def fetch_ahead(s, rows, extensions, i):
    """Ask for what the rows behind row i will touch: first orders and levels, later what stands beside."""
    fetch_ids_ahead(s, rows, extensions, i)
    if i + AHEAD_ORDER >= len(rows):
        return
    r = rows[i + AHEAD_ORDER]
    slot = np.int64(r.order) & 0xFFFFFFFF
    if slot < len(s.orders):
        prefetch(s.orders, slot)
    if r.kind != CANCEL:
        fetch_level(s, np.int64(r.instrument), np.int64(r.side), np.int64(r.price))
    fetch_free_slot(s)
    r = rows[i + AHEAD_NEIGHBOURS]
    if r.kind != NEW:
        slot = np.int64(r.order) & 0xFFFFFFFF
        if slot < len(s.orders):
            fetch_neighbours(s, slot)
    if r.kind != CANCEL:
        fetch_tail(s, np.int64(r.instrument), np.int64(r.side), np.int64(r.price))


@step
def fetch_free_slot(s):
    """Ask for a slot that is soon to be taken from the ring."""
    slot = np.int64(s.ring[(s.meta[0].ring_first + AHEAD_ORDER) & (len(s.ring) - 1)])
    prefetch(s.orders, slot)
    prefetch(s.cold, slot)


@step
def fetch_neighbours(s, slot):
    """Ask for the orders beside an order, and for its level. Whatever the slot holds is in range."""
    o = s.orders[slot]
    fetch_level(s, np.int64(o.instrument), np.int64(o.side), np.int64(o.price))
    if o.next >= 0:
        prefetch(s.orders, np.int64(o.next))
    if o.prev >= 0:
        prefetch(s.orders, np.int64(o.prev))


@step
def fetch_level(s, instrument, side, price):
    """Ask for the level of a price, when it lies in the window. The numbers may be anything."""
    if instrument < len(s.books) and side <= SELL:
        v = s.sides[SIDES * instrument + side]
        offset = (rank_of(side, price) << v.classes) - v.rank0
        if offset >= 0 and offset < v.ticks:
            prefetch(s.levels, v.level0 + offset)
            prefetch(s.bits, v.bits0 + (offset >> 6))


@step
def fetch_tail(s, instrument, side, price):
    """Ask for the last order of a price's level, behind which the next one is put."""
    if instrument < len(s.books) and side <= SELL:
        v = s.sides[SIDES * instrument + side]
        offset = (rank_of(side, price) << v.classes) - v.rank0
        if offset >= 0 and offset < v.ticks:
            prefetch(s.orders, np.int64(s.levels[v.level0 + offset].tail))


@step
def fetch_ids_ahead(s, rows, extensions, i):
    """Ask for what text ids lead to: the place in the index, later the entry, the order, and what stands beside it.

    Without it each step of a cancel by text is a miss: with this and the hash kept in the index, 440 became 215 ns a
    message on a thousand books.
    """
    if i + AHEAD_ID >= len(rows):
        return
    r = rows[i + AHEAD_ID]
    if r.ref_form == REF_TEXT or r.ref_form == REF_DIGEST:
        fetch_id_place(s, r.account, r.ref_form, r.ref_hi, r.ref_lo)
        if r.kind != CANCEL and r.extension != 0 and r.extension <= len(extensions):
            x = extensions[np.int64(r.extension) - 1]
            fetch_id_place(s, r.account, x.target_form, x.target_hi, x.target_lo)
    entry = entry_of_target(s, rows[i + AHEAD_ENTRY], extensions)
    if entry >= 0:
        prefetch(s.ids, entry)
    entry = entry_of_target(s, rows[i + AHEAD_NAMED], extensions)
    if entry >= 0:
        slot = np.int64(s.ids[entry].order) & 0xFFFFFFFF
        prefetch(s.orders, slot)
        prefetch(s.links, slot)
    entry = entry_of_target(s, rows[i + AHEAD_BESIDE], extensions)
    if entry >= 0:
        fetch_neighbours(s, np.int64(s.ids[entry].order) & 0xFFFFFFFF)


@step
def entry_of_target(s, r, extensions):
    """The entry that the text id of a row's target seems to have; -1: none, or the row names none by text."""
    if r.kind == NEW or r.order != 0:
        return np.int64(NOTHING)
    if r.kind == CANCEL:
        if r.ref_form != REF_TEXT and r.ref_form != REF_DIGEST:
            return np.int64(NOTHING)
        return likely_entry(s, r.account, r.ref_form, r.ref_hi, r.ref_lo)
    if r.extension == 0 or r.extension > len(extensions):
        return np.int64(NOTHING)
    x = extensions[np.int64(r.extension) - 1]
    return likely_entry(s, r.account, x.target_form, x.target_hi, x.target_lo)
