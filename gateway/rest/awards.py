"""Awards: seen by buyer, seller and operator; settled, split, and confirmed as a contract. To others there is none."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from engine.codes import Reason, Role
from engine.markets.sales.texts import bag_kg, price_text
from engine.markets.sales.views import money_text
from engine.messages.sales import after
from engine.state.sales.awards import HOLDING, Award
from engine.state.sales.sale import Sale
from gateway.contract_page import POLICY, contract_page
from gateway.contracts import contract_view, number_of, party
from gateway.forms import JSON
from gateway.order_terms import ticks_of
from gateway.problems import Problem, of_reason
from gateway.rest.award_schemas import (
    AwardAnswer,
    AwardsAnswer,
    AwardsQuery,
    ContractAnswer,
    ContractQuery,
    SettledAnswer,
    SettleRequest,
    SplitRequest,
)
from gateway.rest.cold import Done, command
from gateway.rest.routes import ROUTES, Call

_HTML = "text/html"
_SETTLE = (
    "award_unknown", "act_unfit", "allowance_range", "not_owner", "not_permitted", "off_tick", "venue_stopped",
    "missing_field", "unknown_field",
)  # fmt: skip
_OF_OPERATOR = ("decide", "void")
_WITH_PRICE = ("ask_allowance", "agree_allowance")


@ROUTES.add("GET", "/v1/awards", answer=AwardsAnswer, tag="awards", role=Role.READ, query=AwardsQuery)
async def get_awards(call: Call) -> dict[str, Any]:
    """What the caller bought and sold in sales, the newest first; an operator sees all."""
    awards, query = call.front.machine.venue.awards, call.query
    newest = min(query.before - 1, len(awards)) if query.before else len(awards)
    found: list[Award] = []
    for number in range(newest, 0, -1):
        award = awards[number]
        if query.sale in (0, award.sale) and _role(call, award) is not None:
            if len(found) == query.limit:
                return {"awards": [_view(call, one) for one in found], "next_before": found[-1].number}
            found.append(award)
    return {"awards": [_view(call, one) for one in found], "next_before": None}


@ROUTES.add(
    "GET", "/v1/awards/{award}", answer=AwardAnswer, tag="awards", role=Role.READ, codes=("award_unknown",),
)  # fmt: skip
async def get_award(call: Call) -> dict[str, Any]:
    """One award with its history."""
    return _view(call, _award(call))


@ROUTES.add(
    "GET", "/v1/awards/{award}/contract", answer=ContractAnswer, tag="awards", role=Role.READ, query=ContractQuery,
    codes=("award_unknown", "act_unfit"),
)  # fmt: skip
async def get_contract(call: Call) -> dict[str, Any] | web.Response:
    """The confirmation of the contract: data, or with `Accept: text/html` a page to print."""
    award, venue = _award(call), call.front.machine.venue
    if award.state not in HOLDING:
        raise of_reason(Reason.ACT_UNFIT)
    if _HTML not in call.request.headers.get("Accept", ""):
        return contract_view(call.form, venue, award)
    page = contract_page(contract_view(JSON, venue, award), call.query.lang)
    headers = {"Content-Security-Policy": POLICY, "Content-Language": call.query.lang} | call.headers
    return web.Response(text=page, content_type=_HTML, headers=headers)


@ROUTES.add(
    "POST", "/v1/awards/{award}/settle", answer=SettledAnswer, tag="awards", role=Role.TRADE, body=SettleRequest,
    idempotency="optional", codes=_SETTLE,
)  # fmt: skip
async def post_settle(call: Call) -> dict[str, Any]:
    """Accept or reject what was sold, ask for or answer an allowance, dispute; for operators: decide, void."""
    award = _award(call)
    done = await command(call, after.Settle(award.number, _act(call, award)))
    return _settled(call, award, done)


@ROUTES.add(
    "POST", "/v1/awards/{award}/split", answer=SettledAnswer, tag="awards", role=Role.TRADE, body=SplitRequest,
    idempotency="optional", codes=("award_unknown", "act_unfit", "shares_unfit", "not_owner", "account_unknown"),
)  # fmt: skip
async def post_split(call: Call) -> dict[str, Any]:
    """The lead of a buying group says who gets how many bags. It stays liable for all of them."""
    award = _award(call)
    shares = tuple(after.Share(one.bags, one.account or 0, one.label) for one in call.body.shares)
    return _settled(call, award, await command(call, after.Split(award.number, shares)))


def _award(call: Call) -> Award:
    """The award that the path names. To whom it is no matter of, it does not exist."""
    award = call.front.machine.venue.awards.get(call.path["award"])
    if award is None or _role(call, award) is None:
        raise of_reason(Reason.AWARD_UNKNOWN)
    return award


def _role(call: Call, award: Award) -> str | None:
    if call.account == award.buyer:
        return "buyer"
    if call.account == award.seller:
        return "seller"
    return "operator" if _operates(call) else None


def _operates(call: Call) -> bool:
    return call.caller is not None and call.caller.may(Role.OPERATE)


def _act(call: Call, award: Award) -> after.Act:
    """Raises Problem."""
    said = call.body
    if said.act in _OF_OPERATOR and not _operates(call):
        raise Problem("not_permitted", "This needs the role operate.")
    if said.price is None and said.act in _WITH_PRICE:
        raise Problem("missing_field", f"{said.act} names a price.", pointer="/price")
    if said.price is not None and said.act not in (*_WITH_PRICE, "decide"):
        raise Problem("unknown_field", f"{said.act} names no price.", pointer="/price")
    if (said.outcome is None) == (said.act == "decide"):
        code = "missing_field" if said.act == "decide" else "unknown_field"
        raise Problem(code, "decide, and nothing else, names an outcome.", pointer="/outcome")
    tick = call.front.machine.venue.sales[award.sale].tick_size
    price = 0 if said.price is None else ticks_of(said.price, tick, "/price")
    if said.price is not None and price < 1:
        raise Problem("price_range", "At least one tick.", pointer="/price")
    match said.act:
        case "accept":
            return after.Accept()
        case "reject":
            return after.Reject(said.why)
        case "ask_allowance":
            return after.AskAllowance(price, said.why)
        case "agree_allowance":
            return after.AgreeAllowance(price)
        case "refuse_allowance":
            return after.RefuseAllowance(said.why)
        case "dispute":
            return after.Dispute(said.why)
        case "decide":
            return after.Decide(said.outcome, price, said.why)
    return after.VoidAward(said.why)


def _settled(call: Call, award: Award, done: Done) -> dict[str, Any]:
    return {"status": "accepted", "award": _view(call, award), "seq": done.seq, "duplicate": done.duplicate}


def _view(call: Call, award: Award) -> dict[str, Any]:
    venue = call.front.machine.venue
    sale, form, role = venue.sales[award.sale], call.form, _role(call, award)
    assert role is not None
    lot = sale.terms.lots[award.lot - 1]
    view: dict[str, Any] = {
        "award": award.number,
        "sale_id": award.sale,
        "sale_title": sale.terms.title,
        "lot": award.lot,
        "lot_title": lot.title,
        "you_are": role,
        "buyer": party(venue, award.buyer),
        "seller": party(venue, award.seller),
        "bags": award.bags,
        "bag_kg": bag_kg(lot),
        "price": price_text(sale, award.price),
        "price_unit": sale.terms.unit.price_unit,
        "currency": sale.terms.unit.currency,
        "value": money_text(award.value_minor),
        "state": award.state.name.lower(),
        "due": form.time(award.due_ns) if award.due_ns else None,
        "asked_price": price_text(sale, award.asked) if award.asked else None,
        "instead_of": award.instead_of or None,
        "contract": number_of(venue, award) if award.state in HOLDING else None,
        "history": [_passage(call, sale, award, at) for at in range(len(award.history))],
    }
    if role != "seller":
        view["shares"] = [
            {"bags": one.bags, "account": one.account or None, "label": one.label} for one in award.shares
        ]
    return view


def _passage(call: Call, sale: Sale, award: Award, at: int) -> dict[str, Any]:
    step = award.history[at]
    by = {0: "venue", award.buyer: "buyer", award.seller: "seller"}.get(step.account, "operator")
    return {
        "time": call.form.time(step.ts_ns),
        "state": step.state.name.lower(),
        "by": by,
        "price": price_text(sale, step.price),
        "why": step.why,
    }
