"""What a configuration means, and how a bad one is refused: file and key, exit 1, nothing on stdout."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import limits
from engine.codes import CommandKind, Phase
from engine.domain.units import value_minor
from engine.limits import RECORD_BYTES_MAX
from engine.log.memory import MemoryLog
from engine.machine import Machine
from engine.messages.bodies import decode_body
from engine.oracle.books import Books
from gateway.config import Config, ConfigError, batches, default_path, genesis, load
from gateway.config_store import keep, kept
from gateway.sequencer import Stamp
from gateway.settings import Settings
from gateway.tokens import token_hash

GOOD = """
venue = "test"

[[accounts]]
account = 7
label = "Co-op"
kind = "coop"

[[keys]]
account = 7
roles = ["read", "trade"]
token = "qk_0123456789abcdefghijklmnopqrstuv"

[[instruments]]
symbol = "PE-WASHED-80-69KG"
name = "Peru, washed"
commodity = "green coffee"
tick_size = "0.05"
price_unit = "USc/lb"
lot_kg = "69"
lot_unit = "bag of 69 kg"
currency = "USD"
reference = "315.25"
opening = "continuous"
"""

WEEK = """
version = 3
time_zone = "America/Lima"
[[sessions]]
days = ["mon"]
moves = [{ at = "09:00", phase = "call" }, { at = "10:00", uncross = "closed" }]
"""


def write(folder: Path, text: str = GOOD, **calendars: str) -> Path:
    file = folder / "venue.toml"
    file.write_text(text, encoding="utf-8")
    (folder / "calendars").mkdir(exist_ok=True)
    for name, calendar in calendars.items():
        (folder / "calendars" / f"{name}.toml").write_text(calendar, encoding="utf-8")
    return file


def machine_of(config: Config) -> Machine:
    """The state after a venue's first commands."""
    log, machine = MemoryLog(), Machine(Books())
    stamp = Stamp(log.claim(), 0)
    for batch in genesis(config):
        machine.apply(stamp.record(batch, 10**18, machine.seq, machine.event_digest))
    return machine


def test_a_configuration_becomes_the_venues_registers(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    machine = machine_of(config)
    venue = machine.venue
    instrument = venue.instruments[1]
    assert (venue.name, venue.config_digest) == ("test", config.digest)
    assert venue.accounts[7].label == "Co-op"
    assert venue.keys[token_hash("qk_0123456789abcdefghijklmnopqrstuv")].roles == 3
    assert (instrument.symbol, instrument.reference, machine.hot.phase(1)) == (
        "PE-WASHED-80-69KG", 6305, Phase.CONTINUOUS,
    )  # fmt: skip


def test_the_value_factor_is_exact(tmp_path: Path) -> None:
    """275 bags of 69 kg at 335.25 US cents/lb are 140,244.17 USD."""
    body = load(write(tmp_path)).instruments[0].body
    assert value_minor(6705, 275, body.value_numerator, body.value_denominator) == 14_024_417


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('venue = "test"', "", ""),
        ('venue = "test"', 'venue = "test"\nspeed = 3', "speed"),
        ('label = "Co-op"', 'label = "Co-op"\ncolour = "red"', "accounts[0].colour"),
        ("account = 7\nlabel", "account = 0\nlabel", "accounts[0].account"),
        ('kind = "coop"', 'kind = "emperor"', "accounts[0].kind"),
        ("account = 7\nroles", "account = 8\nroles", "keys[0].account"),
        ('"trade"]', '"trade", "rule"]', "keys[0].roles[2]"),
        ('["read", "trade"]', "[]", "keys[0].roles"),
        ('token = "qk_0123456789abcdefghijklmnopqrstuv"', 'token = "secret"', "keys[0].token"),
        ('token = "qk_0123456789abcdefghijklmnopqrstuv"', "", "keys[0]"),
        ('tick_size = "0.05"', "tick_size = 0.05", "instruments[0].tick_size"),
        ('tick_size = "0.05"', 'tick_size = "0"', "instruments[0].tick_size"),
        ('tick_size = "0.05"', 'tick_size = "1e400"', "instruments[0].tick_size"),
        ('tick_size = "0.05"', 'tick_size = "NaN"', "instruments[0].tick_size"),
        ('price_unit = "USc/lb"', 'price_unit = "EUR/lb"', "instruments[0].price_unit"),
        ('currency = "USD"', 'currency = "PEN"', "instruments[0].currency"),
        ('lot_kg = "69"', 'lot_kg = "0"', "instruments[0].lot_kg"),
        ('lot_kg = "69"', 'lot_kg = "69"\nlot_lb = "152"', "instruments[0].lot_lb"),
        ('reference = "315.25"', 'reference = "315.26"', "instruments[0].reference"),
        ('reference = "315.25"', 'reference = "315.25"\nprice_max = "300.00"', "instruments[0].reference"),
        ('reference = "315.25"', 'price_min = "20.00"\nprice_max = "10.00"', "instruments[0].price_min"),
        ('reference = "315.25"', 'price_max = "99999999999"', "instruments[0].price_max"),
        ('"315.25"', '{ series = "tulips", month = "2026-05" }', "instruments[0].reference"),
        ('"315.25"', '{ series = "arabica_uscents_lb", month = "1637-02" }', "instruments[0].reference"),
        ('symbol = "PE-WASHED-80-69KG"', 'symbol = "pe washed"', "instruments[0].symbol"),
        ('opening = "continuous"', 'opening = "halted"', "instruments[0].opening"),
        ('opening = "continuous"', 'calendar = "missing"', "calendar"),
        ('opening = "continuous"', 'calendar = "../venue"', "calendar"),
        ('opening = "continuous"', 'opening = "call"\ncalendar = "week"', "instruments"),
        ("[[accounts]]", "[server]\nport = 70000\n[[accounts]]", "server.port"),
        ("[[accounts]]", "[server]\nsegment_mib = 1\n[[accounts]]", "server.segment_mib"),
        ("[[accounts]]", "[server]\nsegment_mib = 1025\n[[accounts]]", "server.segment_mib"),
        ("[[accounts]]", "[server]\nstorage_low_mib = 191\n[[accounts]]", "server.storage_low_mib"),
    ],
)
def test_a_bad_configuration_is_refused_by_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new, 1), week=WEEK)
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert refused.value.key == key, refused.value
    assert str(refused.value).startswith(str(refused.value.file))


