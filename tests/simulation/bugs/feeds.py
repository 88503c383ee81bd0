"""In what is told: feeds that skip, repeat or say too much."""

from __future__ import annotations

import numpy as np

from engine.codes import EventKind
from engine.machine import Machine
from engine.markets.sales.english import market_of
from engine.markets.sales.texts import price_text
from engine.state.sales.sale import Sale
from gateway.market_data import book
from gateway.market_data.channel import Later, View
from gateway.market_data.hub import Hub
from tests.simulation.storm import Storm
from tests.simulation.variants import Patch, Variants


class Told(Variants):
    """Somebody reads."""

    def storm(self, storm: Storm) -> Storm:
        storm.feeds, storm.screens = True, max(2, storm.screens)
        return storm


class ForgetCancelledLevels(Told):
    """A cancelled order does not mark its book as changed."""

    def hub(self, machine: Machine, epoch: int, started_ns: int, later: Later) -> Hub:
        hub = super().hub(machine, epoch, started_ns, later)
        take = hub.book.take
        hub.book.take = lambda events, ts_ns: take(  # type: ignore[method-assign]
            events[events["kind"] != EventKind.CANCELLED], ts_ns
        )
        return hub


class SkipALevel(Told):
    """An update with several levels leaves one out."""

    def patches(self) -> list[Patch]:
        changes = book.changes
        return [(book, "changes", lambda old, new: changes(old, new)[:3])]


class TellTradesTwice(Told):
    """The last trade of a message is told again with the next one."""

    def hub(self, machine: Machine, epoch: int, started_ns: int, later: Later) -> Hub:
        hub = super().hub(machine, epoch, started_ns, later)
        tick, trades = hub.trades.tick, hub.trades

        def twice() -> None:
            trades._number()
            again = {instrument: pending[-1:] for instrument, pending in trades._pending.items()}
            tick()
            trades._pending = again if not trades._pending else trades._pending

        trades.tick = twice  # type: ignore[method-assign]
        return hub


class NumbersBeginAnew(Told):
    """Every start numbers its channels from the same place."""

    def hub(self, machine: Machine, epoch: int, started_ns: int, later: Later) -> Hub:
        return super().hub(machine, 1, started_ns, later)


class LeakTheMaximum(Told):
    """The public view of a sale shows the leaders' maxima."""

    def hub(self, machine: Machine, epoch: int, started_ns: int, later: Later) -> Hub:
        hub = super().hub(machine, epoch, started_ns, later)
        view_of = hub.sales._view

        def leaking(sale: Sale) -> View:
            view, lots = view_of(sale), market_of(sale).lots
            maxima = [price_text(sale, lot.standing[lot.leader].maximum) for lot in lots if lot.leader]
            return lambda form: view(form) | {"maxima": maxima}

        hub.sales._view = leaking  # type: ignore[method-assign]
        return hub


class PublicSeesAll(Variants):
    """The public view of events is the events."""

    def public_view(self, events: np.ndarray) -> np.ndarray:
        return events
