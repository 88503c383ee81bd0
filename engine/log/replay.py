"""Rebuilding state from the log: every durable record through the same machine, event digests checked on the way.

The writer put into each record how far it had applied and the digest of all events until there; whoever applies the
same records must come to the same digest. A difference means that two releases, or a kernel and its cache, disagree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from engine.log.interface import Log, Tail
from engine.log.record import GENESIS_DIGEST, Record

RECENT_RECORDS = 64  # a record's digest is that of a record or two before it


class Machine(Protocol):
    """What replay needs of `engine.machine.Machine`."""

    seq: int
    event_digest: bytes

    def apply(self, record: Record) -> np.ndarray: ...


class DigestDiffers(Exception):
    """Two readers of one log disagree about its events."""

    def __init__(self, record: Record, found: bytes) -> None:
        super().__init__(
            f"events up to command {record.applied_seq} have digest {found.hex()}; "
            f"the writer of record {record.number} found {record.event_digest.hex()}"
        )
        self.applied_seq = record.applied_seq


class DigestCheck:
    """Compares the digests that records carry with one's own. `applied` after each record, `check` before it."""

    def __init__(self, seq: int = 0, event_digest: bytes = GENESIS_DIGEST) -> None:
        self._recent: deque[tuple[int, bytes]] = deque([(seq, event_digest)], maxlen=RECENT_RECORDS)

    def check(self, record: Record) -> None:
        """Raises DigestDiffers. A record that speaks of what is no longer remembered passes."""
        for seq, digest in reversed(self._recent):
            if seq == record.applied_seq:
                if digest != record.event_digest:
                    raise DigestDiffers(record, digest)
                return

    def applied(self, seq: int, event_digest: bytes) -> None:
        if seq != self._recent[-1][0]:
            self._recent.append((seq, event_digest))


def replay(
    log: Log, machine: Machine, *, after: Tail = Tail(), progress: Callable[[Record], None] | None = None
) -> int:
    """Apply every durable record that follows `after`, where the machine stands; it knows `log.skips`.

    Returns the number of records applied. Raises LogCorrupt, DigestDiffers, and whatever the machine raises.
    """
    check = DigestCheck(machine.seq, machine.event_digest)
    records = 0
    for record in log.read(after):
        check.check(record)
        machine.apply(record)
        check.applied(machine.seq, machine.event_digest)
        records += 1
        if progress:
            progress(record)
    return records
