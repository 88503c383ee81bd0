"""Any well-formed cold command, extremes among them, is decided with a reason and leaves a sound venue."""

from __future__ import annotations

from random import Random

import pytest

from engine.codes import COLD_FIRST, CommandKind, EventKind
from engine.machine import Machine
from engine.markets.audit import audit
from engine.messages import bodies
from engine.messages.batch import cold
from tests.any_body import any_body
from tests.flows import Draws, open_markets
from tests.recorder import HOTS, SECOND_NS, Recorder, kinds

KINDS = [kind for kind in CommandKind if kind >= COLD_FIRST and kind != CommandKind.RESUME]


@pytest.mark.parametrize("hot", HOTS)
@pytest.mark.parametrize("seed", range(12))
def test_it_is_decided_and_the_venue_stays_sound(hot, seed):
    random = Random(seed)
    recorder, draws = Recorder(Machine(hot())), Draws(random)
    open_markets(recorder)
    for _ in range(150):
        body = any_body(random, bodies.BODIES[random.choice(KINDS)], recorder.ts_ns)
        orders = [draws.order() for _ in range(random.randrange(4))]
        events = recorder.do(*orders, cold(body, account=random.choice((0, 1, 2, 6))))
        assert EventKind.SKIPPED not in kinds(events)
        if random.randrange(10) == 0:
            recorder.do(bodies.KillSwitch(False), after_s=random.randrange(60))
            draws.ts_ns = recorder.ts_ns
        if random.randrange(20) == 0:
            last_ns = recorder.ts_ns
            recorder.do(bodies.Resume(last_ns, last_ns + 30 * SECOND_NS), after_s=30)
        audit(recorder.machine.venue, recorder.machine.hot)
    recorder.restart(hot)
