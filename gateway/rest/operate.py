"""An operator's hand on an instrument: move its phase, uncross it."""

from __future__ import annotations

from typing import Any

from engine.codes import EventFlag, EventKind, Phase, Role, code_of
from engine.messages.bodies import SetPhase, Uncross
from gateway.forms import scale_of
from gateway.rest.cold import command
from gateway.rest.market import listing_of, phase_name
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import DoneAnswer, PhaseRequest, UncrossAnswer, UncrossRequest

_CODES = ("instrument_unknown", "phase_move_illegal", "idempotency_key_missing")


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
    """Find the auction price, trade at it, move on."""
    listing, form = listing_of(call), call.form
    done = await command(call, Uncross(listing.instrument, int(code_of(Phase, call.body.phase))))
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
