"""Package bids: "two containers or none". Sealed until the close; a solver proposes, the venue verifies.

Rules. "Ours" where no source says it.

1. A package names bags of several lots and one price per unit for all of them: all of it is won or nothing. It is worth
   its price x its weight. Packages of one set exclude each other (XOR bids); an account may have many sets, and the
   sale may have sets that accounts share.
2. Until the close an account may give a set anew, and what it held is gone (ours: a bid is not withdrawn, but who says
   again what it wants has the place of its last word). Nobody else sees anything of it, not even that it is there.
3. At the close the problem is frozen: bids by arrival, less those below the opening price or the reserve of a lot they
   name (that reserve stays secret). Its digest is public.
4. Winners: the allocation of greatest worth. Small problems the venue enumerates itself, up to a number of looks at
   bids, never a time. For larger ones anyone whom the operator lets may propose until `until_ns`; a proposal is
   checked in integers. The best stands; of equal ones the one that has the earliest bid in which they differ.
5. That none is worth more is proved when the venue's own enumeration came to its end, or when the leaves of a tree of
   decisions cover all allocations and each has prices of the lots at which it is worth no more than the best (weak
   duality): nobody's word is taken for it.
6. Payment `as_bid`: each winner pays the price of its package. `vcg` (Vickrey, Clarke, Groves): what the others would
   have been worth without the account, less what they are worth with it; proved in the same way. An account pays one
   price per unit for all that it won, rounded down to a tick (ours).
7. When everything needed is proved the sale is awarded at once. Otherwise, at `until_ns`, what the terms declare: the
   best allocation so far (with prices as bid where the payments are not proved), or nothing is sold (`void`). The
   outcome says which it was.
8. The operator's end before the close closes; after it, it is as `until_ns`. An outage moves both times by its length.
   A void set was never given. A seller, or an account of its group, does not bid on an own lot.
9. What an account may come to: of each of its sets the package that is worth most (ours).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from engine.codes import EventKind, Reason, SaleStage, SaleState, TimerKind
from engine.limits import (
    PACKAGE_BIDS_MAX,
    PACKAGE_LOOKS_MAX,
    PACKAGE_LOTS_MAX,
    PROOF_LEAVES_MAX,
)
from engine.markets.sales import hammer
from engine.markets.sales.closing import finish, own_lot, within_limit
from engine.markets.sales.winners import Problem, enumerate_best, leaf_bound, merge, value_of
from engine.markets.turn import Turn
from engine.messages.sales.packages import Package, Packages, PackagesOffer, Propose
from engine.messages.sales.terms import SaleTerms
from engine.state.sales.packages import PackageBid, PackageSet, PackagesState, Proof
from engine.state.sales.sale import Sale
from engine.state.venue import Timer

VENUE = "venue"  # who proved it


def terms_of(sale: Sale) -> Packages:
    assert isinstance(sale.terms.mechanism, Packages)
    return sale.terms.mechanism


def market_of(sale: Sale) -> PackagesState:
    assert isinstance(sale.market, PackagesState)
    return sale.market


def check(turn: Turn, plan: SaleTerms) -> Reason:
    terms = plan.mechanism
    assert isinstance(terms, Packages)
    if not max(turn.ts_ns, plan.stages.live_ns) < terms.closes_ns <= terms.until_ns:
        return Reason.DUE_IN_PAST
    if len(plan.lots) > PACKAGE_LOTS_MAX:
        return Reason.LIMIT_REACHED
    if any(lot.bags % terms.step_bags for lot in plan.lots):
        return Reason.BAGS_STEP
    if any(lot.least_bags for lot in plan.lots):
        return Reason.BODY_INVALID
    return Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    terms = terms_of(sale)
    market = PackagesState(terms.closes_ns + sale.delay_ns, terms.until_ns + sale.delay_ns)
    sale.market = market
    turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=len(sale.terms.lots))
    _wait(turn, sale, market.closes_ns)


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """A set of packages (rules 1 and 2)."""
    if not isinstance(offer, PackagesOffer):
        return Reason.OFFER_UNFIT
    market = market_of(sale)
    if market.digest:
        return Reason.BID_LATE
    reason = _refused(turn, sale, offer)
    if reason != Reason.NONE:
        return reason
    held = (market.shared if offer.shared else market.sets).setdefault(turn.account, {})
    if offer.packages:
        held[offer.set] = PackageSet(turn.seq, turn.account, offer.packages)
    else:
        held.pop(offer.set, None)
    turn.emit(
        EventKind.BID_ACCEPTED, order=sale.sale, account=turn.account, qty=len(offer.packages), instrument=0,
    )  # fmt: skip
    return Reason.NONE


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """The close, or the end of the time for proposals."""
    market_of(sale).timer = 0
    if market_of(sale).digest:
        _award(turn, sale)
    else:
        _freeze(turn, sale)


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    """Both times move by the outage (rule 8)."""
    market = market_of(sale)
    moved = turn.venue.timers.postpone(timer, timer.due_ns + away_ns)
    market.timer, market.until_ns = moved.timer, market.until_ns + away_ns
    if not market.digest:
        market.closes_ns = moved.due_ns


def end(turn: Turn, sale: Sale) -> None:
    """Close now, or decide now (rule 8)."""
    market = market_of(sale)
    turn.venue.timers.cancel(market.timer)
    market.timer = 0
    if market.digest:
        _award(turn, sale)
        return
    sale.ended_by_operator = False  # proposals are still to come
    market.until_ns = max(turn.ts_ns + 1, market.until_ns - (market.closes_ns - turn.ts_ns))
    market.closes_ns = turn.ts_ns
    _freeze(turn, sale)


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """A set was never given (rule 8)."""
    market = market_of(sale)
    if market.digest:
        return Reason.SALE_CLOSED
    for holder in (market.sets, market.shared):
        for account, held in sorted(holder.items()):
            for number, one in sorted(held.items()):
                if one.seq == seq:
                    del held[number]
                    turn.emit(EventKind.BID_VOIDED, order=sale.sale, account=account, counter_order=seq)
                    return Reason.NONE
    return Reason.BID_UNKNOWN


def propose(turn: Turn, body: Propose) -> Reason:
    """A solver's word (rules 4 and 5)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if not isinstance(sale.market, PackagesState) or not sale.market.digest:
        return Reason.PROBLEM_OPEN
    market = sale.market
    if sale.stage != SaleStage.LIVE:
        return Reason.SALE_CLOSED
    if body.digest != market.digest:
        return Reason.PROBLEM_OTHER
    problem = problem_of(sale).without(body.without)
    proof = market.proofs.get(body.without)
    value = proof.value if proof is not None else 0
    if body.chosen is not None:
        found = value_of(problem, body.chosen)
        if found is None:
            return Reason.PROPOSAL_INFEASIBLE
        value = max(value, found)
    if proof is None and body.chosen is None:
        return Reason.PROPOSAL_INFEASIBLE  # there is nothing yet that the leaves could prove
    goal = body.scale * (value + problem.step())
    for leaf in body.leaves:
        bound = leaf_bound(problem, leaf.path, leaf.prices, body.scale)
        if bound is None or bound >= goal:
            return Reason.PROOF_FAILS
    if proof is not None and len(proof.leaves) + len(body.leaves) > PROOF_LEAVES_MAX:
        return Reason.LIMIT_REACHED

    if proof is None:
        proof = market.proofs[body.without] = Proof(0, ())
    if body.chosen is not None and _is_better(problem, body.chosen, proof):
        proof.value, proof.chosen, proof.by = value, body.chosen, body.solver
    if not proof.proved:
        for leaf in body.leaves:
            proof.proved = merge(proof.leaves, leaf.path) or proof.proved
    market.proposals += 1
    turn.emit(EventKind.PROPOSAL_TAKEN, order=sale.sale, qty=body.without, leaves=int(proof.proved))
    if _all_proved(sale):
        turn.venue.timers.cancel(market.timer)
        market.timer = 0
        _award(turn, sale)
    return Reason.NONE


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """Nobody comes next for a lot alone: who did not win wanted a package."""
    return []


