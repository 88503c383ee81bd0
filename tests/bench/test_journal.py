"""The journal benchmark writes what it says and prints what it says it prints."""

from __future__ import annotations

import json

from bench import journal
from engine.log.files import RealFiles
from engine.log.local import LocalLog


def test_a_measured_log_is_a_log(tmp_path):
    line = journal.measure(tmp_path, commands=7, commits=100, seed=1)
    log = LocalLog.open(RealFiles(), tmp_path / "log-7", writable=False)
    assert [record.count for record in log.read()] == [7] * 100
    assert line.commits == 100 and line.ratio_p50 > 0.5 and line.ns_p99 >= line.ns_p50 > 0


def test_a_small_run_and_a_line_for_people(capsys, tmp_path):
    journal.main(["--commits", "50", "--json", "--dir", str(tmp_path)])
    lines = json.loads(capsys.readouterr().out)
    assert [line["commands"] for line in lines] == list(journal.SIZES)
    journal.main(["--commits", "50", "--dir", str(tmp_path)])
    text = capsys.readouterr().out
    assert text.count("\n") == len(journal.SIZES) and "log/bare" in text and f"hash {lines[0]['hash']}" in text
    assert not list(tmp_path.iterdir())
