"""What open orders take of their account's limits and stock: worth by currency, orders by currency, lots promised.

An order for which anything of that is counted is HELD; the others pay one test of their account and book.
"""

from __future__ import annotations

from engine.kernels.compiled import rare, step
from engine.kernels.constants import DEPOSIT, DONE


@step
def is_watched(s, account, instrument):
    """Whether orders of the account in this book may concern limits or stock at all."""
    return s.accounts[account].limited != 0 or s.books[instrument].flags & DEPOSIT != 0


@rare
def holdings_room(s, account, instrument):
    """NEED_LIMITS or NEED_STOCKS when an order of the account there would not find room for a row; else DONE."""
    return DONE


@rare
def holding_reason(s, account, instrument, side, worth, qty, target):
    """Check 21 of a new order, or of what `target` (its slot; -1: none) is to become. Returns a reason or 0.

    worth  int64  of one lot by its price, less the multiplier: |price|, or the bound of unpriced orders
    qty    int64  open lots it will have
    """
    return 0


@rare
def begin_holding(s, slot):
    """Count a new order, whose account, instrument, side and price are set: HELD when anything is. No lots yet."""


@rare
def hold(s, slot, qty):
    """A HELD order has `qty` open lots more, worth what its row says."""


@rare
def release(s, slot, qty):
    """A HELD order has `qty` open lots less."""


@rare
def end_holding(s, slot):
    """A HELD order ends; its lots were released before."""


@rare
def move_lots(s, instrument, seller, buyer, qty):
    """A fill in a book of deposits: lots go from seller to buyer, whose row is there since its order came."""
