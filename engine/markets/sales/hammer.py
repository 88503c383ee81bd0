"""The hammer: the one place that says a lot is sold or passed in."""

from __future__ import annotations

from engine.codes import EventKind, FeeClass
from engine.markets.turn import Turn
from engine.state.sales.sale import Sale
from engine.state.venue import Timer


def sold(turn: Turn, sale: Sale, lot: int, buyer: int, price: int, bags: int, seller: int | None = None) -> None:
    """So many bags of a lot go to `buyer` at `price`. `seller`: of a reverse auction, where the lot names the buyer."""
    sale.sold[lot] = sale.sold.get(lot, 0) + bags
    bidder = sale.bidders.get(buyer)
    if bidder is not None:
        bidder.committed_minor += sale.value_minor(sale.grams(lot, bags), price)
    turn.emit(
        EventKind.LOT_SOLD,
        instrument=lot,
        order=sale.sale,
        price=price,
        qty=bags,
        account=buyer,
        counter_account=sale.terms.lots[lot - 1].seller if seller is None else seller,
        fee_class=FeeClass.SALE,
    )


def passed_in(turn: Turn, sale: Sale, lot: int, bags: int = 0) -> None:
    """A lot, or the bags of it that nobody took, stays with its seller."""
    terms = sale.terms.lots[lot - 1]
    turn.emit(
        EventKind.LOT_PASSED_IN,
        instrument=lot,
        order=sale.sale,
        counter_account=terms.seller,
        qty=bags or terms.bags,
    )


def void_sale(turn: Turn, sale: Sale) -> None:
    """What was sold in it is not."""


def award_due(turn: Turn, timer: Timer) -> None:
    """The deadline of an award."""
    raise AssertionError("no award waits")


def resume(turn: Turn, timer: Timer, away_ns: int) -> None:
    """The deadline of an award moves by an outage."""
    turn.venue.timers.postpone(timer, timer.due_ns + away_ns)
