"""Frames that are encoded once and written to many: WebSocket framing of a server, without mask and compression."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from gateway.forms import JSON, Form

_SHORT, _MEDIUM, _LONG = Struct(">BB").pack, Struct(">BBH").pack, Struct(">BBQ").pack
_TEXT, _BINARY, _CLOSE = 0x81, 0x82, 0x88


def framed(payload: bytes, *, text: bool) -> bytes:
    """One whole unfragmented frame."""
    first, length = (_TEXT if text else _BINARY), len(payload)
    if length < 126:
        return _SHORT(first, length) + payload
    if length < 65_536:
        return _MEDIUM(first, 126, length) + payload
    return _LONG(first, 127, length) + payload


def close_frame(code: int, why: str) -> bytes:
    payload = code.to_bytes(2, "big") + why.encode()[:120]
    return _SHORT(_CLOSE, len(payload)) + payload


class Frame:
    """One message to many readers: `view(form)` is called at most once for each form."""

    __slots__ = ("_json", "_pack", "_view", "seq")

    def __init__(self, view: Callable[[Form], dict[str, Any]], seq: int = 0) -> None:
        self._view, self.seq = view, seq
        self._json: bytes | None = None
        self._pack: bytes | None = None

    def of(self, form: Form) -> bytes:
        """The frame's bytes on the wire."""
        if form is JSON:
            if self._json is None:
                self._json = framed(form.encode(self._view(form)), text=True)
            return self._json
        if self._pack is None:
            self._pack = framed(form.encode(self._view(form)), text=False)
        return self._pack
