"""Where an uncross stands on each of its sides: kept while a kernel that fills its buffer is called again and again."""

from __future__ import annotations

import numpy as np

NOTHING = -1

CALL_SIDE = np.dtype(
    [
        ("left", "<i8"),  # lots to hand out from here on, without `allotted`
        ("level", "<i8"),  # that is handed out; NOTHING before the first
        ("slot", "<i8"),  # order of it that trades, or is next to be looked at; NOTHING: none
        ("allotted", "<i8"),  # lots that it has still to trade
        # A level that wants more than is left shares it.
        ("total", "<i8"),  # lots of the orders that share in proportion
        ("lots", "<i8"),  # shared by them
        ("given", "<i8"),  # of `lots`, so far
        ("rest", "<i8"),  # what the proportion leaves, still to be given
        ("top", "<i8"),  # lots of the order that comes before all proportion
        ("percent", "<i8"),  # of ProRata.PERCENT_UP
        ("is_shared", "u1"),  # 1: it is such a level
        ("in_front", "u1"),  # 1: all orders looked at so far are of the block in front
        (
            "front_fills",
            "u1",
        ),  # 1: the block in front fills in full and the others share; 0: it shares, others get nothing
        ("is_top", "u1"),  # 1: the next of those that share comes first
        ("spare", "u1", (4,)),
        # What the classes of a book change at the last limit of a side.
        ("class_price", "<i8"),
        ("class_lots", "<i8"),  # of co-ops there
        ("class_gain", "<i8"),  # of which for their class alone; 0: nothing to report
    ]
)

BUYS, SELLS, MERGED = 0, 1, 2  # rows; the last is scratch


def call_sides(volume: int) -> np.ndarray:
    """CALL_SIDE[3] of an uncross that has not begun."""
    sides = np.zeros(3, CALL_SIDE)
    sides["left"], sides["level"], sides["slot"] = volume, NOTHING, NOTHING
    return sides
