"""The order of Python's hashes is not part of a decision: the same history under several PYTHONHASHSEEDs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HISTORY = """
from engine.machine import Machine
from engine.oracle.books import Books
from tests.flows import open_markets, seeded_flow
from tests.recorder import Recorder

recorder = Recorder(Machine(Books()))
open_markets(recorder)
for after_s, batches in seeded_flow(7):
    recorder.do(*batches, after_s=after_s)
print(recorder.machine.state_hash().hex(), recorder.machine.event_digest.hex())
"""


def test_history_does_not_depend_on_the_hash_seed():
    told = set()
    for seed in ("0", "1", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", HISTORY], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        told.add(done.stdout)
    assert len(told) == 1
    assert len(told.pop().split()[0]) == 32
