"""Whether the disk of the log has room: looked at every second, and before a segment is prepared.

Below the low-water mark the venue goes on for everything that ends or shows what is there (cancels, reads, phases,
uncrosses, the end of a sale) and refuses what would make it grow. So an operator hears of a full disk while the log can
still write. It ends by itself once there is a quarter more room than the mark.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.codes import CommandKind
from engine.limits import SEGMENT_SPARE_BYTES
from engine.log.files import Files

log = logging.getLogger("qhatu.storage")
_GROWS = np.zeros(256, bool)
_GROWS[
    [
        CommandKind.NEW,
        CommandKind.REPLACE,
        CommandKind.AMEND,
        CommandKind.BID,
        CommandKind.PLAN_SALE,
        CommandKind.REGISTER,
    ]
] = True


class Storage:
    """A `stat` of the file system per look: microseconds on the local disk that a log is on.

    low_bytes  free space below which it is low
    on_change  called when `low` has changed
    """

    def __init__(self, files: Files, directory: Path, low_bytes: int, segment_bytes: int) -> None:
        self.files, self.directory, self.low_bytes, self.segment_bytes = files, directory, low_bytes, segment_bytes
        self.free_bytes = 0  # at the last look
        self.low = False
        self.on_change: Callable[[], None] = lambda: None
        self._blind = False

    @property
    def enough_bytes(self) -> int:
        """From here on it is no longer low; the gap keeps it from flickering."""
        return self.low_bytes + self.low_bytes // 4

    def look(self) -> None:
        """What cannot be seen stays as it was: the log itself says soon enough if the disk is gone."""
        try:
            self.free_bytes = self.files.free_bytes(self.directory)
        except OSError as error:
            if not self._blind:
                log.warning("free space in %s cannot be told: %s", self.directory, error)
            self._blind = True
            return
        self._blind = False
        low = self.free_bytes < (self.enough_bytes if self.low else self.low_bytes)
        if low != self.low:
            self.low = low
            log.warning("%s", self.words)
            self.on_change()

    def has_room(self) -> bool:
        """Whether a segment can be prepared ahead of its need. If not, the present one is used to its end: it is the
        time that an operator has."""
        self.look()
        return self._blind or self.free_bytes >= self.segment_bytes + SEGMENT_SPARE_BYTES

    @property
    def words(self) -> str:
        mib = 2**20
        if not self.low:
            return f"storage_low is over: {self.free_bytes // mib:,} MiB are free in {self.directory}"
        return (
            f"storage_low: {self.free_bytes // mib:,} MiB are free in {self.directory}, less than "
            f"{self.low_bytes // mib:,}: new orders, bids and sales are refused until {self.enough_bytes // mib:,} are "
            "free; cancels and reads go on"
        )


def grows(kinds: np.ndarray) -> bool:
    """Whether a batch with these command kinds holds anything that is refused while storage is low.

    kinds  u1[n]
    """
    return bool(_GROWS[kinds].any())
