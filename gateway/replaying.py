"""From a data directory to the venue's state: the newest snapshot that is sound, and the log after it.

Used by serve at its start, by the follower, and by the offline commands. A snapshot that is damaged is passed over for
the older one, and the older one for the log from its beginning while that is there: it costs time and nothing else.

Where older generations of the rules stand before this one, the beginning is the boundary: the last snapshot of the
older one, migrated; the record after it is GENERATION (`engine/generations.py`, `gateway/upgrade.py`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from engine.generations import OtherGeneration, migrated
from engine.log.files import Files, RealFiles
from engine.log.interface import Log, LogCorrupt, Tail
from engine.log.local import LocalLog
from engine.log.record import GENERATION, Record
from engine.log.replay import replay
from engine.log.snapshot import (
    BadSnapshot,
    Snapshot,
    list_snapshots,
    read_header,
    read_snapshot,
    section_group,
    snapshot_name,
)
from engine.machine import Machine
from engine.state.hot import Hot
from gateway.places import EVENTS_FOLDER as EVENTS_FOLDER
from gateway.places import LOG_FOLDER as LOG_FOLDER
from gateway.places import PROJECTION_FILE as PROJECTION_FILE
from gateway.places import SERVE_STATUS_FILE as SERVE_STATUS_FILE
from gateway.places import SNAPSHOT_FOLDER as SNAPSHOT_FOLDER
from gateway.places import STATUS_FILE as STATUS_FILE
from gateway.trade_fold import TradeFold


class NoVenue(Exception):
    """There is no log to read in the directory."""


class NoWayBack(Exception):
    """Neither a sound snapshot nor the beginning of the log is there. The message says what was tried."""


class WrongGeneration(NoWayBack):
    """The log ends under other rules than this release's."""


@dataclass
class Standing:
    """A machine and the place in the log where it stands; the rest of the log is still to be applied."""

    machine: Machine
    tail: Tail = field(default_factory=Tail)
    trades: TradeFold = field(default_factory=TradeFold)
    notes: list[str] = field(default_factory=list)  # what an operator should know: snapshots that were passed over

    @property
    def number(self) -> int:
        """Record of the snapshot it stands on; 0 at the beginning of the log."""
        return self.tail.next_number - 1


@dataclass(frozen=True)
class Rebuilt:
    machine: Machine  # stands at the end of the durable log
    log: LocalLog
    tail: Tail
    trades: TradeFold
    snapshot: int  # record of the snapshot it began with, 0 for none
    records: int  # applied after it
    seconds: float


def open_log(data: Path, *, writable: bool = False, files: Files | None = None, shard: int = 0) -> LocalLog:
    """The log of an existing data directory. Raises NoVenue, Locked, LogCorrupt, LogFailed; ValueError for a segment
    of another shard or release."""
    folder = Path(data) / LOG_FOLDER
    if not folder.is_dir():
        raise NoVenue(f"no venue has run in {data}: there is no folder {folder}")
    return LocalLog.open(files or RealFiles(), folder, shard=shard, writable=writable)


def stand(
    files: Files,
    folder: Path,
    log: Log,
    make_hot: Callable[[], Hot],
    *,
    seq_max: int | None = None,
    whole: bool = False,
) -> Standing:
    """Where to begin: the newest sound snapshot in `folder` (at or before command `seq_max`), else the log's beginning.

    whole  begin as early as possible instead: at the log's beginning, or where this generation begins

    Raises WrongGeneration, NoWayBack; LogCorrupt when a snapshot stands beyond the end of the log: records that were
    durable are gone.
    """
    _check_generation(log)
    notes: list[str] = []
    for number in list_snapshots(files, folder):
        if number > log.durable_number and log.live:
            continue  # it was made just now
        if number > log.durable_number:
            why = f"the log ends at record {log.durable_number}, but there is a snapshot of record {number}"
            raise LogCorrupt("(end)", 0, log.tail.next_seq, why)
        try:
            path = folder / snapshot_name(number)
            header = read_header(files, path)
            if (whole and header.generation == GENERATION) or (seq_max is not None and header.seq > seq_max):
                continue
            return _on(read_snapshot(files, path), make_hot(), log, notes)
        except (BadSnapshot, OtherGeneration, OSError) as error:
            notes.append(f"{error}; going back to the one before")
    first = first_generation(log)
    if first in (0, GENERATION):
        return Standing(Machine(make_hot(), log.skips_from(1)), notes=notes)
    tried = "; ".join(notes) or "there is none"
    why = "the log no longer reaches back to its beginning" if first is None else f"it begins in generation {first}"
    raise NoWayBack(f"no snapshot can be used ({tried}), and {why}")


