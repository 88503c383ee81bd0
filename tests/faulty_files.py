"""Files that fail when asked to: the n-th call of a name raises OSError once, or every call after the n-th."""

from __future__ import annotations

import errno

from engine.log.files import Files


class FaultyFiles:
    """Passes every call on; counts them, and lets the one asked for fail before it does anything."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._fail_at: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self._left: int | None = None

    def fail(self, name: str, after: int = 0) -> None:
        """Let the call of `name` fail that comes after `after` more good ones."""
        self._fail_at[name] = self.calls.get(name, 0) + after

    def fail_after(self, calls: int) -> None:
        """Let the call fail, whatever its name, that comes after so many more good ones, and every later one."""
        self._left = calls

    def __getattr__(self, name: str):
        function = getattr(self._files, name)

        def call(*args, **kwargs):
            count = self.calls.get(name, 0)
            self.calls[name] = count + 1
            if self._left is not None:
                self._left -= 1
            if self._fail_at.get(name) == count or (self._left is not None and self._left < 0):
                raise OSError(errno.EIO, f"planted: {name}")
            return function(*args, **kwargs)

        return call
