"""The snapshot benchmark in small: a real venue, a real snapshot in the middle of the load."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_small_run() -> None:
    command = [sys.executable, "-m", "bench", "snapshot", "--json", "--no-pin", "--runs", "1", "--seconds", "6"]
    command += ["--orders", "9000", "--rate", "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["orders"] >= 9_000 and answer["bytes"] > 72 * 9_000
    assert 0 < answer["p50_us"] <= answer["p99_us"] and answer["p99_us_during"] > 0
