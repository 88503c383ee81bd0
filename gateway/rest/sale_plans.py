"""Sales by their operators: planned, planned anew, ended, voided; who is admitted; which bids stand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from engine.codes import Reason, Role
from engine.domain import units
from engine.limits import NOTIONAL_MAX
from engine.messages import bodies
from engine.messages.body import Body
from engine.messages.sales.after import After
from engine.messages.sales.english import English
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Terms, Unit
from gateway.order_terms import ticks_of
from gateway.problems import Problem, of_reason
from gateway.rest.cold import command
from gateway.rest.routes import ROUTES, Call
from gateway.rest.sale_schemas import (
    AdmitRequest,
    DecideRequest,
    RegisterRequest,
    SaleAnswer,
    SaleLotRequest,
    SaleRequest,
    WhyRequest,
)
from gateway.rest.sales import sale_of, view_of
from gateway.rest.schemas import DoneAnswer
from gateway.sales.reading import Reading, read_struct, read_union

_PLAN = (
    "already_exists", "account_unknown", "off_tick", "price_range", "storage_low", "version_stale", "terms_fixed",
    "due_in_past", "offer_unfit", "bid_increment",
)  # fmt: skip
_SHORT = ("opening", "increment", "clock_seconds", "open_seconds")  # of a Helmsman sale without `mechanism`


@ROUTES.add(
    "POST", "/v1/sales", answer=SaleAnswer, tag="sales", role=Role.OPERATE, status=201, body=SaleRequest,
    idempotency="required", codes=_PLAN,
)  # fmt: skip
async def post_sale(call: Call) -> dict[str, Any]:
    """Plan a sale; without stages it opens at once."""
    if call.body.version != 1:
        raise of_reason(Reason.VERSION_STALE)
    return await _planned(call)


@ROUTES.add(
    "PUT", "/v1/sales/{sale_id}", answer=SaleAnswer, tag="sales", role=Role.OPERATE, body=SaleRequest,
    idempotency="required", codes=("sale_unknown", *_PLAN),
)  # fmt: skip
async def put_sale(call: Call) -> dict[str, Any]:
    """Change the terms of a sale that has not opened: the whole plan, with the next version."""
    if call.body.sale_id != sale_of(call).sale:
        raise Problem("invalid_field", "The path names another sale.", pointer="/sale_id")
    return await _planned(call)


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/end", answer=DoneAnswer, tag="sales", role=Role.OPERATE, body=WhyRequest,
    idempotency="optional", codes=("sale_unknown", "sale_closed", "sale_not_open"),
)  # fmt: skip
async def post_end(call: Call) -> dict[str, Any]:
    """End a sale now; of an English sale leading bids stand."""
    return await _done(call, bodies.EndSale(sale_of(call).sale, call.body.why))


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/void", answer=DoneAnswer, tag="sales", role=Role.OPERATE, body=WhyRequest,
    idempotency="optional", codes=("sale_unknown", "sale_closed"),
)  # fmt: skip
async def post_void(call: Call) -> dict[str, Any]:
    """Void a sale: nothing of it holds."""
    return await _done(call, bodies.VoidSale(sale_of(call).sale, call.body.why))


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/register", answer=DoneAnswer, tag="sales", role=Role.TRADE, body=RegisterRequest,
    idempotency="optional", codes=("sale_unknown", "sale_closed", "sale_not_open", "agreement_other", "not_admitted"),
)  # fmt: skip
async def post_register(call: Call) -> dict[str, Any]:
    """Register for a sale, accepting the agreement that its terms name."""
    request: RegisterRequest = call.body
    return await _done(call, bodies.Register(sale_of(call).sale, bytes.fromhex(request.agreement)))


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/admit", answer=DoneAnswer, tag="sales", role=Role.OPERATE, body=AdmitRequest,
    idempotency="optional", codes=("sale_unknown", "sale_closed", "account_unknown"),
)  # fmt: skip
async def post_admit(call: Call) -> dict[str, Any]:
    """Admit an account to a sale or bar it, and bound what its bids may come to."""
    request: AdmitRequest = call.body
    limit = int(Fraction(request.limit) * units.MINOR_PER_MAJOR) if request.limit is not None else 0
    if limit > NOTIONAL_MAX:
        raise Problem("notional_range", "The bound is more than the venue can hold.", pointer="/limit")
    return await _done(call, bodies.Admit(sale_of(call).sale, request.account, request.admitted, limit, request.why))


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/bids/{bid}/decide", answer=DoneAnswer, tag="sales", role=Role.OPERATE,
    body=DecideRequest, idempotency="optional", codes=("sale_unknown", "sale_closed", "bid_unknown", "bid_low"),
)  # fmt: skip
async def post_decide(call: Call) -> dict[str, Any]:
    """Take a bid that waits, or void one."""
    request: DecideRequest = call.body
    bid = call.path["bid"]
    if not bid:
        raise of_reason(Reason.BID_UNKNOWN)
    return await _done(call, bodies.DecideBid(sale_of(call).sale, bid, request.accept, request.why))


async def _done(call: Call, body: Body) -> dict[str, Any]:
    done = await command(call, body)
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


async def _planned(call: Call) -> dict[str, Any]:
    await command(call, _plan(call, call.body))
    return view_of(call, call.front.machine.venue.sales[call.body.sale_id])


def _plan(call: Call, request: SaleRequest) -> SaleTerms:
    """The command's body. Raises Problem for a part that does not fit."""
    unit, tick = _unit(request)
    known = call.front.machine.venue.sales.get(request.sale_id)
    before = known.terms if known is not None and known.terms.version == request.version else None
    reading = Reading(tick, call.front.env.now_ns())
    return SaleTerms(
        sale=request.sale_id,
        version=request.version,
        title=request.title,
        unit=unit,
        stages=_stages(request, reading, before),
        lots=tuple(_lot(lot, tick, f"/lots/{at}") for at, lot in enumerate(request.lots)),
        mechanism=_mechanism(request, reading, None if before is None else before.mechanism),
        season=request.season,
        registration=request.registration,
        agreement=bytes.fromhex(request.agreement),
        approve_bids=request.approve_bids,
        after=read_struct(After, request.after, reading, "/after"),
    )


