"""Sales as they are seen: running, planned and past, and what their lots fetched."""

from __future__ import annotations

import csv
import io
from typing import Any

from aiohttp import web

from engine.codes import Reason, Role, SaleStage, name_of
from engine.markets.sales.texts import price_text
from engine.markets.sales.views import money_text
from engine.state.sales.awards import HOLDING
from engine.state.sales.sale import Sale
from gateway.market_data.sales import shown_sales
from gateway.problems import of_reason
from gateway.rest.history import page
from gateway.rest.routes import ROUTES, Call
from gateway.rest.sale_schemas import (
    OwnBidsAnswer,
    PastSalesAnswer,
    ResultsAnswer,
    ResultsQuery,
    SaleAnswer,
    SalesAnswer,
    SalesQuery,
)
from gateway.rest.schemas import PageQuery
from gateway.sales.showing import mechanism_name, own_bids, sale_view

_CSV = "text/csv"
_RESULT = ("lot", "title", "state", "bags", "price", "value", "award", "buyer")


@ROUTES.add("GET", "/v1/sales", answer=SalesAnswer, tag="sales", query=SalesQuery)
async def get_sales(call: Call) -> dict[str, Any]:
    """Planned and running sales and the last finished ones; with a key, the caller's own place in each lot."""
    query: SalesQuery = call.query
    sales = [
        sale
        for sale in shown_sales(call.front.machine.venue)
        if query.season in (0, sale.terms.season) and query.stage in ("", name_of(SaleStage, sale.stage))
    ]
    return {"sales": [view_of(call, sale) for sale in sales]}


@ROUTES.add("GET", "/v1/sales/history", answer=PastSalesAnswer, tag="sales", query=PageQuery)
async def get_finished_sales(call: Call) -> dict[str, Any]:
    """Finished sales, the last finished first."""
    found = await page(call, "sales_past", account=call.account if _may(call, Role.READ) else None)
    return {"sales": found.rows, "next_cursor": found.next_cursor, "as_of": found.as_of}


@ROUTES.add("GET", "/v1/sales/{sale_id}", answer=SaleAnswer, tag="sales", codes=("sale_unknown",))
async def get_sale(call: Call) -> dict[str, Any]:
    """One sale; an operator sees its bidders and its bids beside it."""
    return view_of(call, sale_of(call), operator=_may(call, Role.OPERATE))


@ROUTES.add(
    "GET", "/v1/sales/{sale_id}/results", answer=ResultsAnswer, tag="sales", query=ResultsQuery, codes=("sale_unknown",)
)
async def get_results(call: Call) -> dict[str, Any] | web.Response:
    """What the lots of a sale fetched so far, as JSON or CSV."""
    sale = sale_of(call)
    results = _results(call, sale)
    if call.query.format == "csv" or (not call.query.format and _CSV in call.request.headers.get("Accept", "")):
        return _table(results, call.headers)
    return {
        "sale_id": sale.sale,
        "title": sale.terms.title,
        "stage": name_of(SaleStage, sale.stage),
        "price_unit": sale.terms.unit.price_unit,
        "currency": sale.terms.unit.currency,
        "results": results,
    }


@ROUTES.add(
    "GET", "/v1/sales/{sale_id}/bids", answer=OwnBidsAnswer, tag="sales", role=Role.READ, codes=("sale_unknown",)
)
async def get_own_bids(call: Call) -> dict[str, Any]:
    """The caller's own bids in a sale: where it stands on each lot that it bid on, and what it bid."""
    sale = sale_of(call)
    return {"sale_id": sale.sale, "mechanism": mechanism_name(sale), **own_bids(call.form, sale, call.account)}


def sale_of(call: Call) -> Sale:
    """The sale that the path names. Raises Problem."""
    sale = call.front.machine.venue.sales.get(call.path["sale_id"])
    if sale is None:
        raise of_reason(Reason.SALE_UNKNOWN)
    return sale


def view_of(call: Call, sale: Sale, *, operator: bool = False) -> dict[str, Any]:
    account = call.account if _may(call, Role.READ) else None
    return sale_view(call.form, sale, account, operator=operator)


def _may(call: Call, role: Role) -> bool:
    return call.caller is not None and call.caller.may(role)


def _results(call: Call, sale: Sale) -> list[dict[str, Any]]:
    """What stands of the awards of each lot, in the order of the hammer; a lot of which nothing stands has one row.
    Buyers are named where the terms say so, awards to whom they concern: their numbers would count offers to others."""
    rows, venue, operates = [], call.front.machine.venue, _may(call, Role.OPERATE)
    account = call.account if _may(call, Role.READ) else 0
    for number, plan in enumerate(sale.terms.lots, 1):
        standing = [venue.awards[one] for one in sale.awards.get(number, ()) if venue.awards[one].state in HOLDING]
        over = sale.stage >= SaleStage.FINISHED
        row: dict[str, Any] = dict.fromkeys(_RESULT) | {"lot": number, "title": plan.title, "bags": plan.bags}
        for award in standing:
            told = {
                "state": "sold",
                "bags": award.bags,
                "price": price_text(sale, award.price),
                "value": money_text(award.value_minor),
                "award": award.number if operates or account in (award.buyer, award.seller) else None,
                "buyer": venue.accounts[award.buyer].label if sale.terms.after.names else None,
            }
            rows.append(row | told)
        if not standing:
            rows.append(row | {"state": "unsold" if over else "open"})
    return rows


def _table(results: list[dict[str, Any]], headers: dict[str, str]) -> web.Response:
    text = io.StringIO()
    writer = csv.DictWriter(text, _RESULT, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in results)
    return web.Response(text=text.getvalue(), content_type=_CSV, charset="utf-8", headers=headers)