def problem_of(sale: Sale) -> Problem:
    """The frozen problem."""
    return Problem(tuple(lot.bags for lot in sale.terms.lots), tuple(market_of(sale).bids))


def _refused(turn: Turn, sale: Sale, offer: PackagesOffer) -> Reason:
    """Set, lots, steps, own lots, bound."""
    terms, market = terms_of(sale), market_of(sale)
    if offer.shared and offer.set > terms.shared_sets:
        return Reason.OFFER_UNFIT
    for package in offer.packages:
        places = [part.lot for part in package.parts]
        if any(lot > len(sale.terms.lots) for lot in places):
            return Reason.LOT_UNKNOWN
        if any(one >= two for one, two in pairwise(places)):
            return Reason.OFFER_UNFIT
        for part in package.parts:
            if part.bags > sale.terms.lots[part.lot - 1].bags:
                return Reason.BAGS_RANGE
            if part.bags % terms.step_bags:
                return Reason.BAGS_STEP
            if own_lot(turn, sale, part.lot):
                return Reason.SELF_BID
    mine = market.sets.get(turn.account, {}), market.shared.get(turn.account, {})
    replaced = mine[offer.shared].get(offer.set)
    count = sum(len(one.packages) for _, _, one in _given(market))
    if count - (len(replaced.packages) if replaced else 0) + len(offer.packages) > PACKAGE_BIDS_MAX:
        return Reason.LIMIT_REACHED
    worth = _worth(sale, offer.packages) + sum(
        _worth(sale, one.packages) for held in mine for one in held.values() if one is not replaced
    )
    return Reason.NONE if within_limit(sale, turn.account, worth) else Reason.COMMITMENT_LIMIT


