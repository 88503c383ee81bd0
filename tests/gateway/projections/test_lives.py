"""The places of open orders, against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import SLOTS_INITIAL
from gateway.projections.lives import Lives


@given(st.lists(st.lists(st.integers(0, 5 * SLOTS_INITIAL), min_size=1, max_size=30), max_size=20))
def test_each_slot_gives_its_last_life(batches: list[list[int]]) -> None:
    lives, seqs, generations, seq = Lives(), {}, {}, 0
    for slots in batches:
        orders = []
        for slot in slots:
            generations[slot] = generations.get(slot, 0) + 1
            orders.append(generations[slot] << 32 | slot)
            seq += 1
            seqs[slot] = seq
        lives.enter(np.array(orders, np.int64), np.arange(seq - len(slots) + 1, seq + 1))
        known = [generations[slot] << 32 | slot for slot in seqs]
        assert lives.seq_of(np.array(known, np.int64)).tolist() == list(seqs.values())
