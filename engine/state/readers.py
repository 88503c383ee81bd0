"""What readers see of the books: depth, curve, open orders."""

from __future__ import annotations

import numpy as np

from engine.codes import RefForm, Side
from engine.domain.curve import Curve
from engine.kernels import views
from engine.kernels.constants import SIDES
from engine.messages.refs import exact_text
from engine.state.hot import LEVEL_VIEW, ORDER_VIEW
from engine.state.layout import NOTHING
from engine.state.room import Room


class Readers(Room):
    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        levels = np.zeros(min(limit, self._levels_bound(SIDES * instrument + side)), LEVEL_VIEW)
        return levels[: views.levels_of(self.state, SIDES * instrument + int(side), levels)]

    def level_count(self) -> int:
        """Price levels with orders, over all sides."""
        return sum(
            views.count_levels(self.state, SIDES * instrument + int(side))
            for instrument in self._listed
            for side in Side
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

    def curve(self, instrument: int) -> Curve:
        sides = [self.depth(instrument, side, self._levels_bound(SIDES * instrument + side)) for side in Side]
        prices = np.union1d(sides[0]["price"], sides[1]["price"])
        lots = np.zeros((2, len(prices)), np.int64)
        for side, levels in zip(Side, sides, strict=True):
            lots[side][np.searchsorted(prices, levels["price"])] = levels["qty"]
        return Curve(prices, lots[0], lots[1], *(self._unpriced_lots(SIDES * instrument + side) for side in Side))

    def _levels_bound(self, side: int) -> int:
        return int(self.state.sides[side]["orders"])

    def _unpriced_lots(self, side: int) -> int:
        level = int(self.state.sides[side]["unpriced"])
        return 0 if level == NOTHING else int(self.state.levels[level]["total"])
