"""The orders at one margin share what is left for them. Rule: engine/domain/sharing_rule.py."""

from __future__ import annotations

import numpy as np

from engine.codes import ProRata, Rest
from engine.kernels.compiled import kernel, step
from engine.kernels.price_rule import BPS

_INT64_MAX = 2**63 - 1


@step
def share_floor(part, whole, total):
    """floor(part * whole / total) without a wider integer, for 0 <= part, 0 <= whole <= total <= 2**62, total > 0."""
    quotient, rest = np.int64(0), np.int64(0)
    for bit in range(62, -1, -1):
        quotient, rest = quotient * 2, rest * 2
        if rest >= total:
            quotient, rest = quotient + 1, rest - total
        if (part >> bit) & 1:
            rest += whole
            if rest >= total:
                quotient, rest = quotient + 1, rest - total
    return quotient


@step
def percentage_up(part, total):
    """part as a share of total in hundredths of a percent, rounded up, for 0 < part <= total <= 2**62.

    Rule: 31 CFR 356.20 (a)(2): the percentage at the margin is rounded up to the next hundredth of a percent.
    """
    return BPS - share_floor(BPS, total - part, total)


@step
def proportional(qty, lots, total, given, percent, rule):
    """The proportional part of an order.

    lots, total  int64  what is shared, 0 < lots < total; what all that share it want
    given        int64  of `lots`, to the orders before this one
    percent      int64  percentage_up(lots, total), read by PERCENT_UP

    FLOOR       the exact proportion, rounded down to a multiple of the lot; nothing below the least
    PERCENT_UP  the quantity times the percentage, rounded up to a multiple of the lot, as long as there is any left
    """
    if rule.pro_rata == ProRata.PERCENT_UP:
        share = -(-qty * percent // BPS)
        share = min(min(share + (rule.lot - share % rule.lot) % rule.lot, qty), lots - given)
    else:
        share = qty * lots // total if qty <= _INT64_MAX // lots else share_floor(qty, lots, total)
        share -= share % rule.lot
    return share if share >= rule.least else np.int64(0)


@step
def _share_proportionally(orders, first, last, lots, total, rule, qty, fills):
    """Each order's proportional part of `lots`, of orders[first:last] with `total` lots. Returns the lots given."""
    given = np.int64(0)
    percent = np.int64(0)
    if rule.pro_rata == ProRata.PERCENT_UP:
        percent = percentage_up(lots, total)
    for place in range(first, last):
        order = orders[place]
        fills[order] = proportional(qty[order], lots, total, given, percent, rule)
        given += fills[order]
    return given


@step
def _share_group(orders, first, last, left, total, rule, qty, fills):
    """Share `left` lots among orders[first:last], which have `total` lots in all and more than `left`."""
    for place in range(first, last):
        fills[orders[place]] = 0
    if rule.top_first:
        top = orders[first]
        fills[top] = min(qty[top], left)
        left -= fills[top]
        total -= qty[top]
        first += 1
    if rule.pro_rata != ProRata.NONE and left > 0:
        left -= _share_proportionally(orders, first, last, left, total, rule, qty, fills)
    if rule.rest == Rest.NOBODY:
        return left
    while left > 0:
        for place in range(first, last):
            order = orders[place]
            more = min(qty[order] - fills[order], left)
            if rule.rest == Rest.LOT_EACH:
                more = min(more, rule.lot)
            fills[order] += more
            left -= more
            if left == 0:
                break
    return left


@kernel
def share_margin(orders, block, qty, left, rule, fills):
    """Share `left` lots among the orders at one margin. Returns the lots that the rule leaves to nobody.

    orders  in   int64[m]  places of the orders, in arrival order
    block   in   int64[n]  time block of every order, not falling over `orders`; read when the rule is by block
    qty     in   int64[n]  lots
    left    in   int64     lots to share, at most what the orders have
    rule    in   SharingRule
    fills   out  int64[n]  lots of those orders
    """
    first = 0
    while first < orders.size:
        last, total = first, np.int64(0)
        while last < orders.size and (not rule.by_block or block[orders[last]] == block[orders[first]]):
            total += qty[orders[last]]
            last += 1
        if left >= total:
            for place in range(first, last):
                fills[orders[place]] = qty[orders[place]]
            left -= total
        else:
            over = _share_group(orders, first, last, left, total, rule, qty, fills)
            for place in range(last, orders.size):
                fills[orders[place]] = 0
            return over
        first = last
    return left
