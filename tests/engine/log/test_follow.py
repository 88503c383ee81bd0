"""Following a log while it is written: durable records only, each once, in order, across segments."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from engine.limits import SEGMENT_HEADER_BYTES
from engine.log.files import RealFiles
from engine.log.follow import LogReader
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from engine.log.record import padded
from tests.engine.log.builders import Chain, batch_of, fill

SEGMENT = 64 * 1024


def open_log(directory) -> LocalLog:
    return LocalLog.open(RealFiles(), directory, segment_bytes=SEGMENT)


def numbers(records) -> list[int]:
    return [record.number for record in records]


def test_a_record_is_handed_out_when_the_next_one_vouches_for_it(tmp_path):
    reader = LogReader(RealFiles(), tmp_path / "log")
    assert reader.poll() == [], "there is no log yet"
    log = open_log(tmp_path / "log")
    assert reader.poll() == []
    chain = Chain(log.claim())
    log.write(chain.record(batch_of(3)))
    assert reader.poll() == []
    log.write(chain.record(batch_of(0)))  # the empty record of an idle venue
    assert numbers(reader.poll()) == [1]
    assert reader.poll() == []
    log.write(chain.record(batch_of(9)))
    log.write(chain.record(batch_of(1)))
    assert numbers(reader.poll()) == [2, 3]
    assert reader.tail == chain.tail._replace(
        next_seq=13, next_number=4, digest=reader.tail.digest, ts_ns=reader.tail.ts_ns
    )


def test_every_record_once_across_segments_whatever_the_portion(tmp_path):
    log = open_log(tmp_path)
    records = fill(log, [1, 100, 0, 7] * 40)
    assert len(list(tmp_path.glob("*.seg"))) > 3
    for portion in (1, 3, 64, 1_000):
        reader = LogReader(RealFiles(), tmp_path)
        found = []
        while more := reader.poll(portion):
            assert len(more) <= portion
            found += more
        assert [record.raw for record in found] == [record.raw for record in records[:-1]]


def test_it_can_begin_anywhere(tmp_path):
    log = open_log(tmp_path)
    fill(log, [60] * 50)
    reader = LogReader(RealFiles(), tmp_path)
    tails = [reader.tail]
    while reader.poll(1):
        tails.append(reader.tail)
    for begin in (0, 1, 16, 17, 18, 30, 48):
        reader = LogReader(RealFiles(), tmp_path, tail=tails[begin])
        assert numbers(reader.poll(1)) == [begin + 1]
    with pytest.raises(LogCorrupt):
        LogReader(RealFiles(), tmp_path, tail=tails[20]._replace(digest=b"x" * 16)).poll()


def test_the_last_record_of_a_full_segment_is_vouched_for_by_the_next_segment(tmp_path):
    log = open_log(tmp_path)
    reader = LogReader(RealFiles(), tmp_path)
    chain = Chain(log.claim())
    while len(list(tmp_path.glob("*.seg"))) == 1:
        log.write(chain.record(batch_of(100)))
    written = chain.tail.next_number - 1
    (image,) = [path for path in tmp_path.glob("*.seg") if int(path.stem) == written]
    content = image.read_bytes()
    image.write_bytes(content[:SEGMENT_HEADER_BYTES] + bytes(SEGMENT - SEGMENT_HEADER_BYTES))  # published, still empty
    assert numbers(reader.poll()) == list(range(1, written))
    assert reader.poll() == []
    image.write_bytes(content)
    log.write(chain.record(batch_of(1)))
    assert numbers(reader.poll()) == [written]


def test_half_a_record_is_waited_for_and_damage_to_a_durable_one_is_not(tmp_path):
    log = open_log(tmp_path)
    records = fill(log, [5, 50, 5, 5])
    log.close()
    (path,) = tmp_path.glob("*.seg")
    image = path.read_bytes()
    second = SEGMENT_HEADER_BYTES + padded(len(records[0].raw))
    third = second + padded(len(records[1].raw))
    for end in range(second, third, 64):
        path.write_bytes(image[:end] + bytes(SEGMENT - end))
        reader = LogReader(RealFiles(), tmp_path)
        assert numbers(reader.poll()) in ([], [1])
        assert reader.poll() == []
        path.write_bytes(image)
        assert numbers(reader.poll())[-1] == 3
    damaged = bytearray(image)
    damaged[second + 300] ^= 1
    path.write_bytes(damaged)
    reader = LogReader(RealFiles(), tmp_path)
    with pytest.raises(LogCorrupt) as error:
        reader.poll()
    assert error.value.offset == second


def test_a_zeroed_record_before_a_later_segment_is_damage(tmp_path):
    log = open_log(tmp_path)
    fill(log, [100] * 30)
    log.close()
    first = sorted(tmp_path.glob("*.seg"))[0]
    first.write_bytes(first.read_bytes()[:SEGMENT_HEADER_BYTES] + bytes(SEGMENT - SEGMENT_HEADER_BYTES))
    with pytest.raises(LogCorrupt):
        LogReader(RealFiles(), tmp_path).poll()


WRITER = """
import sys
from pathlib import Path
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from tests.engine.log.builders import Chain, batch_of
log = LocalLog.open(RealFiles(), Path(sys.argv[1]), segment_bytes=128 * 1024)
chain = Chain(log.claim())
for number in range(3000):
    log.write(chain.record(batch_of(number * 7 % 60, seed=number)))
    if log.wants_room():
        log.make_room()
log.write(chain.record(batch_of(0)))
"""


def test_following_a_writer_in_another_process(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
    reader = LogReader(RealFiles(), tmp_path)
    found = []
    deadline = time.monotonic() + 60
    while len(found) < 3000 and time.monotonic() < deadline:
        found += reader.poll(50)
    assert writer.wait() == 0
    assert numbers(found) == list(range(1, 3001))
    assert [record.count for record in found] == [number * 7 % 60 for number in range(3000)]
    assert len(list(tmp_path.glob("*.seg"))) > 10
