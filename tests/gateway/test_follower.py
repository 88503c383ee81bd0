"""The follower as a process: real log, real SQLite, real kill -9."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.machine import Machine
from engine.state.books import Books
from gateway import follower
from gateway.projections.sqlite import SqliteSink, dump
from gateway.queries import History
from gateway.replaying import LOG_FOLDER, PROJECTION_FILE, STATUS_FILE
from tests.gateway.seasons import MAXIMUM_CANARY, Season, write_log

SECONDS_MAX = 60.0


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=41, turns=60)


@pytest.fixture(scope="module")
def expected(season: Season) -> dict[str, list[tuple]]:
    sink = SqliteSink(":memory:")
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        sink.take(record, events, digest)
    sink.flush()
    return dump(sink._db)


def start(data: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.follower", "--data", str(data), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def wait_for(condition, why: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS_MAX} s: {why}"
        time.sleep(0.01)


def seq_in(data: Path) -> int:
    return History(data / PROJECTION_FILE).as_of()


def rows_in(data: Path) -> dict[str, list[tuple]]:
    db = sqlite3.connect(data / PROJECTION_FILE)
    try:
        return dump(db)
    finally:
        db.close()


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, stderr


def test_follows_tells_and_ends_when_asked(tmp_path: Path, season: Season, expected: dict) -> None:
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = start(tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the log")
    code, stderr = end(process)
    assert code == follower.EXIT_ENDED and "caught up" in stderr
    assert rows_in(tmp_path) == expected
    status = json.loads((tmp_path / STATUS_FILE).read_text())
    assert status["state"] == "ended" and status["pid"] == process.pid and status["why"] is None
    assert (status["number"], status["seq"]) == (len(season.records) - 1, season.machine.seq)
    assert status["as_of"].endswith("Z")
    log.close()


def test_killed_at_random_moments_no_fill_is_missing_or_twice(tmp_path: Path, season: Season, expected: dict) -> None:
    """The log grows while the follower is killed and started again, and once more after its rows were wiped."""
    chance = random.Random(1)
    log = LocalLog.open(RealFiles(), tmp_path / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    log.claim(season.records[0].epoch)
    records = iter(season.records)
    deaths = 0
    process = start(tmp_path)
    died_at = set()
    for record in records:
        log.write(record)
        time.sleep(0.004)
        if chance.random() < 0.08:
            if chance.random() < 0.6:
                wait_for(lambda: seq_in(tmp_path) > max(died_at, default=0), "progress")
            process.kill()
            process.communicate()
            died_at.add(seq_in(tmp_path))
            deaths += 1
            process = start(tmp_path)
    assert deaths >= 5 and len(died_at) >= 3
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the log")
    assert end(process)[0] == follower.EXIT_ENDED
    assert rows_in(tmp_path) == expected
    for name in tmp_path.glob(PROJECTION_FILE + "*"):
        name.unlink()
    process = start(tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the log, again")
    assert end(process)[0] == follower.EXIT_ENDED
    assert rows_in(tmp_path) == expected
    log.close()


def test_rows_of_another_log_are_made_anew(tmp_path: Path, season: Season, expected: dict) -> None:
    other = Season(seed=42, turns=3)
    sink = SqliteSink(tmp_path / PROJECTION_FILE)
    for record, events, digest in zip(other.records, other.events, other.digests, strict=True):
        sink.take(record, events, digest)
    sink.flush()
    sink.close()
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = start(tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the log")
    code, stderr = end(process)
    assert code == follower.EXIT_ENDED and "making it anew" in stderr
    assert rows_in(tmp_path) == expected
    log.close()


def test_rows_beyond_the_end_of_the_log_are_made_anew(tmp_path: Path, season: Season) -> None:
    sink = SqliteSink(tmp_path / PROJECTION_FILE)
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        sink.take(record, events, digest)
    sink.flush()
    sink.close()
    log = write_log(season.records[:20], tmp_path / LOG_FOLDER)
    process = start(tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.records[18].next_seq - 1, "the shorter log's end")
    assert end(process)[0] == follower.EXIT_ENDED
    log.close()


def test_a_difference_ends_it_with_code_3_and_the_sequence(tmp_path: Path, season: Season) -> None:
    """The venue whose log this is decided otherwise from record 30 on."""
    log = LocalLog.open(RealFiles(), tmp_path / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    log.claim(1)
    from gateway.sequencer import Stamp

    stamp, machine = Stamp(log.tail._replace(epoch=1), 0), Machine(Books())
    for original in season.records[:45]:
        digest = machine.event_digest if original.number <= 30 else b"\7" * 16
        record: Record = stamp.record(original.batch, original.ts_ns, machine.seq, digest)
        log.write(record)
        machine.apply(record)
    process = start(tmp_path)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == follower.EXIT_DIGEST
    seq = season.records[29].next_seq - 1
    status = json.loads((tmp_path / STATUS_FILE).read_text())
    assert status["state"] == "digest_differs" and status["seq"] == seq
    assert f"command {seq} " in stderr and f"command {seq} " in status["why"]
    log.close()


def test_a_damaged_log_ends_it_with_code_4(tmp_path: Path, season: Season) -> None:
    write_log(season.records, tmp_path / LOG_FOLDER).close()
    (segment,) = (tmp_path / LOG_FOLDER).glob("*.seg")
    raw = bytearray(segment.read_bytes())
    raw[20_000] ^= 1
    segment.write_bytes(raw)
    process = start(tmp_path)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == follower.EXIT_LOG and segment.name in stderr
    assert json.loads((tmp_path / STATUS_FILE).read_text())["state"] == "log_corrupt"


def test_wrong_arguments_are_code_2(tmp_path: Path) -> None:
    process = start(tmp_path, "--nonsense")
    process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == follower.EXIT_ARGUMENTS


def test_it_ends_with_its_parent(tmp_path: Path, season: Season) -> None:
    write_log(season.records, tmp_path / LOG_FOLDER).close()
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom gateway import follower\n"
        "async def main():\n    process = await follower.spawn(Path(sys.argv[1]))\n"
        "    print(process.pid, flush=True)\n    await process.wait()\nasyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_for(lambda: (tmp_path / STATUS_FILE).exists(), "the follower's first status")
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    wait_for(lambda: not _lives(child), "the follower to end after its parent")


async def test_spawn_runs_it_at_a_lower_priority(tmp_path: Path, season: Season) -> None:
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = await follower.spawn(tmp_path)
    while seq_in(tmp_path) != season.machine.seq:
        await asyncio.sleep(0.02)
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    process.terminate()
    assert await process.wait() == follower.EXIT_ENDED
    log.close()


def test_a_secret_maximum_is_in_none_of_its_files(tmp_path: Path, season: Season) -> None:
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = start(tmp_path)
    wait_for(lambda: seq_in(tmp_path) == season.machine.seq, "the end of the log")
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    _, stderr = end(process)
    found += stderr.encode() + b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in (str(MAXIMUM_CANARY).encode(), b"1234567.89", MAXIMUM_CANARY.to_bytes(4, "big")):
        assert secret not in found
    log.close()


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
