"""Terms of an order that say more than a plain one: its extension row, and what goes together with what.

     type             tif           flags (and STP_GROUP, when stp is not none)        of the extension
     limit            all           POST_ONLY [SLIDE] (gtc, day, gtd) | ALL_OR_NONE    min_qty
     market           all           ALL_OR_NONE                                        min_qty
     market_to_limit  all           ALL_OR_NONE                                        min_qty
     stop             gtc day gtd                                                      stop_price
     stop_limit       gtc day gtd                                                      stop_price
     iceberg          gtc day gtd   POST_ONLY [SLIDE]                                  display_qty

POST_ONLY excludes min_qty, and so does ALL_OR_NONE. at_auction takes neither flags nor min_qty. Only gtd has expire_at.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step
from engine.kernels.constants import (
    ALL_OR_NONE,
    AMEND,
    AT_AUCTION,
    CANCEL,
    EXTENSION_INVALID,
    FOK,
    GTD,
    ICEBERG,
    IOC,
    MARKET,
    MARKET_TO_LIMIT,
    NEW,
    POST_ONLY,
    REF_DIGEST,
    REF_INVALID,
    REF_TEXT,
    SLIDE,
    STOP,
    STOP_LIMIT,
    STP_GROUP,
    STP_NONE,
)

ZERO = np.uint64(0)


@step
def is_unpriced_type(type_):
    return type_ >= MARKET and type_ <= STOP  # market, market_to_limit, stop


@step
def is_stop_type(type_):
    return type_ >= STOP and type_ <= STOP_LIMIT


assert (MARKET, MARKET_TO_LIMIT, STOP, STOP_LIMIT) == (1, 2, 3, 4)


@rare
def extension_reason(r, extensions):
    """Why a row's extension may not stand there; 0 when it may, and when there is none."""
    number = np.int64(r.extension)
    if number == 0:
        return 0
    if r.kind == CANCEL or number > len(extensions):
        return EXTENSION_INVALID
    x = extensions[number - 1]
    others = np.int64(x.principal) | np.int64(x.group)
    for i in range(3):
        others |= np.int64(x.reserved[i])
    if r.kind == AMEND:
        others |= x.display_qty | x.min_qty | np.int64(x.stop_price) | x.expire_at
    if others != 0:
        return EXTENSION_INVALID
    names_target = x.target_form != 0 or x.target_hi != ZERO or x.target_lo != ZERO
    if r.kind == NEW or r.order != 0:
        return EXTENSION_INVALID if names_target else 0
    if x.target_form != REF_TEXT and x.target_form != REF_DIGEST:
        return REF_INVALID
    return 0


@step
def extension_terms(r, extensions):
    """(display_qty, min_qty, stop_price, expire_at, valid_until) of a row; zeros without an extension."""
    if r.extension == 0:
        return np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    x = extensions[np.int64(r.extension) - 1]
    return (
        np.int64(x.display_qty),
        np.int64(x.min_qty),
        np.int64(x.stop_price),
        np.int64(x.expire_at),
        np.int64(x.valid_until),
    )


@rare
def terms_conflict(r, extensions):
    """Whether what a NEW or REPLACE says does not go together; the table above."""
    display_qty, min_qty, stop_price, expire_at, _ = extension_terms(r, extensions)
    flags, tif = np.int64(r.flags), np.int64(r.tif)
    is_stop, is_iceberg = is_stop_type(r.type), r.type == ICEBERG
    can_wait = tif != IOC and tif != FOK and tif != AT_AUCTION
    if (is_stop or is_iceberg) and not can_wait:
        return True
    if flags & POST_ONLY and (is_unpriced_type(r.type) or is_stop or not can_wait):
        return True
    if flags & ALL_OR_NONE and (is_stop or is_iceberg):
        return True
    if flags & SLIDE and not flags & POST_ONLY:
        return True
    if flags & POST_ONLY and (flags & ALL_OR_NONE or min_qty != 0):
        return True
    if flags & ALL_OR_NONE and min_qty != 0:
        return True
    if tif == AT_AUCTION and (flags & ~STP_GROUP != 0 or min_qty != 0):
        return True
    if flags & STP_GROUP and r.stp == STP_NONE:
        return True
    if expire_at != 0 and tif != GTD:
        return True
    if (stop_price != 0 and not is_stop) or (display_qty != 0 and not is_iceberg):
        return True
    return min_qty != 0 and (is_stop or is_iceberg)
