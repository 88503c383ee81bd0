"""Feeding a sink in one process: the same rows however the events are cut, and no gap passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.feeding import EVENTS_WORTH_WRITING, Feeding
from gateway.projections.fold import Cursor
from gateway.projections.sqlite import OtherLog, SqliteSink, dump
from tests.engine.log.builders import Decided
from tests.gateway.seasons import Season


@pytest.fixture(scope="module")
def season() -> Season:
    return Season(seed=31, turns=20)


class Given:
    """A reader that hands out what it was given, at most so many at a time."""

    def __init__(self, season: Season, after: int = 0, at_most: int = 10**9) -> None:
        self.left = [found for found in decided(season) if found[0].number > after]
        self.at_most = at_most

    def poll(self, max_records: int = 1_000) -> list[Decided]:
        n = min(max_records, self.at_most)
        taken, self.left = self.left[:n], self.left[n:]
        return taken


def decided(season: Season) -> list[Decided]:
    found = zip(season.records, season.events, season.digests, strict=True)
    return [(record, events, digest) for record, events, digest in found if record.count]


def feed(reader: Given, sink: SqliteSink, log_end: Callable[[], int] = lambda: 10**9) -> Feeding:
    feeding = Feeding(reader, sink, log_end)
    while feeding.step():
        pass
    feeding.finish()
    return feeding


def test_rows_are_the_same_however_the_events_are_cut(season: Season) -> None:
    expected = SqliteSink(":memory:")
    for found in decided(season):
        expected.take(*found)
    expected.flush()
    for at_most in (1, 5, 10**9):
        sink = SqliteSink(":memory:")
        feeding = feed(Given(season, at_most=at_most), sink)
        assert dump(sink._db) == dump(expected._db)
        last = decided(season)[-1][0]
        assert (feeding.number, feeding.seq, feeding.ts_ns) == (last.number, season.machine.seq, last.ts_ns)


def test_few_events_wait_for_company_but_not_for_ever(season: Season) -> None:
    sink = SqliteSink(":memory:")
    feeding = Feeding(Given(season, at_most=1), sink, lambda: 10**9)
    written = set()
    while feeding.step():
        assert sink.events_waiting < EVENTS_WORTH_WRITING
        written.add(feeding.number)
    assert 2 < len(written) < len(season.records) / 2
    assert sink.events_waiting == 0 and sink.cursor.seq == season.machine.seq


def half_fed(season: Season) -> SqliteSink:
    sink = SqliteSink(":memory:")
    for found in decided(season)[: len(season.records) // 2]:
        sink.take(*found)
    sink.flush()
    return sink


def test_it_begins_at_the_record_of_the_cursor_and_compares_it(season: Season) -> None:
    sink = half_fed(season)
    at = sink.cursor.number
    feed(Given(season, after=at - 1), sink)
    assert sink.cursor.seq == season.machine.seq
    sink = half_fed(season)
    with pytest.raises(OtherLog, match="another log"):
        feed(Given(Season(seed=32, turns=20), after=at - 1), sink)


def test_a_gap_after_the_cursor_is_never_passed_over(season: Season) -> None:
    sink = half_fed(season)
    with pytest.raises(OtherLog, match="none with events here"):
        feed(Given(season, after=sink.cursor.number), sink)


def test_a_cursor_beyond_the_events_waits_for_them_as_long_as_the_log_goes_so_far(season: Season) -> None:
    sink = half_fed(season)
    before, reader = sink.cursor, Given(season, after=10**9)
    asked = []

    def log_end() -> int:
        asked.append(1)
        return before.number

    feeding = Feeding(reader, sink, log_end)
    for _ in range(5):
        assert feeding.step() == 0
    assert len(asked) == 1 and sink.cursor == before
    reader.left = [found for found in decided(season) if found[0].number >= before.number]
    while feeding.step():
        pass
    assert sink.cursor.seq == season.machine.seq
    with pytest.raises(OtherLog, match="the log ends before it"):
        Feeding(Given(season, after=10**9), half_fed(season), lambda: before.number - 1).step()


def test_an_empty_store_asks_for_no_record_before(season: Season) -> None:
    sink = SqliteSink(":memory:")
    assert sink.cursor == Cursor()
    assert feed(Given(season, after=10**9), sink).number == 0
