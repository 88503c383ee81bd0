"""Order books of all instruments: arrays under kernels, and the making of room for them.

Logical content and rules are those of `engine.oracle.books.Books`. What is added here is physical and never seen:
arrays double when a kernel says that one is full; a side's window is placed when the side is empty, and moved or
doubled when its instrument changes phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.codes import CommandKind, OrderType, RefForm, Side
from engine.domain.curve import Curve
from engine.kernels import book, views
from engine.kernels.constants import (
    COLD_FIRST,
    DONE,
    FAR_FIRST,
    NEED_CLIENT_IDS,
    NEED_EVENTS,
    NEED_FAR,
    NEED_LEVELS,
    NEED_SLOTS,
    NEED_STREAMS,
    NEED_WINDOW,
    RANK_NONE,
)
from engine.kernels.uncross import uncross
from engine.limits import (
    INSTRUMENTS_MAX,
    WINDOW_TICKS_DEFAULT,
    WINDOW_TICKS_MAX,
    WINDOW_TICKS_MIN,
)
from engine.messages.refs import exact_text, is_digest_of
from engine.messages.rows import EVENT, joined
from engine.state.hot import (
    BOOK_VIEW,
    CLIENT_ID_VIEW,
    LEVEL_VIEW,
    ORDER_VIEW,
    SLOTS_VIEW,
    STREAM_VIEW,
    Section,
    Space,
)
from engine.state.layout import ACCOUNT, BOOK, CLIENT_ID, COLD, FAR, LEVEL, META, NOTHING, ORDER, SIDE, State, grown
from engine.state.sections import canonical_parts, orders_by_book, texts_of

EVENT_BUFFER_ROWS = 1_024
EVENT_BUFFER_ROWS_MIN = 2  # one event and the one that ends its order
SIDE_EMPTY = np.zeros(1, SIDE)
SIDE_EMPTY["best"], SIDE_EMPTY["unpriced"] = RANK_NONE, NOTHING
REF_FORM_BROKEN = 255
INDEX_PLACES_PER_ID = 4  # of the hash table of text ids
FAR_LEVELS_PER_WINDOW = 16  # a window doubles when more than ticks / 16 levels stand outside it


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


class Books:
    """Fulfils `engine.state.hot.Hot`.

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
        self.events = np.zeros(event_rows, EVENT)
        self.state = State(
            orders=np.zeros(space.slots_initial, ORDER),
            cold=np.zeros(space.slots_initial, COLD),
            named=np.zeros(space.slots_initial, np.int32),
            ring=np.zeros(_power_of_two(space.slots_initial), np.int32),
            levels=np.zeros(1024, LEVEL),
            bits=np.zeros(1024, np.uint64),
            far=np.zeros(1024, FAR),
            books=np.zeros(16, BOOK),
            sides=np.tile(SIDE_EMPTY, 32),
            accounts=np.zeros(64, ACCOUNT),
            stream_keys=np.zeros(64, np.int64),
            stream_last=np.zeros(64, np.int64),
            ids=np.zeros(64, CLIENT_ID),
            id_index=np.zeros(64 * INDEX_PLACES_PER_ID, np.int32),
            meta=np.zeros(1, META),
        )
        meta = self.state.meta[0]
        for field in ("taker", "level_spare", "ids_free", "closed_first", "closed_last"):
            meta[field] = NOTHING
        meta["slots_issued"] = space.slots_initial
        meta["hash_seed"] = hash_seed
        meta["orders_max"], meta["generations_max"] = space.orders, space.generations
        meta["streams_max"], meta["ids_max"] = space.streams, space.client_ids
        meta["streams_share"], meta["ids_share"] = space.streams_share, space.client_ids_share
        self._listed: list[int] = []
        self._texts: dict[int, str] = {}  # full text of long client ids; entries of ended orders are dropped at times
        self._spare_windows: dict[int, list[tuple[int, int]]] = {}  # ticks -> (level0, bits0), all zero

    # Registers

    def list_instrument(
        self, instrument: int, *, multiplier: int, price_min: int, price_max: int, qty_max: int
    ) -> None:
        assert 1 <= instrument <= INSTRUMENTS_MAX and price_min <= price_max and multiplier >= 1
        s = self.state
        if instrument >= len(s.books):
            count = _power_of_two(instrument + 1)
            sides = np.tile(SIDE_EMPTY, 2 * count)
            sides[: len(s.sides)] = s.sides
            self.state = s = s._replace(books=grown(s.books, count), sides=sides)
        row = s.books[instrument]
        assert not row["listed"]
        row["multiplier"], row["price_min"], row["price_max"] = multiplier, price_min, price_max
        row["qty_max"], row["listed"] = qty_max, 1
        self._listed.append(instrument)
        self._listed.sort()

    def open_account(self, account: int) -> None:
        assert account >= 1
        if account >= len(self.state.accounts):
            self.state = self.state._replace(accounts=grown(self.state.accounts, _power_of_two(account + 1)))
        self.state.accounts[account]["open"] = 1

    def set_phase(self, instrument: int, phase: int) -> None:
        row = self.state.books[instrument]
        assert row["listed"]
        row["phase"] = phase
        for side in Side:
            self._centre(2 * instrument + side)

    def phase(self, instrument: int) -> int:
        row = self.state.books[instrument]
        assert row["listed"]
        return int(row["phase"])

    # Commands

    def run(
        self,
        rows: np.ndarray,
        extensions: np.ndarray,
        bodies: list[bytes] | None,
        row: int,
        *,
        first_seq: int,
        ts_ns: int,
        first_index: int = 0,
    ) -> tuple[int, np.ndarray]:
        if bodies is not None:
            rows = _with_broken_refs_marked(rows, bodies, row)
        rows, extensions = _read_only(rows), _read_only(extensions)
        blocks = []
        first_row, index, meta = row, first_index, self.state.meta[0]
        while True:
            status = book.run(
                self.state, rows, extensions, bodies is not None, first_seq, ts_ns, row, index, self.events
            )
            if count := int(meta["event_count"]):
                blocks.append(joined([self.events[:count]]))
            row, index = int(meta["row"]), int(meta["event_index"])
            if status == DONE:
                break
            self.make_room(status)
        events = blocks[0] if len(blocks) == 1 else joined(blocks) if blocks else np.zeros(0, EVENT)
        if bodies is not None:
            self._keep_texts(rows, bodies, first_row, events)
        return row, events

    def make_room(self, status: int) -> None:
        """Double what a kernel found too small. Never changes what any reader sees."""
        s, meta = self.state, self.state.meta[0]
        if status == NEED_EVENTS:
            return
        if status == NEED_SLOTS:
            slots = min(2 * int(meta["slots_issued"]), int(meta["orders_max"]))
            ring = np.zeros(_power_of_two(slots), np.int32)  # it is empty when slots are wanted
            self.state = s._replace(
                orders=grown(s.orders, slots), cold=grown(s.cold, slots), named=grown(s.named, slots), ring=ring
            )
        elif status == NEED_WINDOW:
            side = int(meta["wanted"])
            level0, bits0 = self._take_window(self.window_ticks)
            row = self.state.sides[side]
            row["ticks"], row["level0"], row["bits0"] = self.window_ticks, level0, bits0
        elif status == NEED_LEVELS:
            self.state = s._replace(levels=grown(s.levels, 2 * len(s.levels)))
        elif status == NEED_FAR:
            self._room_for_far(int(meta["wanted"]))
        elif status == NEED_STREAMS:
            larger = 2 * len(s.stream_keys)
            self.state = s._replace(stream_keys=np.zeros(larger, np.int64), stream_last=np.zeros(larger, np.int64))
            views.reindex_streams(self.state, s.stream_keys, s.stream_last)
        else:
            assert status == NEED_CLIENT_IDS, status
            index = np.zeros(2 * len(s.id_index), np.int32)
            self.state = s._replace(ids=grown(s.ids, 2 * len(s.ids)), id_index=index)
            views.reindex_ids(self.state)

    def _room_for_far(self, wanted: int) -> None:
        s = self.state
        least = int(s.meta[0]["far_used"]) + max(FAR_FIRST, wanted)
        if least > len(s.far):
            self.state = s._replace(far=grown(s.far, _power_of_two(least)))

    def _room_for_levels(self, wanted: int) -> None:
        least = int(self.state.meta[0]["levels_used"]) + wanted
        if least > len(self.state.levels):
            self.state = self.state._replace(levels=grown(self.state.levels, _power_of_two(least)))

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
            self.state = self.state._replace(levels=grown(self.state.levels, _power_of_two(level0 + ticks)))
        if bits0 + words > len(self.state.bits):
            self.state = self.state._replace(bits=grown(self.state.bits, _power_of_two(bits0 + words)))
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
        views.relocate(self.state, side, best - wanted // 4, wanted, *new, np.zeros(levels, LEVEL))
        if new != old:
            self._spare_windows.setdefault(ticks, []).append(old)

    def _keep_texts(self, rows: np.ndarray, bodies: list[bytes], first_row: int, events: np.ndarray) -> None:
        """Remember the full text of long client ids of the orders just accepted."""
        accepted = None
        for row in range(first_row, len(rows)):
            if rows[row]["kind"] >= COLD_FIRST:
                break
            if rows[row]["kind"] != CommandKind.NEW or rows[row]["ref_form"] != RefForm.DIGEST:
                continue
            if accepted is None:
                found = events[events["kind"] == 1]
                accepted = dict(zip(found["command"].tolist(), found["order"].tolist(), strict=True))
            if row in accepted:
                self._texts[accepted[row]] = bodies[row].decode("ascii")
        if len(self._texts) > 1_024 + 2 * int(self.state.meta[0]["orders_open"]):
            self._texts = {order: text for order, text in self._texts.items() if self.order(order) is not None}

    # Calls

    def curve(self, instrument: int) -> Curve:
        sides = [self.depth(instrument, side, self._levels_bound(2 * instrument + side)) for side in Side]
        prices = np.union1d(sides[0]["price"], sides[1]["price"])
        lots = np.zeros((2, len(prices)), np.int64)
        for side, levels in zip(Side, sides, strict=True):
            lots[side][np.searchsorted(prices, levels["price"])] = levels["qty"]
        return Curve(prices, lots[0], lots[1], *(self._unpriced_lots(2 * instrument + side) for side in Side))

    def _levels_bound(self, side: int) -> int:
        return int(self.state.sides[side]["orders"])

    def _unpriced_lots(self, side: int) -> int:
        level = int(self.state.sides[side]["unpriced"])
        return 0 if level == NOTHING else int(self.state.levels[level]["total"])

    def uncross(
        self, instrument: int, price_ticks: int | None, volume_lots: int, *, command: int, first_index: int, ts_ns: int
    ) -> np.ndarray:
        assert self.state.books[instrument]["listed"]
        left, index, blocks = volume_lots if price_ticks is not None else 0, first_index, []
        while True:
            status, left = uncross(self.state, instrument, price_ticks or 0, left, command, index, ts_ns, self.events)
            meta = self.state.meta[0]
            blocks.append(joined([self.events[: int(meta["event_count"])]]))
            index = int(meta["event_index"])
            if status == DONE:
                return joined(blocks)
            assert status == NEED_EVENTS, f"{left} lots more than both sides of {instrument} trade at {price_ticks}"

    def sweep_client_ids(self, now_ns: int) -> None:
        views.sweep(self.state, now_ns)

    # Readers

    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        levels = np.zeros(min(limit, self._levels_bound(2 * instrument + side)), LEVEL_VIEW)
        return levels[: views.levels_of(self.state, 2 * instrument + int(side), levels)]

    def level_count(self) -> int:
        """Price levels with orders, over all sides."""
        return sum(
            views.count_levels(self.state, 2 * instrument + int(side)) for instrument in self._listed for side in Side
        )

    def orders_of(self, account: int) -> np.ndarray:
        found = np.zeros(256, ORDER_VIEW)
        count = views.orders_of_account(self.state, account, found)
        if count > len(found):
            found = np.zeros(count, ORDER_VIEW)
            views.orders_of_account(self.state, account, found)
        found = found[:count]
        return found[np.argsort(found["order"], kind="stable")]

    def order(self, order: int) -> np.void | None:
        found = np.zeros(1, ORDER_VIEW)
        return found[0] if 0 < order < 2**63 and views.order_at(self.state, order, found) else None

    def text_of(self, order: int) -> str | None:
        view = self.order(order)
        if view is None:
            return None
        if view["ref_form"] == RefForm.TEXT:
            return exact_text(int(view["ref_hi"]), int(view["ref_lo"]))
        return self._texts.get(order)

    def order_of_text(self, account: int, form: int, hi: int, lo: int) -> int | None:
        if not 0 <= account < 2**32:
            return None
        return int(views.order_named(self.state, account, int(form), np.uint64(hi), np.uint64(lo))) or None

    # The whole of it

    def sections(self) -> dict[str, Section]:
        """See `engine.state.sections`."""
        s, meta = self.state, self.state.meta[0]
        heads, parts = np.zeros(len(self._listed), BOOK_VIEW), []
        for head, instrument in zip(heads, self._listed, strict=True):
            row = s.books[instrument]
            head["instrument"] = instrument
            for name in ("phase", "multiplier", "price_min", "price_max", "qty_max"):
                head[name] = row[name]
            for side, name in zip(Side, ("buy_orders", "sell_orders"), strict=True):
                orders = np.zeros(int(s.sides[2 * instrument + side]["orders"]), ORDER_VIEW)
                count = views.orders_of_side(s, 2 * instrument + int(side), orders)
                assert count == len(orders)
                head[name] = count
                parts.append(orders)
        used = s.stream_keys != 0
        keys = s.stream_keys[used]
        streams = np.zeros(len(keys), STREAM_VIEW)
        streams["account"], streams["stream"] = keys >> 32, keys & 0xFFFFFFFF
        streams["last"] = s.stream_last[used]
        entries = s.ids[s.id_index[s.id_index != 0] - 1]
        known = np.zeros(len(entries), CLIENT_ID_VIEW)
        for name in CLIENT_ID_VIEW.names or ():
            known[name] = entries[name]
        texts = [f"{order}={text}\n" for order, text in sorted(self._texts.items()) if self.order(order) is not None]
        slots = np.zeros(1, SLOTS_VIEW)
        slots["issued"], slots["used"] = meta["slots_issued"], meta["slots_fresh"]
        places = (int(meta["ring_first"]) + np.arange(int(meta["ring_count"]))) % len(s.ring)
        return {
            "books": heads,
            "orders": joined(parts) if parts else np.zeros(0, ORDER_VIEW),
            "accounts": np.flatnonzero(s.accounts["open"]).astype(np.uint32),
            "streams": streams[np.argsort(keys)],
            "client_ids": known[np.lexsort((known["lo"], known["hi"], known["form"], known["account"]))],
            "texts": "".join(texts).encode("ascii"),
            "slots": slots,
            "lives": s.orders["generation"][: int(meta["slots_fresh"])].copy(),
            "ring": s.ring[places],
        }

    def load(self, sections: Mapping[str, Any]) -> None:
        """Become the state that `sections` tell. Hash tables are filled anew, under this start's own seed."""
        assert not self._listed and not self.state.meta[0]["slots_fresh"], "only books that were never used are loaded"
        for account in sections["accounts"]:
            self.open_account(int(account))
        self._load_slots(sections)
        for head, buys, sells in orders_by_book(sections):
            instrument = int(head["instrument"])
            terms = {name: int(head[name]) for name in ("multiplier", "price_min", "price_max", "qty_max")}
            self.list_instrument(instrument, **terms)
            self.state.books[instrument]["phase"] = head["phase"]
            for side, orders in zip(Side, (buys, sells), strict=True):
                self._load_side(2 * instrument + int(side), orders)
        self._load_streams(sections["streams"])
        self._load_client_ids(sections["client_ids"])
        self._texts = texts_of(sections)

    def _load_slots(self, sections: Mapping[str, Any]) -> None:
        slots, lives, ring = sections["slots"][0], sections["lives"], sections["ring"]
        issued, s = int(slots["issued"]), self.state
        self.state = s = s._replace(
            orders=grown(s.orders, issued),
            cold=grown(s.cold, issued),
            named=grown(s.named, issued),
            ring=np.zeros(_power_of_two(issued), np.int32),
        )
        meta = s.meta[0]
        meta["slots_issued"], meta["slots_fresh"], meta["ring_count"] = issued, slots["used"], len(ring)
        s.orders["generation"][: len(lives)] = lives
        s.ring[: len(ring)] = ring

    def _load_side(self, side: int, orders: np.ndarray) -> None:
        if not len(orders):
            return
        prices = orders["price"][orders["type"] != OrderType.MARKET]
        levels = int(np.count_nonzero(np.diff(prices))) + 1  # and one for unpriced orders
        ticks = self.window_ticks
        width = int(abs(int(prices[-1]) - int(prices[0]))) if len(prices) else 0
        while ticks < WINDOW_TICKS_MAX and ticks < 2 * width and levels > ticks // FAR_LEVELS_PER_WINDOW:
            ticks *= 2
        row = self.state.sides[side]
        level0, bits0 = self._take_window(ticks)
        row["ticks"], row["level0"], row["bits0"] = ticks, level0, bits0
        self._room_for_levels(levels + 1)
        self._room_for_far(4 * levels)
        views.load_side(self.state, side, joined([orders]))  # a copy: the kernel takes what may be written

    def _load_streams(self, streams: np.ndarray) -> None:
        size = max(len(self.state.stream_keys), _power_of_two(2 * len(streams) + 2))
        self.state = self.state._replace(stream_keys=np.zeros(size, np.int64), stream_last=np.zeros(size, np.int64))
        keys = streams["account"].astype(np.int64) << 32 | streams["stream"].astype(np.int64)
        views.reindex_streams(self.state, keys, streams["last"].astype(np.int64))
        self.state.meta[0]["streams"] = len(streams)
        np.add.at(self.state.accounts["streams"], streams["account"], 1)

    def _load_client_ids(self, known: np.ndarray) -> None:
        size = max(len(self.state.ids), _power_of_two(len(known) + 1))
        ids = np.zeros(size, CLIENT_ID)
        for name in CLIENT_ID_VIEW.names or ():
            ids[name][: len(known)] = known[name]
        ids["next"] = NOTHING
        self.state = self.state._replace(ids=ids, id_index=np.zeros(INDEX_PLACES_PER_ID * size, np.int32))
        meta = self.state.meta[0]
        meta["ids"] = meta["ids_fresh"] = len(known)
        np.add.at(self.state.accounts["ids"], known["account"], 1)
        closed = np.flatnonzero(known["closed_ns"] != NOTHING)
        closed = closed[np.argsort(known["closed_ns"][closed], kind="stable")]  # oldest first
        if len(closed):
            ids["next"][closed[:-1]] = closed[1:]
            meta["closed_first"], meta["closed_last"] = closed[0], closed[-1]
        views.load_ids(self.state)

    def canonical(self) -> Iterator[tuple[str, bytes]]:
        return canonical_parts(self.sections())


def _read_only(rows: np.ndarray) -> np.ndarray:
    """A view of the one kind that the kernel is compiled for: contiguous and read-only, as records come from disk."""
    view = np.ascontiguousarray(rows).view()
    view.flags.writeable = False
    return view


def _with_broken_refs_marked(rows: np.ndarray, bodies: list[bytes], start: int) -> np.ndarray:
    """The rows, with an impossible ref_form wherever a hot row's body is not the text of its digest.

    A kernel cannot compute BLAKE2b; it answers such a row at the place where every malformed ref is answered. Only the
    hot rows from `start` to the next cold one are looked at: a record may have very many such runs.
    """
    hot = rows["kind"][start:] < COLD_FIRST
    end = start + (len(hot) if hot.all() else int(hot.argmin()))
    run, broken = rows[start:end], []
    suspects = np.flatnonzero((run["body_length"] != 0) | (run["ref_form"] == RefForm.DIGEST))
    for row in (start + suspects).tolist():
        command, body = rows[row], bodies[row]
        if not body and command["kind"] == CommandKind.CANCEL:
            continue
        if not is_digest_of(body, int(command["ref_hi"]), int(command["ref_lo"])):
            broken.append(row)
    if broken:
        rows = rows.copy()
        rows["ref_form"][broken] = REF_FORM_BROKEN
    return rows
