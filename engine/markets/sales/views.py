"""A sale as it may be shown: its plan, and what its mechanism shows of the market (`market`).

Times are int64 ns of venue time, money decimal text of the currency.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage, SaleState, name_of
from engine.domain.units import MINOR_PER_MAJOR, decimal_text
from engine.markets.sales.mechanism import mechanism_of
from engine.state.sales.sale import Bidder, Sale


class SaleView(Struct, frozen=True):
    """What is UNSET by default stands in an account's own view alone."""

    sale_id: int
    version: int
    title: str
    mechanism: str
    stage: str
    state: str  # open, pending, finished
    season: int
    registration: str
    agreement: str  # hexadecimal; "": none
    approve_bids: bool
    viewing_ns: int
    registration_ns: int
    prebids_ns: int
    live_ns: int
    stage_due_ns: int  # of the next stage, outages included; 0: none is to come
    tick_size: str
    price_unit: str
    currency: str
    value_numerator: int
    value_denominator: int
    market: Struct
    you_are_registered: bool | UnsetType = UNSET
    you_are_admitted: bool | UnsetType = UNSET
    your_limit: str | UnsetType | None = UNSET


class BidderView(Struct, frozen=True):
    account: int
    registered_ns: int
    admitted: bool
    barred: bool
    limit: str | None
    committed: str


class OperatorView(Struct, frozen=True):
    """What the operator sees beside the public view."""

    bidders: tuple[BidderView, ...]
    market: Struct


def public_view(sale: Sale) -> SaleView:
    """What everyone may see."""
    return SaleView(**_head(sale), market=mechanism_of(sale).public_view(sale))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> SaleView:
    """The public view and the account's own place."""
    bidder = sale.bidders.get(account, Bidder(account))
    return SaleView(
        **_head(sale),  # type: ignore[arg-type]
        market=mechanism_of(sale).account_view(sale, account),
        you_are_registered=bool(bidder.registered_ns),
        you_are_admitted=not bidder.barred and (bidder.admitted or sale.terms.registration != "admission"),
        your_limit=money_text(bidder.limit_minor) if bidder.limit_minor else None,
    )


def operator_view(sale: Sale) -> OperatorView:
    """Bidders with their bounds, and what the mechanism shows an operator."""
    bidders = tuple(
        BidderView(
            one.account,
            one.registered_ns,
            one.admitted,
            one.barred,
            money_text(one.limit_minor) if one.limit_minor else None,
            money_text(one.committed_minor),
        )
        for _, one in sorted(sale.bidders.items())
    )
    return OperatorView(bidders, mechanism_of(sale).operator_view(sale))


def money_text(minor: int) -> str:
    return decimal_text(Fraction(minor, MINOR_PER_MAJOR), 2)


def _head(sale: Sale) -> dict[str, object]:
    terms, unit, stages = sale.terms, sale.terms.unit, sale.terms.stages
    return {
        "sale_id": sale.sale,
        "version": terms.version,
        "title": terms.title,
        "mechanism": type(terms.mechanism).__struct_config__.tag,
        "stage": name_of(SaleStage, sale.stage),
        "state": name_of(SaleState, sale.state),
        "season": terms.season,
        "registration": terms.registration,
        "agreement": terms.agreement.hex(),
        "approve_bids": terms.approve_bids,
        "viewing_ns": stages.viewing_ns,
        "registration_ns": stages.registration_ns,
        "prebids_ns": stages.prebids_ns,
        "live_ns": stages.live_ns,
        "stage_due_ns": sale.stage_due_ns,
        "tick_size": unit.tick_size,
        "price_unit": unit.price_unit,
        "currency": unit.currency,
        "value_numerator": unit.value_numerator,
        "value_denominator": unit.value_denominator,
    }
