"""Seasons: versions, and what a sale must be to belong to one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine import limits
from engine.codes import EventKind, Reason
from engine.domain.auction_lots import AuctionLot
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.sales.commands import DescribeLot
from engine.messages.sales.seasons import DefineSeason
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages
from engine.oracle.books import Books
from tests.recorder import SECOND_NS, Recorder, auction_sale, kinds, open_venue, refusal

SEASON = DefineSeason(
    4, 1, "Cajamarca 2023", ("coffee_green",), "2023-11-14", "2023-11-20", (1, 2), "2024-01-01", "2024-03-31"
)
LOT = AuctionLot(product="coffee_green", country="PE", crop_year="2023", bags=10, bag_grams=30_000)
DAY_S = 24 * 3600


@pytest.fixture
def recorder() -> Recorder:
    """At 14 November 2023."""
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(SEASON)
    return recorder


def sale_of(recorder: Recorder, *, live_s: int = 60, **change: Any) -> SaleTerms:
    terms = auction_sale(
        recorder.ts_ns, stages=Stages(live_ns=recorder.ts_ns + live_s * SECOND_NS), open_for_s=30 * DAY_S
    )
    return replace(terms, **({"season": 4, "lots": (SaleLot(1, "", 10, 30_000, number=1),)} | change))


def test_a_season_is_defined_version_by_version(recorder: Recorder) -> None:
    assert refusal(recorder.do(SEASON)) == Reason.ALREADY_EXISTS
    assert refusal(recorder.do(replace(SEASON, version=3))) == Reason.VERSION_STALE
    assert refusal(recorder.do(replace(SEASON, season=5, version=2))) == Reason.VERSION_STALE
    told = recorder.do(replace(SEASON, version=2, title="Cajamarca"))
    assert kinds(told) == [EventKind.SEASON_DEFINED] and (told[0]["order"], told[0]["qty"]) == (4, 2)
    assert recorder.machine.venue.seasons[4].title == "Cajamarca"
    recorder.restart(Books)
    assert recorder.machine.venue.seasons[4].version == 2
    assert recorder.replayed(Books)[0].state_hash() == recorder.machine.state_hash()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"products": ("gold",)}, Reason.BODY_INVALID),
        ({"first": "2023-11-31"}, Reason.BODY_INVALID),
        ({"first": ""}, Reason.BODY_INVALID),
        ({"last": "2023-11-13"}, Reason.BODY_INVALID),
        ({"shipment_to": ""}, Reason.BODY_INVALID),
        ({"shipment_from": "2024-04-01"}, Reason.BODY_INVALID),
        ({"instruments": (1, 9)}, Reason.INSTRUMENT_UNKNOWN),
        ({"instruments": (1,) * (limits.SEASON_INSTRUMENTS_MAX + 1)}, Reason.BODY_INVALID),
        ({"season": limits.SEASONS_MAX + 1}, Reason.BODY_INVALID),
    ],
)
def test_what_is_no_season_is_refused(recorder: Recorder, change: dict[str, Any], reason: Reason) -> None:
    assert refusal(recorder.do(replace(SEASON, **({"season": 5} | change)))) == reason
    assert set(recorder.machine.venue.seasons) == {4}


@pytest.mark.parametrize(
    ("lot", "sale", "reason"),
    [
        ({}, {}, Reason.NONE),
        ({}, {"season": 5}, Reason.SEASON_UNKNOWN),
        ({}, {"live_s": 7 * DAY_S}, Reason.SEASON_PERIOD),
        ({"product": "quinoa"}, {}, Reason.SEASON_PRODUCT),
        ({"shipment_from": "2024-01-01", "shipment_to": "2024-03-31"}, {}, Reason.NONE),
        ({"shipment_from": "2023-12-31", "shipment_to": "2024-03-31"}, {}, Reason.SEASON_PERIOD),
        ({"shipment_from": "2024-01-01", "shipment_to": "2024-04-01"}, {}, Reason.SEASON_PERIOD),
        ({}, {"lots": (SaleLot(1, "from here alone", 10, 30_000),)}, Reason.NONE),
    ],
)
def test_a_sale_of_the_season(recorder: Recorder, lot: dict[str, Any], sale: dict[str, Any], reason: Reason) -> None:
    recorder.do(DescribeLot(1, 1, 1, replace(LOT, **lot)))
    events = recorder.do(sale_of(recorder, **sale))
    if reason == Reason.NONE:
        assert kinds(events) == [EventKind.SALE_PLANNED]
    else:
        assert refusal(events) == reason


def test_a_sale_that_opens_at_once_is_in_the_season_of_today(recorder: Recorder) -> None:
    recorder.do(DescribeLot(1, 1, 1, LOT))
    recorder.do(bodies.Time(), after_s=7 * DAY_S)
    assert refusal(recorder.do(replace(sale_of(recorder), stages=Stages()))) == Reason.SEASON_PERIOD
