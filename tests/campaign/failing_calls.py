"""Every call that a short life makes of its files fails once, and the life ends there.

The lives are those of `crash_states`. The next start finds what the cache still shows, also of a sync that failed, and
must hold every acknowledged record; then power is lost, and what a start has read must not be lost after it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from engine.log.interface import LogFailed
from tests.campaign.crash_model import State
from tests.campaign.crash_states import Life, judge, life, live
from tests.campaign.ledger import Outcome
from tests.campaign.memory_files import Image, MemoryFiles, Op
from tests.campaign.rows import run_row

CALLS = (
    "listdir", "fsync_dir", "open", "close", "size", "pread", "pwrite", "truncate", "fdatasync", "rename", "unlink",
    "lock",
)  # fmt: skip
ERRNOS = (errno.EIO, errno.ENOSPC)


class FailingFiles(MemoryFiles):
    """The call number `fail_at` raises before it does anything; None: none does."""

    def __init__(self, fail_at: int | None, code: int = errno.EIO) -> None:
        super().__init__()
        self.fail_at, self.code, self.calls = fail_at, code, 0


def _failing(name: str) -> Callable[..., Any]:
    whole = getattr(MemoryFiles, name)

    def call(self: FailingFiles, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls - 1 == self.fail_at:
            if name == "fdatasync":
                self.trace.append(Op("failed_sync", self._handles[arguments[0]]))
            raise OSError(self.code, f"planted: {name}")
        return whole(self, *arguments, **options)

    return call


for _name in CALLS:
    setattr(FailingFiles, _name, _failing(_name))


def run(first: int, count: int) -> Outcome:
    return run_row("failing_calls", first, count, calls_of, fail)


@lru_cache(maxsize=4)
def calls_of(seed: int) -> range:
    """Numbers of all calls of a life, each with every errno."""
    files = FailingFiles(None)
    live(seed, files, Life([], []))
    return range(files.calls * len(ERRNOS))


def fail(seed: int, number: int) -> str:
    at, which = divmod(number, len(ERRNOS))
    files = FailingFiles(at, ERRNOS[which])
    try:
        live(seed, files, Life([], []))
    except (LogFailed, OSError) as error:
        assert "planted" in str(error), f"another trouble was told: {error}"
    else:
        raise AssertionError("the life went on after a call had failed")
    notes = [op.name for op in files.trace if op.kind == "note"]
    state = State(len(files.trace), f"call {at}", files.image, notes)
    return judge(state, life(seed), Image(), files.trace)
