"""Kernel and oracle books under the same machine: the same events and the same state, command for command."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from engine.codes import Phase, Side
from engine.limits import WINDOW_TICKS_MIN
from engine.machine import Machine
from engine.messages.batch import Batch
from engine.oracle import books as oracle
from engine.state import books as kernel
from engine.state.room import EVENT_BUFFER_ROWS_MIN
from tests.flows import mixed_flow, open_markets, seeded_flow
from tests.recorder import Recorder


@given(flow=mixed_flow())
@settings(max_examples=100, deadline=None)
def test_mixed_flows_agree(flow):
    """Hot and cold commands, timers and uncrosses in any order."""
    agree_on(flow)


@pytest.mark.parametrize("seed", range(25))
def test_longer_flows_agree(seed):
    agree_on(seeded_flow(seed))


@pytest.mark.parametrize("seed", range(5))
def test_the_layout_of_the_books_is_not_part_of_history(seed):
    """Another window, another event buffer, other hash tables: the same events and the same state hash."""
    layouts = [
        kernel.Books(window_ticks=WINDOW_TICKS_MIN, event_rows=EVENT_BUFFER_ROWS_MIN, hash_seed=1),
        kernel.Books(window_ticks=65_536, hash_seed=2),
        oracle.Books(),
    ]
    told = set()
    for books in layouts:
        recorder = Recorder(Machine(books))
        open_markets(recorder)
        for after_s, batches in seeded_flow(seed):
            recorder.do(*batches, after_s=after_s)
        told.add((recorder.machine.state_hash(), recorder.machine.event_digest))
    assert len(told) == 1


def agree_on(flow: list[tuple[int, list[Batch]]]) -> None:
    on_oracle, on_kernel = Recorder(Machine(oracle.Books())), Recorder(Machine(kernel.Books()))
    for recorder in (on_oracle, on_kernel):
        open_markets(recorder)
    for after_s, batches in flow:
        expected, got = on_oracle.do(*batches, after_s=after_s), on_kernel.do(*batches, after_s=after_s)
        assert np.array_equal(expected, got)
        assert on_oracle.machine.state_hash() == on_kernel.machine.state_hash()
        for recorder in (on_oracle, on_kernel):
            assert_not_crossed_while_continuous(recorder.machine)
    assert on_oracle.machine.event_digest == on_kernel.machine.event_digest


def assert_not_crossed_while_continuous(machine: Machine) -> None:
    """Whatever led there: a book that trades continuously has no bid at or above an offer, and nothing unpriced."""
    for instrument in machine.venue.instruments:
        if machine.hot.phase(instrument) == Phase.CONTINUOUS:
            bids, offers = (machine.hot.depth(instrument, side, 1)["price"] for side in Side)
            assert not (len(bids) and len(offers)) or bids[0] < offers[0]
            curve = machine.hot.curve(instrument)
            assert (curve.unpriced_buy_lots, curve.unpriced_sell_lots) == (0, 0)
