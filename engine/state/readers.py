"""What readers see of the books: depth, curve, open orders."""

from __future__ import annotations

import numpy as np

from engine.codes import RefForm, Side
from engine.domain.curve import Curve
from engine.kernels import mass_cancel, views
from engine.kernels.constants import SIDES
from engine.kernels.curve import merge, prices_of
from engine.messages.refs import exact_text
from engine.state.hot import EXTRA_VIEW, LEVEL_VIEW, ORDER_VIEW, Which
from engine.state.layout import NOTHING
from engine.state.room import Room

FOUND_FIRST = 256  # rows of the first try to collect
CURVE_PRICES_FIRST = 1_024  # of one side of a curve; more are walked twice


class Readers(Room):
    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        side = SIDES * instrument + int(side)
        levels = np.zeros(min(limit, int(self.state.sides[side]["orders"])), LEVEL_VIEW)
        return levels[: views.levels_of(self.state, side, levels)]

    def level_count(self) -> int:
        """Prices with orders, over all sides."""
        return int(views.count_levels(self.state))

    def curve(self, instrument: int) -> Curve:
        places = [SIDES * instrument + int(side) for side in Side]
        bought, sold = self._prices_of(places[Side.BUY], -1), self._prices_of(places[Side.SELL], 1)
        prices, buy, sell = np.empty((3, len(bought[0]) + len(sold[0])), np.int64)
        count = merge(*bought, *sold, prices, buy, sell)
        return Curve(prices[:count], buy[:count], sell[:count], *(self._unpriced_lots(place) for place in places))

    def _prices_of(self, side: int, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """int64[n] twice: prices of a side, best first, and all that is open at each."""
        found = np.empty((2, CURVE_PRICES_FIRST), np.int64)
        count = prices_of(self.state, side, sign, *found)
        if count > found.shape[1]:
            found = np.empty((2, count), np.int64)
            prices_of(self.state, side, sign, *found)
        return found[0, :count], found[1, :count]

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
