"""An English sale as it may be shown: to everyone, to one account beside that, to the operator.

All are built from named fields, never by leaving secrets out of a copy. Prices are decimal text in the sale's unit.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage, SaleState
from engine.markets.sales.english import market_of, minimum_bid, opening_of, terms_of
from engine.markets.sales.texts import bag_kg, price_text, value_text
from engine.state.sales.sale import Sale


class StepView(Struct, frozen=True):
    start: str
    increment: str


class LotView(Struct, frozen=True, omit_defaults=False):
    """One auction lot. What is UNSET by default stands in an account's own view alone."""

    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    group: int
    least_bags: int  # 0: sold whole
    opening: str
    reserve: str | None  # None: there is none, or it is not shown
    price: str | None  # None: no bid yet
    minimum_bid: str | None  # lowest maximum of who gets nothing; None when the lot takes no bids
    bids: int
    state: str  # open, sold, passed_in
    sold_bags: int
    value: str | None  # of what was sold of it, in the currency
    clock_due_ns: int | None  # of its own or its group's clock; None: it does not run, or all lots share one
    you_lead: bool | UnsetType = UNSET
    your_maximum: str | UnsetType | None = UNSET
    your_bags: int | UnsetType = UNSET  # that would be its own now, or are
    you_sell: bool | UnsetType = UNSET
    you_won: bool | UnsetType = UNSET
    your_reserve: str | UnsetType | None = UNSET  # its seller's to see


class EnglishView(Struct, frozen=True):
    style: str
    scope: str
    opening: str
    increment: str  # of the first row
    increments: tuple[StepView, ...]
    clock_ns: int
    open_until_ns: int
    ends_ns: int
    stop_ns: int
    clock_due_ns: int | None  # the next of all clocks; None: none runs
    normal_bids: bool
    lots: tuple[LotView, ...]


class OperatorLot(Struct, frozen=True):
    """No maximum: that is its bidder's alone."""

    lot: int
    reserve: str | None
    leader: int  # 0: none
    shares: dict[int, int]  # bags by account, of a divided lot
    bids: tuple[tuple[int, int], ...]  # (sequence, account) of those that stand, as DECIDE_BID names them


class OperatorView(Struct, frozen=True):
    lots: tuple[OperatorLot, ...]
    waiting: tuple[tuple[int, int, int, int], ...]  # (sequence, account, lot, bags) of bids that wait


def public_view(sale: Sale) -> EnglishView:
    """What everyone may see: prices and counts, no account, no maximum."""
    return _view(sale, tuple(LotView(**_lot(sale, n)) for n in _numbers(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> EnglishView:
    """The public view and the account's own place in each lot."""
    return _view(sale, tuple(own_lot_view(sale, n, account) for n in _numbers(sale)))


def operator_view(sale: Sale) -> OperatorView:
    """Who leads, what waits; reserves, no maxima."""
    if sale.market is None:
        return OperatorView(tuple(OperatorLot(n, _reserve(sale, n), 0, {}, ()) for n in _numbers(sale)), ())
    market = market_of(sale)
    lots = tuple(
        OperatorLot(
            number,
            _reserve(sale, number),
            lot.leader,
            {account: lot.standing[account].filled for account in sorted(lot.standing) if lot.standing[account].filled},
            tuple((one.seq, one.account) for one in lot.placed),
        )
        for number, lot in enumerate(market.lots, 1)
    )
    return OperatorView(lots, tuple((one.seq, one.account, one.lot, one.bags) for one in market.waiting))


def _numbers(sale: Sale) -> range:
    return range(1, len(sale.terms.lots) + 1)


def _view(sale: Sale, lots: tuple[LotView, ...]) -> EnglishView:
    terms = terms_of(sale)
    market = None if sale.market is None else market_of(sale)
    open_until_ns = terms.open_until_ns if market is None else market.open_until_ns
    stop_ns = terms.stop_ns if market is None or sale.stage != SaleStage.LIVE else market.stop_ns
    clocks = [] if market is None else [clock.due_ns for clock in market.clocks.values() if clock.due_ns]
    return EnglishView(
        style=terms.style,
        scope=terms.scope,
        opening=price_text(sale, terms.opening),
        increment=price_text(sale, terms.increments[0].increment),
        increments=tuple(
            StepView(price_text(sale, row.start), price_text(sale, row.increment)) for row in terms.increments
        ),
        clock_ns=terms.clock_ns,
        open_until_ns=open_until_ns,
        ends_ns=terms.ends_ns + sale.delay_ns if terms.ends_ns else 0,
        stop_ns=stop_ns,
        clock_due_ns=min(clocks, default=None),
        normal_bids=terms.normal_bids,
        lots=lots,
    )


def _reserve(sale: Sale, number: int) -> str | None:
    reserve = sale.terms.lots[number - 1].reserve
    return price_text(sale, reserve) if reserve else None


def _lot(sale: Sale, number: int) -> dict[str, object]:
    plan = sale.terms.lots[number - 1]
    lot = None if sale.market is None else market_of(sale).lots[number - 1]
    price = None if lot is None else lot.price
    sold = 0 if lot is None else lot.sold_bags
    closed = sale.state == SaleState.FINISHED if lot is None else lot.closed or sale.stage == SaleStage.VOID
    return {
        "lot": number,
        "title": plan.title,
        "bags": plan.bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "group": plan.group,
        "least_bags": plan.least_bags,
        "opening": price_text(sale, opening_of(terms_of(sale), plan)),
        "reserve": _reserve(sale, number) if plan.reserve_shown else None,
        "price": None if price is None else price_text(sale, price),
        "minimum_bid": None if closed else price_text(sale, minimum_bid(sale, number)),
        "bids": 0 if lot is None else lot.bids,
        "state": "open" if not closed else "sold" if sold else "passed_in",
        "sold_bags": sold,
        "value": value_text(sale, sale.grams(number, sold), price) if sold and price is not None else None,
        "clock_due_ns": _due_ns(sale, number),
    }


def _due_ns(sale: Sale, number: int) -> int | None:
    if sale.market is None or market_of(sale).lots[number - 1].closed:
        return None
    scope = terms_of(sale).scope
    if scope == "all":
        return None
    key = number if scope == "lot" else sale.terms.lots[number - 1].group
    clock = market_of(sale).clocks.get(key)
    return clock.due_ns or None if clock is not None else None


def own_lot_view(sale: Sale, number: int, account: int) -> LotView:
    """One lot, with the account's own place in it."""
    plan = sale.terms.lots[number - 1]
    lot = None if sale.market is None else market_of(sale).lots[number - 1]
    one = None if lot is None else lot.standing.get(account)
    sells, leads = plan.seller == account, one is not None and one.filled > 0
    return LotView(
        **_lot(sale, number),  # type: ignore[arg-type]
        you_lead=leads,
        your_maximum=None if one is None else price_text(sale, one.maximum),
        your_bags=0 if one is None else one.filled,
        you_sell=sells,
        you_won=leads and lot is not None and lot.closed and lot.sold_bags > 0,
        your_reserve=_reserve(sale, number) if sells else None,
    )
