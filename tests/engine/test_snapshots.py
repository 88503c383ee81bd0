"""A machine that goes on from a snapshot decides what the one that never stopped decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.log.interface import Tail
from engine.log.snapshot import BadSnapshot, Snapshot
from engine.machine import Machine
from engine.oracle import books as oracle
from engine.state import books as kernel
from engine.state.audit import audit
from tests.engine.book_flows import assert_same_sections
from tests.flows import open_markets, seeded_flow
from tests.recorder import HOTS, Recorder


def tail_of(recorder: Recorder) -> Tail:
    return Tail().after(recorder.records[-1])


def taken(recorder: Recorder) -> Snapshot:
    return recorder.machine.snapshot(tail_of(recorder), {"noted": b"beside the state"})


@pytest.mark.parametrize("seed", range(12))
def test_it_goes_on_as_if_it_had_never_stopped(seed):
    """After every few commands all go on from the snapshot of the other kind of books."""
    whole, again = Recorder(Machine(kernel.Books())), Recorder(Machine(oracle.Books()))
    for recorder in (whole, again):
        open_markets(recorder)
    for turn, (after_s, batches) in enumerate(seeded_flow(seed)):
        expected, got = whole.do(*batches, after_s=after_s), again.do(*batches, after_s=after_s)
        assert np.array_equal(expected, got)
        if turn % 5 == 0:
            told = taken(again)
            assert_same_sections(taken(whole).sections, told.sections)
            books = kernel.Books(window_ticks=64, hash_seed=turn) if turn % 2 else oracle.Books()
            again.machine = Machine.restored(books, told)
            if isinstance(books, kernel.Books):
                audit(books)
            assert taken(again).sections.keys() == told.sections.keys()
        assert whole.machine.state_hash() == again.machine.state_hash()
    assert whole.machine.event_digest == again.machine.event_digest
    assert list(whole.machine.venue.timers) == list(again.machine.venue.timers)


@pytest.fixture(params=HOTS)
def make_hot(request):
    return request.param


def test_a_snapshot_is_its_own(make_hot):
    """What happens later does not show in it."""
    recorder = Recorder(Machine(make_hot()))
    open_markets(recorder)
    flow = list(seeded_flow(3))
    for after_s, batches in flow[:10]:
        recorder.do(*batches, after_s=after_s)
    told = taken(recorder)
    before = {name: bytes(memoryview(part).cast("B")) if len(part) else b"" for name, part in told.sections.items()}
    for after_s, batches in flow[10:20]:
        recorder.do(*batches, after_s=after_s)
    after = {name: bytes(memoryview(part).cast("B")) if len(part) else b"" for name, part in told.sections.items()}
    assert before == after and recorder.machine.seq > told.seq


def test_another_state_than_the_hash_says_is_refused(make_hot):
    recorder = Recorder(Machine(make_hot()))
    open_markets(recorder)
    told = taken(recorder)
    sections = told.sections
    for changed in (
        replace(told, state_hash=b"x" * 16),
        replace(told, ts_ns=told.ts_ns + 1),
        replace(told, sections={name: part for name, part in sections.items() if name != "hot/ring"}),
        replace(told, sections=sections | {"cold/accounts": b"\x90"}),
        replace(told, sections=sections | {"cold/timers": b"\xc1"}),
        replace(told, sections=sections | {"hot/orders": np.zeros(1, "<i8")}),
    ):
        with pytest.raises(BadSnapshot):
            Machine.restored(make_hot(), changed)
    assert Machine.restored(make_hot(), told).state_hash() == told.state_hash
