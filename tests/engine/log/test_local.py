"""The local log: its end, its damage, its lock, its rotation."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from engine.limits import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES
from engine.log.files import Locked, RealFiles
from engine.log.follow import LogReader
from engine.log.interface import LogCorrupt, LogFailed
from engine.log.local import LocalLog
from engine.log.record import padded
from engine.log.segments import PREPARED
from tests.engine.log.builders import Chain, batch_of, fill, tail_after
from tests.faulty_files import FaultyFiles

SEGMENT = 64 * 1024
SIZES = [3, 0, 1, 40, 2, 0, 5]


def open_log(directory, **options) -> LocalLog:
    return LocalLog.open(RealFiles(), directory, **{"segment_bytes": SEGMENT, **options})


@pytest.fixture
def written(tmp_path):
    """(the only segment's path, its records, byte where each begins and the last ends)"""
    log = open_log(tmp_path)
    records = fill(log, SIZES)
    log.close()
    places = [SEGMENT_HEADER_BYTES]
    for record in records:
        places.append(places[-1] + padded(len(record.raw)))
    (path,) = tmp_path.glob("*.seg")
    return path, records, places


def restart_and_go_on(directory, whole: list) -> None:
    """Open, compare with the records that must be whole, write on, open again."""
    log = open_log(directory)
    assert [record.raw for record in log.read()] == [record.raw for record in whole]
    more = fill(log, [1, 2])
    log.close()
    log = open_log(directory)
    assert [record.raw for record in log.read()] == [record.raw for record in [*whole, *more]]
    assert log.notes == [], "a cut is made once"
    log.close()


def whole_records(image: bytes, records, places) -> int:
    """How many leading records stand in `image` byte for byte (a record may end in zeros)."""
    whole = 0
    for place, record in zip(places, records, strict=False):
        if image[place : place + len(record.raw)].ljust(len(record.raw), b"\0") != record.raw:
            break
        whole += 1
    return whole


def test_a_tail_torn_at_any_byte_is_cut_at_the_last_whole_record(written, tmp_path):
    """The last three records, written only up to each byte, zeros beyond: as a crash leaves them."""
    path, records, places = written
    image = path.read_bytes()
    for end in range(places[-4], places[-1]):
        torn = image[:end] + bytes(len(image) - end)
        path.write_bytes(torn)
        whole = whole_records(torn, records, places)
        log = open_log(tmp_path)
        assert log.tail.next_number == whole + 1
        assert bool(log.notes) == any(torn[places[whole] :])
        if log.notes:
            assert path.name in log.notes[0] and f"byte {places[whole]}" in log.notes[0]
        log.close()
        assert not any(path.read_bytes()[places[whole] :])
        if end % 16 == 0:
            path.write_bytes(torn)
            restart_and_go_on(tmp_path, records[:whole])
            assert sorted(tmp_path.glob("*.seg")) == [path]


def test_a_file_cut_short_at_any_byte_is_made_whole_again(written, tmp_path):
    path, records, places = written
    image = path.read_bytes()
    for end in range(places[-4], places[-1], 7):
        path.write_bytes(image[:end])
        log = open_log(tmp_path)
        whole = sum(place + len(record.raw) <= end for place, record in zip(places, records, strict=False))
        assert log.tail.next_number == whole + 1 and log.notes
        log.close()
        assert path.stat().st_size == SEGMENT
        assert not any(path.read_bytes()[places[whole] :])


def test_only_part_of_the_last_write_reached_the_disk(written, tmp_path):
    """Sectors of one write arrive in any order: the beginning may be missing while the end is there."""
    path, records, places = written
    image = path.read_bytes()
    start = places[3]  # the record of forty rows, alone in flight
    end = places[4]
    chance = random.Random(5)
    for _ in range(40):
        torn = bytearray(image[:end] + bytes(len(image) - end))
        lost = [at for at in range(start, end, 512) if chance.random() < 0.5] or [start]
        for at in lost:
            torn[at : min(at + 512, end)] = bytes(min(512, end - at))
        path.write_bytes(torn)
        restart_and_go_on(tmp_path, records[:3])


def test_every_header_bit_of_a_record_in_the_middle_is_corruption(written, tmp_path):
    path, records, places = written
    image = path.read_bytes()
    for bit in range(RECORD_HEADER_BYTES * 8):
        damaged = bytearray(image)
        damaged[places[3] + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt) as error:
            open_log(tmp_path)
        assert (error.value.segment, error.value.offset) == (path.name, places[3])
        assert error.value.seq == records[3].first_seq
        assert all(str(part) in str(error.value) for part in (path.name, places[3], records[3].first_seq))
        with pytest.raises(LogCorrupt):
            open_log(tmp_path, writable=False)
        assert path.read_bytes() == damaged, "a refusal leaves the evidence"


def test_bits_of_rows_in_the_middle_are_corruption(written, tmp_path):
    path, records, places = written
    image = path.read_bytes()
    chance = random.Random(1)
    for _ in range(200):
        bit = chance.randrange(RECORD_HEADER_BYTES * 8, len(records[3].raw) * 8)
        damaged = bytearray(image)
        damaged[places[3] + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt):
            open_log(tmp_path)


def test_every_header_bit_of_the_last_record_cuts_it(written, tmp_path):
    """The one exception one disk cannot promise against: damage to a record before its successor exists."""
    path, records, places = written
    image = path.read_bytes()
    for bit in range(RECORD_HEADER_BYTES * 8):
        damaged = bytearray(image)
        damaged[places[-2] + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        log = open_log(tmp_path)
        assert log.tail.next_number == len(records)
        assert str(places[-2]) in log.notes[0]
        log.close()


def test_every_bit_of_the_segment_header_in_use_is_corruption(written, tmp_path):
    path, _, _ = written
    image = path.read_bytes()
    for bit in [*range(72 * 8), SEGMENT_HEADER_BYTES * 8 - 1]:
        damaged = bytearray(image)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt):
            open_log(tmp_path)


def test_a_record_of_another_log_does_not_follow(written, tmp_path):
    path, records, places = written
    stranger = Chain(open_log(tmp_path / "other").claim())
    for _ in range(len(records)):
        foreign = stranger.record(batch_of(1))
    following = stranger.record(batch_of(1))
    image = bytearray(path.read_bytes())
    image[places[-1] : places[-1] + len(following.raw)] = following.raw
    path.write_bytes(image)
    assert following.number == len(records) + 1 and foreign.number == len(records)
    with pytest.raises(LogCorrupt, match="digest"):
        open_log(tmp_path)


def test_rotation_and_a_lost_or_damaged_segment(tmp_path):
    log = open_log(tmp_path)
    records = fill(log, [100] * 60)
    log.close()
    paths = sorted(tmp_path.glob("*.seg"))
    assert len(paths) > 5
    assert [record.raw for record in open_log(tmp_path, writable=False).read(tail_after(records, 30))] == [
        r.raw for r in records[30:]
    ]

    image = paths[2].read_bytes()
    paths[2].unlink()
    with pytest.raises(LogCorrupt):
        open_log(tmp_path)
    for start in (0, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + padded(len(records[0].raw))):
        paths[2].write_bytes(image[:start] + bytes(SEGMENT - start))  # zeros where records stood
        with pytest.raises(LogCorrupt) as error:
            open_log(tmp_path)
        assert error.value.segment == paths[2].name
    paths[2].write_bytes(image)
    restart_and_go_on(tmp_path, records)


def test_room_is_made_ahead_and_used(tmp_path):
    log = open_log(tmp_path)
    assert not log.wants_room()
    chain = Chain(log.claim())
    while not log.wants_room():
        log.write(chain.record(batch_of(50)))
    log.make_room()
    assert not log.wants_room() and (tmp_path / PREPARED).stat().st_size == SEGMENT
    assert not any((tmp_path / PREPARED).read_bytes())
    while len(list(tmp_path.glob("*.seg"))) == 1:
        log.write(chain.record(batch_of(50)))
    assert not (tmp_path / PREPARED).exists()
    log.close()
    open_log(tmp_path).close()


def test_a_half_prepared_segment_is_thrown_away(tmp_path):
    log = open_log(tmp_path)
    fill(log, [1])
    log.close()
    (tmp_path / PREPARED).write_bytes(b"half" * 100)
    log = open_log(tmp_path)
    assert not (tmp_path / PREPARED).exists()
    fill(log, [100] * 20)
    log.close()
    open_log(tmp_path).close()


def test_one_writer_a_directory_and_the_message_names_it(tmp_path):
    log = open_log(tmp_path)
    with pytest.raises(Locked, match=f"process {os.getpid()}"):
        open_log(tmp_path)
    open_log(tmp_path, writable=False)
    log.close()
    open_log(tmp_path).close()


def test_a_reader_beside_a_living_writer_leaves_out_the_record_in_flight(tmp_path):
    log = open_log(tmp_path)
    records = fill(log, [1, 2, 3])
    assert [record.number for record in open_log(tmp_path, writable=False).read()] == [1, 2]
    log.close()
    assert [record.number for record in open_log(tmp_path, writable=False).read()] == [1, 2, 3]
    assert records[-1].number == 3


class HalfSeen(RealFiles):
    """The first look at a file comes while a record in its middle is being written."""

    def __init__(self, start: int, end: int) -> None:
        self.hidden: range | None = range(start, end)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        data = super().pread(handle, length, offset)
        if self.hidden is None or length <= self.hidden.start:
            return data
        start, end, self.hidden = self.hidden.start, self.hidden.stop, None
        return data[:start] + bytes(end - start) + data[end:]


def test_a_reader_beside_a_living_writer_looks_twice_before_it_calls_a_record_damaged(tmp_path):
    log = open_log(tmp_path)
    records = fill(log, [1, 20, 3, 4])
    start = SEGMENT_HEADER_BYTES + padded(len(records[0].raw))
    half = HalfSeen(start, start + 512)
    beside = LocalLog.open(half, tmp_path, writable=False, segment_bytes=SEGMENT)
    assert half.hidden is None and [record.number for record in beside.read()] == [1, 2, 3]
    log.close()
    with pytest.raises(LogCorrupt):
        LocalLog.open(HalfSeen(start, start + 512), tmp_path, writable=False, segment_bytes=SEGMENT)


WRITE_SITES = ["pwrite", "fdatasync", "open", "rename", "fsync_dir"]


@pytest.mark.parametrize("name", WRITE_SITES)
def test_any_error_while_writing_is_final(name, tmp_path):
    """Each call of each kind fails once; what was acknowledged before it is found by the next open."""
    for nth in range(4):
        directory = tmp_path / f"{name}{nth}"
        files = FaultyFiles(RealFiles())
        log = LocalLog.open(files, directory, segment_bytes=SEGMENT)
        chain = Chain(log.claim())
        files.fail(name, nth)
        acknowledged = []
        with pytest.raises(LogFailed):
            for _ in range(200):
                record = chain.record(batch_of(60))
                log.write(record)
                acknowledged.append(record.raw)
        with pytest.raises(LogFailed):
            log.write(record)
        log.close()
        found = [record.raw for record in open_log(directory, writable=False).read()]
        assert found[: len(acknowledged)] == acknowledged and len(found) <= len(acknowledged) + 1


@pytest.mark.parametrize("name", ["makedirs", "open", "pwrite", "fdatasync", "rename", "fsync_dir"])
def test_any_error_while_opening_refuses_and_releases_the_lock(name, tmp_path):
    files = FaultyFiles(RealFiles())
    files.fail(name)
    with pytest.raises(LogFailed):
        LocalLog.open(files, tmp_path / "log", segment_bytes=SEGMENT)
    LocalLog.open(files, tmp_path / "log", segment_bytes=SEGMENT).close()


WRITER = """
import sys
from pathlib import Path
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from tests.engine.log.builders import Chain, batch_of
log = LocalLog.open(RealFiles(), Path(sys.argv[1]), segment_bytes=256 * 1024)
chain = Chain(log.claim())
while True:
    record = chain.record(batch_of(1 + chain.tail.next_number % 90, seed=chain.tail.next_seq))
    log.write(record)
    print(record.number, record.digest.hex(), flush=True)
"""


def test_kill_9_of_a_writer_under_load_loses_nothing_acknowledged(tmp_path):
    chance = random.Random(9)
    acknowledged: dict[int, str] = {}
    for _ in range(12):
        with open(tmp_path / "out", "wb") as out:
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "log")], stdout=out)
            deadline = time.monotonic() + 30
            while (tmp_path / "out").stat().st_size == 0 and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.003, 0.2))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        lines = (tmp_path / "out").read_text().split("\n")[:-1]
        assert lines, "the writer wrote"
        acknowledged.update((int(number), digest) for number, digest in (line.split() for line in lines))
        log = open_log(tmp_path / "log", segment_bytes=256 * 1024)
        found = {record.number: record.digest.hex() for record in log.read()}
        log.close()
        assert acknowledged.items() <= found.items()
        assert len(found) == max(found)


