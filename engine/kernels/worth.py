"""What an order is worth: of one lot, before the multiplier, |price|; unpriced, the wider end of the declared range."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import step
from engine.kernels.constants import NOTIONAL_MAX, UNPRICED

SMALL = 2**31  # two factors below it cannot reach NOTIONAL_MAX


@step
def unpriced_worth(b):
    """Of a book row."""
    return max(abs(np.int64(b.price_min)), abs(np.int64(b.price_max)))


@step
def worth_of(s, slot):
    """Of an open order as it is now. A stop that becomes a market order is unpriced from the start."""
    o = s.orders[slot]
    if o.flags & UNPRICED:
        return unpriced_worth(s.books[o.instrument])
    return abs(np.int64(o.price))


@step
def notional_fits(worth, multiplier, qty):
    """Whether worth x multiplier x qty <= NOTIONAL_MAX; no product here can overflow."""
    unit = worth * multiplier
    if unit < SMALL and qty < SMALL:
        return True
    return unit == 0 or qty <= NOTIONAL_MAX // unit
