"""The arrays of the books, and the making of room in them: physical, never seen in events, sections or hash.

Arrays double when a kernel says that one is full; a side's window is placed when the side is empty, and moved or
doubled when its instrument changes phase.
"""

from __future__ import annotations

import numpy as np

from engine.kernels import chains, holdings, loading
from engine.kernels.constants import (
    FAR_FIRST,
    NEED_CHAINS,
    NEED_CLIENT_IDS,
    NEED_EVENTS,
    NEED_EXTRAS,
    NEED_FAR,
    NEED_LEVELS,
    NEED_SLOTS,
    NEED_STOCKS,
    NEED_STREAMS,
    NEED_WINDOW,
    RANK_NONE,
    SIDES,
    STOPS,
)
from engine.limits import WINDOW_TICKS_DEFAULT, WINDOW_TICKS_MAX, WINDOW_TICKS_MIN
from engine.messages.rows import EVENT
from engine.state.hot import Space
from engine.state.layout import (
    ACCOUNT,
    BOOK,
    CLIENT_ID,
    COLD,
    EXTRA,
    FAR,
    LEVEL,
    LIMIT,
    LINK,
    META,
    NOTHING,
    ORDER,
    SIDE,
    STOCK,
    State,
    grown,
    zeros,
)

EVENT_BUFFER_ROWS = 1_024
EVENT_BUFFER_ROWS_MIN = 2  # one event and the one that ends its order
SIDE_EMPTY = np.zeros(1, SIDE)
SIDE_EMPTY["best"], SIDE_EMPTY["unpriced"] = RANK_NONE, NOTHING
INDEX_PLACES_PER_ID = 2  # of the hash table of text ids
WINDOW_BUDGET_LEVELS = 2**23  # of all first windows together: 256 MiB
FAR_LEVELS_PER_WINDOW = 16  # a window doubles when more than ticks / 16 levels stand outside it


def power_of_two(least: int) -> int:
    """The smallest that is no less."""
    return 1 << (least - 1).bit_length()


def empty_sides(count: int) -> np.ndarray:
    """SIDE[count] without orders and windows."""
    sides = zeros(count, SIDE)
    sides[:] = SIDE_EMPTY
    return sides


