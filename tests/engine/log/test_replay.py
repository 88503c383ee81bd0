"""Replay applies the whole log and notices when two readers of it disagree."""

from __future__ import annotations

import pytest

from engine.log.memory import MemoryLog
from engine.log.record import GENERATION, encode_record
from engine.log.replay import DigestDiffers, replay
from tests.tiny_machine import TinyMachine, orders


def written(log: MemoryLog, sizes: list[int], wrong_at: int | None = None) -> TinyMachine:
    """Write and apply as a venue does; the record `wrong_at` carries a digest that is not the machine's."""
    machine = TinyMachine()
    tail = log.claim()
    applied = (machine.seq, machine.event_digest)
    for number, size in enumerate(sizes, 1):
        digest = b"?" * 16 if number == wrong_at else applied[1]
        record = encode_record(
            orders(*range(size)), shard=0, generation=GENERATION, epoch=tail.epoch, first_seq=tail.next_seq,
            ts_ns=number, number=number, prev_digest=tail.digest, durable_through=number - 1,
            applied_seq=applied[0], event_digest=digest,
        )  # fmt: skip
        log.write(record)
        applied = (machine.seq, machine.event_digest)  # one record behind
        machine.apply(record)
        tail = tail.after(record)
    return machine


def test_replay_comes_to_the_same_state():
    log = MemoryLog()
    live = written(log, [3, 0, 1, 0, 0, 12])
    again = TinyMachine()
    seen = []
    assert replay(log.reopen(), again, progress=seen.append) == 6
    assert again.state_hash() == live.state_hash()
    assert [record.number for record in seen] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("wrong_at", [1, 2, 4, 6])
def test_another_digest_stops_it(wrong_at):
    log = MemoryLog()
    written(log, [3, 2, 1, 0, 2, 12], wrong_at)
    with pytest.raises(DigestDiffers, match=b"?".hex() * 16):
        replay(log, TinyMachine())
