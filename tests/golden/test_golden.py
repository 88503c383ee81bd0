"""This release comes to what the first release of its generation came to, record by record and from each snapshot."""

from __future__ import annotations

import pytest

from engine.log.files import RealFiles
from engine.log.record import GENERATION
from engine.log.snapshot import list_snapshots, read_snapshot, snapshot_name
from engine.machine import Machine
from gateway.replaying import SNAPSHOT_FOLDER, open_log
from tests.golden.venues import FOLDER, GENERATIONS, expected, unpacked
from tests.recorder import HOTS

FILES = RealFiles()
BYTES_MAX = 300 * 1024  # of one golden folder

pytestmark = pytest.mark.parametrize("make_hot", HOTS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return unpacked(GENERATION, tmp_path_factory.mktemp("golden") / "data")


def test_every_record_comes_to_the_recorded_digest(make_hot, data):
    want, log = expected(GENERATION), open_log(data)
    machine = Machine(make_hot(), log.skips)
    for record, digest in zip(log.read(), want["digests"], strict=True):
        assert record.generation == want["generation"] == GENERATION
        machine.apply(record)
        assert machine.event_digest.hex() == digest, f"record {record.number}"
        told = want["snapshots"].get(str(record.number))
        assert told is None or told == {"seq": machine.seq, "state_hash": machine.state_hash().hex()}
    assert (log.durable_number, machine.seq) == (want["records"], want["seq"])
    assert (machine.state_hash().hex(), machine.event_digest.hex()) == (want["state_hash"], want["event_digest"])


def test_each_snapshot_is_the_recorded_state(make_hot, data):
    want = expected(GENERATION)
    numbers = list_snapshots(FILES, data / SNAPSHOT_FOLDER)
    assert [str(number) for number in reversed(numbers)] == list(want["snapshots"]) and len(numbers) == 2
    log = open_log(data)
    for number in numbers:
        snapshot = read_snapshot(FILES, data / SNAPSHOT_FOLDER / snapshot_name(number))
        machine = Machine.restored(make_hot(), snapshot, log.skips)
        assert machine.state_hash().hex() == want["snapshots"][str(number)]["state_hash"]
        for record in log.read(snapshot.tail):
            machine.apply(record)
        assert machine.state_hash().hex() == want["state_hash"]
        assert machine.event_digest.hex() == want["event_digest"]
    assert numbers[0] == want["records"], "the last one stands at the end of the log"


def test_a_golden_folder_is_whole_and_small(make_hot):
    assert list(range(1, GENERATION + 1)) == GENERATIONS, "each generation has its golden venue"
    for generation in GENERATIONS:
        assert sum(path.stat().st_size for path in (FOLDER / f"generation-{generation}").iterdir()) < BYTES_MAX
