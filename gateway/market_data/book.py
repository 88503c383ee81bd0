"""The book feed: levels of each touched instrument, one conflated update a tick, absolute quantities.

A level in an update replaces the reader's; quantity 0 removes it. A channel is (instrument, depth), and its readers
rebuild exactly the best `depth` levels of each side. `seq` counts the ticks in which the instrument's book changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind, Phase, Side, name_of
from engine.limits import INSTRUMENTS_MAX
from engine.machine import Machine
from engine.messages.rows import joined
from gateway.forms import Form
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.views import Level, levels_of, levels_view

DEPTHS = (10, 25, 100, 1_000)
DEPTH_DEFAULT = 25
ASIDE_EVENTS_MAX = 10_000
_CHANGES = np.zeros(256, bool)  # kinds of events that alter a book or its phase
_CHANGES[
    [
        EventKind.ACCEPTED,
        EventKind.FILL,
        EventKind.CANCELLED,
        EventKind.REPLACED,
        EventKind.REDUCED,
        EventKind.TRIGGERED,
        EventKind.REPRICED,
        EventKind.AMENDED,
        EventKind.PHASE,
        EventKind.UNCROSSED,
        EventKind.INSTRUMENT_LISTED,
    ]
] = True

Sides = tuple[list[Level], list[Level]]


class BookFeed:
    """`take` after each record, `tick` now and then. What was taken is put aside until a tick or a question, or until
    much has gathered: looking at the events of many records costs hardly more than at those of one."""

    def __init__(self, machine: Machine, first_seq: int, later: Later, started_ns: int) -> None:
        self.machine, self.first_seq, self._later = machine, first_seq, later
        self._aside: list[tuple[np.ndarray, int]] = []  # EVENT[n] of a record, ts_ns
        self._aside_events = 0
        self._dirty = np.zeros(INSTRUMENTS_MAX + 1, bool)  # changed since the last tick
        self._changed_ns = np.full(INSTRUMENTS_MAX + 1, started_ns, np.int64)  # venue time of the last change
        self._versions: dict[int, int] = {}
        self._channels: dict[int, dict[int, Channel]] = {}  # by instrument and depth
        self._told: dict[Name, Sides] = {}  # what a channel's readers have

    def take(self, events: np.ndarray, ts_ns: int) -> None:
        self._aside.append((events, ts_ns))
        self._aside_events += len(events)
        if self._aside_events > ASIDE_EVENTS_MAX:
            self._look()

    def _look(self) -> None:
        """Find what changed among the events put aside."""
        aside, self._aside, self._aside_events = self._aside, [], 0
        if not aside:
            return
        events = joined([events for events, _ in aside])
        times = np.repeat([ts_ns for _, ts_ns in aside], [len(events) for events, _ in aside])
        # A stop that waits is in no public book: that it came, changed or went is not told either.
        changes = _CHANGES[events["kind"]] & ((events["flags"] & EventFlag.STOP) == 0)
        touched = events["instrument"][changes]
        self._dirty[touched] = True
        np.maximum.at(self._changed_ns, touched, times[changes])

    def tick(self) -> list[int]:
        """Publish what changed; returns the instruments that did."""
        self._look()
        dirty = np.flatnonzero(self._dirty)
        self._dirty[dirty] = False
        touched = [instrument for instrument in dirty.tolist() if instrument in self.machine.venue.instruments]
        for instrument in touched:
            self._versions[instrument] = self.version(instrument) + 1
            for channel in self._channels.get(instrument, {}).values():
                if channel.readers:
                    self._publish(channel)
        return touched

    def delist(self, instrument: int) -> None:
        """Its readers hear nothing more."""
        for channel in self._channels.pop(instrument, {}).values():
            channel.close()

    def version(self, instrument: int) -> int:
        return self._versions.get(instrument, self.first_seq)

    def ts_ns(self, instrument: int) -> int:
        """When the book last changed. The time of the last command of all would tell of sealed ones."""
        self._look()
        return int(self._changed_ns[instrument])

    def channel(self, instrument: int, depth: int) -> Channel:
        """The channel of one depth, ready for another reader."""
        channels = self._channels.setdefault(instrument, {})
        channel = channels.get(depth)
        if channel is None:
            name = Name("book", instrument, depth)
            symbol = self.machine.venue.instruments[instrument].symbol
            channel = channels[depth] = Channel(
                name, symbol, self.version(instrument), lambda: self._snapshot(name), conflated=True, later=self._later
            )
        if not channel.readers:
            channel.restart(self.version(instrument))
            self._told[channel.name] = self.sides(instrument, depth)
        return channel

    def sides(self, instrument: int, depth: int) -> Sides:
        """Best `depth` levels of each side, as the engine has them now."""
        hot = self.machine.hot
        return (
            levels_of(hot.depth(instrument, Side.BUY, depth)),
            levels_of(hot.depth(instrument, Side.SELL, depth)),
        )

    def view(self, form: Form, instrument: int, sides: Sides) -> dict[str, Any]:
        listing = self.machine.venue.instruments[instrument]
        return {
            "phase": name_of(Phase, self.machine.hot.phase(instrument)),
            "bids": levels_view(form, listing, sides[0]),
            "asks": levels_view(form, listing, sides[1]),
        }

    def _snapshot(self, name: Name) -> tuple[View, int]:
        sides = self._told[name]
        return lambda form: self.view(form, name.instrument, sides), self.ts_ns(name.instrument)

    def _publish(self, channel: Channel) -> None:
        instrument, depth = channel.name.instrument, channel.name.depth
        new = self.sides(instrument, depth)
        old = self._told[channel.name]
        self._told[channel.name] = new
        changed = (changes(old[0], new[0]), changes(old[1], new[1]))
        phase = name_of(Phase, self.machine.hot.phase(instrument))
        listing = self.machine.venue.instruments[instrument]

        def view(form: Form) -> dict[str, Any]:
            return {
                "phase": phase,
                "bids": levels_view(form, listing, changed[0]),
                "asks": levels_view(form, listing, changed[1]),
            }

        channel.publish(view, self.ts_ns(instrument), self.version(instrument))


def changes(old: list[Level], new: list[Level]) -> list[Level]:
    """Levels that turn `old` into `new`: those that differ, and quantity 0 for those that are gone."""
    before, after = {level[0]: level for level in old}, {level[0] for level in new}
    changed = [level for level in new if before.get(level[0]) != level]
    return changed + [(price, 0, 0) for price in before if price not in after]
