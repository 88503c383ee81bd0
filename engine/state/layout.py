"""The register of the hot state: every array, its rows, what each field means, and which index reads it.

One order is two rows with the same slot: 32 bytes that matching touches (ORDER) and 32 that it does not (COLD). A side
of a book has a window, a run of `ticks` levels addressed by rank, and a vector of far levels for ranks outside it.
Empty rows are zero bytes; a level with count 0 is empty whatever its other fields say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NOTHING = -1  # no slot, no level, no entry

# index: slot
ORDER = np.dtype(
    [
        ("next", "<i4"),  # slot behind this one in its level, or NOTHING
        ("prev", "<i4"),  # slot before it
        ("price", "<i4"),  # ticks; 0 when unpriced
        ("account", "<u4"),
        ("qty", "<i8"),  # open quantity, lots
        ("instrument", "<u2"),
        ("side", "u1"),
        ("flags", "u1"),  # LIVE, UNPRICED, NAMED, and the RefForm in bits 3 and 4; 0 when the slot is free
        ("generation", "<u4"),  # lives of this slot so far
    ]
)

# index: slot
COLD = np.dtype(
    [
        ("seq", "<i8"),  # of the command that gave the order its present priority
        ("entered_qty", "<i8"),  # open quantity then
        ("ref_hi", "<u8"),
        ("ref_lo", "<u8"),
    ]
)

# index: side.level0 + (rank - side.rank0) inside a window; far and unpriced levels stand between the windows
LEVEL = np.dtype(
    [
        ("total", "<i8"),  # open lots
        ("head", "<i4"),  # oldest order; of a spare level: the next spare one
        ("tail", "<i4"),
        ("count", "<i4"),  # orders
        ("rank", "<i4"),
    ]
)

# index: side.far_at ..; sorted by falling rank, so that the best is last
FAR = np.dtype([("rank", "<i4"), ("level", "<i4")])

# index: instrument
BOOK = np.dtype(
    [
        ("multiplier", "<i8"),
        ("qty_max", "<i8"),
        ("price_min", "<i4"),
        ("price_max", "<i4"),
        ("phase", "u1"),
        ("listed", "u1"),
        ("spare", "u1", (6,)),
    ]
)

# index: 2 x instrument + side
SIDE = np.dtype(
    [
        ("best", "<i4"),  # rank of the best priced level, or RANK_NONE
        ("rank0", "<i4"),  # rank of the window's first level
        ("ticks", "<i4"),  # levels in the window, a power of two; 0: no window yet
        ("level0", "<i4"),  # first level of the window
        ("bits0", "<i4"),  # first word of its bitmap
        ("far_at", "<i4"),
        ("far_count", "<i4"),
        ("far_capacity", "<i4"),
        ("total", "<i8"),  # open lots, unpriced ones included
        ("unpriced", "<i4"),  # level of the unpriced orders, or NOTHING
        ("orders", "<i4"),  # open orders, unpriced ones included
        ("spare", "<i8", (2,)),
    ]
)

# index: account
ACCOUNT = np.dtype(
    [
        ("open", "<u4"),  # 1: it may trade
        ("streams", "<u4"),  # of the packed form
        ("ids", "<u4"),  # text ids remembered, open and closed
        ("spare", "<u4"),
    ]
)

# index: entry, through State.id_index by hash of (account, form, hi, lo)
CLIENT_ID = np.dtype(
    [
        ("account", "<u4"),
        ("form", "<u2"),
        ("reason", "<u2"),
        ("next", "<i4"),  # of the order's chain; once closed, of the queue of closed ids; once free, of the free ones
        ("spare", "<i4"),
        ("hi", "<u8"),
        ("lo", "<u8"),
        ("body_hash", "<u8"),
        ("order", "<i8"),
        ("seq", "<i8"),
        ("closed_ns", "<i8"),  # -1 while the order is open
    ]
)

# one row: everything that is a single number
META = np.dtype(
    [
        # the command being applied
        ("row", "<i8"),
        ("first_seq", "<i8"),
        ("ts_ns", "<i8"),
        ("event_count", "<i8"),  # events in the buffer
        ("event_index", "<i8"),  # index of the command's next event
        ("taker", "<i8"),  # slot of an order whose matching the full event buffer interrupted, or NOTHING
        ("left", "<i8"),  # its quantity left
        ("tif", "<i8"),  # its time in force; an order that rests is always gtc
        ("wanted", "<i8"),  # what a NEED_ status is about
        # slots: first those never used, then the ring of those given back
        ("slots_issued", "<i8"),
        ("slots_fresh", "<i8"),  # next slot that was never used; all below slots_issued come before the ring
        ("ring_first", "<i8"),  # runs on; the place is ring_first modulo the ring's length
        ("ring_count", "<i8"),
        ("orders_open", "<i8"),
        # arenas
        ("levels_used", "<i8"),
        ("level_spare", "<i8"),  # first single level given back, or NOTHING
        ("bits_used", "<i8"),
        ("far_used", "<i8"),
        # client ids
        ("streams", "<i8"),
        ("ids", "<i8"),  # entries in use
        ("ids_fresh", "<i8"),  # next entry that was never used
        ("ids_free", "<i8"),  # first entry given back, or NOTHING
        ("closed_first", "<i8"),  # queue of closed ids, oldest first
        ("closed_last", "<i8"),
        ("hash_seed", "<u8"),  # places entries in the hash tables; never seen outside
        # logical room
        ("orders_max", "<i8"),
        ("generations_max", "<i8"),
        ("streams_max", "<i8"),
        ("ids_max", "<i8"),
        ("streams_share", "<i8"),  # of one account
        ("ids_share", "<i8"),
    ]
)

_SIZES = ((ORDER, 32), (COLD, 32), (LEVEL, 24), (FAR, 8), (BOOK, 32), (SIDE, 64), (ACCOUNT, 16), (CLIENT_ID, 64))
for _dtype, _bytes in _SIZES:
    assert _dtype.itemsize == _bytes, _dtype


class State(NamedTuple):
    """Everything a kernel of the hot path reads and writes."""

    orders: np.ndarray  # ORDER[slots]
    cold: np.ndarray  # COLD[slots]
    named: np.ndarray  # int32[slots]  first text id of the order's chain; read only when NAMED
    ring: np.ndarray  # int32[power of two >= slots]  slots given back, oldest first
    levels: np.ndarray  # LEVEL[capacity]  windows and single levels
    bits: np.ndarray  # uint64[capacity]  bitmaps of the windows: which levels have orders
    far: np.ndarray  # FAR[capacity]  vectors of far levels
    books: np.ndarray  # BOOK[instruments + 1]
    sides: np.ndarray  # SIDE[2 x (instruments + 1)]
    accounts: np.ndarray  # ACCOUNT[accounts + 1]
    stream_keys: np.ndarray  # int64[power of two]  account << 32 | stream; 0: free
    stream_last: np.ndarray  # int64[power of two]  last number taken
    ids: np.ndarray  # CLIENT_ID[capacity]
    id_index: np.ndarray  # int32[power of two]  entry + 1; 0: free
    meta: np.ndarray  # META[1]


def grown(array: np.ndarray, length: int) -> np.ndarray:
    """The same rows in an array of `length` rows; the new ones are zero."""
    larger = np.zeros(length, array.dtype)
    larger[: len(array)] = array
    return larger
