"""The memory benchmark counts every array of the hot state and prints what it says it prints."""

from __future__ import annotations

import json

from bench import memory
from engine.state.layout import State


def test_a_small_run(capsys):
    memory.main(["--json", "--orders", "5000", "--instruments", "50"])
    packed, text = json.loads(capsys.readouterr().out)
    assert (packed["name"], text["name"]) == ("memory.packed", "memory.text")
    assert packed["hash"] == text["hash"], "slots are issued alike whatever the ids look like"
    assert 64 < packed["bytes_per_order"] < text["bytes_per_order"]
    assert text["arrays"]["ids"] >= 64 and "kernel" not in packed["arrays"]


def test_the_count_is_of_all_arrays():
    found = memory.case(5_000, 50, "text", False, 42)
    assert set(found["arrays"]) == set(State._fields)
    assert found["arrays"]["ids"] >= 64 * 5_000
    assert found["peak_bytes"] >= found["resident_bytes"]


def test_a_line_for_people(capsys):
    memory.main(["--orders", "2000", "--instruments", "20", "--seed", "7"])
    text = capsys.readouterr().out
    assert text.count("bytes an order") == 2 and "hash" in text and "seed 7" in text
