"""A sale as it may be shown: the public view, and what one account may see beside it.

Both are built from named fields, never by leaving secrets out of a copy. Prices are decimal text in the sale's unit,
times int64 ns of venue time, money decimal text of the currency.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleState, name_of
from engine.domain.units import MINOR_PER_MAJOR, decimal_text, ticks_to_text
from engine.markets.helmsman import minimum_bid
from engine.state.sales import LotState, Sale


class LotView(Struct, frozen=True, omit_defaults=False):
    """One auction lot. The last four fields stand only in an account's own view."""

    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    price: str | None  # None: no bid yet
    minimum_bid: str | None  # lowest maximum of who does not lead; None when the lot takes no bids
    bids: int
    state: str  # open, sold, passed_in
    value: str | None  # of a sold lot, in the currency
    you_lead: bool | UnsetType = UNSET
    your_maximum: str | UnsetType | None = UNSET
    you_sell: bool | UnsetType = UNSET
    you_won: bool | UnsetType = UNSET


class SaleView(Struct, frozen=True):
    sale_id: int
    title: str
    state: str  # open, pending, finished
    opening: str
    increment: str
    tick_size: str
    price_unit: str
    currency: str
    clock_ns: int
    open_until_ns: int
    clock_due_ns: int | None  # None: the clock does not run
    lots: tuple[LotView, ...]


def public_view(sale: Sale) -> SaleView:
    """What everyone may see: prices and counts, no account, no maximum."""
    return _sale_view(sale, tuple(_lot_view(sale, number) for number in range(1, len(sale.lots) + 1)))


def account_view(sale: Sale, account: int) -> SaleView:
    """The public view and the account's own place in each lot."""
    return _sale_view(sale, tuple(_own_lot_view(sale, number, account) for number in range(1, len(sale.lots) + 1)))


def lot_state(sale: Sale, lot: LotState) -> str:
    """open, sold or passed_in."""
    if lot.passed_in:
        return "passed_in"
    return "sold" if sale.state == SaleState.FINISHED else "open"


def price_text(sale: Sale, ticks: int) -> str:
    """A price of the sale with all the decimals of its tick."""
    return ticks_to_text(ticks, sale.tick_size)


def value_text(sale: Sale, lot: LotState, ticks: int) -> str:
    """Value of a lot at a price, in the currency with two decimals."""
    return decimal_text(Fraction(sale.value_minor(lot, ticks), MINOR_PER_MAJOR), 2)


def _sale_view(sale: Sale, lots: tuple[LotView, ...]) -> SaleView:
    terms = sale.terms
    return SaleView(
        sale_id=sale.sale,
        title=terms.title,
        state=name_of(SaleState, sale.state),
        opening=price_text(sale, terms.opening),
        increment=price_text(sale, terms.increment),
        tick_size=terms.tick_size,
        price_unit=terms.price_unit,
        currency=terms.currency,
        clock_ns=terms.clock_ns,
        open_until_ns=sale.open_until_ns,
        clock_due_ns=sale.clock_due_ns or None,
        lots=lots,
    )


def _lot_fields(sale: Sale, number: int) -> dict[str, object]:
    lot = sale.lots[number - 1]
    state = lot_state(sale, lot)
    return {
        "lot": number,
        "title": lot.terms.title,
        "bags": lot.terms.bags,
        "bag_kg": decimal_text(Fraction(lot.terms.bag_grams, 1000)),
        "attributes": lot.terms.attributes,
        "price": None if lot.price is None else price_text(sale, lot.price),
        "minimum_bid": price_text(sale, minimum_bid(sale, lot)) if state == "open" else None,
        "bids": lot.bids,
        "state": state,
        "value": value_text(sale, lot, lot.price) if state == "sold" and lot.price is not None else None,
    }


def _lot_view(sale: Sale, number: int) -> LotView:
    return LotView(**_lot_fields(sale, number))  # type: ignore[arg-type]


def _own_lot_view(sale: Sale, number: int, account: int) -> LotView:
    lot = sale.lots[number - 1]
    maximum = lot.maxima.get(account)
    leads = lot.leader == account
    return LotView(
        **_lot_fields(sale, number),  # type: ignore[arg-type]
        you_lead=leads,
        your_maximum=None if maximum is None else price_text(sale, maximum),
        you_sell=lot.terms.seller == account,
        you_won=leads and lot_state(sale, lot) == "sold",
    )