def _worth(sale: Sale, packages: tuple[Package, ...]) -> int:
    return max((sale.value_minor(_grams(sale, package), package.price) for package in packages), default=0)


def _grams(sale: Sale, package: Package) -> int:
    return sum(sale.grams(part.lot, part.bags) for part in package.parts)


def _wait(turn: Turn, sale: Sale, due_ns: int) -> None:
    due_ns = max(due_ns, turn.ts_ns + 1)
    market_of(sale).timer = turn.venue.timers.set(turn.ts_ns, due_ns, TimerKind.SALE_CLOCK, subject=sale.sale).timer


def _freeze(turn: Turn, sale: Sale) -> None:
    """Nothing of the problem changes from here on; what the venue can prove by itself it proves (rules 3 to 5)."""
    market = market_of(sale)
    market.bids = _bids(sale)
    problem = problem_of(sale)
    market.digest = problem.digest()
    sale.state = SaleState.PENDING
    turn.emit(
        EventKind.PROBLEM_FROZEN, order=sale.sale, leaves=market.until_ns,
        counter_order=int.from_bytes(market.digest[:8], "little", signed=True),
        qty=int.from_bytes(market.digest[8:], "little", signed=True),
    )  # fmt: skip
    _prove(market, problem, 0, PACKAGE_LOOKS_MAX)
    if terms_of(sale).payment == "vcg" and market.proofs[0].proved:
        winners = _winners(market)
        for account in winners:
            _prove(market, problem, account, PACKAGE_LOOKS_MAX // len(winners))
    if _all_proved(sale):
        _award(turn, sale)
    else:
        _wait(turn, sale, market.until_ns)


def _bids(sale: Sale) -> list[PackageBid]:
    """By arrival, groups by their first bid; less those that are too low for a lot they name."""
    market = market_of(sale)
    groups: dict[tuple[bool, int, int], int] = {}
    bids = []
    for shared, number, one in sorted(_given(market), key=lambda entry: entry[2].seq):
        group = groups.setdefault((shared, 0 if shared else one.account, number), len(groups))
        for package in one.packages:
            if _is_high_enough(sale, package):
                uses = tuple((part.lot - 1, part.bags) for part in package.parts)
                bids.append(PackageBid(one.account, group, uses, package.price, package.price * _grams(sale, package)))
    return bids


def _given(market: PackagesState) -> Iterator[tuple[bool, int, PackageSet]]:
    """(shared, number, set) of everyone."""
    for shared, holder in ((False, market.sets), (True, market.shared)):
        for held in holder.values():
            for number, one in held.items():
                yield shared, number, one


def _is_high_enough(sale: Sale, package: Package) -> bool:
    lots = [sale.terms.lots[part.lot - 1] for part in package.parts]
    return all(package.price >= max(lot.opening or terms_of(sale).opening, lot.reserve) for lot in lots)


def _prove(market: PackagesState, problem: Problem, without: int, looks: int) -> None:
    best = enumerate_best(problem.without(without), looks)
    market.proofs[without] = Proof(best.value, best.chosen, best.proved, VENUE)


def _winners(market: PackagesState) -> list[int]:
    return sorted({market.bids[at].account for at in market.proofs[0].chosen})


def _is_better(problem: Problem, chosen: tuple[int, ...], proof: Proof) -> bool:
    """Worth more; or as much, with the earliest bid in which they differ (rule 4)."""
    value = value_of(problem, chosen)
    assert value is not None
    if value != proof.value:
        return value > proof.value
    differ = set(chosen) ^ set(proof.chosen)
    return bool(differ) and min(differ) in chosen


def _all_proved(sale: Sale) -> bool:
    market = market_of(sale)
    if not market.proofs[0].proved:
        return False
    needed = _winners(market) if terms_of(sale).payment == "vcg" else []
    return all(account in market.proofs and market.proofs[account].proved for account in needed)


def payments(sale: Sale) -> dict[int, int]:
    """What each winner pays, in ticks x grams: the value of its bids, or by rule 6 where that is proved."""
    market = market_of(sale)
    whole, bids = market.proofs[0], market.bids
    own: dict[int, int] = {}
    for at in whole.chosen:
        own[bids[at].account] = own.get(bids[at].account, 0) + bids[at].value
    if terms_of(sale).payment == "as_bid" or not _all_proved(sale):
        return own
    return {account: market.proofs[account].value - (whole.value - value) for account, value in own.items()}


def _award(turn: Turn, sale: Sale) -> None:
    """The lots go to the winners, or nobody gets any (rules 6 and 7)."""
    market, terms = market_of(sale), terms_of(sale)
    proved = _all_proved(sale)
    market.outcome = "proved" if proved else terms.fallback
    chosen = () if market.outcome == "void" else market.proofs[0].chosen
    market.value = sum(market.bids[at].value for at in chosen)
    pays = payments(sale)
    left = [lot.bags for lot in sale.terms.lots]
    grams: dict[int, int] = {}
    for at in chosen:
        one = market.bids[at]
        grams[one.account] = grams.get(one.account, 0) + _bid_grams(sale, one)
    for at in chosen:
        one = market.bids[at]
        price = one.price if terms.payment == "as_bid" or not proved else pays[one.account] // grams[one.account]
        for lot, bags in one.uses:
            left[lot] -= bags
            hammer.sold(turn, sale, lot + 1, one.account, price, bags)
    for number, bags in enumerate(left, 1):
        if bags:
            hammer.passed_in(turn, sale, number, bags)
    finish(turn, sale)


def _bid_grams(sale: Sale, one: PackageBid) -> int:
    return sum(sale.grams(lot + 1, bags) for lot, bags in one.uses)
