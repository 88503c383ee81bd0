"""What readers see of the books: depth, curve, open orders."""

from __future__ import annotations

import numpy as np

from engine.codes import RefForm, Side
from engine.domain.curve import Curve
from engine.kernels import mass_cancel, views
from engine.kernels.constants import SIDES
from engine.messages.refs import exact_text
from engine.state.hot import EXTRA_VIEW, LEVEL_VIEW, ORDER_VIEW, Which
from engine.state.layout import NOTHING
from engine.state.room import Room

FOUND_FIRST = 256  # rows of the first try to collect


class Readers(Room):
    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        return self._levels(SIDES * instrument + int(side), limit, with_hidden=False)

    def _levels(self, side: int, limit: int, *, with_hidden: bool) -> np.ndarray:
        levels = np.zeros(min(limit, int(self.state.sides[side]["orders"])), LEVEL_VIEW)
        return levels[: views.levels_of(self.state, side, with_hidden, levels)]

    def level_count(self) -> int:
        """Prices with orders, over all sides."""
        return int(views.count_levels(self.state))

    def curve(self, instrument: int) -> Curve:
        places = [SIDES * instrument + int(side) for side in Side]
        sides = [self._levels(place, int(self.state.sides[place]["orders"]), with_hidden=True) for place in places]
        prices = np.union1d(sides[0]["price"], sides[1]["price"])
        lots = np.zeros((2, len(prices)), np.int64)
        for side, levels in zip(Side, sides, strict=True):
            lots[side][np.searchsorted(prices, levels["price"])] = levels["qty"]
        return Curve(prices, lots[0], lots[1], *(self._unpriced_lots(place) for place in places))

    def _unpriced_lots(self, side: int) -> int:
        level = int(self.state.sides[side]["unpriced"])
        return 0 if level == NOTHING else int(self.state.levels[level]["total"])

    def orders_of(self, account: int) -> np.ndarray:
        found = np.zeros(FOUND_FIRST, ORDER_VIEW)
        count = views.orders_of_account(self.state, account, found)
        if count > len(found):
            found = np.zeros(count, ORDER_VIEW)
            views.orders_of_account(self.state, account, found)
        found = found[:count]
        return found[np.argsort(found["order"], kind="stable")]

    def has_orders(self, which: Which) -> bool:
        return int(self._collect(which, 1, np.zeros(0, np.int64))) > 0

    def _ids_of(self, which: Which) -> np.ndarray:
        """int64[k]: open orders, by rising id."""
        found = np.zeros(FOUND_FIRST, np.int64)
        most = int(self.state.meta[0]["orders_open"]) + 1
        count = self._collect(which, most, found)
        if count > len(found):
            found = np.zeros(count, np.int64)
            self._collect(which, most, found)
        found = found[:count]
        found.sort()
        return found

    def _collect(self, which: Which, most: int, found: np.ndarray) -> int:
        account, instrument, side, tif = which
        return int(mass_cancel.collect(self.state, account, instrument, int(side), int(tif), most, found))

    def order(self, order: int) -> np.void | None:
        found = np.zeros(1, ORDER_VIEW)
        return found[0] if 0 < order < 2**63 and views.order_at(self.state, order, found) else None

    def extra_of(self, order: int) -> np.void | None:
        found = np.zeros(1, EXTRA_VIEW)
        return found[0] if 0 < order < 2**63 and views.extra_at(self.state, order, found) else None

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
