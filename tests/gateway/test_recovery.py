"""The real venue with snapshots after every few thousand orders: killed, started again, and at once where it was."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bench import load
from bench.serving import CONNECTIONS, INSTRUMENTS, TOKEN, Served, venue
from engine.log.archive import list_archived
from engine.log.files import RealFiles
from engine.log.snapshot import list_snapshots
from gateway.places import LOG_FOLDER, SNAPSHOT_FOLDER, STATUS_FILE
from gateway.replaying import rebuild

SERVER = "snapshot_commands = 4000\nsegment_mib = 4"
FILES = RealFiles()


def loaded(served: Served) -> None:
    """Some ten thousand orders in messages of fifty."""
    tokens = [TOKEN.format(number) for number in range(CONNECTIONS)]
    books = list(range(1, INSTRUMENTS + 1))
    result = asyncio.run(load.saturate("127.0.0.1", served.port, tokens, books, per_message=50, window=4, seconds=1.0))
    assert result.answered > 4_000 and not result.refused


def until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def snapshots(data: Path) -> list[int]:
    return list_snapshots(FILES, data / SNAPSHOT_FOLDER)


def test_a_killed_venue_goes_on_from_its_snapshot(tmp_path: Path) -> None:
    with venue(None, data=tmp_path, server=SERVER) as served:
        loaded(served)
        until(lambda: bool(snapshots(tmp_path)), "the follower made no snapshot")
        served.seconds_until_caught_up([STATUS_FILE])
        before = snapshots(tmp_path)[0]
        loaded(served)
        for pid in (served.pid, *served.children()):
            os.kill(pid, signal.SIGKILL)
    seq = rebuild(tmp_path, whole=True).machine.seq
    with venue(None, data=tmp_path, server=SERVER) as served:
        said = served.log.read_text()
        assert "snapshot of command" in said, said
        assert served.seq() == seq + 1, "RESUME alone came since"
        loaded(served)
        until(lambda: snapshots(tmp_path)[0] > before, "the new follower made no snapshot")
        served.seconds_until_caught_up([STATUS_FILE])
    from_snapshot, whole = rebuild(tmp_path), rebuild(tmp_path, whole=True)
    assert from_snapshot.snapshot and not whole.snapshot
    assert from_snapshot.machine.state_hash() == whole.machine.state_hash()
    assert {name: part.tolist() for name, part in from_snapshot.trades.sections().items()} == {
        name: part.tolist() for name, part in whole.trades.sections().items()
    }


def test_old_segments_go_to_the_archive_and_the_follower_begins_on_a_snapshot(tmp_path: Path) -> None:
    with venue(None, data=tmp_path, server=SERVER) as served:
        until(lambda: loaded(served) or bool(list_archived(FILES, tmp_path / LOG_FOLDER)), "nothing was archived", 120)
        served.seconds_until_caught_up([STATUS_FILE])
        (follower,) = (
            pid for pid in served.children() if b"gateway.follower" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(follower, signal.SIGKILL)
        seq = served.seq()
        loaded(served)
        until(lambda: served.followed() > seq, "the follower came back")
        served.seconds_until_caught_up([STATUS_FILE])
    assert rebuild(tmp_path).machine.state_hash() == rebuild(tmp_path, whole=True).machine.state_hash()
    assert len(snapshots(tmp_path)) == 2
