"""A channel: one numbered stream of messages, its readers, and a ring for those who missed some.

Each message carries `seq` and the `prev_seq` it follows; a reader who sees another `prev_seq` than its last `seq` asks
to resync. Channels count for themselves: they begin at a number that no earlier start of the venue can have reached
(a clock would not do: it may be set back, and many messages fall into one of its ticks), and never show the log's
sequence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from engine.limits import FEED_RING_MESSAGES
from gateway.forms import Form
from gateway.market_data.frames import Frame

STATE_RING_MESSAGES = 256  # of a channel whose snapshot says everything anyway
MESSAGES_PER_START = 2**32  # that one channel can number; 2**21 starts fit the integers that JSON readers keep exact
SLICE_READERS = 500  # written at a stretch; acknowledgements go between slices

View = Callable[[Form], dict[str, Any]]
Later = Callable[[Callable[[], None]], object]  # a loop's call_soon


def first_seq_of(epoch: int) -> int:
    """Where the channels of the log's writer of this epoch begin."""
    return epoch * MESSAGES_PER_START


class Name(NamedTuple):
    """What tells channels apart: instrument 0 where there is none, account 0 where it is public."""

    channel: str
    instrument: int = 0
    depth: int = 0
    account: int = 0


class Reader(Protocol):
    """A connection that subscribes."""

    form: Form

    def feed(self, channel: Channel, frame: Frame) -> None:
        """Take one message: write it, leave it out until the reader has caught up, or close the connection."""
        ...


class Channel:
    """`snapshot` builds the view that a new reader begins with; it must tell the state that the last message left.

    label      what messages show as `instrument`
    conflated  a reader who is behind gets one snapshot later instead of every message
    """

    def __init__(
        self,
        name: Name,
        label: str,
        first_seq: int,
        snapshot: Callable[[], tuple[View, int]],
        *,
        conflated: bool,
        later: Later,
    ) -> None:
        self.name, self.label, self.conflated = name, label, conflated
        self.seq = first_seq
        self.readers: dict[Reader, int] = {}  # with the seq of the snapshot each began with
        self._ring: deque[Frame] = deque(maxlen=STATE_RING_MESSAGES if conflated else FEED_RING_MESSAGES)
        self._ring_prev = first_seq  # seq before the ring's first message
        self._snapshot, self._later = snapshot, later

    def publish(self, view: View, ts_ns: int, seq: int | None = None) -> None:
        """Number a message and give it to every reader."""
        prev, self.seq = self.seq, self.seq + 1 if seq is None else seq
        frame = self._frame("update", view, ts_ns, self.seq, prev)
        if len(self._ring) == self._ring.maxlen:
            self._ring_prev = self._ring[0].seq
        self._ring.append(frame)
        readers = list(self.readers)
        for reader in readers[:SLICE_READERS]:
            reader.feed(self, frame)
        if len(readers) > SLICE_READERS:
            self._later(lambda: self._next_slice(readers, SLICE_READERS, frame))

    def begin(self, reader: Reader) -> None:
        """Add a reader (or begin anew with one): it gets the snapshot first."""
        frame = self.snapshot()
        self.readers[reader] = frame.seq
        reader.feed(self, frame)

    def restart(self, seq: int) -> None:
        """Go on at `seq` after a time without readers: what was missed is told by the next snapshot."""
        if seq != self.seq:
            self._ring.clear()
            self._ring_prev = self.seq = seq

    def end(self, reader: Reader) -> None:
        self.readers.pop(reader, None)

    def close(self) -> None:
        """Nothing more will be told."""
        self.readers.clear()

    def resync(self, reader: Reader, from_seq: int) -> None:
        """Every message after `from_seq`, or a snapshot when the ring does not reach back so far."""
        if not self._ring_prev <= from_seq <= self.seq:
            self.begin(reader)
            return
        for frame in self._ring:
            if frame.seq > from_seq:
                reader.feed(self, frame)

    def snapshot(self) -> Frame:
        view, ts_ns = self._snapshot()
        return self._frame("snapshot", view, ts_ns, self.seq, None)

    def _next_slice(self, readers: list[Reader], start: int, frame: Frame) -> None:
        for reader in readers[start : start + SLICE_READERS]:
            if self.readers.get(reader, frame.seq) < frame.seq:
                reader.feed(self, frame)
        if start + SLICE_READERS < len(readers):
            self._later(lambda: self._next_slice(readers, start + SLICE_READERS, frame))

    def _frame(self, kind: str, view: View, ts_ns: int, seq: int, prev: int | None) -> Frame:
        def whole(form: Form) -> dict[str, Any]:
            head = {
                "channel": self.name.channel,
                "instrument": self.label,
                "type": kind,
                "seq": seq,
                "prev_seq": prev,
                "ts_engine": form.time(ts_ns),
            }
            return head | view(form)

        return Frame(whole, seq)
