"""The SQLite sink as a process: what it loads, how it ends, what it says. Its rows are in the conformance suite."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from gateway import child, sink
from gateway.places import EVENTS_FOLDER, PROJECTION_FILE, sink_status_file
from gateway.projections.sqlite import SqliteSink
from gateway.status_file import read_status
from tests.gateway.children import SECONDS_MAX, end, kill, lives, rows_in, rows_of, seq_in, start, wait_for
from tests.gateway.seasons import MAXIMUM_CANARY, Season

SINK = "gateway.sink sqlite"


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=41, turns=20)


def write_events(season: Season, data: Path, upto: int = 10**9) -> None:
    writer = EventWriter(RealFiles(), data / EVENTS_FOLDER, segment_bytes=64 * 1024)
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        if record.number <= upto:
            writer.append(record, events, digest)
    while writer.tend():
        pass
    writer.close()


def state(data: Path) -> str | None:
    status = read_status(data / sink_status_file("sqlite"))
    return status and status["state"]


def test_follows_tells_and_ends_when_asked(tmp_path: Path, season: Season) -> None:
    write_events(season, tmp_path)
    process = start(SINK, tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the events")
    code, stderr = end(process)
    assert code == child.EXIT_ENDED and "caught up" in stderr
    assert rows_in(tmp_path) == rows_of(season)
    status = read_status(tmp_path / sink_status_file("sqlite"))
    assert status["state"] == "ended" and status["pid"] == process.pid and status["why"] is None
    last = [record for record in season.records if record.count][-1]
    assert (status["number"], status["seq"]) == (last.number, season.machine.seq) and status["as_of"].endswith("Z")


def test_it_loads_no_engine_kernel(tmp_path: Path, season: Season) -> None:
    """Nothing compiled: it starts in a moment and stays small."""
    write_events(season, tmp_path)
    code = (
        "import sys, threading, os, signal\nfrom gateway import sink\n"
        "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "assert sink.main(['sqlite', '--data', sys.argv[1]]) == 0\n"
        "print(*sorted(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    loaded = done.stdout.split()
    assert "gateway.projections.sqlite" in loaded and seq_in(tmp_path) == season.machine.seq, done.stderr
    assert not [name for name in loaded if name.startswith(("numba", "llvmlite", "engine.kernels", "aiohttp"))]


def test_wrong_arguments_are_code_2(tmp_path: Path) -> None:
    for module in (SINK + " --nonsense", "gateway.sink postgres"):
        process = start(module, tmp_path)
        process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == child.EXIT_ARGUMENTS


def test_it_ends_with_its_parent(tmp_path: Path, season: Season) -> None:
    write_events(season, tmp_path)
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom gateway import sink\n"
        "async def main():\n    process = await sink.spawn('sqlite', Path(sys.argv[1]))\n"
        "    print(process.pid, flush=True)\n    await process.wait()\nasyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_for(lambda: state(tmp_path) == "following", "the sink's status")
    os.kill(pid, 0)
    parent.kill()
    parent.wait()
    wait_for(lambda: not lives(pid), "the sink to end after its parent")


async def test_spawn_runs_it_at_a_lower_priority(tmp_path: Path, season: Season) -> None:
    write_events(season, tmp_path)
    process = await sink.spawn("sqlite", tmp_path)
    while seq_in(tmp_path) != season.machine.seq:
        await asyncio.sleep(0.02)
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    process.terminate()
    assert await process.wait() == child.EXIT_ENDED


def test_without_events_it_waits_for_them(tmp_path: Path, season: Season) -> None:
    process = start(SINK, tmp_path)
    wait_for(lambda: state(tmp_path) in ("following", "catching_up"), "its first status")
    write_events(season, tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the events")
    assert end(process)[0] == child.EXIT_ENDED


def test_damaged_events_are_told_and_tried_again(tmp_path: Path, season: Season) -> None:
    write_events(season, tmp_path)
    path = sorted((tmp_path / EVENTS_FOLDER).iterdir())[1]
    whole = path.read_bytes()
    raw = bytearray(whole)
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    process = start(SINK, tmp_path)
    wait_for(lambda: state(tmp_path) == "waiting", "that it tells of the damage")
    why = read_status(tmp_path / sink_status_file("sqlite"))["why"]
    assert "EventsCorrupt" in why and path.name in why
    assert 0 < seq_in(tmp_path) < season.machine.seq, "what stands before the damage is shown"
    path.write_bytes(whole)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the events")
    assert end(process)[0] == child.EXIT_ENDED
    assert rows_in(tmp_path) == rows_of(season)


def test_it_ends_at_once_while_it_waits(tmp_path: Path, season: Season) -> None:
    (tmp_path / PROJECTION_FILE).mkdir()
    process = start(SINK, tmp_path)
    wait_for(lambda: state(tmp_path) == "waiting", "that it cannot open a folder")
    code, stderr = end(process)
    assert code == child.EXIT_ENDED and "waiting: OperationalError" in stderr


def test_a_store_that_another_writer_took_over_is_left_to_it(tmp_path: Path, season: Season) -> None:
    write_events(season, tmp_path, upto=20)
    process = start(SINK, tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.records[19].next_seq - 1, "the first events")
    other = SqliteSink(tmp_path / PROJECTION_FILE)
    for found in zip(season.records, season.events, season.digests, strict=True):
        if found[0].number <= 30:
            other.take(*found)
    other.flush()
    write_events(season, tmp_path)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == child.EXIT_TROUBLE and "another writer" in stderr and state(tmp_path) == "fenced"
    other.close()
    process = start(SINK, tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the events")
    kill(process)
    assert rows_in(tmp_path) == rows_of(season)


def test_a_secret_maximum_is_in_none_of_its_files(tmp_path: Path, season: Season) -> None:
    write_events(season, tmp_path)
    process = start(SINK, tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the events")
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    _, stderr = end(process)
    found += stderr.encode() + b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in (str(MAXIMUM_CANARY).encode(), b"1234567.89", MAXIMUM_CANARY.to_bytes(4, "big")):
        assert secret not in found
    with sqlite3.connect(tmp_path / PROJECTION_FILE) as db:
        assert db.execute("SELECT count(*) FROM fills").fetchone()[0] > 100
