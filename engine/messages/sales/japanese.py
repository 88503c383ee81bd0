"""Japanese clock. The rule has not landed: a sale of this kind is refused."""

from __future__ import annotations

from engine.messages.body import Body


class Japanese(Body, frozen=True, tag="japanese"):
    """Terms."""


class JapaneseOffer(Body, frozen=True, tag="japanese"):
    """What a bidder says."""
