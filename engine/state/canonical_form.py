"""Plain values in one order, for states that hold dicts by number: msgspec sorts none but those with text keys."""

from __future__ import annotations

from typing import Any

import msgspec


def ordered(state: Any) -> Any:
    """A struct as dicts, lists and numbers, each dict sorted by its keys: equal states pack to equal bytes."""
    return _sorted(msgspec.to_builtins(state, builtin_types=(bytes,)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(each) for each in value]
    return value
