"""Seasons: define them, read their calendars, take these into a calendar program."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from engine import limits
from engine.codes import Reason, Role
from engine.domain.auction_lots import Date, Word
from engine.domain.dates import date_of
from engine.messages.sales.seasons import DefineSeason
from engine.state.catalogue import Season
from gateway.problems import Problem, of_reason
from gateway.rest.cold import command
from gateway.rest.history import ask
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import Request, Symbol, TimeText
from gateway.season_calendar import entries, head_view, ics, symbol_of

PAST_CALLS_MAX = 100  # of one instrument, the newest


class SeasonRequest(Request, kw_only=True):
    season_id: Annotated[int, Meta(ge=1, le=limits.SEASONS_MAX)]
    version: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0  # the one that this is to be; 0: the next
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    products: Annotated[list[Word], Meta(min_length=1, max_length=limits.LOT_SCOPE_MAX)]
    first: Date  # a sale of the season goes live from this day
    last: Date  # to this one
    instruments: Annotated[list[Symbol], Meta(max_length=limits.SEASON_INSTRUMENTS_MAX)] = []
    shipment_from: Date = ""
    shipment_to: Date = ""


class SeasonHead(Struct):
    season_id: int
    version: int
    title: str
    products: list[str]
    first: str
    last: str
    shipment_from: str
    shipment_to: str
    instruments: list[str]
    state: Literal["open", "pending", "finished"]
    sales: int


class SeasonEntry(Struct):
    """A lot sale, or a call auction of an instrument (`live`: when it uncrosses)."""

    kind: Literal["sale", "call"]
    title: str
    state: Literal["open", "pending", "finished"]
    stage: Literal["planned", "viewing", "registration", "prebids", "live", "finished", "void"]
    live: TimeText | None
    sale_id: int | UnsetType = UNSET
    lots: int | UnsetType = UNSET
    viewing: TimeText | UnsetType | None = UNSET
    registration: TimeText | UnsetType | None = UNSET
    prebids: TimeText | UnsetType | None = UNSET
    instrument: str | UnsetType = UNSET
    price: str | UnsetType | None = UNSET  # of a call that is over
    volume: str | UnsetType = UNSET


class SeasonAnswer(SeasonHead):
    calendar: list[SeasonEntry]


class SeasonsAnswer(Struct):
    seasons: list[SeasonHead]


@ROUTES.add("GET", "/v1/seasons", answer=SeasonsAnswer, tag="seasons")
async def get_seasons(call: Call) -> dict[str, Any]:
    """All seasons, by number."""
    machine, today = call.front.machine, _today(call)
    return {"seasons": [head_view(machine, one, today) for _, one in sorted(machine.venue.seasons.items())]}


@ROUTES.add(
    "GET", "/v1/seasons/{season_id}.ics", answer=SeasonAnswer, tag="seasons", text_answer="text/calendar",
    codes=("season_unknown",),
)  # fmt: skip
async def get_season_ics(call: Call) -> web.Response:
    """The season's calendar as iCalendar text (RFC 5545), for calendar programs."""
    text = ics(call.front.machine, _season(call))
    return web.Response(text=text, content_type="text/calendar", charset="utf-8", headers=call.headers)


@ROUTES.add("GET", "/v1/seasons/{season_id}", answer=SeasonAnswer, tag="seasons", codes=("season_unknown",))
async def get_season(call: Call) -> dict[str, Any]:
    """One season and its calendar: lot sales, call auctions to come and, from history, those that were."""
    machine, season = call.front.machine, _season(call)
    calendar = entries(machine, season, call.form) + await _past_calls(call, season)
    return head_view(machine, season, _today(call)) | {"calendar": calendar}


@ROUTES.add(
    "POST", "/v1/seasons", answer=SeasonAnswer, tag="seasons", role=Role.OPERATE, status=201, body=SeasonRequest,
    codes=("version_stale", "already_exists", "instrument_unknown", "body_invalid", "storage_low"),
)  # fmt: skip
async def post_season(call: Call) -> dict[str, Any]:
    """Define a season, or its next version. The same again does nothing."""
    machine, asked = call.front.machine, call.body
    venue = machine.venue
    unknown = next((n for n, symbol in enumerate(asked.instruments) if venue.instrument(symbol) is None), None)
    if unknown is not None:
        at = f"/instruments/{unknown}"
        raise Problem("instrument_unknown", "There is no such instrument.", pointer=at, status=404)
    known = venue.seasons.get(asked.season_id)
    body = DefineSeason(
        asked.season_id,
        asked.version or (1 if known is None else known.version + 1),
        asked.title,
        tuple(asked.products),
        asked.first,
        asked.last,
        tuple(venue.by_symbol[symbol] for symbol in asked.instruments),
        asked.shipment_from,
        asked.shipment_to,
    )
    if known is not None and _terms(known) == _terms(body):
        call.status = 200
    else:
        await command(call, body)
    season = venue.seasons[asked.season_id]
    return head_view(machine, season, _today(call)) | {"calendar": entries(machine, season, call.form)}


def _terms(season: Season) -> tuple[Any, ...]:
    return tuple(getattr(season, name) for name in season.__struct_fields__ if name != "version")


def _season(call: Call) -> Season:
    season = call.front.machine.venue.seasons.get(call.path["season_id"])
    if season is None:
        raise of_reason(Reason.SEASON_UNKNOWN)
    return season


def _today(call: Call) -> str:
    return date_of(call.front.env.now_ns())


async def _past_calls(call: Call, season: Season) -> list[dict[str, Any]]:
    """Of a venue that keeps no history: none."""
    if call.front.history is None:
        return []
    symbols = [symbol_of(call.front.machine, instrument) for instrument in season.instruments]
    told: list[dict[str, Any]] = []
    for symbol in symbols:
        page = await ask(call, lambda history, of=symbol: history.auctions(of, None, PAST_CALLS_MAX))  # type: ignore[misc]
        told += [
            {
                "kind": "call",
                "instrument": symbol,
                "title": symbol,
                "state": "finished",
                "stage": "finished",
                "live": row["ts_engine"],
                "price": row["price"],
                "volume": row["volume"],
            }
            for row in page.rows
            if season.first <= row["ts_engine"][:10] <= season.last
        ]
    return told
