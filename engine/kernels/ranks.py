"""Ranks: prices of a side as numbers of which the lower is the better one."""

from __future__ import annotations

from engine.kernels.compiled import step
from engine.kernels.constants import SELL


@step
def rank_of(side, price):
    """Rank of a price in a book without classes; and the price of such a rank."""
    return price if side == SELL else -price


@step
def rank_in(s, v, side, price, account):
    """Rank of an order in the side `v`, which may have two levels a price: co-ops, then the others."""
    rank = rank_of(side, price)
    if v.classes:
        rank = 2 * rank + 1 - s.accounts[account].coop
    return rank


@step
def limit_in(v, side, price):
    """The worst rank of side `v` that is no worse than `price`."""
    return (rank_of(side, price) << v.classes) + v.classes


@step
def price_in(v, side, rank):
    """Price of a rank of side `v`."""
    return rank_of(side, rank >> v.classes)


@step
def stop_rank(side, stop_price):
    """Rank of a waiting stop: of buys the lowest stop price is elected first, of sells the highest."""
    return rank_of(1 - side, stop_price)
