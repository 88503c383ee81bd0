"""The Helmsman sale: several auction lots, proxy bids, one common clock.

Rules, as the Alliance for Coffee Excellence ("How to bid") and the auction houses that copy it publish them; what they
leave open is marked "ours".

1. All lots open together, at one opening price. A bid names the most that its account will pay; only that account
   ever sees it. A maximum is opening + k x increment.
2. The first bid on a lot stands at the opening price. Later ones must be at least one increment above the price,
   except the leader's.
3. Price = min(higher maximum, lower maximum + increment). Of equal maxima the first placed leads, at that maximum.
4. A leader may raise or lower its maximum, never below the price. No other bid can be taken back.
5. The sale is OPEN until every lot has a bid; then one clock runs for all lots (PENDING). A bid that changes a price
   or a leader starts the clock again for all; one that changes nothing that others can see does not (ours: it would
   tell them that there was a bid). When the clock runs out the sale is FINISHED, all lots at the same instant.
6. Ours: lots without a bid at `open_until` pass in and the clock starts for the rest; if there is no rest the sale is
   finished.
7. A bid at or after the due time is late. A seller does not bid on an own lot.
8. Ours: an operator may end a sale; leading bids stand.
9. Ours: an outage gives the whole clock again, and moves `open_until` by its length; so does the kill switch.
"""

from __future__ import annotations

from engine.codes import EventKind, FeeClass, Reason, SaleState, TimerKind
from engine.domain.units import UnitError, parse_decimal
from engine.limits import NOTIONAL_MAX, PRICE_TICKS_MAX, TIMERS_MAX
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.sales import LotState, Sale


def open_sale(turn: Turn, body: bodies.OpenSale) -> Reason:
    """Open all lots of a new sale (rule 1)."""
    venue = turn.venue
    if body.sale in venue.sales:
        return Reason.ALREADY_EXISTS
    if any(lot.seller not in venue.accounts for lot in body.lots):
        return Reason.ACCOUNT_UNKNOWN
    try:
        if parse_decimal(body.tick_size) <= 0:
            return Reason.BODY_INVALID
    except UnitError:
        return Reason.BODY_INVALID
    if body.open_until_ns <= turn.ts_ns:
        return Reason.DUE_IN_PAST
    if len(venue.timers) >= TIMERS_MAX:
        return Reason.LIMIT_REACHED
    sale = Sale(body, [LotState(lot) for lot in body.lots])
    if any(sale.value_minor(lot, PRICE_TICKS_MAX) > NOTIONAL_MAX for lot in sale.lots):
        return Reason.NOTIONAL_RANGE

    venue.sales[body.sale] = sale
    _set_timer(turn, sale, TimerKind.SALE_OPEN_UNTIL, body.open_until_ns)
    turn.emit(EventKind.SALE_OPENED, order=body.sale, qty=len(body.lots), leaves=body.clock_ns)
    return Reason.NONE


def bid(turn: Turn, body: bodies.Bid) -> Reason:
    """Place, raise or lower the maximum of the turn's account on one lot (rules 2 to 5)."""
    sale = turn.venue.sales.get(body.sale)
    reason = _bid_refused(turn, sale, body)
    if reason != Reason.NONE:
        return reason
    assert sale is not None
    lot = sale.lots[body.lot - 1]
    before = (lot.price, lot.leader)
    _take_maximum(lot, turn.account, body.maximum, sale.terms)
    moved = (lot.price, lot.leader) != before
    lot.bids += moved
    turn.emit(
        EventKind.BID_ACCEPTED,
        instrument=body.lot,
        order=body.sale,
        account=turn.account,
        price=body.maximum,
        qty=lot.bids,
    )
    if moved:
        _tell_lot(turn, sale, body.lot, leader_before=before[1])
        if all(other.price is not None or other.passed_in for other in sale.lots):
            _start_clock(turn, sale)
    return Reason.NONE


