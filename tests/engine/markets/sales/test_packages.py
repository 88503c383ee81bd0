"""Sales by package bids: from the set that is given to the award, with proposals that are right, worse, and lies."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import EventKind, Reason, SaleStage
from engine.limits import PACKAGE_BIDS_MAX, PACKAGES_PER_SET_MAX, PROOF_LEAVES_PER_COMMAND_MAX
from engine.machine import Machine
from engine.markets.sales import packages as rule
from engine.markets.sales import views
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.sales.commands import Admit, DecideBid, EndSale
from engine.messages.sales.packages import Leaf, Package, Packages, PackagesOffer, Part, Propose
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.messages.views import Reader, view
from engine.oracle.books import Books
from engine.state.sales.packages import PackagesState
from engine.state.sales.sale import Sale
from tests.recorder import SECOND_NS, Recorder, auction_sale, kinds, open_venue

SELLER, A, B, C, D = 1, 2, 3, 4, 5
CLOSES_S, UNTIL_S = 100, 200
KG = 1_000


def package_sale(recorder: Recorder, bags: list[int], **changes: Any) -> SaleTerms:
    """Lots of so many bags of 1 kg from price 10 on; `changes` of Packages, or `sale`, `reserves`."""
    reserves = changes.pop("reserves", [0] * len(bags))
    plan = {name: changes.pop(name) for name in ("sale",) if name in changes}
    terms: dict[str, Any] = {
        "opening": 10,
        "closes_ns": recorder.ts_ns + CLOSES_S * SECOND_NS,
        "until_ns": recorder.ts_ns + UNTIL_S * SECOND_NS,
    } | changes
    lots = tuple(
        SaleLot(SELLER, f"lot {n}", count, KG, reserve=reserve)
        for n, (count, reserve) in enumerate(zip(bags, reserves, strict=True), 1)
    )
    return auction_sale(recorder.ts_ns, plan=lots, mechanism=Packages(**terms), **plan)


def on_sale(bags: list[int], **changes: Any) -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    assert EventKind.REJECTED not in kinds(recorder.do(package_sale(recorder, bags, **changes)))
    return recorder


def package(price: int, *parts: tuple[int, int]) -> Package:
    return Package(tuple(Part(lot, bags) for lot, bags in parts), price)


def offer(account: int, set_: int, *packages: Package, shared: bool = False) -> Batch:
    return cold(bodies.Bid(1, PackagesOffer(set_, packages, shared)), account=account)


def sale_of(recorder: Recorder) -> Sale:
    return recorder.machine.venue.sales[1]


def market_in(recorder: Recorder) -> PackagesState:
    market = sale_of(recorder).market
    assert isinstance(market, PackagesState)
    return market


def sold(events: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
    """(lot, buyer) -> (price, bags)."""
    return {
        (int(event["instrument"]), int(event["account"])): (int(event["price"]), int(event["qty"]))
        for event in events[events["kind"] == EventKind.LOT_SOLD]
    }


def reason_of(events: np.ndarray) -> Reason:
    return Reason(int(events["reason"][-1]))


def close(recorder: Recorder) -> np.ndarray:
    return recorder.do(bodies.Time(), after_s=CLOSES_S)


def test_two_containers_or_none() -> None:
    recorder = on_sale([1, 1, 1])
    recorder.do(
        offer(A, 1, package(20, (1, 1), (2, 1))), offer(B, 1, package(35, (1, 1))), offer(C, 1, package(12, (3, 1)))
    )
    events = close(recorder)
    assert sold(events) == {(1, A): (20, 1), (2, A): (20, 1), (3, C): (12, 1)}
    assert market_in(recorder).outcome == "proved" and sale_of(recorder).stage == SaleStage.FINISHED


def test_of_one_set_at_most_one_package_is_won() -> None:
    recorder = on_sale([1, 1])
    recorder.do(offer(A, 1, package(30, (1, 1)), package(25, (2, 1))), offer(B, 1, package(12, (1, 1))))
    assert sold(close(recorder)) == {(1, B): (12, 1), (2, A): (25, 1)}


def test_a_set_may_be_shared_by_several_accounts() -> None:
    recorder = on_sale([1, 1], shared_sets=1)
    recorder.do(offer(A, 1, package(30, (1, 1)), shared=True), offer(B, 1, package(25, (2, 1)), shared=True))
    assert sold(close(recorder)) == {(1, A): (30, 1)}


def test_a_set_that_is_given_anew_takes_the_place_of_what_it_held() -> None:
    recorder = on_sale([1])
    recorder.do(offer(A, 1, package(30, (1, 1))), offer(B, 1, package(20, (1, 1))))
    recorder.do(offer(A, 1, package(20, (1, 1))))
    assert sold(close(recorder)) == {(1, B): (20, 1)}, "of equal worth the earlier, and A's last word is later"
    recorder = on_sale([1])
    recorder.do(offer(A, 1, package(30, (1, 1))))
    recorder.do(offer(A, 1))
    assert kinds(close(recorder)).count(EventKind.LOT_PASSED_IN) == 1


def test_what_is_below_opening_or_reserve_does_not_count() -> None:
    recorder = on_sale([1, 1], reserves=[0, 40])
    recorder.do(
        offer(A, 1, package(9, (1, 1))), offer(B, 1, package(39, (1, 1), (2, 1))), offer(C, 1, package(41, (2, 1)))
    )
    assert sold(close(recorder)) == {(2, C): (41, 1)}


def test_each_pays_what_the_others_lose_by_it() -> None:
    recorder = on_sale([1, 1], payment="vcg")
    recorder.do(
        offer(A, 1, package(50, (1, 1))), offer(A, 2, package(100, (2, 1))), offer(B, 1, package(100, (1, 1), (2, 1)))
    )
    assert sold(close(recorder)) == {(1, B): (75, 1), (2, B): (75, 1)}


def test_the_operators_end_closes_and_then_decides() -> None:
    recorder = on_sale([1])
    recorder.do(offer(A, 1, package(30, (1, 1))))
    assert sold(recorder.do(EndSale(1, "all are here"))) == {(1, A): (30, 1)}


def test_an_outage_moves_the_close() -> None:
    recorder = on_sale([1])
    recorder.do(offer(A, 1, package(30, (1, 1))))
    last_ns = recorder.ts_ns
    recorder.ts_ns += 10 * CLOSES_S * SECOND_NS
    assert EventKind.LOT_SOLD not in kinds(recorder.do(bodies.Resume(last_ns, recorder.ts_ns)))
    assert EventKind.LOT_SOLD in kinds(close(recorder))


def test_a_void_set_was_never_given() -> None:
    recorder = on_sale([1])
    recorder.do(offer(A, 1, package(30, (1, 1))))
    seq = recorder.machine.seq
    recorder.do(offer(B, 1, package(20, (1, 1))))
    assert kinds(recorder.do(DecideBid(1, seq, False, "a typing error"))) == [EventKind.BID_VOIDED]
    assert sold(close(recorder)) == {(1, B): (20, 1)}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (offer(A, 1, package(20, (3, 10))), Reason.LOT_UNKNOWN),
        (offer(A, 1, package(20, (1, 10), (1, 10))), Reason.OFFER_UNFIT),
        (offer(A, 1, package(20, (2, 10), (1, 10))), Reason.OFFER_UNFIT),
        (offer(A, 1, package(20, (1, 30))), Reason.BAGS_RANGE),
        (offer(A, 1, package(20, (1, 15))), Reason.BAGS_STEP),
        (offer(SELLER, 1, package(20, (1, 10))), Reason.SELF_BID),
        (offer(A, 1, package(20, (1, 10)), shared=True), Reason.OFFER_UNFIT),
    ],
)
def test_a_refused_set_says_why_and_changes_nothing(batch: Batch, reason: Reason) -> None:
    recorder = on_sale([20, 20], step_bags=10)
    before = repr(sale_of(recorder))
    assert reason_of(recorder.do(batch)) == reason
    assert repr(sale_of(recorder)).replace("sets={2: {}}", "sets={}") == before


def test_bids_after_the_close_are_late_and_there_are_so_many_at_most() -> None:
    recorder = on_sale([1] * 2, fallback="void", payment="vcg")
    many = [package(20 + n, (1, 1)) for n in range(PACKAGES_PER_SET_MAX)]
    for set_ in range(1, PACKAGE_BIDS_MAX // PACKAGES_PER_SET_MAX + 1):
        assert kinds(recorder.do(offer(A + set_ % 3, set_, *many))) == [EventKind.BID_ACCEPTED]
    assert reason_of(recorder.do(offer(A, 90, many[0]))) == Reason.LIMIT_REACHED
    assert kinds(recorder.do(offer(B, 1, *many))) == [EventKind.BID_ACCEPTED], "another content of the same set"
    recorder = hard_sale()
    assert reason_of(recorder.do(offer(A, 1, package(20, (1, 1))))) == Reason.BID_LATE


def test_the_operators_bound_counts_the_worthiest_of_each_set() -> None:
    recorder = on_sale([10, 10])
    recorder.do(Admit(1, A, True, sale_of(recorder).value_minor(10 * KG, 50)))
    assert kinds(recorder.do(offer(A, 1, package(40, (1, 10)), package(10, (1, 10))))) == [EventKind.BID_ACCEPTED]
    assert reason_of(recorder.do(offer(A, 2, package(20, (1, 10))))) == Reason.COMMITMENT_LIMIT
    assert kinds(recorder.do(offer(A, 1, package(50, (1, 10))))) == [EventKind.BID_ACCEPTED]


# --- proposals -------------------------------------------------------------------------------------------------------


def hard_sale(**changes: Any) -> Recorder:
    """Too many looks for the venue alone: every pair of twelve lots has a bid of about the same worth."""
    recorder = on_sale([1] * 12, **changes)
    pairs = list(combinations(range(1, 13), 2))
    for n, (one, two) in enumerate(pairs):
        recorder.do(offer(A + n % 3, n + 1, package(100 + (n * 37) % 11, (one, 1), (two, 1))))
    for lot in range(1, 13):
        recorder.do(offer(D, lot, package(90 + lot % 5, (lot, 1))))
    close(recorder)
    return recorder


def test_what_the_venue_cannot_enumerate_waits_for_proposals_and_falls_back_as_declared() -> None:
    for fallback in ("best", "void"):
        recorder = hard_sale(fallback=fallback)
        market = market_in(recorder)
        assert market.digest and not market.proofs[0].proved and sale_of(recorder).stage == SaleStage.LIVE
        value = market.proofs[0].value
        events = recorder.do(bodies.Time(), after_s=UNTIL_S - CLOSES_S)
        assert market.outcome == fallback and sale_of(recorder).stage == SaleStage.FINISHED
        assert bool(sold(events)) == (fallback == "best") and market.value == (value if fallback == "best" else 0)


def solved(recorder: Recorder) -> tuple[tuple[int, ...], list[Leaf]]:
    """The best allocation, and a proof by prices of the lots alone: what a lot brings in it."""
    problem = rule.problem_of(sale_of(recorder))
    chosen = rule.enumerate_best(problem, 10**12).chosen
    return chosen, leaves_of(recorder, (), rule.value_of(problem, chosen) or 0)


def leaves_of(recorder: Recorder, path: tuple[int, ...], value: int) -> list[Leaf]:
    """Branch on the bid that stands out at prices that are lowered and raised for a while (subgradient)."""
    problem = rule.problem_of(sale_of(recorder))
    out = {-p - 1 for p in path if p < 0}
    taken = {p - 1 for p in path if p > 0}
    prices = [max((b.value for b in problem.bids), default=0) // 2] * len(problem.supply)
    best = None
    for turn in range(1, 120):
        bound = rule.leaf_bound(problem, path, prices, 1)
        assert bound is not None
        best = min(best, (bound, prices)) if best else (bound, prices)
        if best[0] < value + problem.step():
            return [Leaf(path, tuple(best[1]))]
        used = [0] * len(problem.supply)
        for at in taken:
            for lot, bags in problem.bids[at].uses:
                used[lot] += bags
        for at, one in enumerate(problem.bids):
            if at not in out and at not in taken and one.value > sum(prices[lot] * bags for lot, bags in one.uses):
                for lot, bags in one.uses:
                    used[lot] += bags
        step = max(1, max(prices) // (4 * turn))
        prices = [
            max(0, price + step * (use - there)) for price, use, there in zip(prices, used, problem.supply, strict=True)
        ]
    free = [at for at in range(len(problem.bids)) if at not in out | taken]
    at = max(free, key=lambda at: (problem.bids[at].value, -at))
    return [leaf for sign in (1, -1) for leaf in leaves_of(recorder, (*path, sign * (at + 1)), value)]


def parts(leaves: list[Leaf]) -> list[tuple[Leaf, ...]]:
    return [
        tuple(leaves[at : at + PROOF_LEAVES_PER_COMMAND_MAX])
        for at in range(0, len(leaves), PROOF_LEAVES_PER_COMMAND_MAX)
    ]


def middling_sale(**changes: Any) -> Recorder:
    """Enough bids that the venue's own looks do not do, few enough for a proof by hand."""
    recorder = on_sale([2] * 6, **changes)
    for n, lots in enumerate(combinations(range(1, 7), 3)):
        recorder.do(
            offer(
                A + n % 3,
                n + 1,
                *(package(60 + (n * 7 + bags) % 13, *((lot, bags) for lot in lots)) for bags in (1, 2)),
            )
        )
    for n, lots in enumerate(combinations(range(1, 7), 2)):
        recorder.do(offer(D, n + 1, package(55 + n, *((lot, 2) for lot in lots))))
    return recorder


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue looks at no bid itself: everything is the solver's."""
    monkeypatch.setattr(rule, "PACKAGE_LOOKS_MAX", 0)


