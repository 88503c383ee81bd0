"""The benchmarks of the projection and of recovery, small: they run, and their answers stay the same."""

from __future__ import annotations

import json

import pytest

from bench import recovery, sqlite
from gateway.feeding import EVENTS_PER_TRANSACTION

SIZES = (sqlite.EVENTS_PER_SMALL_TRANSACTION, EVENTS_PER_TRANSACTION)


def test_sqlite(capsys: pytest.CaptureFixture[str]) -> None:
    sqlite.main(["--json", "--commands", "3000", "--runs", "2"])
    answers = json.loads(capsys.readouterr().out)
    assert {(answer["name"], answer["events_per_transaction"]) for answer in answers} == {
        (f"sqlite {flow}", events) for flow in ("market", "uncross") for events in SIZES
    }
    assert len({answer["hash"] for answer in answers}) == 2, "the size of a transaction changes no row"
    assert all(answer["fills"] > 1_000 and answer["fills_per_second"] > 0 for answer in answers)


def test_recovery(capsys: pytest.CaptureFixture[str]) -> None:
    recovery.main(["--json", "--commands", "5000", "--runs", "2"])
    answers = json.loads(capsys.readouterr().out)
    assert [answer["commands_per_record"] for answer in answers] == [10, 100, 1_000]
    assert all(answer["commands_per_second"] > 0 for answer in answers)
