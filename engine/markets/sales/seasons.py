"""Seasons: which sales and call auctions belong together, and between which days.

Rules (ours): a season is defined in version 1, later in the next version. A sale that names one goes live in it; its
catalogue lots are of the season's products and are shipped within its shipment period, where it has one.
"""

from __future__ import annotations

from engine.codes import EventKind, Reason
from engine.domain.dates import date_of, is_date
from engine.domain.products import PRODUCTS
from engine.limits import SEASONS_MAX
from engine.markets.turn import Turn
from engine.messages.sales.seasons import DefineSeason
from engine.messages.sales.terms import SaleTerms

assert SEASONS_MAX <= 10**6, "seasons are kept for ever"


def define_season(turn: Turn, body: DefineSeason) -> Reason:
    """A new season, or its next version."""
    known = turn.venue.seasons.get(body.season)
    held = 0 if known is None else known.version
    if body.version != held + 1:
        return Reason.ALREADY_EXISTS if body.version <= held else Reason.VERSION_STALE
    if not set(body.products) <= set(PRODUCTS) or not _period(body.first, body.last):
        return Reason.BODY_INVALID
    if (body.shipment_from or body.shipment_to) and not _period(body.shipment_from, body.shipment_to):
        return Reason.BODY_INVALID
    if any(instrument not in turn.venue.instruments for instrument in body.instruments):
        return Reason.INSTRUMENT_UNKNOWN
    turn.venue.seasons[body.season] = body
    turn.emit(EventKind.SEASON_DEFINED, order=body.season, qty=body.version)
    return Reason.NONE


def plan_refused(turn: Turn, body: SaleTerms) -> Reason:
    """Why a sale is none of the season that it names."""
    if not body.season:
        return Reason.NONE
    season = turn.venue.seasons.get(body.season)
    if season is None:
        return Reason.SEASON_UNKNOWN
    if not season.first <= date_of(body.stages.live_ns or turn.ts_ns) <= season.last:
        return Reason.SEASON_PERIOD
    for number in (lot.number for lot in body.lots if lot.number):
        lot = turn.venue.auction_lots[number].lot
        if lot.product not in season.products:
            return Reason.SEASON_PRODUCT
        within = season.shipment_from <= lot.shipment_from and lot.shipment_to <= season.shipment_to
        if season.shipment_from and lot.shipment_from and not within:
            return Reason.SEASON_PERIOD
    return Reason.NONE


def _period(first: str, last: str) -> bool:
    return is_date(first) and is_date(last) and first <= last
