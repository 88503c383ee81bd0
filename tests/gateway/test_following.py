"""Following in one process: the same events however the log is cut, and a difference is never passed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from engine.log.follow import LogReader
from engine.log.record import GENERATION, Record, encode_record
from engine.log.replay import DigestDiffers
from engine.machine import Machine
from engine.state.books import Books
from gateway.following import ApplyFailed, Following
from gateway.replaying import Standing
from tests.gateway.seasons import Season, write_log


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=31, turns=20)


class Given:
    """A reader that hands out what it was given, at most so many at a time."""

    def __init__(self, records: list[Record], at_most: int = 10**9) -> None:
        self.records, self.at_most = list(records), at_most

    def poll(self, max_records: int = 1_000) -> list[Record]:
        n = min(max_records, self.at_most)
        taken, self.records = self.records[:n], self.records[n:]
        return taken


class Kept:
    """Events in memory."""

    def __init__(self) -> None:
        self.given: list[tuple[int, bytes, bytes]] = []
        self.flushed = 0

    def append(self, record: Record, events: np.ndarray, event_digest: bytes) -> None:
        self.given.append((record.number, events.tobytes(), event_digest))

    def flush(self) -> None:
        self.flushed = len(self.given)

    def sync(self) -> None:
        self.flush()

    def tend(self) -> bool:
        return False


def follow(reader: object, events: object) -> Following:
    following = Following(reader, Standing(Machine(Books())), events)
    while following.step():
        pass
    following.finish()
    return following


def test_compiled_books_give_the_events_of_the_plain_ones(season: Season) -> None:
    for at_most in (1, 5, 10**9):
        kept = Kept()
        following = follow(Given(season.records, at_most), kept)
        assert kept.given == [
            (record.number, events.tobytes(), digest)
            for record, events, digest in zip(season.records, season.events, season.digests, strict=True)
        ]
        assert following.machine.state_hash() == season.machine.state_hash()
        assert (following.number, following.seq) == (len(season.records), season.machine.seq)


def test_each_step_ends_with_what_it_found_for_readers_to_see(season: Season) -> None:
    kept = Kept()
    following = Following(Given(season.records, 3), Standing(Machine(Books())), kept)
    while following.step():
        assert kept.flushed == len(kept.given) == following.number


def test_from_disk_everything_but_the_last_record_is_known_durable(tmp_path: Path, season: Season) -> None:
    log = write_log(season.records, tmp_path / "log")
    events = EventWriter(RealFiles(), tmp_path / "events")
    following = follow(LogReader(RealFiles(), tmp_path / "log"), events)
    assert following.machine.seq == season.machine.seq, "the empty record at the end lets it finish"
    assert following.number == len(season.records) - 1
    found = EventReader(RealFiles(), tmp_path / "events").poll()
    wanted = zip(season.records, season.events, season.digests, strict=True)
    assert [(record.raw, rows.tobytes(), digest) for record, rows, digest in found] == [
        (record.raw, rows.tobytes(), digest) for record, rows, digest in wanted if record.count
    ]
    events.close()
    log.close()


def test_it_goes_on_from_any_record(season: Season) -> None:
    """The machine stands where the reader begins."""
    for upto in (1, 17, 40):
        machine, first, second = Machine(Books()), Kept(), Kept()
        following = Following(Given(season.records[:upto]), Standing(machine), first)
        while following.step():
            pass
        again = Following(Given(season.records[upto:]), Standing(machine, following.tail), second)
        assert (again.number, again.seq, again.ts_ns) == (upto, following.seq, season.records[upto - 1].ts_ns)
        while again.step():
            pass
        assert [given[2] for given in first.given + second.given] == season.digests


def test_a_difference_in_events_is_told_with_its_sequence(season: Season) -> None:
    class Other(Machine):
        """An engine of another mind: it gives one price differently."""

        def apply(self, record: Record) -> np.ndarray:
            events = super().apply(record)
            if record.number == 30:
                self.event_digest = bytes(16)
            return events

    following = Following(Given(season.records), Standing(Other(Books())), Kept())
    with pytest.raises(DigestDiffers) as caught:
        while following.step():
            pass
    assert caught.value.applied_seq == season.records[29].next_seq - 1


def test_a_writer_that_differs_is_told_with_its_sequence(season: Season) -> None:
    record = season.records[40]
    forged = encode_record(
        record.batch,
        shard=0,
        generation=GENERATION,
        epoch=1,
        first_seq=record.first_seq,
        ts_ns=record.ts_ns,
        number=record.number,
        prev_digest=record.prev_digest,
        durable_through=record.durable_through,
        applied_seq=record.applied_seq,
        event_digest=b"\1" * 16,
    )
    with pytest.raises(DigestDiffers, match="0101010101"):
        follow(Given([*season.records[:40], forged]), Kept())


def test_a_bug_in_the_engine_is_told_apart(season: Season) -> None:
    class Broken(Machine):
        def apply(self, record: Record) -> np.ndarray:
            if record.number == 25:
                raise ZeroDivisionError("planted")
            return super().apply(record)

    with pytest.raises(ApplyFailed, match="ZeroDivisionError: planted"):
        following = Following(Given(season.records), Standing(Broken(Books())), Kept())
        while following.step():
            pass
