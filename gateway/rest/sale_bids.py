"""Offers in sales, of every mechanism."""

from __future__ import annotations

from typing import Any

from engine.codes import Role
from gateway.order_answers import own_events
from gateway.rest.routes import ROUTES, Call
from gateway.rest.sale_schemas import BidAnswer, BidRequest
from gateway.sales.offers import sealed_offer, to_be_sealed

_BID = (
    "sale_unknown", "lot_unknown", "sale_closed", "bid_late", "bid_low", "bid_increment", "maximum_below_price",
    "self_bid", "off_tick", "client_id_reused", "storage_low", "sale_not_open", "not_registered", "not_admitted",
    "offer_unfit", "commitment_limit", "bags_range", "keys_lost",
)  # fmt: skip


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/bids", answer=BidAnswer, tag="sales", role=Role.TRADE, bucket="orders", status=201,
    body=BidRequest, codes=_BID,
)  # fmt: skip
async def post_bid(call: Call) -> dict[str, Any]:
    """Bid in a sale: a maximum on a lot, or an offer of the sale's mechanism. Only its owner ever sees it."""
    front, request, sale = call.front, call.body, call.path["sale_id"]
    sealed = None
    if to_be_sealed(request):
        sealed = await sealed_offer(front.vault, call.account, front.desk.sale(sale), request)
    batch, lot = front.desk.bid(call.account, sale, request, sealed)
    outcome = await front.outcome(batch)
    events, seq = own_events(outcome.events), outcome.first_seq + outcome.row0
    view = front.desk.bid_answer(call.form, call.account, sale, lot, request.maximum, events, seq)
    if view["duplicate"]:
        call.status = 200
    return view
