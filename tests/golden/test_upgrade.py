"""The golden venues of older generations under this release: migrated, opened, gone on with, and refused where they
must be."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from engine.codes import GENERATION, CommandKind, EventKind, Reason
from engine.generations import OtherGeneration, migrated
from engine.log.archive import archive_before
from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from engine.log.record import encode_record
from engine.log.snapshot import (
    BadSnapshot,
    Snapshot,
    list_snapshots,
    prune_snapshots,
    read_header,
    read_snapshot,
    snapshot_name,
    write_snapshot,
)
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.rows import COMMAND
from engine.oracle.books import Books as OracleBooks
from engine.state.books import Books
from gateway.commands.skip import skipped
from gateway.commands.snapshot import snapshot_taken
from gateway.commands.verify import verified
from gateway.follower import Process
from gateway.offline import Refused
from gateway.places import EVENTS_FOLDER, STATUS_FILE
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, NoWayBack, WrongGeneration, open_log, rebuild
from gateway.sequencer import Stamp
from gateway.upgrade import upgrade
from tests.faulty_files import FaultyFiles
from tests.golden.older_rules import OlderMachine
from tests.golden.venues import expected, unpacked
from tests.recorder import HOTS, Recorder

FILES = RealFiles()


class Older(NamedTuple):
    """A golden venue of an older generation: what is expected of it, and where its copy is."""

    generation: int
    want: dict[str, Any]
    data: Path

    @property
    def end(self) -> int:
        """Its last record."""
        return self.want["records"]

    @property
    def migrated(self) -> str:
        """State hash of its end in this generation."""
        return self.want["migrated"][str(GENERATION)]

    def last_snapshot(self) -> Snapshot:
        return read_snapshot(FILES, self.data / SNAPSHOT_FOLDER / snapshot_name(self.end))


@pytest.fixture(params=range(1, GENERATION), ids=lambda generation: f"generation-{generation}")
def old(request, tmp_path: Path) -> Older:
    return Older(request.param, expected(request.param), unpacked(request.param, tmp_path / "data"))


@pytest.fixture
def data(old: Older) -> Path:
    return old.data


def upgraded(data: Path, files=FILES) -> list[str]:
    log = open_log(data, writable=True, files=files)
    try:
        return upgrade(files, data, log, Books)
    finally:
        log.close()


def append(data: Path, *batches: Batch, generation: int = GENERATION) -> None:
    """Records as a venue of that generation would write them: correct, but for the digest of events, which is old."""
    log = open_log(data, writable=True)
    tail = log.claim()
    for batch in batches:
        record = encode_record(
            batch, shard=0, generation=generation, epoch=tail.epoch, first_seq=tail.next_seq, ts_ns=tail.ts_ns,
            number=tail.next_number, prev_digest=tail.digest, durable_through=tail.next_number - 1, applied_seq=0,
            event_digest=bytes(16),
        )  # fmt: skip
        log.write(record)
        tail = tail.after(record)
    log.close()


EMPTY = Batch(np.zeros(0, COMMAND))


# --- the migration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_hot", HOTS)
def test_the_golden_state_becomes_the_recorded_one(old, data, make_hot):
    before = old.last_snapshot()
    after = migrated(before)
    machine = Machine.restored(make_hot(), after)
    assert (after.generation, machine.state_hash().hex()) == (GENERATION, old.migrated)
    assert machine.state_hash() != before.state_hash, "what a state means depends on its rules"
    assert (machine.seq, machine.event_digest.hex()) == (old.want["seq"], old.want["event_digest"])
    assert machine.migrated == (old.generation, before.state_hash)


def test_a_snapshot_that_is_not_what_its_hash_says_is_not_migrated(old, data):
    told = old.last_snapshot()
    fewer = {name: part for name, part in told.sections.items() if name != "cold/keys"}
    for changed in (
        replace(told, ts_ns=told.ts_ns + 1),
        replace(told, state_hash=b"x" * 16),
        replace(told, sections=told.sections | {"cold/accounts": b"\x90"}),
        replace(told, sections=fewer),
    ):
        with pytest.raises(BadSnapshot, match=snapshot_name(old.end)):
            migrated(changed)


def test_a_generation_that_no_step_leads_from_is_named(old, data):
    with pytest.raises(OtherGeneration, match=r"generation 9.*a newer release"):
        migrated(replace(old.last_snapshot(), generation=9))
    with pytest.raises(OtherGeneration, match=rf"generation {old.generation}.*the release that wrote it"):
        Machine.restored(Books(), old.last_snapshot())


@pytest.mark.parametrize("make_hot", HOTS)
def test_records_of_another_generation_are_never_applied(old, data, make_hot):
    machine = Machine(make_hot())
    first = next(iter(open_log(data).read()))
    with pytest.raises(OtherGeneration, match=f"record 1 is of generation {old.generation}"):
        machine.apply(first)
    with pytest.raises(OtherGeneration, match="a newer release"):
        machine.apply(replace(first, generation=GENERATION + 1))
    assert machine.seq == 0


@pytest.mark.parametrize("make_hot", HOTS)
def test_a_migrated_state_takes_its_generation_record_and_no_other(old, data, make_hot):
    before = old.last_snapshot()
    after = migrated(before)
    body = bodies.Generation(old.generation, GENERATION, before.state_hash, after.state_hash, "test")
    record = Stamp(after.tail, 0).record(cold(body), 0, after.seq, after.event_digest)
    events = Machine.restored(make_hot(), after).apply(record)
    assert [tuple(event[["kind", "qty", "leaves"]].tolist()) for event in events] == [
        (EventKind.GENERATION_OPENED, GENERATION, old.generation)
    ]
    wrong = replace(record, batch=cold(bodies.Generation(old.generation, GENERATION, before.state_hash, b"w" * 16)))
    with pytest.raises(AssertionError, match="not the one that was recorded"):
        Machine.restored(make_hot(), after).apply(wrong)
    with pytest.raises(AssertionError, match="told of first"):
        Machine.restored(make_hot(), after).apply(replace(record, batch=cold(bodies.Time())))


@pytest.mark.parametrize("make_hot", HOTS)
def test_nobody_else_opens_a_generation(make_hot):
    recorder = Recorder(Machine(make_hot()))
    events = recorder.do(bodies.Generation(1, GENERATION, b"b" * 16, b"a" * 16))
    assert events["reason"].tolist() == [Reason.NOT_PERMITTED]


# --- the upgrade of a directory --------------------------------------------------------------------------------------


def test_it_is_opened_once_and_found_again_from_the_boundary(old, data):
    assert old.migrated in upgraded(data)[0]
    assert upgraded(data) == [], "the second start finds it done"
    for make_hot in (Books, OracleBooks):
        for whole in (False, True):
            rebuilt = rebuild(data, make_hot, whole=whole)
            assert (rebuilt.snapshot, rebuilt.records) == (old.end, 2)
            assert rebuilt.machine.seq == old.want["seq"] + 1 and rebuilt.machine.migrated is None
    records = list(open_log(data).read())
    assert [(record.generation, record.count) for record in records[old.end :]] == [(GENERATION, 1), (GENERATION, 0)]
    opened = records[old.end]
    assert opened.ts_ns == records[old.end - 1].ts_ns and opened.epoch == records[old.end - 1].epoch + 1
    body = bodies.decode_body(CommandKind.GENERATION, opened.batch.blob)
    assert (body.hash_before.hex(), body.hash_after.hex()) == (old.want["state_hash"], old.migrated)
    answer = verified(data)
    assert (answer["older"], answer["records"], answer["verified"]) == ({str(old.generation): old.end}, 2, True)


def test_empty_records_after_the_snapshot_are_still_the_end(old, data):
    append(data, EMPTY, EMPTY, generation=old.generation)
    upgraded(data)
    rebuilt = rebuild(data)
    assert (rebuilt.machine.seq, rebuilt.snapshot, rebuilt.records) == (old.want["seq"] + 1, old.end + 2, 2)
    assert verified(data)["older"] == {str(old.generation): old.end + 2}


def test_the_boundary_is_kept_and_found_when_everything_later_is_lost(old, data):
    upgraded(data)
    for _ in range(3):
        append(data, cold(bodies.Time()), EMPTY)
        snapshot_taken(data)
    kept = list_snapshots(FILES, data / SNAPSHOT_FOLDER)
    assert len(kept) == 3 and kept[-1] == old.end
    prune_snapshots(FILES, data / SNAPSHOT_FOLDER)
    assert list_snapshots(FILES, data / SNAPSHOT_FOLDER) == kept
    want = rebuild(data)
    assert want.snapshot == kept[0]
    for number in kept[:-1]:
        (data / SNAPSHOT_FOLDER / snapshot_name(number)).write_bytes(b"damaged")
    found = rebuild(data)
    assert (found.snapshot, found.machine.state_hash()) == (old.end, want.machine.state_hash())
    (data / SNAPSHOT_FOLDER / snapshot_name(old.end)).unlink()
    with pytest.raises(NoWayBack, match=f"it begins in generation {old.generation}"):
        rebuild(data)


def test_an_archive_of_the_older_generation_does_not_matter(old, data):
    upgraded(data)
    archive_before(FILES, data / LOG_FOLDER, old.end)
    shutil.rmtree(data / LOG_FOLDER / "archive")
    assert rebuild(data, whole=True).snapshot == old.end
    assert "older" not in verified(data), "what is not there is not counted"


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(data: Path, match: str) -> None:
    """With nothing changed."""
    before = {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file() and path.name != "lock"}
    with pytest.raises(WrongGeneration, match=match):
        upgraded(data)
    assert {path: path.read_bytes() for path in before} == before


def test_without_a_snapshot_at_the_end_it_is_refused_with_what_to_do(old, data):
    append(data, cold(bodies.Time()), EMPTY, generation=old.generation)
    after = f"command {old.want['seq'] + 1:,} .*"
    with_what = rf"with release {old.want['release']}.*qhatu snapshot"
    refused(data, rf"snapshot of its end, {after}End generation {old.generation} {with_what}")


def test_a_damaged_snapshot_at_the_end_is_no_end(old, data):
    (data / SNAPSHOT_FOLDER / snapshot_name(old.end)).write_bytes(b"damaged")
    refused(data, f"{snapshot_name(old.end)} cannot be used")
    shutil.rmtree(data / SNAPSHOT_FOLDER)
    (data / SNAPSHOT_FOLDER).mkdir()
    refused(data, "there is none there.*with the release that wrote it")


def test_a_snapshot_of_another_state_is_not_migrated(old, data):
    folder = data / SNAPSHOT_FOLDER
    write_snapshot(FILES, folder, replace(old.last_snapshot(), state_hash=b"x" * 16))
    refused(data, f"another hash under the rules of generation {old.generation}")


def write_events(old: Older, upto: int) -> None:
    """As the follower of the release that wrote the log."""
    machine, writer = OlderMachine(Books()), EventWriter(FILES, old.data / EVENTS_FOLDER)
    for record, digest in zip(open_log(old.data).read(), old.want["digests"], strict=True):
        if record.number <= upto:
            events = machine.apply(record)
            assert machine.event_digest.hex() == digest
            writer.append(record, events, machine.event_digest)
    writer.close()


def test_events_that_nobody_could_write_any_more_are_asked_for_first(old, data):
    write_events(old, old.end - 5)
    ends = f"generation {old.generation} ends with command {old.want['seq']:,}"
    refused(data, f"the events are written up to command .* {ends}.* with that release")
    write_events(old, old.end)
    assert upgraded(data)


def test_damaged_events_of_the_older_generation_are_mended_by_its_release(old, data):
    write_events(old, old.end)
    path = next((data / EVENTS_FOLDER).iterdir())
    image = bytearray(path.read_bytes())
    image[5_000] ^= 1
    path.write_bytes(image)
    refused(data, "the events are written up to")


def test_the_follower_leaves_damaged_events_of_an_older_generation(old, data):
    """They could not be made anew; those of this generation alone can."""
    write_events(old, old.end)
    upgraded(data)
    path = next((data / EVENTS_FOLDER).iterdir())
    follower = Process(data, None, 10**6, 10**6)
    assert "only the release that wrote it" in (follower._remade() or "")
    assert path.exists()


@pytest.mark.parametrize("command", [rebuild, verified, snapshot_taken, lambda data: skipped(data, 5, "why")])
def test_offline_commands_leave_an_older_generation_to_its_release(old, data, command):
    with pytest.raises(WrongGeneration, match="`qhatu serve` upgrades it"):
        command(data)
    assert read_header(FILES, data / SNAPSHOT_FOLDER / snapshot_name(old.end)).generation == old.generation


@pytest.mark.parametrize("command", [rebuild, verified, snapshot_taken, lambda data: skipped(data, 5, "why")])
def test_a_newer_generation_takes_a_newer_release(data, command):
    append(data, cold(bodies.Time()), EMPTY, generation=GENERATION + 1)
    assert upgraded(data) == []
    with pytest.raises(WrongGeneration, match=f"ends in generation {GENERATION + 1}, .* up to {GENERATION}"):
        command(data)


def test_a_skip_names_no_command_of_an_older_generation(old, data):
    upgraded(data)
    with pytest.raises(Refused, match="command 5 was applied"):
        skipped(data, 5, "why")
    with pytest.raises(Refused, match="is a generation: it cannot be passed over"):
        skipped(data, old.want["seq"] + 1, "why")


# --- interrupted -----------------------------------------------------------------------------------------------------


class Failing(FaultyFiles):
    """Fails as a process that ends: its handles, and so its lock, are closed all the same."""

    def close(self, handle: int) -> None:
        self._files.close(handle)


def test_a_failure_at_any_write_leaves_the_old_end_or_the_new_beginning(old, data, tmp_path):
    """Each call of the file system fails in turn; the next start does it again or goes on."""
    calls = 0
    while True:
        copy = Path(shutil.copytree(data, tmp_path / f"copy-{calls}"))
        files = Failing(FILES)
        files.fail_after(calls)
        try:
            upgraded(copy, files)
        except Exception:
            done = False
        else:
            done = True
        upgraded(copy)
        rebuilt = rebuild(copy)
        assert rebuilt.machine.seq == old.want["seq"] + 1, "it is opened once"
        assert rebuilt.snapshot == old.end
        kinds = [int(r.batch.rows["kind"][0]) for r in open_log(copy).read() if r.number > old.end and r.count]
        assert kinds == [CommandKind.GENERATION]
        shutil.rmtree(copy)
        if done:
            break
        calls += 1
    assert calls > 5


@pytest.mark.parametrize("cut", ["torn", "unvouched"])
def test_killed_within_or_after_the_generation_record(old, data, cut):
    """Torn: the record is cut, and the migration done again. Whole but alone: it is durable, and the start goes on."""
    upgraded(data)
    log = open_log(data)
    segment = data / LOG_FOLDER / sorted(path.name for path in (data / LOG_FOLDER).glob("*.seg"))[-1]
    image = bytearray(segment.read_bytes())
    opened, empty = list(log.read())[old.end :]
    at_empty, at_opened = image.rindex(empty.raw), image.rindex(opened.raw)
    image[at_empty : at_empty + len(empty.raw)] = bytes(len(empty.raw))
    if cut == "torn":
        image[at_opened + 130 : at_opened + len(opened.raw)] = bytes(len(opened.raw) - 130)
    segment.write_bytes(image)
    assert bool(upgraded(data)) == (cut == "torn")
    rebuilt = rebuild(data)
    assert (rebuilt.machine.seq, rebuilt.snapshot) == (old.want["seq"] + 1, old.end)


# --- the real process ------------------------------------------------------------------------------------------------


def run(data: Path, name: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "gateway.cli", name, "--data", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class Served:
    """`serve` as a process of its own."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()

    def end(self, number: int = signal.SIGTERM) -> str:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=120)
        assert self.process.returncode == (0 if number == signal.SIGTERM else -number), errors
        return errors


