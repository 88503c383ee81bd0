"""A file of lots against a venue's catalogue: what each row would do, and the commands that do it.

A row whose description stands in the catalogue already does nothing, so a file that is given twice, or again after it
broke off, takes effect once.
"""

from __future__ import annotations

from typing import Any, Literal

from engine.domain.auction_lot_rules import Finding
from engine.limits import AUCTION_LOTS_MAX
from engine.messages.sales.commands import DescribeLot
from engine.state.venue import Venue
from gateway.lot_csv import Row, Sheet

Take = Literal["none", "file", "rows"]  # nothing; all rows when none has an error; the rows without one


def check(venue: Venue, sheet: Sheet, *, own: int) -> None:
    """Adds to each row what the catalogue says of it. `own`: the account that speaks for itself alone; 0: for any."""
    new = 0
    for row in sheet.rows:
        known = venue.auction_lots.get(row.number)
        if row.seller not in venue.accounts:
            row.found.append(Finding("SELLER", "seller", f"There is no account {row.seller}."))
        elif venue.accounts[row.seller].frozen:
            row.found.append(Finding("SELLER", "seller", f"Account {row.seller} is frozen."))
        elif own and row.seller != own:
            row.found.append(Finding("SELLER", "seller", "A seller describes its own lots."))
        if known is None:
            new += 1
            if len(venue.auction_lots) + new > AUCTION_LOTS_MAX:
                row.found.append(Finding("FULL", "number", "The catalogue is full."))
        elif known.seller != row.seller:
            row.found.append(Finding("SELLER", "number", f"Lot {row.number} is another seller's."))
        elif row.lot is not None and known.lot != row.lot and known.fixed:
            row.found.append(Finding("FIXED", "number", f"Lot {row.number} is fixed: a sale that has it has opened."))


def action(venue: Venue, row: Row) -> str:
    """What taking the row would do: "new", "change", "unchanged", or "none" of a row with an error."""
    if row.status == "error" or row.lot is None:
        return "none"
    known = venue.auction_lots.get(row.number)
    if known is None:
        return "new"
    return "unchanged" if known.lot == row.lot else "change"


def commands(venue: Venue, sheet: Sheet, take: Take) -> list[DescribeLot]:
    """Of the rows that are to be taken and are not so already, in the order of the file."""
    if take == "none" or (take == "file" and any(row.status == "error" for row in sheet.rows)):
        return []
    return [
        DescribeLot(row.number, _next_version(venue, row.number), row.seller, row.lot)
        for row in sheet.rows
        if row.lot is not None and action(venue, row) in ("new", "change")
    ]


def report(venue: Venue, sheet: Sheet) -> dict[str, Any]:
    """What an import shows, before it is taken: the rows, and how many of each kind and code there are."""
    status = [row.status for row in sheet.rows]
    return {
        "rows": [row_view(venue, row) for row in sheet.rows],
        "ok": status.count("ok"),
        "warnings": status.count("warning"),
        "errors": status.count("error"),
        "codes": sheet.codes,
        "columns_passed_over": sheet.passed_over,
    }


def row_view(venue: Venue, row: Row) -> dict[str, Any]:
    return {
        "row": row.line,
        "number": row.number,
        "status": row.status,
        "action": action(venue, row),
        "findings": [
            {"code": one.code, "column": one.field, "text": one.text, "error": one.is_error} for one in row.found
        ],
    }


def _next_version(venue: Venue, number: int) -> int:
    known = venue.auction_lots.get(number)
    return 1 if known is None else known.version + 1
