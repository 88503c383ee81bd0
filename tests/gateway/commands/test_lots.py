"""`qhatu lots` as a process: a file looked at, and taken into venues that run or do not, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.commands.test_serve import served
from tests.gateway.running import ADMIN, CONFIG, READER, TRADER_A

CQI = Path("gateway/data/coffee_lots_cqi.csv")
SOUND = "number,country,crop_year,bags,bag_kg\n41,Peru,2025,10,69\n42,Peru,2025,20,69\n"


def lots(*arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli", "lots", *arguments]
    env = os.environ | ({"QHATU_KEY": key} if key else {})
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)


def told(*arguments: str, key: str = "") -> dict[str, Any]:
    done = lots(*arguments, "--json", key=key)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def sound(tmp_path: Path) -> str:
    (tmp_path / "sound.csv").write_text(SOUND, "utf-8")
    return str(tmp_path / "sound.csv")


def test_a_file_is_looked_at_without_a_venue(sound: str, tmp_path: Path) -> None:
    done = lots(str(CQI), "--check")
    assert done.returncode == 0 and done.stderr == ""
    assert "row 445, lot 444: ERROR BAG_RANGE in bag_weight_kg: 200 bags of 13,800 kg" in done.stdout
    assert "1544 rows: 1201 ok, 238 with warnings, 105 with errors" in done.stdout
    assert done.stdout.endswith("nothing was taken\n")
    assert told(sound)["errors"] == 0
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n", "utf-8")
    for arguments, code, words in (
        ((str(bad),), 1, "names no column number"),
        ((str(tmp_path / "none.csv"),), 1, "No such file"),
        ((sound, "--take", "file"), 2, "into which venue"),
        ((sound, "--url", "http://127.0.0.1:1"), 1, "QHATU_KEY"),
    ):
        done = lots(*arguments)
        assert done.returncode == code and words in done.stderr and done.stdout == ""


def test_a_venue_takes_a_file_once_running_or_stopped(sound: str, tmp_path: Path) -> None:
    data = tmp_path / "venue"
    with served(data, "--config", str(CONFIG)) as venue:
        seen = told(sound, "--url", venue.url, key=TRADER_A)
        assert (seen["taken"], [row["action"] for row in seen["rows"]]) == (0, ["new", "new"])
        assert told(sound, "--url", venue.url, "--take", "file", key=TRADER_A)["taken"] == 2
        again = told(sound, "--url", venue.url, "--take", "file", key=TRADER_A)
        assert (again["taken"], [row["action"] for row in again["rows"]]) == (0, ["unchanged", "unchanged"])
        assert told(sound, "--url", venue.url, "--take", "file", "--check", "--add", "7", key=ADMIN)["taken"] == 0
        refused = lots(sound, "--url", venue.url, "--take", "file", key=READER)
        assert refused.returncode == 1 and "not_permitted" in refused.stderr
        running = lots(sound, "--data", str(data), "--seller", "2", "--take", "file")
        assert running.returncode == 1 and running.stdout == ""
        assert venue.end() == 0

    again = told(sound, "--data", str(data), "--seller", "2", "--take", "file")
    assert (again["taken"], [row["action"] for row in again["rows"]]) == (0, ["unchanged", "unchanged"])
    dirty = ("--data", str(data), "--seller", "2", "--add", "50000")
    done = lots(str(CQI), *dirty, "--take", "file")
    assert done.returncode == 1 and "nothing was taken" in done.stdout
    assert told(str(CQI), *dirty, "--take", "rows")["taken"] == 1_439
    assert told(str(CQI), *dirty, "--take", "rows")["taken"] == 0
    with served(data) as venue:
        status, lot = venue.ask("GET", "/v1/lots/50001")
        assert status == 200 and lot["lot"]["region"] == "guji-hambela" and lot["version"] == 1
        assert venue.end() == 0
