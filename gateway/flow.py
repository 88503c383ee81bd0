"""A file of orders once it is read: messages for a replay, and what their numbers stood for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.codes import CommandKind, OrderFlag, OrderType
from engine.limits import PRICE_TICKS_MAX

PRICED_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.ICEBERG)
STOP_TYPES = (OrderType.STOP, OrderType.STOP_LIMIT)
TERMS_KINDS = (CommandKind.NEW, CommandKind.REPLACE)  # those that state an order's terms


@dataclass(slots=True)
class Flow:
    """Prices in ticks, ids, instruments and accounts numbered densely."""

    messages: np.ndarray  # MESSAGE[n] of engine.state.flow
    warm: int  # messages before the timed ones
    ids: int
    instruments: list[str]  # name of instrument 1, 2, ...
    accounts: int
    tick: Fraction
    labels: list[str] | None = None  # order id by file id; None: the number itself
    values: np.ndarray | None = None  # int64[ids]: what the hash of the fills sees; None: the file id
    extensions: np.ndarray | None = None  # EXTENSION[x] that messages point to
    groups: np.ndarray | None = None  # uint32[accounts + 1], 0: none
    times: np.ndarray | None = None  # int64[n], ns

    @property
    def price_range(self) -> tuple[int, int]:
        """Lowest and highest price that any order of the file can have, in ticks."""
        messages = self.messages[np.isin(self.messages["kind"], TERMS_KINDS)]
        found = [messages["price"][np.isin(messages["type"], PRICED_TYPES)]]
        if self.extensions is not None:
            stops = messages[np.isin(messages["type"], STOP_TYPES) & (messages["extension"] != 0)]
            found.append(self.extensions["stop_price"][stops["extension"] - 1])
        prices = np.concatenate(found)
        if not len(prices):
            return 0, 0
        room = int((messages["flags"] & OrderFlag.SLIDE).any())  # a price may slide a tick beyond
        return max(int(prices.min()) - room, -PRICE_TICKS_MAX), min(int(prices.max()) + room, PRICE_TICKS_MAX)

    def label(self, file_id: int) -> str:
        return self.labels[file_id] if self.labels is not None else str(file_id)
