"""A workload as command rows, the way clients send them: orders named by text id, or by the engine's order id.

The rows of a text client are whole beforehand: a new order and a replace carry a text id of their own, a cancel and a
replace name their target by the text of the order's first id. A client that names engine ids knows them from the
answers; here a run of the text rows gives them, since slots are issued alike whatever the ids look like.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.codes import CommandKind, Phase, RefForm
from engine.kernels.compiled import kernel, step
from engine.kernels.constants import ACCEPTED, FILL
from engine.kernels.flow import folded
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.state.books import Books
from engine.state.flow import FNV_START, window_ticks_of
from engine.state.hot import Space
from gateway.flow_file import Flow

RECORD_ROWS = 1_000  # rows in one call, as a record of a busy venue has them
IDS = Space(client_ids=2**22, client_ids_share=2**22)  # a day of one account: every id is remembered


class Rows(NamedTuple):
    """A workload's commands, cut into records of RECORD_ROWS."""

    commands: np.ndarray  # COMMAND[n], read-only
    extensions: np.ndarray  # EXTENSION[m], read-only
    first_extension: np.ndarray  # int64[records + 1]  where each record's begin
    file_ids: np.ndarray  # int64[n]  the workload's own id of each command


def _texts(pattern: bytes, numbers: np.ndarray) -> np.ndarray:
    """uint64[n, 2]: the 16 bytes of each text id."""
    return np.array([pattern % number for number in numbers.tolist()], "S16").view("<u8").reshape(-1, 2)


def text_rows(flow: Flow) -> Rows:
    messages, count = flow.messages, len(flow.messages)
    rows = np.zeros(count, COMMAND)
    for name in ("kind", "side", "type", "tif", "instrument", "account", "price", "qty"):
        rows[name] = messages[name]
    rows["version"], rows["ref_form"] = ROW_VERSION, RefForm.TEXT
    named = _texts(b"order-%08d", messages["id"])
    replaces = np.flatnonzero(messages["kind"] == CommandKind.REPLACE)
    own = named.copy()
    own[replaces] = _texts(b"again-%08d", replaces)
    rows["ref_hi"], rows["ref_lo"] = own[:, 0], own[:, 1]
    extensions = np.zeros(len(replaces), EXTENSION)
    extensions["target_form"] = RefForm.TEXT
    extensions["target_hi"], extensions["target_lo"] = named[replaces, 0], named[replaces, 1]
    first_extension = np.searchsorted(replaces, np.arange(0, count + RECORD_ROWS, RECORD_ROWS))
    rows["extension"][replaces] = np.arange(len(replaces)) - first_extension[replaces // RECORD_ROWS] + 1
    rows.flags.writeable = extensions.flags.writeable = False
    return Rows(rows, extensions, first_extension, messages["id"].astype(np.int64))


def order_rows(rows: Rows, order_of: np.ndarray) -> Rows:
    """The same commands by engine order id, in rising numbers of one stream. order_of: int64[ids]."""
    commands = rows.commands.copy()
    commands["ref_form"], commands["ref_hi"], commands["ref_lo"] = RefForm.STREAM, 1, np.arange(1, len(commands) + 1)
    commands["extension"] = 0
    commands["order"] = np.where(commands["kind"] == CommandKind.NEW, 0, order_of[rows.file_ids])
    commands.flags.writeable = False
    return Rows(commands, rows.extensions[:0], np.zeros_like(rows.first_extension), rows.file_ids)


def books_of(flow: Flow) -> Books:
    """Books in continuous phase for the instruments and accounts of a file, with windows as `Replay` has them."""
    low, high = flow.price_range
    books = Books(IDS, window_ticks=window_ticks_of(len(flow.instruments), low, high))
    for instrument in range(1, len(flow.instruments) + 1):
        books.list_instrument(instrument, multiplier=1, price_min=low, price_max=high, qty_max=2**32)
        books.set_phase(instrument, Phase.CONTINUOUS)
    for account in range(1, flow.accounts + 1):
        books.open_account(account)
    return books


@step
def _of(id_of, order):
    return id_of[order & 0xFFFFFFFF]


@kernel
def fold(events, first, file_ids, id_of, order_of, sums):
    """Hash of the fills and ids of the orders, out of EVENT rows.

    first     in     int64          place in file_ids of the record's row 0
    id_of     inout  int64[slots]   file id by slot
    order_of  inout  int64[ids]     engine id by file id
    sums      inout  uint64[3]      FNV-1a over (taker, maker, price, qty) of every fill; fills; lots
    """
    for i in range(len(events)):
        e = events[i]
        if e.kind == FILL:
            fnv = folded(folded(sums[0], _of(id_of, e.order)), _of(id_of, e.counter_order))
            sums[0] = folded(folded(fnv, np.int64(e.price)), e.qty)
            sums[1] += np.uint64(1)
            sums[2] += np.uint64(e.qty)
        elif e.kind == ACCEPTED:
            file_id = file_ids[first + e.command]
            id_of[e.order & 0xFFFFFFFF] = file_id
            order_of[file_id] = e.order


class Fills:
    """What the events of a run amount to."""

    def __init__(self, file_ids: np.ndarray, ids: int, slots: int = 2**21) -> None:
        self.file_ids = file_ids
        self.id_of, self.order_of = np.zeros(slots, np.int64), np.zeros(ids, np.int64)
        self.sums = np.array([FNV_START, 0, 0], np.uint64)

    def add(self, events: np.ndarray, first: int) -> None:
        fold(events, first, self.file_ids, self.id_of, self.order_of, self.sums)

    @property
    def found(self) -> tuple[str, int, int]:
        """(hash, fills, lots)"""
        fnv, fills, lots = self.sums.tolist()
        return f"{fnv:016x}", fills, lots
