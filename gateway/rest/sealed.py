"""Opening sealed bids: bidders hand in the keys that they kept, the operator those that the gateway keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from engine.codes import EventKind, Reason, Role, SaleStage
from engine.limits import SEALED_KEYS_PER_COMMAND_MAX
from engine.messages.batch import cold
from engine.messages.sales.sealed import BidKey, OpenBids
from engine.state.sales.sale import Sale
from engine.state.sales.sealed import SealedState
from gateway.order_answers import own_events
from gateway.problems import Problem, of_reason
from gateway.rest.cold import command
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import DoneAnswer, Request
from gateway.sealed import opening
from gateway.vault import VaultCorrupt


class KeyOfBid(Request, kw_only=True):
    bid: Annotated[int, Meta(ge=1, le=2**63 - 1)]  # as the answer to the bid named it
    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class KeysRequest(Request, kw_only=True):
    """Keys of one's own bids, after the closing time."""

    keys: Annotated[list[KeyOfBid], Meta(min_length=1, max_length=SEALED_KEYS_PER_COMMAND_MAX)]


class OpeningAnswer(Struct):
    status: Literal["accepted"]
    opened: int  # bids whose key the gateway had
    missing: int  # bids that wait for their bidder's key
    state: Literal["pending", "finished"]


_CODES = ("sale_unknown", "bids_not_closed", "sale_closed", "bid_unknown", "key_wrong", "not_owner", "venue_stopped")


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/keys", answer=DoneAnswer, tag="sales", role=Role.TRADE, body=KeysRequest,
    bucket="orders", idempotency="optional", codes=_CODES,
)  # fmt: skip
async def post_keys(call: Call) -> dict[str, Any]:
    """Hand in the keys of one's own sealed bids."""
    keys = tuple(BidKey(one.bid, bytes.fromhex(one.key)) for one in call.body.keys)
    done = await command(call, OpenBids(_sale(call).sale, keys))
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


@ROUTES.add(
    "POST", "/v1/sales/{sale_id}/open", answer=OpeningAnswer, tag="sales", role=Role.OPERATE,
    codes=("sale_unknown", "bids_not_closed", "sale_closed", "venue_stopped", "keys_lost"),
)  # fmt: skip
async def post_open(call: Call) -> dict[str, Any]:
    """Open the bids whose keys the gateway keeps, after the closing time. A repeat opens what is left."""
    sale, opened = _sale(call), 0
    market = sale.market
    if not isinstance(market, SealedState) or not market.closed:
        raise of_reason(Reason.BIDS_NOT_CLOSED)
    if sale.stage >= SaleStage.FINISHED:
        raise of_reason(Reason.SALE_CLOSED)
    try:
        parts = await opening(call.front.vault, sale)
    except (OSError, VaultCorrupt) as error:
        raise Problem("keys_lost", f"The keys that the gateway keeps cannot be read: {error}.") from error
    for part in parts:
        outcome = await call.front.outcome(cold(part, account=call.account))
        first = own_events(outcome.events)[0]
        if first["kind"] == EventKind.REJECTED:
            raise of_reason(int(first["reason"]))
        opened += len(part.keys)
    missing = sum(1 for one in market.bids.values() if one.steps is None and not one.void)
    finished = sale.stage == SaleStage.FINISHED
    return {
        "status": "accepted",
        "opened": opened,
        "missing": 0 if finished else missing,
        "state": "finished" if finished else "pending",
    }


def _sale(call: Call) -> Sale:
    sale = call.front.machine.venue.sales.get(call.path["sale_id"])
    if sale is None:
        raise of_reason(Reason.SALE_UNKNOWN)
    return sale
