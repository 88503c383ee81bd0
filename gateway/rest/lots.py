"""The catalogue of auction lots: read it, describe a lot, take in a file of them."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.codes import EventKind, Reason, Role
from engine.domain.auction_lot_rules import findings
from engine.messages.batch import Batch, cold, join
from engine.messages.sales.commands import DescribeLot
from engine.state.catalogue import Described
from gateway import lot_csv, lot_import
from gateway.config import BATCH_BYTES, BATCH_COMMANDS
from gateway.order_answers import own_events
from gateway.problems import Problem, of_reason
from gateway.rest.cold import command
from gateway.rest.lot_schemas import (
    CatalogueAnswer,
    CatalogueLot,
    DescribeRequest,
    ImportAnswer,
    ImportQuery,
    LotsQuery,
)
from gateway.rest.routes import ROUTES, Call

_DESCRIBE = (
    "lot_invalid", "lot_fixed", "lot_in_sale", "version_stale", "already_exists", "not_owner", "account_unknown",
    "account_frozen", "limit_reached", "storage_low",
)  # fmt: skip


@ROUTES.add("GET", "/v1/lots", answer=CatalogueAnswer, tag="lots", query=LotsQuery)
async def get_lots(call: Call) -> dict[str, Any]:
    """Lots of the catalogue by number, of one seller or product when that is asked."""
    query, entries = call.query, call.front.machine.venue.auction_lots
    after = int(query.cursor) if query.cursor.isdecimal() else 0
    found: list[Described] = []
    for number in sorted(number for number in entries if number > after):
        entry = entries[number]
        if (query.seller or entry.seller) == entry.seller and (query.product or entry.lot.product) == entry.lot.product:
            found.append(entry)
            if len(found) > query.limit:
                break
    more = len(found) > query.limit
    shown = found[: query.limit]
    return {"lots": [lot_view(entry) for entry in shown], "next_cursor": str(shown[-1].number) if more else None}


@ROUTES.add("GET", "/v1/lots/{lot_number}", answer=CatalogueLot, tag="lots", codes=("lot_not_described",))
async def get_lot(call: Call) -> dict[str, Any]:
    """One lot as it is described now."""
    entry = call.front.machine.venue.auction_lots.get(call.path["lot_number"])
    if entry is None:
        raise of_reason(Reason.LOT_NOT_DESCRIBED)
    return lot_view(entry)


@ROUTES.add(
    "PUT", "/v1/lots/{lot_number}", answer=CatalogueLot, tag="lots", role=Role.TRADE, or_role=Role.OPERATE,
    bucket="orders", body=DescribeRequest, codes=_DESCRIBE,
)  # fmt: skip
async def put_lot(call: Call) -> dict[str, Any]:
    """Describe a lot: a new one, or the next version. The same description again does nothing."""
    number, asked, venue = call.path["lot_number"], call.body, call.front.machine.venue
    known = venue.auction_lots.get(number)
    seller = asked.seller or (known.seller if known is not None and _operates(call) else call.account)
    if seller != call.account and not _operates(call):
        raise Problem("not_owner", "A seller describes its own lots.", pointer="/seller", status=403)
    if not 1 <= number < 2**31:
        raise Problem("invalid_field", "A lot's number is from 1 to 2147483647.", pointer="/lot_number")
    if known is not None and (known.seller, known.lot) == (seller, asked.lot):
        return lot_view(known)
    errors = [one for one in findings(asked.lot, seller, call.front.env.now_ns()) if one.is_error]
    if errors:
        told = [{"pointer": f"/lot{one.field}", "code": one.code, "detail": one.text} for one in errors]
        raise Problem("lot_invalid", "The description has errors.", errors=told)
    version = asked.version or (1 if known is None else known.version + 1)
    await command(call, DescribeLot(number, version, seller, asked.lot))
    return lot_view(venue.auction_lots[number])


@ROUTES.add(
    "POST", "/v1/lots/import", answer=ImportAnswer, tag="lots", role=Role.TRADE, or_role=Role.OPERATE,
    bucket="orders", query=ImportQuery, text_body="text/csv", codes=("malformed", "storage_low"),
)  # fmt: skip
async def post_lots(call: Call) -> dict[str, Any]:
    """Look at a CSV file of lots, row by row; take the whole file, or its rows without error, when that is asked."""
    query, venue = call.query, call.front.machine.venue
    now_ns = call.front.env.now_ns()
    try:
        sheet = lot_csv.read(call.body, seller=query.seller or call.account, now_ns=now_ns, add=query.add)
    except lot_csv.BadFile as error:
        raise Problem("malformed", str(error), status=422) from None
    lot_import.check(venue, sheet, own=0 if _operates(call) else call.account)
    told = lot_import.report(venue, sheet)
    take: lot_import.Take = "none" if query.preview else query.take
    bodies = lot_import.commands(venue, sheet, take)
    refused: list[dict[str, Any]] = []
    for part in _parts(bodies):
        batch = join([_row(call, body) for body in part])
        outcome = await call.front.outcome(batch)
        refused += _refusals(part, outcome.events, outcome.row0)
    if query.summary:
        told["rows"] = [row for row in told["rows"] if row["findings"]]
    return told | {"taken": len(bodies) - len(refused), "refused": refused}


def lot_view(entry: Described) -> dict[str, Any]:
    return {
        "number": entry.number,
        "version": entry.version,
        "seller": entry.seller,
        "sale_id": entry.sale or None,
        "fixed": entry.fixed,
        "lot": msgspec.to_builtins(entry.lot),
    }


def _operates(call: Call) -> bool:
    return call.caller is not None and call.caller.may(Role.OPERATE)


def _row(call: Call, body: DescribeLot) -> Batch:
    return cold(body, account=call.account)


def _parts(bodies: list[DescribeLot]) -> list[list[DescribeLot]]:
    """As many as fit a record each."""
    parts: list[list[DescribeLot]] = []
    size = BATCH_BYTES
    for body in bodies:
        more = cold(body).nbytes
        if size + more > BATCH_BYTES or len(parts[-1]) == BATCH_COMMANDS:
            parts.append([])
            size = 0
        parts[-1].append(body)
        size += more
    return parts


def _refusals(bodies: list[DescribeLot], events: Any, row0: int) -> list[dict[str, Any]]:
    """Rows that the engine refused after all: another hand was quicker."""
    own = own_events(events)
    return [
        {"number": bodies[int(event["command"]) - row0].number, "code": of_reason(int(event["reason"])).code}
        for event in own[own["kind"] == EventKind.REJECTED]
    ]
