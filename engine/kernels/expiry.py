"""Gtd orders by (expire_at, order id): a binary heap of rows of State.extras, each of which knows its place in it."""

from __future__ import annotations

from engine.kernels.compiled import rare


@rare
def enter_expiry(s, extra):
    """Enter a row whose `order` and `expire_at` are set. The heap has as much room as there are rows."""


@rare
def leave_expiry(s, extra):
    """Take a row out, wherever it stands."""
