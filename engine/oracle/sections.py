"""Readers, and the whole state as the arrays of `engine.state.sections`, there and back."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.codes import BookFlag, RefForm
from engine.messages.refs import exact_text
from engine.oracle.orders import Book, ClientId, Order
from engine.oracle.venue import Account, Venue
from engine.state.hot import (
    ACCOUNT_VIEW,
    BOOK_VIEW,
    CLIENT_ID_VIEW,
    EXTRA_VIEW,
    LEVEL_VIEW,
    LIMIT_VIEW,
    ORDER_VIEW,
    SLOTS_VIEW,
    STOCK_VIEW,
    STREAM_VIEW,
    Section,
)
from engine.state.sections import canonical_parts, orders_by_book, texts_of


class Sections(Venue):
    # Readers

    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        view: list[tuple[int, int, int]] = []
        for price, orders in self.books[instrument].sides[side].by_price():
            if len(view) == limit:
                break
            view.append((price, sum(order.on_show for order in orders), len(orders)))
        return np.array(view, LEVEL_VIEW)

    def orders_of(self, account: int) -> np.ndarray:
        own = sorted((order for order in self.orders.values() if order.account == account), key=lambda o: o.order)
        return np.array([order.view() for order in own], ORDER_VIEW)

    def order(self, order: int) -> np.void | None:
        found = self.orders.get(order)
        return np.array([found.view()], ORDER_VIEW)[0] if found else None

    def extra_of(self, order: int) -> np.void | None:
        found = self.orders.get(order)
        extra = found.extra_view() if found else None
        return np.array([extra], EXTRA_VIEW)[0] if extra else None

    def text_of(self, order: int) -> str | None:
        found = self.orders.get(order)
        return found.text if found else None

    # The whole of it

    def sections(self) -> dict[str, Section]:
        heads: list[tuple] = []
        orders: list[tuple] = []
        for number, book in sorted(self.books.items()):
            parts = [side.by_priority() for side in book.sides] + [side.waiting() for side in book.sides]
            views = [[order.view() for order in part] for part in parts]
            heads.append((number, book.phase, book.multiplier, book.price_min, book.price_max, book.qty_max,
                          book.collar_low, book.collar_high, book.last or 0, book.currency, book.flags,
                          *map(len, views)))  # fmt: skip
            orders += [view for part in views for view in part]
        known = []
        for key in sorted(self.client_ids):
            (account, form, hi, lo), entry = key, self.client_ids[key]
            known.append((account, form, entry.reason, hi, lo, entry.body_hash, entry.order, entry.seq,
                          entry.closed_ns))  # fmt: skip
        by_id = [order for _, order in sorted(self.orders.items())]
        texts = [f"{order.order}={order.text}\n" for order in by_id if order.ref[0] == RefForm.DIGEST]
        used = len(self.slots.generation)
        given_back = list(self.slots.ring)[self.slots.issued - used :]
        return {
            "books": np.array(heads, BOOK_VIEW),
            "orders": np.array(orders, ORDER_VIEW),
            "extras": np.array([extra for order in by_id if (extra := order.extra_view())], EXTRA_VIEW),
            "accounts": np.array(
                [(number, a.group, a.frozen, a.coop, 0) for number, a in sorted(self.accounts.items())], ACCOUNT_VIEW
            ),
            "limits": np.array([(*key, *terms) for key, terms in sorted(self.limits.items())], LIMIT_VIEW),
            "stock": np.array([(*key, lots) for key, lots in sorted(self.stock.items()) if lots], STOCK_VIEW),
            "switches": np.array([self.stopped], np.uint8),
            "streams": np.array([(*key, last) for key, last in sorted(self.streams.items())], STREAM_VIEW),
            "client_ids": np.array(known, CLIENT_ID_VIEW),
            "texts": "".join(texts).encode("ascii"),
            "slots": np.array([(self.slots.issued, used)], SLOTS_VIEW),
            "lives": np.array([self.slots.generation[slot] for slot in range(used)], np.uint32),
            "ring": np.array(given_back, np.int32),
        }

    def load(self, sections: Mapping[str, Any]) -> None:
        """Become the state that `sections` tell."""
        assert not self.books and not self.slots.generation, "only books that were never used are loaded"
        for account, group, frozen, coop, _ in sections["accounts"].tolist():
            self.accounts[account] = Account(bool(frozen), group, bool(coop))
        (issued, used), ring = sections["slots"].tolist()[0], sections["ring"].tolist()
        self.slots.issued = issued
        self.slots.ring = deque([*range(used, issued), *ring])
        self.slots.generation = dict(enumerate(sections["lives"].tolist()))
        self._load_orders(sections)
        self.limits = {(account, currency): tuple(terms) for account, currency, *terms in sections["limits"].tolist()}
        self.stock = Counter({(account, book): lots for account, book, lots in sections["stock"].tolist()})
        for (_, instrument), lots in self.stock.items():
            self.deposited[instrument] += lots
        self.stopped = bool(sections["switches"][0])
        self.streams = {(account, stream): last for account, stream, last in sections["streams"].tolist()}
        self.streams_of = Counter(account for account, _ in self.streams)
        for account, form, reason, hi, lo, body_hash, made, seq, closed_ns in sections["client_ids"].tolist():
            entry = self.client_ids[account, form, hi, lo] = ClientId(body_hash, seq, made, reason, closed_ns)
            if closed_ns < 0:
                self.orders[made].client_ids.append(entry)
        self.client_ids_of = Counter(account for account, *_ in self.client_ids)

    def _load_orders(self, sections: Mapping[str, Any]) -> None:
        extras, texts = {extra[0]: extra for extra in sections["extras"].tolist()}, texts_of(sections)
        for head, *parts in orders_by_book(sections):
            (number, phase, multiplier, price_min, price_max, qty_max, collar_low, collar_high, last, currency,
             flags, *_) = head.tolist()  # fmt: skip
            kinds = bool(flags & BookFlag.DEPOSIT), bool(flags & BookFlag.CLASSES)
            book = Book(number, multiplier, price_min, price_max, qty_max, currency, *kinds)
            self.books[number] = book
            book.phase, book.collar_low, book.collar_high = phase, collar_low, collar_high
            book.last = last if flags & BookFlag.TRADED else None
            for row in [row for part in parts for row in part.tolist()]:
                order = Order(*row[:10], row[10:], texts.get(row[0]))  # type: ignore[call-arg]
                if order.ref[0] == RefForm.TEXT:
                    order.text = exact_text(*order.ref[1:])
                order.coop = self.accounts[order.account].coop
                self._load_extra(order, extras)
                self.orders[order.order] = order
                self._rest(order)

    def _load_extra(self, order: Order, extras: Mapping[int, tuple]) -> None:
        if order.order not in extras:
            return
        _, order.expire_at, order.peak, order.shown, order.stop_price, waiting, stp, stp_group, _ = extras[order.order]
        order.waiting, order.stp, order.stp_group = bool(waiting), stp, bool(stp_group)
        if order.expire_at:
            self.expiries.add((order.expire_at, order.order))

    def canonical(self) -> Iterator[tuple[str, bytes]]:
        return canonical_parts(self.sections())
