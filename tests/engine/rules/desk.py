"""One command at a time, and what it caused in words: for tests of a rule that a reader can check by hand.

    accepted 0 10@100 | fill 1x0 4@100 left 6 | cancelled 0 6@100 by_owner | rejected qty_range

Orders are told by their slots. `@-` is an order without a limit; marks of an event follow in capitals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, OrderType, Reason, Side, StpMode, TimeInForce
from engine.state.hot import Hot
from tests.engine.book_flows import Batch

GTC, IOC, FOK, DAY, GTD, AT_AUCTION = TimeInForce
LIMIT, MARKET, MTL, STOP, STOP_LIMIT, ICEBERG = OrderType
NONE, CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH, DECREMENT = StpMode
BUY, SELL = Side
BUYER, SELLER = 3, 6  # accounts of no group
MARKS = {EventFlag.STOP: "STOP", EventFlag.CLASS_FIRST: "CLASS", EventFlag.AUCTION: "AUCTION"}
SLOT = 2**32 - 1


def words(event: Any) -> str:
    kind, reason, flags = EventKind(event["kind"]), int(event["reason"]), int(event["flags"])
    said = [kind.name.lower()]
    if kind == EventKind.FILL:
        said.append(f"{event['order'] & SLOT}x{event['counter_order'] & SLOT}")
    elif kind not in (EventKind.REJECTED, EventKind.CLASS_REPORT):
        said.append(f"{event['order'] & SLOT}")
    if kind not in (EventKind.REJECTED, EventKind.DUPLICATE):
        said.append(f"{event['qty']}@{'-' if flags & EventFlag.UNPRICED else event['price']}")
    if kind in (EventKind.FILL, EventKind.REDUCED, EventKind.AMENDED, EventKind.CLASS_REPORT):
        said.append(f"left {event['leaves']}")
    if reason:
        said.append(Reason(reason).name.lower())
    return " ".join(said + [mark for flag, mark in MARKS.items() if flags & flag])


class Desk:
    def __init__(self, hot: Hot, instrument: int = 1) -> None:
        self.hot, self.instrument = hot, instrument
        self.seq, self.ts_ns = 1, 10**15

    def run(self, kind: int, **fields: Any) -> list[str]:
        """Words of all events of one row; the last alone is flagged so."""
        fields = {"instrument": self.instrument} | fields
        _, events = self.hot.run(*Batch().add(kind, **fields).arrays(), 0, first_seq=self.seq, ts_ns=self.ts_ns)
        self.seq += 1
        assert np.flatnonzero(events["flags"] & EventFlag.LAST).tolist() == [len(events) - 1]
        return [words(event) for event in events]

    def buy(self, price: int, qty: int, **fields: Any) -> list[str]:
        return self.run(CommandKind.NEW, **{"side": BUY, "price": price, "qty": qty, "account": BUYER} | fields)

    def sell(self, price: int, qty: int, **fields: Any) -> list[str]:
        return self.run(CommandKind.NEW, **{"side": SELL, "price": price, "qty": qty, "account": SELLER} | fields)

    def on(self, kind: int, slot: int, **fields: Any) -> list[str]:
        """A command on the open order of a slot, by its owner; a REPLACE keeps its side and type."""
        order, view = self.order_id(slot), self.hot.order(self.order_id(slot))
        assert view is not None
        own = {"order": order, "account": int(view["account"]), "instrument": int(view["instrument"])}
        if kind == CommandKind.REPLACE:
            own |= {"side": int(view["side"]), "type": int(view["type"])}
        return self.run(kind, **own | fields)

    def order_id(self, slot: int) -> int:
        lives = self.hot.sections()["lives"]
        return int(lives[slot]) << 32 | slot

    def cancel(self, slot: int) -> list[str]:
        return self.on(CommandKind.CANCEL, slot)

    def amend(self, slot: int, qty: int, **fields: Any) -> list[str]:
        return self.on(CommandKind.AMEND, slot, qty=qty, **fields)

    def replace(self, slot: int, price: int, qty: int, **fields: Any) -> list[str]:
        return self.on(CommandKind.REPLACE, slot, price=price, qty=qty, **fields)

    def told(self, method: str, *arguments: Any, **fields: Any) -> list[str]:
        events = getattr(self.hot, method)(*arguments, command=2, first_index=3, ts_ns=self.ts_ns, **fields)
        assert events["index"].tolist() == [*range(3, 3 + len(events))] and not np.any(events["flags"] & EventFlag.LAST)
        return [words(event) for event in events]

    def uncross(self, price: int | None, volume: int) -> list[str]:
        return self.told("uncross", self.instrument, price, volume)

    def shows(self, side: int) -> list[tuple[int, int, int]]:
        """(price, lots shown, orders) of each level."""
        return [tuple(level) for level in self.hot.depth(self.instrument, side, 20).tolist()]

    def queue(self, side: int) -> list[int]:
        """Slots of the orders of a side, waiting stops left out, in priority order."""
        heads = self.hot.sections()["books"]
        at = 0
        for head in heads:
            counts = [int(head[name]) for name in ("buy_orders", "sell_orders", "stop_buys", "stop_sells")]
            if head["instrument"] == self.instrument:
                first = at + sum(counts[:side])
                found = self.hot.sections()["orders"]["order"][first : first + counts[side]]
                return [int(order) & SLOT for order in found]
            at += sum(counts)
        raise KeyError(self.instrument)