@pytest.mark.parametrize("text", ["venue = ", "venue = 'a'\nvenue = 'b'", "\x00", "[[accounts]"])
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        load(write(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"venue = '\xff'")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "bytes.toml")


@pytest.mark.parametrize("table", ["accounts", "keys", "instruments"])
def test_what_occurs_twice_is_refused(tmp_path: Path, table: str) -> None:
    head, *parts = GOOD.split("\n[[")
    again = next(part for part in parts if part.startswith(table))
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, "\n[[".join([head, *parts, again])))
    assert refused.value.key == table


@pytest.mark.parametrize("command", ["serve", "demo", "apply-config"])
def test_commands_refuse_it_with_exit_code_1(tmp_path: Path, command: str) -> None:
    file = write(tmp_path, GOOD.replace('tick_size = "0.05"', "tick_size = 0.05"))
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", command, "--config", str(file), "--data", str(tmp_path / "data")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file}: instruments[0].tick_size" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('tick_size = "0.05"      #', 'tick_size = "0.00"      #', "coffee.tick_size"),
        ('month = "2026-05"\nseries', 'month = "1789-07"\nseries', "coffee"),
        ('{ label = "80", score', '{ label = "85", score', "coffee.grades"),
        ('opening = "4.00"', 'opening = "4.01"', "season.sale.opening"),
        ('increment = "0.10"', 'increment = "0.00"', "season.sale.increment"),
        ('price_unit = "USD/lb"', 'price_unit = "EUR/lb"', "season.sale.price_unit"),
        ("sales = 4", "sales = 50", "season.sale.sales"),
        ('symbol = "COCOA-T"\noffers', 'symbol = "CACAO-T"\noffers', "season.harvests[0].symbol"),
        ('lots_per_offer = 12\norigin = "Peru"', 'lots_per_offer = 12\norigin = "Utopia"', "season.harvests[0].origin"),
        ("importers = 10", "importers = 1000", "season.importers"),
    ],
)
def test_a_bad_season_is_refused_by_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    shutil.copytree(default_path("demo").parent, tmp_path / "configs")
    file = tmp_path / "configs" / "demo.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert refused.value.key == key, refused.value


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.text(max_size=30) | st.sampled_from(["9" * 5000, "[" * 2000]))
def test_whatever_is_written_there_is_a_configuration_or_a_refusal(
    tmp_path: Path, at: int, cut: int, text: str
) -> None:
    (tmp_path / "random.toml").write_bytes((GOOD[:at] + text + GOOD[at + cut :]).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        load(tmp_path / "random.toml")


def test_the_digest_is_of_the_meaning(tmp_path: Path) -> None:
    one = load(write(tmp_path)).digest
    assert load(write(tmp_path, GOOD + "\n# a remark\n[server]\nport = 1\n")).digest == one
    assert load(write(tmp_path, GOOD.replace("315.25", "315.30"))).digest != one
    shut = GOOD.replace('opening = "continuous"', 'calendar = "week"')
    with_week = load(write(tmp_path, shut, week=WEEK)).digest
    assert load(write(tmp_path, shut, week=WEEK.replace("10:00", "11:00"))).digest != with_week


def test_instruments_keep_their_numbers(tmp_path: Path) -> None:
    """A new instrument in front of the old one does not take its number."""
    old = load(write(tmp_path))
    part = GOOD[GOOD.index("[[instruments]]") :]
    front = GOOD.replace("[[instruments]]", part.replace("PE-", "BR-") + "\n[[instruments]]", 1)
    file = write(tmp_path, front)
    assert [x.body.symbol for x in load(file).instruments] == ["BR-WASHED-80-69KG", "PE-WASHED-80-69KG"]
    assert [x.body.instrument for x in load(file).instruments] == [1, 2]
    assert [x.body.instrument for x in load(file, base=old).instruments] == [2, 1]


@pytest.mark.parametrize("name", ["default", "production", "demo"])
def test_the_configurations_that_ship(name: str) -> None:
    config = load(default_path(name))
    machine = machine_of(config)
    assert len(machine.venue.instruments) == len(config.instruments)
    assert len(machine.venue.accounts) == len(config.accounts) and len(machine.venue.keys) == len(config.keys)
    for listing in config.instruments:
        listed, body = machine.venue.instruments[listing.body.instrument], listing.body
        assert listed.reference is not None and listed.in_band(listed.reference)
        assert Fraction(body.value_numerator, body.value_denominator) > 0
    if name != "demo":
        assert all(key.account for key in config.keys)


def test_a_large_configuration_is_several_batches() -> None:
    config = load(default_path("demo"))
    bodies = [listing.body for listing in config.instruments] * 60
    made = batches(list(bodies))
    assert len(made) > 1 and sum(len(batch) for batch in made) == len(bodies)
    assert all(batch.nbytes <= RECORD_BYTES_MAX for batch in made)
    last = genesis(config)[-1].rows[-1]
    assert last["kind"] == CommandKind.GENESIS
    assert decode_body(int(last["kind"]), genesis(config)[-1].blob[-int(last["body_length"]) :]).venue == "qhatu-demo"


def test_the_server_table_becomes_settings_unless_an_option_says_otherwise(tmp_path):
    server = load(write(tmp_path, GOOD + "\n[server]\nport = 1\nsegment_mib = 2\nstorage_low_mib = 6\n")).server
    settings = Settings.of(server, data=None, host="::1", port=0)
    assert (settings.data, settings.host, settings.port) == (Path(server.data), "::1", 0)
    assert (settings.segment_bytes, settings.storage_low_bytes) == (2 * 2**20, 6 * 2**20)
    plain = Settings.of(load(write(tmp_path, GOOD)).server, data=tmp_path, host=None, port=None)
    assert (plain.segment_bytes, plain.storage_low_bytes) == (limits.SEGMENT_BYTES, limits.STORAGE_LOW_BYTES)
    assert (plain.data, plain.port) == (tmp_path, 8080)


# By release 0.2.0, the last before instruments had collars and calendars random ends.
DIGEST = "01ca56244c5b5409988e3c7d0cf16a06"


def test_a_configuration_keeps_the_digest_by_which_older_logs_name_it(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace('opening = "continuous"', 'calendar = "week"'), week=WEEK)
    assert load(file).digest.hex() == DIGEST


@pytest.mark.parametrize(
    "line", ["deposit = true", "classes = true", 'collar_floor = "1.00"', "collar_bps = 500", "widen_bps = 1",
             'after_extensions = "halt"', "multiplier = 3", "extension_seconds = 60"],
)  # fmt: skip
def test_every_later_field_of_an_instrument_counts_in_the_digest(tmp_path: Path, line: str) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(GOOD)
    before = load(file)
    file.write_text(GOOD + line + "\n")
    assert load(file).digest != before.digest
    keep(load(file), tmp_path)
    assert kept(tmp_path, load(file).digest) == load(file)
