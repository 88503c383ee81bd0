"""The register of the hot state: every array, its rows, what each field means, and which index reads it.

One order is three rows with the same slot: 32 bytes that matching touches (ORDER), 32 that it does not (COLD), and 16
that are read only when a flag of the order says so (LINK). An order with anything unusual has a fourth, in EXTRA.
A side of a book has a window, a run of `ticks` levels addressed by rank, and a vector of far levels for ranks outside
it. Empty rows are zero bytes; a level with count 0 is empty whatever its other fields say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CACHE_LINE_BYTES = 64
NOTHING = -1  # no slot, no level, no entry
ENTRY_MASK = 2**24 - 1  # of a place in the index of text ids

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
        (
            "flags",
            "u1",
        ),  # LIVE .. CHAINED of engine.kernels.constants, the RefForm in bits 3 and 4; 0: the slot is free
        ("generation", "<u4"),  # lives of this slot so far
    ]
)

# index: slot
COLD = np.dtype(
    [
        ("seq", "<i8"),  # of the command that gave the order its present priority
        ("entered_qty", "<i8"),  # total quantity: less ORDER.qty it is what was filled
        ("ref_hi", "<u8"),
        ("ref_lo", "<u8"),
    ]
)

# index: slot; each field is read only when the flag named here is set
LINK = np.dtype(
    [
        ("named", "<i4"),  # NAMED: the text id of the order, or -2 less the first of its chain
        ("extra", "<i4"),  # EXTRA: its row there
        ("own_next", "<i4"),  # CHAINED: slots before and behind it among its owner's orders of this side, or NOTHING
        ("own_prev", "<i4"),
    ]
)

# index: LINK.extra
EXTRA = np.dtype(
    [
        ("order", "<i8"),  # id
        ("expire_at", "<i8"),  # ns; 0: not gtd
        ("peak", "<i8"),  # lots an iceberg shows at a time; 0: no iceberg
        ("shown", "<i8"),  # of which are still there, while it rests
        ("stop_price", "<i4"),
        ("heap_place", "<i4"),  # in State.expiries, while it is there; of a free row: the next free one
        ("auction_next", "<i4"),  # 1 + row of the next older order for one uncross in the same book; 0: none
        ("auction_prev", "<i4"),
        ("type", "u1"),  # OrderType now
        ("tif", "u1"),
        ("waiting", "u1"),  # 1: a stop that was not elected
        ("stp", "u1"),  # StpMode of a stop, for when it is elected
        ("stp_group", "u1"),
        ("spare", "u1", (11,)),
    ]
)

# index: side.level0 + (rank - side.rank0) inside a window; far and unpriced levels stand between the windows
LEVEL = np.dtype(
    [
        ("total", "<i8"),  # open lots
        ("hidden", "<i8"),  # of which icebergs do not show
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
        ("collar_low", "<i4"),
        ("collar_high", "<i4"),
        ("last", "<i4"),  # price of the newest fill, when flag TRADED
        ("stops", "<i4"),  # orders on the two sides of waiting stops
        ("deposited", "<i8"),  # lots of all accounts, in a book of deposits
        ("at_auction", "<i4"),  # 1 + row in State.extras of the newest order for one uncross; 0: none
        ("currency", "<u2"),
        ("phase", "u1"),
        ("listed", "u1"),
        ("flags", "u1"),  # BookFlag
        ("spare", "u1", (7,)),
    ]
)

# index: SIDES x instrument + side: buys, sells, waiting stop buys, waiting stop sells (rank: stop price, and its
# negative, so that the best is the one elected first)
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
        ("waiting", "<i8"),  # of buys and sells: open lots of the stops that wait on this side
        ("classes", "<i4"),  # 1: two levels a price, rank = 2 x price rank + (0 co-op, 1 other)
        ("spare", "<i4"),
    ]
)

# index: account
ACCOUNT = np.dtype(
    [
        ("open", "u1"),  # 1: it exists
        ("frozen", "u1"),
        ("coop", "u1"),
        ("limited", "u1"),  # 1: it has a row in State.limits
        ("group", "<u4"),  # 0: none
        ("streams", "<u4"),  # of the packed form
        ("ids", "<u4"),  # text ids remembered, open and closed
    ]
)

# open addressing by hash of key; key 0: free
LIMIT = np.dtype(
    [
        ("key", "<i8"),  # account << 32 | currency
        ("buy_max", "<i8"),  # worth of open orders; 0: no limit
        ("sell_max", "<i8"),
        ("orders_max", "<i8"),
        ("buy_used", "<i8"),  # low 62 bits of what is open now
        ("sell_used", "<i8"),
        ("buy_used_high", "<i4"),  # the bits above: open orders may be worth more than an int64 holds
        ("sell_used_high", "<i4"),
        ("orders", "<i8"),
    ]
)

# open addressing by hash of key; key 0: free
STOCK = np.dtype(
    [
        ("key", "<i8"),  # account << 32 | instrument
        ("lots", "<i8"),
        ("reserved", "<i8"),  # promised to open sells
        ("orders", "<i8"),  # open orders of the account in the book: the row stays while there are any
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
        ("stage", "<i8"),  # IDLE, or where a command that a lack of room interrupted goes on: engine.kernels.stages
        ("taker", "<i8"),  # slot of the order that acts
        ("left", "<i8"),  # its quantity left
        ("limit", "<i8"),  # worst rank of the other side it may trade with
        ("tif", "<i8"),
        ("stp", "<i8"),  # StpMode
        ("stp_group", "<i8"),
        ("fill_first", "<i8"),  # prices of its first and its newest fill, when `filled`
        ("fill_last", "<i8"),
        ("filled", "<i8"),
        ("elected_first", "<i8"),  # queue of stops elected in this command, linked by ORDER.next; NOTHING: empty
        ("elected_last", "<i8"),
        ("wanted", "<i8"),  # what a NEED_ status is about
        ("stopped", "<i8"),  # 1: the kill switch
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
        ("extras_used", "<i8"),
        ("extra_free", "<i8"),  # first row given back, or NOTHING
        ("expiries", "<i8"),  # rows in the heap
        ("limits", "<i8"),  # rows in use
        ("stocks", "<i8"),
        ("chained", "<i8"),  # 1: all open orders are in the chains of their owners
        ("chains", "<i8"),  # places in use
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

_SIZES = (
    (ORDER, 32),
    (COLD, 32),
    (LINK, 16),
    (EXTRA, 64),
    (LEVEL, 32),
    (FAR, 8),
    (BOOK, 64),
    (SIDE, 64),
    (ACCOUNT, 16),
    (LIMIT, 64),
    (STOCK, 32),
    (CLIENT_ID, 64),
)
for _dtype, _bytes in _SIZES:
    assert _dtype.itemsize == _bytes, _dtype


class State(NamedTuple):
    """Everything a kernel of the hot path reads and writes."""

    orders: np.ndarray  # ORDER[slots]
    cold: np.ndarray  # COLD[slots]
    links: np.ndarray  # LINK[slots]
    ring: np.ndarray  # int32[power of two >= slots]  slots given back, oldest first
    levels: np.ndarray  # LEVEL[capacity]  windows and single levels
    bits: np.ndarray  # uint64[capacity]  bitmaps of the windows: which levels have orders
    far: np.ndarray  # FAR[capacity]  vectors of far levels
    books: np.ndarray  # BOOK[instruments + 1]
    sides: np.ndarray  # SIDE[SIDES x (instruments + 1)]
    accounts: np.ndarray  # ACCOUNT[accounts + 1]
    extras: np.ndarray  # EXTRA[capacity]
    expiries: np.ndarray  # int32[as extras]  binary heap of gtd rows of extras by (expire_at, order)
    limits: np.ndarray  # LIMIT[power of two]
    stocks: np.ndarray  # STOCK[power of two]
    chain_keys: np.ndarray  # int64[power of two]  owner << 18 | instrument << 2 | side << 1 | is a group; 0: free
    chain_heads: np.ndarray  # int32[power of two]  first slot of the owner's orders of that side, or NOTHING
    stream_keys: np.ndarray  # int64[power of two]  account << 32 | stream; 0: free
    stream_last: np.ndarray  # int64[power of two]  last number taken
    ids: np.ndarray  # CLIENT_ID[capacity]
    id_index: np.ndarray  # uint32[power of two]  8 bits of the hash << 24 | entry + 1; 0: free
    meta: np.ndarray  # META[1]


def entries_of(id_index: np.ndarray) -> np.ndarray:
    """int64[n]: the entries that an index of text ids holds."""
    return (id_index[id_index != 0] & ENTRY_MASK).astype(np.int64) - 1


def zeros(length: int, dtype: np.dtype | type) -> np.ndarray:
    """`length` zero rows that begin with a cache line, so that no row of 32 or 64 bytes lies in two of them."""
    size = length * np.dtype(dtype).itemsize
    raw = np.zeros(size + CACHE_LINE_BYTES, np.uint8)
    first = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[first : first + size].view(dtype)


def grown(array: np.ndarray, length: int) -> np.ndarray:
    """The same rows in an array of `length` rows; the new ones are zero.

    As bytes: NumPy copies rows of a structured type field by field, at six to nineteen times the cost.
    """
    larger = zeros(length, array.dtype)
    larger[: len(array)].view(np.uint8)[:] = array.view(np.uint8)
    return larger
