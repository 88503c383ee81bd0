"""A process says in a small file what it is doing, for whoever finds it stopped: `DATA/NAME.status`, one JSON object.

Replaced as a whole, and best effort: that it cannot be written is no reason to stop. It is written into a spare file
that was there before and is renamed over the last one, so that "the disk is full" can still be told on a full disk.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from engine.limits import STATUS_FILE_BYTES

WHY_CHARS_MAX = 1_000


class StatusFile:
    """`write` replaces the file when what it says has changed."""

    def __init__(self, path: Path) -> None:
        self.path, self._spare = path, path.with_name(path.name + ".new")
        self.status: dict[str, Any] = {}  # written last

    def write(self, **status: Any) -> None:
        """Whole or not at all; nothing is raised. A long `why` is cut."""
        if status == self.status:
            return
        self.status = status
        if isinstance(status.get("why"), str):
            status = status | {"why": status["why"][:WHY_CHARS_MAX]}
        text = json.dumps(status).encode().ljust(STATUS_FILE_BYTES - 1) + b"\n"
        with contextlib.suppress(OSError):
            self._fill_spare(text)
            self._spare.replace(self.path)
            self._fill_spare(bytes(len(text)))

    def _fill_spare(self, text: bytes) -> None:
        """Over what stands there: space that it has is space that it keeps."""
        handle = os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(handle, text, 0)
            os.ftruncate(handle, len(text))
        finally:
            os.close(handle)


def read_status(path: Path) -> dict[str, Any] | None:
    """What a process said last; None when it said nothing that can be read."""
    try:
        status = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None
