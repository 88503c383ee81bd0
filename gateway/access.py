"""Events as a reader may see them: the audience table of `engine/messages/audience.py` applied to rows.

`command` and `index` name an event and belong to every private view; everything else is shown only where the table
says so.
"""

from __future__ import annotations

import numpy as np

from engine.messages.audience import AUDIENCE, Fields
from engine.messages.rows import EVENT

_NAMES = frozenset({"command", "index"})
_WORDS = EVENT.itemsize // 8


def _mask_of(fields: Fields) -> np.ndarray:
    """u8[8]: all ones over the bytes of the named fields of an EVENT, zero elsewhere."""
    shown = np.zeros(EVENT.itemsize, np.uint8)
    for name in fields | _NAMES:
        dtype, offset = EVENT.fields[name][:2]  # type: ignore[index]
        shown[offset : offset + dtype.itemsize] = 0xFF
    return shown.view(np.uint64)


# By kind, what the accounts named in `account` and `counter_account` may see; zero for kinds that are none.
ACCOUNT_MASK = np.zeros((256, _WORDS), np.uint64)
COUNTER_MASK = np.zeros((256, _WORDS), np.uint64)
for _kind, _audience in AUDIENCE.items():
    if _audience.account:
        ACCOUNT_MASK[_kind] = _mask_of(_audience.account)
    if _audience.counter:
        COUNTER_MASK[_kind] = _mask_of(_audience.counter)


def own_rows(events: np.ndarray, reader: np.ndarray | int) -> np.ndarray:
    """EVENT[n] as the accounts `reader` (u4[n], or one), each a party of its event, see them: a copy with every other
    field zeroed. Of a fill with oneself both sides are seen in one."""
    words, kinds = words_of(events), events["kind"]
    mask = ACCOUNT_MASK.take(kinds, axis=0)
    counter = events["counter_account"] == reader
    if counter.any():
        mask[events["account"] != reader] = 0
        mask[counter] |= COUNTER_MASK.take(kinds[counter], axis=0)
    return (words & mask).reshape(-1).view(EVENT)


def chosen(events: np.ndarray, places: np.ndarray) -> np.ndarray:
    """events[places], as words: NumPy copies a structured row field by field, which takes ten times as long."""
    return words_of(events).take(places, axis=0).reshape(-1).view(EVENT)


def words_of(events: np.ndarray) -> np.ndarray:
    """u64[n, 8], the same memory."""
    return events.view(np.uint64).reshape(-1, _WORDS)
