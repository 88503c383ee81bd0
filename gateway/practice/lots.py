"""Lots to practise on: graded lots that ship with Qhatu, those of a CSV file, or of a sale that a venue held.

Nothing that was secret there comes along: no reserve, no bid, no name. Sellers are one practice account.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from engine.codes import SaleStage
from engine.domain.auction_lots import AuctionLot
from engine.markets.catalogue import shown
from engine.state.catalogue import Described
from engine.state.venue import Venue
from gateway import lot_csv

PACKAGED = Path(__file__).parent.parent / "data" / "coffee_lots_cqi.csv"
SCORE_UNKNOWN = Fraction(82)  # median of the graded lots


class PracticeLot(NamedTuple):
    """`score`: cup points, for what rivals think that it is worth."""

    title: str
    bags: int
    bag_grams: int
    score: Fraction
    attributes: dict[str, str]


class NoLots(ValueError):
    """There is nothing to practise on there; the message says why."""


def lots_of(source: str, sale: int, count: int, now_ns: int) -> tuple[str, list[PracticeLot]]:
    """(title, lots) of sale number `sale`. `source`: "demo", a CSV file, or a venue's data directory, where `sale` is
    its number there (0: its newest finished one). Raises NoLots, lot_csv.BadFile, and what reading a log raises."""
    path = PACKAGED if source == "demo" else Path(source)
    if path.is_dir():
        return _of_venue(path, sale, count)
    if not path.is_file():
        raise NoLots(f"{source} is neither 'demo' nor a file nor a data directory")
    sheet = lot_csv.read(path.read_bytes(), seller=1, now_ns=now_ns)
    good = [(row.number, row.lot) for row in sheet.rows if row.lot is not None and row.status != "error"]
    ranked = sorted(good, key=lambda one: (-one[1].grading.score, one[0]))
    chosen = ranked[max(sale - 1, 0) * count :][:count]
    if not chosen:
        raise NoLots(f"{path} has {len(ranked)} sound lots: there is no sale {sale} of {count}")
    return f"Practice on {path.stem}, sale {max(sale, 1)}", [_described(number, lot) for number, lot in chosen]


def _of_venue(data: Path, sale: int, count: int) -> tuple[str, list[PracticeLot]]:
    from gateway.replaying import rebuild

    return of_venue(rebuild(data).machine.venue, sale, count)


def of_venue(venue: Venue, sale: int, count: int) -> tuple[str, list[PracticeLot]]:
    """The first `count` lots of a sale that is over. Raises NoLots."""
    past = [number for number, one in venue.sales.items() if one.stage == SaleStage.FINISHED]
    number = sale or max(past, default=0)
    if number not in past:
        raise NoLots(f"there is no finished sale {number}; there are {', '.join(map(str, sorted(past))) or 'none'}")
    terms = venue.sales[number].terms
    lots = [
        PracticeLot(lot.title, lot.bags, lot.bag_grams, _score(lot.attributes.get("score", "")), dict(lot.attributes))
        for lot in terms.lots[:count]
    ]
    return f"Practice: {terms.title}"[:256], lots


def _described(number: int, lot: AuctionLot) -> PracticeLot:
    score = Fraction(lot.grading.score, 100) or SCORE_UNKNOWN
    place = f"{lot.region.title()}, {lot.country}" if lot.region else lot.country
    title = lot.title or f"{place}: {lot.process or 'process not stated'}, {float(score):.2f} points"
    return PracticeLot(title, lot.bags, lot.bag_grams, score, shown(Described(number, 1, 1, lot)))


def _score(text: str) -> Fraction:
    try:
        score = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return SCORE_UNKNOWN
    return score if 0 < score <= 100 else SCORE_UNKNOWN
