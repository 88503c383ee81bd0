"""`qhatu backup` and `restore`: whole or not at all, on a venue at rest and on one that runs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.log.archive import archive_before, list_all
from engine.log.event_writer import EventWriter
from engine.log.events import list_segments as list_events
from engine.log.events import live_name
from engine.log.files import RealFiles
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.snapshot import list_snapshots, snapshot_name
from gateway.backups import MANIFEST, back_up, read_manifest
from gateway.offline import Refused
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, PROJECTION_FILE, SNAPSHOT_FOLDER
from gateway.projections.sqlite import SqliteSink, dump
from gateway.replaying import NoVenue
from gateway.restoring import restore
from gateway.staging import PARTIAL
from tests.campaign.load import Load
from tests.gateway.seasons import Season
from tests.gateway.serving import Serving
from tests.gateway.venue_data import SEGMENT_BYTES, venue_data


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=17)


@pytest.fixture(scope="module")
def kept_data(season: Season, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = venue_data(season.records, tmp_path_factory.mktemp("venue") / "data")
    (data / "config").mkdir()
    (data / "config" / f"{season.machine.venue.config_digest.hex()}.json").write_text("{}")
    return data


@pytest.fixture
def data(kept_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept_data, tmp_path / "data"))


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def snapshot_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_restored_elsewhere_is_the_venue(data: Path, season: Season, tmp_path: Path) -> None:
    before = snapshot_of(data)
    done = command("backup", "--data", data, "--to", tmp_path / "kept", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["seq"], answer["number"], answer["venue"]) == (season.machine.seq, len(season.records), "test")
    assert answer["state_hash"] == season.machine.state_hash().hex()
    assert snapshot_of(data) == before, "it reads"

    done = command("restore", "--from", tmp_path / "kept", "--data", tmp_path / "again", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state_hash"] == answer["state_hash"]
    assert [number for number, _ in list_all(RealFiles(), tmp_path / "again" / LOG_FOLDER)] == [
        number for number, _ in list_all(RealFiles(), data / LOG_FOLDER)
    ]
    log = LocalLog.open(RealFiles(), tmp_path / "again" / LOG_FOLDER)
    assert log.notes == [], "nothing was torn: the last segment has its length"
    assert [record.raw for record in log.read()] == [record.raw for record in season.records]
    log.close()
    assert list_snapshots(RealFiles(), tmp_path / "again" / SNAPSHOT_FOLDER) == list_snapshots(
        RealFiles(), data / SNAPSHOT_FOLDER
    )


def test_the_manifest_tells_what_is_in_it_and_no_secret(data: Path, season: Season, tmp_path: Path) -> None:
    made = back_up(data, tmp_path / "kept")
    assert read_manifest(tmp_path / "kept") == made
    on_disk = {name for name in snapshot_of(tmp_path / "kept") if name != MANIFEST}
    assert {kept.path for kept in made.files} == on_disk and LOG_FOLDER + "/lock" not in on_disk
    assert made.record_digest == season.records[-1].digest.hex() and made.epoch == season.records[-1].epoch
    text = (tmp_path / "kept" / MANIFEST).read_text()
    assert "feed" * 4 not in text and "key" not in text


def test_words_for_people(data: Path, season: Season, tmp_path: Path) -> None:
    assert "Checked" in command("backup", "--data", data, "--to", tmp_path / "kept").stdout
    told = command("restore", "--from", tmp_path / "kept", "--data", tmp_path / "again").stdout
    assert f"after command {season.machine.seq:,} is not in it" in told and "new epoch" in told


def test_tables_are_copied_when_asked_for(data: Path, season: Season, tmp_path: Path) -> None:
    sink = SqliteSink(data / PROJECTION_FILE)
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        sink.take(record, events, digest)
    sink.flush()
    expected = dump(sink._db)
    back_up(data, tmp_path / "with", with_history=True)  # its writer has it open
    sink.close()
    assert not list((tmp_path / "with").glob("*-wal")), "one file is all of it"
    restore(tmp_path / "with", tmp_path / "again")
    db = sqlite3.connect(tmp_path / "again" / PROJECTION_FILE)
    assert dump(db) == expected
    db.close()
    back_up(data, tmp_path / "without")
    assert not (tmp_path / "without" / PROJECTION_FILE).exists()


def test_tables_that_are_not_there(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="leave out --with-history"):
        back_up(data, tmp_path / "kept", with_history=True)
    (data / PROJECTION_FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(Refused, match="leave out --with-history"):
        back_up(data, tmp_path / "kept", with_history=True)
    assert not (tmp_path / "kept").exists()


# Where it goes


def test_targets_that_are_refused(data: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    back_up(data, kept)
    before = snapshot_of(kept)
    with pytest.raises(Refused, match="is a backup already"):
        back_up(data, kept)
    assert snapshot_of(kept) == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "full", tmp_path / "file"):
        with pytest.raises(Refused, match=r"not empty|no directory"):
            back_up(data, target)
        with pytest.raises(Refused, match=r"not empty|no directory"):
            restore(kept, target)
    with pytest.raises(Refused, match="is inside"):
        back_up(data, data / "backups" / "monday")
    with pytest.raises(NoVenue):
        back_up(tmp_path / "nowhere", tmp_path / "other")
    with pytest.raises(Refused, match="is no backup"):
        restore(data, tmp_path / "other")
    assert not (tmp_path / "other").exists() and not list(tmp_path.glob(f"*{PARTIAL}"))


def test_an_empty_directory_will_do(data: Path, tmp_path: Path) -> None:
    for name in ("kept", "again"):
        (tmp_path / name).mkdir()
    back_up(data, tmp_path / "kept")
    restore(tmp_path / "kept", tmp_path / "again")


def test_two_at_once_into_one_directory(data: Path, tmp_path: Path) -> None:
    def second(name: str) -> None:
        with pytest.raises(Refused, match="another process"):
            back_up(data, tmp_path / "kept")

    back_up(data, tmp_path / "kept", step=second)
    restore(tmp_path / "kept", tmp_path / "again")


def test_arguments_that_are_missing_are_code_2(tmp_path: Path) -> None:
    assert command("backup", "--data", tmp_path).returncode == 2
    assert command("restore", "--from", tmp_path).returncode == 2


# Killed, or failing, at every step

KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.cli import use_kernel_cache
use_kernel_cache()
from gateway.backups import back_up
from gateway.restoring import restore
left = int(sys.argv[4])
def step(name):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
{"backup": back_up, "restore": restore}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), step=step)
"""


