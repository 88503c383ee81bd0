"""The switches of margin sharing: how the orders at the last price of a side that trades share what is left for them.

Orders better than the margin fill in full under every rule. The rows and their sources: engine/markets/rule_sets.py.
"""

from __future__ import annotations

from typing import NamedTuple


class SharingRule(NamedTuple):
    """One row of switches, as plain integers so that a kernel takes it whole."""

    by_block: int  # 1: whole time blocks in their order; only the block that is cut is shared by what follows
    top_first: int  # 1: the earliest order is filled before the others share, and is left out of their total
    pro_rata: int  # ProRata
    lot: int  # proportional shares are multiples of it, >= 1
    least: int  # a proportional share below it is nothing
    rest: int  # Rest: who gets what the proportion left over


BY_TIME = SharingRule(0, 0, 0, 1, 1, 1)  # ProRata.NONE, Rest.BY_TIME
