"""Package bids. The rule has not landed: a sale of this kind is refused."""

from __future__ import annotations

from engine.messages.body import Body


class Packages(Body, frozen=True, tag="packages"):
    """Terms."""


class PackagesOffer(Body, frozen=True, tag="packages"):
    """What a bidder says."""
