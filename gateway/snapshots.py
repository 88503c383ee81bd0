"""Keeping snapshots beside a machine that goes on: taken at once, written in a thread, pruned; old segments archived.

    due -> begin: a copy of the state (the machine waits for it) -> thread: write, read back, prune, archive -> look

Nothing here may harm the venue: trouble with the disk is told and tried again later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.limits import SNAPSHOT_EVERY_COMMANDS, SNAPSHOT_EVERY_SECONDS, SNAPSHOT_PAUSE_SECONDS, SNAPSHOTS_KEPT
from engine.log.archive import archive_before
from engine.log.files import Files
from engine.log.interface import Tail
from engine.log.snapshot import BadSnapshot, Snapshot, list_snapshots, prune_snapshots, read_snapshot, write_snapshot
from engine.machine import Machine
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, made_by
from gateway.trade_fold import TradeFold

TROUBLE_SECONDS = 30.0  # after a failure, before the next attempt


def keep(files: Files, data: Path, snapshot: Snapshot, *, pause: Callable[[], None] = lambda: None) -> None:
    """Write a snapshot and read it back, remove those that are no longer needed, and archive the segments of the log
    that end at or before the older one that is kept. Raises OSError, BadSnapshot, LogCorrupt."""
    folder = data / SNAPSHOT_FOLDER
    path = write_snapshot(files, folder, snapshot, pause=pause)
    if read_snapshot(files, path).state_hash != snapshot.state_hash:
        raise BadSnapshot(path.name, "it does not read back as it was written")
    prune_snapshots(files, folder)
    kept = list_snapshots(files, folder)[:SNAPSHOTS_KEPT]
    if len(kept) == SNAPSHOTS_KEPT:
        archive_before(files, data / LOG_FOLDER, kept[-1], pause=pause)


class Keeper:
    """`begin` when it is `due`; `look` now and then.

    every_commands, every_seconds  whichever comes first, once commands were applied
    """

    def __init__(
        self,
        files: Files,
        data: Path,
        *,
        every_commands: int = SNAPSHOT_EVERY_COMMANDS,
        every_seconds: float = SNAPSHOT_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.files, self.data, self.clock = files, data, clock
        self.every_commands, self.every_seconds = every_commands, every_seconds
        self.seq = 0  # of the newest snapshot
        self._last = clock()
        self._not_before = 0.0  # after trouble
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._trouble: Exception | None = None
        self._writing = 0  # command of the one being written
        self._hurry = False

    def stands_on(self, seq: int) -> None:
        """There is a snapshot of command `seq` already."""
        self.seq, self._last = seq, self.clock()

    def ask(self) -> None:
        """One as soon as possible, whatever the intervals say."""
        self._wanted = True

    def due(self, seq: int) -> bool:
        """Whether to begin one now, at command `seq`."""
        now = self.clock()
        if self._thread is not None or seq == self.seq or now < self._not_before:
            return False
        long = now - self._last >= self.every_seconds
        return self._wanted or long or seq - self.seq >= self.every_commands

    def begin(self, machine: Machine, tail: Tail, trades: TradeFold) -> None:
        """Copy the state and write it beside what follows. Events up to here must be durable before."""
        assert self._thread is None
        snapshot = machine.snapshot(tail, trades.sections())
        snapshot.made_by = made_by()
        self._hurry = False
        self._writing = snapshot.seq
        self._thread = threading.Thread(target=self._keep, args=(snapshot,), name="snapshot", daemon=True)
        self._thread.start()

    def look(self) -> str | None:
        """What there is to say about one that was being written: trouble; None while nothing is."""
        if self._thread is None or self._thread.is_alive():
            return None
        return self.finish()

    def finish(self) -> str | None:
        """Wait for what is being written, without pauses from now on; as `look`."""
        if self._thread is None:
            return None
        self._hurry = True
        self._thread.join()
        self._thread, trouble, self._trouble = None, self._trouble, None
        if trouble is None:
            self.seq, self._last, self._wanted = self._writing, self.clock(), False
            return None
        self._not_before = self.clock() + TROUBLE_SECONDS
        return f"no snapshot could be kept ({type(trouble).__name__}: {trouble}); trying again later"

    def _keep(self, snapshot: Snapshot) -> None:
        try:
            keep(self.files, self.data, snapshot, pause=self._pause)
        except Exception as error:  # whatever it is: a thread that ends without a word would count as a snapshot
            self._trouble = error

    def _pause(self) -> None:
        if not self._hurry:
            time.sleep(SNAPSHOT_PAUSE_SECONDS)
