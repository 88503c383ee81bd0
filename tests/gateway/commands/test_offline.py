"""`qhatu replay`, `verify` and `skip` on real logs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.codes import EventKind, Phase
from engine.log.archive import archive_before
from engine.log.files import Locked, RealFiles
from engine.log.local import LocalLog
from engine.log.record import GENERATION, encode_record
from engine.machine import RULES, Machine
from engine.messages import bodies
from engine.messages.batch import cold
from engine.oracle.books import Books as OracleBooks
from engine.state.books import Books
from gateway.commands.skip import skipped
from gateway.commands.verify import verified
from gateway.following import Following
from gateway.history_tables import applied
from gateway.offline import Refused
from gateway.replaying import LOG_FOLDER, NoVenue, Standing, rebuild
from gateway.sequencer import Stamp
from tests.engine.log.builders import batch_of
from tests.gateway.seasons import Season, write_log
from tests.gateway.test_following import Given, Kept
from tests.recorder import coffee


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=61)


@pytest.fixture
def data(season: Season, tmp_path: Path) -> Path:
    write_log(season.records, tmp_path / LOG_FOLDER).close()
    return tmp_path


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments], capture_output=True, text=True, timeout=120
    )


def test_replay_comes_to_the_venues_own_hash(data: Path, season: Season) -> None:
    done = command("replay", "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"seq", "state_hash", "event_digest", "commands", "seconds"}
    assert answer["seq"] == answer["commands"] == season.machine.seq
    assert answer["state_hash"] == season.machine.state_hash().hex()
    assert answer["event_digest"] == season.machine.event_digest.hex()
    plain = command("replay", "--data", str(data))
    assert plain.returncode == 0 and season.machine.state_hash().hex() in plain.stdout


def test_either_kind_of_books_rebuilds_the_same(data: Path, season: Season) -> None:
    assert rebuild(data, Books).machine.state_hash() == rebuild(data, OracleBooks).machine.state_hash()


def test_verify_compares_everything(data: Path, season: Season) -> None:
    done = command("verify", "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verified"] is True and answer["records"] == len(season.records)
    assert answer["events"] == sum(len(events) for events in season.events)
    assert answer["state_hash"] == season.machine.state_hash().hex()


def test_verify_names_the_first_event_that_differs(data: Path, season: Season, monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle with another mind about one cancel."""
    seq = next(
        record.first_seq + int(events[events["kind"] == EventKind.CANCELLED][0]["command"])
        for record, events in zip(season.records, season.events, strict=True)
        if (events["kind"] == EventKind.CANCELLED).any()
    )
    run = OracleBooks.run

    def other(self: OracleBooks, *args: object, **kwargs: object) -> tuple[int, np.ndarray]:
        row, events = run(self, *args, **kwargs)  # type: ignore[arg-type]
        events["qty"][events["kind"] == EventKind.CANCELLED] += 1
        return row, events

    monkeypatch.setattr(OracleBooks, "run", other)
    with pytest.raises(Refused, match=f"command {seq}, event"):
        verified(data)


@pytest.mark.parametrize("name", ["replay", "verify"])
@pytest.mark.parametrize("trouble", ["missing", "damaged"])
def test_trouble_is_one_line_on_stderr_and_code_1(data: Path, name: str, trouble: str) -> None:
    folder = data / "nowhere" if trouble == "missing" else data
    if trouble == "damaged":
        (segment,) = (data / LOG_FOLDER).glob("*.seg")
        raw = bytearray(segment.read_bytes())
        raw[20_000] ^= 1
        segment.write_bytes(raw)
    done = command(name, "--data", str(folder), "--json")
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and (trouble == "missing" or segment.name in done.stderr)


def test_arguments_that_are_missing_are_code_2() -> None:
    assert command("replay").returncode == command("verify").returncode == command("skip", "--seq", "1").returncode == 2


def test_rebuild_without_a_venue(tmp_path: Path) -> None:
    with pytest.raises(NoVenue):
        rebuild(tmp_path)


# SKIP


