"""Dutch clock. The rule has not landed: a sale of this kind is refused."""

from __future__ import annotations

from engine.messages.body import Body


class Dutch(Body, frozen=True, tag="dutch"):
    """Terms."""


class DutchOffer(Body, frozen=True, tag="dutch"):
    """What a bidder says."""
