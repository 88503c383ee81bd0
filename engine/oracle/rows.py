"""Command and extension rows as Python numbers, and events on their way to rows."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

import numpy as np

from engine.codes import EventFlag
from engine.limits import ROW_BYTES
from engine.messages.rows import COMMAND, EVENT, EXTENSION

COMMAND_FORM = Struct("<8B3Ii2q2Q2I")
EXTENSION_FORM = Struct("<2qiB3s2q2I2Q")
EVENT_FORM = Struct("<2B3H3Ii2I4q")
for _form, _dtype in ((COMMAND_FORM, COMMAND), (EXTENSION_FORM, EXTENSION), (EVENT_FORM, EVENT)):
    assert _form.size == _dtype.itemsize == ROW_BYTES


class Row(NamedTuple):
    """A command row; the fields of COMMAND, in its order."""

    kind: int
    side: int
    type: int
    tif: int
    flags: int
    stp: int
    version: int
    ref_form: int
    instrument: int
    account: int
    connection: int
    price: int
    qty: int
    order: int
    ref_hi: int
    ref_lo: int
    extension: int
    body_length: int


class Extension(NamedTuple):
    """An extension row; the fields of EXTENSION, in its order."""

    display_qty: int = 0
    min_qty: int = 0
    stop_price: int = 0
    target_form: int = 0
    reserved: bytes = b"\0\0\0"
    expire_at: int = 0
    valid_until: int = 0
    principal: int = 0
    group: int = 0
    target_hi: int = 0
    target_lo: int = 0

    @property
    def target(self) -> tuple[int, int, int]:
        return self.target_form, self.target_hi, self.target_lo


NO_EXTENSION = Extension()
assert Row._fields == COMMAND.names and Extension._fields == EXTENSION.names


def rows_from(rows: np.ndarray, first: int) -> Iterator[Row]:
    """The rows from `first` on, each when it is wanted."""
    raw = np.ascontiguousarray(rows).view(np.uint8).data
    for at in range(first * ROW_BYTES, len(raw), ROW_BYTES):
        yield Row._make(COMMAND_FORM.unpack_from(raw, at))


def extension_at(extensions: np.ndarray, number: int) -> Extension:
    """`number` is 1-based; 0: none."""
    if not number:
        return NO_EXTENSION
    return Extension._make(EXTENSION_FORM.unpack(extensions[number - 1 : number].tobytes()))


class Events:
    """The events of a few commands, one after the other."""

    def __init__(self) -> None:
        self._rows: list[list[int]] = []

    def begin(self, command: int, index: int) -> None:
        """What is emitted from here on is of row `command`, numbered from `index`."""
        self._command, self._index = command, index

    def emit(self, kind: int, *, side: int = 0, flags: int = 0, reason: int = 0, fee_class: int = 0,
             instrument: int = 0, price: int = 0, account: int = 0, counter_account: int = 0, order: int = 0,
             counter_order: int = 0, qty: int = 0, leaves: int = 0) -> None:  # fmt: skip
        self._rows.append([kind, side, flags, reason, fee_class, self._command, self._index, instrument, price,
                           account, counter_account, order, counter_order, qty, leaves])  # fmt: skip
        self._index += 1

    def end_command(self) -> None:
        self._rows[-1][2] |= EventFlag.LAST

    def take(self) -> np.ndarray:
        """EVENT[k]: all of them, and none are left."""
        rows, self._rows = self._rows, []
        return np.frombuffer(bytearray().join(EVENT_FORM.pack(*row) for row in rows), EVENT)
