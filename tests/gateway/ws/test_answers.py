"""Packed answers: the compiled frames are those that plain Python makes of the same record."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import EventFlag, EventKind
from engine.limits import RECORD_COMMANDS_MAX
from engine.log.record import GENERATION, GENESIS_DIGEST, Record, encode_record
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, EVENT
from gateway.access import own_rows
from gateway.market_data.frames import framed
from gateway.ws import packed
from gateway.ws.packed import Ordinals, answer_rows

CONNECTIONS = (1, 2, 3, 77, 2**32 - 1)
GONE = 9


class Reader:
    """A connection; `ordinals_left` says in the plain way which of its rows wait."""

    def __init__(self) -> None:
        self.ordinals = Ordinals()
        self.ordinals_left: list[int] = []
        self.frames: list[bytes] = []

    def sends(self, rows: int, refused: int) -> None:
        self.ordinals.refused(refused)
        self.ordinals_left += range(self.ordinals.sent, self.ordinals.sent + rows)
        self.ordinals.taken(rows)

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)


def record_of(connections: list[int], first_seq: int = 1_000) -> Record:
    rows = np.zeros(len(connections), COMMAND)
    rows["connection"] = rows["account"] = connections
    return encode_record(
        Batch(rows), shard=0, generation=GENERATION, epoch=1, first_seq=first_seq, ts_ns=1, number=7,
        prev_digest=GENESIS_DIGEST, durable_through=6, applied_seq=0, event_digest=GENESIS_DIGEST,
    )  # fmt: skip


def events_of(counts: list[int], timers: int, seed: int) -> np.ndarray:
    """`counts[row]` events of each row with anything in them, after `timers` events that a timer caused."""
    chance = np.random.Generator(np.random.PCG64(seed))
    events = np.frombuffer(chance.bytes(64 * (timers + sum(counts))), EVENT).copy()
    events["kind"] = chance.choice(np.array(list(EventKind)), len(events))
    for party in ("account", "counter_account"):
        events[party] = chance.choice(np.array((0, *CONNECTIONS), np.uint32), len(events))
    events["flags"] &= ~np.uint16(EventFlag.BY_TIMER)
    events["flags"][:timers] |= np.uint16(EventFlag.BY_TIMER)
    events["command"] = [0] * timers + [row for row, count in enumerate(counts) for _ in range(count)]
    return events


def plainly(connections: list[int], readers: dict[int, Reader], first_seq: int, events: np.ndarray) -> dict:
    """Frames of each connection, row by row and event by event."""
    told: dict[int, dict] = {}
    ordinals, heard = {}, {}
    for row, connection in enumerate(connections):
        if connection in readers:
            ordinals[row] = readers[connection].ordinals_left.pop(0)
            message = told.setdefault(connection, {"op": "rows", "first": ordinals[row], "seq": b"", "events": b""})
            message["seq"] += (first_seq + row).to_bytes(8, "little")
    for at in range(len(events)):
        row = int(events["command"][at])
        parties = events["account"][at], events["counter_account"][at]
        if row in ordinals and not events["flags"][at] & EventFlag.BY_TIMER and connections[row] in parties:
            shown = own_rows(events[at : at + 1], connections[row])
            shown["command"] = ordinals[row]
            heard.setdefault(row, []).append(shown)
    for row, shown in heard.items():
        shown[-1]["flags"] |= np.uint16(EventFlag.LAST)
        told[connections[row]]["events"] += b"".join(event.tobytes() for event in shown)
    return {number: [framed(msgspec.msgpack.encode(message), text=False)] for number, message in told.items()}


@given(
    connections=st.lists(st.sampled_from((0, GONE, *CONNECTIONS)), min_size=1, max_size=40),
    breaks=st.lists(st.integers(0, 300), max_size=6),
    timers=st.integers(0, 2),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_frames_are_those_of_plain_python(
    connections: list[int], breaks: list[int], timers: int, seed: int, data: st.DataObject
) -> None:
    readers = {number: Reader() for number in CONNECTIONS}
    for at, number in enumerate(connections):  # in the order in which they were sent, some frames refused between
        if number in readers:
            readers[number].sends(1, refused=breaks[at] if at < len(breaks) else 0)
    counts = data.draw(st.lists(st.integers(1, 5), min_size=len(connections), max_size=len(connections)))
    events, record = events_of(counts, timers, seed), record_of(connections)
    answer_rows(readers, record, events)
    wanted = plainly(connections, readers, record.first_seq, events)
    assert {number: reader.frames for number, reader in readers.items() if reader.frames} == wanted
    assert not any(reader.ordinals.runs for reader in readers.values())


@pytest.mark.parametrize("rows", [1, 2, 10, 30, RECORD_COMMANDS_MAX])
@pytest.mark.parametrize("sent", [0, 120, 250, 65_530, 2**20])
def test_lengths_and_ordinals_of_every_width(rows: int, sent: int) -> None:
    reader, connections = Reader(), [3] * rows
    reader.sends(rows, refused=sent)
    events, record = events_of([1] * rows, 0, 5), record_of(connections)
    answer_rows({3: reader}, record, events)
    assert {3: reader.frames} == plainly(connections, {3: reader}, record.first_seq, events)


def test_as_many_connections_as_a_record_has_rows() -> None:
    connections = list(range(1, RECORD_COMMANDS_MAX + 1))
    readers = {number: Reader() for number in connections}
    for reader in readers.values():
        reader.sends(1, refused=0)
    events, record = events_of([1] * len(connections), 0, 6), record_of(connections)
    answer_rows(readers, record, events)
    assert {number: reader.frames for number, reader in readers.items()} == plainly(
        connections, readers, record.first_seq, events
    )


def test_very_many_fills_are_told_in_several_frames() -> None:
    reader, other = Reader(), Reader()
    reader.sends(2, refused=0)
    other.sends(1, refused=0)
    counts = [packed.EVENTS_PER_FRAME_MAX + 1, 1, packed.EVENTS_PER_FRAME_MAX]
    events, record = events_of(counts, 0, 7), record_of([3, 4, 3])
    events["account"] = 3
    answer_rows({3: reader, 4: other}, record, events)
    heads = {126: 4, 127: 10}
    messages = [msgspec.msgpack.decode(frame[heads.get(frame[1], 2) :]) for frame in reader.frames]
    assert [len(message["seq"]) // 8 for message in messages] == [2, 0, 0]
    told = np.frombuffer(b"".join(message["events"] for message in messages), EVENT)
    assert [len(message["events"]) // 64 for message in messages] == [8_000, 8_000, 1]
    assert told["command"].tolist() == [0] * counts[0] + [1] * counts[2]
    assert len(other.frames) == 1
