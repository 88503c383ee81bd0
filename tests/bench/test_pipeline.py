"""The pipeline benchmark in small: a real venue, a real echo, every line there, every order answered."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_small_run() -> None:
    command = [sys.executable, "-m", "bench", "pipeline", "--json", "--no-pin", "--runs", "1", "--seconds", "0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    lines = {line["name"]: line for line in json.loads(done.stdout)}
    names = ["bare_fdatasync", *(f"{what}_{n}" for what in ("echo", "durable") for n in (1, 10, 100))]
    assert list(lines) == [*names, "latency_5000", "latency_20000", "caught_up"]
    for n in (1, 10, 100):
        assert (
            lines[f"durable_{n}"]["orders_per_s"] > 0 < lines[f"durable_{n}"]["of_alone"]
            and lines[f"durable_{n}"]["refused"] == 0
        )
    assert lines["latency_5000"]["p50_us"] <= lines["latency_5000"]["p99_us"]
