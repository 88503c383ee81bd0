"""Scenes of sales in the golden venue: what a release that applies generation 4 must come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine.codes import EventKind, Reason
from engine.domain.auction_lots import AuctionLot
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.english import Step
from engine.messages.sales.terms import SaleLot, Stages
from tests.recorder import SECOND_NS, auction_sale, bid_of

if TYPE_CHECKING:
    from tools.make_golden import Writer

AGREEMENT = b"the agreement of the co-ops, 32b."[:32]


def kinds(events: np.ndarray) -> set[int]:
    return set(events["kind"].tolist())


def under_way(writer: Writer) -> None:
    """Planned, with pre-bids, timed with overtime, divided, with a reserve, for approval; one void, one ended."""
    now_ns = writer.ts_ns
    lots = (
        SaleLot(15, "with a reserve", 20, 60_000, {"score": "88"}, reserve=700, group=1),
        SaleLot(15, "divided", 40, 60_000, opening=500, least_bags=5, group=2),
    )
    table = (Step(0, 10), Step(600, 20))
    later = Stages(now_ns + 3_600 * SECOND_NS, 0, now_ns + 7_200 * SECOND_NS, now_ns + 10**6 * SECOND_NS)
    timed = {
        "style": "timed", "open_until_ns": 0, "ends_ns": now_ns + 2 * 10**6 * SECOND_NS, "clock_ns": 60 * SECOND_NS
    }  # fmt: skip
    coffee = AuctionLot(
        product="coffee_green", country="PE", region="Jaén", crop_year="2023", bags=20, bag_grams=60_000
    )
    described = (replace(lots[0], title="", number=31), lots[1])
    year = ("2023-01-01", "2024-12-31")
    told = writer.do(
        *(bodies.DefineSeason(n, 1, f"season {n}", ("coffee_green",), *year, (1,)) for n in (3, 4)),
        bodies.DefineSeason(4, 2, "season four", ("coffee_green", "quinoa"), *year),
        bodies.DescribeLot(31, 1, 15, coffee),
        bodies.DescribeLot(31, 2, 15, replace(coffee, title="Finca de Jaén")),
        bodies.DescribeLot(32, 1, 15, replace(coffee, bags=9)),
        auction_sale(now_ns, 4, plan=lots, increments=table, stages=later, season=3, **timed),
        auction_sale(now_ns, 4, plan=described, increments=table, stages=later, season=4, version=2, **timed),
        auction_sale(
            now_ns, 5, plan=lots, increments=table, scope="group", registration="admission", agreement=AGREEMENT,
            open_for_s=10**6, stop_ns=now_ns + 2 * 10**6 * SECOND_NS,
        ),
        auction_sale(now_ns, 6, approve_bids=True, normal_bids=True, open_for_s=10**6),
        auction_sale(now_ns, 7, open_for_s=10**6),
        auction_sale(now_ns, 8, open_for_s=10**6),
    )  # fmt: skip
    assert {EventKind.LOT_DESCRIBED, EventKind.SEASON_DEFINED} <= kinds(told) and EventKind.REJECTED not in kinds(told)
    bidders = (11, 12, 13)
    writer.do(*(cold(bodies.Register(5, AGREEMENT), account=one) for one in bidders))
    writer.do(*(bodies.Admit(5, one, one != 13, 10**9 * (one == 12)) for one in bidders))
    told = writer.do(
        bid_of(11, 1, 720, sale=5),
        bid_of(12, 1, 600, sale=5),
        bid_of(11, 2, 560, sale=5, bags=30),
        bid_of(12, 2, 600, sale=5, bags=15, least_bags=10),
        bid_of(13, 2, 600, sale=5),
        bid_of(11, 1, 450, sale=6),
        bid_of(12, 1, 500, sale=6, normal=True),
        bid_of(13, 1, 520, sale=6),
        bid_of(14, 1, 520, sale=7),
        bid_of(14, 1, 520, sale=8),
    )
    assert {EventKind.LOT_OUTBID, EventKind.CLOCK, EventKind.BID_WAITS} <= kinds(told)
    assert Reason.NOT_ADMITTED in set(told["reason"].tolist())
    waiting = told["counter_order"][told["kind"] == EventKind.BID_WAITS].tolist()
    told = writer.do(
        bodies.DecideBid(6, waiting[0], True),
        bodies.DecideBid(6, waiting[1], False, "not a member"),
        bodies.DecideBid(6, waiting[0], False, "a slip of the finger"),
        bodies.VoidSale(7, "the wrong lots"),
        bodies.EndSale(8, "early"),
    )
    assert {EventKind.BID_VOIDED, EventKind.LOT_CHANGED, EventKind.SALE_VOIDED, EventKind.LOT_SOLD} <= kinds(told)
