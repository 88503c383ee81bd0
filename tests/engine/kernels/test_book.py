"""Kernel against oracle on random flows: the same events, the same canonical bytes, sound arrays after every step."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot, Space
from tests.engine.book_flows import Batch, Twins, assert_same_events, assert_same_sections, furnished, play, set_up
from tests.engine.draws import Flow

# Small room, so that every kind of fullness, doubling and retirement is met.
SPACES = [
    Space(),
    Space(orders=40, slots_initial=4),
    Space(slots_initial=5, generations=2, orders=40),
    Space(streams=4, client_ids=10),
    Space(streams=4, client_ids=10, streams_share=2, client_ids_share=4),
]
FLOWS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def books_of_every_shape(space: Space) -> list[Books]:
    """Layouts that must not be seen: window, event buffer, places in the hash tables."""
    return [
        Books(space),
        Books(space, window_ticks=64, event_rows=2),
        Books(space, window_ticks=65_536, event_rows=3, hash_seed=1),
    ]


def every_hot(space: Space) -> list[Hot]:
    return [Oracle(space), *books_of_every_shape(space)]


@pytest.mark.parametrize("space", SPACES, ids=["plain", "few orders", "short lives", "few ids", "small shares"])
@given(random=st.randoms(use_true_random=False))
@FLOWS
def test_kernel_and_oracle_agree(space, random):
    twins = Twins(*(furnished(hot) for hot in every_hot(space)))
    play(twins, random, steps=8, rows_max=12, fresh=lambda: every_hot(space))


@pytest.mark.parametrize("seed", range(12))
def test_kernel_and_oracle_agree_on_long_flows(seed):
    space = SPACES[seed % len(SPACES)]
    twins = Twins(*(furnished(hot) for hot in every_hot(space)))
    play(twins, Random(seed), steps=40, rows_max=80, fresh=lambda: every_hot(space))


@pytest.mark.parametrize("seed", range(6))
def test_batch_partition_changes_nothing(seed):
    random, twins = Random(seed), Twins(furnished(Oracle()))
    flow = Flow(twins, random)
    while twins.seq < 400:
        flow.rows(60)
    whole, parts = furnished(Books()), furnished(Books())
    for _, (rows, extensions, bodies, _), said in [call for call in twins.journal if call[0] == "run"]:
        _, expected = whole.run(rows, extensions, bodies, 0, **said)
        found, at = [], 0
        while at < len(rows):
            stop = min(len(rows), at + random.randrange(1, 30))
            at, events = parts.run(rows[:stop], extensions, bodies and bodies[:stop], at, **said)
            assert at == stop
            found.append(events)
        assert_same_events(expected, np.concatenate(found))
    assert_same_sections(whole.sections(), parts.sections())


def test_a_cold_row_hands_back():
    batch = Batch().add(1, price=100).add(1, price=101).add(64).add(1, price=102)
    rows, extensions, bodies = batch.arrays()
    for hot in (set_up(Oracle()), set_up(Books())):
        at, events = hot.run(rows, extensions, bodies, 0, first_seq=1, ts_ns=0)
        assert at == 2 and events["command"].tolist() == [0, 1]
        assert hot.run(rows, extensions, bodies, 2, first_seq=1, ts_ns=0)[0] == 2
        at, events = hot.run(rows, extensions, bodies, 3, first_seq=1, ts_ns=0, first_index=4)
        assert at == 4 and events["command"].tolist() == [3] and events["index"].tolist() == [4]


def test_events_of_a_long_sweep_are_numbered_through_every_full_buffer():
    books = set_up(Books(event_rows=16))
    rows = np.zeros(1_001, COMMAND)
    rows["kind"], rows["version"], rows["account"], rows["instrument"] = 1, ROW_VERSION, 1, 1
    rows["price"], rows["qty"], rows["side"] = 100, 1, 0
    rows[1_000]["side"], rows[1_000]["qty"], rows[1_000]["account"] = 1, 1_000, 2
    at, events = books.run(rows, np.zeros(0, EXTENSION), None, 0, first_seq=1, ts_ns=0)
    sweep = events[events["command"] == 1_000]
    assert at == 1_001 and len(sweep) == 1_001
    assert sweep["index"].tolist() == list(range(1_001))
    assert np.flatnonzero(sweep["flags"] & 1).tolist() == [1_000], "the last event alone is flagged"
    assert sweep["counter_order"][1:].tolist() == [1 << 32 | slot for slot in range(1_000)], "oldest first"
    audit(books)


def test_read_only_and_strided_rows_are_taken_as_they_come():
    rows = np.zeros(8, COMMAND)
    rows["kind"], rows["version"], rows["account"], rows["instrument"] = 1, ROW_VERSION, 1, 1
    rows["price"], rows["qty"] = 100, 1
    from_disk = np.frombuffer(rows.tobytes(), COMMAND)
    results = []
    for given_rows in (rows, from_disk, rows[::2], rows[::-1]):
        books = set_up(Books())
        _, events = books.run(given_rows, np.zeros(0, EXTENSION), None, 0, first_seq=1, ts_ns=0)
        results.append(len(events))
    assert results == [8, 8, 4, 8]
