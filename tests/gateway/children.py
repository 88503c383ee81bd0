"""Child processes of the venue in tests: started on a data directory, watched from outside, ended or killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.log.event_reader import EventReader
from engine.log.files import RealFiles
from gateway.places import EVENTS_FOLDER, PROJECTION_FILE
from gateway.projections.sqlite import SqliteSink, dump
from gateway.queries import History
from tests.engine.log.builders import Decided
from tests.gateway.seasons import Season

SECONDS_MAX = 60.0
Rows = dict[str, list[tuple]]


def start(module: str, data: Path, *options: str) -> subprocess.Popen[str]:
    """`module` is `gateway.follower`, or `gateway.sink sqlite`."""
    return subprocess.Popen(
        [sys.executable, "-m", *module.split(), "--data", str(data), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and messages after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, stderr


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(condition: Callable[[], object], why: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS_MAX} s: {why}"
        time.sleep(0.01)


def seq_in(data: Path) -> int:
    """How far the rows go."""
    return History(data / PROJECTION_FILE).as_of()


def rows_in(data: Path) -> Rows:
    db = sqlite3.connect(data / PROJECTION_FILE)
    try:
        return dump(db)
    finally:
        db.close()


def rows_of(season: Season) -> Rows:
    """A fresh fold of everything that was decided."""
    sink = SqliteSink(":memory:")
    for found in zip(season.records, season.events, season.digests, strict=True):
        sink.take(*found)
    sink.flush()
    return dump(sink._db)


def events_in(data: Path) -> list[Decided]:
    """Everything that stands in the event segments, read from the first one."""
    reader, found = EventReader(RealFiles(), data / EVENTS_FOLDER), []
    try:
        while more := reader.poll():
            found += more
    finally:
        reader.close()
    return found


def events_seq(data: Path) -> int:
    """How far the event segments go."""
    found = events_in(data)
    return found[-1][0].next_seq - 1 if found else 0


def plain(found: list[Decided]) -> list[tuple[bytes, bytes, bytes]]:
    return [(record.raw, events.tobytes(), digest) for record, events, digest in found if record.count]


def decided_in(season: Season) -> list[tuple[bytes, bytes, bytes]]:
    return plain(list(zip(season.records, season.events, season.digests, strict=True)))
