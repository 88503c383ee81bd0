"""A sale by package bids as it may be shown: to everyone, to one account beside that, to the operator."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from engine.codes import SaleStage
from engine.markets.sales.packages import VENUE, market_of, terms_of
from engine.markets.sales.texts import bag_kg, price_text
from engine.messages.sales.packages import Package
from engine.state.sales.packages import PackagesState
from engine.state.sales.sale import Sale


class PackageLotView(Struct, frozen=True, omit_defaults=False):
    lot: int
    title: str
    bags: int
    bag_kg: str
    attributes: dict[str, str]
    opening: str
    reserve: str | None  # None: there is none, or it is not shown
    state: str  # open, sold, passed_in
    sold_bags: int
    you_sell: bool | UnsetType = UNSET
    your_reserve: str | UnsetType | None = UNSET  # its seller's to see


class PartView(Struct, frozen=True):
    lot: int
    bags: int


class PackageView(Struct, frozen=True):
    parts: tuple[PartView, ...]
    price: str


class SetView(Struct, frozen=True):
    set: int
    shared: bool
    packages: tuple[PackageView, ...]


class WonView(Struct, frozen=True):
    """A package that was won. The account stands in its own view and the operator's alone."""

    parts: tuple[PartView, ...]
    price: str  # as bid


class PackagesView(Struct, frozen=True):
    closes_ns: int
    until_ns: int
    step_bags: int
    payment: str
    fallback: str
    shared_sets: int
    digest: str  # of the frozen problem, hexadecimal; "": it is not frozen
    outcome: str  # proved, best, void; "": open
    solved_by: str  # once it is over: the venue itself, or the solver that proposed the allocation
    lots: tuple[PackageLotView, ...]
    your_sets: tuple[SetView, ...] | UnsetType = UNSET
    your_packages: tuple[WonView, ...] | UnsetType = UNSET


class OperatorView(Struct, frozen=True):
    """Before the close who has given how many sets, and no content."""

    sets: tuple[tuple[int, int, int], ...]  # (sequence, account, packages), as DECIDE_BID names them
    bids: int  # of the frozen problem
    proved: tuple[int, ...]  # accounts without which it is proved what the rest is worth; 0: the whole problem
    proposals: int


def public_view(sale: Sale) -> PackagesView:
    """Nothing of any bid before the close; after it what was sold."""
    return PackagesView(**_head(sale), lots=tuple(PackageLotView(**_lot(sale, at)) for at in _places(sale)))  # type: ignore[arg-type]


def account_view(sale: Sale, account: int) -> PackagesView:
    """The public view, the account's own sets, and what it has won."""
    lots = tuple(
        PackageLotView(
            **_lot(sale, at),  # type: ignore[arg-type]
            you_sell=sale.terms.lots[at].seller == account,
            your_reserve=_reserve(sale, at) if sale.terms.lots[at].seller == account else None,
        )
        for at in _places(sale)
    )
    if sale.market is None:
        return PackagesView(**_head(sale), lots=lots, your_sets=(), your_packages=())  # type: ignore[arg-type]
    market = market_of(sale)
    mine = ((False, market.sets.get(account, {})), (True, market.shared.get(account, {})))
    sets = tuple(
        SetView(number, shared, tuple(_package(sale, package) for package in held[number].packages))
        for shared, held in mine
        for number in sorted(held)
    )
    return PackagesView(**_head(sale), lots=lots, your_sets=sets, your_packages=_won(sale, account))  # type: ignore[arg-type]


def operator_view(sale: Sale) -> OperatorView:
    if sale.market is None:
        return OperatorView((), 0, (), 0)
    market = market_of(sale)
    sets = sorted(
        (one.seq, one.account, len(one.packages))
        for holder in (market.sets, market.shared)
        for held in holder.values()
        for one in held.values()
    )
    proved = tuple(account for account, proof in sorted(market.proofs.items()) if proof.proved)
    return OperatorView(tuple(sets), len(market.bids), proved, market.proposals)


def _places(sale: Sale) -> range:
    return range(len(sale.terms.lots))


def _head(sale: Sale) -> dict[str, object]:
    terms = terms_of(sale)
    market = PackagesState(terms.closes_ns, terms.until_ns) if sale.market is None else market_of(sale)
    over = bool(market.outcome)
    return {
        "closes_ns": market.closes_ns,
        "until_ns": market.until_ns,
        "step_bags": terms.step_bags,
        "payment": terms.payment,
        "fallback": terms.fallback,
        "shared_sets": terms.shared_sets,
        "digest": market.digest.hex(),
        "outcome": market.outcome,
        "solved_by": (market.proofs[0].by or VENUE) if over else "",
    }


def _reserve(sale: Sale, at: int) -> str | None:
    reserve = sale.terms.lots[at].reserve
    return price_text(sale, reserve) if reserve else None


def _lot(sale: Sale, at: int) -> dict[str, object]:
    plan = sale.terms.lots[at]
    sold = sale.sold.get(at + 1, 0)
    over = sale.stage >= SaleStage.FINISHED
    return {
        "lot": at + 1,
        "title": plan.title,
        "bags": plan.bags,
        "bag_kg": bag_kg(plan),
        "attributes": plan.attributes,
        "opening": price_text(sale, plan.opening or terms_of(sale).opening),
        "reserve": _reserve(sale, at) if plan.reserve_shown else None,
        "state": "open" if not over else "sold" if sold else "passed_in",
        "sold_bags": sold,
    }


def _package(sale: Sale, package: Package) -> PackageView:
    return PackageView(tuple(PartView(part.lot, part.bags) for part in package.parts), price_text(sale, package.price))


def _won(sale: Sale, account: int) -> tuple[WonView, ...]:
    market = market_of(sale)
    if market.outcome in ("", "void"):
        return ()
    mine = (market.bids[at] for at in market.proofs[0].chosen if market.bids[at].account == account)
    return tuple(
        WonView(tuple(PartView(lot + 1, bags) for lot, bags in one.uses), price_text(sale, one.price)) for one in mine
    )
