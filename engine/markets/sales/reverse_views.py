"""A reverse auction as it may be shown. Prices are decimal text in the sale's unit, `value` in its currency.

All are built from named fields, never by leaving secrets out of a copy.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage
from engine.markets.sales.english_views import StepView
from engine.markets.sales.mirror import mirrored
from engine.markets.sales.reverse import market_of, maximum_bid, opening_of, price_of, terms_of
from engine.markets.sales.texts import bag_kg, price_text, value_text
from engine.state.sales.sale import Sale


class ReverseLotView(Struct, frozen=True, omit_defaults=False):
    """One lot that is asked for. What is UNSET by default stands in an account's own view alone."""

    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    group: int
    least_bags: int  # 0: bought whole
    opening: str
    ceiling: str | None  # most that the buyer pays; None: there is none, or it is not shown
    price: str | None  # None: no bid yet
    maximum_bid: str | None  # highest minimum of who gets nothing; None when the lot takes no bids
    bids: int
    state: str  # open, bought, not_bought
    bought_bags: int
    value: str | None  # of what was bought
    clock_due_ns: int | None
    you_lead: bool | UnsetType = UNSET
    your_minimum: str | UnsetType | None = UNSET
    your_bags: int | UnsetType = UNSET  # that would be bought of it now, or were
    you_buy: bool | UnsetType = UNSET
    you_won: bool | UnsetType = UNSET
    your_ceiling: str | UnsetType | None = UNSET  # its buyer's to see


class ReverseView(Struct, frozen=True):
    opening: str
    decrements: tuple[StepView, ...]
    clock_ns: int
    scope: str
    open_bids: bool
    premium: bool
    ends_ns: int  # without overtime
    stop_ns: int
    lots: tuple[ReverseLotView, ...]


class OperatorLot(Struct, frozen=True):
    """No minimum: that is its bidder's alone."""

    lot: int
    ceiling: str | None
    leader: int  # 0: none
    shares: dict[int, int]  # bags by account
    bids: tuple[tuple[int, int], ...]  # (sequence, account) of those that stand, as DECIDE_BID names them


class OperatorView(Struct, frozen=True):
    lots: tuple[OperatorLot, ...]


def public_view(sale: Sale) -> ReverseView:
    """What everyone may see: prices and counts, no account, no minimum."""
    return _view(sale, tuple(ReverseLotView(**_lot(sale, n)) for n in _numbers(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> ReverseView:
    """The public view and the account's own place in each lot."""
    return _view(sale, tuple(_own_lot(sale, number, account) for number in _numbers(sale)))


def operator_view(sale: Sale) -> OperatorView:
    """Who leads; ceilings, no minima."""
    if sale.market is None:
        return OperatorView(tuple(OperatorLot(n, _ceiling(sale, n), 0, {}, ()) for n in _numbers(sale)))
    return OperatorView(
        tuple(
            OperatorLot(
                number,
                _ceiling(sale, number),
                lot.leader,
                {account: one.filled for account, one in sorted(lot.standing.items()) if one.filled},
                tuple((one.seq, one.account) for one in lot.placed),
            )
            for number, lot in enumerate(market_of(sale).lots, 1)
        )
    )


def _numbers(sale: Sale) -> range:
    return range(1, len(sale.terms.lots) + 1)


def _ceiling(sale: Sale, number: int) -> str | None:
    reserve = sale.terms.lots[number - 1].reserve
    return price_text(sale, reserve) if reserve else None


def _view(sale: Sale, lots: tuple[ReverseLotView, ...]) -> ReverseView:
    terms = terms_of(sale)
    return ReverseView(
        opening=price_text(sale, terms.opening),
        decrements=tuple(
            StepView(price_text(sale, row.start), price_text(sale, row.increment)) for row in terms.decrements
        ),
        clock_ns=terms.clock_ns,
        scope=terms.scope,
        open_bids=terms.open_bids,
        premium=terms.premium,
        ends_ns=terms.ends_ns + sale.delay_ns,
        stop_ns=terms.stop_ns if sale.market is None else market_of(sale).stop_ns,
        lots=lots,
    )


def _due_ns(sale: Sale, number: int) -> int | None:
    scope = terms_of(sale).scope
    key = 0 if scope == "all" else number if scope == "lot" else sale.terms.lots[number - 1].group
    return market_of(sale).clocks[key].due_ns or None


def _lot(sale: Sale, number: int) -> dict[str, object]:
    plan, price = sale.terms.lots[number - 1], price_of(sale, number)
    lot = None if sale.market is None else market_of(sale).lots[number - 1]
    closed = sale.stage >= SaleStage.FINISHED or (lot is not None and lot.closed)
    bought, next_bid = 0 if lot is None else lot.sold_bags, maximum_bid(sale, number)
    lowest = 0 if terms_of(sale).premium else 1
    return {
        "lot": number,
        "title": plan.title,
        "bags": plan.bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "group": plan.group,
        "least_bags": plan.least_bags,
        "opening": price_text(sale, opening_of(terms_of(sale), plan)),
        "ceiling": _ceiling(sale, number) if plan.reserve_shown else None,
        "price": None if price is None else price_text(sale, price),
        "maximum_bid": None if closed or next_bid < lowest else price_text(sale, next_bid),
        "bids": 0 if lot is None else lot.bids,
        "state": "open" if not closed else "bought" if bought else "not_bought",
        "bought_bags": bought,
        "value": value_text(sale, sale.grams(number, bought), price) if bought and price is not None else None,
        "clock_due_ns": None if closed or lot is None else _due_ns(sale, number),
    }


def _own_lot(sale: Sale, number: int, account: int) -> ReverseLotView:
    plan = sale.terms.lots[number - 1]
    lot = None if sale.market is None else market_of(sale).lots[number - 1]
    one = None if lot is None else lot.standing.get(account)
    buys, leads = plan.seller == account, one is not None and one.filled > 0
    return ReverseLotView(
        **_lot(sale, number),  # type: ignore[arg-type]
        you_lead=leads,
        your_minimum=None if one is None else price_text(sale, mirrored(one.maximum)),
        your_bags=0 if one is None else one.filled,
        you_buy=buys,
        you_won=leads and lot is not None and lot.closed and lot.sold_bags > 0,
        your_ceiling=_ceiling(sale, number) if buys else None,
    )
