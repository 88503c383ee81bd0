"""How values look on the wire: the JSON form and the msgpack form of prices, quantities, times and ids.

JSON shows decimal strings, RFC 3339 times and ids as strings; msgpack shows ticks, lots, int64 ns and integers. Every
view in the gateway is built once and asks its form for each value, so that the two never say different things.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from engine.domain import units

_SCALE_CACHE_MAX = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)


class Scale:
    """Prices on one tick size, as text; what was shown before is kept."""

    __slots__ = ("_texts", "tick_size")

    def __init__(self, tick_size: Fraction) -> None:
        self.tick_size = tick_size
        self._texts: dict[int, str] = {}

    def text(self, ticks: int) -> str:
        text = self._texts.get(ticks)
        if text is None:
            if len(self._texts) >= _SCALE_CACHE_MAX:
                self._texts.clear()
            text = self._texts[ticks] = units.ticks_to_text(ticks, self.tick_size)
        return text


@lru_cache(maxsize=4_096)
def scale_of(tick_size: Fraction) -> Scale:
    return Scale(tick_size)


def scale_of_text(tick_size: str) -> Scale:
    """Scale of a decimal tick such as "0.05"."""
    return scale_of(Fraction(tick_size))


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_text(ts_ns: int) -> str:
    """RFC 3339, UTC, microseconds (rounded down)."""
    second, rest = divmod(ts_ns, 10**9)
    return f"{_second_text(second)}.{rest // 1000:06d}Z"


def time_ns(text: str) -> int:
    """int64 ns of an RFC 3339 time that ends in Z. Raises ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("expected a UTC time such as 2026-03-01T15:00:00Z")
    moment = datetime.fromisoformat(text[:-1] + "+00:00")
    ns = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    if not 0 <= ns < 2**63:
        raise ValueError("expected a time from 1970 to 2262")
    return ns


class Form(Protocol):
    """One wire form."""

    media_type: str
    text: bool  # text frames, else binary

    def price(self, ticks: int, scale: Scale) -> Any: ...

    def qty(self, lots: int) -> Any: ...

    def time(self, ts_ns: int) -> Any: ...

    def order_id(self, order: int) -> Any: ...

    def encode(self, view: Any) -> bytes: ...


class _Json:
    media_type = "application/json"
    text = True

    def __init__(self) -> None:
        self.encode = msgspec.json.Encoder().encode

    def price(self, ticks: int, scale: Scale) -> str:
        return scale.text(ticks)

    def qty(self, lots: int) -> str:
        return str(lots)

    def time(self, ts_ns: int) -> str:
        return time_text(ts_ns)

    def order_id(self, order: int) -> str:
        return str(order)


class _Pack:
    media_type = "application/msgpack"
    text = False

    def __init__(self) -> None:
        self.encode = msgspec.msgpack.Encoder().encode

    def price(self, ticks: int, scale: Scale) -> int:
        return ticks

    def qty(self, lots: int) -> int:
        return lots

    def time(self, ts_ns: int) -> int:
        return ts_ns

    def order_id(self, order: int) -> int:
        return order


JSON: Form = _Json()
PACK: Form = _Pack()
FORMS = (JSON, PACK)
