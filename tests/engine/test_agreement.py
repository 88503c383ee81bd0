"""Kernel and oracle books under the same machine: the same events and the same state, command for command."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from engine.codes import Phase
from engine.machine import Machine
from engine.messages import bodies
from engine.oracle import books as oracle
from engine.state import books as kernel
from tests.flows import mixed_flow
from tests.recorder import Recorder, auction_sale, open_venue


@given(flow=mixed_flow())
@settings(max_examples=150, deadline=None)
def test_mixed_flows_agree(flow):
    """Hot and cold commands, timers and uncrosses in any order."""
    on_oracle, on_kernel = Recorder(Machine(oracle.Books())), Recorder(Machine(kernel.Books()))
    for recorder in (on_oracle, on_kernel):
        open_venue(recorder)
        recorder.do(bodies.SetPhase(1, Phase.CALL), bodies.SetPhase(2, Phase.PRE_OPEN), auction_sale(recorder.ts_ns))
    for after_s, batches in flow:
        expected, got = on_oracle.do(*batches, after_s=after_s), on_kernel.do(*batches, after_s=after_s)
        assert np.array_equal(expected, got)
        assert on_oracle.machine.state_hash() == on_kernel.machine.state_hash()
    assert on_oracle.machine.event_digest == on_kernel.machine.event_digest