def test_segments_of_another_length_are_finished_as_they_are(tmp_path):
    log = open_log(tmp_path)
    records = fill(log, [50])
    log.close()
    log = open_log(tmp_path, segment_bytes=2 * SEGMENT)
    records += fill(log, [100] * 40)
    log.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.seg"))]
    assert sizes[0] == SEGMENT and set(sizes[1:]) == {2 * SEGMENT}
    log = open_log(tmp_path)
    assert [record.raw for record in log.read()] == [record.raw for record in records] and not log.notes


def test_a_segment_of_another_log_does_not_follow(tmp_path):
    """Same place, same sizes, other commands: every record in it is whole, and none belongs here."""
    for name, seed in (("one", 1), ("two", 2)):
        log = open_log(tmp_path / name)
        chain = Chain(log.claim())
        for _ in range(40):
            log.write(chain.record(batch_of(100, seed=seed)))
        log.close()
    second = sorted((tmp_path / "one").glob("*.seg"))[1]
    second.write_bytes((tmp_path / "two" / second.name).read_bytes())
    with pytest.raises(LogCorrupt, match="does not follow"):
        open_log(tmp_path / "one")
    reader = LogReader(RealFiles(), tmp_path / "one")
    with pytest.raises(LogCorrupt):
        while reader.poll():
            pass
