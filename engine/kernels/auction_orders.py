"""Orders for one uncross (tif AT_AUCTION), a list for each book, so that its uncross finds them and walks no others.

The list runs through rows of State.extras, newest first; a link is one more than the row, so that zero is nothing.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, rare


@rare
def enter_auction(s, extra):
    """Enter a row whose `order` is set: an order whose tif has become AT_AUCTION."""
    x = s.extras[extra]
    book = s.books[s.orders[x.order & 0xFFFFFFFF].instrument]
    x.auction_prev = 0
    x.auction_next = book.at_auction
    if book.at_auction > 0:
        s.extras[book.at_auction - 1].auction_prev = extra + 1
    book.at_auction = extra + 1


@rare
def leave_auction(s, extra):
    """Take a row out, while its order still has its instrument: it ends, or its tif is another."""
    x = s.extras[extra]
    if x.auction_next > 0:
        s.extras[x.auction_next - 1].auction_prev = x.auction_prev
    if x.auction_prev > 0:
        s.extras[x.auction_prev - 1].auction_next = x.auction_next
    else:
        s.books[s.orders[x.order & 0xFFFFFFFF].instrument].at_auction = x.auction_next


@kernel
def auction_orders(s, instrument, out):
    """Ids of a book's orders for one uncross, in no order. Returns how many there are; writes as many as fit.

    out  out  int64[n]
    """
    count = 0
    row = np.int64(s.books[instrument].at_auction)
    while row > 0:
        x = s.extras[row - 1]
        if count < len(out):
            out[count] = x.order
        count += 1
        row = np.int64(x.auction_next)
    return count
