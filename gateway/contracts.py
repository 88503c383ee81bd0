"""The confirmation of a contract out of an award: what was sold, by whom to whom, on which terms. Data, no wording.

Terms as the trade states them (ITC Coffee Guide; ESCC, GCA; Incoterms 2020): quality, quantity with its tolerance,
weight franchise, price, shipment, delivery term with its place, sample term, documents. Amounts are decimal text.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from engine.domain.units import decimal_text
from engine.markets.sales.texts import bag_kg, price_text
from engine.markets.sales.views import money_text
from engine.state.sales.awards import HOLDING, Award
from engine.state.venue import Venue
from gateway.forms import Form

BPS_PER_PERCENT = 100
BPS = 10_000


def number_of(venue: Venue, award: Award) -> str:
    """What both parties call the contract."""
    return f"{venue.name}-{award.number:06d}"


def contract_view(form: Form, venue: Venue, award: Award) -> dict[str, Any]:
    """Of an award that its buyer has."""
    assert award.state in HOLDING
    sale = venue.sales[award.sale]
    lot, unit, said = sale.terms.lots[award.lot - 1], sale.terms.unit, sale.terms.after
    terms, grams = said.contract, sale.grams(award.lot, award.bags)
    tolerance = Fraction(terms.tolerance_bps, BPS)
    return {
        "contract": number_of(venue, award),
        "award": award.number,
        "venue": venue.name,
        "sale_id": award.sale,
        "sale_title": sale.terms.title,
        "concluded_at": form.time(award.history[0].ts_ns),
        "state": award.state.name.lower(),
        "provisional_until": form.time(award.due_ns) if award.due_ns else None,
        "silence": said.silence if said.sample_ns else None,
        "seller": party(venue, award.seller),
        "buyer": party(venue, award.buyer),
        "lot": award.lot,
        "goods": lot.title,
        "attributes": dict(sorted(lot.attributes.items())),
        "bags": award.bags,
        "bag_kg": bag_kg(lot),
        "net_kg": _kg(grams),
        "tolerance_percent": _percent(terms.tolerance_bps),
        "net_kg_min": _kg(grams * (1 - tolerance)),
        "net_kg_max": _kg(grams * (1 + tolerance)),
        "franchise_percent": _percent(terms.franchise_bps),
        "price": price_text(sale, award.price),
        "price_unit": unit.price_unit,
        "currency": unit.currency,
        "value": money_text(award.value_minor),
        "form": terms.form,
        "edition": terms.edition,
        "sample_term": terms.sample_term,
        "incoterm": terms.incoterm,
        "place": terms.place,
        "shipment_from": terms.shipment_from,
        "shipment_to": terms.shipment_to,
        "payment": terms.payment,
        "arbitration": terms.arbitration,
        "documents": [{"title": one.title, "sha256": one.digest.hex()} for one in terms.documents],
    }


def party(venue: Venue, account: int) -> dict[str, Any]:
    return {"account": account, "label": venue.accounts[account].label}


def _kg(grams: Fraction | int) -> str:
    return decimal_text(Fraction(grams, 1000))


def _percent(bps: int) -> str:
    return decimal_text(Fraction(bps, BPS_PER_PERCENT))
