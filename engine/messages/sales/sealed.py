"""Sealed bids. The rule has not landed: a sale of this kind is refused."""

from __future__ import annotations

from engine.messages.body import Body


class Sealed(Body, frozen=True, tag="sealed"):
    """Terms."""


class SealedOffer(Body, frozen=True, tag="sealed"):
    """What a bidder says."""
