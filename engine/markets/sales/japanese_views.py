"""A Japanese sale as it may be shown. Prices are decimal text in the sale's unit, `value` in its currency.

All are built from named fields, never by leaving secrets out of a copy.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage
from engine.markets.sales.japanese import market_of, opening_of, terms_of
from engine.markets.sales.texts import bag_kg, price_text, value_text
from engine.state.sales.japanese import Holder, JapaneseLot
from engine.state.sales.sale import Sale


class HolderView(Struct, frozen=True):
    """Of a closed lot, for its seller: who pressed, in that order, and the price at which it let go."""

    account: int
    let_go: str | None  # None: it held on


class JapaneseLotView(Struct, frozen=True, omit_defaults=False):
    """One auction lot. What is UNSET by default stands in an account's own view alone."""

    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    group: int
    opening: str
    reserve: str | None  # None: there is none, or it is not shown
    price: str | None  # that the clock shows, or at which it was sold; None: it does not run
    round: int  # prices shown so far; 1: bidders press
    holders: int | None  # who held when the price last rose; None: not yet, or not shown
    state: str  # waiting, joining, rising, sold, passed_in
    due_ns: int | None  # end of the interval
    value: str | None  # of a lot that is sold
    you_hold: bool | UnsetType = UNSET
    your_limit: str | UnsetType | None = UNSET
    you_let_go: str | UnsetType | None = UNSET  # price at which
    you_sell: bool | UnsetType = UNSET
    you_won: bool | UnsetType = UNSET
    your_reserve: str | UnsetType | None = UNSET  # its seller's to see
    history: tuple[HolderView, ...] | UnsetType = UNSET  # its seller's, where the terms say so


class JapaneseView(Struct, frozen=True):
    opening: str
    increment: str
    interval_ns: int
    joining_ns: int
    in_turn: bool
    show_holders: bool
    history: bool
    lots: tuple[JapaneseLotView, ...]


class OperatorLot(Struct, frozen=True):
    """No limit: that is its bidder's alone."""

    lot: int
    reserve: str | None
    pressed: tuple[tuple[int, int, bool], ...]  # (sequence, account, holds), as DECIDE_BID names them
    buyer: int  # 0: none


class OperatorView(Struct, frozen=True):
    lots: tuple[OperatorLot, ...]


def public_view(sale: Sale) -> JapaneseView:
    """What everyone may see: the clock, and how many held where the terms say so."""
    return _view(sale, tuple(JapaneseLotView(**_lot(sale, n)) for n in _numbers(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> JapaneseView:
    """The public view, the account's own button, and what its lots tell it."""
    return _view(sale, tuple(_own_lot(sale, number, account) for number in _numbers(sale)))


def operator_view(sale: Sale) -> OperatorView:
    return OperatorView(
        tuple(
            OperatorLot(
                number,
                _reserve(sale, number),
                tuple((one.seq, one.account, not one.left_round) for one in _pressed(sale, number)),
                0 if sale.market is None else market_of(sale).lots[number - 1].buyer,
            )
            for number in _numbers(sale)
        )
    )


def _numbers(sale: Sale) -> range:
    return range(1, len(sale.terms.lots) + 1)


def _pressed(sale: Sale, number: int) -> list[Holder]:
    """By arrival."""
    if sale.market is None:
        return []
    return sorted(market_of(sale).lots[number - 1].holders.values(), key=lambda one: one.seq)


def _reserve(sale: Sale, number: int) -> str | None:
    reserve = sale.terms.lots[number - 1].reserve
    return price_text(sale, reserve) if reserve else None


def _view(sale: Sale, lots: tuple[JapaneseLotView, ...]) -> JapaneseView:
    terms = terms_of(sale)
    return JapaneseView(
        opening=price_text(sale, terms.opening),
        increment=price_text(sale, terms.increment),
        interval_ns=terms.interval_ns,
        joining_ns=terms.joining_ns,
        in_turn=terms.in_turn,
        show_holders=terms.show_holders,
        history=terms.history,
        lots=lots,
    )


def _lot(sale: Sale, number: int) -> dict[str, object]:
    terms, plan = terms_of(sale), sale.terms.lots[number - 1]
    lot = JapaneseLot(opening_of(terms, plan)) if sale.market is None else market_of(sale).lots[number - 1]
    over = sale.stage >= SaleStage.FINISHED or lot.closed
    runs = lot.round > 0 and not over
    if over:
        state = "sold" if lot.buyer else "passed_in"
    else:
        state = "waiting" if not runs else "joining" if lot.round == 1 else "rising"
    return {
        "lot": number,
        "title": plan.title,
        "bags": plan.bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "group": plan.group,
        "opening": price_text(sale, opening_of(terms, plan)),
        "reserve": _reserve(sale, number) if plan.reserve_shown else None,
        "price": price_text(sale, lot.price) if runs else price_text(sale, lot.paid) if lot.buyer else None,
        "round": lot.round,
        "holders": lot.held if terms.show_holders and lot.held else None,
        "state": state,
        "due_ns": lot.due_ns if runs else None,
        "value": value_text(sale, sale.grams(number), lot.paid) if lot.buyer else None,
    }


def _own_lot(sale: Sale, number: int, account: int) -> JapaneseLotView:
    terms, plan = terms_of(sale), sale.terms.lots[number - 1]
    lot = None if sale.market is None else market_of(sale).lots[number - 1]
    holder = None if lot is None else lot.holders.get(account)
    sells, closed = plan.seller == account, lot is not None and lot.closed
    history = tuple(HolderView(one.account, _let_go(sale, number, one)) for one in _pressed(sale, number))
    return JapaneseLotView(
        **_lot(sale, number),  # type: ignore[arg-type]
        you_hold=holder is not None and not holder.left_round and not closed,
        your_limit=price_text(sale, holder.limit) if holder is not None and holder.limit else None,
        you_let_go=None if holder is None else _let_go(sale, number, holder),
        you_sell=sells,
        you_won=lot is not None and closed and lot.buyer == account,
        your_reserve=_reserve(sale, number) if sells else None,
        history=history if sells and closed and terms.history else UNSET,
    )


def _let_go(sale: Sale, number: int, holder: Holder) -> str | None:
    """The price that the clock showed."""
    if not holder.left_round:
        return None
    opening, terms = opening_of(terms_of(sale), sale.terms.lots[number - 1]), terms_of(sale)
    return price_text(sale, opening + (holder.left_round - 1) * terms.increment)