def steps_of(call, *arguments) -> int:
    names: list[str] = []
    call(*arguments, step=names.append)
    return len(names)


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_killed_one_leaves_nothing_that_looks_whole(what: str, data: Path, tmp_path: Path) -> None:
    source, call = data, back_up
    if what == "restore":
        back_up(data, tmp_path / "kept")
        source, call = tmp_path / "kept", restore
    steps = steps_of(call, source, tmp_path / "counted")
    for at in sorted({0, 1, steps // 2, steps - 1}):
        done = subprocess.run([sys.executable, "-c", KILLED, what, source, tmp_path / "target", str(at)], timeout=120)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "target").exists() and (tmp_path / f"target{PARTIAL}").is_dir()
        with pytest.raises(Refused):
            read_manifest(tmp_path / "target")
    call(source, tmp_path / "target")
    assert not (tmp_path / f"target{PARTIAL}").exists(), "the next one clears it away"


class Full(OSError):
    pass


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_failing_one_leaves_nothing(what: str, data: Path, tmp_path: Path) -> None:
    source, call = data, back_up
    if what == "restore":
        back_up(data, tmp_path / "kept")
        source, call = tmp_path / "kept", restore
    for at in range(steps_of(call, source, tmp_path / "counted")):
        left = [at]

        def step(name: str, left: list[int] = left) -> None:
            if not left[0]:
                raise Full("planted")
            left[0] -= 1

        with pytest.raises(Full):
            call(source, tmp_path / "target", step=step)
        assert not list(tmp_path.glob("target*"))


# Damage


def test_every_damaged_file_is_named(data: Path, tmp_path: Path) -> None:
    made = back_up(data, tmp_path / "kept")
    for kept in made.files:
        path = tmp_path / "kept" / kept.path
        raw = path.read_bytes()
        for damaged in (raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 4]) + raw[len(raw) // 2 + 1 :], raw[:-1]):
            path.write_bytes(damaged)
            with pytest.raises(Refused, match=kept.path):
                restore(tmp_path / "kept", tmp_path / "again")
        path.unlink()
        with pytest.raises(Refused, match=f"{kept.path} is missing"):
            restore(tmp_path / "kept", tmp_path / "again")
        path.write_bytes(raw)
    assert not list(tmp_path.glob("again*"))
    restore(tmp_path / "kept", tmp_path / "again")


def test_a_damaged_manifest_is_no_guide(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "kept")
    path = tmp_path / "kept" / MANIFEST
    raw = path.read_bytes()
    for at in range(0, len(raw), max(1, len(raw) // 200)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        try:
            found = read_manifest(tmp_path / "kept")
        except Refused:
            continue
        pytest.fail(f"byte {at} may change unseen: {found}")
    for other in (b"", b"[]", b"{}", b"null", raw[: len(raw) // 2], b"\xff\xfe"):
        path.write_bytes(other)
        with pytest.raises(Refused):
            read_manifest(tmp_path / "kept")


def test_a_manifest_stays_below_its_directory(data: Path, tmp_path: Path) -> None:
    import msgspec

    from gateway.backups import Kept, encode_manifest

    made = back_up(data, tmp_path / "kept")
    for name in ("../data/config", "/etc/hostname"):
        other = msgspec.structs.replace(made, files=(Kept(name, 1, "00"),))
        (tmp_path / "kept" / MANIFEST).write_bytes(encode_manifest(other))
        with pytest.raises(Refused, match="outside"):
            restore(tmp_path / "kept", tmp_path / "again")


@pytest.mark.parametrize("where", ["segment", "archived", "between"])
def test_a_damaged_log_is_not_backed_up(where: str, data: Path, tmp_path: Path) -> None:
    places = list_all(RealFiles(), data / LOG_FOLDER)
    if where == "between":
        places[len(places) // 2][1].unlink()
    else:
        path = places[0 if where == "archived" else -2][1]
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2 if where == "archived" else 5_000] ^= 1
        path.write_bytes(raw)
    with pytest.raises(LogCorrupt):
        back_up(data, tmp_path / "kept")
    assert not list(tmp_path.glob("kept*"))


def test_a_damaged_snapshot_is_left_out(data: Path, season: Season, tmp_path: Path) -> None:
    newest, older = list_snapshots(RealFiles(), data / SNAPSHOT_FOLDER)
    path = data / SNAPSHOT_FOLDER / snapshot_name(newest)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    made = back_up(data, tmp_path / "kept")
    assert made.snapshots == (older,) and made.seq == season.machine.seq


# While the venue runs


def test_events_that_are_compressed_meanwhile(data: Path, season: Season, tmp_path: Path) -> None:
    writer = EventWriter(RealFiles(), data / EVENTS_FOLDER, segment_bytes=SEGMENT_BYTES)
    live = [path for _, path in list_events(RealFiles(), data / EVENTS_FOLDER) if path.name.endswith(".evt")]
    assert len(live) > 2
    gone = []

    def step(name: str) -> None:
        if name.endswith(live[-2].name) and not gone:
            while writer.tend():
                pass
            gone.append(name)

    made = back_up(data, tmp_path / "kept", step=step)
    writer.close()
    assert gone and made.events_number == season.records[-1].number - 1, "the last record is empty"
    assert not live[-2].exists()
    restore(tmp_path / "kept", tmp_path / "again")
    assert list_events(RealFiles(), tmp_path / "again" / EVENTS_FOLDER)


@pytest.mark.parametrize("kind", ["half a frame", "half a header"])
def test_an_event_that_is_being_written(kind: str, data: Path, season: Season, tmp_path: Path) -> None:
    path = list_events(RealFiles(), data / EVENTS_FOLDER)[-1][1]
    if kind == "half a frame":
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
    else:
        path.with_name(live_name(10**6)).write_bytes(b"\0" * 100)
    made = back_up(data, tmp_path / "kept")
    assert made.notes == () and 0 < made.events_number < season.records[-1].number
    restore(tmp_path / "kept", tmp_path / "again")


def test_damaged_events_are_left_out_and_named(data: Path, season: Season, tmp_path: Path) -> None:
    path = list_events(RealFiles(), data / EVENTS_FOLDER)[0][1]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    done = command("backup", "--data", data, "--to", tmp_path / "kept", "--json")
    assert done.returncode == 0 and path.name in json.loads(done.stdout)["notes"][0]
    assert not [kept for kept in read_manifest(tmp_path / "kept").files if kept.path.startswith(EVENTS_FOLDER)]
    assert restore(tmp_path / "kept", tmp_path / "again").seq == season.machine.seq


def test_segments_that_are_archived_meanwhile(data: Path, season: Season, tmp_path: Path) -> None:
    places = [number for number, _ in list_all(RealFiles(), data / LOG_FOLDER)]

    def step(name: str) -> None:
        if name.endswith(f"{places[-3]:016d}.seg"):
            archive_before(RealFiles(), data / LOG_FOLDER, places[-1] - 1)

    made = back_up(data, tmp_path / "kept", step=step)
    assert made.seq == season.machine.seq
    restore(tmp_path / "kept", tmp_path / "again")


def test_snapshots_that_are_pruned_meanwhile(data: Path, season: Season, tmp_path: Path) -> None:
    newest, older = list_snapshots(RealFiles(), data / SNAPSHOT_FOLDER)

    def step(name: str) -> None:
        if name.endswith(snapshot_name(newest)):
            (data / SNAPSHOT_FOLDER / snapshot_name(older)).unlink(missing_ok=True)

    assert back_up(data, tmp_path / "kept", step=step).snapshots == (newest,)
    assert restore(tmp_path / "kept", tmp_path / "again").seq == season.machine.seq


def test_a_torn_tail_is_left_out(data: Path, season: Season, tmp_path: Path) -> None:
    path = list_all(RealFiles(), data / LOG_FOLDER)[-1][1]
    with open(path, "r+b") as file:
        file.seek(-1_000, os.SEEK_END)
        file.write(b"torn")
    assert back_up(data, tmp_path / "kept").seq == season.machine.seq
    restore(tmp_path / "kept", tmp_path / "again")


async def test_backups_under_load_hold_all_that_was_acknowledged(tmp_path: Path) -> None:
    """A real venue, clients at work, one backup after another: each holds what was acknowledged before it began."""
    served = await asyncio.to_thread(Serving, tmp_path / "data")
    load, until = Load(seed=5), asyncio.Event()
    running = asyncio.create_task(load.run(served.url, until))
    acknowledged = []
    try:
        for number in range(3):
            before = len(load.text)
            while len(load.text) < before + 20:
                assert not running.done()
                await asyncio.sleep(0.05)
            acknowledged.append(max(told.body["seq"] for told in load.text))
            await asyncio.to_thread(back_up, tmp_path / "data", tmp_path / f"{number}")
    finally:
        until.set()
        await running
        assert await asyncio.to_thread(served.end) == 0
    assert 0 < acknowledged[0] < acknowledged[1] < acknowledged[2]
    for number, seq in enumerate(acknowledged):
        assert restore(tmp_path / f"{number}", tmp_path / f"again-{number}").seq >= seq
    # The last of them is a venue again: its past is the same, its epoch another.
    kept = read_manifest(tmp_path / "2")
    served = await asyncio.to_thread(Serving, tmp_path / "again-2")
    assert await asyncio.to_thread(served.end) == 0
    log = LocalLog.open(RealFiles(), tmp_path / "again-2" / LOG_FOLDER, writable=False)
    records = list(log.read())
    assert records[kept.number - 1].digest.hex() == kept.record_digest
    assert log.tail.epoch > kept.epoch and len(records) > kept.number
