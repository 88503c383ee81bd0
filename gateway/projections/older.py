"""Bodies that older generations wrote and this one does not take: read from events that were kept, never applied."""

from __future__ import annotations

import msgspec

from engine.messages.body import Body, Currency, DecimalText, Label, PositiveTicks, SaleId, TimeNs
from engine.messages.sales.english import English, Step
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit

OPEN_SALE = 90  # to generation 3


class AuctionLot(Body, frozen=True):
    seller: int
    title: Label
    bags: int
    bag_grams: int
    attributes: dict[str, str] = {}


class OpenSale(Body, frozen=True):
    """A Helmsman sale of all its lots under one clock."""

    sale: SaleId
    title: Label
    lots: tuple[AuctionLot, ...]
    opening: PositiveTicks
    increment: int
    clock_ns: int
    open_until_ns: TimeNs
    tick_size: DecimalText
    price_unit: Label
    currency: Currency
    value_numerator: int
    value_denominator: int


_OPEN_SALE = msgspec.msgpack.Decoder(OpenSale)


def older_body(kind: int, raw: bytes) -> Body | None:
    """The body of a kind that is gone, as this release would say it; None for any other kind."""
    if kind != OPEN_SALE:
        return None
    old = _OPEN_SALE.decode(raw)
    return SaleTerms(
        sale=old.sale,
        version=1,
        title=old.title,
        unit=Unit(old.tick_size, old.price_unit, old.currency, old.value_numerator, old.value_denominator),
        stages=Stages(),
        lots=tuple(SaleLot(lot.seller, lot.title, lot.bags, lot.bag_grams, lot.attributes) for lot in old.lots),
        mechanism=English(old.opening, (Step(0, old.increment),), old.clock_ns, old.open_until_ns),
    )
