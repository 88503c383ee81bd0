"""The campaign of generated commands: a few flows of each shape and space find nothing, and a planted bug is found."""

from __future__ import annotations

import pytest

from engine.state.books import Books
from tests.campaign import fuzz_core
from tests.engine.planted_bugs import BUGS


@pytest.mark.parametrize("first", range(0, 18, 3))
def test_a_portion_finds_no_difference(first, monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz_core, "DEFAULT", tmp_path / "ledger.jsonl")
    outcome = fuzz_core.run(first, 3)
    assert outcome.failures == []
    assert outcome.sums["commands"] >= 3 * (fuzz_core.COMMANDS_PER_FLOW - 1)
    assert min(outcome.sums[name] for name in ("fill", "triggered", "reduced", "repriced")) > 0


def test_what_differs_is_told_by_its_seed_and_written_down(monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz_core, "DEFAULT", tmp_path / "ledger.jsonl")
    monkeypatch.setattr(fuzz_core, "Oracle", BUGS["StopsByArrival"])
    outcome = fuzz_core.run(4, 2)
    assert outcome.failures and all(
        f"--part fuzz_core --first {seed}" in text for seed, text in zip((4, 5), outcome.failures, strict=False)
    )
    assert "type=STOP" in next(tmp_path.glob("fuzz_core_*.txt")).read_text()


def test_flows_run_on_the_kernel():
    assert any(isinstance(hot, Books) for hot in fuzz_core.implementations(0))
