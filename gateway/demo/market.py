"""What the season's clients believe: a fair value for each instrument, moving slowly around its reference.

Exact and repeatable: chance comes out of text seeds, arithmetic is on integers, time is whole seconds of the season.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import NamedTuple

from engine.codes import Phase
from gateway.config import Config

PPM = 1_000_000
# (period in seconds, swing in parts per million) of the waves that move a fair value around its reference.
WAVES = ((150, 2_000), (700, 5_000), (2_600, 9_000))


class Good(NamedTuple):
    """An instrument as its traders see it."""

    symbol: str
    instrument: int
    reference_ticks: int
    step_ticks: int  # prices are written in such steps: traders like round numbers


def goods(config: Config) -> dict[str, Good]:
    """Instruments with a reference, by symbol."""
    return {
        listing.body.symbol: Good(
            listing.body.symbol,
            listing.body.instrument,
            listing.body.reference,
            max(1, listing.body.reference // 4_000),
        )
        for listing in config.instruments
        if listing.body.reference is not None
    }


def chance(*parts: object) -> Random:
    """A source of chance of its own for every (seed, account, step)."""
    return Random("/".join(str(part) for part in parts))


@lru_cache(maxsize=65_536)
def _knot(seed: int, symbol: str, period: int, number: int) -> int:
    return chance(seed, symbol, period, number).randint(-PPM, PPM)


def fair_ticks(good: Good, seed: int, second: int) -> int:
    """Fair value: the reference times one plus a few slow waves, each a straight line between chance knots."""
    shift_ppm = 0
    for period, swing_ppm in WAVES:
        number, into = divmod(second, period)
        before, after = _knot(seed, good.symbol, period, number), _knot(seed, good.symbol, period, number + 1)
        shift_ppm += swing_ppm * (before * (period - into) + after * into) // (period * PPM)
    return max(1, good.reference_ticks + good.reference_ticks * shift_ppm // PPM)


def priced(good: Good, fair: int, away_ppm: int) -> int:
    """A price `away_ppm` above (or below) fair value, on a round step."""
    ticks = fair + fair * away_ppm // PPM
    return max(good.step_ticks, round(ticks / good.step_ticks) * good.step_ticks)


TRADING = frozenset({Phase.PRE_OPEN, Phase.CALL, Phase.NO_CANCEL, Phase.CONTINUOUS})
