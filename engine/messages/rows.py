"""Row formats: what a command, its extension and an event look like from socket to disk to kernel.

A command is one row. Rare fields of an order stand in an extension row; a cold command's body (msgpack) and a long
text id stand in the record's blob, in row order, `body_length` bytes each, so that no offset can be wrong.
"""

from __future__ import annotations

import numpy as np

from engine.limits import ROW_BYTES

ROW_VERSION = 1

COMMAND = np.dtype(
    [
        ("kind", "u1"),  # CommandKind
        ("side", "u1"),  # Side
        ("type", "u1"),  # OrderType
        ("tif", "u1"),  # TimeInForce
        ("flags", "u1"),  # zero so far
        ("stp", "u1"),  # StpMode
        ("version", "u1"),  # ROW_VERSION
        ("ref_form", "u1"),  # RefForm: what client_ref holds
        ("instrument", "<u4"),
        ("account", "<u4"),
        ("connection", "<u4"),  # the gateway's; never part of a decision or of the body hash
        ("price", "<i4"),  # ticks; 0 for a market order
        ("qty", "<i8"),  # lots; NEW: quantity, REPLACE: new open quantity
        ("order", "<i8"),  # engine order id of the target; 0: the target is named by text
        ("ref_hi", "<u8"),  # client_ref, first 8 bytes
        ("ref_lo", "<u8"),  # client_ref, last 8 bytes
        ("extension", "<u4"),  # 1-based row in the record's extension rows; 0: none
        ("body_length", "<u4"),  # bytes of this row's body in the blob
    ]
)

EXTENSION = np.dtype(
    [
        ("display_qty", "<i8"),
        ("min_qty", "<i8"),
        ("stop_price", "<i4"),
        ("target_form", "u1"),  # RefForm of target_ref
        ("reserved", "u1", (3,)),
        ("expire_at", "<i8"),  # ns
        ("valid_until", "<i8"),  # ns
        ("principal", "<u4"),
        ("group", "<u4"),
        ("target_hi", "<u8"),  # text id of a replace's target (TEXT or DIGEST), when `order` is 0
        ("target_lo", "<u8"),
    ]
)

EVENT = np.dtype(
    [
        ("kind", "u1"),  # EventKind
        ("side", "u1"),
        ("flags", "<u2"),  # EventFlag bits
        ("reason", "<u2"),
        ("fee_class", "<u2"),
        ("command", "<u4"),  # row in the record: seq = first_seq + command
        ("index", "<u4"),  # place among all events of this command; (shard, seq, index) names the event for ever
        ("instrument", "<u4"),
        ("price", "<i4"),  # ticks
        ("account", "<u4"),
        ("counter_account", "<u4"),
        ("order", "<i8"),
        ("counter_order", "<i8"),
        ("qty", "<i8"),
        ("leaves", "<i8"),
    ]
)

for _dtype in (COMMAND, EXTENSION, EVENT):
    assert _dtype.itemsize == ROW_BYTES and _dtype.alignment == 1, _dtype


def joined(blocks: list[np.ndarray]) -> np.ndarray:
    """Blocks of rows of one type, at least one and each contiguous, as one array of their own.

    As 64-bit words: NumPy copies rows of a structured type field by field, at six to nineteen times the cost.
    """
    if len(blocks) == 1:
        return blocks[0].view(np.uint64).copy().view(blocks[0].dtype)
    return np.concatenate([block.view(np.uint64) for block in blocks]).view(blocks[0].dtype)
