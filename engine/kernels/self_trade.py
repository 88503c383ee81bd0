"""Self-trade prevention: what happens between a taker and an order of its own; the taker's mode decides."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare, step
from engine.kernels.constants import CANCEL_MAKER, CANCEL_TAKER, CANCELLED, DECREMENT, REDUCED, SELF_TRADE, STP_NONE
from engine.kernels.events import emit_of_order
from engine.kernels.levels import find_level, next_rank
from engine.kernels.making import shown_of, take_lots
from engine.kernels.resting import cancel_resting, cancel_taker, lots_gone

NOTHING = -1
ENDED = -1  # lots left of a taker that is no more


@step
def is_own(s, account, other, whole_group):
    """Whether two accounts are one owner's."""
    if account == other:
        return True
    group = s.accounts[account].group
    return whole_group and group != 0 and group == s.accounts[other].group


@rare
def prevent(s, events, slot, side, level, maker_slot, left):
    """A taker with `left` lots meets its own order, first of a level. Returns its lots left, or ENDED.

    Writes one event or two, never more.
    """
    stp = s.meta[0].stp
    if stp == CANCEL_TAKER:
        cancel_taker(s, events, slot, left, SELF_TRADE)
        return np.int64(ENDED)
    if stp != DECREMENT:
        cancel_resting(s, events, maker_slot, SELF_TRADE)
        if stp == CANCEL_MAKER:
            return left
        cancel_taker(s, events, slot, left, SELF_TRADE)
        return np.int64(ENDED)
    lots = min(left, shown_of(s, maker_slot))
    open_lots = s.orders[maker_slot].qty - lots
    emit_of_order(s, events, REDUCED if open_lots > 0 else CANCELLED, maker_slot, lots, open_lots, SELF_TRADE)
    s.cold[maker_slot].entered_qty -= lots
    take_lots(s, side, level, maker_slot, lots)
    left -= lots
    if left == 0:
        cancel_taker(s, events, slot, lots, SELF_TRADE)
        return np.int64(ENDED)
    emit_of_order(s, events, REDUCED, slot, lots, left, SELF_TRADE)
    s.cold[slot].entered_qty -= lots
    lots_gone(s, slot, lots)
    return left


@rare
def tradable(s, side, limit, wanted, account):
    """Whether a taker could trade `wanted` lots on `side` up to rank `limit`, hidden ones included.

    With self-trade prevention, own orders count nothing where they would be cancelled; else what comes before the first
    of them counts, and there of an iceberg of the same level only what it shows.
    """
    m = s.meta[0]
    rank = np.int64(s.sides[side].best)
    while rank <= limit:
        level = find_level(s, side, rank)
        if m.stp == STP_NONE:
            wanted -= s.levels[level].total
        else:
            hidden, stopped = np.int64(0), False
            slot = np.int64(s.levels[level].head)
            lots = np.int64(0)
            while slot != NOTHING and not stopped:
                o = s.orders[slot]
                if not is_own(s, account, o.account, m.stp_group != 0):
                    lots += o.qty
                    hidden += o.qty - shown_of(s, slot)
                elif m.stp != CANCEL_MAKER:
                    stopped = True
                slot = np.int64(o.next)
            if stopped:
                return wanted - (lots - hidden) <= 0
            wanted -= lots
        if wanted <= 0:
            return True
        rank = next_rank(s, side, rank)
    return False
