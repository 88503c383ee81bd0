"""What sales tell one account, of every mechanism: the party events as their audience allows, and where it stands.

Prices and money are decimal text in every form. A maximum or a limit stands in its owner's messages alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import AwardState, BidderFlag, EventKind, Reason, SaleState, name_of
from engine.markets.sales.english_views import own_lot_view
from engine.markets.sales.texts import price_text
from engine.markets.sales.views import account_view, money_text
from engine.messages.audience import AUDIENCE
from engine.messages.sales.english import English
from engine.state.sales.english import EnglishState
from engine.state.sales.sale import Sale
from engine.state.venue import Venue
from gateway.forms import JSON, Form
from gateway.market_data.channel import View
from gateway.sales.showing import own_part, shown

_OWN = ("you_", "your_")
OWN_PART_LOTS_MAX = 50  # of a sale whose messages show the own place too: to know it, every lot is looked at
_AWARD_KINDS = frozenset({EventKind.AWARD_SET, EventKind.AWARD_SPLIT})
_IS_ANSWER = EventKind.BID_LATE  # the bidder has it already
BID_KINDS = frozenset(
    kind
    for kind, audience in AUDIENCE.items()
    if kind >= EventKind.SALE_OPENED and (audience.account | audience.counter) - audience.public and kind != _IS_ANSWER
)
_OF_MAXIMA = frozenset({EventKind.BID_ACCEPTED, EventKind.LOT_LEADER, EventKind.LOT_OUTBID, EventKind.LOT_SOLD})
_OF_LOT = frozenset({EventKind.LOT_LEADER, EventKind.LOT_OUTBID, EventKind.LOT_SOLD, EventKind.LET_GO})
_WITH_BAGS = frozenset({EventKind.LOT_LEADER, EventKind.LOT_OUTBID, EventKind.LOT_SOLD, EventKind.AWARD_SET})
_BAGS_BID = frozenset({"dutch", "clock"})  # mechanisms whose BID_ACCEPTED has them
_LIMITS = {"english": "maximum", "japanese": "limit"}  # what the price of an own bid is, where it is not the price


def bid_told(venue: Venue, event: np.void, account: int, name: str) -> View | None:
    """The message about one event in which the account is a party; None when it may know nothing of it."""
    kind, audience = EventKind(int(event["kind"])), AUDIENCE[EventKind(int(event["kind"]))]
    buys = event["account"] == account
    fields = (audience.account if buys else frozenset()) | (
        audience.counter if event["counter_account"] == account else frozenset()
    )
    if not fields - {"kind"}:
        return None
    seen = {field: int(event[field]) for field in fields}
    of_award = kind in _AWARD_KINDS
    sale, lot = venue.sales[seen.get("counter_order", 0) if of_award else seen["order"]], seen.get("instrument", 0)
    told: dict[str, Any] = {"event": name_of(EventKind, kind), "event_id": name, "sale": sale.sale, "lot": lot}
    if kind in _OF_MAXIMA and isinstance(sale.terms.mechanism, English):
        own = english_bid(sale, lot, account)
        if own is not None:
            return lambda form: told | own
    due_ns = 0
    if of_award:
        told |= {"award": seen["order"], "you_are": "buyer" if buys else "seller"}
        if kind == EventKind.AWARD_SET:
            told |= {"state": name_of(AwardState, seen["reason"]), "price": price_text(sale, seen["price"])}
            due_ns = seen["leaves"]
    elif kind == EventKind.BIDDER_SET:
        told |= {flag.name.lower(): bool(seen["qty"] & flag) for flag in BidderFlag}
        told["limit"] = money_text(seen["leaves"]) if seen["leaves"] else None
    else:
        told |= _of_bid(sale, kind, seen)
    if kind in _WITH_BAGS:
        told["bags"] = seen["qty"]

    place = _place(sale, lot, account)

    def view(form: Form) -> dict[str, Any]:
        due = {"due": form.time(due_ns) if due_ns else None} if kind == EventKind.AWARD_SET else {}
        return place | told | due

    return view


def _of_bid(sale: Sale, kind: EventKind, seen: dict[str, int]) -> dict[str, Any]:
    mechanism, told = type(sale.terms.mechanism).__struct_config__.tag, dict[str, Any]()
    if seen.get("price"):
        told[_word_of_price(str(mechanism), kind)] = price_text(sale, seen["price"])
    if seen.get("counter_order"):
        told["bid"] = seen["counter_order"]
    if seen.get("reason"):
        told["reason"] = name_of(Reason, seen["reason"])
    if kind == EventKind.BID_ACCEPTED and mechanism in _BAGS_BID:
        told["bags"] = seen["qty"]
    return told


def _word_of_price(mechanism: str, kind: EventKind) -> str:
    """What the price of an event is: of a bid that stands, of one that waits or stands no longer, of the lot."""
    if mechanism not in _LIMITS or kind in _OF_LOT:
        return "price"
    return _LIMITS[mechanism] if kind == EventKind.BID_ACCEPTED else "offered"


def _place(sale: Sale, lot: int, account: int) -> dict[str, Any]:
    """What the account's view of the lot has beside the public one, in a sale of few lots."""
    if not lot or len(sale.terms.lots) > OWN_PART_LOTS_MAX:
        return {}
    return {name: value for name, value in own_part(JSON, sale, lot, account).items() if name.startswith(_OWN)}


def english_bid(sale: Sale, lot: int, account: int) -> dict[str, Any] | None:
    """The account's own place in one lot, None when it never bid on it."""
    seen = own_lot_view(sale, lot, account)
    if not seen.your_maximum:
        return None
    return {
        "maximum": seen.your_maximum,
        "leading": bool(seen.you_lead),
        "won": bool(seen.you_won),
        "price": seen.price,
    }


def own_bids(venue: Venue, account: int) -> View:
    """Where the account stands: its maxima (`bids`), and its place in sales of other mechanisms that run (`offers`)."""
    bids = [
        {"sale": number, "lot": lot} | (english_bid(venue.sales[number], lot, account) or {})
        for number in sorted(venue.sales)
        if isinstance(market := venue.sales[number].market, EnglishState)
        for lot, state in enumerate(market.lots, 1)
        if account in state.standing
    ]
    others = [
        (number, account_view(sale, account).market)
        for number, sale in sorted(venue.sales.items())
        if sale.state != SaleState.FINISHED and sale.market is not None and not isinstance(sale.market, EnglishState)
    ]

    def view(form: Form) -> dict[str, Any]:
        offers = []
        for number, market in others:
            seen = shown(form, market)
            own = {name: value for name, value in seen.items() if name.startswith(_OWN) and value}
            lots = [{"lot": lot["lot"]} | _own_of(lot) for lot in seen.get("lots", ()) if _own_of(lot)]
            if own or lots:
                offers.append({"sale": number} | own | {"lots": lots})
        return {"bids": bids, "offers": offers}

    return view


def _own_of(lot: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in lot.items() if name.startswith(_OWN) and value}
