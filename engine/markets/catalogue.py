"""The catalogue of auction lots, and what a sale takes from it.

Rules (ours, but for those of a description, which are the trade's: `engine/domain/auction_lot_rules.py`).

1. A lot has a number in the venue and one seller. It is described in version 1, later in the next version. A
   description with an error is refused.
2. A sale names lots by number. The seller, the bags and their weight are the catalogue's; what bidders are shown
   (title, origin, grade, delivery, certificates) is copied into the sale when it is planned and again when it opens.
3. From that opening on the description is fixed, for ever. While a sale plans a lot, its product, bags and bag weight
   stand.
4. A lot is in one sale at a time. One that was passed in may go into another sale; one that was sold may not.
5. A sale is planned with descriptions that hold at that moment: a certificate that ends before the shipment is over, or
   an offer that is no longer firm, refuses the plan.
"""

from __future__ import annotations

import msgspec

from engine.codes import EventKind, Reason, SaleStage
from engine.domain.auction_lot_rules import kg, percent, refused
from engine.domain.auction_lots import AuctionLot
from engine.limits import AUCTION_LOTS_MAX
from engine.markets.turn import Turn
from engine.messages.sales.commands import DescribeLot
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.state.catalogue import Described
from engine.state.sales.sale import Sale


def describe_lot(turn: Turn, body: DescribeLot) -> Reason:
    """A lot of the catalogue, or its next version (rules 1 and 3). The door has checked who speaks for the seller."""
    known = turn.venue.auction_lots.get(body.number)
    reason = _description_refused(turn, known, body)
    if reason != Reason.NONE:
        return reason
    new = Described(body.number, body.version, body.seller, body.lot, known.sale if known is not None else 0)
    turn.venue.auction_lots[body.number] = new
    turn.emit(EventKind.LOT_DESCRIBED, order=body.number, qty=body.version)
    return Reason.NONE


def plan_refused(turn: Turn, body: SaleTerms) -> Reason:
    """Why a sale cannot have the lots that it names by number (rules 2, 4 and 5)."""
    numbers = [lot.number for lot in body.lots if lot.number]
    if len(set(numbers)) != len(numbers):
        return Reason.LOT_IN_SALE
    for lot in body.lots:
        reason = _lot_refused(turn, body, lot) if lot.number else Reason.NONE
        if reason != Reason.NONE:
            return reason
    return Reason.NONE


def planned(turn: Turn, before: SaleTerms | None, body: SaleTerms) -> SaleTerms:
    """Take the lots that a plan names, give back those that the one before named. The plan with what bidders see."""
    entries = turn.venue.auction_lots
    for lot in before.lots if before is not None else ():
        if lot.number:
            entries[lot.number].sale = 0
    for lot in body.lots:
        if lot.number:
            entries[lot.number].sale = body.sale
    return _filled(turn, body)


def opened(turn: Turn, sale: Sale) -> None:
    """The descriptions of its lots stand from here on (rule 3)."""
    sale.terms = _filled(turn, sale.terms)
    for lot in sale.terms.lots:
        if lot.number:
            turn.venue.auction_lots[lot.number].fixed = True


def shown(entry: Described) -> dict[str, str]:
    """What a sale shows of a lot, by name; what is not said is left out."""
    lot, grading = entry.lot, entry.lot.grading
    texts = {
        "product": lot.product,
        "origin": ", ".join(part for part in (lot.country, lot.region) if part),
        "cooperative": lot.cooperative,
        "crop_year": lot.crop_year,
        "variety": lot.variety,
        "process": lot.process,
        "grade": grading.grade,
        "score": percent(grading.score) if grading.score else "",
        "graded": f"{grading.graded} by {grading.grader}" if grading.graded and grading.grader else "",
        "moisture": f"{percent(grading.moisture)} %" if grading.moisture else "",
        "weight": f"{kg(lot.grams)} kg",
        "delivery": f"{lot.incoterm} {lot.place.name}" if lot.place is not None else "",
        "shipment": f"{lot.shipment_from} to {lot.shipment_to}" if lot.shipment_from else "",
        "claims": ", ".join(lot.claims),
        "certificates": ", ".join(f"{one.scheme} {one.number}" for one in lot.certificates),
        "lot_version": str(entry.version),
    }
    return {name: text for name, text in texts.items() if text}


def _description_refused(turn: Turn, known: Described | None, body: DescribeLot) -> Reason:
    account = turn.venue.accounts.get(body.seller)
    if account is None:
        return Reason.ACCOUNT_UNKNOWN
    if account.frozen:
        return Reason.ACCOUNT_FROZEN
    if known is None:
        if body.version != 1:
            return Reason.VERSION_STALE
        if len(turn.venue.auction_lots) >= AUCTION_LOTS_MAX:
            return Reason.LIMIT_REACHED
    elif known.seller != body.seller:
        return Reason.NOT_OWNER
    elif known.fixed:
        return Reason.LOT_FIXED
    elif body.version != known.version + 1:
        return Reason.ALREADY_EXISTS if body.version <= known.version else Reason.VERSION_STALE
    elif _in_sale(turn, known) and _lots_differ(known.lot, body.lot):
        return Reason.LOT_IN_SALE
    return Reason.LOT_INVALID if refused(body.lot, body.seller, turn.ts_ns) else Reason.NONE


def _lot_refused(turn: Turn, body: SaleTerms, lot: SaleLot) -> Reason:
    entry = turn.venue.auction_lots.get(lot.number)
    if entry is None:
        return Reason.LOT_NOT_DESCRIBED
    if entry.sale != body.sale and (_in_sale(turn, entry) or _was_sold(turn, entry)):
        return Reason.LOT_IN_SALE
    if (entry.seller, entry.lot.bags, entry.lot.bag_grams) != (lot.seller, lot.bags, lot.bag_grams):
        return Reason.LOT_MISMATCH
    return Reason.LOT_INVALID if refused(entry.lot, entry.seller, turn.ts_ns) else Reason.NONE


def _in_sale(turn: Turn, entry: Described) -> bool:
    """Some sale has it and is not over."""
    sale = turn.venue.sales.get(entry.sale)
    return sale is not None and sale.stage < SaleStage.FINISHED


def _was_sold(turn: Turn, entry: Described) -> bool:
    """All or some of it, in the sale that had it last."""
    sale = turn.venue.sales.get(entry.sale)
    if sale is None or sale.stage == SaleStage.VOID:
        return False
    return any(lot.number == entry.number and sale.sold.get(n) for n, lot in enumerate(sale.terms.lots, 1))


def _lots_differ(one: AuctionLot, other: AuctionLot) -> bool:
    return (one.product, one.bags, one.bag_grams) != (other.product, other.bags, other.bag_grams)


def _filled(turn: Turn, terms: SaleTerms) -> SaleTerms:
    lots = tuple(_described(turn, lot) if lot.number else lot for lot in terms.lots)
    return msgspec.structs.replace(terms, lots=lots)


def _described(turn: Turn, lot: SaleLot) -> SaleLot:
    entry = turn.venue.auction_lots[lot.number]
    title = lot.title or entry.lot.title or f"{entry.lot.product} {entry.lot.country}"
    return msgspec.structs.replace(lot, title=title, attributes=lot.attributes | shown(entry))
