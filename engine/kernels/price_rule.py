"""The switches of a call auction's price: every rule set is one `PriceRule`, read by the kernel and by its oracle.

The ladder is the same for all: greatest volume, least surplus, pressure, last step. A rule set says which prices may
stand (grid), whether the two middle steps are taken, and what decides among the prices that are left.
"""

from __future__ import annotations

from typing import NamedTuple

BPS = 10_000  # basis points in one


class PriceRule(NamedTuple):
    """One row of switches, as plain integers so that a kernel takes it whole."""

    grid: int  # Grid
    least_surplus: int  # 1: of the prices of greatest volume keep those of least |surplus|; 0: keep them all
    pressure: int  # Pressure
    band_bps: int  # half-width of the band of Pressure.BANDED, of the reference
    last: int  # LastStep
