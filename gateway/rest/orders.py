"""Orders of the caller: enter, amend, replace, cancel one or many, read; and fills."""

from __future__ import annotations

from typing import Any

from engine.codes import Reason, Role
from engine.limits import HTTP_ORDER_BODY_BYTES_MAX
from gateway.market_data.private import open_order_of
from gateway.order_answers import Entry, own_events
from gateway.order_entry import SIDES, TYPES, Known, batch_of, ref_of
from gateway.problems import Problem, of_reason
from gateway.rest.history import ask, page
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import (
    AmendRequest,
    CancelAfterAnswer,
    CancelAfterRequest,
    CancelAnswer,
    CancelQuery,
    FillsAnswer,
    MassCancelAnswer,
    MassCancelRequest,
    OrderAnswer,
    OrderBatchAnswer,
    OrderBatchRequest,
    OrderRequest,
    OrdersAnswer,
    OrdersQuery,
    OrderState,
    PageQuery,
    ReplaceRequest,
    TargetQuery,
)
from gateway.ws.messages import AmendBody, OneOrderPacked, OrdersBody, ReplaceBody

_CHANGE = (
    "qty_range", "notional_range", "side_total_range", "phase_forbids", "venue_stopped", "account_frozen",
    "validity_past", "limit_notional", "stock_short", "client_id_reused", "id_invalid", "off_lot", "busy",
    "storage_failed", "storage_low",
)  # fmt: skip
_ENTRY = (
    *_CHANGE, "instrument_unknown", "off_tick", "price_range", "price_band", "price_collar", "price_not_allowed",
    "missing_field", "terms_conflict", "terms_in_call", "tif_in_call", "tif_needs_call", "display_range",
    "min_qty_range", "expiry_past", "post_only_crosses", "self_cross", "limit_orders", "orders_full",
)  # fmt: skip


@ROUTES.add(
    "POST", "/v1/orders", answer=OrderAnswer, tag="orders", role=Role.TRADE, bucket="orders", status=201,
    body=OrderRequest, packed_body=OneOrderPacked, body_bytes_max=HTTP_ORDER_BODY_BYTES_MAX, codes=_ENTRY,
)  # fmt: skip
async def post_order(call: Call) -> dict[str, Any]:
    """Enter one order. The answer comes when it is durable and decided; the same id again gives the same answer."""
    return await _decided(call, call.front.desk.new(call.account, call.body))


@ROUTES.add(
    "POST", "/v1/orders/batch", answer=OrderBatchAnswer, tag="orders", role=Role.TRADE, bucket="orders",
    body=OrderBatchRequest, packed_body=OrdersBody, body_bytes_max=HTTP_ORDER_BODY_BYTES_MAX, codes=_ENTRY,
)  # fmt: skip
async def post_orders(call: Call) -> dict[str, Any]:
    """Enter up to 256 orders in one record: refused whole when one is malformed, decided one by one after that."""
    front, requests = call.front, call.body.orders
    if len(requests) > 1:
        assert call.caller is not None
        call.headers |= front.limiter.take(call.caller.key_hash, "orders", len(requests) - 1)
    entries: list[Entry] = []
    for k, request in enumerate(requests):
        try:
            entries.append(front.desk.new(call.account, request))
        except Problem as problem:
            raise problem.under(f"/orders/{k}") from None
    outcome = await front.outcome(batch_of(entries))
    events, results = own_events(outcome.events), []
    for k, entry in enumerate(entries):
        row = outcome.row0 + k
        own = events[events["command"] == row]
        try:
            results.append(front.desk.answer(call.form, entry, own, outcome.first_seq + row, outcome.ts_ns))
        except Problem as problem:
            results.append(problem.body() | {"status": "rejected", "client_order_id": entry.client_order_id})
    return {"results": results}


@ROUTES.add(
    "POST", "/v1/orders/{order_id}/replace", answer=OrderAnswer, tag="orders", role=Role.TRADE, bucket="orders",
    body=ReplaceRequest, packed_body=ReplaceBody, body_bytes_max=HTTP_ORDER_BODY_BYTES_MAX,
    codes=(*_ENTRY, "order_unknown", "not_owner"),
)  # fmt: skip
async def post_replace(call: Call) -> dict[str, Any]:
    """Give an open order all its terms anew. It keeps its id and type and loses its place."""
    desk, order = call.front.desk, call.path["order_id"]
    entry = desk.replace(call.account, order, call.body, await _known(call, order))
    call.status = 200
    return await _decided(call, entry)


