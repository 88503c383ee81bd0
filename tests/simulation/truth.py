"""What was so, whoever tells it: books by version, public trades by number, and who owns which secret."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from engine.domain.units import ticks_to_text
from tests.simulation.server import Sides

AMOUNTS = ("price", "qty", "leaves")


class Books:
    """All levels of each instrument at each version that its feed ever gave."""

    def __init__(self, violated: Callable[[str], Exception]) -> None:
        self._violated = violated
        self._sides: dict[tuple[int, int], Sides] = {}
        self._begun: dict[tuple[int, int], list[Sides]] = {}

    def tell(self, instrument: int, version: int, sides: Sides) -> None:
        known = self._sides.setdefault((instrument, version), sides)
        if known != sides:
            raise self._violated(f"book {instrument} is told as version {version} and is another one")

    def begin(self, instrument: int, version: int, sides: Sides) -> None:
        """A reader begins between two versions: a channel without another reader begins with what is so just then."""
        self._begun.setdefault((instrument, version), []).append(sides)

    def at(self, instrument: int, version: int, depth: int) -> Sides | None:
        sides = self._sides.get((instrument, version))
        return None if sides is None else (sides[0][:depth], sides[1][:depth])

    def begun(self, instrument: int, version: int, depth: int) -> list[Sides]:
        """All that a snapshot of that version may show."""
        found = self._begun.get((instrument, version), [])
        at = self.at(instrument, version, depth)
        return [(bids[:depth], asks[:depth]) for bids, asks in found] + ([] if at is None else [at])


class Trades:
    """Public trades by symbol and number: the same for whoever hears of one."""

    def __init__(self, violated: Callable[[str], Exception]) -> None:
        self._violated = violated
        self.told: dict[tuple[str, int], tuple] = {}

    def tell(self, symbol: str, number: int, trade: tuple) -> None:
        if self.told.setdefault((symbol, number), trade) != trade:
            raise self._violated(f"trade {number} of {symbol} is told in two ways")


class Secrets:
    """Values that only their owner may ever see: maxima of proxy bids, hashes of keys."""

    def __init__(self, violated: Callable[[str], Exception]) -> None:
        self._violated = violated
        self._maxima: dict[int, int] = {}  # ticks, owner
        self._texts: dict[bytes, int] = {}  # as bytes and text, owner

    def add_maximum(self, owner: int, ticks: int, tick_size: str) -> None:
        self._maxima[ticks] = owner
        for text in (str(ticks), ticks_to_text(ticks, Fraction(tick_size))):
            self._texts[text.encode()] = owner

    def add_key(self, key_hash: bytes) -> None:
        self._texts[key_hash.hex().encode()] = 0
        self._texts[repr(key_hash)[2:-1].encode()] = 0

    def check_rows(self, events: np.ndarray, where: str, reader: int = 0) -> None:
        """EVENT[n] as `reader` sees them, 0: somebody else."""
        if not self._maxima:
            return
        for name in AMOUNTS:
            for value in self._maxima.keys() & set(events[name].tolist()):
                if self._maxima[value] != reader:
                    raise self._violated(f"a maximum of account {self._maxima[value]} is told to {where}")

    def check_bytes(self, raw: bytes, where: str, reader: int = 0) -> None:
        for text, owner in self._texts.items():
            if text in raw and (owner != reader or not owner):
                raise self._violated(f"a secret of account {owner} is told to {where}")
