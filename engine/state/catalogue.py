"""The catalogue: lots as their sellers describe them, and seasons as operators lay them out."""

from __future__ import annotations

from msgspec import Struct

from engine.domain.auction_lots import AuctionLot
from engine.messages.sales.seasons import DefineSeason


class Described(Struct):
    """One lot of the catalogue. `sale` is the one that planned it last; from that sale's opening on it is fixed."""

    number: int
    version: int
    seller: int
    lot: AuctionLot
    sale: int = 0
    fixed: bool = False


Season = DefineSeason  # its newest version is all that there is of it
