"""Where the row of an open order is: the sequence of the command that entered it, by the slot of its id.

Rows stand in the order of entry, so that a batch adds at the end and changes what is recent: by id they would lie all
over the file, since ids come from slots that are used again. An event names an order by its id alone.
"""

from __future__ import annotations

import numpy as np

from engine.limits import SLOTS_INITIAL

SLOT_MASK = 0xFFFFFFFF  # id = generation << 32 | slot


class Lives:
    """The life of each slot that was entered last. A batch asks for earlier orders before it enters its own."""

    def __init__(self) -> None:
        self._seq = np.zeros(SLOTS_INITIAL, np.int64)

    def seq_of(self, orders: np.ndarray) -> np.ndarray:
        """int64[n] of open orders int64[n]."""
        return self._seq[orders & SLOT_MASK]

    def enter(self, orders: np.ndarray, seq: np.ndarray) -> None:
        """Both int64[n]; of two lives of one slot the later one stands behind."""
        slots = orders & SLOT_MASK
        length = int(slots.max(initial=0)) + 1
        if length > len(self._seq):
            self._seq = np.concatenate(
                [self._seq, np.zeros(max(length, 2 * len(self._seq)) - len(self._seq), np.int64)]
            )
        self._seq[slots] = seq
