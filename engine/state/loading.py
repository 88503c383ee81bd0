"""The books as sections, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.codes import OrderType, Side
from engine.kernels import views
from engine.kernels.constants import SIDES
from engine.limits import WINDOW_TICKS_MAX
from engine.messages.rows import joined
from engine.state.hot import BOOK_VIEW, CLIENT_ID_VIEW, ORDER_VIEW, SLOTS_VIEW, STREAM_VIEW, Section
from engine.state.layout import CLIENT_ID, NOTHING, grown
from engine.state.readers import Readers
from engine.state.registers import Registers
from engine.state.room import FAR_LEVELS_PER_WINDOW, INDEX_PLACES_PER_ID, power_of_two
from engine.state.sections import canonical_parts, orders_by_book, texts_of


class Loading(Registers, Readers):
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
                orders = np.zeros(int(s.sides[SIDES * instrument + side]["orders"]), ORDER_VIEW)
                count = views.orders_of_side(s, SIDES * instrument + int(side), orders)
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
                self._load_side(SIDES * instrument + int(side), orders)
        self._load_streams(sections["streams"])
        self._load_client_ids(sections["client_ids"])
        self._texts = texts_of(sections)

    def _load_slots(self, sections: Mapping[str, Any]) -> None:
        slots, lives, ring = sections["slots"][0], sections["lives"], sections["ring"]
        issued, s = int(slots["issued"]), self.state
        self.state = s = s._replace(
            orders=grown(s.orders, issued),
            cold=grown(s.cold, issued),
            links=grown(s.links, issued),
            ring=np.zeros(power_of_two(issued), np.int32),
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
        size = max(len(self.state.stream_keys), power_of_two(2 * len(streams) + 2))
        self.state = self.state._replace(stream_keys=np.zeros(size, np.int64), stream_last=np.zeros(size, np.int64))
        keys = streams["account"].astype(np.int64) << 32 | streams["stream"].astype(np.int64)
        views.reindex_streams(self.state, keys, streams["last"].astype(np.int64))
        self.state.meta[0]["streams"] = len(streams)
        np.add.at(self.state.accounts["streams"], streams["account"], 1)

    def _load_client_ids(self, known: np.ndarray) -> None:
        size = max(len(self.state.ids), power_of_two(len(known) + 1))
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