class Planted(Exception):
    """A bug in a rule."""


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, int]:
    """A log whose last commands the venue could not apply, and the sequence of the one with the bug."""
    log = LocalLog.open(RealFiles(), tmp_path / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    stamp, machine = Stamp(log.claim(), 0), Machine(Books())
    for body in (bodies.Genesis(b"g" * 16, "test"), bodies.OpenAccount(1, "one"), coffee(1)):
        record = stamp.record(cold(body), 1_000, machine.seq, machine.event_digest)
        log.write(record)
        machine.apply(record)
    poison = stamp.record(cold(bodies.SetPhase(1, Phase.PRE_OPEN)), 1_000, machine.seq, machine.event_digest)
    log.write(poison)
    log.write(stamp.record(cold(bodies.OpenAccount(2, "two")), 1_000, machine.seq, machine.event_digest))
    log.close()

    def planted(turn: object, body: object) -> None:
        raise Planted("in a rule")

    monkeypatch.setitem(RULES, next(kind for kind in RULES if kind.name == "SET_PHASE"), planted)
    return tmp_path, poison.first_seq


def test_a_poison_command_stops_every_replay_until_it_is_skipped(poisoned: tuple[Path, int]) -> None:
    data, seq = poisoned
    with pytest.raises(Planted) as caught:
        rebuild(data)
    assert f"command {seq} " in " ".join(caught.value.__notes__)
    answer = skipped(data, seq, "a bug in a rule")
    assert answer == {"seq": seq, "kind": "set_phase", "number": 6, "why": "a bug in a rule"}
    rebuilt = rebuild(data)
    machine = rebuilt.machine
    assert set(machine.venue.accounts) == {1, 2} and machine.hot.phase(1) == Phase.CLOSED
    assert machine.seq == seq + 2 and rebuilt.log.skips == {seq}
    assert rebuilt.log.tail.ts_ns == 1_000, "a SKIP takes no time"
    assert rebuild(data, OracleBooks).machine.state_hash() == machine.state_hash()


def test_the_follower_passes_over_it_as_well(poisoned: tuple[Path, int]) -> None:
    data, seq = poisoned
    skipped(data, seq, "a bug in a rule")
    log = LocalLog.open(RealFiles(), data / LOG_FOLDER, writable=False)
    machine = Machine(Books(), log.skips)
    following = Following(Given(list(log.read())), Standing(machine), Kept())
    while following.step():
        pass
    assert set(machine.venue.accounts) == {1, 2} and machine.seq == seq + 2


def test_a_skip_that_was_archived_still_holds_for_whoever_reads_from_the_beginning(poisoned: tuple[Path, int]) -> None:
    data, seq = poisoned
    skipped(data, seq, "a bug in a rule")
    log = LocalLog.open(RealFiles(), data / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    stamp, machine = Stamp(log.claim(), 0), rebuild(data).machine
    while len(list((data / LOG_FOLDER).glob("*.seg"))) < 2:  # the first is of 4 MiB
        record = stamp.record(batch_of(4_000), 1_000, machine.seq, machine.event_digest)
        log.write(record)
        machine.apply(record)
    log.close()
    archive_before(RealFiles(), data / LOG_FOLDER, 10**9)
    log = LocalLog.open(RealFiles(), data / LOG_FOLDER, writable=False)
    assert log.first_number > 6 and log.skips == frozenset() and log.skips_from(1) == {seq}
    assert log.skips_from(log.first_number) == frozenset(), "nobody unpacks the archive for a start from a snapshot"
    assert rebuild(data).machine.state_hash() == machine.state_hash()
    assert verified(data)["verified"] is True
    assert sum(1 for _ in applied(data)) > 6


@pytest.mark.parametrize(
    ("seq", "why"),
    [(3, "applied before"), (99, "there is no command 99"), (1, "applied before")],
)
def test_what_cannot_be_skipped_changes_nothing(poisoned: tuple[Path, int], seq: int, why: str) -> None:
    data, _ = poisoned
    before = next((data / LOG_FOLDER).glob("*.seg")).read_bytes()
    with pytest.raises(Refused, match=why):
        skipped(data, seq, "because")
    assert next((data / LOG_FOLDER).glob("*.seg")).read_bytes() == before


def test_a_command_is_skipped_once_and_a_skip_never(poisoned: tuple[Path, int]) -> None:
    data, seq = poisoned
    skipped(data, seq, "a bug in a rule")
    with pytest.raises(Refused, match="already"):
        skipped(data, seq, "again")
    with pytest.raises(Refused, match="skip"):
        skipped(data, seq + 2, "the skip itself")


def test_a_running_venue_is_left_alone(poisoned: tuple[Path, int]) -> None:
    data, seq = poisoned
    venue = LocalLog.open(RealFiles(), data / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    with pytest.raises(Locked):
        skipped(data, seq, "while it runs")
    done = command("skip", "--data", str(data), "--seq", str(seq), "--why", "while it runs")
    assert done.returncode == 1 and done.stdout == "" and "in use" in done.stderr
    venue.close()
    done = command("skip", "--data", str(data), "--seq", str(seq), "--why", "now", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seq"] == seq


def test_a_record_that_differs_from_its_digest_is_told(data: Path, season: Season) -> None:
    """The venue that wrote this log came to other events."""
    log = LocalLog.open(RealFiles(), data / LOG_FOLDER, segment_bytes=4 * 1024 * 1024)
    tail = log.claim()
    log.write(
        encode_record(
            cold(bodies.Time()), shard=0, generation=GENERATION, epoch=tail.epoch, first_seq=tail.next_seq,
            ts_ns=tail.ts_ns, number=tail.next_number, prev_digest=tail.digest, durable_through=tail.next_number - 1,
            applied_seq=tail.next_seq - 1, event_digest=b"\5" * 16,
        )
    )  # fmt: skip
    log.close()
    for name in ("replay", "verify"):
        done = command(name, "--data", str(data))
        assert done.returncode == 1 and f"command {season.machine.seq} " in done.stderr
