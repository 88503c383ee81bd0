"""State and events of the final log, from zero; sometimes the oracle's beside the kernels'."""

from __future__ import annotations

import numpy as np

from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.replay import DigestDiffers, replay
from engine.machine import Machine
from engine.oracle import books as oracle
from engine.state import books as kernel
from tests.simulation.disk import SimFiles
from tests.simulation.world import World


class Replayed:
    def __init__(self, world: World) -> None:
        try:
            log = LocalLog.open(SimFiles(world.disk), world.LOG, writable=False, segment_bytes=world.SEGMENT_BYTES)
            self.records = list(log.read())
            if world.storm.twice:
                twin = Machine(oracle.Books(), log.skips)
                replay(log, twin)
        except (LogCorrupt, DigestDiffers, ValueError) as error:
            raise world.violated(f"the final log does not replay: {type(error).__name__} {error}") from error
        self.machine = machine = Machine(kernel.Books(), log.skips)
        self.events_of: dict[int, np.ndarray] = {}
        self.event_digest_after: dict[int, bytes] = {}
        self.by_seq: dict[int, np.ndarray] = {}
        self.row_of: dict[int, np.void] = {}
        self.digest_of = {record.number: record.digest for record in self.records}
        for record in self.records:
            events = self.events_of[record.number] = machine.apply(record)
            self.event_digest_after[record.number] = machine.event_digest
            edges = np.searchsorted(events["command"], np.arange(record.count + 1)).tolist()
            for row in range(record.count):
                self.by_seq[record.first_seq + row] = events[edges[row] : edges[row + 1]]
                self.row_of[record.first_seq + row] = record.batch.rows[row]
        if world.storm.twice and twin.state_hash() != machine.state_hash():
            raise world.violated("the oracle comes to another state than the kernels")
