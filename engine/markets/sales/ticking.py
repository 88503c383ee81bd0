"""Clocks that move prices by themselves: what Dutch and Japanese sales have in common.

1. Lots begin together, or one after another, each when the one before is closed.
2. Each price stands for its time from when it was shown; it does not move for a venue that is late (ours).
3. An outage or the kill switch gives the whole time of the price that stands again (ours).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.codes import EventKind, TimerKind
from engine.markets.sales.closing import finish
from engine.markets.turn import Turn
from engine.state.sales.sale import Sale
from engine.state.sales.ticking import TickingLot


def show(turn: Turn, sale: Sale, number: int, lot: TickingLot, price: int, wait_ns: int) -> None:
    """The next round of a lot: another price, for so long."""
    lot.price = price
    lot.round += 1
    stand(turn, sale, number, lot, wait_ns)


def stand(turn: Turn, sale: Sale, number: int, lot: TickingLot, wait_ns: int) -> None:
    """The price of the round stands for so long from now."""
    timers = turn.venue.timers
    timers.cancel(lot.timer)
    lot.wait_ns, lot.due_ns = wait_ns, turn.ts_ns + wait_ns
    lot.timer = timers.set(turn.ts_ns, lot.due_ns, TimerKind.SALE_ROUND, subject=sale.sale, phase=number).timer
    turn.emit(
        EventKind.ROUND, instrument=number, order=sale.sale, price=lot.price, qty=lot.round, leaves=lot.due_ns
    )  # fmt: skip


def close(turn: Turn, lot: TickingLot) -> None:
    turn.venue.timers.cancel(lot.timer)
    lot.timer = lot.due_ns = 0
    lot.closed = True


def go_on(
    turn: Turn, sale: Sale, lots: Sequence[TickingLot], in_turn: bool, begin: Callable[[Turn, Sale, int], None]
) -> None:
    """Begin the lots whose turn it is; finish the sale when all are closed."""
    for number, lot in enumerate(lots, 1):
        if not lot.closed and not lot.round:
            begin(turn, sale, number)
        if not lot.closed and in_turn:
            return
    if all(lot.closed for lot in lots):
        finish(turn, sale)
