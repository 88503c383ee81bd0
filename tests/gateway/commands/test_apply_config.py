"""An edited configuration changes nothing until `qhatu apply-config`, and then exactly what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.machine import Machine
from engine.oracle.books import Books
from gateway.config import ConfigError, load
from gateway.config_store import changes, in_force, keep, kept, kept_path
from gateway.replaying import LOG_FOLDER
from gateway.tokens import public_token, token_hash
from tests.gateway.running import running

CONFIG = """
venue = "test"

[[accounts]]
account = 1
label = "Co-op"

[[keys]]
account = 1
roles = ["trade"]
token = "{first}"

[[instruments]]
symbol = "COFFEE"
name = "Coffee"
commodity = "green coffee"
tick_size = "0.05"
price_unit = "USc/lb"
lot_kg = "69"
lot_unit = "bag of 69 kg"
currency = "USD"
reference = "315.25"
calendar = "week"
""".format(first=public_token("first"))
WEEK = """
version = 1
time_zone = "America/Lima"
[[sessions]]
days = ["mon"]
moves = [{ at = "09:00", phase = "call" }, { at = "10:00", uncross = "closed" }]
"""
MORE = """
[[accounts]]
account = 2
label = "Importer"

[[keys]]
account = 2
roles = ["trade"]
token = "{second}"

[[instruments]]
symbol = "COCOA"
name = "Cocoa"
commodity = "cocoa beans"
tick_size = "1"
price_unit = "USD/t"
lot_kg = "1000"
lot_unit = "tonne"
currency = "USD"
opening = "continuous"
""".format(second=public_token("second"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "week.toml").write_text(WEEK)
    (tmp_path / "venue.toml").write_text(CONFIG)
    return tmp_path / "venue.toml"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def state(data: Path) -> Machine:
    log = LocalLog.open(RealFiles(), data / LOG_FOLDER, writable=False)
    machine = Machine(Books(), log.skips)
    for record in log.read():
        machine.apply(record)
    return machine


def command(file: Path, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "apply-config", "--config", str(file), "--data", str(data), *more],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


async def serve_once(file: Path, data: Path) -> None:
    async with running(data, config=file):
        pass


async def test_an_edit_changes_nothing_until_it_is_applied(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    await serve_once(file, data)
    assert capsys.readouterr().err.count("differs") == 0
    first = state(data)

    edit(file, "315.25", "320.00")
    file.write_text(file.read_text() + MORE)
    await serve_once(file, data)
    assert "apply-config" in capsys.readouterr().err
    unchanged = state(data)
    assert unchanged.venue.config_digest == first.venue.config_digest
    assert unchanged.venue.instruments == first.venue.instruments and len(unchanged.venue.accounts) == 1

    before = state(data)
    dry = command(file, data, "--dry-run")
    assert dry.returncode == 0 and "would apply: COFFEE: reference" in dry.stdout
    assert state(data).seq == before.seq

    done = command(file, data)
    assert done.returncode == 0, done.stderr
    applied = state(data)
    assert applied.venue.config_digest == load(file, base=kept(data, applied.venue.config_digest)).digest
    assert applied.venue.instruments[1].reference == 6400
    assert applied.venue.by_symbol == {"COFFEE": 1, "COCOA": 2}
    assert applied.venue.accounts[2].label == "Importer"
    assert applied.venue.keys[token_hash(public_token("second"))].account == 2
    assert applied.ts_ns == before.ts_ns, "no timer fires at a stopped venue"

    again = command(file, data)
    assert (again.returncode, state(data).seq) == (0, applied.seq) and "nothing to apply" in again.stdout
    await serve_once(file, data)
    assert "differs" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('tick_size = "0.05"', 'tick_size = "0.01"', "instruments.COFFEE.tick_size"),
        ('lot_kg = "69"', 'lot_kg = "60"', "instruments.COFFEE.value_numerator"),
        ('symbol = "COFFEE"', 'symbol = "COFFEE-2"', "instruments"),
        ('venue = "test"', 'venue = "other"', "venue"),
        ('label = "Co-op"', 'label = "Someone else"', "accounts"),
        ('roles = ["trade"]', 'roles = ["read", "trade"]', "keys"),
    ],
)
async def test_what_cannot_change_is_refused_whole(file: Path, tmp_path: Path, old: str, new: str, key: str) -> None:
    data = tmp_path / "data"
    await serve_once(file, data)
    before = state(data)
    edit(file, "315.25", "320.00")
    edit(file, old, new)
    done = command(file, data)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file}: {key}" in done.stderr
    assert state(data).state_hash() == before.state_hash()


async def test_a_running_venue_is_left_alone(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data, config=file):
        edit(file, "315.25", "320.00")
        done = command(file, data)
        assert done.returncode == 1 and "is running" in done.stderr


def test_where_no_venue_has_run(file: Path, tmp_path: Path) -> None:
    done = command(file, tmp_path / "nowhere")
    assert done.returncode == 1 and "no venue has run here" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_key_is_revoked_and_a_calendar_needs_a_new_version(file: Path) -> None:
    old = load(file)
    edit(file, CONFIG[CONFIG.index("[[keys]]") : CONFIG.index("[[instruments]]")], "")
    assert changes(old, load(file, base=old), file)[0].words.endswith("is revoked")
    week = file.parent / "calendars" / "week.toml"
    edit(week, "10:00", "11:00")
    with pytest.raises(ConfigError) as refused:
        changes(old, load(file, base=old), file)
    assert refused.value.key == "calendars.week.version"
    edit(week, "version = 1", "version = 2")
    assert "calendar week is followed in version 2" in [c.words for c in changes(old, load(file, base=old), file)]


def test_another_calendar_must_have_a_higher_version(file: Path) -> None:
    """An instrument keeps the highest version that it has followed: a lower one would never be heeded."""
    old = load(file)
    (file.parent / "calendars" / "other.toml").write_text(WEEK)
    edit(file, 'calendar = "week"', 'calendar = "other"')
    with pytest.raises(ConfigError) as refused:
        changes(old, load(file, base=old), file)
    assert refused.value.key == "calendars.other.version"
    edit(file.parent / "calendars" / "other.toml", "version = 1", "version = 2")
    assert any("follows calendar other" in change.words for change in changes(old, load(file, base=old), file))


def test_the_kept_configuration_is_checked_by_its_digest(file: Path, tmp_path: Path) -> None:
    config = load(file)
    keep(config, tmp_path)
    assert kept(tmp_path, config.digest) == config
    edit(file, "315.25", "320.00")
    newer = load(file)
    assert in_force(newer, tmp_path, config.digest)[0].market == config.market
    kept_path(tmp_path, config.digest).write_text(
        kept_path(tmp_path, config.digest).read_text().replace("6305", "6306")
    )
    assert kept(tmp_path, config.digest) is None
    with pytest.raises(ConfigError, match="missing or altered"):
        in_force(newer, tmp_path, config.digest)
    assert in_force(config, tmp_path, config.digest) == (config, None)
    assert kept(tmp_path, config.digest) == config, "the file that the log means puts it back"
