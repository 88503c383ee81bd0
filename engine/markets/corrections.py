"""Trades of the past: busted or corrected by the operator. Nothing else of the past changes, neither `last` nor a fill.

The engine does not keep trades. It is told a fill's name (seq, index) and terms as history has them, keeps the names
that were touched with the terms that hold, and gives stock back where an instrument keeps it.
"""

from __future__ import annotations

from msgspec import structs

from engine.codes import EventKind, Reason
from engine.domain.instruments import Instrument
from engine.limits import BUSTS_MAX
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.venue import Correction


def bust_trade(turn: Turn, body: bodies.BustTrade) -> Reason:
    told = Correction(body.instrument, body.price, body.qty, body.buyer, body.seller, False)
    reason = _refused(turn, (body.seq, body.index), told)
    if reason != Reason.NONE:
        return reason
    if not _give_back(turn, told, told.qty):
        return Reason.STOCK_SHORT
    turn.venue.corrections[body.seq, body.index] = structs.replace(told, busted=True)
    turn.emit(
        EventKind.TRADE_BUSTED, instrument=told.instrument, price=told.price, qty=told.qty, account=told.buyer,
        counter_account=told.seller, order=body.seq, counter_order=body.index,
    )  # fmt: skip
    return Reason.NONE


def correct_trade(turn: Turn, body: bodies.CorrectTrade) -> Reason:
    told = Correction(body.instrument, body.price, body.qty, body.buyer, body.seller, False)
    new = structs.replace(told, price=body.new_price, qty=body.new_qty)
    reason = _refused(turn, (body.seq, body.index), told)
    if reason != Reason.NONE:
        return reason
    if not _listing(turn, told.instrument).in_band(new.price):
        return Reason.PRICE_BAND
    if new.qty > told.qty:
        return Reason.QTY_RANGE
    if new == told:
        return Reason.ALREADY_EXISTS
    if not _give_back(turn, told, told.qty - new.qty):
        return Reason.STOCK_SHORT
    turn.venue.corrections[body.seq, body.index] = new
    turn.emit(
        EventKind.TRADE_CORRECTED, instrument=new.instrument, price=new.price, qty=new.qty, leaves=told.qty,
        account=new.buyer, counter_account=new.seller, order=body.seq, counter_order=body.index,
    )  # fmt: skip
    return Reason.NONE


def _listing(turn: Turn, instrument: int) -> Instrument:
    return turn.venue.instruments.get(instrument) or turn.venue.delisted[instrument]


def _refused(turn: Turn, name: tuple[int, int], told: Correction) -> Reason:
    """Checks in this order: instrument, accounts, name, what was done to it, its terms, room."""
    venue = turn.venue
    if told.instrument not in venue.instruments and told.instrument not in venue.delisted:
        return Reason.INSTRUMENT_UNKNOWN
    if told.buyer not in venue.accounts or told.seller not in venue.accounts:
        return Reason.ACCOUNT_UNKNOWN
    if name[0] >= turn.seq:
        return Reason.TRADE_UNKNOWN
    known = venue.corrections.get(name)
    if known is not None and known.busted:
        return Reason.ALREADY_BUSTED
    if known not in (None, told) or not _listing(turn, told.instrument).in_band(told.price):
        return Reason.TRADE_UNKNOWN
    if known is None and len(venue.corrections) >= BUSTS_MAX:
        return Reason.LIMIT_REACHED
    return Reason.NONE


def _give_back(turn: Turn, told: Correction, lots: int) -> bool:
    """From the buyer to the seller, where stock is kept. Of a delisted book it is forgotten."""
    listing = turn.venue.instruments.get(told.instrument)
    if listing is None or not listing.deposit or told.buyer == told.seller or lots == 0:
        return True
    return turn.hot.move_stock(told.instrument, told.seller, told.buyer, lots)
