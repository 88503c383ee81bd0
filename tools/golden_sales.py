"""Scenes of sales in the golden venue: what a release that applies generation 4 must come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine.codes import AwardState, EventKind, Reason
from engine.domain.auction_lots import AuctionLot
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales import after
from engine.messages.sales.after import After
from engine.messages.sales.english import Step
from engine.messages.sales.sealed import Payment
from engine.messages.sales.terms import SaleLot, Stages
from engine.state.sales.sealed import SealedState
from tests.recorder import SECOND_NS, auction_sale, bid_of
from tests.sealed_sales import key_of, keys, sealed_bid, sealed_sale

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


def sealed_under_way(writer: Writer) -> None:
    """Sealed bids that stand, that wait for keys, and that were opened; awards in every state that lasts."""
    now_ns, day_ns = writer.ts_ns, 24 * 3_600 * SECOND_NS
    said = After(sample_ns=14 * day_ns, rejected="next_bidder", offer_ns=3 * day_ns)
    writer.do(
        sealed_sale(now_ns, Payment.UNIFORM, sale=20, bid_for_s=10**6),
        sealed_sale(now_ns, Payment.FIRST_PRICE, sale=21, lots=5, after=said),
        sealed_sale(now_ns, Payment.VICKREY, sale=22, keys_s=10**6),
    )
    writer.do(
        sealed_bid(11, (1, 500, 4), (1, 450, 6), sale=20),
        sealed_bid(12, (1, 480, 10), sale=20, lot=1),
        sealed_bid(12, (1, 470, 10), sale=20, lot=1, nonce=1),
        sealed_bid(11, *((lot, 500, 10) for lot in range(1, 6)), sale=21),
        sealed_bid(12, *((lot, 470, 10) for lot in range(1, 6)), sale=21),
        sealed_bid(11, (1, 500, 10), sale=22),
        sealed_bid(12, (1, 505, 10), (2, 500, 10), sale=22),
    )
    writer.do(bodies.EndSale(21, "early"), bodies.EndSale(22, "early"))
    found = {}
    for sale in (21, 22):
        market = writer.kernel.machine.venue.sales[sale].market
        assert isinstance(market, SealedState)
        found[sale] = {one.account: one.seq for one in market.bids.values()}
    told = writer.do(
        keys(*((seq, key_of(account)) for account, seq in found[21].items()), sale=21),
        keys((found[22][12], key_of(12)), sale=22),
        keys((found[22][11], key_of(12)), sale=22),
    )
    assert {EventKind.BID_OPENED, EventKind.BID_VOIDED, EventKind.AWARD_SET} <= kinds(told)
    assert Reason.KEY_WRONG in set(told["reason"].tolist())
    first = min(writer.kernel.machine.venue.sales[21].awards[1])
    told = writer.do(
        cold(bodies.Settle(first, after.Accept()), account=11),
        cold(bodies.Split(first, (after.Share(4, account=12), after.Share(6, label="a roaster"))), account=11),
        cold(bodies.Settle(first + 1, after.Reject("mouldy")), account=11),
        cold(bodies.Settle(first + 2, after.AskAllowance(480, "moisture")), account=11),
        cold(bodies.Settle(first + 3, after.Dispute("weights")), account=11),
        bodies.Settle(1, after.VoidAward("a slip of the finger")),
    )
    assert {EventKind.AWARD_SPLIT, EventKind.LOT_CHANGED} <= kinds(told) and EventKind.REJECTED not in kinds(told)
    states = {award.state for award in writer.kernel.machine.venue.awards.values()}
    assert states == set(AwardState) - {AwardState.DECLINED}
