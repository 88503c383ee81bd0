"""Many orders at once: by command, or because an account was not heard of in time.

An account's own mass cancel does what its cancels could do one by one: orders in a phase without cancels stay, and the
report counts them. An operator's ends them in any phase.
"""

from __future__ import annotations

from engine.codes import CANCEL_PHASES, EventKind, Reason, TimerKind
from engine.limits import CANCEL_AFTER_NS_MIN, SIDE_TOTAL_LOTS_MAX, TIMERS_MAX
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.hot import SIDE_BOTH, Which
from engine.state.venue import Timer


def mass_cancel(turn: Turn, body: bodies.MassCancel) -> Reason:
    account = body.account
    if not body.by_operator:
        account = account or turn.account
        if account != turn.account:
            return Reason.NOT_PERMITTED
        if account == 0:
            return Reason.ACCOUNT_UNKNOWN
    if account and account not in turn.venue.accounts:
        return Reason.ACCOUNT_UNKNOWN
    if body.instrument and body.instrument not in turn.venue.instruments:
        return Reason.INSTRUMENT_UNKNOWN
    side = SIDE_BOTH if body.side is None else body.side
    which = Which(account=account, instrument=body.instrument, side=side)
    if body.by_operator:
        ended = turn.cancel(which, Reason.BY_OPERATOR)
        _report(turn, which, Reason.BY_OPERATOR, ended.orders, ended.lots, 0)
    else:
        if body.instrument and turn.hot.phase(body.instrument) not in CANCEL_PHASES:
            return Reason.PHASE_FORBIDS
        _cancel_own(turn, which, Reason.BY_MASS_CANCEL)
    return Reason.NONE


def cancel_after(turn: Turn, body: bodies.CancelAfter) -> Reason:
    """Set the account's switch anew; the one before is forgotten."""
    venue, account = turn.venue, turn.account
    if account == 0:
        return Reason.ACCOUNT_UNKNOWN
    if 0 < body.timeout_ns < CANCEL_AFTER_NS_MIN:
        return Reason.BODY_INVALID
    before = venue.cancel_after.pop(account, None)
    if before is not None:
        venue.timers.cancel(before)
    elif body.timeout_ns and len(venue.timers) >= TIMERS_MAX:
        return Reason.LIMIT_REACHED
    due_ns = 0
    if body.timeout_ns:
        due_ns = turn.ts_ns + body.timeout_ns
        timer = venue.timers.set(turn.ts_ns, due_ns, TimerKind.CANCEL_AFTER, subject=account)
        venue.cancel_after[account] = timer.timer
    turn.emit(EventKind.CANCEL_AFTER_SET, account=account, leaves=due_ns)
    return Reason.NONE


def cancel_after_due(turn: Turn, timer: Timer) -> None:
    """It fires once, then it is off."""
    del turn.venue.cancel_after[timer.subject]
    _cancel_own(turn, Which(account=timer.subject), Reason.BY_CANCEL_AFTER)


def _cancel_own(turn: Turn, which: Which, reason: Reason) -> None:
    """In one go where every book allows it, else book by book, by instrument."""
    own = turn.hot.orders_of(which.account)
    if which.instrument:
        own = own[own["instrument"] == which.instrument]
    if which.side != SIDE_BOTH:
        own = own[own["side"] == which.side]
    books = sorted({int(instrument) for instrument in own["instrument"]})
    free = [instrument for instrument in books if turn.hot.phase(instrument) in CANCEL_PHASES]
    parts = [which] if free == books else [which._replace(instrument=instrument) for instrument in free]
    ended = [turn.cancel(part, reason) for part in parts]
    orders = sum(part.orders for part in ended)
    _report(turn, which, reason, orders, sum(part.lots for part in ended), len(own) - orders)


def _report(turn: Turn, which: Which, reason: Reason, orders: int, lots: int, stay: int) -> None:
    """One for the whole; more lots than an event holds are told as SIDE_TOTAL_LOTS_MAX."""
    turn.emit(
        EventKind.MASS_CANCELLED, account=which.account, instrument=which.instrument, reason=reason, qty=orders,
        leaves=min(lots, SIDE_TOTAL_LOTS_MAX), order=stay,
    )  # fmt: skip