@ROUTES.add(
    "POST", "/v1/orders/{order_id}/amend", answer=OrderAnswer, tag="orders", role=Role.TRADE, bucket="orders",
    body=AmendRequest, packed_body=AmendBody, body_bytes_max=HTTP_ORDER_BODY_BYTES_MAX,
    codes=(*_CHANGE, "order_unknown", "not_owner"),
)  # fmt: skip
async def post_amend(call: Call) -> dict[str, Any]:
    """Give an open order another total quantity. Less of it keeps its place, and no more than was filled ends it."""
    desk, order = call.front.desk, call.path["order_id"]
    entry = desk.amend(call.account, order, call.body, await _known(call, order))
    call.status = 200
    return await _decided(call, entry)


@ROUTES.add(
    "POST", "/v1/orders/replace", answer=OrderAnswer, tag="orders", role=Role.TRADE, bucket="orders",
    query=TargetQuery, body=ReplaceRequest, packed_body=ReplaceBody, body_bytes_max=HTTP_ORDER_BODY_BYTES_MAX,
    codes=(*_ENTRY, "order_unknown"),
)  # fmt: skip
async def post_replace_by_client_id(call: Call) -> dict[str, Any]:
    """Give an open order, named by the caller's own id, all its terms anew."""
    call.status = 200
    return await _decided(call, call.front.desk.replace(call.account, _target(call), call.body))


@ROUTES.add(
    "POST", "/v1/orders/amend", answer=OrderAnswer, tag="orders", role=Role.TRADE, bucket="orders",
    query=TargetQuery, body=AmendRequest, packed_body=AmendBody, body_bytes_max=HTTP_ORDER_BODY_BYTES_MAX,
    codes=(*_CHANGE, "order_unknown"),
)  # fmt: skip
async def post_amend_by_client_id(call: Call) -> dict[str, Any]:
    """Give an open order, named by the caller's own id, another total quantity."""
    call.status = 200
    return await _decided(call, call.front.desk.amend(call.account, _target(call), call.body))


@ROUTES.add(
    "POST", "/v1/orders/cancel", answer=MassCancelAnswer, tag="orders", role=Role.TRADE, bucket="cancels",
    body=MassCancelRequest, idempotency="optional", codes=("instrument_unknown", "busy", "storage_failed"),
)  # fmt: skip
async def post_mass_cancel(call: Call) -> dict[str, Any]:
    """Cancel every open order of the caller's account, or those of one instrument, of one side; with one report."""
    desk = call.front.desk
    outcome = await call.front.outcome(desk.mass_cancel(call.account, call.body, call.ref))
    return desk.mass_cancel_answer(call.form, own_events(outcome.events), outcome.first_seq + outcome.row0)


@ROUTES.add(
    "POST", "/v1/orders/cancel-after", answer=CancelAfterAnswer, tag="orders", role=Role.TRADE, bucket="cancels",
    body=CancelAfterRequest, idempotency="optional", codes=("body_invalid", "busy", "storage_failed"),
)  # fmt: skip
async def post_cancel_after(call: Call) -> dict[str, Any]:
    """Cancel every open order of the caller's account unless this is asked again in time; 0 turns it off."""
    desk = call.front.desk
    outcome = await call.front.outcome(desk.cancel_after(call.account, call.body.timeout_seconds, call.ref))
    return desk.cancel_after_answer(call.form, own_events(outcome.events), outcome.first_seq + outcome.row0)


@ROUTES.add(
    "DELETE", "/v1/orders/{order_id}", answer=CancelAnswer, tag="orders", role=Role.TRADE, bucket="cancels",
    codes=("order_unknown", "not_owner", "phase_forbids"),
)  # fmt: skip
async def delete_order(call: Call) -> dict[str, Any]:
    """Cancel an open order by the venue's id."""
    return await _decided(call, call.front.desk.cancel(call.account, call.path["order_id"]))


