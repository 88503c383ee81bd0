"""The packed path: whole COMMAND rows in, whole EVENT rows out, without a Python object for each order.

    {"op":"rows","rows":<bin of COMMAND rows>} -> {"op":"rows","first":n,"seq":<bin of u8>,"events":<bin of EVENT rows>}
    {"op":"rows","rows":..,"extensions":<bin of EXTENSION rows>}      rows number them from 1 in `extension`; 0: none

Rows are counted per connection from 0 as they are sent, refused frames included; an event's `command` is that ordinal,
and `seq` holds the sequence of each row that this answer covers, from `first` on. The venue overwrites `account` and
`connection`; a row whose ref is no stream number loses its form, so that the engine refuses it (ref_invalid).

A command may concern orders of others: stops that it elected, makers that it cancelled. Its sender sees its own side of
it alone; LAST stands at the last event that it sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from struct import Struct
from typing import Protocol

import msgspec
import numpy as np

from engine.codes import CommandKind, RefForm
from engine.limits import RECORD_HEADER_BYTES, ROW_BYTES, WS_PACKED_ROWS_MAX
from engine.log.record import Record
from engine.messages.rows import COMMAND
from gateway.access import ACCOUNT_MASK, COUNTER_MASK
from gateway.market_data.frames import framed
from gateway.problems import Problem
from gateway.ws.answers import FRAME_OVERHEAD_MAX, NOBODY, Scratch, senders_of, write_frames

# The canonical bytes before the rows: {"op":"rows","rows":bin8 or bin16...
PREFIX = b"\x82\xa2op\xa4rows\xa4rows"
_SINGLE = PREFIX + b"\xc4\x40"
SINGLE_BYTES = len(_SINGLE) + ROW_BYTES
_BIN16 = b"\xc5"
_REF_FORM_AT, _PARTIES_AT, _PRICE_AT = COMMAND.fields["ref_form"][1], COMMAND.fields["account"][1], 20  # type: ignore[index]
NO_FORM = b"\xff"
PARTIES = Struct("<II")
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
EVENTS_PER_FRAME_MAX = 8_000
FRAME_BYTES_MAX = EVENTS_PER_FRAME_MAX * ROW_BYTES
HEAD_BYTES_LONG = 10  # of a frame that is as long as that
_SCRATCH = Scratch()
assert COMMAND.fields["kind"][1] == 0, "all_cancels reads it there"  # type: ignore[index]
assert COMMAND.fields["connection"][1] == _PARTIES_AT + 4 and COMMAND.fields["price"][1] == _PRICE_AT  # type: ignore[index]


class PackedReader(Protocol):
    """A connection that sent rows."""

    ordinals: Ordinals

    def send(self, frame: bytes) -> None: ...


class Ordinals:
    """Which of a connection's rows still wait for their answer: runs of [first, count], usually one."""

    __slots__ = ("runs", "sent")

    def __init__(self) -> None:
        self.sent = 0  # rows seen, taken or not
        self.runs: deque[list[int]] = deque()

    def taken(self, n: int) -> None:
        runs, first = self.runs, self.sent
        if runs and runs[-1][0] + runs[-1][1] == first:
            runs[-1][1] += n
        else:
            runs.append([first, n])
        self.sent = first + n

    def refused(self, n: int) -> None:
        self.sent += n

    def answered(self, n: int, runs: list[int]) -> None:
        """The next `n` rows that were taken have their answer: adds first ordinal and count of each of their runs."""
        while n:
            run = self.runs[0]
            first, count = run
            if count > n:
                run[0], run[1] = first + n, count - n
                count = n
            else:
                self.runs.popleft()
            runs += (first, count)
            n -= count


def rows_of_frame(data: bytes) -> bytes | None:
    """The rows of a frame in canonical form, None for any other message."""
    if not data.startswith(PREFIX):
        return None
    if len(data) == SINGLE_BYTES and data.startswith(_SINGLE):
        return data[len(_SINGLE) :]
    at = len(PREFIX)
    if data[at : at + 1] == _BIN16 and int.from_bytes(data[at + 1 : at + 3], "big") == len(data) - at - 3:
        return data[at + 3 :]
    return None


