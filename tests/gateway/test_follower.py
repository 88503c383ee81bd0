"""The follower as a process: real log, real event segments, real kill -9."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.machine import Machine
from engine.state.books import Books
from gateway import child, follower
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, STATUS_FILE
from gateway.status_file import read_status
from tests.gateway.children import (
    SECONDS_MAX,
    decided_in,
    end,
    events_in,
    events_seq,
    kill,
    lives,
    plain,
    wait_for,
)
from tests.gateway.children import start as start_child
from tests.gateway.seasons import MAXIMUM_CANARY, Season, write_log


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=41, turns=60)


def start(data: Path, *options: str) -> subprocess.Popen[str]:
    return start_child("gateway.follower", data, *options)


def write_events(season: Season, data: Path) -> None:
    writer = EventWriter(RealFiles(), data / EVENTS_FOLDER)
    for found in zip(season.records, season.events, season.digests, strict=True):
        writer.append(*found)
    writer.close()


def test_follows_tells_and_ends_when_asked(tmp_path: Path, season: Season) -> None:
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = start(tmp_path)
    wait_for(lambda: events_seq(tmp_path) == season.machine.seq, "the end of the log")
    code, stderr = end(process)
    assert code == follower.EXIT_ENDED and "caught up" in stderr
    assert plain(events_in(tmp_path)) == decided_in(season)
    status = read_status(tmp_path / STATUS_FILE)
    assert status["state"] == "ended" and status["pid"] == process.pid and status["why"] is None
    assert (status["number"], status["seq"]) == (len(season.records) - 1, season.machine.seq)
    assert status["as_of"].endswith("Z")
    log.close()


def test_killed_at_random_moments_no_event_is_missing_or_twice(tmp_path: Path, season: Season) -> None:
    """The log grows while the follower is killed and started again, and once more after its segments were wiped."""
    chance = random.Random(1)
    log = LocalLog.open(RealFiles(), tmp_path / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    log.claim(season.records[0].epoch)
    deaths = 0
    process = start(tmp_path)
    died_at = set()
    for record in season.records:
        log.write(record)
        time.sleep(0.004)
        if chance.random() < 0.08:
            if chance.random() < 0.6:
                wait_for(lambda: events_seq(tmp_path) > max(died_at, default=0), "progress")
            kill(process)
            died_at.add(events_seq(tmp_path))
            deaths += 1
            process = start(tmp_path)
    assert deaths >= 5 and len(died_at) >= 3
    wait_for(lambda: events_seq(tmp_path) == season.machine.seq, "the end of the log")
    assert end(process)[0] == follower.EXIT_ENDED
    assert plain(events_in(tmp_path)) == decided_in(season)
    for path in (tmp_path / EVENTS_FOLDER).iterdir():
        path.unlink()
    process = start(tmp_path)
    wait_for(lambda: events_seq(tmp_path) == season.machine.seq, "the end of the log, again")
    assert end(process)[0] == follower.EXIT_ENDED
    assert plain(events_in(tmp_path)) == decided_in(season)
    log.close()


@pytest.mark.parametrize("trouble", ["another log", "beyond the end", "damaged"])
def test_events_that_are_not_the_logs_are_made_anew(tmp_path: Path, season: Season, trouble: str) -> None:
    write_events(Season(seed=42, turns=3) if trouble == "another log" else season, tmp_path)
    upto = 20 if trouble == "beyond the end" else len(season.records)
    log = write_log(season.records[:upto], tmp_path / LOG_FOLDER)
    if trouble == "damaged":
        # Closed, so that nothing is cut when it is opened: only comparing finds it.
        (path,) = (tmp_path / EVENTS_FOLDER).iterdir()
        raw = bytearray(path.read_bytes())
        writer = EventWriter(RealFiles(), tmp_path / EVENTS_FOLDER, segment_bytes=4_096)
        end_of_events = writer.end
        writer.close()
        raw[20_000] ^= 1
        path.write_bytes(raw)
        from engine.log.events import encode_header, live_name

        following = (tmp_path / EVENTS_FOLDER) / live_name(end_of_events.number + 1)
        following.write_bytes(encode_header(0, end_of_events.number + 1, end_of_events))
    process = start(tmp_path)
    seq = season.records[upto - 2].next_seq - 1
    wait_for(lambda: "following" in str(read_status(tmp_path / STATUS_FILE)), "that it has caught up")
    wait_for(lambda: events_seq(tmp_path) == seq, "the end of the log")
    code, stderr = end(process)
    assert code == follower.EXIT_ENDED and "making the events anew" in stderr
    assert plain(events_in(tmp_path)) == [found for found in decided_in(season) if found[0] in raws(season, upto - 1)]
    log.close()


def raws(season: Season, upto: int) -> set[bytes]:
    return {record.raw for record in season.records[:upto]}


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
    status = read_status(tmp_path / STATUS_FILE)
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
    assert read_status(tmp_path / STATUS_FILE)["state"] == "log_corrupt"


def test_wrong_arguments_are_code_2(tmp_path: Path) -> None:
    process = start(tmp_path, "--nonsense")
    process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == child.EXIT_ARGUMENTS


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
    wait_for(lambda: not lives(child), "the follower to end after its parent")


async def test_spawn_runs_it_at_a_lower_priority(tmp_path: Path, season: Season) -> None:
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = await follower.spawn(tmp_path)
    while events_seq(tmp_path) != season.machine.seq:
        await asyncio.sleep(0.02)
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    process.terminate()
    assert await process.wait() == follower.EXIT_ENDED
    log.close()


def test_no_state_of_a_secret_maximum_is_told(tmp_path: Path, season: Season) -> None:
    """Event segments hold the commands as the log does, secrets included, and no more; its other files hold none."""
    log = write_log(season.records, tmp_path / LOG_FOLDER)
    process = start(tmp_path)
    wait_for(lambda: events_seq(tmp_path) == season.machine.seq, "the end of the log")
    _, stderr = end(process)
    found = stderr.encode() + b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    found += b"".join(events.tobytes() for _, events, _ in events_in(tmp_path))
    for secret in (str(MAXIMUM_CANARY).encode(), b"1234567.89", MAXIMUM_CANARY.to_bytes(4, "big")):
        assert secret not in found
    log.close()
