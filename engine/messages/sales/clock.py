"""Ascending clock with quantities. The rule has not landed: a sale of this kind is refused."""

from __future__ import annotations

from engine.messages.body import Body


class Clock(Body, frozen=True, tag="clock"):
    """Terms."""


class ClockOffer(Body, frozen=True, tag="clock"):
    """What a bidder says."""
