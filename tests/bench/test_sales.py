"""The sales benchmark in small: a real venue, a real room; every line there, every outbid bidder told."""

from __future__ import annotations

import json
import subprocess
import sys

from bench import sales


def test_a_small_run() -> None:
    command = [sys.executable, "-m", "bench", "sales", "--json", "--runs", "1"]
    command += ["--seconds", "0.5", "--watchers", "45", "--bids", "400"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    replayed, lots, *outbid = json.loads(done.stdout)
    assert replayed["bids"] == 400 and replayed["of_decoding"] > 1
    assert lots["lots"] == 800 and lots["view_of_50"] > 1
    assert [(line["watchers"], line["rate"], line["bids"]) for line in outbid] == [
        (0, 20, 10), (0, 500, 250), (45, 20, 10), (45, 500, 250),
    ]  # fmt: skip
    for line in outbid:
        assert line["outbid"] + line["not_told"] == line["bids"], "the clock runs, so every bid outbids somebody"
        assert line["not_told"] <= line["refused"] <= line["bids"] // 10, "bids that overtook each other"
        assert 0 < line["outbid_ms_p50"] <= line["outbid_ms_p99"]
    assert outbid[-1]["watchers_frames_least"] > 0 and outbid[-1]["watchers_closed"] == 0


def test_two_runs_of_one_seed_replay_to_one_state() -> None:
    first, second = (sales.replay_line(200, 1, seed=7) for _ in range(2))
    assert first["hash"] == second["hash"] != sales.replay_line(200, 1, seed=8)["hash"]
