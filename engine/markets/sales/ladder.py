"""Increments by price: the ladder of valid bids is made by stepping the table from the opening price.

A row holds from its start on, that price included, to where the next begins: with rows from 0 by 5, from 101 by 10,
the bid after 100 is 105, the bid after 150 is 160.
"""

from __future__ import annotations

import itertools

from engine.messages.sales.english import Step

Table = tuple[Step, ...]


def rises(table: Table, lowest: int) -> bool:
    """The table names an increment for every price from `lowest`, its rows in rising order."""
    starts = [row.start for row in table]
    return starts[0] <= lowest and all(low < high for low, high in itertools.pairwise(starts))


def next_bid(table: Table, price: int) -> int:
    """The rung after `price`, which is one."""
    for row in reversed(table):
        if row.start <= price:
            return price + row.increment
    raise AssertionError("the table begins at or below every opening price")


def is_rung(table: Table, opening: int, price: int) -> bool:
    """`price` is reached from `opening` by the table's steps."""
    if price < opening:
        return False
    at = opening
    for row, after in zip(table, [*table[1:], None], strict=True):
        if after is not None and after.start <= at:
            continue  # no rung lies in this row
        if after is None or price < after.start:
            return (price - at) % row.increment == 0 and price >= at
        at += -((at - after.start) // row.increment) * row.increment  # the first rung that the next row decides
    raise AssertionError("the last row has no end")
