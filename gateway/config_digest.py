"""The digest of a market's meaning, the same from release to release.

The log names a configuration by it, so a field that a later release added must not change it while it says nothing:
such a field is left out where it has its default.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, defstruct

from engine.messages.bodies import ListInstrument
from gateway.calendars import CycleMove, Move

DIGEST_BYTES = 16
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
# By struct, the fields that came after the first release that named it.
LATER = {
    Move: {"random_seconds", "day_end"},
    CycleMove: {"random_seconds", "day_end"},
    ListInstrument: {
        "deposit", "classes", "collar_floor", "collar_bps", "extension_ns", "extensions_max", "widen_bps",
        "after_extensions",
    },
}  # fmt: skip


def digest_of(market: Struct) -> bytes:
    return blake2b(_encode(_meaning(market)), digest_size=DIGEST_BYTES).digest()


def _meaning(value: Any) -> Any:
    """The same, of structs as they were when they were first named."""
    if isinstance(value, Struct):
        names = [name for name in value.__struct_fields__ if not _unsaid(value, name)]
        parts = [_meaning(getattr(value, name)) for name in names]
        if value.__struct_config__.array_like:
            return parts
        return _shape(type(value), tuple(names))(*parts)
    if isinstance(value, dict):
        return {key: _meaning(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_meaning(part) for part in value]
    return value


def _unsaid(value: Struct, name: str) -> bool:
    """Whether a later field says nothing; those of an array only if all behind it say nothing either."""
    later = LATER.get(type(value), set())
    if name not in later:
        return False
    defaults = dict(zip(reversed(value.__struct_fields__), reversed(value.__struct_defaults__), strict=False))
    if not value.__struct_config__.array_like:
        return bool(getattr(value, name) == defaults[name])
    behind = value.__struct_fields__[value.__struct_fields__.index(name) :]
    return all(getattr(value, other) == defaults[other] for other in behind)


@cache
def _shape(kind: type[Struct], names: tuple[str, ...]) -> type[Struct]:
    """A struct with these fields of `kind` under their names on the wire, in order."""
    wire = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    fields = [(f"f{number}", Any) for number in range(len(names))]
    return defstruct(kind.__name__, fields, rename={f"f{number}": wire[name] for number, name in enumerate(names)})