def follows(old: Older, seq: int) -> None:
    """The follower went on where the older release's had ended."""
    deadline = time.monotonic() + 60
    status: dict = {}
    while time.monotonic() < deadline and not (status.get("state") == "following" and status["seq"] >= seq):
        time.sleep(0.1)
        with contextlib.suppress(FileNotFoundError):
            status = json.loads((old.data / STATUS_FILE).read_text())
    assert status["state"] == "following", status
    reader = EventReader(FILES, old.data / EVENTS_FOLDER, old.end)
    (_, events, _), *_ = reader.poll()
    reader.close()
    assert events["kind"].tolist() == [EventKind.GENERATION_OPENED]


def test_a_real_start_upgrades_and_the_next_ones_go_on(old, data):
    if old.generation > 1:  # with events that the follower finds, and without any
        write_events(old, old.end)
    first = Served(data)
    assert "takes orders at" in first.line, first.process.communicate()
    follows(old, old.want["seq"] + 2)
    errors = first.end()
    assert (
        f"generation {GENERATION} of the rules begins after command {old.want['seq']:,}" in errors
        and old.migrated in errors
    )
    second = Served(data)
    assert "takes orders at" in second.line
    follows(old, old.want["seq"] + 3)
    assert "begins after" not in second.end(signal.SIGKILL)
    found = [json.loads(run(data, "replay", "--json", *more).stdout) for more in ((), ("--whole",))]
    for answer in found:
        del answer["seconds"]
    assert found[0] == found[1] and found[0]["seq"] > old.want["seq"] + 2
    told = json.loads(run(data, "verify", "--json").stdout)
    assert (told["older"], told["state_hash"], told["verified"]) == (
        {str(old.generation): old.end},
        found[0]["state_hash"],
        True,
    )
    assert f"generation {old.generation}  {old.end} records" in run(data, "verify").stdout


def test_a_real_start_refuses_in_one_line(old, data):
    append(data, cold(bodies.Time()), EMPTY, generation=old.generation)
    refusal = run(data, "serve", "--port", "0")
    assert refusal.returncode == 1 and refusal.stdout == ""
    assert f"End generation {old.generation} with release {old.want['release']} that wrote it" in refusal.stderr
    for name in ("replay", "verify", "snapshot"):
        answer = run(data, name)
        assert answer.returncode == 1 and f"ends in generation {old.generation}" in answer.stderr