def _check_generation(log: Log) -> None:
    if log.generation > GENERATION:
        raise WrongGeneration(
            f"the log ends in generation {log.generation}, this release knows those up to {GENERATION}: "
            "it takes the release that wrote it, or a later one"
        )
    if 0 < log.generation < GENERATION:
        raise WrongGeneration(
            f"the log ends in generation {log.generation}, this release applies {GENERATION}: `qhatu serve` upgrades "
            "it; until then it takes the release that wrote it"
        )


def first_generation(log: Log) -> int | None:
    """Of the log's first record: 0 where there is none yet, None where the log does not reach back so far."""
    if log.first_number != 1 and not log.has(1):
        return None
    first = next(iter(log.read()), None)
    return 0 if first is None else first.generation


def _on(snapshot: Snapshot, hot: Hot, log: Log, notes: list[str]) -> Standing:
    tail = snapshot.tail
    if snapshot.generation != GENERATION:
        tail, snapshot = _boundary(log, snapshot), migrated(snapshot)
    trades = TradeFold()
    try:
        trades.load(section_group(snapshot.sections, "extra/"))
    except (KeyError, ValueError) as error:
        raise BadSnapshot(snapshot_name(snapshot.number), f"it lacks the trades: {error}") from error
    return Standing(Machine.restored(hot, snapshot, log.skips_from(tail.next_number)), tail, trades, notes)


def _boundary(log: Log, snapshot: Snapshot) -> Tail:
    """The place where this generation begins, when the snapshot stands at the end of the one before: nothing but empty
    records lies between. Raises BadSnapshot."""
    tail = snapshot.tail
    for record in log.read(tail):
        if record.generation == GENERATION:
            return tail
        if record.count:
            break
        tail = tail.after(record)
    raise BadSnapshot(
        snapshot_name(snapshot.number), f"it is of generation {snapshot.generation} and does not stand at its end"
    )


def rebuild(
    data: Path,
    make_hot: Callable[[], Hot] | None = None,
    *,
    log: LocalLog | None = None,
    whole: bool = False,
    progress: Callable[[Record], None] | None = None,
) -> Rebuilt:
    """State at the end of the durable log, on compiled books unless `make_hot` says otherwise. `log` is one opened
    before (for writing); else it is read without its lock, while a venue may be writing. `whole`: see `stand`.

    Raises what `open_log` and `stand` raise, DigestDiffers, and whatever a bug in the engine raises.
    """
    started = time.perf_counter()
    log = log or open_log(data)
    standing = stand(log.files, Path(data) / SNAPSHOT_FOLDER, log, make_hot or compiled_books, whole=whole)
    folding = Folding(standing)
    records = replay(log, folding, after=standing.tail, progress=progress)
    return Rebuilt(
        standing.machine, log, folding.tail, standing.trades, standing.number, records, time.perf_counter() - started
    )


def made_by() -> dict[str, str]:
    """Versions that a snapshot notes, for a person who asks where it came from."""
    return {name: metadata.version(name) for name in ("qhatu", "numba", "numpy")}


class Folding:
    """A machine whose fills are also counted, for a replay. `tail` is the place after the last record."""

    def __init__(self, standing: Standing) -> None:
        self.machine, self.trades, self.tail = standing.machine, standing.trades, standing.tail
        self.seq, self.event_digest = self.machine.seq, self.machine.event_digest

    def apply(self, record: Record) -> np.ndarray:
        events = self.machine.apply(record)
        self.seq, self.event_digest = self.machine.seq, self.machine.event_digest
        self.tail = self.tail.after(record)
        if len(events) and self.trades.take(events, record.ts_ns):
            self.trades.number()
        return events


def compiled_books() -> Hot:
    """Fresh books under the compiled kernels. Where their hash tables put an id differs from start to start, so that
    nobody can choose ids that fall on each other; it shows in no event and no hash."""
    from engine.state.books import Books

    return Books(hash_seed=secrets.randbits(64))
