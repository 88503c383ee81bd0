"""Commands for a venue that does not run: checked, written into its log, decided at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engine.codes import EventKind, Reason, name_of
from engine.log.local import LocalLog
from engine.machine import Machine
from engine.messages.batch import Batch
from engine.messages.body import Body
from engine.messages.rows import COMMAND
from gateway.config import batches
from gateway.replaying import open_log, rebuild
from gateway.sequencer import Stamp


class Stopped:
    """A venue's machine at the end of its log, and the log, which nobody else writes meanwhile."""

    def __init__(self, machine: Machine, log: LocalLog) -> None:
        self.machine, self.log = machine, log
        self._stamp: Stamp | None = None

    def do(self, bodies: list[Body]) -> list[str]:
        """The venue's own commands, at the time of the last record: no timer fires. Why each was refused, in order."""
        if not bodies:
            return []
        stamp = self._stamp = self._stamp or Stamp(self.log.claim(), self.log.shard)
        refused: list[str] = []
        for batch in batches(bodies):
            record = stamp.record(batch, 0, self.machine.seq, self.machine.event_digest)
            self.log.write(record)
            events = self.machine.apply(record)
            rejects = events[events["kind"] == EventKind.REJECTED]
            refused += [name_of(Reason, int(event["reason"])) for event in rejects]
        end = stamp.record(Batch(np.zeros(0, COMMAND)), 0, self.machine.seq, self.machine.event_digest)
        self.log.write(end)
        return refused


@contextmanager
def stopped(data: Path) -> Iterator[Stopped]:
    """Raises what `open_log` and `rebuild` raise: Locked while a venue runs there."""
    log = open_log(data, writable=True)
    try:
        yield Stopped(rebuild(data, log=log).machine, log)
    finally:
        log.close()
