"""The books as sections, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.codes import BookFlag, OrderType
from engine.kernels import holdings, loading, views
from engine.kernels.constants import SIDES, STOPS
from engine.limits import WINDOW_TICKS_MAX
from engine.messages.rows import joined
from engine.state.hot import (
    ACCOUNT_VIEW,
    BOOK_VIEW,
    CLIENT_ID_VIEW,
    EXTRA_VIEW,
    LIMIT_VIEW,
    ORDER_VIEW,
    SLOTS_VIEW,
    STOCK_VIEW,
    STREAM_VIEW,
    Section,
)
from engine.state.layout import CLIENT_ID, EXTRA, LIMIT, LINK, NOTHING, STOCK, entries_of, grown, zeros
from engine.state.readers import Readers
from engine.state.registers import Registers
from engine.state.room import FAR_LEVELS_PER_WINDOW, INDEX_PLACES_PER_ID, power_of_two
from engine.state.sections import canonical_parts, texts_of

ORDERS_OF_SIDES = ("buy_orders", "sell_orders", "stop_buys", "stop_sells")
TERMS = ("phase", "multiplier", "price_min", "price_max", "qty_max", "collar_low", "collar_high", "currency", "flags")
UNPRICED_TYPES = (OrderType.MARKET, OrderType.MARKET_TO_LIMIT)  # among orders that do not wait


class Loading(Registers, Readers):
    def sections(self) -> dict[str, Section]:
        """See `engine.state.sections`."""
        s, meta = self.state, self.state.meta[0]
        slots = np.zeros(1, SLOTS_VIEW)
        slots["issued"], slots["used"] = meta["slots_issued"], meta["slots_fresh"]
        places = (int(meta["ring_first"]) + np.arange(int(meta["ring_count"]))) % len(s.ring)
        return {
            **self._book_sections(),
            **self._account_sections(),
            "switches": np.array([meta["stopped"]], np.uint8),
            **self._id_sections(),
            "slots": slots,
            "lives": s.orders["generation"][: int(meta["slots_fresh"])].copy(),
            "ring": s.ring[places],
        }

    def _book_sections(self) -> dict[str, Section]:
        s, meta = self.state, self.state.meta[0]
        listed = np.array(self._listed, np.int64)
        rows, heads = s.books[listed], np.zeros(len(listed), BOOK_VIEW)
        heads["instrument"] = listed
        for name in TERMS:
            heads[name] = rows[name]
        heads["last"] = np.where(rows["flags"] & BookFlag.TRADED, rows["last"], 0)
        for place, name in enumerate(ORDERS_OF_SIDES):
            heads[name] = s.sides["orders"][SIDES * listed + place]
        orders = np.zeros(int(meta["orders_open"]), ORDER_VIEW)
        count = views.orders_by_book(s, listed, orders)
        assert count == len(orders) == sum(int(heads[name].sum()) for name in ORDERS_OF_SIDES)
        extras = np.zeros(int(meta["extras_used"]), EXTRA_VIEW)
        extras = extras[: views.extras_by_slot(s, extras)]
        return {"books": heads, "orders": orders, "extras": extras[np.argsort(extras["order"], kind="stable")]}

    def _account_sections(self) -> dict[str, Section]:
        s = self.state
        numbers = np.flatnonzero(s.accounts["open"])
        accounts = np.zeros(len(numbers), ACCOUNT_VIEW)
        accounts["account"] = numbers
        for name in ("group", "frozen", "coop"):
            accounts[name] = s.accounts[name][numbers]
        rows = s.limits[s.limits["key"] != 0]
        limits = np.zeros(len(rows), LIMIT_VIEW)
        limits["account"], limits["currency"] = rows["key"] >> 32, rows["key"] & 0xFFFFFFFF
        for name in ("buy_max", "sell_max", "orders_max"):
            limits[name] = rows[name]
        held = s.stocks[s.stocks["lots"] != 0]
        stock = np.zeros(len(held), STOCK_VIEW)
        stock["account"], stock["instrument"] = held["key"] >> 32, held["key"] & 0xFFFFFFFF
        stock["lots"] = held["lots"]
        return {
            "accounts": accounts,
            "limits": limits[np.argsort(rows["key"])],
            "stock": stock[np.argsort(held["key"])],
        }

    def _id_sections(self) -> dict[str, Section]:
        s = self.state
        used = s.stream_keys != 0
        keys = s.stream_keys[used]
        streams = np.zeros(len(keys), STREAM_VIEW)
        streams["account"], streams["stream"] = keys >> 32, keys & 0xFFFFFFFF
        streams["last"] = s.stream_last[used]
        entries = s.ids[entries_of(s.id_index)]
        known = np.zeros(len(entries), CLIENT_ID_VIEW)
        for name in CLIENT_ID_VIEW.names or ():
            known[name] = entries[name]
        texts = [f"{order}={text}\n" for order, text in sorted(self._texts.items()) if self.order(order) is not None]
        return {
            "streams": streams[np.argsort(keys)],
            "client_ids": known[np.lexsort((known["lo"], known["hi"], known["form"], known["account"]))],
            "texts": "".join(texts).encode("ascii"),
        }

    def load(self, sections: Mapping[str, Any]) -> None:
        """Become the state that `sections` tell. Hash tables are filled anew, under this start's own seed."""
        assert not self._listed and not self.state.meta[0]["slots_fresh"], "only books that were never used are loaded"
        self._load_accounts(sections["accounts"])
        self._load_slots(sections)
        self._load_books(sections["books"])
        self._load_extras(sections)
        self._load_orders(sections)
        self._load_holdings(sections["limits"], sections["stock"])
        self._load_streams(sections["streams"])
        self._load_client_ids(sections["client_ids"])
        self._texts = texts_of(sections)
        self.set_stopped(bool(sections["switches"][0]))

    def _load_accounts(self, accounts: np.ndarray) -> None:
        if not len(accounts):
            return
        self.open_account(int(accounts["account"][-1]))
        rows = self.state.accounts
        rows["open"][accounts["account"]] = 1
        for name in ("group", "frozen", "coop"):
            rows[name][accounts["account"]] = accounts[name]

    def _load_slots(self, sections: Mapping[str, Any]) -> None:
        slots, lives, ring = sections["slots"][0], sections["lives"], sections["ring"]
        issued, s = int(slots["issued"]), self.state
        self.state = s = s._replace(
            orders=grown(s.orders, issued),
            cold=grown(s.cold, issued),
            links=zeros(issued, LINK),
            ring=np.zeros(power_of_two(issued), np.int32),
        )
        meta = s.meta[0]
        meta["slots_issued"], meta["slots_fresh"], meta["ring_count"] = issued, slots["used"], len(ring)
        s.orders["generation"][: len(lives)] = lives
        s.ring[: len(ring)] = ring

    def _load_books(self, heads: np.ndarray) -> None:
        for head in heads:
            instrument, flags = int(head["instrument"]), int(head["flags"])
            terms = {name: int(head[name]) for name in ("multiplier", "price_min", "price_max", "qty_max", "currency")}
            self.list_instrument(
                instrument, **terms, deposit=bool(flags & BookFlag.DEPOSIT), classes=bool(flags & BookFlag.CLASSES)
            )
        rows, listed = self.state.books, heads["instrument"]
        for name in (*TERMS, "last"):
            rows[name][listed] = heads[name]

    def _load_extras(self, sections: Mapping[str, Any]) -> None:
        """Those of icebergs, waiting stops and gtd orders; the others' are made with their orders."""
        orders, s = sections["orders"], self.state
        unusual = (orders["tif"] != 0) | (orders["type"] > OrderType.MARKET)
        rows = max(len(s.extras), power_of_two(int(np.count_nonzero(unusual)) + 1))
        self.state = s = s._replace(extras=zeros(rows, EXTRA), expiries=zeros(rows, np.int32))
        extras = np.ascontiguousarray(sections["extras"])
        loading.load_extras(s, joined([extras]) if len(extras) else extras.copy())
        due = np.flatnonzero(extras["expire_at"])
        due = due[np.lexsort((extras["order"][due], extras["expire_at"][due]))]  # sorted, it is a heap
        s.expiries[: len(due)] = due
        s.extras["heap_place"][due] = np.arange(len(due))
        s.meta[0]["expiries"] = len(due)

    def _load_orders(self, sections: Mapping[str, Any]) -> None:
        orders, heads = sections["orders"], sections["books"]
        if not len(orders):
            return
        counts = np.stack([heads[name] for name in ORDERS_OF_SIDES], axis=1).ravel()
        sides = (SIDES * heads["instrument"].astype(np.int64)[:, None] + np.arange(SIDES)).ravel()
        sides, counts = sides[counts > 0], counts[counts > 0]
        place = np.repeat(np.arange(len(sides)), counts)  # of each order's side
        ranks = self._ranks(orders, sides[place], sections["extras"])
        priced = ranks != loading.RANK_UNPRICED
        opens = priced.copy()  # the first order of each level
        opens[1:] &= (ranks[1:] != ranks[:-1]) | (place[1:] != place[:-1])
        level_ranks, level_place = ranks[opens], place[opens]
        levels = np.bincount(level_place, minlength=len(sides))
        ends = np.cumsum(levels)
        for i, side in enumerate(sides.tolist()):
            self._place_window(side, level_ranks[ends[i] - levels[i] : ends[i]])
        self._room_for_levels(len(sides) + int(levels.sum()))  # unpriced queues and, at most, far levels
        loading.load_orders(
            self.state, sides, counts, joined([orders]), ranks
        )  # a copy: kernels take what may be written

    def _ranks(self, orders: np.ndarray, sides: np.ndarray, extras: np.ndarray) -> np.ndarray:
        """int64[n]: rank of each order's level on its side."""
        kinds = sides % SIDES
        ranks = orders["price"].astype(np.int64)
        waiting = kinds >= STOPS
        found = np.searchsorted(extras["order"], orders["order"][waiting])
        ranks[waiting] = extras["stop_price"][found]
        ranks = np.where((kinds == 0) | (kinds == 3), -ranks, ranks)
        classed = self.state.sides["classes"][sides] != 0
        others = self.state.accounts["coop"][orders["account"]] == 0
        ranks = np.where(classed, 2 * ranks + others, ranks)
        ranks[~waiting & np.isin(orders["type"], UNPRICED_TYPES)] = loading.RANK_UNPRICED
        return ranks

    def _place_window(self, side: int, ranks: np.ndarray) -> None:
        """A window for a side with levels at `ranks` (rising), and exact room for those that stand outside it."""
        ticks = self._first_window_ticks(side)
        width = int(ranks[-1] - ranks[0]) if len(ranks) else 0
        while ticks < WINDOW_TICKS_MAX and ticks < 2 * width and len(ranks) > ticks // FAR_LEVELS_PER_WINDOW:
            ticks *= 2
        level0, bits0 = self._take_window(ticks)
        row, meta = self.state.sides[side], self.state.meta[0]
        row["ticks"], row["level0"], row["bits0"] = ticks, level0, bits0
        far = len(ranks) - int(np.searchsorted(ranks, ranks[0] - (ticks >> 2) + ticks)) if len(ranks) else 0
        if far:
            self._room_for_levels(far + 1)
            self._room_for_far(power_of_two(far))
            row["far_at"], row["far_capacity"] = meta["far_used"], power_of_two(far)
            meta["far_used"] += power_of_two(far)

    def _load_holdings(self, limits: np.ndarray, stock: np.ndarray) -> None:
        s = self.state
        rows = np.zeros(max(len(s.limits), power_of_two(2 * len(limits) + 2)), LIMIT)
        self.state = s = s._replace(limits=rows)
        told = np.zeros(len(limits), LIMIT)
        told["key"] = limits["account"].astype(np.int64) << 32 | limits["currency"].astype(np.int64)
        for name in ("buy_max", "sell_max", "orders_max"):
            told[name] = limits[name]
        holdings.rehash_limits(s, told)
        s.meta[0]["limits"] = len(limits)
        s.accounts["limited"][limits["account"]] = 1
        deposits = np.zeros(len(stock), STOCK)
        deposits["key"] = stock["account"].astype(np.int64) << 32 | stock["instrument"].astype(np.int64)
        deposits["lots"] = stock["lots"]
        asking = np.flatnonzero(s.books["flags"] & BookFlag.DEPOSIT)
        orders = int(s.sides["orders"][(SIDES * asking[:, None] + np.arange(SIDES)).ravel()].sum())
        self._room_for_stock(len(stock) + orders)  # an account may have an order where it has no lots
        holdings.rehash_stocks(self.state, deposits)
        s.meta[0]["stocks"] = len(stock)
        np.add.at(s.books["deposited"], stock["instrument"], stock["lots"])
        if len(limits) or len(asking):
            holdings.hold_all(self.state)

    def _load_streams(self, streams: np.ndarray) -> None:
        size = max(len(self.state.stream_keys), power_of_two(2 * len(streams) + 2))
        self.state = self.state._replace(stream_keys=np.zeros(size, np.int64), stream_last=np.zeros(size, np.int64))
        keys = streams["account"].astype(np.int64) << 32 | streams["stream"].astype(np.int64)
        loading.reindex_streams(self.state, keys, streams["last"].astype(np.int64))
        self.state.meta[0]["streams"] = len(streams)
        np.add.at(self.state.accounts["streams"], streams["account"], 1)

    def _load_client_ids(self, known: np.ndarray) -> None:
        size = max(len(self.state.ids), power_of_two(len(known) + 1))
        ids = zeros(size, CLIENT_ID)
        for name in CLIENT_ID_VIEW.names or ():
            ids[name][: len(known)] = known[name]
        ids["next"] = NOTHING
        self.state = self.state._replace(ids=ids, id_index=np.zeros(INDEX_PLACES_PER_ID * size, np.uint32))
        meta = self.state.meta[0]
        meta["ids"] = meta["ids_fresh"] = len(known)
        np.add.at(self.state.accounts["ids"], known["account"], 1)
        closed = np.flatnonzero(known["closed_ns"] != NOTHING)
        closed = closed[np.argsort(known["closed_ns"][closed], kind="stable")]  # oldest first
        if len(closed):
            ids["next"][closed[:-1]] = closed[1:]
            meta["closed_first"], meta["closed_last"] = closed[0], closed[-1]
        loading.load_ids(self.state)

    def canonical(self) -> Iterator[tuple[str, bytes]]:
        return canonical_parts(self.sections())
