"""DEFINE_SEASON: a harvest season, what is sold in it and when. Its sales name it; its call auctions it names."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.domain.auction_lots import Date, Word
from engine.messages.body import Body, InstrumentId, Label


class DefineSeason(Body, frozen=True):
    """Operator's: a new season (version 1), or the next version of one. Days are inclusive."""

    season: Annotated[int, Meta(ge=1, le=limits.SEASONS_MAX)]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    title: Label
    products: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=limits.LOT_SCOPE_MAX)]
    first: Date  # in which a sale of it may go live
    last: Date
    instruments: Annotated[tuple[InstrumentId, ...], Meta(max_length=limits.SEASON_INSTRUMENTS_MAX)] = ()
    shipment_from: Date = ""  # within which its lots are shipped; "": that is not said
    shipment_to: Date = ""
