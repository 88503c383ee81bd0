"""Following in one process: the same rows however the log is cut, and a difference is never passed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.log.files import RealFiles
from engine.log.follow import LogReader
from engine.log.record import Record, encode_record
from engine.log.replay import DigestDiffers
from engine.machine import Machine
from engine.state.books import Books
from gateway.following import EVENTS_WORTH_WRITING, ApplyFailed, Following
from gateway.projections.sqlite import SqliteSink, dump
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


def follow(reader: object, sink: SqliteSink) -> Following:
    following = Following(reader, Machine(Books()), sink)
    while following.step():
        pass
    return following


def test_compiled_books_give_the_rows_of_the_plain_ones(season: Season) -> None:
    expected = SqliteSink(":memory:")
    for record, events, digest in zip(season.records, season.events, season.digests, strict=True):
        expected.take(record, events, digest)
    expected.flush()
    for at_most in (1, 5, 10**9):
        sink = SqliteSink(":memory:")
        following = follow(Given(season.records, at_most), sink)
        assert dump(sink._db) == dump(expected._db)
        assert following.machine.state_hash() == season.machine.state_hash()
        assert following.number == len(season.records)


def test_from_disk_everything_but_the_last_record_is_known_durable(tmp_path: Path, season: Season) -> None:
    log = write_log(season.records, tmp_path)
    sink = SqliteSink(":memory:")
    following = follow(LogReader(RealFiles(), tmp_path), sink)
    assert following.machine.seq == season.machine.seq, "the empty record at the end lets it finish"
    assert following.number == len(season.records) - 1
    log.close()


def test_few_events_wait_for_company_but_not_for_ever(season: Season) -> None:
    sink = SqliteSink(":memory:")
    following = Following(Given(season.records, 1), Machine(Books()), sink)
    written = set()
    while following.step():
        assert sink.events_waiting < EVENTS_WORTH_WRITING
        written.add(sink.cursor.number)
    assert 2 < len(written) < len(season.records) / 4
    assert sink.events_waiting == 0 and sink.cursor.seq == season.machine.seq


def test_a_difference_in_events_is_told_with_its_sequence(season: Season) -> None:
    class Other(Machine):
        """An engine of another mind: it gives one price differently."""

        def apply(self, record: Record) -> np.ndarray:
            events = super().apply(record)
            if record.number == 30:
                self.event_digest = bytes(16)
            return events

    sink = SqliteSink(":memory:")
    following = Following(Given(season.records), Other(Books()), sink)
    with pytest.raises(DigestDiffers) as caught:
        while following.step():
            pass
    assert caught.value.applied_seq == season.records[29].next_seq - 1


def test_a_writer_that_differs_is_told_with_its_sequence(season: Season) -> None:
    record = season.records[40]
    forged = encode_record(
        record.batch,
        shard=0,
        generation=1,
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
        follow(Given([*season.records[:40], forged]), SqliteSink(":memory:"))


def test_a_bug_in_the_engine_is_told_apart(season: Season) -> None:
    class Broken(Machine):
        def apply(self, record: Record) -> np.ndarray:
            if record.number == 25:
                raise ZeroDivisionError("planted")
            return super().apply(record)

    with pytest.raises(ApplyFailed, match="ZeroDivisionError: planted"):
        following = Following(Given(season.records), Broken(Books()), SqliteSink(":memory:"))
        while following.step():
            pass
