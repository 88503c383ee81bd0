"""Packed rows on the short way: from a connection's bytes to the inbox, past aiohttp's parser, queue and task.

    bytes -> whole canonical frames of rows -> rows, stamped as the session's, taken at once
          -> anything else                  -> aiohttp, frame by frame

At 20,000 orders/s a socket has one frame each time it is read: a future, a task's step and the restart of a timer cost
five times what the frame does. Nothing is refused here: rows that cannot be taken go the long way, which says why, and
so does everything while a message before it still waits there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from engine.codes import RefForm
from engine.kernels.compiled import kernel, step
from engine.limits import RECORD_COMMANDS_MAX, ROW_BYTES, WS_PACKED_ROWS_MAX
from engine.messages.rows import COMMAND
from gateway.ws.packed import NO_FORM, PARTIES, PREFIX

_PREFIX = np.frombuffer(PREFIX, np.uint8)
_STREAM, _NO_FORM = int(RefForm.STREAM), NO_FORM[0]
_REF_FORM_AT, _PARTIES_AT = COMMAND.fields["ref_form"][1], COMMAND.fields["account"][1]  # type: ignore[index]
_FIN, _MASKED = 0x80, 0x80
_BINARY, _CLOSE = 2, 8  # opcodes; below 2 are text and what continues a message
_BINARY_WHOLE = _FIN | _BINARY
_BIN8, _BIN16 = 0xC4, 0xC5
_OUT = np.zeros(RECORD_COMMANDS_MAX * ROW_BYTES, np.uint8)
_OUT_VIEW = memoryview(_OUT)  # type: ignore[arg-type]


class Taker(Protocol):
    """The session."""

    parties: bytes  # u4 account, u4 connection; empty while it may send no rows

    def rows_arrived(self, rows: memoryview, count: int) -> bool:
        """Take all of these rows, or none and say no."""
        ...


class Arrivals:
    """One connection's bytes, from its first WebSocket frame on.

    pass_on  gives bytes to aiohttp; `idle` says that it has handed on every message they held
    """

    __slots__ = ("_closed", "_fragments", "_idle", "_left", "_pass_on", "_passed", "_tail", "_taker")

    def __init__(self, taker: Taker, pass_on: Callable[[bytes], None], idle: Callable[[], bool]) -> None:
        self._taker, self._pass_on, self._idle = taker, pass_on, idle
        self._left = 0  # bytes of a frame whose beginning was passed on
        self._tail = b""  # of a frame that is not whole yet
        self._passed = False  # something, that aiohttp may not have handed on
        self._fragments = False  # of a message whose end is still to come
        self._closed = False  # by the other side: nothing follows

    def take(self, data: bytes) -> None:
        if self._left:
            self._left, data = max(0, self._left - len(data)), self._hand_on(data, self._left)
        if self._tail:
            data, self._tail = self._tail + data, b""
        while data:
            if self._passed and self._idle():
                self._passed = False
            if self._taker.parties and not (self._passed or self._fragments or self._closed):
                length, rows = rows_at_once(data, self._taker.parties)
                if length and self._taker.rows_arrived(_OUT_VIEW[: ROW_BYTES * rows], rows):
                    data = data[length:]
                    continue
            size = _frame_bytes(data)
            if size is None or (size > len(data) and self._taker.parties and _may_be_rows(data)):
                self._tail = data
                return
            opcode = data[0] & 0x0F
            if opcode <= _BINARY:
                self._fragments = not data[0] & _FIN
            elif opcode == _CLOSE:
                self._closed = True
            self._left = max(0, size - len(data))
            data = self._hand_on(data, size)

    def _hand_on(self, data: bytes, size: int) -> bytes:
        """Pass on `size` bytes, return the rest."""
        self._passed = True
        self._pass_on(data[:size])
        return data[size:]


def _frame_bytes(data: bytes) -> int | None:
    """Length of the frame that begins here, None when its head is not whole."""
    if len(data) < 2:
        return None
    length, head = data[1] & 0x7F, 2
    if length >= 126:
        head = 4 if length == 126 else 10
        if len(data) < head:
            return None
        length = int.from_bytes(data[2:head], "big")
    return head + (4 if data[1] & _MASKED else 0) + length


def _may_be_rows(data: bytes) -> bool:
    """Whether a frame may be one of rows, from its first two bytes: of at most 64 KiB."""
    return data[0] == _BINARY_WHOLE and data[1] >= _MASKED and data[1] & 0x7F <= 126


def rows_at_once(data: bytes, parties: bytes) -> tuple[int, int]:
    """(bytes, rows) of the canonical frames at the beginning; their rows stand in OUT, `parties` in each."""
    return _rows_at_once(np.frombuffer(data, np.uint8), *PARTIES.unpack(parties), _OUT)


@kernel
def _rows_at_once(data, account, connection, out):
    """Unmask whole frames of rows until something else comes.

    data     in   uint8[n]
    out      out  uint8[64 * RECORD_COMMANDS_MAX]
    returns       (bytes, rows) taken
    """
    taken = filled = 0
    while True:
        size, at, mask_at = _canonical(data, taken, len(out) - filled)
        if size == 0:
            return np.int64(taken), np.int64(filled // ROW_BYTES)
        first = mask_at + 4
        for k in range(0, size, 4):  # rows begin anywhere in the mask's four bytes
            for j in range(4):
                out[filled + k + j] = data[at + k + j] ^ data[mask_at + ((at - first + j) & 3)]
        for row in range(filled, filled + size, ROW_BYTES):
            if out[row + _REF_FORM_AT] != _STREAM:
                out[row + _REF_FORM_AT] = _NO_FORM
            for k in range(4):
                out[row + _PARTIES_AT + k] = (account >> (8 * k)) & 0xFF
                out[row + _PARTIES_AT + 4 + k] = (connection >> (8 * k)) & 0xFF
        taken = at + size
        filled += size


@step
def _canonical(data, at, room):
    """(size of the rows, where they begin, where the mask stands) of a whole frame of rows at `at`; size 0: none."""
    if at + 2 > len(data) or data[at] != _BINARY_WHOLE or data[at + 1] < _MASKED:
        return 0, 0, 0
    length, mask_at = np.int64(data[at + 1] & 0x7F), at + 2
    if length == 126 and at + 4 <= len(data):
        length, mask_at = np.int64(data[at + 2]) << 8 | np.int64(data[at + 3]), at + 4
    elif length >= 126:
        return 0, 0, 0
    first, prefix = mask_at + 4, len(_PREFIX)
    if length < prefix + 2 or first + length > len(data):
        return 0, 0, 0
    for k in range(prefix):
        if data[first + k] ^ data[mask_at + (k & 3)] != _PREFIX[k]:
            return 0, 0, 0
    form = data[first + prefix] ^ data[mask_at + (prefix & 3)]
    size, head = np.int64(data[first + prefix + 1] ^ data[mask_at + (prefix + 1 & 3)]), prefix + 2
    if form == _BIN16 and length > prefix + 2:
        size, head = size << 8 | np.int64(data[first + prefix + 2] ^ data[mask_at + (prefix + 2 & 3)]), prefix + 3
    elif form != _BIN8:
        return 0, 0, 0
    if head + size != length or size % ROW_BYTES or size > room or size > WS_PACKED_ROWS_MAX * ROW_BYTES:
        return 0, 0, 0
    return size, first + head, mask_at
