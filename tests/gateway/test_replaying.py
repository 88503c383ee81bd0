"""From a data directory to the state: the newest sound snapshot, the older one, the whole log; never a guess."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.flow import market
from engine.log.archive import archive_before, list_archived
from engine.log.files import RealFiles
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.snapshot import list_snapshots, prune_snapshots, snapshot_name, write_snapshot
from engine.machine import Machine
from engine.oracle.books import Books as OracleBooks
from gateway.commands.skip import skipped
from gateway.commands.snapshot import snapshot_taken
from gateway.commands.verify import verified
from gateway.offline import Refused
from gateway.replaying import (
    LOG_FOLDER,
    SNAPSHOT_FOLDER,
    Folding,
    NoWayBack,
    Standing,
    compiled_books,
    open_log,
    rebuild,
)

FILES = RealFiles()
COMMANDS, PER_RECORD = 4_000, 40
SNAPSHOTS = (41, 80)  # records


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A log of about a hundred records over several segments, two snapshots, and what it comes to in want.json."""
    data = tmp_path_factory.mktemp("venue")
    log = LocalLog.open(FILES, data / LOG_FOLDER, segment_bytes=64 * 1024)
    log.claim(1)
    standing: Standing | None = None
    for record, _, _ in market(COMMANDS, PER_RECORD, seed=5):
        log.write(record)
        if standing is None:
            standing = Standing(Machine(compiled_books()))
            folding = Folding(standing)
        folding.apply(record)
        if record.number in SNAPSHOTS:
            taken = standing.machine.snapshot(folding.tail, standing.trades.sections())
            write_snapshot(FILES, data / SNAPSHOT_FOLDER, taken)
    log.close()
    assert standing is not None
    want = {"seq": standing.machine.seq, "hash": standing.machine.state_hash().hex(), "trades": told(standing.trades)}
    (data / "want.json").write_text(json.dumps(want))
    return data


def told(trades) -> list:
    return [part.tolist() for part in trades.sections().values()]


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def comes_back(data: Path, *, snapshot: int, make_hot=None) -> None:
    want = json.loads((data / "want.json").read_text())
    rebuilt = rebuild(data, make_hot)
    assert rebuilt.snapshot == snapshot
    assert (rebuilt.machine.seq, rebuilt.machine.state_hash().hex()) == (want["seq"], want["hash"])
    assert json.loads(json.dumps(told(rebuilt.trades))) == want["trades"], "trades are numbered on"


def damage(data: Path, number: int) -> None:
    path = data / SNAPSHOT_FOLDER / snapshot_name(number)
    image = bytearray(path.read_bytes())
    image[len(image) // 2] ^= 1
    path.write_bytes(image)


def archived(data: Path, number: int) -> None:
    assert archive_before(FILES, data / LOG_FOLDER, number)


@pytest.mark.parametrize("make_hot", [None, OracleBooks])
def test_the_newest_snapshot_and_the_log_after_it(data, make_hot):
    comes_back(data, snapshot=SNAPSHOTS[1], make_hot=make_hot)


def test_a_damaged_snapshot_is_passed_over_and_named(data):
    damage(data, SNAPSHOTS[1])
    comes_back(data, snapshot=SNAPSHOTS[0])
    damage(data, SNAPSHOTS[0])
    comes_back(data, snapshot=0)
    archived(data, SNAPSHOTS[0])
    comes_back(data, snapshot=0)


def test_no_snapshot_and_no_beginning_is_refused_with_what_was_tried(data):
    archived(data, SNAPSHOTS[0])
    shutil.rmtree(data / LOG_FOLDER / "archive")
    comes_back(data, snapshot=SNAPSHOTS[1])
    damage(data, SNAPSHOTS[1])
    comes_back(data, snapshot=SNAPSHOTS[0])
    damage(data, SNAPSHOTS[0])
    with pytest.raises(NoWayBack, match=f"(?s){snapshot_name(SNAPSHOTS[1])}.*{snapshot_name(SNAPSHOTS[0])}"):
        rebuild(data)
    shutil.rmtree(data / SNAPSHOT_FOLDER)
    with pytest.raises(NoWayBack, match="there is none"):
        rebuild(data)


def test_a_log_that_ends_before_its_snapshot_has_lost_records(data):
    """The snapshot is a witness: it was made of durable records."""
    segments = sorted((data / LOG_FOLDER).glob("*.seg"))
    for path in segments[3:]:
        path.unlink()
    with pytest.raises(LogCorrupt, match="there is a snapshot of record 80"):
        rebuild(data)


def test_a_snapshot_of_another_log_is_refused(data, tmp_path):
    other = tmp_path / "other"
    log = LocalLog.open(FILES, other / LOG_FOLDER, segment_bytes=64 * 1024)
    log.claim(1)
    for record, _, _ in market(COMMANDS, PER_RECORD, seed=6):
        log.write(record)
    log.close()
    shutil.copytree(data / SNAPSHOT_FOLDER, other / SNAPSHOT_FOLDER)
    with pytest.raises(LogCorrupt, match="record 80 is not the one that was there before"):
        rebuild(other)


def test_verify_checks_every_snapshot_against_the_log(data):
    archived(data, SNAPSHOTS[0])
    assert verified(data)["snapshots"] == 2
    damage(data, SNAPSHOTS[0])
    with pytest.raises(Refused, match=snapshot_name(SNAPSHOTS[0])):
        verified(data)


def test_a_snapshot_that_is_whole_but_of_another_state_is_found(data):
    """As a release with a bug would have written it."""
    standing = Standing(rebuild(data).machine)
    log = open_log(data)
    tail = Standing(standing.machine).tail
    for record in log.read():
        tail = tail.after(record)
        if record.number == SNAPSHOTS[0]:
            break
    wrong = standing.machine.snapshot(tail._replace(next_seq=standing.machine.seq + 1), standing.trades.sections())
    wrong.tail = tail
    write_snapshot(FILES, data / SNAPSHOT_FOLDER, wrong)
    with pytest.raises(Refused, match="the log gives"):
        verified(data)


def test_a_snapshot_on_demand(data):
    end = open_log(data).durable_number
    for _ in range(2):
        answer = snapshot_taken(data)
        assert answer["number"] == end
        assert list_snapshots(FILES, data / SNAPSHOT_FOLDER) == [end, SNAPSHOTS[1]]
    comes_back(data, snapshot=end)
    assert verified(data)["snapshots"] == 2


def test_an_applied_command_is_never_skipped(data):
    with pytest.raises(Refused, match="it stands"):
        skipped(data, 5, "no reason")


def test_the_archive_follows_the_older_snapshot(data):
    """What is archived is never needed for a start, even if the newer snapshot is lost."""
    archived(data, list_snapshots(FILES, data / SNAPSHOT_FOLDER)[-1])
    assert list_archived(FILES, data / LOG_FOLDER)
    damage(data, SNAPSHOTS[1])
    shutil.rmtree(data / LOG_FOLDER / "archive")
    comes_back(data, snapshot=SNAPSHOTS[0])
    prune_snapshots(FILES, data / SNAPSHOT_FOLDER)


def test_nobody_knows_where_the_hash_tables_put_an_id() -> None:
    """Chosen ids that fall on each other would make every look-up a long walk. That the seed is never seen in events
    or hash is what tests/engine/test_agreement.py and kernels/test_book.py show."""
    seeds = {int(compiled_books().state.meta["hash_seed"][0]) for _ in range(4)}
    assert len(seeds) == 4
