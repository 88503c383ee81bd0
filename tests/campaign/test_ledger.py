"""The ledger sums portions, goes on after the last, and survives a line that was cut off."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.campaign import __main__ as campaign
from tests.campaign.ledger import Ledger, Outcome, Portion


def portion(part: str, first: int, count: int, *, failures: tuple[str, ...] = (), **details: float) -> Portion:
    return Portion(part, first, count, len(failures), details, list(failures), "abc", 1.0, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "folder" / "ledger.jsonl")


def test_a_part_goes_on_after_its_last_portion(ledger):
    assert ledger.next_first("flips") == 0
    ledger.append(portion("flips", 0, 10))
    ledger.append(portion("flips", 10, 5))
    ledger.append(portion("truncations", 0, 7))
    assert (ledger.next_first("flips"), ledger.next_first("truncations")) == (15, 7)


def test_sums_are_added_and_maxima_kept(ledger):
    ledger.append(portion("flips", 0, 10, cut=2, restart_seconds_max=1.5))
    ledger.append(portion("flips", 10, 10, cut=3, restart_seconds_max=0.5))
    table = ledger.table({"flips": 200})
    assert "cut 5" in table and "restart_seconds_max 1.50" in table and "      20       200       0" in table


def test_failures_stay_in_the_table(ledger):
    ledger.append(portion("flips", 0, 10, failures=("--part flips --first 3: lost",)))
    assert "flips of abc: --part flips --first 3: lost" in ledger.table({"flips": 20})


def test_a_line_that_was_cut_off_is_run_again(ledger):
    ledger.append(portion("flips", 0, 10))
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + whole[: len(whole) // 2])
    assert ledger.next_first("flips") == 10
    ledger.append(portion("flips", 10, 10))
    assert [found.first for found in ledger] == [0, 10]


def test_outcomes_join():
    outcome = Outcome()
    outcome.add(cut=1, seconds_max=2)
    outcome.join(Outcome(["one"], {"cut": 2, "seconds_max": 1}))
    assert outcome == Outcome(["one"], {"cut": 3, "seconds_max": 2})


def test_a_campaign_runs_notes_and_sums(ledger):
    command = [sys.executable, "-m", "tests.campaign", "--part", "truncations", "--ledger", str(ledger.path)]
    for options in (["--count", "30"], ["--count", "20"], ["--summary"]):
        ended = subprocess.run([*command, *options], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
    assert [(found.first, found.count, found.failed) for found in ledger] == [(0, 30, 0), (30, 20, 0)]
    line = next(line for line in ended.stdout.splitlines() if line.startswith("truncations "))
    assert line.split()[1] == "50"


def test_a_failure_is_an_exit_code(ledger, monkeypatch, capsys):
    monkeypatch.setattr(campaign, "run", lambda part, first, count: (Outcome(["lost"]), 0.0))
    assert campaign.main(["--part", "flips", "--first", "3"]) == 1
    assert "lost" in capsys.readouterr().out


def test_a_portion_over_changed_code_is_not_noted(ledger, monkeypatch, capsys):
    revisions = iter(["one", "one", "two"])
    monkeypatch.setattr(campaign, "revision", lambda: next(revisions))
    monkeypatch.setitem(campaign.PARTS, "truncations", campaign.PARTS["truncations"]._replace(portion=10))
    assert campaign.campaign(ledger, "truncations", 30, 1) == 0
    assert [found.revision for found in ledger] == ["one"]
    assert "no longer one" in capsys.readouterr().out
