"""A sale room for tests: accounts 1 to 5, account 1 sells, what is asked of sale 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventKind, Reason
from engine.machine import Machine
from engine.markets.sales.english import market_of
from engine.messages.bodies import Body
from engine.messages.sales.terms import SaleTerms, Stages
from engine.oracle.books import Books
from engine.state.sales.english import EnglishLot
from engine.state.sales.sale import Sale
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, open_venue

SELLER, A, Z, THIRD, FOURTH = 1, 2, 3, 4, 5


class Room:
    def __init__(self, **terms: Any) -> None:
        self.recorder = Recorder(Machine(Books()))
        open_venue(self.recorder)
        self.opened = self.recorder.do(self.plan(**terms))

    def plan(self, **terms: Any) -> SaleTerms:
        """`live_s`, `ends_s`, ...: seconds from now, of the times that stages and terms name."""
        stages = {name: terms.pop(f"{name}_s", 0) for name in ("viewing", "registration", "prebids", "live")}
        terms["stages"] = Stages(*(self.at_ns(after_s) if after_s else 0 for after_s in stages.values()))
        for name in [name for name in terms if name.endswith("_s")]:
            terms[f"{name}_ns".replace("_s_ns", "_ns")] = self.at_ns(terms.pop(name))
        return auction_sale(self.recorder.ts_ns, **terms)

    def at_ns(self, seconds: float) -> int:
        return self.recorder.ts_ns + int(seconds * SECOND_NS)

    @property
    def sale(self) -> Sale:
        return self.recorder.machine.venue.sales[1]

    def lot(self, number: int = 1) -> EnglishLot:
        return market_of(self.sale).lots[number - 1]

    def due_s(self, scope: int = 0) -> float:
        """Until the clock of a scope runs out, from now."""
        due_ns = market_of(self.sale).clocks[scope].due_ns
        assert due_ns, "it does not run"
        return (due_ns - self.recorder.ts_ns) / SECOND_NS

    def runs(self, scope: int) -> bool:
        return bool(market_of(self.sale).clocks[scope].due_ns)

    def bid(self, account: int, lot: int, maximum: int, *, after_s: float = 0, **offer: Any) -> np.ndarray:
        return self.recorder.do(bid_of(account, lot, maximum, **offer), after_s=after_s)

    def do(self, *bodies: Body | Any, after_s: float = 0) -> np.ndarray:
        return self.recorder.do(*bodies, after_s=after_s)

    @property
    def seq(self) -> int:
        """Of the last command."""
        return self.recorder.machine.seq


def why(events: np.ndarray) -> Reason:
    """NONE when nothing was refused."""
    refused = events[np.isin(events["kind"], (EventKind.REJECTED, EventKind.BID_LATE))]
    return Reason(int(refused["reason"][-1])) if len(refused) else Reason.NONE


def told(events: np.ndarray, kind: EventKind, *names: str) -> list[Any]:
    """Values of the events of one kind."""
    rows = events[events["kind"] == kind]
    if len(names) == 1:
        return [int(row[names[0]]) for row in rows]
    return [tuple(int(row[name]) for name in names) for row in rows]
