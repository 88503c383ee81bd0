"""Reverse auction. The rule has not landed: a sale of this kind is refused."""

from __future__ import annotations

from engine.messages.body import Body


class Reverse(Body, frozen=True, tag="reverse"):
    """Terms."""


class ReverseOffer(Body, frozen=True, tag="reverse"):
    """What a bidder says."""
