"""Ascending clock with quantities: state of a sale while it is open and after."""

from __future__ import annotations

from msgspec import Struct


class ClockState(Struct, tag="clock"):
    """Nothing yet."""
