"""From a data directory to the venue's state: open the log, collect its SKIPs, apply every durable record.

Used by serve at its start, by the follower, and by the offline commands.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.log.files import Files, RealFiles
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import replay
from engine.machine import Machine
from engine.state.hot import Hot

LOG_FOLDER = "log"
PROJECTION_FILE = "projection.sqlite"
STATUS_FILE = "follow.status"
SERVE_STATUS_FILE = "serve.status"


class NoVenue(Exception):
    """There is no log to read in the directory."""


@dataclass(frozen=True)
class Rebuilt:
    machine: Machine  # stands at the end of the durable log
    log: LocalLog
    records: int  # applied
    seconds: float


def open_log(data: Path, *, writable: bool = False, files: Files | None = None, shard: int = 0) -> LocalLog:
    """The log of an existing data directory. Raises NoVenue, Locked, LogCorrupt, LogFailed; ValueError for a segment
    of another shard or release."""
    folder = Path(data) / LOG_FOLDER
    if not folder.is_dir():
        raise NoVenue(f"no venue has run in {data}: there is no folder {folder}")
    return LocalLog.open(files or RealFiles(), folder, shard=shard, writable=writable)


def rebuild(
    data: Path,
    hot: Hot | None = None,
    *,
    log: LocalLog | None = None,
    progress: Callable[[Record], None] | None = None,
) -> Rebuilt:
    """State at the end of the durable log, on compiled books unless `hot` is given. `log` is one opened before (serve
    opens it for writing); else it is read without its lock, while a venue may be writing.

    Raises what `open_log` raises, DigestDiffers, and whatever a bug in the engine raises.
    """
    started = time.perf_counter()
    log = log or open_log(data)
    machine = Machine(hot if hot is not None else compiled_books(), log.skips)
    records = replay(log, machine, progress=progress)
    return Rebuilt(machine, log, records, time.perf_counter() - started)


def compiled_books() -> Hot:
    """Fresh books under the compiled kernels. Where their hash tables put an id differs from start to start, so that
    nobody can choose ids that fall on each other; it shows in no event and no hash."""
    from engine.state.books import Books

    return Books(hash_seed=secrets.randbits(64))
