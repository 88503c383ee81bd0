"""Reverse auction: state of a sale while it is open and after."""

from __future__ import annotations

from msgspec import Struct


class ReverseState(Struct, tag="reverse"):
    """Nothing yet."""
