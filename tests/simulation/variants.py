"""How the parts of the venue are made. A planted bug replaces one of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.log.event_writer import EventWriter
from engine.log.follow import LogReader
from engine.log.interface import Tail
from engine.log.local import LocalLog
from engine.machine import Machine
from engine.messages.views import account_view, public_view
from engine.state.hot import Hot
from gateway.market_data.channel import Later
from gateway.market_data.hub import Hub
from gateway.projections.sqlite import SqliteSink
from gateway.replaying import Standing, stand
from gateway.sequencer import Sequencer
from gateway.snapshots import keep
from tests.simulation.disk import SimFiles
from tests.simulation.env import SimEnv
from tests.simulation.server import CURVE_SECONDS
from tests.simulation.storm import Storm

if TYPE_CHECKING:
    from tests.simulation.follower import Follower
    from tests.simulation.world import World


Patch = tuple[Any, str, object]  # of what, name, value


class Variants:
    def __init__(self, world: World) -> None:
        self.world = world

    def storm(self, storm: Storm) -> Storm:
        """The seed's, or with what a bug needs to show."""
        return storm

    def patches(self) -> list[Patch]:
        """Names that are something else while the seed runs."""
        return []

    def open_log(self, files: SimFiles) -> LocalLog:
        return LocalLog.open(files, self.world.LOG, segment_bytes=self.world.SEGMENT_BYTES)

    def stand(
        self, files: SimFiles, log: LocalLog, make_hot: Callable[[], Hot], *, seq_max: int | None = None
    ) -> Standing:
        return stand(files, self.world.SNAPSHOTS, log, make_hot, seq_max=seq_max)

    def after_replay(self, machine: Machine) -> None:
        """Nothing is to be done."""

    def sequencer(self, env: SimEnv, log: LocalLog, machine: Machine, on_record: Callable) -> Sequencer:
        return Sequencer(env, log, machine, on_record)

    def hub(self, machine: Machine, epoch: int, started_ns: int, later: Later) -> Hub:
        return Hub(machine, epoch, started_ns, later, CURVE_SECONDS)

    def reader(self, files: SimFiles, tail: Tail) -> LogReader:
        return LogReader(files, self.world.LOG, tail=tail)

    def events(self, files: SimFiles) -> EventWriter:
        return EventWriter(files, self.world.EVENTS, segment_bytes=self.world.EVENT_SEGMENT_BYTES)

    def keep(self, follower: Follower) -> None:
        keep(follower.files, self.world.DATA, follower.take_snapshot())

    def sink(self, path: Path, step: Callable[[str], None]) -> SqliteSink:
        return SqliteSink(path, step=step)

    def public_view(self, events: np.ndarray) -> np.ndarray:
        """EVENT[k]: what everyone sees of a record's events."""
        return public_view(events)

    def answer_view(self, events: np.ndarray, account: int) -> np.ndarray:
        """EVENT[k]: what an account sees of the answer to its command."""
        return account_view(events, account)
