"""What an account may do and how much: group, class, freeze, limits by currency, deposited lots."""

from __future__ import annotations

from msgspec import structs

from engine.codes import AccountFlag, EventKind, Reason
from engine.limits import ACCOUNT_LIMITS_MAX
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.hot import Which
from engine.state.venue import AccountLimits


def set_account(turn: Turn, body: bodies.SetAccount) -> Reason:
    """Change what is said. A frozen account keeps its open orders unless they are cancelled with it."""
    old = turn.venue.accounts.get(body.account)
    if old is None:
        return Reason.ACCOUNT_UNKNOWN
    said = {"group": body.group, "coop": body.coop, "frozen": body.frozen}
    new = structs.replace(old, **{name: value for name, value in said.items() if value is not None})
    if body.cancel and not new.frozen:
        return Reason.BODY_INVALID
    which = Which(account=body.account)
    if (new.group, new.coop) != (old.group, old.coop) and turn.hot.has_orders(which):
        return Reason.ORDERS_OPEN
    turn.venue.accounts[body.account] = new
    turn.hot.set_account(body.account, frozen=new.frozen, group=new.group, coop=new.coop)
    orders = turn.cancel(which, Reason.BY_OPERATOR).orders if body.cancel else 0
    flags = new.frozen * AccountFlag.FROZEN | new.coop * AccountFlag.COOP
    turn.emit(EventKind.ACCOUNT_SET, account=body.account, order=new.group, qty=orders, leaves=flags)
    return Reason.NONE


def set_limits(turn: Turn, body: bodies.SetLimits) -> Reason:
    """From now on; what is open already stays, whatever it is worth."""
    venue = turn.venue
    if body.account not in venue.accounts:
        return Reason.ACCOUNT_UNKNOWN
    currency = venue.currencies.get(body.currency)
    if currency is None:
        return Reason.CURRENCY_UNKNOWN
    key, new = (body.account, currency), AccountLimits(body.buy_max, body.sell_max, body.orders_max)
    if any(structs.astuple(new)):
        if key not in venue.account_limits and len(venue.account_limits) >= ACCOUNT_LIMITS_MAX:
            return Reason.LIMIT_REACHED
        venue.account_limits[key] = new
    else:
        venue.account_limits.pop(key, None)
    turn.hot.set_limits(*key, **structs.asdict(new))
    turn.emit(
        EventKind.LIMITS_SET, account=body.account, instrument=currency, qty=new.buy_max, leaves=new.sell_max,
        order=new.orders_max,
    )  # fmt: skip
    return Reason.NONE


def deposit(turn: Turn, body: bodies.Deposit) -> Reason:
    """Lots that open sells promise cannot be taken out."""
    if body.account not in turn.venue.accounts:
        return Reason.ACCOUNT_UNKNOWN
    listing = turn.venue.instruments.get(body.instrument)
    if listing is None:
        return Reason.INSTRUMENT_UNKNOWN
    if not listing.deposit:
        return Reason.STOCK_NOT_KEPT
    if body.lots == 0:
        return Reason.QTY_RANGE
    if not turn.hot.add_stock(body.account, body.instrument, body.lots):
        return Reason.STOCK_SHORT if body.lots < 0 else Reason.SIDE_TOTAL_RANGE
    lots, _ = turn.hot.stock_of(body.account, body.instrument)
    turn.emit(EventKind.DEPOSITED, account=body.account, instrument=body.instrument, qty=body.lots, leaves=lots)
    return Reason.NONE
