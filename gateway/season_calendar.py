"""The calendar of a season: its lot sales and its call auctions, stage by stage, as data and as an iCalendar file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event

from engine.codes import Phase, SaleStage, SaleState, TimerKind, name_of
from engine.domain.dates import date_of
from engine.machine import Machine
from engine.state.catalogue import Season
from engine.state.sales.sale import Sale
from gateway.forms import Form

_PENDING_PHASES = frozenset({Phase.NO_CANCEL, Phase.FROZEN})
_STAGES = ("viewing", "registration", "prebids", "live")


def sales_of(machine: Machine, season: int) -> list[Sale]:
    """By the time that they are live, those without one first."""
    found = [sale for sale in machine.venue.sales.values() if sale.terms.season == season]
    return sorted(found, key=lambda sale: (_begins(sale, "live"), sale.sale))


def calls_of(machine: Machine, season: Season) -> list[tuple[int, int]]:
    """(due ns, instrument) of the call auctions to come on the season's days."""
    wanted = set(season.instruments)
    return [
        (move.due_ns, move.instrument)
        for move in machine.venue.moves()
        if move.kind == TimerKind.UNCROSS
        and move.instrument in wanted
        and season.first <= date_of(move.due_ns) <= season.last
    ]


def state_of(machine: Machine, season: Season, today: str) -> str:
    """FINISHED after its last day; PENDING while something of it is; else OPEN."""
    if today > season.last:
        return "finished"
    sales = any(sale.state == SaleState.PENDING for sale in sales_of(machine, season.season))
    live = set(season.instruments) & machine.venue.instruments.keys()
    calls = any(machine.hot.phase(instrument) in _PENDING_PHASES for instrument in live)
    return "pending" if sales or calls else "open"


def head_view(machine: Machine, season: Season, today: str) -> dict[str, Any]:
    return {
        "season_id": season.season,
        "version": season.version,
        "title": season.title,
        "products": list(season.products),
        "first": season.first,
        "last": season.last,
        "shipment_from": season.shipment_from,
        "shipment_to": season.shipment_to,
        "instruments": [symbol_of(machine, instrument) for instrument in season.instruments],
        "state": state_of(machine, season, today),
        "sales": len(sales_of(machine, season.season)),
    }


def symbol_of(machine: Machine, instrument: int) -> str:
    venue = machine.venue
    return (venue.instruments.get(instrument) or venue.delisted[instrument]).symbol


def entries(machine: Machine, season: Season, form: Form) -> list[dict[str, Any]]:
    """Sales, then calls to come, each in the order of time. A call before its own is planned, as a sale is."""
    told = [sale_entry(sale, form) for sale in sales_of(machine, season.season)]
    next_of: set[int] = set()
    for due_ns, instrument in calls_of(machine, season):
        phase = Phase(machine.hot.phase(instrument))
        begun = instrument not in next_of and phase in {Phase.CALL, *_PENDING_PHASES}
        next_of.add(instrument)
        told.append(
            {
                "kind": "call",
                "instrument": symbol_of(machine, instrument),
                "title": machine.venue.instruments[instrument].name,
                "state": "pending" if begun and phase in _PENDING_PHASES else "open",
                "stage": "live" if begun else "planned",
                "live": form.time(due_ns),
            }
        )
    return told


def sale_entry(sale: Sale, form: Form) -> dict[str, Any]:
    """A sale with the times of its stages, outages included; None: it has no such stage, or was live at once."""
    times = {name: _begins(sale, name) for name in _STAGES}
    return {
        "kind": "sale",
        "sale_id": sale.sale,
        "title": sale.terms.title,
        "state": name_of(SaleState, sale.state),
        "stage": name_of(SaleStage, sale.stage),
        "lots": len(sale.terms.lots),
        **{name: form.time(at_ns) if at_ns else None for name, at_ns in times.items()},
    }


def ics(machine: Machine, season: Season) -> str:
    """RFC 5545 text: an event for each stage of each sale, and for each call to come. Times are in UTC."""
    calendar = Calendar()
    calendar.add("prodid", "-//Qhatu//season calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", season.title)
    stamp = _moment(machine.ts_ns)
    for sale in sales_of(machine, season.season):
        cancelled = sale.stage == SaleStage.VOID
        for name in _STAGES:
            at_ns = _begins(sale, name)
            if at_ns:
                words = f"{sale.terms.title}: {name}"
                text = f"Sale {sale.sale}, {len(sale.terms.lots)} lots, {name_of(SaleState, sale.state)}"
                calendar.add_component(_event(f"sale-{sale.sale}-{name}", words, text, at_ns, stamp, cancelled))
    for due_ns, instrument in calls_of(machine, season):
        symbol = symbol_of(machine, instrument)
        words = f"Call auction {symbol}"
        calendar.add_component(_event(f"call-{symbol}-{due_ns}", words, season.title, due_ns, stamp, False))
    return calendar.to_ical().decode()


def _begins(sale: Sale, stage: str) -> int:
    at_ns: int = getattr(sale.terms.stages, f"{stage}_ns")
    return at_ns and at_ns + sale.delay_ns


def _event(uid: str, summary: str, text: str, at_ns: int, stamp: datetime, cancelled: bool) -> Event:
    event = Event()
    event.add("uid", f"{uid}@qhatu")
    event.add("dtstamp", stamp)
    event.add("dtstart", _moment(at_ns))
    event.add("summary", summary)
    event.add("description", text)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    return event


def _moment(ts_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ts_ns // 10**9)
