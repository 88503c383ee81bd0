"""Registers of the books: instruments, accounts, phases. The caller has checked what it asks for."""

from __future__ import annotations

import numpy as np

from engine.codes import BookFlag, Side
from engine.kernels.constants import SIDES
from engine.limits import INSTRUMENTS_MAX, PRICE_TICKS_MAX
from engine.state.layout import grown
from engine.state.room import SIDE_EMPTY, Room, power_of_two


class Registers(Room):
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
        s = self.state
        if instrument >= len(s.books):
            count = power_of_two(instrument + 1)
            sides = np.tile(SIDE_EMPTY, SIDES * count)
            sides[: len(s.sides)] = s.sides
            self.state = s = s._replace(books=grown(s.books, count), sides=sides)
        row = s.books[instrument]
        assert not row["listed"]
        row["multiplier"], row["price_min"], row["price_max"] = multiplier, price_min, price_max
        row["qty_max"], row["listed"], row["currency"] = qty_max, 1, currency
        row["collar_low"], row["collar_high"] = -PRICE_TICKS_MAX, PRICE_TICKS_MAX
        row["flags"] = (BookFlag.DEPOSIT if deposit else 0) | (BookFlag.CLASSES if classes else 0)
        s.sides["classes"][SIDES * instrument : SIDES * instrument + len(Side)] = classes
        self._listed.append(instrument)
        self._listed.sort()

    def open_account(self, account: int) -> None:
        assert account >= 1
        if account >= len(self.state.accounts):
            self.state = self.state._replace(accounts=grown(self.state.accounts, power_of_two(account + 1)))
        self.state.accounts[account]["open"] = 1

    def set_phase(self, instrument: int, phase: int) -> None:
        row = self.state.books[instrument]
        assert row["listed"]
        row["phase"] = phase
        for side in Side:
            self._centre(SIDES * instrument + side)

    def phase(self, instrument: int) -> int:
        row = self.state.books[instrument]
        assert row["listed"]
        return int(row["phase"])
