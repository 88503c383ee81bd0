"""Public trades counted over the whole log, and the newest of each instrument: a fold of FILL events.

The serving process tells trades by these numbers; a snapshot carries the fold, so that they go on after a start that
reads only the end of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind
from engine.messages.rows import joined
from gateway.access import chosen

RECENT_TRADES = 50  # of each instrument, newest
ASIDE_EVENTS_MAX = 10_000

TRADE = np.dtype(
    [
        ("number", "<i8"),  # of the instrument's trades, from 1
        ("ts_ns", "<i8"),
        ("qty", "<i8"),  # lots
        ("instrument", "<u4"),
        ("price", "<i4"),  # ticks
        ("side", "u1"),  # of the taker; of no meaning in a call
        ("call", "u1"),  # 1: of an uncross
    ]
)
COUNT = np.dtype([("instrument", "<u4"), ("count", "<i8")])


class TradeFold:
    """`take` after each record; what was taken is only put aside until someone asks, or until much has gathered."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self._recent: dict[int, np.ndarray] = {}  # TRADE[<= RECENT_TRADES], oldest first
        self._aside: list[tuple[np.ndarray, int]] = []  # EVENT[n] of a record, ts_ns
        self._aside_events = 0

    def take(self, events: np.ndarray, ts_ns: int) -> bool:
        """EVENT[n] of a record. True when it is time to call `number`."""
        self._aside.append((events, ts_ns))
        self._aside_events += len(events)
        return self._aside_events > ASIDE_EVENTS_MAX

    def number(self) -> dict[int, np.ndarray]:
        """Number what was put aside: TRADE[n] of each instrument that had some, in order."""
        aside, self._aside, self._aside_events = self._aside, [], 0
        if not aside:
            return {}
        events = joined([events for events, _ in aside])
        places = np.flatnonzero(events["kind"] == EventKind.FILL)
        if not len(places):
            return {}
        fills = chosen(events, places)
        times = np.repeat([ts_ns for _, ts_ns in aside], [len(rows) for rows, _ in aside])
        trades = np.zeros(len(fills), TRADE)
        trades["ts_ns"] = times[places]
        for name in ("qty", "instrument", "price", "side"):
            trades[name] = fills[name]
        trades["call"] = (fills["flags"] & EventFlag.AUCTION) != 0
        trades = trades[np.argsort(trades["instrument"], kind="stable")]
        starts = np.flatnonzero(np.diff(trades["instrument"], prepend=trades["instrument"][:1] ^ 1))
        new = {}
        for part in np.split(trades, starts[1:]):
            instrument = int(part["instrument"][0])
            count = self.counts.get(instrument, 0)
            part["number"] = np.arange(count + 1, count + 1 + len(part))
            self.counts[instrument] = count + len(part)
            before = self._recent.get(instrument, part[:0])
            self._recent[instrument] = np.concatenate([before, part[-RECENT_TRADES:]])[-RECENT_TRADES:]
            new[instrument] = part
        return new

    def recent(self, instrument: int) -> np.ndarray:
        """TRADE[<= RECENT_TRADES] of an instrument, oldest first, of what was numbered."""
        return self._recent.get(instrument, np.zeros(0, TRADE))

    def sections(self) -> dict[str, np.ndarray]:
        """What a snapshot keeps."""
        self.number()
        recent = [self._recent[instrument] for instrument in sorted(self._recent)]
        return {
            "trade_counts": np.array(sorted(self.counts.items()), COUNT),
            "trades": np.concatenate(recent) if recent else np.zeros(0, TRADE),
        }

    def load(self, sections: Mapping[str, Any]) -> None:
        """Go on from what a snapshot kept."""
        self.counts = {int(row["instrument"]): int(row["count"]) for row in sections["trade_counts"]}
        trades = sections["trades"]
        self._recent = {
            int(instrument): trades[trades["instrument"] == instrument].copy()
            for instrument in np.unique(trades["instrument"])
        }
