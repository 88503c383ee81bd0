"""Channels: numbers, rings, readers in slices."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.forms import JSON, PACK, Form
from gateway.market_data.channel import SLICE_READERS, STATE_RING_MESSAGES, Channel, Name, first_seq_of
from gateway.market_data.frames import Frame, close_frame, framed


class Reader:
    def __init__(self, form: Form = JSON) -> None:
        self.form, self.frames = form, []

    def feed(self, channel: Channel, frame: Frame) -> None:
        frame.of(self.form)
        self.frames.append(frame)

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.frames]


def channel(later: list[Callable[[], None]], *, conflated: bool = True) -> Channel:
    return Channel(
        Name("book", 1), "X", 100, lambda: (lambda form: {"all": True}, 7), conflated=conflated, later=later.append
    )


def test_messages_are_numbered_and_follow_the_snapshot() -> None:
    told, reader = channel([]), Reader()
    told.begin(reader)
    told.publish(lambda form: {"a": 1}, 8)
    told.publish(lambda form: {"a": 2}, 9, seq=110)
    assert reader.seqs == [100, 101, 110]
    payload = msgspec.json.decode(reader.frames[2].of(JSON)[2:])
    assert (payload["seq"], payload["prev_seq"], payload["a"], payload["type"]) == (110, 101, 2, "update")
    told.end(reader)
    told.publish(lambda form: {}, 10)
    assert len(reader.frames) == 3


def test_a_view_is_built_once_for_each_form() -> None:
    told, calls = channel([]), []
    readers = [Reader(JSON), Reader(JSON), Reader(PACK), Reader(PACK)]
    for reader in readers:
        told.begin(reader)
    told.publish(lambda form: calls.append(form) or {}, 8)
    assert calls == [JSON, PACK]
    assert readers[0].frames[-1].of(JSON) is readers[1].frames[-1].of(JSON)


def test_resync_reaches_as_far_as_the_ring() -> None:
    told, reader = channel([]), Reader()
    for _ in range(STATE_RING_MESSAGES + 10):
        told.publish(lambda form: {}, 8)
    last = told.seq
    told.resync(reader, last - 2)
    assert reader.seqs == [last - 1, last]
    oldest = last - STATE_RING_MESSAGES
    reader.frames.clear()
    told.resync(reader, oldest)
    assert reader.seqs == list(range(oldest + 1, last + 1))
    for missed in (oldest - 1, last + 1, 0):
        reader.frames.clear()
        told.resync(reader, missed)
        assert reader.seqs == [last]  # a snapshot
    told.restart(last + 5)
    reader.frames.clear()
    told.resync(reader, last)
    assert reader.seqs == [last + 5]


def test_many_readers_are_written_in_slices() -> None:
    later: list[Callable[[], None]] = []
    told = channel(later)
    readers = [Reader() for _ in range(2 * SLICE_READERS + 1)]
    for reader in readers:
        told.begin(reader)
    told.publish(lambda form: {}, 8)
    assert [reader.seqs[-1] for reader in readers].count(101) == SLICE_READERS
    told.end(readers[-1])
    told.begin(readers[-2])  # begins anew with what the message says already
    while later:
        later.pop(0)()
    assert [reader.seqs[-1] for reader in readers].count(101) == 2 * SLICE_READERS
    assert readers[-2].seqs == [100, 101] and readers[-1].seqs[0] == 100


def test_frames_have_the_lengths_of_rfc_6455() -> None:
    for size, head in ((0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)):
        frame = framed(bytes(size), text=False)
        assert frame[0] == 0x82 and len(frame) == size + head
    assert close_frame(4008, "slow_consumer") == b"\x88\x0f\x0f\xa8slow_consumer"


def test_a_later_start_numbers_above_all_that_an_earlier_one_can_tell() -> None:
    assert first_seq_of(2) - first_seq_of(1) > 10**9, "messages of one start"
    assert first_seq_of(10**6) < 2**53, "JSON readers keep such numbers exact"