@ROUTES.add(
    "DELETE", "/v1/orders", answer=CancelAnswer, tag="orders", role=Role.TRADE, bucket="cancels", query=CancelQuery,
    codes=("order_unknown", "phase_forbids"),
)  # fmt: skip
async def delete_order_by_client_id(call: Call) -> dict[str, Any]:
    """Cancel an open order by the caller's own id."""
    desk, query = call.front.desk, call.query
    return await _decided(call, desk.cancel_by_text(call.account, query.client_order_id, query.instrument))


@ROUTES.add("GET", "/v1/orders", answer=OrdersAnswer, tag="orders", role=Role.READ, query=OrdersQuery)
async def get_orders(call: Call) -> dict[str, Any]:
    """Open orders of the caller's account, or the one that has a client id."""
    machine = call.front.machine
    if call.query.client_order_id is not None:
        form, hi, lo, _ = ref_of(call.query.client_order_id)
        order = machine.hot.order_of_text(call.account, form, hi, lo)
        row = None if order is None else machine.hot.order(order)
        rows = [] if row is None else [row]
    else:
        rows = list(machine.hot.orders_of(call.account))
    return {"orders": [open_order_of(machine, row).view(call.form, machine) for row in rows]}


@ROUTES.add("GET", "/v1/orders/history", answer=OrdersAnswer, tag="orders", role=Role.READ, query=PageQuery)
async def get_closed_orders(call: Call) -> dict[str, Any]:
    """Orders of the caller's account that have ended, the last ended first."""
    found = await page(call, "closed_orders", call.account)
    return {"orders": found.rows, "next_cursor": found.next_cursor, "as_of": found.as_of}


@ROUTES.add(
    "GET", "/v1/orders/{order_id}", answer=OrderState, tag="orders", role=Role.READ,
    codes=("order_unknown", "not_owner"),
)  # fmt: skip
async def get_order(call: Call) -> dict[str, Any]:
    """One order of the caller's account, open or ended."""
    machine, order = call.front.machine, call.path["order_id"]
    row = machine.hot.order(order)
    if row is not None:
        if row["account"] != call.account:
            raise of_reason(Reason.NOT_OWNER)
        return open_order_of(machine, row).view(call.form, machine)
    state = await ask(call, lambda history: history.order(call.account, order, form=call.form))
    if state is None:
        raise Problem("order_unknown", "There is no order by this id.", pointer="/order_id", status=404)
    return state


@ROUTES.add("GET", "/v1/fills", answer=FillsAnswer, tag="orders", role=Role.READ, query=PageQuery)
async def get_fills(call: Call) -> dict[str, Any]:
    """Fills of the caller's account with their value, newest first."""
    found = await page(call, "fills", call.account)
    return {"fills": found.rows, "next_cursor": found.next_cursor, "as_of": found.as_of}


def _target(call: Call) -> int:
    return call.front.desk.named(call.account, call.query.target_client_order_id, "/target_client_order_id")


async def _known(call: Call, order: int) -> Known | None:
    """What history says of an order that is no longer open. It may have ended through the first try of the very
    request that asks: named as it was, the engine remembers the answer."""
    front = call.front
    if front.desk.known(order) is not None or front.history is None:
        return None
    state = await ask(call, lambda history: history.order(call.account, order))
    if state is None:
        return None
    listing = front.desk.listing(state["instrument"])
    return Known(call.account, listing.instrument, SIDES[state["side"]], TYPES[state["type"]])


async def _decided(call: Call, entry: Entry) -> dict[str, Any]:
    """Submit one command and answer it. A repeat is answered 200, a refusal raises Problem."""
    front = call.front
    outcome = await front.outcome(batch_of([entry]))
    events, seq = own_events(outcome.events), outcome.first_seq + outcome.row0
    view = front.desk.answer(call.form, entry, events, seq, outcome.ts_ns)
    if view.get("duplicate"):
        call.status = 200
        if view["state"] is None and front.history is not None:
            await _add_ended_state(call, view)
    return view


async def _add_ended_state(call: Call, view: dict[str, Any]) -> None:
    """What history says of an order that has ended, in the answer to a repeat."""
    try:
        state = await ask(call, lambda history: history.order(call.account, int(view["order_id"]), form=call.form))
    except Problem:
        return
    if state is not None and state["state"] in ("filled", "cancelled"):
        view |= {name: state[name] for name in ("state", "filled_quantity", "open_quantity", "type", "price")}
