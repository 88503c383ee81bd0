"""Kills and pauses of the real venue, few; and that the check at the end sees what it is there to see."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from engine.limits import SEGMENT_HEADER_BYTES
from engine.log.segments import SUFFIX
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, PROJECTION_FILE
from tests.campaign.history import check
from tests.campaign.kills import Life, blows, strike
from tests.campaign.load import Load
from tests.campaign.pauses import pause

KILLS = 12


@pytest.fixture(scope="module")
def life(tmp_path_factory) -> Life:
    """A directory that went through kills and was found in order."""
    life = Life(tmp_path_factory.mktemp("kills"), seed=3)
    try:
        asyncio.run(blows(life, KILLS, strike))
    finally:
        life.abandon()
    return life


@pytest.fixture
def data(life: Life, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(life.data, tmp_path / "data")


def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(life: Life):
    sums = life.outcome.sums
    assert sum(count for name, count in sums.items() if name.startswith("of_")) == KILLS
    assert sums["of_serve"] and sums["of_all"]
    assert sums["acknowledged"] > 20 * KILLS and sums["fills"] > 100, "there was load"
    assert life.hashes, "the log was read as a kill had left it"


def test_an_answer_that_is_not_in_the_log_is_seen(life: Life, data: Path):
    load = deepcopy(life.load)
    load.text[-1].body["seq"] += 100_000
    with pytest.raises(AssertionError, match="acknowledged and is not in the log"):
        check(data, load, {})


def test_other_events_than_were_told_are_seen(life: Life, data: Path):
    load = deepcopy(life.load)
    load.packed[5].events["qty"][0] += 1
    with pytest.raises(AssertionError, match="other events"):
        check(data, load, {})


def test_another_order_than_was_told_is_seen(life: Life, data: Path):
    load = deepcopy(life.load)
    load.text[0].body["order_id"] = load.text[1].body["order_id"]
    with pytest.raises(AssertionError):
        check(data, load, {})


def test_a_lost_end_of_the_log_is_seen(life: Life, data: Path):
    segment = max((data / LOG_FOLDER).glob(f"*{SUFFIX}"))
    content = segment.read_bytes()
    used = len(content.rstrip(b"\0"))
    cut = SEGMENT_HEADER_BYTES + (used - SEGMENT_HEADER_BYTES) * 9 // 10
    segment.write_bytes(content[:cut] + bytes(len(content) - cut))
    with pytest.raises(AssertionError):
        check(data, life.load, life.hashes)


def test_other_events_than_the_log_gives_are_seen(life: Life, data: Path):
    segment = min((data / EVENTS_FOLDER).glob("*.evt*"))
    segment.unlink()
    with pytest.raises((AssertionError, ValueError)):
        check(data, life.load, {})


def test_another_state_than_before_a_start_is_seen(life: Life, data: Path):
    number = next(iter(life.hashes))
    with pytest.raises(AssertionError, match=f"state differs at record {number}"):
        check(data, life.load, {number: bytes(16)})


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("DELETE FROM fills WHERE fill = 7", "fills missing"),
        ("CREATE TEMP TABLE again AS SELECT * FROM fills WHERE fill = 7; UPDATE again SET fill = 10000000;"
         " INSERT INTO fills SELECT * FROM again; DROP TABLE again", "doubled"),
        ("UPDATE orders SET account = account + 1 WHERE order_id = (SELECT max(order_id) FROM orders)", "orders"),
    ],
)  # fmt: skip
def test_a_wrong_row_of_sqlite_is_seen(life: Life, data: Path, damage: str, seen: str):
    db = sqlite3.connect(data / PROJECTION_FILE)
    db.executescript(damage)
    assert db.total_changes
    db.close()
    with pytest.raises(AssertionError, match=seen):
        check(data, life.load, {})


def test_an_id_that_was_never_taken_is_seen(life: Life, data: Path):
    load: Load = deepcopy(life.load)
    load.packers[0].flow.number += 1
    with pytest.raises(AssertionError, match="was lost"):
        check(data, load, {})


@pytest.mark.parametrize("child", [False, True], ids=["serve", "child"])
def test_a_stopped_process_loses_nothing_and_delays_no_other(tmp_path: Path, child: bool):
    life = Life(tmp_path, seed=5)
    life.chance = _Chosen(child)
    try:
        asyncio.run(blows(life, 1, pause))
    finally:
        life.abandon()
    assert life.outcome.sums["of_child" if child else "of_serve"] == 1


class _Chosen:
    """Chance that has made up its mind."""

    def __init__(self, child: bool) -> None:
        self.random: Callable[[], float] = lambda: 0.0 if child else 1.0

    def choices(self, values, weights):
        return [1.0]

    def choice(self, values):
        return values[0]

    def uniform(self, low: float, high: float) -> float:
        return high
