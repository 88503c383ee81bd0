"""What every log must do, whatever it is made of."""

from __future__ import annotations

import pytest

from engine.log.files import RealFiles
from engine.log.interface import LogCorrupt, LogFailed, Tail
from engine.log.local import LocalLog
from engine.log.memory import MemoryLog
from engine.messages.batch import join
from engine.messages.bodies import Skip
from tests.engine.log.builders import Chain, batch_of, fill, tail_after
from tests.faulty_files import FaultyFiles


class Local:
    """A local log with small segments, so that every test crosses a rotation."""

    def __init__(self, directory) -> None:
        self.files, self.directory = FaultyFiles(RealFiles()), directory

    def open(self):
        return LocalLog.open(self.files, self.directory, segment_bytes=16 * 1024)

    def reopen(self, log):
        log.close()
        return self.open()

    def fail_next_write(self, log) -> None:
        self.files.fail("fdatasync")


class Memory:
    def __init__(self, directory) -> None:
        pass

    def open(self):
        return MemoryLog()

    def reopen(self, log):
        return log.reopen()

    def fail_next_write(self, log) -> None:
        log.fail_at = log.tail.next_number


@pytest.fixture(params=[Local, Memory])
def kind(request, tmp_path):
    return request.param(tmp_path / "log")


def test_an_empty_log_begins_at_one(kind):
    log = kind.open()
    assert (log.tail, log.durable_number, list(log.read())) == (Tail(), 0, [])
    assert log.claim() == Tail(epoch=1)


def test_what_was_written_is_read_again_before_and_after_a_restart(kind):
    log = kind.open()
    records = fill(log, [1, 0, 90, 3] * 10)
    for _ in range(2):
        assert [record.raw for record in log.read()] == [record.raw for record in records]
        assert log.durable_number == len(records)
        assert [record.number for record in log.read(tail_after(records, 16))] == list(range(17, 41))
        assert list(log.read(tail_after(records, 40))) == []
        with pytest.raises(LogCorrupt):
            list(log.read(tail_after(records, 16)._replace(digest=b"x" * 16)))
        with pytest.raises(LogCorrupt):
            list(log.read(tail_after(records, 40)._replace(next_number=43)))
        log = kind.reopen(log)
    assert log.notes == []
    assert log.tail == Tail(records[-1].next_seq, 41, records[-1].digest, records[-1].ts_ns, 1)


def test_each_claim_raises_the_epoch(kind):
    log = kind.open()
    fill(log, [1])
    log = kind.reopen(log)
    assert log.claim().epoch == 2
    fill(log, [1])
    log = kind.reopen(log)
    assert log.claim(7).epoch == 7
    with pytest.raises(AssertionError):
        log.claim(1)


def test_a_log_that_was_not_claimed_takes_no_record(kind):
    log = kind.open()
    with pytest.raises(AssertionError):
        log.write(Chain(Tail(epoch=1)).record(batch_of(1)))


def test_a_record_that_does_not_follow_the_last_is_a_bug(kind):
    log = kind.open()
    tail = log.claim()
    for wrong in (
        tail._replace(next_seq=2),
        tail._replace(next_number=2),
        tail._replace(digest=b"x" * 16),
        tail._replace(epoch=9),
    ):
        with pytest.raises(AssertionError):
            log.write(Chain(wrong).record(batch_of(1)))
    fill(log, [1])
    with pytest.raises(AssertionError):
        log.write(Chain(log.claim()).record(batch_of(1), ts_ns=0))
    assert log.durable_number == 1


def test_a_failed_write_is_final_and_leaves_what_was_durable(kind):
    log = kind.open()
    records = fill(log, [2, 2])
    kind.fail_next_write(log)
    chain = Chain(log.claim())
    with pytest.raises(LogFailed):
        log.write(chain.record(batch_of(1)))
    with pytest.raises(LogFailed):  # the device works again: it is refused all the same
        log.write(Chain(log.claim()).record(batch_of(1)))
    assert log.durable_number == 2
    assert [record.raw for record in log.read()] == [record.raw for record in records]
    log = kind.reopen(log)
    assert log.tail.next_number in (3, 4), "what was in flight is unknown, what was durable is not"
    assert [record.raw for record in log.read()][:2] == [record.raw for record in records]


def test_skips_are_known_before_anything_is_applied(kind):
    from engine.messages.batch import cold

    log = kind.open()
    fill(log, [5])
    log.write(Chain(log.claim()).record(join([batch_of(2), cold(Skip(3)), cold(Skip(4, "why"))])))
    assert kind.reopen(log).skips == {3, 4}
