"""The catalogue of auction lots: who describes, in which order, what a sale takes of it, and that it then stands."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine import limits
from engine.codes import EventKind, Reason, SaleStage
from engine.domain.auction_lots import AuctionLot, Certificate, Grading
from engine.machine import Machine
from engine.markets import catalogue
from engine.messages import bodies
from engine.messages.sales.commands import DescribeLot, EndSale, VoidSale
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages
from engine.oracle.books import Books
from engine.state import books as kernel
from tests.recorder import SECOND_NS, T0_NS, Recorder, auction_sale, bid_of, kinds, open_venue, refusal

SELLER, OTHER, BIDDER = 1, 2, 3
DAY_S = 24 * 3600
LOT = AuctionLot(
    product="coffee_green", title="Alto Valle", country="PE", region="Cajamarca", cooperative="Coop Alto Valle",
    crop_year="2023", variety="Caturra", process="washed", bags=10, bag_grams=30_000,
    grading=Grading(score=8_650, grader="Q 4711", graded="2023-10-01", moisture=1_120),
)  # fmt: skip
ON_SALE = SaleLot(SELLER, "", 10, 30_000, number=1)


@pytest.fixture
def recorder() -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    return recorder


def described(recorder: Recorder, number: int = 1, version: int = 1, seller: int = SELLER, **change: Any) -> Any:
    return recorder.do(DescribeLot(number, version, seller, replace(LOT, **change)), after_s=1)


def plan(recorder: Recorder, sale: int = 1, *lots: SaleLot, **more: Any) -> SaleTerms:
    stages = more.pop("stages", Stages(live_ns=recorder.ts_ns + 60 * SECOND_NS))
    terms = auction_sale(recorder.ts_ns, sale, open_for_s=7 * DAY_S, stages=stages, **more)
    return replace(terms, lots=lots or (ON_SALE,))


def entry(recorder: Recorder, number: int = 1) -> Any:
    return recorder.machine.venue.auction_lots[number]


def test_a_lot_is_described_version_by_version(recorder: Recorder) -> None:
    told = described(recorder)
    assert kinds(told) == [EventKind.LOT_DESCRIBED] and (told[0]["order"], told[0]["qty"]) == (1, 1)
    assert refusal(described(recorder)) == Reason.ALREADY_EXISTS
    assert refusal(described(recorder, version=3)) == Reason.VERSION_STALE
    assert refusal(described(recorder, number=2, version=2)) == Reason.VERSION_STALE
    described(recorder, version=2, region="Jaén")
    assert (entry(recorder).version, entry(recorder).lot.region) == (2, "Jaén")


def test_what_is_wrong_is_refused_and_changes_nothing(recorder: Recorder) -> None:
    assert refusal(described(recorder, bag_grams=13_800_000)) == Reason.LOT_INVALID
    assert refusal(described(recorder, crop_year="TEST")) == Reason.LOT_INVALID
    assert refusal(described(recorder, seller=77)) == Reason.ACCOUNT_UNKNOWN
    recorder.do(bodies.SetAccount(OTHER, frozen=True))
    assert refusal(described(recorder, seller=OTHER)) == Reason.ACCOUNT_FROZEN
    recorder.do(bodies.SetAccount(OTHER, frozen=False))
    assert not recorder.machine.venue.auction_lots
    described(recorder)
    assert refusal(described(recorder, version=2, seller=OTHER)) == Reason.NOT_OWNER


def test_the_catalogue_has_an_end(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.AUCTION_LOTS_MAX == catalogue.AUCTION_LOTS_MAX
    monkeypatch.setattr(catalogue, "AUCTION_LOTS_MAX", 2)
    described(recorder, 1)
    described(recorder, 2)
    assert refusal(described(recorder, 3)) == Reason.LIMIT_REACHED
    assert kinds(described(recorder, 2, 2)) == [EventKind.LOT_DESCRIBED]


def test_a_sale_shows_what_the_catalogue_says_and_the_opening_fixes_it(recorder: Recorder) -> None:
    described(recorder)
    recorder.do(plan(recorder))
    lot = recorder.machine.venue.sales[1].terms.lots[0]
    assert (lot.title, lot.attributes["origin"], lot.attributes["score"]) == ("Alto Valle", "PE, Cajamarca", "86.5")
    assert lot.attributes["weight"] == "300 kg" and lot.attributes["lot_version"] == "1"
    assert refusal(described(recorder, version=2, bags=11)) == Reason.LOT_IN_SALE
    described(recorder, version=2, process="natural")
    assert recorder.machine.venue.sales[1].terms.lots[0].attributes["process"] == "washed"
    recorder.do(bodies.Time(), after_s=61)
    sale = recorder.machine.venue.sales[1]
    assert sale.stage == SaleStage.LIVE and entry(recorder).fixed
    assert sale.terms.lots[0].attributes["process"] == "natural", "as it stands when it opens"
    assert refusal(described(recorder, version=3)) == Reason.LOT_FIXED


@pytest.mark.parametrize(
    ("lot", "reason"),
    [
        (replace(ON_SALE, number=9), Reason.LOT_NOT_DESCRIBED),
        (replace(ON_SALE, seller=OTHER), Reason.LOT_MISMATCH),
        (replace(ON_SALE, bags=9), Reason.LOT_MISMATCH),
        (replace(ON_SALE, bag_grams=30_001), Reason.LOT_MISMATCH),
    ],
)
def test_a_sale_has_the_catalogue_s_lot_or_none(recorder: Recorder, lot: SaleLot, reason: Reason) -> None:
    described(recorder)
    assert refusal(recorder.do(plan(recorder, 1, lot))) == reason
    assert entry(recorder).sale == 0 and 1 not in recorder.machine.venue.sales


def test_a_lot_is_in_one_sale_at_a_time(recorder: Recorder) -> None:
    described(recorder)
    assert refusal(recorder.do(plan(recorder, 1, ON_SALE, ON_SALE))) == Reason.LOT_IN_SALE
    terms = plan(recorder)
    recorder.do(terms)
    assert refusal(recorder.do(plan(recorder, 2))) == Reason.LOT_IN_SALE
    described(recorder, 2)
    recorder.do(replace(terms, version=2, lots=(replace(ON_SALE, number=2),)))
    assert (entry(recorder, 1).sale, entry(recorder, 2).sale) == (0, 1), "the new plan gave it back"
    recorder.do(plan(recorder, 2))
    recorder.do(VoidSale(2))
    assert kinds(recorder.do(plan(recorder, 3)))[0] == EventKind.SALE_PLANNED, "a void sale has nothing"


def test_what_was_passed_in_is_offered_again_and_what_was_sold_is_not(recorder: Recorder) -> None:
    described(recorder, 1)
    described(recorder, 2)
    recorder.do(plan(recorder, 1, ON_SALE, replace(ON_SALE, number=2), stages=Stages()))
    recorder.do(bid_of(BIDDER, 1, 500))
    recorder.do(EndSale(1))
    assert recorder.machine.venue.sales[1].stage == SaleStage.FINISHED
    assert refusal(recorder.do(plan(recorder, 2))) == Reason.LOT_IN_SALE
    recorder.do(plan(recorder, 2, replace(ON_SALE, number=2)))
    assert entry(recorder, 2).sale == 2
    assert refusal(described(recorder, 2, 2)) == Reason.LOT_FIXED


def test_a_certificate_that_ends_before_the_shipment_refuses_the_plan(recorder: Recorder) -> None:
    """T0 is 14 November 2023: the certificate holds when the lot is described, and no longer when it is planned."""
    organic = Certificate(
        scheme="organic_eu", number="PE-1", account=SELLER, products=("coffee_green",), valid_from="2023-01-01",
        valid_to="2023-11-20",
    )  # fmt: skip
    assert recorder.ts_ns == T0_NS
    described(recorder, certificates=(organic,), claims=("organic_eu",))
    recorder.do(bodies.Time(), after_s=7 * DAY_S)
    assert refusal(recorder.do(plan(recorder))) == Reason.LOT_INVALID
    described(recorder, version=2, certificates=(replace(organic, valid_to="2024-12-31"),), claims=("organic_eu",))
    recorder.do(plan(recorder))
    assert "organic_eu PE-1" in recorder.machine.venue.sales[1].terms.lots[0].attributes["certificates"]


def test_an_offer_that_is_no_longer_firm_refuses_the_plan(recorder: Recorder) -> None:
    described(recorder, firm_until_ns=recorder.ts_ns + 10 * SECOND_NS)
    recorder.do(bodies.Time(), after_s=60)
    assert refusal(recorder.do(plan(recorder))) == Reason.LOT_INVALID


def test_snapshots_and_replays_keep_the_catalogue(recorder: Recorder) -> None:
    for number in (3, 1, 2):
        described(recorder, number)
    recorder.do(plan(recorder, 1, *(replace(ON_SALE, number=number) for number in (2, 3))))
    recorder.restart(Books)
    recorder.do(bodies.Time(), after_s=61)
    assert [entry(recorder, number).fixed for number in (1, 2, 3)] == [False, True, True]
    for hot in (Books, kernel.Books):
        machine, _ = recorder.replayed(hot)
        assert machine.state_hash() == recorder.machine.state_hash()
        assert machine.event_digest == recorder.machine.event_digest
