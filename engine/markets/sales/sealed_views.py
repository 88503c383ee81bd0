"""A sale by sealed bids as it may be shown. Until the lots are sold nothing of any bid is public, not even a count.

All are built from named fields, never by leaving secrets out of a copy. Prices are decimal text in the sale's unit.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from engine.codes import Reason, SaleStage, SaleState, name_of
from engine.markets.sales.sealed import market_of, terms_of
from engine.markets.sales.texts import bag_kg, price_text, value_text
from engine.state.sales.sale import Sale
from engine.state.sales.sealed import Envelope, SealedState


class ResultView(Struct, frozen=True):
    """Bags of a lot that were sold together, as the opening of bids had it."""

    price: str
    bags: int
    value: str  # in the currency


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
    state: str  # open, sold, passed_in
    sold_bags: int
    results: tuple[ResultView, ...]
    you_sell: bool | UnsetType = UNSET
    you_won_bags: int | UnsetType = UNSET
    your_reserve: str | UnsetType | None = UNSET  # its seller's to see


class StepView(Struct, frozen=True):
    lot: int
    price: str
    bags: int


class OwnBid(Struct, frozen=True):
    """A bid of the account's. The venue knows what is in it from the opening on."""

    bid: int  # sequence of its command, as keys name it
    lot: int  # 0: any
    commitment: str  # hexadecimal; "": bids have been opened
    opened: bool
    steps: tuple[StepView, ...]
    void: str | None  # reason; None: it counts


class SealedView(Struct, frozen=True):
    payment: str
    opening: str
    step: str
    bag_step: int
    without_key: str
    phase: str  # planned, bids, keys, over
    closes_ns: int
    keys_due_ns: int | None  # None: keys are not waited for
    lots: tuple[LotView, ...]
    your_bids: tuple[OwnBid, ...] | UnsetType = UNSET


class OperatorBid(Struct, frozen=True):
    """A bid once bids are closed: whose key is there, what is void. What it says is in the log alone."""

    bid: int
    account: int
    lot: int
    commitment: str
    opened: bool
    void: str | None


class OperatorLot(Struct, frozen=True):
    lot: int
    reserve: str | None


class OperatorView(Struct, frozen=True):
    """Before the closing time an operator sees no more of the bids than anyone."""

    lots: tuple[OperatorLot, ...]
    bids: tuple[OperatorBid, ...]


def public_view(sale: Sale) -> SealedView:
    return SealedView(**_head(sale), lots=tuple(LotView(**_lot(sale, n)) for n in _numbers(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> SealedView:
    """The public view, the account's own bids, and the reserves of the lots that it sells."""
    market = None if sale.market is None else market_of(sale)
    own = (
        ()
        if market is None
        else sorted((one for one in market.bids.values() if one.account == account), key=lambda one: one.seq)
    )
    return SealedView(
        **_head(sale),  # type: ignore[arg-type]
        lots=tuple(_own_lot(sale, number, account) for number in _numbers(sale)),
        your_bids=tuple(_own_bid(sale, one) for one in own),
    )


def operator_view(sale: Sale) -> OperatorView:
    lots = tuple(OperatorLot(number, _reserve(sale, number)) for number in _numbers(sale))
    if sale.market is None or not market_of(sale).closed:
        return OperatorView(lots, ())
    bids = sorted(market_of(sale).bids.values(), key=lambda one: one.seq)
    return OperatorView(
        lots,
        tuple(
            OperatorBid(one.seq, one.account, one.lot, one.commitment.hex(), one.steps is not None, _void(one))
            for one in bids
        ),
    )


def _numbers(sale: Sale) -> range:
    return range(1, len(sale.terms.lots) + 1)


def _head(sale: Sale) -> dict[str, object]:
    terms = terms_of(sale)
    market = None if sale.market is None else market_of(sale)
    return {
        "payment": str(terms.payment),
        "opening": price_text(sale, terms.opening),
        "step": price_text(sale, terms.step),
        "bag_step": terms.bag_step,
        "without_key": terms.without_key,
        "phase": _phase(sale, market),
        "closes_ns": terms.closes_ns + sale.delay_ns if market is None else market.closes_ns,
        "keys_due_ns": (market.keys_due_ns or None) if market is not None else None,
    }


def _phase(sale: Sale, market: SealedState | None) -> str:
    if sale.stage >= SaleStage.FINISHED:
        return "over"
    if market is None:
        return "planned"
    return "keys" if market.closed else "bids"


def _reserve(sale: Sale, number: int) -> str | None:
    reserve = sale.terms.lots[number - 1].reserve
    return price_text(sale, reserve) if reserve else None


def _lot(sale: Sale, number: int) -> dict[str, object]:
    plan = sale.terms.lots[number - 1]
    parts = [] if sale.market is None else market_of(sale).lots[number - 1].parts
    over = sale.state == SaleState.FINISHED
    return {
        "lot": number,
        "title": plan.title,
        "bags": plan.bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "group": plan.group,
        "least_bags": plan.least_bags,
        "opening": price_text(sale, plan.opening or terms_of(sale).opening),
        "reserve": _reserve(sale, number) if plan.reserve_shown else None,
        "state": "open" if not over else "sold" if parts else "passed_in",
        "sold_bags": sum(part.bags for part in parts),
        "results": tuple(
            ResultView(
                price_text(sale, part.price), part.bags, value_text(sale, sale.grams(number, part.bags), part.price)
            )
            for part in parts
        ),
    }


def _own_lot(sale: Sale, number: int, account: int) -> LotView:
    sells = sale.terms.lots[number - 1].seller == account
    parts = [] if sale.market is None else market_of(sale).lots[number - 1].parts
    return LotView(
        **_lot(sale, number),  # type: ignore[arg-type]
        you_sell=sells,
        you_won_bags=sum(part.bags for part in parts if part.account == account),
        your_reserve=_reserve(sale, number) if sells else None,
    )


def _own_bid(sale: Sale, one: Envelope) -> OwnBid:
    return OwnBid(
        bid=one.seq,
        lot=one.lot,
        commitment=one.commitment.hex(),
        opened=one.steps is not None,
        steps=tuple(StepView(step.lot, price_text(sale, step.price), step.bags) for step in one.steps or ()),
        void=_void(one),
    )


def _void(one: Envelope) -> str | None:
    return name_of(Reason, one.void) if one.void else None
