"""A clock with quantities as it may be shown: to everyone, to one account beside that, to the operator."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage
from engine.markets.sales.clock import market_of, shown_demand, terms_of
from engine.markets.sales.texts import bag_kg, price_text, value_text
from engine.state.sales.clock import ClockProduct
from engine.state.sales.sale import Sale


class RiseView(Struct, frozen=True):
    excess_bps: int
    increment: str


class LimitView(Struct, frozen=True):
    price: str
    bags: int


class ProductView(Struct, frozen=True, omit_defaults=False):
    """One product. What is UNSET by default stands in an account's own view alone."""

    lot: int
    title: str
    bags: int  # the seller's greatest supply
    least_bags: int  # and its least
    bag_kg: str
    attributes: dict[str, str]
    group: int  # bags may move within it; 0: they stay
    price: str
    demand: int | None  # after the last round, as far as the terms show it: bags, or bags of excess
    state: str  # open, decided, sold, passed_in
    sold_bags: int
    value: str | None
    your_bags: int | UnsetType = UNSET  # of the last round that is over, in the end what was bought
    your_word: int | UnsetType | None = UNSET  # in the round that runs; None: nothing was said
    your_proxy: tuple[LimitView, ...] | UnsetType = UNSET
    you_sell: bool | UnsetType = UNSET


class ClockView(Struct, frozen=True):
    round: int
    round_due_ns: int | None  # None: none runs
    rounds_max: int
    round_ns: int
    step_bags: int
    absent: str
    show_demand: str
    ration: str
    rises: tuple[RiseView, ...]
    lots: tuple[ProductView, ...]


class ClockBidderView(Struct, frozen=True):
    account: int
    bags: tuple[int, ...]  # of the last round that is over
    word: int  # sequence of its word in the round that runs, as DECIDE_BID names it; 0: none


class OperatorView(Struct, frozen=True):
    """Quantities of rounds that are over, and who has spoken in this one; no proxy instruction."""

    demand: tuple[int, ...]
    bidders: tuple[ClockBidderView, ...]


def public_view(sale: Sale) -> ClockView:
    """Prices, and of the demand what the terms show."""
    return _view(sale, tuple(ProductView(**_product(sale, at)) for at in _places(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> ClockView:
    """The public view and the account's own quantities."""
    return _view(sale, tuple(_own_product(sale, at, account) for at in _places(sale)))


def operator_view(sale: Sale) -> OperatorView:
    if sale.market is None:
        return OperatorView(tuple(0 for _ in _places(sale)), ())
    market = market_of(sale)
    bidders = tuple(
        ClockBidderView(account, tuple(one.bags), one.said.seq if one.said else 0)
        for account, one in sorted(market.bidders.items())
    )
    return OperatorView(tuple(product.demand for product in market.products), bidders)


def _places(sale: Sale) -> range:
    return range(len(sale.terms.lots))


def _view(sale: Sale, lots: tuple[ProductView, ...]) -> ClockView:
    terms = terms_of(sale)
    market = None if sale.market is None else market_of(sale)
    return ClockView(
        round=0 if market is None else market.round,
        round_due_ns=None if market is None else market.round_due_ns or None,
        rounds_max=terms.rounds_max,
        round_ns=terms.round_ns,
        step_bags=terms.step_bags,
        absent=terms.absent,
        show_demand=terms.show_demand,
        ration=terms.ration,
        rises=tuple(RiseView(row.excess_bps, price_text(sale, row.increment)) for row in terms.rises),
        lots=lots,
    )


def _product(sale: Sale, at: int) -> dict[str, object]:
    plan, terms = sale.terms.lots[at], terms_of(sale).products[at]
    product = ClockProduct(terms.start) if sale.market is None else market_of(sale).products[at]
    over = sale.stage >= SaleStage.FINISHED
    sold = product.sold_bags if sale.stage == SaleStage.FINISHED else 0
    return {
        "lot": at + 1,
        "title": plan.title,
        "bags": plan.bags,
        "least_bags": terms.least_bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "group": terms.group,
        "price": price_text(sale, product.price),
        "demand": None if sale.market is None else shown_demand(sale, at),
        "state": ("sold" if sold else "passed_in") if over else "decided" if product.decided else "open",
        "sold_bags": sold,
        "value": value_text(sale, sale.grams(at + 1, sold), product.price) if sold else None,
    }


def _own_product(sale: Sale, at: int, account: int) -> ProductView:
    bidder = None if sale.market is None else market_of(sale).bidders.get(account)
    rows = () if bidder is None or bidder.proxy is None else bidder.proxy.limits[at]
    return ProductView(
        **_product(sale, at),  # type: ignore[arg-type]
        your_bags=0 if bidder is None else bidder.bags[at],
        your_word=None if bidder is None or bidder.said is None else bidder.said.bags[at],
        your_proxy=tuple(LimitView(price_text(sale, row.price), row.bags) for row in rows),
        you_sell=sale.terms.lots[at].seller == account,
    )
