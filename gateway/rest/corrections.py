"""An operator's word on trades of the past: bust, correct. The engine keeps no trades: history is asked for terms."""

from __future__ import annotations

from typing import Any

from engine.codes import Reason, Role
from engine.domain.instruments import Instrument
from engine.messages.bodies import BustTrade, CorrectTrade
from gateway.forms import scale_of
from gateway.order_terms import lots_of, ticks_of
from gateway.problems import Problem, of_reason
from gateway.queries import FillTerms
from gateway.rest.cold import Done, command
from gateway.rest.history import ask
from gateway.rest.operate_schemas import BustRequest, CorrectionAnswer, CorrectRequest
from gateway.rest.routes import ROUTES, Call

_CODES = ("trade_unknown", "already_busted", "stock_short", "limit_reached", "behind", "idempotency_key_missing")


@ROUTES.add(
    "POST", "/v1/fills/{fill_id}/bust", answer=CorrectionAnswer, tag="operate", role=Role.OPERATE, body=BustRequest,
    idempotency="required", codes=_CODES,
)  # fmt: skip
async def post_bust(call: Call) -> dict[str, Any]:
    """A trade is as if it had not been. Orders and prices after it stay as they are."""
    name, terms, listing = await _terms(call)
    done = await command(call, BustTrade(*name, *terms, why=call.body.why))
    return _answer(call, listing, terms.price, terms.qty, done, busted=True)


@ROUTES.add(
    "POST", "/v1/fills/{fill_id}/correct", answer=CorrectionAnswer, tag="operate", role=Role.OPERATE,
    body=CorrectRequest, idempotency="required", codes=(*_CODES, "price_band", "qty_range", "already_exists"),
)  # fmt: skip
async def post_correct(call: Call) -> dict[str, Any]:
    """A trade holds at another price, or for fewer lots."""
    name, terms, listing = await _terms(call)
    price, qty = ticks_of(call.body.price, listing.tick_size), lots_of(call.body.quantity)
    if (price, qty) == (terms.price, terms.qty):
        raise of_reason(Reason.ALREADY_EXISTS)  # a repeat too: its terms are no longer those of the first
    done = await command(call, CorrectTrade(*name, *terms, new_price=price, new_qty=qty, why=call.body.why))
    return _answer(call, listing, price, qty, done, busted=False)


async def _terms(call: Call) -> tuple[tuple[int, int], FillTerms, Instrument]:
    """The fill's name, the terms that hold now, its listing. Raises Problem: trade_unknown, behind."""
    seq, index = (int(part) for part in call.path["fill_id"].split("-"))
    venue = call.front.machine.venue
    found, as_of = await ask(call, lambda history: history.fill(seq, index)) if seq < 2**63 else (None, seq)
    if found is None:
        if as_of < seq <= call.front.machine.seq:
            raise Problem("behind", f"History has not reached {seq} yet.", retry_after_ms=1000)
        raise Problem("trade_unknown", "There is no fill by this name.", pointer="/fill_id", status=404)
    held = venue.corrections.get((seq, index))
    if held is not None:  # the engine is ahead of history
        found = found._replace(price=held.price, qty=held.qty)
    listing = venue.instruments.get(found.instrument) or venue.delisted[found.instrument]
    return (seq, index), found, listing


def _answer(call: Call, listing: Instrument, price: int, qty: int, done: Done, *, busted: bool) -> dict[str, Any]:
    return {
        "status": "accepted",
        "fill_id": call.path["fill_id"],
        "instrument": listing.symbol,
        "price": call.form.price(price, scale_of(listing.tick_size)),
        "quantity": call.form.qty(qty),
        "busted": busted,
        "seq": done.seq,
        "duplicate": done.duplicate,
    }
