"""What the frame does for every mechanism: the bound of a bidder, whose lot it is, the end of a sale."""

from __future__ import annotations

from engine.codes import EventKind, SaleStage, SaleState, TimerKind
from engine.markets.turn import Turn
from engine.state.sales.sale import Sale

OF_A_SALE = frozenset({TimerKind.SALE_STAGE, TimerKind.SALE_OPEN_UNTIL, TimerKind.SALE_CLOCK, TimerKind.SALE_ROUND})


def within_limit(sale: Sale, account: int, more_minor: int) -> bool:
    """What the account was sold here, and what its bids could still come to, is within the operator's bound."""
    bidder = sale.bidders.get(account)
    return bidder is None or not bidder.limit_minor or bidder.committed_minor + more_minor <= bidder.limit_minor


def has_limit(sale: Sale, account: int) -> bool:
    bidder = sale.bidders.get(account)
    return bidder is not None and bool(bidder.limit_minor)


def own_lot(turn: Turn, sale: Sale, lot: int) -> bool:
    """The turn's account, or one of its group, is the lot's seller."""
    seller = sale.terms.lots[lot - 1].seller
    if seller == turn.account:
        return True
    group = turn.venue.accounts[turn.account].group
    return bool(group) and group == turn.venue.accounts[seller].group


def finish(turn: Turn, sale: Sale) -> None:
    """All lots are sold or passed in."""
    drop_timers(turn, sale)
    sale.stage, sale.state = SaleStage.FINISHED, SaleState.FINISHED
    turn.emit(EventKind.SALE_FINISHED, order=sale.sale, qty=len(sale.sold))


def drop_timers(turn: Turn, sale: Sale) -> None:
    """None of the sale's own waits any longer; those of its awards do."""
    timers = turn.venue.timers
    waiting = [*timers, *(one.timer for one in timers.held)]
    for timer in waiting:
        if timer.kind in OF_A_SALE and timer.subject == sale.sale:
            timers.cancel(timer.timer)
    sale.stage_timer = sale.stage_due_ns = 0
