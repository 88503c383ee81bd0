"""How the orders of a book's level share less than they want, one after another in their queue.

The same rules as `engine/kernels/sharing.py`, for orders that are found by walking and may be trading already: what the
walk needs is summed once when the level is entered (`share_out`), and each order's part follows when its turn comes
(`next_share`). Two queues can be read as one, the older first: so a book with classes would share without them.

A time block is the run of orders at the front of the queue whose seq is below `block_seq`; the others are the second.
"""

from __future__ import annotations

import numpy as np

from engine.codes import ProRata, Rest
from engine.kernels.call_side import NOTHING
from engine.kernels.compiled import rare, step
from engine.kernels.sharing import percentage_up, proportional


@step
def older(s, one, other):
    """Of the first orders of two queues the one with the smaller seq; NOTHING when both are empty."""
    if one == NOTHING or (other != NOTHING and s.cold[other].seq <= s.cold[one].seq):
        return other
    return one


@step
def front_lots(s, slot, block_seq):
    """(lots of the block in front, the first order behind it)"""
    lots = np.int64(0)
    while slot != NOTHING and s.cold[slot].seq < block_seq:
        lots += s.orders[slot].qty
        slot = np.int64(s.orders[slot].next)
    return lots, slot


@rare
def share_out(s, c, one, other, total, left, rule, block_seq):
    """Begin to share `left` lots among the orders of two queues, which want `total` in all and more than `left`.

    c           CALL_SIDE  what `next_share` goes by
    one, other  int64      first orders of the queues; NOTHING: empty
    """
    c.is_shared = 1
    c.in_front = rule.by_block
    c.front_fills = c.is_top = 0
    c.top = c.given = c.percent = 0
    if rule.by_block:
        front_one, behind_one = front_lots(s, one, block_seq)
        front_other, behind_other = front_lots(s, other, block_seq)
        front = front_one + front_other
        if left >= front:
            c.front_fills = 1
            left -= front
            total -= front
            one, other = behind_one, behind_other
        else:
            total = front
    if rule.top_first and left > 0:
        slot = older(s, one, other)
        c.is_top = 1
        c.top = min(np.int64(s.orders[slot].qty), left)
        left -= c.top
        total -= s.orders[slot].qty
        if slot == one:
            one = np.int64(s.orders[one].next)
        else:
            other = np.int64(s.orders[other].next)
    c.total = total
    c.lots = left
    c.rest = left
    if rule.pro_rata == ProRata.NONE or left == 0:
        c.lots = 0
        return
    if rule.pro_rata == ProRata.PERCENT_UP:
        c.percent = percentage_up(left, total)
    given = np.int64(0)
    while one != NOTHING or other != NOTHING:
        slot = older(s, one, other)
        if rule.by_block and not c.front_fills and s.cold[slot].seq >= block_seq:
            break
        given += proportional(np.int64(s.orders[slot].qty), np.int64(c.lots), total, given, np.int64(c.percent), rule)
        if slot == one:
            one = np.int64(s.orders[one].next)
        else:
            other = np.int64(s.orders[other].next)
    c.rest = left - given


@step
def next_share(s, c, slot, rule, block_seq):
    """Lots of the next order of the queue, or of two read as one."""
    qty = np.int64(s.orders[slot].qty)
    if c.in_front and s.cold[slot].seq >= block_seq:
        c.in_front = 0
    if rule.by_block and c.in_front == c.front_fills:
        return qty if c.in_front else np.int64(0)
    if c.is_top:
        c.is_top = 0
        return np.int64(c.top)
    share = np.int64(0)
    if c.lots > 0:
        share = proportional(qty, np.int64(c.lots), np.int64(c.total), np.int64(c.given), np.int64(c.percent), rule)
        c.given += share
    more = min(qty - share, np.int64(c.rest))
    if rule.rest == Rest.LOT_EACH:
        more = min(more, rule.lot)
    c.rest -= more
    return share + more


@rare
def without_classes(s, c, coops, others, total, left, rule, block_seq):
    """Lots that co-ops would get at a limit if it were one queue.

    c              CALL_SIDE  scratch
    coops, others  int64      first orders of their queues
    total, left    int64      lots that all of them want; fewer, that there are
    """
    share_out(s, c, coops, others, total, left, rule, block_seq)
    plain = np.int64(0)
    while left > 0 and (coops != NOTHING or others != NOTHING):
        slot = older(s, coops, others)
        share = next_share(s, c, slot, rule, block_seq)
        left -= share
        if slot == coops:
            plain += share
            coops = np.int64(s.orders[coops].next)
        else:
            others = np.int64(s.orders[others].next)
    return plain
