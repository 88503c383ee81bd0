"""Files that fail when asked to: the n-th call of a name raises OSError once, or every call after the n-th."""

from __future__ import annotations

import errno
from collections.abc import Callable

from engine.log.files import Files


class FaultyFiles:
    """Passes every call on; counts them, and lets the one asked for fail before it does anything.

    on_call  called with the name of each call, before it
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._fail_at: dict[str, tuple[int, int]] = {}
        self.calls: dict[str, int] = {}
        self._left: int | None = None
        self.failed = 0  # calls that were made to fail
        self.on_call: Callable[[str], None] = lambda name: None

    def fail(self, name: str, after: int = 0, number: int = errno.EIO) -> None:
        """Let the call of `name` fail that comes after `after` more good ones."""
        self._fail_at[name] = (self.calls.get(name, 0) + after, number)

    def fail_after(self, calls: int) -> None:
        """Let the call fail, whatever its name, that comes after so many more good ones, and every later one."""
        self._left = calls

    def __getattr__(self, name: str):
        function = getattr(self._files, name)

        def call(*args, **kwargs):
            self.on_call(name)
            count = self.calls.get(name, 0)
            self.calls[name] = count + 1
            if self._left is not None:
                self._left -= 1
            at, number = self._fail_at.get(name, (-1, errno.EIO))
            if at == count or (self._left is not None and self._left < 0):
                self.failed += 1
                raise OSError(number, f"planted: {name}")
            return function(*args, **kwargs)

        return call
