"""What goes wrong in one seed, and which parts of the venue run in it.

Drawn once. A part is left out by chance, so that most seeds are quick; each fault has its own chance of being off, so
that a seed is not only noise: faults that always come together hide each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.simulation.disk import Faults

Mode = Literal["safety", "liveness"]


@dataclass
class Network:
    """Rates per message."""

    loss: float = 0.0
    double: float = 0.0
    late: float = 0.0  # overtaken by what was sent after it
    late_seconds: float = 0.05

    def calm(self) -> None:
        self.loss = self.double = self.late = 0.0


@dataclass
class Storm:
    # Faults, until `calm`
    serve: Faults  # of the serving process at its disk calls
    follow: Faults  # of the follower
    network: Network
    serve_kills: float  # a second
    follow_kills: float
    sink_kills: float
    sink_crash_rate: float  # of steps between two statements of the store
    rot: float  # chance that a bit rots while the serving process is down
    fills_up: bool  # the disk is full for a while
    leaps: float  # of the clock while the venue runs, a second; it also stands still
    # Parts
    feeds: bool
    screens: int  # readers of the feeds
    slow_screens: float  # chance that a screen is one that often lags
    store: bool
    snapshot_every: int  # commands
    tends: float  # chance that a step of the follower compresses a slice of a closed event segment
    twice: bool  # at the end the log is replayed in other records and by the oracle, too
    # How it ends
    mode: Mode
    calm_at: float = field(default=float("inf"))  # seconds after the opening, liveness only

    @classmethod
    def draw(cls, chance: Random, mode: Mode) -> Storm:
        feeds = chance.random() < 0.5
        return cls(
            serve=Faults(chance.choice((0.0, 0.0, 0.002, 0.01)), chance.choice((0.0, 0.0, 0.0005, 0.002))),
            follow=Faults(chance.choice((0.0, 0.0, 0.01)), chance.choice((0.0, 0.0, 0.002))),
            network=Network(
                loss=chance.choice((0.0, 0.04, 0.04, 0.1)),
                double=chance.choice((0.0, 0.05, 0.1)),
                late=chance.choice((0.0, 0.0, 0.05, 0.2)),
            ),
            serve_kills=chance.choice((0.0, 2.0, 6.0)),
            follow_kills=chance.choice((0.0, 0.0, 2.0, 8.0)),
            sink_kills=chance.choice((0.0, 0.0, 4.0)),
            sink_crash_rate=chance.choice((0.0, 0.0, 0.003)),
            rot=chance.choice((0.0, 0.0, 0.3)),
            fills_up=chance.random() < 0.15,
            leaps=chance.choice((0.0, 0.0, 3.0)),
            feeds=feeds,
            screens=chance.randint(1, 3) if feeds else 0,
            slow_screens=chance.choice((0.0, 0.5)),
            store=chance.random() < 0.5,
            snapshot_every=chance.choice((30, 80, 10**9)),
            tends=chance.choice((0.05, 0.5)),
            twice=chance.random() < 0.5,
            mode=mode,
            calm_at=chance.uniform(0.1, 0.5) if mode == "liveness" else float("inf"),
        )

    def calm(self) -> None:
        """No more faults: what runs is left alone, and the disk does what it is asked."""
        self.serve.clear()
        self.follow.clear()
        self.network.calm()
        self.serve_kills = self.follow_kills = self.sink_kills = self.sink_crash_rate = self.rot = self.leaps = 0.0
        self.fills_up = False