@pytest.mark.usefixtures("looks")
def test_a_proposal_with_its_proof_awards_the_sale_at_once() -> None:
    recorder = middling_sale()
    close(recorder)
    chosen, leaves = solved(recorder)
    digest = market_in(recorder).digest
    events = [recorder.do(Propose(1, digest, 0, chosen, solver="by hand"))]
    recorder.restart(Books)
    for some in parts(leaves):
        assert sale_of(recorder).stage == SaleStage.LIVE
        events.append(recorder.do(Propose(1, digest, leaves=some)))
        assert events[-1]["kind"][0] == EventKind.PROPOSAL_TAKEN
    assert market_in(recorder).outcome == "proved" and sale_of(recorder).stage == SaleStage.FINISHED
    assert sum(bags for _, bags in sold(events[-1]).values()) == 12
    replayed, _ = recorder.replayed(Books)
    assert replayed.state_hash() == recorder.machine.state_hash()
    assert views.public_view(sale_of(recorder)).market.solved_by == "by hand"


@pytest.mark.usefixtures("looks")
def test_payments_wait_for_the_proof_of_what_is_without_each_winner() -> None:
    for fallback in ("best", "void"):
        recorder = on_sale([1, 1], payment="vcg", fallback=fallback)
        recorder.do(offer(A, 1, package(50, (1, 1))), offer(A, 2, package(100, (2, 1))))
        recorder.do(offer(B, 1, package(100, (1, 1), (2, 1))))
        close(recorder)
        digest = market_in(recorder).digest
        whole = Propose(1, digest, 0, (2,), leaves=(Leaf((), (50 * KG, 150 * KG)),))
        assert kinds(recorder.do(whole)) == [EventKind.PROPOSAL_TAKEN]
        assert market_in(recorder).proofs[0].proved and sale_of(recorder).stage == SaleStage.LIVE
        if fallback == "void":
            assert not sold(recorder.do(bodies.Time(), after_s=UNTIL_S))
            continue
        events = recorder.do(Propose(1, digest, B, (0, 1), leaves=(Leaf((), (50 * KG, 100 * KG)),)))
        assert sold(events) == {(1, B): (75, 1), (2, B): (75, 1)}


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sale": 9}, Reason.SALE_UNKNOWN),
        ({"digest": bytes(16)}, Reason.PROBLEM_OTHER),
        ({"chosen": (0, 1)}, Reason.PROPOSAL_INFEASIBLE),  # two of one lot
        ({"chosen": (2,)}, Reason.PROPOSAL_INFEASIBLE),
        ({"chosen": (-1,)}, Reason.PROPOSAL_INFEASIBLE),
        ({"leaves": (Leaf((), (0,)),)}, Reason.PROOF_FAILS),
        ({"leaves": (Leaf((), (30 * KG - 1,)),)}, Reason.PROOF_FAILS),
        ({"leaves": (Leaf((), (30 * KG, 1)),)}, Reason.PROOF_FAILS),
        ({"leaves": (Leaf((7,), (30 * KG,)),)}, Reason.PROOF_FAILS),
        ({"without": A, "chosen": (0,)}, Reason.PROPOSAL_INFEASIBLE),
        ({"without": A, "chosen": None}, Reason.PROPOSAL_INFEASIBLE),
    ],
)
def test_a_lie_is_refused_and_harms_nothing(changes: dict[str, Any], reason: Reason) -> None:
    recorder = on_sale([1])
    recorder.do(offer(A, 1, package(30, (1, 1))), offer(B, 1, package(40, (1, 1))))
    assert reason_of(recorder.do(Propose(1, bytes(16)))) == Reason.PROBLEM_OPEN
    close(recorder)
    before = repr(sale_of(recorder))
    body = msgspec.structs.replace(Propose(1, market_in(recorder).digest, chosen=(0,)), **changes)
    if "leaves" in changes:  # the better bid is there: prices that prove the worse one prove nothing
        body = msgspec.structs.replace(body, chosen=(0,))
    assert reason_of(recorder.do(body)) == reason
    assert repr(sale_of(recorder)) == before
    proof = Propose(1, market_in(recorder).digest, 0, (1,), leaves=(Leaf((), (40 * KG,)),))
    assert sold(recorder.do(proof)) == {(1, B): (40, 1)}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_sale_goes_as_brute_force_says(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    supply = data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    payment = data.draw(st.sampled_from(["as_bid", "vcg"]))
    recorder = on_sale(supply, payment=payment)
    for n in range(data.draw(st.integers(0, 6))):
        lots = sorted(data.draw(st.sets(st.integers(1, count), min_size=1)))
        one = package(
            data.draw(st.integers(10, 30)), *((lot, data.draw(st.integers(1, supply[lot - 1]))) for lot in lots)
        )
        recorder.do(offer(A + n % 3, data.draw(st.integers(1, 2)), one))
    if data.draw(st.booleans()):
        recorder.restart(Books)
    events = close(recorder)
    hammer = events[events["kind"] == EventKind.LOT_SOLD]  # an account may win bags of a lot in two packages
    market = market_in(recorder)
    problem = rule.problem_of(sale_of(recorder))
    best = max(
        rule.value_of(problem, chosen) or 0
        for size in range(len(problem.bids) + 1)
        for chosen in combinations(range(len(problem.bids)), size)
    )
    assert market.value == best and market.outcome == "proved"
    paid = int((hammer["price"] * hammer["qty"]).sum()) * KG
    assert paid <= best if payment == "vcg" else paid == best
    for lot, bags in enumerate(supply, 1):
        assert int(hammer["qty"][hammer["instrument"] == lot].sum()) <= bags
    assert (hammer["price"] >= 0).all()
    replayed, _ = recorder.replayed(Books)
    assert replayed.state_hash() == recorder.machine.state_hash()


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_set_is_its_owners_alone_and_not_even_its_being_there_is_public() -> None:
    recorder = on_sale([99_999, 99_999], reserves=[0, 123_457])
    seen = msgspec.json.encode(views.public_view(sale_of(recorder)))
    events = recorder.do(offer(A, 1, package(777_771, (1, 88_883), (2, 77_779))), offer(B, 1, package(11, (1, 1))))
    assert msgspec.json.encode(views.public_view(sale_of(recorder))) == seen
    others = [views.public_view, lambda sale: views.account_view(sale, B), views.operator_view]
    told = b"".join(msgspec.json.encode(each(sale_of(recorder))) for each in others)
    own = msgspec.json.encode(views.account_view(sale_of(recorder), A))
    for secret in (b"7777.71", b"88883", b"77779"):
        assert secret in own and secret not in told
    assert b"1234.57" not in told + own
    assert b"1234.57" in msgspec.json.encode(views.account_view(sale_of(recorder), SELLER))
    for reader in (Reader(), Reader(C), Reader(SELLER)):
        assert not [shown for event in events if (shown := view(event, reader))]
    close(recorder)
    lost = msgspec.json.encode(views.public_view(sale_of(recorder)))
    assert b"1234.57" not in lost
