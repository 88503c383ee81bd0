"""The packed path: whole COMMAND rows in, whole EVENT rows out, without a Python object for each order.

    {"op":"rows","rows":<bin of COMMAND rows>} -> {"op":"rows","first":n,"seq":<bin of u8>,"events":<bin of EVENT rows>}
    {"op":"rows","rows":..,"extensions":<bin of EXTENSION rows>}      rows number them from 1 in `extension`; 0: none

Rows are counted per connection from 0 as they are sent, refused frames included; an event's `command` is that ordinal,
and `seq` holds the sequence of each row that this answer covers, from `first` on. The venue overwrites `account` and
`connection`; a row whose ref is no stream number loses its form, so that the engine refuses it (ref_invalid).

A command may concern orders of others: stops that it elected, makers that it cancelled. Its sender sees its own side of
it alone, so the event that carries LAST may be missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from struct import Struct
from typing import Protocol

import msgspec
import numpy as np

from engine.codes import CommandKind, EventFlag, RefForm
from engine.limits import ROW_BYTES, WS_PACKED_ROWS_MAX
from engine.log.record import Record
from engine.messages.rows import COMMAND
from gateway.access import chosen, own_rows
from gateway.market_data.frames import framed
from gateway.problems import Problem

# The canonical bytes before the rows: {"op":"rows","rows":bin8 or bin16...
PREFIX = b"\x82\xa2op\xa4rows\xa4rows"
_SINGLE = PREFIX + b"\xc4\x40"
SINGLE_BYTES = len(_SINGLE) + ROW_BYTES
_BIN16 = b"\xc5"
_REF_FORM_AT, _PARTIES_AT, _PRICE_AT = COMMAND.fields["ref_form"][1], COMMAND.fields["account"][1], 20  # type: ignore[index]
_NO_FORM = b"\xff"
_PARTIES = Struct("<II")
_encode = msgspec.msgpack.Encoder().encode
EVENTS_PER_FRAME_MAX = 8_000
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

    def answered(self, n: int) -> np.ndarray:
        """Ordinals of the next `n` rows that were taken, as i8[n]."""
        run = self.runs[0]
        if run[1] > n:
            first = run[0]
            run[0], run[1] = first + n, run[1] - n
            return np.arange(first, first + n)
        self.runs.popleft()
        whole = np.arange(run[0], run[0] + run[1])
        return whole if run[1] == n else np.concatenate([whole, self.answered(n - run[1])])


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
            raw = raw[:_REF_FORM_AT] + _NO_FORM + raw[_REF_FORM_AT + 1 :]
        return raw[:_PARTIES_AT] + parties + raw[_PRICE_AT:]
    count, rest = divmod(len(raw), ROW_BYTES)
    if rest or not count:
        detail = f"{len(raw)} bytes are not one or more rows of {ROW_BYTES}."
        raise Problem("malformed", detail, pointer="/rows", rows=0)
    if count > WS_PACKED_ROWS_MAX:
        raise Problem("too_large", f"A frame takes at most {WS_PACKED_ROWS_MAX} rows.", pointer="/rows", rows=count)
    owned = bytearray(raw)
    rows = np.frombuffer(owned, COMMAND)
    rows["account"], rows["connection"] = _PARTIES.unpack(parties)
    if raw[_REF_FORM_AT::ROW_BYTES].count(RefForm.STREAM) != count:
        rows["ref_form"][rows["ref_form"] != RefForm.STREAM] = _NO_FORM[0]
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
    return _PARTIES.pack(account, connection)


def answer_rows(readers: Mapping[int, PackedReader], record: Record, events: np.ndarray) -> None:
    """One frame to each connection that has rows in the record, with the events of those rows alone.

    Rows and events are sorted by connection once; a connection's part is then a slice of bytes.
    """
    rows = record.batch.rows
    senders = rows["connection"]
    if not len(rows) or not senders.any():
        return
    by_sender = senders.argsort(kind="stable")
    sorted_senders = senders[by_sender]
    starts = np.flatnonzero(np.diff(sorted_senders, prepend=np.uint32(0xFFFFFFFF)))
    numbers, firsts = sorted_senders[starts], starts.tolist()
    ends = [*firsts[1:], len(rows)]
    told: list[tuple[PackedReader, int, int, int]] = []  # reader, its place among the senders, rows from and to
    sorted_ordinals = np.zeros(len(rows), np.uint32)
    for at, (sender, start, end) in enumerate(zip(numbers.tolist(), firsts, ends, strict=True)):
        reader = readers.get(sender) if sender else None
        if reader is not None:
            sorted_ordinals[start:end] = reader.ordinals.answered(end - start)
            told.append((reader, at, start, end))
    if not told:
        return
    ordinals = np.empty_like(sorted_ordinals)
    ordinals[by_sender] = sorted_ordinals
    events = _own_of_sender(_not_by_timer(events), rows)
    commands = events["command"]
    event_senders = senders[commands]
    order = event_senders.argsort(kind="stable")
    shown = own_rows(chosen(events, order), rows["account"][commands[order]])
    shown["command"] = ordinals[commands[order]]
    edges = [*event_senders[order].searchsorted(numbers).tolist(), len(events)]
    seqs, shown_bytes = (by_sender + record.first_seq).astype("<u8").tobytes(), shown.tobytes()
    for reader, at, start, end in told:
        _send(
            reader,
            int(sorted_ordinals[start]),
            seqs[8 * start : 8 * end],
            shown_bytes[ROW_BYTES * edges[at] : ROW_BYTES * edges[at + 1]],
        )


def _not_by_timer(events: np.ndarray) -> np.ndarray:
    """Without what timers caused: those events come before the first command's own and stand under its sequence."""
    if not int(events["flags"][0]) & EventFlag.BY_TIMER:
        return events
    return chosen(events, np.flatnonzero((events["flags"] & EventFlag.BY_TIMER) == 0))


def _own_of_sender(events: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Without those in which the account that sent the command has no part."""
    sender = rows["account"][events["command"]]
    own = (events["account"] == sender) | (events["counter_account"] == sender)
    return events if own.all() else chosen(events, np.flatnonzero(own))


def _send(reader: PackedReader, first: int, seqs: bytes, events: bytes) -> None:
    """Answer some rows; a sweep with very many fills is told in several frames, the first of which has the `seq`."""
    for at in range(0, len(events), EVENTS_PER_FRAME_MAX * ROW_BYTES):
        part = events[at : at + EVENTS_PER_FRAME_MAX * ROW_BYTES]
        message = {"op": "rows", "first": first, "seq": b"" if at else seqs, "events": part}
        reader.send(framed(_encode(message), text=False))
