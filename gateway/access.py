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


# By kind, what the account named in `account` may see; zero for kinds that are none.
ACCOUNT_MASK = np.zeros((256, _WORDS), np.uint64)
for _kind, _audience in AUDIENCE.items():
    if _audience.account:
        ACCOUNT_MASK[_kind] = _mask_of(_audience.account)


def own_rows(events: np.ndarray) -> np.ndarray:
    """EVENT[n] as the account that caused them sees them: a copy with every other field zeroed."""
    shown = words_of(events) & ACCOUNT_MASK.take(events["kind"], axis=0)
    return shown.reshape(-1).view(EVENT)


def chosen(events: np.ndarray, places: np.ndarray) -> np.ndarray:
    """events[places], as words: NumPy copies a structured row field by field, which takes ten times as long."""
    return words_of(events).take(places, axis=0).reshape(-1).view(EVENT)


def words_of(events: np.ndarray) -> np.ndarray:
    """u64[n, 8], the same memory."""
    return events.view(np.uint64).reshape(-1, _WORDS)
