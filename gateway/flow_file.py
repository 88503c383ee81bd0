"""Files of `qhatu match`: the benchmark's binary form, and CSV (`gateway.flow_csv`)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from engine.codes import CommandKind
from engine.limits import INSTRUMENTS_MAX, PRICE_TICKS_MAX
from gateway.auction_file import InputError
from gateway.flow import Flow

MAGIC = b"OBW1"
HEADER_BYTES = 24
RECORD = np.dtype([("type", "u1"), ("side", "u1"), ("symbol", "<u2"), ("id", "<u4"), ("price", "<i4"), ("qty", "<u4")])
IDS_MAX = 2**28  # the flat array of ids is 8 bytes each


def read_flow(raw: bytes, tick: Fraction | None) -> Flow:
    """The messages of a file, either form. Raises InputError naming the line and the field, or the record."""
    from gateway.flow_csv import read_csv

    return _binary(raw, tick) if raw[: len(MAGIC)] == MAGIC else read_csv(raw, tick)


def _binary(raw: bytes, tick: Fraction | None) -> Flow:
    from engine.state.flow import MESSAGE

    if len(raw) < HEADER_BYTES:
        raise InputError(f"header: {len(raw)} bytes are no header of {HEADER_BYTES}")
    warm, timed, symbols, ids, _ = (int(x) for x in np.frombuffer(raw, "<u4", 5, len(MAGIC)))
    if len(raw) != HEADER_BYTES + (warm + timed) * RECORD.itemsize:
        raise InputError(f"header: {warm} + {timed} records are not the {len(raw) - HEADER_BYTES} bytes that follow")
    if not 1 <= symbols <= INSTRUMENTS_MAX:
        raise InputError(f"header: {symbols} symbols, not 1..{INSTRUMENTS_MAX}")
    if not 1 <= ids <= IDS_MAX:
        raise InputError(f"header: max_id + 1 is {ids}, not 1..{IDS_MAX}")
    records = np.frombuffer(raw, RECORD, warm + timed, HEADER_BYTES)
    for field, wrong in (
        ("type", (records["type"] < 1) | (records["type"] > 3)),
        ("side", (records["side"] > 1) & (records["type"] != 2)),
        ("symbol", records["symbol"] >= symbols),
        ("id", records["id"] >= ids),
        ("price", np.abs(records["price"].astype(np.int64)) > PRICE_TICKS_MAX),
        ("qty", (records["qty"] == 0) & (records["type"] != 2)),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise InputError(f"record {at}: {field}: {int(records[field][at])} is out of range")
    messages = np.zeros(len(records), MESSAGE)
    kinds = np.array([0, CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE], np.uint8)
    messages["kind"] = kinds[records["type"]]
    for name in ("side", "id", "price", "qty"):
        messages[name] = records[name]
    messages["account"] = 1
    messages["instrument"] = records["symbol"].astype(np.uint32) + 1
    return Flow(messages, warm, ids, [str(symbol) for symbol in range(symbols)], 1, tick or Fraction(1))
