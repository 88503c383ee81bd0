"""The wheel stands alone: built from this tree, unpacked elsewhere, run from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MUST_HOLD = {
    "engine/machine.py",
    "gateway/configs/demo.toml",
    "gateway/configs/calendars/every-minute.toml",
    "gateway/data/coffee_lots.csv",
    "gateway/data/coffee_lots_cqi.csv",
    "gateway/data/SOURCES.md",
    "gateway/projections/schema.sql",
    "gateway/web/index.html",
    "gateway/web/vendor/uplot.js",
    "gateway/web/vendor/lightweight-charts.LICENSE.txt",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("qhatu-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(unpacked: Path, elsewhere: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`qhatu` out of the wheel. `-P` and the folder keep this tree out of the import path."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    code = (
        "import gateway, sys; assert gateway.__file__.startswith(sys.argv.pop(1)); from gateway.cli import main; main()"
    )
    command = [sys.executable, "-P", "-c", code, str(unpacked), *words]
    return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=200)


def test_it_holds_what_the_venue_needs(unpacked: Path) -> None:
    held = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert held >= MUST_HOLD
    assert not [name for name in held if name.startswith("tests/") or name.endswith(".pyc")]


def test_it_clears_an_auction_from_any_folder(unpacked: Path, tmp_path: Path) -> None:
    orders = [
        {"id": "b", "side": "buy", "type": "limit", "price": "315.30", "qty": 40, "seq": 1},
        {"id": "s", "side": "sell", "type": "limit", "price": "315.20", "qty": 25, "seq": 2},
    ]
    (tmp_path / "call.json").write_text(json.dumps({"orders": orders, "reference_price": "315.25"}))
    done = run(unpacked, tmp_path, "clear", "call.json", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["price"], answer["volume"]) == ("315.30", 25), "buyers are left over: the highest price"


def test_it_plays_a_season_from_any_folder(unpacked: Path, tmp_path: Path) -> None:
    done = run(unpacked, tmp_path, "demo", "--fast", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "checksum" in done.stdout and "PE-WASHED-80-69KG" in done.stdout
