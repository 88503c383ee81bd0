"""The replay benchmark comes to one state by either way."""

from __future__ import annotations

import json

from bench import replay


def test_a_small_run(capsys):
    replay.main(["--json", "--commands", "5000", "--runs", "1"])
    lines = json.loads(capsys.readouterr().out)
    assert [line["name"] for line in lines] == ["replay.apply", "replay.log"] * len(replay.RECORD_COMMANDS)
    assert len({line["hash"] for line in lines[:2]}) == 1
    assert all(line["ratio"] > 1 and line["commands"] > 5_000 for line in lines)


def test_a_line_for_people(capsys):
    replay.main(["--commands", "4000", "--runs", "1", "--seed", "7"])
    text = capsys.readouterr().out
    assert text.count("commands/s") == 2 * len(replay.RECORD_COMMANDS) and "seed 7" in text
