"""How the orders at one margin share what is left for them, by the rules. Twin of `engine/kernels/sharing.py`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from math import ceil, floor

from engine.codes import ProRata, Rest
from engine.domain.sharing_rule import SharingRule


def _percentage_up(part: int, total: int) -> Fraction:
    """Rounded up to the next hundredth of a percent."""
    return Fraction(ceil(Fraction(part, total) * 10_000), 10_000)


def _proportional(quantities: Sequence[int], lots: int, rule: SharingRule) -> list[int]:
    """Each order's proportional part, before anything is done with the rest."""
    if rule.pro_rata == ProRata.NONE or lots == 0:
        return [0] * len(quantities)
    shares: list[int] = []
    for qty in quantities:
        if rule.pro_rata == ProRata.FLOOR:
            share = floor(Fraction(qty * lots, sum(quantities)) / rule.lot) * rule.lot
        else:
            share = ceil(qty * _percentage_up(lots, sum(quantities)))
            share = min(ceil(Fraction(share, rule.lot)) * rule.lot, qty, lots - sum(shares))
        shares.append(share if share >= rule.least else 0)
    return shares


def share_group(quantities: Sequence[int], lots: int, rule: SharingRule) -> list[int]:
    """Shares of orders in arrival order, of which all together want more than `lots`."""
    if rule.top_first:
        top = min(quantities[0], lots)
        return [top, *share_group(quantities[1:], lots - top, rule._replace(top_first=0))]
    shares = _proportional(quantities, lots, rule)
    if rule.rest == Rest.BY_TIME:
        for place, qty in enumerate(quantities):
            shares[place] += min(qty - shares[place], lots - sum(shares))
    if rule.rest == Rest.LOT_EACH:
        while sum(shares) < lots:
            for place, qty in enumerate(quantities):
                shares[place] += min(rule.lot, qty - shares[place], lots - sum(shares))
    return shares


def share_margin(quantities: Sequence[int], blocks: Sequence[int], lots: int, rule: SharingRule) -> list[int]:
    """Shares of the orders at one margin, in arrival order."""
    groups = [list(quantities)]
    if rule.by_block:
        paired = zip(blocks, quantities, strict=True)
        groups = [[qty for _, qty in group] for _, group in groupby(paired, lambda pair: pair[0])]
    shares: list[int] = []
    for group in groups:
        left = lots - sum(shares)
        full = left >= sum(group)
        shares += group if full else share_group(group, left, rule)
        if not full and rule.rest == Rest.NOBODY:
            lots = sum(shares)  # what the block that is cut leaves over goes to no later one either
    return shares
