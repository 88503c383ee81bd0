"""The switches of a call auction's price: every rule set is one `PriceRule`, read by the kernel and by its oracle.

The ladder is the same for all: greatest volume, least surplus, pressure, last step. A rule set says which prices may
stand (grid), whether the two middle steps are taken, and what decides among the prices that are left.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

BPS = 10_000  # basis points in one


class Grid(IntEnum):
    """Which prices are candidates. Where no order has a limit, the reference is the only one, whatever the grid."""

    LIMITS = 0  # limits of orders
    LIMITS_AND_REFERENCE = 1
    TICKS = 2  # every tick from the lowest to the highest limit
    TICKS_AND_REFERENCE = 3  # every tick from the lowest to the highest of all limits and the reference
    OVERLAP = 4  # limits from the best sell to the best buy; the reference alone when these do not cross


class Pressure(IntEnum):
    """What a surplus that is on one side at every candidate left does to the price."""

    NONE = 0
    FULL = 1  # buy: highest candidate; sell: lowest
    BANDED = 2  # the same, but no further than `band_bps` from the reference; without a reference as FULL


class LastStep(IntEnum):
    """How one price is taken from those that are left.

    CLAMP and NEAREST need a reference. Without one the middle of what is left stands, half a tick rounded down.
    """

    CLAMP = 0  # narrow to [highest with buy surplus, lowest with sell surplus] if both are there; clamp the reference
    NEAREST = 1  # candidate nearest to the reference, the higher of two as near
    NEAREST_OR_REFERENCE = 2  # the same, but the reference itself when it is half-way between two
    MIDPOINT = 3  # middle of the lowest and the highest, half a tick rounded down
    HIGHEST = 4
    LOWEST = 5


class PriceRule(NamedTuple):
    """One row of switches, as plain integers so that a kernel takes it whole."""

    grid: int
    least_surplus: int  # 1: of the prices of greatest volume keep those of least |surplus|; 0: keep them all
    pressure: int
    band_bps: int  # half-width of the band of Pressure.BANDED, of the reference
    last: int
