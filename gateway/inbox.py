"""What waits for the sequencer: whole submissions in the order they came, counted and bounded.

Two doors, one queue. A submission is a batch whose answer goes to its own reply. Raw rows are whole COMMAND rows of the
packed path, appended to one buffer; their answers reach the gateway with the record. Neither is ever split over two
records: a chunk of raw rows holds no more than one record takes, and chunks and submissions go in whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import COLD_FIRST
from engine.limits import (
    INBOX_COMMANDS_MAX,
    RECORD_BYTES_MAX,
    RECORD_COMMANDS_MAX,
    RECORD_HEADER_BYTES,
    ROW_BYTES,
)
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, EXTENSION

CHUNK_BYTES_MAX = RECORD_COMMANDS_MAX * ROW_BYTES
BATCH_BYTES_MAX = RECORD_BYTES_MAX - RECORD_HEADER_BYTES
_HOT_KINDS = bytes(range(COLD_FIRST))
assert COMMAND.fields["kind"][1] == 0 and COMMAND.fields["extension"][1] == ROW_BYTES - 8, "_keep_hot reads them there"  # type: ignore[index]
EMPTY = Batch(np.zeros(0, COMMAND))


class Busy(Exception):
    """The inbox is full, or the venue is stopping: refused whole, nothing was taken."""


@dataclass(slots=True)
class Outcome:
    """What became of one submission.

    status    "applied": durable and decided. "unknown": the log failed; ask again with the same ids after a restart
    first_seq sequence of the first command of the record; an event's sequence = first_seq + its `command`
    ts_ns     the record's time
    events    EVENT[k] caused by this submission, `command` = row in the record
    row0      row of the submission's first command in the record
    """

    status: str
    first_seq: int
    ts_ns: int
    events: np.ndarray
    row0: int


Reply = Callable[[Outcome], None]


@dataclass(slots=True)
class Taken:
    """One record's worth: the batch, and of each submission in it (first row, rows, reply)."""

    batch: Batch
    answers: list[tuple[int, int, Reply]]


