"""An operator's hand on the venue and its instruments: phases, uncrosses, terms, the kill switch, others' orders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from engine.codes import EventFlag, EventKind, Phase, Reason, Role, code_of
from engine.limits import INSTRUMENTS_MAX
from engine.messages.bodies import (
    ChangeInstrument,
    DelistInstrument,
    KillSwitch,
    MassCancel,
    SetPhase,
    SetReference,
    Uncross,
)
from gateway.config import ConfigError, listing_from
from gateway.forms import scale_of
from gateway.order_entry import NANOSECONDS, SIDES
from gateway.order_terms import lots_of, ticks_of
from gateway.problems import Problem, of_reason
from gateway.rest.cold import command
from gateway.rest.market import instrument_of, listing_of, phase_name
from gateway.rest.operate_schemas import (
    DelistAnswer,
    DelistRequest,
    InstrumentChangeRequest,
    InstrumentRequest,
    KillSwitchAnswer,
    KillSwitchRequest,
    OperatorCancelRequest,
    ReferenceRequest,
)
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import (
    DoneAnswer,
    InstrumentAnswer,
    MassCancelAnswer,
    PhaseRequest,
    UncrossAnswer,
    UncrossRequest,
)

_CODES = ("instrument_unknown", "phase_move_illegal", "idempotency_key_missing")
_CHANGE_CODES = (
    "instrument_unknown", "phase_forbids", "rules_unknown", "price_band", "off_tick", "price_range", "body_invalid",
    "idempotency_key_missing",
)  # fmt: skip


@ROUTES.add(
    "POST", "/v1/instruments", answer=InstrumentAnswer, tag="operate", role=Role.OPERATE, status=201,
    body=InstrumentRequest, idempotency="required",
    codes=("already_exists", "rules_unknown", "limit_reached", "idempotency_key_missing"),
)  # fmt: skip
async def post_instrument(call: Call) -> dict[str, Any]:
    """List an instrument. It is closed until it is moved to another phase; its symbol is its own for ever."""
    front, said = call.front, msgspec.to_builtins(call.body)
    venue = front.machine.venue
    raw = {name: value for name, value in said.items() if value is not None}
    try:
        body = listing_from(raw, Path("request"), "").body
    except ConfigError as error:
        pointer = "/" + error.key.strip(".").replace(".", "/")
        raise Problem("invalid_field", f"{error.message}.", pointer=pointer) from None
    async with front.listing:
        known = venue.by_symbol.get(body.symbol)  # a repeated request is the same command
        number = known or max(venue.instruments.keys() | venue.delisted.keys(), default=0) + 1
        if number > INSTRUMENTS_MAX:
            raise of_reason(Reason.LIMIT_REACHED)
        await command(call, structs.replace(body, instrument=number))
    return instrument_of(call, front.desk.listing(body.symbol, "/symbol"))  # a repeat may find it delisted


@ROUTES.add(
    "POST", "/v1/instruments/{symbol}/phase", answer=DoneAnswer, tag="operate", role=Role.OPERATE, body=PhaseRequest,
    idempotency="required", codes=_CODES,
)  # fmt: skip
async def post_phase(call: Call) -> dict[str, Any]:
    """Move an instrument to another phase. Continuous trading is entered by an uncross alone."""
    body = SetPhase(listing_of(call).instrument, int(code_of(Phase, call.body.phase)))
    done = await command(call, body)
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


@ROUTES.add(
    "POST", "/v1/instruments/{symbol}/uncross", answer=UncrossAnswer, tag="operate", role=Role.OPERATE,
    body=UncrossRequest, idempotency="required", codes=_CODES,
)  # fmt: skip
async def post_uncross(call: Call) -> dict[str, Any]:
    """Find the auction price, trade at it, move on. A price outside its corridor extends the call, unless forced."""
    listing, form = listing_of(call), call.form
    done = await command(call, Uncross(listing.instrument, int(code_of(Phase, call.body.phase)), call.body.force))
    price, volume, surplus = None, 0, 0
    for event in done.events[done.events["kind"] == EventKind.UNCROSSED]:
        volume, surplus = int(event["qty"]), int(event["leaves"])
        if not int(event["flags"]) & EventFlag.NO_PRICE:
            price = form.price(int(event["price"]), scale_of(listing.tick_size))
    return {
        "status": "accepted",
        "instrument": listing.symbol,
        "phase": phase_name(call, listing.instrument),
        "price": price,
        "volume": form.qty(volume),
        "surplus": form.qty(surplus),
        "seq": done.seq,
        "duplicate": done.duplicate,
    }


@ROUTES.add(
    "POST", "/v1/instruments/{symbol}/reference", answer=DoneAnswer, tag="operate", role=Role.OPERATE,
    body=ReferenceRequest, idempotency="required", codes=_CHANGE_CODES,
)  # fmt: skip
async def post_reference(call: Call) -> dict[str, Any]:
    """Publish another reference price, or none. A collar follows it."""
    listing, text = listing_of(call), call.body.reference
    ticks = None if text is None else ticks_of(text, listing.tick_size, "/reference")
    done = await command(call, SetReference(listing.instrument, ticks))
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


@ROUTES.add(
    "POST", "/v1/instruments/{symbol}/change", answer=DoneAnswer, tag="operate", role=Role.OPERATE,
    body=InstrumentChangeRequest, idempotency="required", codes=_CHANGE_CODES,
)  # fmt: skip
async def post_change(call: Call) -> dict[str, Any]:
    """Change what may change of an instrument: its texts, reference, greatest quantity, rules of a call, collar."""
    listing, said = listing_of(call), call.body
    done = await command(
        call,
        ChangeInstrument(
            listing.instrument,
            name=said.name,
            attributes=said.attributes,
            source=said.source,
            reference=None if said.reference is None else ticks_of(said.reference, listing.tick_size, "/reference"),
            qty_max=None if said.qty_max is None else lots_of(said.qty_max, "/qty_max"),
            rules=said.rules,
            collar_floor=None if said.collar_floor is None else _width(said.collar_floor, listing.tick_size),
            collar_bps=said.collar_bps,
            extension_ns=None if said.extension_seconds is None else said.extension_seconds * NANOSECONDS,
            extensions_max=said.extensions_max,
            widen_bps=said.widen_bps,
            after_extensions=said.after_extensions,
        ),
    )
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


@ROUTES.add(
    "POST", "/v1/instruments/{symbol}/delist", answer=DelistAnswer, tag="operate", role=Role.OPERATE,
    body=DelistRequest, idempotency="required", codes=("instrument_unknown", "phase_forbids"),
)  # fmt: skip
async def post_delist(call: Call) -> dict[str, Any]:
    """End an instrument that is closed or halted, with its orders. Its symbol never comes back."""
    venue, symbol = call.front.machine.venue, call.path["symbol"]
    # Of one that is delisted too: a repeated request is the same command.
    number = venue.by_symbol.get(symbol) or listing_of(call).instrument
    done = await command(call, DelistInstrument(number, call.body.why))
    ended = done.events[done.events["kind"] == EventKind.INSTRUMENT_DELISTED]
    return {
        "status": "accepted",
        "instrument": symbol,
        "cancelled_orders": int(ended["qty"].sum()),
        "seq": done.seq,
        "duplicate": done.duplicate,
    }


@ROUTES.add(
    "POST", "/v1/kill-switch", answer=KillSwitchAnswer, tag="operate", role=Role.OPERATE, body=KillSwitchRequest,
    idempotency="optional", codes=("already_exists", "body_invalid"),
)  # fmt: skip
async def post_kill_switch(call: Call) -> dict[str, Any]:
    """Stop the whole venue: no order or bid is taken, calendars and sale clocks stand still; or let it go on."""
    done = await command(call, KillSwitch(call.body.on, call.body.why, call.body.cancel))
    switched = done.events[done.events["kind"] == EventKind.KILL_SWITCHED]
    return {
        "status": "accepted",
        "on": call.front.machine.venue.stop is not None,
        "cancelled_orders": int(switched["leaves"].sum()) if call.body.on else 0,
        "seq": done.seq,
        "duplicate": done.duplicate,
    }


@ROUTES.add(
    "POST", "/v1/operate/cancel", answer=MassCancelAnswer, tag="operate", role=Role.OPERATE,
    body=OperatorCancelRequest, idempotency="required", codes=("instrument_unknown", "account_unknown"),
)  # fmt: skip
async def post_operator_cancel(call: Call) -> dict[str, Any]:
    """Cancel open orders of any account, instrument or side, in any phase; with one report."""
    said, desk = call.body, call.front.desk
    instrument = 0 if said.instrument is None else desk.listing(said.instrument).instrument
    side = None if said.side is None else int(SIDES[said.side])
    done = await command(call, MassCancel(said.account or 0, instrument, side, by_operator=True))
    return desk.mass_cancel_answer(call.form, done.events, done.seq)


def _width(text: str, tick_size: Fraction) -> int:
    ticks = ticks_of(text, tick_size, "/collar_floor")
    if ticks < 0:
        raise Problem("invalid_field", "A collar's width is not negative.", pointer="/collar_floor")
    return ticks
