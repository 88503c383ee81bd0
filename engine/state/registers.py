"""Registers of the books: instruments, accounts, limits, stock, switches. The caller has checked what it asks for."""

from __future__ import annotations

from bisect import insort

import numpy as np

from engine.codes import BookFlag, Side
from engine.kernels import holdings
from engine.kernels.constants import SIDES
from engine.limits import CURRENCIES_MAX, INSTRUMENTS_MAX, PRICE_TICKS_MAX
from engine.state.layout import BOOK, LIMIT, NOTHING, STOCK, grown
from engine.state.room import SIDE_EMPTY, Room, empty_sides, power_of_two


class Registers(Room):
    # Instruments

    def list_instrument(
        self,
        instrument: int,
        *,
        multiplier: int,
        price_min: int,
        price_max: int,
        qty_max: int,
        currency: int = 0,
        deposit: bool = False,
        classes: bool = False,
    ) -> None:
        assert 1 <= instrument <= INSTRUMENTS_MAX and price_min <= price_max and multiplier >= 1
        assert 0 <= currency <= CURRENCIES_MAX
        s = self.state
        if instrument >= len(s.books):
            count = power_of_two(instrument + 1)
            sides = empty_sides(SIDES * count)
            sides[: len(s.sides)] = s.sides
            self.state = s = s._replace(books=grown(s.books, count), sides=sides)
        row = s.books[instrument]
        assert not row["listed"]
        row["multiplier"], row["price_min"], row["price_max"] = multiplier, price_min, price_max
        row["qty_max"], row["currency"], row["listed"] = qty_max, currency, 1
        row["flags"] = (BookFlag.DEPOSIT if deposit else 0) | (BookFlag.CLASSES if classes else 0)
        row["collar_low"], row["collar_high"] = -PRICE_TICKS_MAX, PRICE_TICKS_MAX
        for side in Side:
            s.sides[SIDES * instrument + side]["classes"] = classes
        insort(self._listed, instrument)

    def change_instrument(self, instrument: int, *, qty_max: int) -> None:
        self._book(instrument)["qty_max"] = qty_max

    def delist_instrument(self, instrument: int) -> None:
        """Its windows and levels are for other books from now on."""
        row, s = self._book(instrument), self.state
        sides = range(SIDES * instrument, SIDES * (instrument + 1))
        assert not any(s.sides[side]["orders"] for side in sides), "a book with open orders is never delisted"
        for side in sides:
            self._give_back_side(side)
        if row["flags"] & BookFlag.DEPOSIT:
            kept = s.stocks[(s.stocks["key"] != 0) & (s.stocks["key"] & 0xFFFFFFFF != instrument)]
            s.stocks[:] = np.zeros(1, STOCK)
            s.meta[0]["stocks"] = len(kept)
            holdings.rehash_stocks(s, kept)
        s.books[instrument] = np.zeros(1, BOOK)[0]
        self._listed.remove(instrument)

    def _give_back_side(self, side: int) -> None:
        """Window and unpriced level of an empty side, which is as it was before its first order."""
        s, row = self.state, self.state.sides[side]
        if row["ticks"]:
            self._spare_windows.setdefault(int(row["ticks"]), []).append((int(row["level0"]), int(row["bits0"])))
        if row["unpriced"] != NOTHING:
            s.levels[row["unpriced"]]["head"] = s.meta[0]["level_spare"]
            s.meta[0]["level_spare"] = row["unpriced"]
        s.sides[side] = SIDE_EMPTY[0]

    def set_collar(self, instrument: int, low: int, high: int) -> None:
        assert low >= -PRICE_TICKS_MAX and high <= PRICE_TICKS_MAX
        row = self._book(instrument)
        row["collar_low"], row["collar_high"] = low, high

    def set_phase(self, instrument: int, phase: int) -> None:
        self._book(instrument)["phase"] = phase
        for side in range(SIDES * instrument, SIDES * (instrument + 1)):
            self._centre(side)

    def phase(self, instrument: int) -> int:
        return int(self._book(instrument)["phase"])

    def last(self, instrument: int) -> int | None:
        row = self._book(instrument)
        return int(row["last"]) if row["flags"] & BookFlag.TRADED else None

    def _book(self, instrument: int) -> np.void:
        row: np.void = self.state.books[instrument]
        assert row["listed"], f"instrument {instrument} is not listed"
        return row

    # Accounts

    def open_account(self, account: int) -> None:
        assert account >= 1
        if account >= len(self.state.accounts):
            self.state = self.state._replace(accounts=grown(self.state.accounts, power_of_two(account + 1)))
        self.state.accounts[account]["open"] = 1

    def set_account(self, account: int, *, frozen: bool, group: int, coop: bool) -> None:
        row = self._account(account)
        row["frozen"], row["group"], row["coop"] = frozen, group, coop

    def _account(self, account: int) -> np.void:
        row: np.void = self.state.accounts[account]
        assert row["open"], f"account {account} is not open"
        return row

    def set_stopped(self, stopped: bool) -> None:
        self.state.meta[0]["stopped"] = stopped

    # Limits and stock

    def set_limits(self, account: int, currency: int, *, buy_max: int, sell_max: int, orders_max: int) -> None:
        self._account(account)
        assert 0 <= currency <= CURRENCIES_MAX and min(buy_max, sell_max, orders_max) >= 0
        s = self.state
        if 2 * (int(s.meta[0]["limits"]) + 1) > len(s.limits):
            self.state = s._replace(limits=np.zeros(2 * len(s.limits), LIMIT))
            holdings.rehash_limits(self.state, s.limits)
        holdings.set_limit(self.state, account, currency, buy_max, sell_max, orders_max)

    def limits_of(self, account: int, currency: int) -> tuple[int, int, int]:
        place = int(holdings.limit_at(self.state, account, currency))
        if place == NOTHING:
            return 0, 0, 0
        row = self.state.limits[place]
        buy, sell = (
            (int(row[f"{name}_high"]) << holdings.USED_BITS) + int(row[name]) for name in ("buy_used", "sell_used")
        )
        return buy, sell, int(row["orders"])

    def add_stock(self, account: int, instrument: int, lots: int) -> bool:
        self._account(account)
        assert self._book(instrument)["flags"] & BookFlag.DEPOSIT, f"instrument {instrument} asks for no deposit"
        self._room_for_stock(1)
        return bool(holdings.deposit(self.state, account, instrument, lots))

    def stock_of(self, account: int, instrument: int) -> tuple[int, int]:
        place = int(holdings.stock_at(self.state, account, instrument))
        if place == NOTHING:
            return 0, 0
        row = self.state.stocks[place]
        return int(row["lots"]), int(row["reserved"])

    def move_stock(self, instrument: int, seller: int, buyer: int, lots: int) -> bool:
        assert lots >= 1
        self._room_for_stock(1)
        return bool(holdings.give_back(self.state, instrument, seller, buyer, lots))
