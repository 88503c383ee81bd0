"""Feeds: what the market shows, folded from events."""
