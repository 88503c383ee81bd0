"""Files that fail when asked to: the n-th call of a name raises OSError, once."""

from __future__ import annotations

import errno

from engine.log.files import Files


class FaultyFiles:
    """Passes every call on; counts them, and lets the one asked for fail before it does anything."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._fail_at: dict[str, int] = {}
        self.calls: dict[str, int] = {}

    def fail(self, name: str, after: int = 0) -> None:
        """Let the call of `name` fail that comes after `after` more good ones."""
        self._fail_at[name] = self.calls.get(name, 0) + after

    def __getattr__(self, name: str):
        function = getattr(self._files, name)

        def call(*args, **kwargs):
            count = self.calls.get(name, 0)
            self.calls[name] = count + 1
            if self._fail_at.get(name) == count:
                raise OSError(errno.EIO, f"planted: {name}")
            return function(*args, **kwargs)

        return call
