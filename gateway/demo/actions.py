"""What a season's client does and hears: the same words over a socket and in `--fast`.

Prices are in ticks, quantities in lots.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.codes import Side, TimeInForce


class Place(NamedTuple):
    """A new order; without a price a market order."""

    symbol: str
    side: Side
    price_ticks: int | None
    qty_lots: int
    tif: TimeInForce
    client_id: str


class Reprice(NamedTuple):
    """Replace an open order: same side and quantity still open, another price."""

    symbol: str
    side: Side
    order: str
    price_ticks: int
    qty_lots: int
    client_id: str


class Withdraw(NamedTuple):
    """Cancel an open order."""

    symbol: str
    order: str


class BidOn(NamedTuple):
    """A proxy bid in a sale."""

    sale: int
    lot: int
    maximum_ticks: int
    client_id: str


Action = Place | Reprice | Withdraw | BidOn


class Heard(NamedTuple):
    """News of an own order: how much of it is open now (0: it has ended, `cancelled` or traded)."""

    order: str
    client_id: str
    symbol: str
    side: Side
    price_ticks: int | None
    open_lots: int
    cancelled: bool = False


class LotView(NamedTuple):
    """What everyone sees of an auction lot, and whether the viewer leads it."""

    lot: int
    price_ticks: int | None
    on_sale: bool
    leads: bool


class SaleView(NamedTuple):
    sale: int
    opening_ticks: int
    increment_ticks: int
    running: bool
    lots: tuple[LotView, ...]