def _unit(request: SaleRequest) -> tuple[Unit, Fraction]:
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
    unit = Unit(request.tick_size, request.price_unit, request.currency, factor.numerator, factor.denominator)
    return unit, tick


def _stages(request: SaleRequest, reading: Reading, before: SaleTerms | None) -> Stages:
    given = {name: getattr(request.stages, name) for name in ("viewing", "registration", "prebids", "live")}
    told = {name: moment for name, moment in given.items() if moment is not None}
    stages = read_struct(Stages, told, reading, "/stages", None if before is None else before.stages)
    assert isinstance(stages, Stages)
    return stages


def _lot(lot: SaleLotRequest, tick: Fraction, pointer: str) -> SaleLot:
    try:
        grams = units.parse_decimal(lot.bag_kg) * 1000
    except units.UnitError as error:
        raise Problem(error.code, f"{error}.", pointer=f"{pointer}/bag_kg", status=422) from None
    if grams.denominator != 1 or not 1_000 <= grams <= 100_000:
        raise Problem("invalid_field", "A bag weighs 1 to 100 kg, in whole grams.", pointer=f"{pointer}/bag_kg")
    return SaleLot(
        lot.seller,
        lot.title,
        lot.bags,
        int(grams),
        lot.attributes,
        number=lot.number,
        group=lot.group,
        opening=_ticks(lot.opening, tick, f"{pointer}/opening") if lot.opening is not None else 0,
        reserve=_ticks(lot.reserve, tick, f"{pointer}/reserve") if lot.reserve is not None else 0,
        reserve_shown=lot.reserve_shown,
        least_bags=lot.least_bags,
    )


def _mechanism(request: SaleRequest, reading: Reading, before: Terms | None) -> Terms:
    if request.mechanism is not None:
        given = [name for name in _SHORT if getattr(request, name) is not None]
        if given:
            raise Problem("invalid_field", "This belongs into the mechanism.", pointer=f"/{given[0]}")
        terms: Terms = read_union(Terms, request.mechanism, reading, "/mechanism", before)
        return terms
    for name in _SHORT:
        if getattr(request, name) is None:
            raise Problem("missing_field", f"Without a mechanism it needs {name}.", pointer=f"/{name}")
    opening, increment = (_ticks(getattr(request, name), reading.tick_size, f"/{name}") for name in _SHORT[:2])
    given_ = {
        "opening": request.opening,
        "increments": [{"start": "0", "increment": request.increment}],
        "clock_seconds": request.clock_seconds,
        "open_until": request.open_seconds,
    }
    assert opening and increment
    short = read_struct(English, given_, reading, "", before)
    assert isinstance(short, English)
    return short


def _ticks(price: str, tick: Fraction, pointer: str) -> int:
    """At least one tick."""
    ticks = ticks_of(price, tick, pointer)
    if ticks < 1:
        raise Problem("price_range", "At least one tick.", pointer=pointer)
    return ticks