class Inbox:
    """Bounded by INBOX_COMMANDS_MAX commands. Never blocks."""

    def __init__(self) -> None:
        self.waiting = 0  # commands
        self._items: deque[bytearray | tuple[Batch, Reply | None]] = deque()
        self._chunk: bytearray | None = None  # the last item, when it takes more raw rows

    def add(self, batch: Batch, reply: Reply) -> None:
        """Raises Busy; ValueError when the batch is empty or larger than a record."""
        rows = len(batch)
        if not 0 < rows <= RECORD_COMMANDS_MAX or batch.nbytes > BATCH_BYTES_MAX:
            raise ValueError(f"a submission of {rows} commands, {batch.nbytes} bytes does not fit one record")
        if self.waiting + rows > INBOX_COMMANDS_MAX:
            raise Busy
        self._items.append((batch, reply))
        self._chunk = None
        self.waiting += rows

    def add_rows(self, raw: bytes | bytearray | memoryview, extensions: bytes = b"") -> int:
        """Append whole COMMAND rows, with the EXTENSION rows that they number from 1; returns how many. Raises Busy;
        ValueError for bytes that are no whole rows."""
        size = len(raw)
        rows = size // ROW_BYTES
        if self.waiting + rows > INBOX_COMMANDS_MAX:
            raise Busy
        if extensions:
            self._add_extended(bytearray(raw), extensions)
            return rows
        chunk = self._chunk
        if chunk is None or size % ROW_BYTES or len(chunk) + size > CHUNK_BYTES_MAX:
            chunk = self._new_chunk(size)
        chunk += raw
        self.waiting += rows
        return rows

    def _add_extended(self, raw: bytearray, extensions: bytes) -> None:
        """A chunk of its own, whose extension rows come along."""
        size = len(raw) + len(extensions)
        if size % ROW_BYTES or not 0 < size <= BATCH_BYTES_MAX:
            raise ValueError(f"{size} bytes are not whole rows of {ROW_BYTES} that fit one record")
        _keep_hot(raw, len(extensions) // ROW_BYTES)
        self._items.append((Batch(np.frombuffer(raw, COMMAND), np.frombuffer(extensions, EXTENSION)), None))
        self._chunk = None
        self.waiting += len(raw) // ROW_BYTES

    def _new_chunk(self, size: int) -> bytearray:
        if size % ROW_BYTES or not 0 < size <= CHUNK_BYTES_MAX:
            raise ValueError(f"{size} bytes are not 1 to {RECORD_COMMANDS_MAX} rows of {ROW_BYTES}")
        self._chunk = bytearray()
        self._items.append(self._chunk)
        return self._chunk

    def take(self) -> Taken:
        """As many whole submissions as one record holds, first come first."""
        items = self._items
        parts: list[Any] = []  # buffers of whole rows
        blobs: list[bytes] = []
        extensions: list[np.ndarray] = []
        shifts: list[tuple[int, int, int]] = []  # first row, rows, extension rows before
        answers: list[tuple[int, int, Reply]] = []
        rows = extension_rows = 0
        room = BATCH_BYTES_MAX
        while items:
            item = items[0]
            size = len(item) if isinstance(item, bytearray) else item[0].nbytes
            count = size // ROW_BYTES if isinstance(item, bytearray) else len(item[0].rows)
            if rows + count > RECORD_COMMANDS_MAX or size > room:
                break
            items.popleft()
            if isinstance(item, bytearray):
                _keep_hot(item)
                parts.append(item)
            else:
                batch, reply = item
                parts.append(batch.rows)
                if reply is not None:
                    answers.append((rows, count, reply))
                if batch.blob:
                    blobs.append(batch.blob)
                if len(batch.extensions):
                    shifts.append((rows, count, extension_rows))
                    extensions.append(batch.extensions)
                    extension_rows += len(batch.extensions)
            rows += count
            room -= size
        if not items or items[-1] is not self._chunk:
            self._chunk = None
        self.waiting -= rows
        return Taken(_joined(parts, extensions, shifts, blobs), answers)

    def refuse_all(self) -> list[Reply]:
        """Empty the inbox; returns the replies that still wait for an answer."""
        replies = [item[1] for item in self._items if not isinstance(item, bytearray) and item[1] is not None]
        self._items.clear()
        self._chunk, self.waiting = None, 0
        return replies


def _joined(
    parts: list[Any],
    extensions: list[np.ndarray],
    shifts: list[tuple[int, int, int]],
    blobs: list[bytes],
) -> Batch:
    """One batch with read-only rows, as a reader of the log gets them; extension numbers moved to their new places."""
    raw: bytes | bytearray = b"".join(parts)
    if not extensions:
        return Batch(np.frombuffer(raw, COMMAND), blob=b"".join(blobs))
    raw = bytearray(raw)
    rows = np.frombuffer(raw, COMMAND)
    for row, count, before in shifts:
        numbers = rows["extension"][row : row + count]
        numbers[numbers != 0] += before
    return Batch(
        np.frombuffer(bytes(raw), COMMAND),
        np.frombuffer(b"".join(part.tobytes() for part in extensions), EXTENSION),
        b"".join(blobs),
    )


def _keep_hot(chunk: bytearray, extensions: int = 0) -> None:
    """A raw row is a hot command without a body, its extension one of its own frame's. Anything else loses its kind, so
    that the engine refuses it (kind_unknown): a cold kind would be a command that no one was authorised for, a number
    or a length would point at what is another's."""
    last_words = np.frombuffer(chunk, np.uint64)[ROW_BYTES // 8 - 1 :: ROW_BYTES // 8]  # extension and body_length
    if not chunk[::ROW_BYTES].translate(None, _HOT_KINDS) and not np.count_nonzero(last_words):
        return
    rows = np.frombuffer(chunk, COMMAND)
    wrong = (rows["kind"] >= COLD_FIRST) | (rows["extension"] > extensions) | (rows["body_length"] != 0)
    for name in ("kind", "extension", "body_length"):
        rows[name][wrong] = 0
