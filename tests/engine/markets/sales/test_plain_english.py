"""The English rule against a plain one that keeps nothing but the bids: random sales of every form, move by move."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from engine.codes import EventKind, Reason, SaleStage
from engine.machine import Machine
from engine.markets.audit import audit
from engine.markets.sales.english import market_of
from engine.messages import bodies
from engine.messages.sales.english import EnglishOffer, Step
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages
from engine.oracle.books import Books
from tests.engine.markets.sales.plain_english import PlainSale
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, of_kind, open_venue

BIDDERS = (1, 2, 3, 4, 5)  # account 1 sells


def random_plan(random: Random, now_ns: int) -> SaleTerms:
    table = random.choice(
        [(Step(0, 10),), (Step(0, 5), Step(450, 20)), (Step(0, 30), Step(410, 10), Step(415, 7), Step(500, 25))]
    )
    ladder = PlainSale(auction_sale(now_ns, increments=table)).rungs(1, 700)
    lots = []
    for number in range(random.randrange(1, 5)):
        opening = random.choice((0, 0, random.choice(ladder[:5])))
        rungs = PlainSale(auction_sale(now_ns, increments=table, opening=opening or 400)).rungs(1, 700)
        reserve = random.choice((0, random.choice(rungs)))
        lots.append(
            SaleLot(
                1, f"lot {number}", 20, 60_000, group=random.randrange(3), opening=opening, reserve=reserve,
                least_bags=random.choice((0, 0, 1, 4)),
            )
        )  # fmt: skip
    terms: dict[str, Any] = {"increments": table, "scope": random.choice(("all", "group", "lot"))}
    prebids = random.randrange(3) == 0
    live_ns = now_ns + 50 * SECOND_NS if prebids else 0
    if prebids:
        terms["stages"] = Stages(prebids_ns=now_ns + 10 * SECOND_NS, live_ns=live_ns)
    if random.randrange(2):
        terms |= {"clock_ns": 60 * SECOND_NS, "open_until_ns": now_ns + 300 * SECOND_NS}
    else:
        stagger = random.choice((0, 20)) * SECOND_NS if terms["scope"] != "all" else 0
        terms |= {
            "style": "timed", "open_until_ns": 0, "ends_ns": now_ns + 300 * SECOND_NS, "stagger_ns": stagger,
            "clock_ns": random.choice((0, 40)) * SECOND_NS,
        }  # fmt: skip
    if random.randrange(3) == 0:
        terms["stop_ns"] = now_ns + random.randrange(200, 700) * SECOND_NS
    terms["normal_bids"] = not any(lot.least_bags for lot in lots) and random.randrange(2) > 0
    return auction_sale(now_ns, plan=tuple(lots), approve_bids=random.randrange(4) == 0, **terms)


def refusal(events: np.ndarray) -> Reason:
    refused = events[np.isin(events["kind"], (EventKind.REJECTED, EventKind.BID_LATE))]
    return Reason(int(refused["reason"][-1])) if len(refused) else Reason.NONE


def played(seed: int, moves: int = 60) -> tuple[Recorder, PlainSale]:
    random = Random(seed)
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    plan = random_plan(random, recorder.ts_ns)
    recorder.do(plan)
    sale, plain = recorder.machine.venue.sales[1], PlainSale(plan)
    if sale.stage == SaleStage.LIVE:
        plain.begin(recorder.ts_ns)
    else:
        recorder.do(bodies.Time(), after_s=10)
        assert sale.stage == SaleStage.PREBIDS
    sold: list[tuple[int, int, int, int]] = []
    for _ in range(moves):
        after_s = random.choice((0, 0, 1, 5, 20, 45))
        recorder.ts_ns += after_s * SECOND_NS
        if not plain.live and recorder.ts_ns >= plan.stages.live_ns:
            plain.begin(recorder.ts_ns)
        plain.advance(recorder.ts_ns)
        seq, at = recorder.machine.seq + 1, recorder.ts_ns
        form = random.randrange(12)
        if form < 9:
            lot, account = random.randrange(1, len(plan.lots) + 1), random.choice(BIDDERS)
            near = (plain.outcome(lot)[0] or plain.opening(lot)) + 120
            maximum = random.choice(plain.rungs(lot, near) if random.randrange(8) else [390, 403, 447, 451])
            offer: dict[str, Any] = {"normal": random.randrange(6) == 0 and plan.mechanism.normal_bids}
            if plan.lots[lot - 1].least_bags:
                offer |= {"bags": random.choice((0, 3, 8, 12, 20, 21)), "least_bags": random.choice((0, 0, 5))}
            events = recorder.do(bid_of(account, lot, maximum, **offer))
            want = plain.bid(seq, account, EnglishOffer(lot, maximum, **offer), at)
        elif form < 11:
            known = [bid.seq for bid in plain.bids + plain.waiting] or [1]
            bid, accept = random.choice(known), random.randrange(3) > 0
            events, want = recorder.do(bodies.DecideBid(1, bid, accept)), plain.decide(bid, accept, at)
        else:
            events, want = recorder.do(bodies.Time()), Reason.NONE
        assert refusal(events) == want
        sold += [
            (int(one["instrument"]), int(one["account"]), int(one["price"]), int(one["qty"]))
            for one in of_kind(events, EventKind.LOT_SOLD)
        ]
        agree(recorder, plain, sold)
    return recorder, plain


def agree(recorder: Recorder, plain: PlainSale, sold: list[tuple[int, int, int, int]]) -> None:
    sale = recorder.machine.venue.sales[1]
    market = market_of(sale)
    assert sorted(sold) == sorted(plain.sold)
    assert (sale.stage == SaleStage.FINISHED) == plain.over
    assert {scope: clock.due_ns for scope, clock in market.clocks.items() if clock.due_ns} == plain.due
    assert [bid.seq for bid in market.waiting] == [bid.seq for bid in plain.waiting] or plain.over
    for number, lot in enumerate(market.lots, 1):
        shares = {account: one.filled for account, one in lot.standing.items() if one.filled}
        assert (lot.price, shares) == plain.outcome(number)
        assert lot.closed == (number in plain.closed)
        for account in shares:
            assert lot.price is not None and lot.price <= lot.standing[account].maximum, "nobody pays above its maximum"
    audit(recorder.machine.venue, recorder.machine.hot)


@pytest.mark.parametrize("seed", range(150))
def test_the_rule_and_the_plain_one_agree_at_every_move(seed: int) -> None:
    recorder, _ = played(seed)
    again, _ = recorder.replayed(Books)
    assert again.state_hash() == recorder.machine.state_hash()
    recorder.restart(Books)


def test_the_random_sales_are_of_every_form() -> None:
    """Sold whole, divided and passed in; bids that wait, are taken, are void; every refusal of a bid."""
    kinds: set[int] = set()
    reasons: set[int] = set()
    parts = 0
    for seed in range(60):
        recorder, plain = played(seed)
        parts += len(plain.sold) > len({lot for lot, *_ in plain.sold})
        for events in recorder.replayed(Books)[1]:
            kinds |= set(events["kind"].tolist())
            reasons |= set(events["reason"][events["kind"] == EventKind.REJECTED].tolist())
    assert {
        EventKind.LOT_SOLD, EventKind.LOT_PASSED_IN, EventKind.BID_WAITS, EventKind.BID_VOIDED, EventKind.LOT_CHANGED,
        EventKind.BID_LATE, EventKind.SALE_FINISHED,
    } <= kinds  # fmt: skip
    assert {
        Reason.BID_LOW, Reason.BID_INCREMENT, Reason.BAGS_RANGE, Reason.SELF_BID, Reason.MAXIMUM_BELOW_PRICE,
        Reason.BID_UNKNOWN,
    } <= reasons  # fmt: skip
    assert parts > 3
