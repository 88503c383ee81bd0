"""What everyone may read: time, status, instruments, books, calls, trades, candles."""

from __future__ import annotations

from typing import Any

from engine.codes import Phase, name_of
from engine.domain.instruments import Instrument
from gateway.market_data.auction import indication_of
from gateway.market_data.status import storage_word
from gateway.market_data.views import auction_view, instrument_view, status_view
from gateway.problems import Problem
from gateway.rest.history import page
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import (
    AuctionAnswer,
    AuctionsAnswer,
    AuctionsQuery,
    BookAnswer,
    CandleQuery,
    CandlesAnswer,
    DepthQuery,
    InstrumentAnswer,
    InstrumentsAnswer,
    PageQuery,
    RandomEndsAnswer,
    StatusAnswer,
    TimeAnswer,
    TradesAnswer,
)

_UNKNOWN = ("instrument_unknown",)


def listing_of(call: Call) -> Instrument:
    listing = call.front.machine.venue.instrument(call.path["symbol"])
    if listing is None:
        raise Problem("instrument_unknown", "There is no such instrument.", pointer="/symbol", status=404)
    return listing


@ROUTES.add("GET", "/v1/time", answer=TimeAnswer, tag="market")
async def get_time(call: Call) -> dict[str, Any]:
    """The venue's clock."""
    return {"now": call.form.time(call.front.env.now_ns())}


@ROUTES.add("GET", "/v1/status", answer=StatusAnswer, tag="market")
async def get_status(call: Call) -> dict[str, Any]:
    """Whether orders are taken, whether storage is `low` (new orders, bids and sales are refused: the disk is nearly
    full), whether the operator has stopped the venue, and the phase of every instrument."""
    front = call.front
    venue, hot = front.machine.venue, front.machine.hot
    return {
        "venue": venue.name,
        "now": call.form.time(front.env.now_ns()),
        "ready": front.ready,
        "storage": storage_word(front.storage.low),
        "stopped": venue.stop is not None,
        "instruments": [
            status_view(call.form, venue.instruments[i], hot.phase(i), front.hub.moves.of(i))
            for i in sorted(venue.instruments)
        ],
    }


@ROUTES.add("GET", "/v1/instruments", answer=InstrumentsAnswer, tag="market")
async def get_instruments(call: Call) -> dict[str, Any]:
    """Every instrument with its units, bounds and phase."""
    venue = call.front.machine.venue
    return {"instruments": [instrument_of(call, venue.instruments[i]) for i in sorted(venue.instruments)]}


@ROUTES.add("GET", "/v1/instruments/{symbol}", answer=InstrumentAnswer, tag="market", codes=_UNKNOWN)
async def get_instrument(call: Call) -> dict[str, Any]:
    """One instrument."""
    return instrument_of(call, listing_of(call))


def instrument_of(call: Call, listing: Instrument) -> dict[str, Any]:
    hot, moves = call.front.machine.hot, call.front.hub.moves
    return instrument_view(call.form, listing, hot.phase(listing.instrument), moves.of(listing.instrument))


@ROUTES.add("GET", "/v1/instruments/{symbol}/book", answer=BookAnswer, tag="market", query=DepthQuery, codes=_UNKNOWN)
async def get_book(call: Call) -> dict[str, Any]:
    """Levels of the book as they are now. To follow a book, subscribe: snapshot and updates come on one socket."""
    listing, book = listing_of(call), call.front.hub.book
    sides = book.sides(listing.instrument, call.query.depth)
    return {
        "instrument": listing.symbol,
        "seq": book.version(listing.instrument),
        "ts_engine": call.form.time(book.ts_ns(listing.instrument)),
    } | book.view(call.form, listing.instrument, sides)


@ROUTES.add("GET", "/v1/instruments/{symbol}/auction", answer=AuctionAnswer, tag="market", codes=_UNKNOWN)
async def get_auction(call: Call) -> dict[str, Any]:
    """What an uncross now would give, with the supply and demand behind it."""
    listing, front = listing_of(call), call.front
    indication = indication_of(front.machine, front.hub.moves, listing.instrument)
    view = auction_view(call.form, listing, indication, curve=True)
    return view | {"ts_engine": call.form.time(front.hub.book.ts_ns(listing.instrument))}


@ROUTES.add(
    "GET", "/v1/instruments/{symbol}/trades", answer=TradesAnswer, tag="market", query=PageQuery, codes=_UNKNOWN
)
async def get_trades(call: Call) -> dict[str, Any]:
    """Trades, newest first."""
    listing = listing_of(call)
    found = await page(call, "trades", listing.symbol)
    return {"instrument": listing.symbol, "trades": found.rows, "next_cursor": found.next_cursor, "as_of": found.as_of}


@ROUTES.add(
    "GET", "/v1/instruments/{symbol}/candles", answer=CandlesAnswer, tag="market", query=CandleQuery, codes=_UNKNOWN
)
async def get_candles(call: Call) -> dict[str, Any]:
    """Open, high, low, close and volume by interval, oldest first."""
    listing, interval = listing_of(call), call.query.interval
    found = await page(call, "candles", listing.symbol, interval)
    return {
        "instrument": listing.symbol,
        "interval": interval,
        "candles": found.rows,
        "next_cursor": found.next_cursor,
        "as_of": found.as_of,
    }


@ROUTES.add(
    "GET", "/v1/instruments/{symbol}/random-ends", answer=RandomEndsAnswer, tag="market", query=PageQuery,
    codes=_UNKNOWN,
)  # fmt: skip
async def get_random_ends(call: Call) -> dict[str, Any]:
    """Random ends of calls, newest first: the commitment, and once the call has ended the seed to check it with."""
    listing = listing_of(call)
    found = await page(call, "random_ends", listing.symbol)
    return {
        "instrument": listing.symbol,
        "random_ends": found.rows,
        "next_cursor": found.next_cursor,
        "as_of": found.as_of,
    }


@ROUTES.add("GET", "/v1/auctions", answer=AuctionsAnswer, tag="market", query=AuctionsQuery)
async def get_auctions(call: Call) -> dict[str, Any]:
    """Past call auctions, newest first."""
    symbol = call.query.instrument
    if symbol is not None and call.front.machine.venue.instrument(symbol) is None:
        raise Problem("instrument_unknown", "There is no such instrument.", pointer="/instrument")
    found = await page(call, "auctions", symbol)
    return {"auctions": found.rows, "next_cursor": found.next_cursor, "as_of": found.as_of}


def phase_name(call: Call, instrument: int) -> str:
    return name_of(Phase, call.front.machine.hot.phase(instrument))
