"""A Dutch sale as it may be shown. Prices are decimal text in the sale's unit, `value` in its currency."""

from __future__ import annotations

from fractions import Fraction

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage
from engine.domain.units import MINOR_PER_MAJOR, decimal_text
from engine.markets.sales.dutch import floor_of, market_of, start_of, terms_of
from engine.markets.sales.texts import bag_kg, price_text
from engine.state.sales.dutch import Take
from engine.state.sales.sale import Sale


class PartView(Struct, frozen=True):
    price: str
    bags: int


class DutchLotView(Struct, frozen=True, omit_defaults=False):
    """One auction lot. What is UNSET by default stands in an account's own view alone."""

    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    group: int
    least_bags: int  # 0: sold whole
    start: str
    floor: str
    price: str | None  # that the clock shows; None: it does not run
    round: int  # prices shown so far
    bags_left: int
    state: str  # waiting, open, sold, passed_in
    due_ns: int | None  # when the price falls or the lot passes in
    sold_bags: int
    parts: tuple[PartView, ...]  # taken, by arrival
    value: str | None  # of what was taken
    you_sell: bool | UnsetType = UNSET
    your_bags: int | UnsetType = UNSET
    your_value: str | UnsetType | None = UNSET


class DutchView(Struct, frozen=True):
    decrement: str
    interval_ns: int
    pause_ns: int
    in_turn: bool
    exact: bool
    lots: tuple[DutchLotView, ...]


class OperatorLot(Struct, frozen=True):
    lot: int
    takes: tuple[tuple[int, int, int], ...]  # (sequence, account, bags)


class OperatorView(Struct, frozen=True):
    lots: tuple[OperatorLot, ...]


def public_view(sale: Sale) -> DutchView:
    return _view(sale, tuple(DutchLotView(**_lot(sale, n)) for n in _numbers(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> DutchView:
    """The public view, and what the account has taken or sells."""
    return _view(sale, tuple(_own_lot(sale, number, account) for number in _numbers(sale)))


def operator_view(sale: Sale) -> OperatorView:
    return OperatorView(
        tuple(
            OperatorLot(n, tuple((one.seq, one.account, one.bags) for one in _takes(sale, n))) for n in _numbers(sale)
        )
    )


def _numbers(sale: Sale) -> range:
    return range(1, len(sale.terms.lots) + 1)


def _takes(sale: Sale, number: int) -> list[Take]:
    return [] if sale.market is None else market_of(sale).lots[number - 1].takes


def _value(sale: Sale, number: int, takes: list[Take]) -> str | None:
    minor = sum(sale.value_minor(sale.grams(number, one.bags), one.price) for one in takes)
    return decimal_text(Fraction(minor, MINOR_PER_MAJOR), 2) if takes else None


def _view(sale: Sale, lots: tuple[DutchLotView, ...]) -> DutchView:
    terms = terms_of(sale)
    return DutchView(
        price_text(sale, terms.decrement), terms.interval_ns, terms.pause_ns, terms.in_turn, terms.exact, lots
    )


def _lot(sale: Sale, number: int) -> dict[str, object]:
    terms, plan = terms_of(sale), sale.terms.lots[number - 1]
    lot = None if sale.market is None else market_of(sale).lots[number - 1]
    takes = _takes(sale, number)
    over = sale.stage >= SaleStage.FINISHED or (lot is not None and lot.closed)
    runs = lot is not None and lot.round > 0 and not over
    return {
        "lot": number,
        "title": plan.title,
        "bags": plan.bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "group": plan.group,
        "least_bags": plan.least_bags,
        "start": price_text(sale, start_of(terms, plan)),
        "floor": price_text(sale, floor_of(terms, plan)),
        "price": price_text(sale, lot.price) if lot is not None and runs else None,
        "round": lot.round if lot is not None else 0,
        "bags_left": lot.left if lot is not None else plan.bags,
        "state": "open" if runs else "waiting" if not over else "sold" if takes else "passed_in",
        "due_ns": lot.due_ns if lot is not None and runs else None,
        "sold_bags": sum(one.bags for one in takes),
        "parts": tuple(PartView(price_text(sale, one.price), one.bags) for one in takes),
        "value": _value(sale, number, takes),
    }


def _own_lot(sale: Sale, number: int, account: int) -> DutchLotView:
    own = [one for one in _takes(sale, number) if one.account == account]
    return DutchLotView(
        **_lot(sale, number),  # type: ignore[arg-type]
        you_sell=sale.terms.lots[number - 1].seller == account,
        your_bags=sum(one.bags for one in own),
        your_value=_value(sale, number, own),
    )
