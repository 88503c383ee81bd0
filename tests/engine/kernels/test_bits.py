"""Tiered bitmaps against a set of positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.bits import clear_bit, next_bit, set_bit
from engine.kernels.compiled import kernel


@kernel
def play(bits, at, ticks, positions, is_set, asked, found):
    """Set or clear positions one by one; after each, ask for the next set one from asked[i]."""
    for i in range(len(positions)):
        if is_set[i] != 0:
            set_bit(bits, at, ticks, positions[i])
        else:
            clear_bit(bits, at, ticks, positions[i])
        found[i] = next_bit(bits, at, ticks, asked[i])


@given(st.sampled_from([64, 128, 4_096, 8_192, 2**18]), st.data())
def test_the_next_set_position_is_that_of_a_set(ticks, data):
    near_edges = st.sampled_from([0, 1, 63, 64, 127, 4_095, 4_096, ticks - 65, ticks - 1]).map(lambda p: p % ticks)
    position = near_edges | st.integers(0, ticks - 1)
    steps = data.draw(st.lists(st.tuples(position, st.booleans(), position), max_size=60))
    model: set[int] = set()
    expected = []
    for place, is_set, asked in steps:
        (model.add if is_set else model.discard)(place)
        expected.append(min((p for p in model if p >= asked), default=-1))
    at = 5
    bits = np.zeros(at + ticks // 64 + -(-ticks // 4_096) + 1 + 5, np.uint64)
    columns = [np.array([step[i] for step in steps], np.int64) for i in range(3)]
    found = np.zeros(len(steps), np.int64)
    play(bits, at, ticks, *columns, found)
    assert found.tolist() == expected
    assert not bits[:at].any() and not bits[-5:].any(), "a bitmap keeps to its words"


@pytest.mark.parametrize("ticks", [64, 4_096, 2**18])
def test_an_emptied_bitmap_is_all_zero_words(ticks):
    bits = np.zeros(ticks // 64 + -(-ticks // 4_096) + 1, np.uint64)
    places = np.arange(0, ticks, 61, dtype=np.int64)
    found = np.zeros(len(places), np.int64)
    play(bits, 0, ticks, places, np.ones(len(places), np.int64), places, found)
    assert found.tolist() == places.tolist() and bits.any()
    play(bits, 0, ticks, places, np.zeros(len(places), np.int64), places, found)
    assert not bits.any()
