"""Sealed bids: state of a sale while it is open and after."""

from __future__ import annotations

from msgspec import Struct


class SealedState(Struct, tag="sealed"):
    """Nothing yet."""
