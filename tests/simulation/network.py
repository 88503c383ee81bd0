"""The way between one client and the venue: messages are lost, come twice, come late, and overtake each other.

A message that is late stands for one of an earlier connection that arrives after its client has come back.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation.loop import SimLoop
from tests.simulation.storm import Network

A_SECOND = 4_000  # messages at the usual pace


class Way:
    def __init__(self, loop: SimLoop, chance: Random, network: Network) -> None:
        self.loop, self.chance, self.network = loop, chance, network
        self._last_arrival = 0.0

    def send(self, deliver: Callable[..., object], *args: object) -> None:
        """One message, either way. What is delivered must be bytes or copies: nobody alters it on the way."""
        if self.chance.random() < self.network.loss:
            return
        self._post(deliver, args)
        if self.chance.random() < self.network.double:
            self._post(deliver, args)

    def _post(self, deliver: Callable[..., object], args: tuple) -> None:
        now = self.loop.time()
        if self.chance.random() < self.network.late:
            self.loop.call_at(now + self.chance.uniform(0.0, self.network.late_seconds), deliver, *args)
            return
        self._last_arrival = max(self._last_arrival + 1e-6, now + self.chance.expovariate(A_SECOND))
        self.loop.call_at(self._last_arrival, deliver, *args)
