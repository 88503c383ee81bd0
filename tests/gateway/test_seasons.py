"""Seasons through the gateway: defined by an operator, with a calendar of sales and calls, as iCalendar too."""

from __future__ import annotations

from typing import Any

import pytest
from icalendar import Calendar
from msgspec.structs import replace

from engine.codes import Phase
from engine.domain.dates import date_of
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.terms import Stages
from gateway.forms import time_text
from tests.gateway.running import ADMIN, CALL_BOOK, TRADER_A, House
from tests.recorder import auction_sale

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS


def season(house: House, **change: Any) -> dict[str, Any]:
    now_ns = house.venue.env.now_ns()
    return {
        "season_id": 6,
        "title": "Cajamarca, harvest; first",
        "products": ["coffee_green"],
        "first": date_of(now_ns),
        "last": date_of(now_ns + 30 * DAY_NS),
        "instruments": [CALL_BOOK],
    } | change


async def define(house: House, **change: Any) -> tuple[int, dict[str, Any]]:
    return await house.ask("POST", "/v1/seasons", season(house, **change), key=ADMIN)


async def test_a_season_is_defined_and_read(house: House) -> None:
    status, defined = await define(house)
    assert (status, defined["version"], defined["state"], defined["calendar"]) == (201, 1, "open", [])
    status, again = await define(house)
    assert (status, again["version"]) == (200, 1), "the same again does nothing"
    status, changed = await define(house, title="Cajamarca")
    assert (status, changed["version"], changed["instruments"]) == (201, 2, [CALL_BOOK])
    _, every = await house.ask("GET", "/v1/seasons")
    assert [one["season_id"] for one in every["seasons"]] == [6]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"version": 9}, 409, "version_stale"),
        ({"version": 1, "title": "other"}, 409, "already_exists"),
        ({"instruments": ["NONE"]}, 404, "instrument_unknown"),
        ({"products": ["gold"]}, 422, "body_invalid"),
        ({"last": "2020-01-01"}, 422, "body_invalid"),
        ({"last": "soon"}, 422, "invalid_field"),
    ],
)
async def test_what_is_no_season(house: House, change: dict[str, Any], status: int, code: str) -> None:
    told, problem = await define(house, **change)
    assert (told, problem["code"]) == (status, code)


async def test_only_an_operator_defines_one(house: House) -> None:
    status, problem = await house.ask("POST", "/v1/seasons", season(house, season_id=7), key=TRADER_A)
    assert (status, problem["code"]) == (403, "not_permitted")
    status, problem = await house.ask("GET", "/v1/seasons/7")
    assert (status, problem["code"]) == (404, "season_unknown")


async def test_the_calendar_has_sales_and_calls(house: House) -> None:
    now_ns = house.venue.env.now_ns()
    stages = Stages(now_ns + HOUR_NS, now_ns + 2 * HOUR_NS, now_ns + 3 * HOUR_NS, now_ns + 4 * HOUR_NS)
    terms = auction_sale(now_ns, 61, stages=stages, open_for_s=8 * 3600)
    lots = tuple(replace(lot, seller=2) for lot in terms.lots)
    terms = replace(terms, lots=lots, season=6, title="The best, of all; lots\\ here")
    at_once = replace(auction_sale(now_ns, 62, open_for_s=8 * 3600), lots=lots, season=6, title="now")
    book = house.machine.venue.by_symbol[CALL_BOOK]
    due_ns = now_ns + 5 * HOUR_NS
    moves = (bodies.ScheduleEntry(due_ns, Phase.CONTINUOUS, uncross=True),)
    for body in (terms, at_once, bodies.Schedule(book, 1, moves)):
        outcome = await house.venue.front.outcome(cold(body, account=1))
        assert not outcome.events["reason"].any()

    _, seen = await house.ask("GET", "/v1/seasons/6")
    live, planned, call = seen["calendar"]
    assert (live["sale_id"], live["state"], live["stage"], live["live"]) == (62, "open", "live", None)
    assert (planned["sale_id"], planned["stage"], planned["lots"]) == (61, "planned", 2)
    assert [planned[name] for name in ("viewing", "registration", "prebids", "live")] == [
        time_text(now_ns + hours * HOUR_NS) for hours in (1, 2, 3, 4)
    ]
    assert (call["kind"], call["instrument"], call["live"], call["state"]) == (
        "call",
        CALL_BOOK,
        time_text(due_ns),
        "open",
    )
    assert seen["sales"] == 2

    async with house.session.get("/v1/seasons/6.ics") as response:
        assert response.status == 200 and response.content_type == "text/calendar"
        raw = await response.read()
    assert raw.startswith(b"BEGIN:VCALENDAR\r\n") and all(len(line) <= 75 for line in raw.split(b"\r\n"))
    events = {str(event["UID"]): event for event in Calendar.from_ical(raw.decode()).walk("VEVENT")}
    assert set(events) == {
        *(f"sale-61-{stage}@qhatu" for stage in ("viewing", "registration", "prebids", "live")),
        f"call-{CALL_BOOK}-{due_ns}@qhatu",
    }
    assert str(events["sale-61-live@qhatu"]["SUMMARY"]) == "The best, of all; lots\\ here: live"
    assert int(events["sale-61-live@qhatu"].decoded("DTSTART").timestamp()) == stages.live_ns // 10**9


async def test_a_season_is_over_after_its_last_day(house: House) -> None:
    status, _ = await define(house, season_id=8, first="2020-01-01", last="2020-06-30")
    assert status == 201
    _, seen = await house.ask("GET", "/v1/seasons/8")
    assert (seen["state"], seen["calendar"]) == ("finished", [])
