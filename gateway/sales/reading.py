"""Requests into the engine's own structs, by the types of their fields: one reader for every mechanism.

What is read is checked field by field, and the pointer of what does not fit is told. `known` is the struct that holds
already: a time given as seconds from now is the one that it has, so that a repeated request is the same command.
"""

from __future__ import annotations

from base64 import b64decode
from fractions import Fraction
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from gateway.forms import time_ns
from gateway.order_terms import ticks_of
from gateway.problems import Problem
from gateway.sales.fields import BASE64, PRICES, SPANS, wire_name

SECONDS_MAX = 100 * 366 * 24 * 3600


class Reading(NamedTuple):
    """What the whole request is read with."""

    tick_size: Fraction
    now_ns: int


def read_union(kinds: Any, given: Any, reading: Reading, pointer: str, known: Any = None) -> Any:
    """The struct of a union that `kind` names. Raises Problem."""
    tags = {kind.__struct_config__.tag: kind for kind in get_args(kinds)}
    if not isinstance(given, dict):
        raise Problem("invalid_field", "An object with a kind.", pointer=pointer)
    kind = tags.get(given.get("kind"))
    if kind is None:
        raise Problem("invalid_field", f"The kinds are {', '.join(sorted(map(str, tags)))}.", pointer=f"{pointer}/kind")
    return read_struct(kind, given, reading, pointer, known)


def read_struct(kind: type[Struct], given: Any, reading: Reading, pointer: str, known: Any = None) -> Any:
    """A struct from an object with the names of the wire. Raises Problem, with the pointer of what is wrong."""
    if not isinstance(given, dict):
        raise Problem("invalid_field", "An object.", pointer=pointer)
    known = known if type(known) is kind else None
    values, names = {}, {"kind"} if kind.__struct_config__.tag else set()
    hints = _hints(kind)
    for field in msgspec.structs.fields(kind):
        name = wire_name(field.name) if field.name.endswith("_ns") else field.name
        names.add(name)
        if name in given:
            before = getattr(known, field.name, None)
            values[field.name] = _read(hints[field.name], field.name, given[name], reading, f"{pointer}/{name}", before)
        elif field.required:
            raise Problem("missing_field", f"It has no {name}.", pointer=f"{pointer}/{name}")
    strangers = sorted(given.keys() - names)
    if strangers:
        raise Problem("invalid_field", "There is no such field.", pointer=f"{pointer}/{strangers[0]}")
    return kind(**values)


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _read(hint: Any, name: str, given: Any, reading: Reading, pointer: str, known: Any) -> Any:
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(base, type) and issubclass(base, Struct):
        return read_struct(base, given, reading, pointer, known)
    if get_origin(base) in (Union, UnionType) and all(
        isinstance(one, type) and issubclass(one, Struct) for one in get_args(base)
    ):
        return read_union(base, given, reading, pointer, known)
    if get_origin(base) is tuple:
        return _read_tuple(hint, base, name, given, reading, pointer, known)
    if base is bytes:
        return _fits(hint, _bytes_of(name, given, pointer), pointer)
    if name.endswith("_ns"):
        return _fits(hint, _ns_of(name, given, reading, pointer, known), pointer)
    if name in PRICES:
        if not isinstance(given, str):
            raise Problem("invalid_field", "A price is decimal text.", pointer=pointer)
        return _fits(hint, ticks_of(given, reading.tick_size, pointer), pointer, code="price_range")
    return _fits(hint, given, pointer)


def _read_tuple(hint: Any, base: Any, name: str, given: Any, reading: Reading, pointer: str, known: Any) -> Any:
    if not isinstance(given, list):
        raise Problem("invalid_field", "A list.", pointer=pointer)
    metas = [meta for meta in get_args(hint)[1:] if isinstance(meta, Meta)] if hint is not base else []
    for meta in metas:
        if len(given) < (meta.min_length or 0) or (meta.max_length is not None and len(given) > meta.max_length):
            raise Problem("invalid_field", f"{len(given)} of them do not fit.", pointer=pointer)
    each = get_args(base)[0]
    olds = known if isinstance(known, tuple) and len(known) == len(given) else (None,) * len(given)
    return tuple(
        _read(each, name, one, reading, f"{pointer}/{at}", old)
        for at, (one, old) in enumerate(zip(given, olds, strict=True))
    )


def _fits(hint: Any, value: Any, pointer: str, code: str = "invalid_field") -> Any:
    try:
        return msgspec.convert(value, hint, strict=True)
    except msgspec.ValidationError as error:
        raise Problem(code, f"{error}.", pointer=pointer) from None


def _bytes_of(name: str, given: Any, pointer: str) -> bytes:
    form = "base64" if name in BASE64 else "hexadecimal"
    try:
        if isinstance(given, str) and given.isascii():
            return b64decode(given, validate=True) if name in BASE64 else bytes.fromhex(given)
    except ValueError:
        pass
    raise Problem("invalid_field", f"Bytes are {form} text.", pointer=pointer)


def _ns_of(name: str, given: Any, reading: Reading, pointer: str, known: Any) -> int:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if name in SPANS:
        if not number or not 0 <= given <= SECONDS_MAX:
            raise Problem("invalid_field", "A span is a number of seconds.", pointer=pointer)
        return round(given * 10**9)
    if given is None:
        return 0
    if number:
        if not 0 <= given <= SECONDS_MAX:
            raise Problem("invalid_field", "Seconds from now are zero or more.", pointer=pointer)
        if given == 0:
            return 0
        return known if isinstance(known, int) and known else reading.now_ns + round(given * 10**9)
    if not isinstance(given, str):
        raise Problem("invalid_field", "A time is RFC 3339 text in UTC, or seconds from now.", pointer=pointer)
    try:
        return time_ns(given)
    except ValueError as error:
        raise Problem("invalid_field", f"{error}.", pointer=pointer) from None