def owned_rows(raw: bytes, parties: bytes) -> bytes | bytearray:
    """The rows with the sender's account and connection in them. Raises Problem: malformed, too_large.

    parties  u4 account, u4 connection
    """
    if len(raw) == ROW_BYTES:
        if raw[_REF_FORM_AT] != RefForm.STREAM:
            raw = raw[:_REF_FORM_AT] + NO_FORM + raw[_REF_FORM_AT + 1 :]
        return raw[:_PARTIES_AT] + parties + raw[_PRICE_AT:]
    count, rest = divmod(len(raw), ROW_BYTES)
    if rest or not count:
        detail = f"{len(raw)} bytes are not one or more rows of {ROW_BYTES}."
        raise Problem("malformed", detail, pointer="/rows", rows=0)
    if count > WS_PACKED_ROWS_MAX:
        raise Problem("too_large", f"A frame takes at most {WS_PACKED_ROWS_MAX} rows.", pointer="/rows", rows=count)
    owned = bytearray(raw)
    rows = np.frombuffer(owned, COMMAND)
    rows["account"], rows["connection"] = PARTIES.unpack(parties)
    if raw[_REF_FORM_AT::ROW_BYTES].count(RefForm.STREAM) != count:
        rows["ref_form"][rows["ref_form"] != RefForm.STREAM] = NO_FORM[0]
    return owned


def check_extensions(raw: bytes | bytearray, extensions: bytes) -> None:
    """Raises Problem("malformed") unless they are whole rows, and every number that a row gives is one of theirs."""
    count, rest = divmod(len(extensions), ROW_BYTES)
    rows = len(raw) // ROW_BYTES
    if rest:
        raise Problem("malformed", f"{len(extensions)} bytes are not rows of {ROW_BYTES}.", pointer="/extensions")
    if rows + count > WS_PACKED_ROWS_MAX:
        raise Problem("too_large", f"A frame takes at most {WS_PACKED_ROWS_MAX} rows.", pointer="/extensions")
    if int(np.frombuffer(raw, COMMAND)["extension"].max()) > count:
        raise Problem("malformed", f"A row gives an extension that is not one of {count}.", pointer="/rows")


def all_cancels(raw: bytes) -> bool:
    """Whether whole rows ask for nothing but cancels."""
    return raw[0::ROW_BYTES].count(CommandKind.CANCEL) * ROW_BYTES == len(raw)


def parties_of(account: int, connection: int) -> bytes:
    return PARTIES.pack(account, connection)


def answer_rows(readers: Mapping[int, PackedReader], record: Record, events: np.ndarray) -> None:
    """One frame to each connection that has rows in the record, with the events of those rows alone."""
    rows = np.frombuffer(record.raw, COMMAND, record.count, RECORD_HEADER_BYTES)
    s = _SCRATCH
    count = senders_of(rows, s.table, s.sender_of, s.senders)
    told: list[tuple[int, PackedReader]] = []  # place among the senders
    runs: list[int] = []
    for sender, (number, taken) in enumerate(zip(s.numbers[:count].tolist(), s.rows[:count].tolist(), strict=True)):
        reader = readers.get(number)
        if reader is None:
            runs += (NOBODY, taken)
        else:
            told.append((sender, reader))
            reader.ordinals.answered(taken, runs)
    if not told:
        return
    words = events.view(np.uint64)
    out = np.empty(8 * (len(rows) + len(words)) + FRAME_OVERHEAD_MAX * count, np.uint8)
    length = write_frames(
        record.first_seq, s.sender_of[: len(rows)], count, s.senders, np.array(runs), s.ordinals, words,
        ACCOUNT_MASK, COUNTER_MASK, out,
    )  # fmt: skip
    frames, ends, start = out[:length].tobytes(), s.ends[:count].tolist(), 0
    for sender, reader in told:
        end = ends[sender]
        if end - start <= FRAME_BYTES_MAX:
            reader.send(frames[start:end])
        else:
            _send_parts(reader, frames[start:end])
        start = end


def _send_parts(reader: PackedReader, frame: bytes) -> None:
    """A sweep with very many fills is told in several frames, the first of which has the `seq`."""
    message = _decode(frame[HEAD_BYTES_LONG:])
    events, size = message["events"], EVENTS_PER_FRAME_MAX * ROW_BYTES
    for at in range(0, len(events), size):
        part = message | {"events": events[at : at + size]}
        reader.send(framed(_encode(part if not at else part | {"seq": b""}), text=False))