def end_sale(turn: Turn, body: bodies.EndSale) -> Reason:
    """End a sale now; leading bids stand (rule 8)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if sale.state == SaleState.FINISHED:
        return Reason.SALE_CLOSED
    sale.ended_by_operator = True
    turn.venue.timers.cancel(sale.timer)
    _finish(turn, sale)
    return Reason.NONE


def open_until_reached(turn: Turn, sale: Sale) -> None:
    """Lots without a bid pass in; the clock starts for the rest (rule 6)."""
    assert sale.state == SaleState.OPEN
    sale.timer = 0
    for number, lot in enumerate(sale.lots, 1):
        if lot.price is None:
            _pass_in(turn, sale, number)
    if all(lot.passed_in for lot in sale.lots):
        _finish(turn, sale)
    else:
        _start_clock(turn, sale)


def clock_ran_out(turn: Turn, sale: Sale) -> None:
    """No bid for the length of the clock: all lots close at this instant (rule 5)."""
    assert sale.state == SaleState.PENDING
    sale.timer = 0
    _finish(turn, sale)


def restart_clock(turn: Turn, sale: Sale) -> None:
    """After an outage every bidder has the whole clock again (rule 9)."""
    assert sale.state == SaleState.PENDING
    _start_clock(turn, sale)


def minimum_bid(sale: Sale, lot: LotState) -> int:
    """Lowest maximum that an account which does not lead may place, in ticks (rule 2)."""
    return sale.terms.opening if lot.price is None else lot.price + sale.terms.increment


def _bid_refused(turn: Turn, sale: Sale | None, body: bodies.Bid) -> Reason:
    """Checks in this order: sale, lot, account, venue, freeze, time, seller, step, amount."""
    if sale is None:
        return Reason.SALE_UNKNOWN
    if body.lot > len(sale.lots):
        return Reason.LOT_UNKNOWN
    if turn.account == 0:
        return Reason.ACCOUNT_UNKNOWN
    if turn.venue.stop is not None:
        return Reason.VENUE_STOPPED
    if turn.venue.accounts[turn.account].frozen:
        return Reason.ACCOUNT_FROZEN
    lot = sale.lots[body.lot - 1]
    if sale.ended_by_operator:
        return Reason.SALE_CLOSED
    if sale.state == SaleState.FINISHED or lot.passed_in:
        return Reason.BID_LATE
    if lot.terms.seller == turn.account:
        return Reason.SELF_BID
    if (body.maximum - sale.terms.opening) % sale.terms.increment:
        return Reason.BID_INCREMENT
    if lot.leader == turn.account:
        assert lot.price is not None
        return Reason.MAXIMUM_BELOW_PRICE if body.maximum < lot.price else Reason.NONE
    return Reason.BID_LOW if body.maximum < minimum_bid(sale, lot) else Reason.NONE


def _take_maximum(lot: LotState, account: int, maximum: int, terms: bodies.OpenSale) -> None:
    """Rank one valid maximum and find the price (rules 2 and 3)."""
    lot.maxima[account] = maximum
    if lot.leader in (0, account):
        lot.leader, lot.maximum = account, maximum
    elif maximum > lot.maximum:
        lot.leader, lot.maximum, lot.runner_up = account, maximum, lot.maximum
    else:
        lot.runner_up = maximum  # at least price + increment, so above the runner-up before it
    if lot.runner_up is None:
        lot.price = terms.opening
    else:
        lot.price = min(lot.maximum, lot.runner_up + terms.increment)


def _tell_lot(turn: Turn, sale: Sale, number: int, leader_before: int) -> None:
    """Private word to those whose place changed, then the public price."""
    lot = sale.lots[number - 1]
    assert lot.price is not None
    about = {"instrument": number, "order": sale.sale, "price": lot.price}
    if leader_before not in (0, lot.leader):
        turn.emit(EventKind.LOT_OUTBID, account=leader_before, **about)
    elif turn.account != lot.leader:
        turn.emit(EventKind.LOT_OUTBID, account=turn.account, **about)
    turn.emit(EventKind.LOT_LEADER, account=lot.leader, **about)
    turn.emit(EventKind.LOT_PRICE, qty=lot.bids, **about)


def _start_clock(turn: Turn, sale: Sale) -> None:
    turn.venue.timers.cancel(sale.timer)
    sale.state = SaleState.PENDING
    _set_timer(turn, sale, TimerKind.SALE_CLOCK, turn.ts_ns + sale.terms.clock_ns)
    turn.emit(EventKind.CLOCK, order=sale.sale, leaves=sale.clock_due_ns)


def _set_timer(turn: Turn, sale: Sale, kind: TimerKind, due_ns: int) -> None:
    """The one timer of a running sale: it waits for first bids, then for last ones."""
    sale.timer = turn.venue.timers.set(turn.ts_ns, due_ns, kind, subject=sale.sale).timer
    opening = kind == TimerKind.SALE_OPEN_UNTIL
    sale.open_until_ns = due_ns if opening else sale.open_until_ns
    sale.clock_due_ns = 0 if opening else due_ns


def _pass_in(turn: Turn, sale: Sale, number: int) -> None:
    lot = sale.lots[number - 1]
    lot.passed_in = True
    turn.emit(
        EventKind.LOT_PASSED_IN,
        instrument=number,
        order=sale.sale,
        counter_account=lot.terms.seller,
        qty=lot.terms.bags,
    )


def _finish(turn: Turn, sale: Sale) -> None:
    """Every lot goes to its leader at its price, or passes in."""
    sold = 0
    for number, lot in enumerate(sale.lots, 1):
        if lot.passed_in:
            continue
        if lot.price is None:
            _pass_in(turn, sale, number)
            continue
        sold += 1
        turn.emit(
            EventKind.LOT_SOLD,
            instrument=number,
            order=sale.sale,
            price=lot.price,
            qty=lot.terms.bags,
            account=lot.leader,
            counter_account=lot.terms.seller,
            fee_class=FeeClass.SALE,
        )
    sale.state, sale.timer, sale.clock_due_ns = SaleState.FINISHED, 0, 0
    turn.emit(EventKind.SALE_FINISHED, order=sale.sale, qty=sold)
