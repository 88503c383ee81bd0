"""Helmsman sales: read them, bid in them, open and end them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from engine.codes import Reason, Role
from engine.domain import units
from engine.messages.bodies import EndSale
from engine.messages.sales.english import English, Step
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit
from engine.state.sales.sale import Sale
from gateway.market_data.sales import sale_view, shown_sales
from gateway.order_answers import own_events
from gateway.order_terms import ticks_of
from gateway.problems import Problem, of_reason
from gateway.rest.cold import command
from gateway.rest.history import page
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import (
    BidAnswer,
    BidRequest,
    DoneAnswer,
    EndSaleRequest,
    PageQuery,
    SaleAnswer,
    SaleRequest,
    SalesAnswer,
)

_BID = (
    "sale_unknown", "lot_unknown", "sale_closed", "bid_late", "bid_low", "bid_increment", "maximum_below_price",
    "self_bid", "off_tick", "client_id_reused", "storage_low",
)  # fmt: skip


@ROUTES.add("GET", "/v1/sales", answer=SalesAnswer, tag="sales")
async def get_sales(call: Call) -> dict[str, Any]:
    """Running sales and the last finished ones; with a key, the caller's own place in each lot."""
    return {"sales": [_view(call, sale) for sale in shown_sales(call.front.machine.venue)]}


@ROUTES.add("GET", "/v1/sales/history", answer=SalesAnswer, tag="sales", query=PageQuery)
async def get_finished_sales(call: Call) -> dict[str, Any]:
    """Finished sales, the last finished first."""
    found = await page(call, "sales_past", account=call.account if _reads(call) else None)
    return {"sales": found.rows, "next_cursor": found.next_cursor, "as_of": found.as_of}


@ROUTES.add("GET", "/v1/sales/{sale_id}", answer=SaleAnswer, tag="sales", codes=("sale_unknown",))
async def get_sale(call: Call) -> dict[str, Any]:
    """One sale."""
    return _view(call, _sale(call))


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/bids", answer=BidAnswer, tag="sales", role=Role.TRADE, bucket="orders", status=201,
    body=BidRequest, codes=_BID,
)  # fmt: skip
async def post_bid(call: Call) -> dict[str, Any]:
    """Place, raise or lower a proxy maximum. Only its owner ever sees it."""
    front, bid, sale = call.front, call.body, call.path["sale_id"]
    batch = front.desk.bid(call.account, sale, bid.lot, bid.maximum, bid.client_bid_id)
    outcome = await front.outcome(batch)
    events, seq = own_events(outcome.events), outcome.first_seq + outcome.row0
    view = front.desk.bid_answer(call.account, sale, bid.lot, bid.maximum, events, seq)
    if view["duplicate"]:
        call.status = 200
    return view


@ROUTES.add(
    "POST", "/v1/sales", answer=SaleAnswer, tag="sales", role=Role.OPERATE, status=201, body=SaleRequest,
    idempotency="required", codes=("already_exists", "account_unknown", "off_tick", "storage_low"),
)  # fmt: skip
async def post_sale(call: Call) -> dict[str, Any]:
    """Open a sale of several lots under one clock."""
    await command(call, _opened(call, call.body))
    return _view(call, call.front.machine.venue.sales[call.body.sale_id])


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/end", answer=DoneAnswer, tag="sales", role=Role.OPERATE, body=EndSaleRequest,
    idempotency="optional", codes=("sale_unknown", "sale_closed"),
)  # fmt: skip
async def post_end(call: Call) -> dict[str, Any]:
    """End a sale now; leading bids stand."""
    done = await command(call, EndSale(_sale(call).sale, call.body.why))
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


def _sale(call: Call) -> Sale:
    sale = call.front.machine.venue.sales.get(call.path["sale_id"])
    if sale is None:
        raise of_reason(Reason.SALE_UNKNOWN)
    return sale


def _view(call: Call, sale: Sale) -> dict[str, Any]:
    return sale_view(call.form, sale, call.account if _reads(call) else None)


def _reads(call: Call) -> bool:
    return call.caller is not None and call.caller.may(Role.READ)


def _opened(call: Call, request: SaleRequest) -> SaleTerms:
    """The command's body. Raises Problem for a decimal that does not fit."""
    try:
        tick = units.parse_decimal(request.tick_size)
    except units.UnitError as error:
        raise Problem(error.code, f"{error}.", pointer="/tick_size", status=422) from None
    if tick <= 0:
        raise Problem("invalid_field", "The tick is more than zero.", pointer="/tick_size")
    quoted = units.QUOTATION_PER_KG.get(request.price_unit)
    if quoted is None:
        known = ", ".join(units.QUOTATION_PER_KG)
        raise Problem("invalid_field", f"The units of quotation are {known}.", pointer="/price_unit")
    factor = units.value_factor(tick, quoted, Fraction(1, 1000))  # minor units per tick and gram
    lots = []
    for k, lot in enumerate(request.lots):
        try:
            grams = units.parse_decimal(lot.bag_kg) * 1000
        except units.UnitError as error:
            raise Problem(error.code, f"{error}.", pointer=f"/lots/{k}/bag_kg", status=422) from None
        if grams.denominator != 1 or not 1_000 <= grams <= 100_000:
            raise Problem("invalid_field", "A bag weighs 1 to 100 kg, in whole grams.", pointer=f"/lots/{k}/bag_kg")
        lots.append(SaleLot(lot.seller, lot.title, lot.bags, int(grams), lot.attributes))
    opening = ticks_of(request.opening, tick, "/opening")
    increment = ticks_of(request.increment, tick, "/increment")
    for ticks, pointer in ((opening, "/opening"), (increment, "/increment")):
        if ticks < 1:
            raise Problem("price_range", "At least one tick.", pointer=pointer)
    return SaleTerms(
        sale=request.sale_id,
        version=1,
        title=request.title,
        unit=Unit(request.tick_size, request.price_unit, request.currency, factor.numerator, factor.denominator),
        stages=Stages(),
        lots=tuple(lots),
        mechanism=English(
            opening=opening,
            increments=(Step(0, increment),),
            clock_ns=request.clock_seconds * 10**9,
            open_until_ns=_open_until_ns(call, request),
        ),
    )


def _open_until_ns(call: Call, request: SaleRequest) -> int:
    """Now and `open_seconds`; of a sale that exists, its own, so that a repeated request is the same command."""
    known = call.front.machine.venue.sales.get(request.sale_id)
    if known is not None and isinstance(known.terms.mechanism, English):
        return known.terms.mechanism.open_until_ns
    return call.front.env.now_ns() + request.open_seconds * 10**9