class Room:
    """State under kernels, and room for more of it.

    space         logical room; the defaults are the venue's limits
    window_ticks  levels in a side's first window, a power of two: physical, never seen in events or hash
    event_rows    rows of the event buffer: physical, never seen
    hash_seed     places entries in the hash tables: physical, never seen
    """

    def __init__(
        self,
        space: Space = Space(),
        *,
        window_ticks: int = WINDOW_TICKS_DEFAULT,
        event_rows: int = EVENT_BUFFER_ROWS,
        hash_seed: int = 0x51A7E5EED,
    ) -> None:
        assert WINDOW_TICKS_MIN <= window_ticks <= WINDOW_TICKS_MAX and window_ticks.bit_count() == 1
        assert event_rows >= EVENT_BUFFER_ROWS_MIN
        self.space, self.window_ticks = space, window_ticks
        self.events = zeros(event_rows, EVENT)
        self.state = State(
            orders=zeros(space.slots_initial, ORDER),
            cold=zeros(space.slots_initial, COLD),
            links=zeros(space.slots_initial, LINK),
            ring=zeros(power_of_two(space.slots_initial), np.int32),
            levels=zeros(1024, LEVEL),
            bits=zeros(1024, np.uint64),
            far=zeros(1024, FAR),
            books=zeros(16, BOOK),
            sides=empty_sides(16 * SIDES),
            accounts=zeros(64, ACCOUNT),
            extras=zeros(64, EXTRA),
            expiries=zeros(64, np.int32),
            limits=zeros(64, LIMIT),
            stocks=zeros(64, STOCK),
            chain_keys=zeros(64, np.int64),
            chain_heads=zeros(64, np.int32),
            stream_keys=zeros(64, np.int64),
            stream_last=zeros(64, np.int64),
            ids=zeros(64, CLIENT_ID),
            id_index=zeros(64 * INDEX_PLACES_PER_ID, np.uint32),
            meta=zeros(1, META),
        )
        meta = self.state.meta[0]
        for field in (
            "taker",
            "elected_first",
            "elected_last",
            "level_spare",
            "extra_free",
            "ids_free",
            "closed_first",
            "closed_last",
        ):
            meta[field] = NOTHING
        meta["slots_issued"] = space.slots_initial
        meta["hash_seed"] = hash_seed
        meta["orders_max"], meta["generations_max"] = space.orders, space.generations
        meta["streams_max"], meta["ids_max"] = space.streams, space.client_ids
        meta["streams_share"], meta["ids_share"] = space.streams_share, space.client_ids_share
        self._listed: list[int] = []
        self._texts: dict[int, str] = {}  # full text of long client ids; entries of ended orders are dropped at times
        self._spare_windows: dict[int, list[tuple[int, int]]] = {}  # ticks -> (level0, bits0), all zero

    def make_room(self, status: int) -> None:
        """Double what a kernel found too small. Never changes what any reader sees."""
        s, meta = self.state, self.state.meta[0]
        if status == NEED_EVENTS:
            return
        if status == NEED_SLOTS:
            slots = min(2 * int(meta["slots_issued"]), int(meta["orders_max"]))
            ring = zeros(power_of_two(slots), np.int32)  # it is empty when slots are wanted
            self.state = s._replace(
                orders=grown(s.orders, slots), cold=grown(s.cold, slots), links=grown(s.links, slots), ring=ring
            )
        elif status == NEED_WINDOW:
            side = int(meta["wanted"])
            ticks = self._first_window_ticks(side)
            level0, bits0 = self._take_window(ticks)
            row = self.state.sides[side]
            row["ticks"], row["level0"], row["bits0"] = ticks, level0, bits0
        elif status == NEED_LEVELS:
            self.state = s._replace(levels=grown(s.levels, 2 * len(s.levels)))
        elif status == NEED_FAR:
            self._room_for_far(int(meta["wanted"]))
        elif status == NEED_STREAMS:
            larger = 2 * len(s.stream_keys)
            self.state = s._replace(stream_keys=zeros(larger, np.int64), stream_last=zeros(larger, np.int64))
            loading.reindex_streams(self.state, s.stream_keys, s.stream_last)
        elif status == NEED_EXTRAS:
            larger = 2 * len(s.extras)
            self.state = s._replace(extras=grown(s.extras, larger), expiries=grown(s.expiries, larger))
        elif status == NEED_CHAINS:
            self._build_chains()
        elif status == NEED_STOCKS:
            self._room_for_stock(1)
        else:
            assert status == NEED_CLIENT_IDS, status
            index = zeros(2 * len(s.id_index), np.uint32)
            self.state = s._replace(ids=grown(s.ids, 2 * len(s.ids)), id_index=index)
            loading.reindex_ids(self.state)

    def _first_window_ticks(self, side: int) -> int:
        """Levels of a side's first window: as configured, or a share of the budget when there are very many books; of
        waiting stops, which few look at, a quarter of that."""
        share = WINDOW_BUDGET_LEVELS // (2 * len(self._listed))
        ticks = min(self.window_ticks, power_of_two(share + 1) >> 1)
        return max(WINDOW_TICKS_MIN, ticks if side % SIDES < STOPS else ticks >> 2)

    def _build_chains(self) -> None:
        """Chains of all owners, in an index of which a quarter at most is used: emptied ones are left out."""
        places, built = len(self.state.chain_keys) // 2, False
        while not built:
            places *= 2
            self.state = self.state._replace(chain_keys=zeros(places, np.int64), chain_heads=zeros(places, np.int32))
            built = chains.build_chains(self.state)

    def _room_for_stock(self, rows: int) -> None:
        """For `rows` more rows of stock than there are, in a table at most half full."""
        s = self.state
        least = 2 * (int(s.meta[0]["stocks"]) + rows)
        if least > len(s.stocks):
            self.state = s._replace(stocks=zeros(power_of_two(least), STOCK))
            holdings.rehash_stocks(self.state, s.stocks)

    def _room_for_far(self, wanted: int) -> None:
        s = self.state
        wanted = max(FAR_FIRST, wanted)
        if int(s.meta[0]["far_used"]) + wanted > len(s.far):
            self._compact_far()
            least = 2 * int(s.meta[0]["far_used"]) + wanted  # half of it free, so that this is rare
            if least > len(s.far):
                self.state = s._replace(far=grown(s.far, power_of_two(least)))

    def _compact_far(self) -> None:
        """Move the vectors of far levels together: outgrown ones and those of delisted books leave gaps."""
        s = self.state
        before, at = s.far.copy(), 0
        for side in np.flatnonzero(s.sides["far_capacity"]).tolist():
            row = s.sides[side]
            first, capacity = int(row["far_at"]), int(row["far_capacity"])
            s.far[at : at + capacity] = before[first : first + capacity]
            row["far_at"] = at
            at += capacity
        s.meta[0]["far_used"] = at

    def _room_for_levels(self, wanted: int) -> None:
        least = int(self.state.meta[0]["levels_used"]) + wanted
        if least > len(self.state.levels):
            self.state = self.state._replace(levels=grown(self.state.levels, power_of_two(least)))

    def _take_window(self, ticks: int) -> tuple[int, int]:
        """(level0, bits0) of a zeroed window of `ticks` levels."""
        if self._spare_windows.get(ticks):
            return self._spare_windows[ticks].pop()
        meta = self.state.meta[0]
        words = (ticks >> 6) + ((ticks + 4095) >> 12) + 1
        level0, bits0 = int(meta["levels_used"]), int(meta["bits_used"])
        meta["levels_used"] += ticks
        meta["bits_used"] += words
        if level0 + ticks > len(self.state.levels):
            self.state = self.state._replace(levels=grown(self.state.levels, power_of_two(level0 + ticks)))
        if bits0 + words > len(self.state.bits):
            self.state = self.state._replace(bits=grown(self.state.bits, power_of_two(bits0 + words)))
        return level0, bits0

    def _centre(self, side: int) -> None:
        """Bring the window of a side back to its best rank, and double it when many levels stand outside."""
        row = self.state.sides[side]
        ticks, best, offset = int(row["ticks"]), int(row["best"]), int(row["best"]) - int(row["rank0"])
        if ticks == 0 or best == RANK_NONE or (row["far_count"] == 0 and offset >= 0):
            return
        wanted = ticks
        while wanted < WINDOW_TICKS_MAX and row["far_count"] > wanted // FAR_LEVELS_PER_WINDOW:
            wanted *= 2
        old = int(row["level0"]), int(row["bits0"])
        new = old if wanted == ticks else self._take_window(wanted)
        # Every level may end up outside: room for that many single levels and far entries.
        levels = int(row["orders"])
        self._room_for_levels(levels)
        self._room_for_far(4 * levels)
        loading.relocate(self.state, side, best - wanted // 4, wanted, *new, zeros(levels, LEVEL))
        if new != old:
            self._spare_windows.setdefault(ticks, []).append(old)
