"""Price and place out of the maxima on one lot (rules 3, 11, 13 and 14 of `english.py`)."""

from __future__ import annotations

from engine.markets.sales.ladder import next_bid
from engine.messages.sales.english import English
from engine.messages.sales.terms import SaleLot
from engine.state.sales.english import EnglishLot, Placed, Standing

Share = dict[int, int]  # account -> bags, of those who would get any; of a lot sold whole: its leader alone, 0


def note(lot: EnglishLot, placed: Placed) -> Standing:
    """The account's newest bid is the one that stands. Of one that says the same again, the first counts."""
    before = lot.standing.get(placed.account)
    same = before is not None and before.maximum == placed.maximum
    rank = before.rank if before is not None and same else placed.seq
    floor = before.floor if before is not None else 0
    filled = before.filled if before is not None else 0
    if placed.normal:
        floor = max(floor, placed.maximum)
    standing = Standing(placed.maximum, rank, floor, placed.bags, placed.least_bags, filled)
    lot.standing[placed.account] = standing
    return standing


def rank_whole(terms: English, plan: SaleLot, lot: EnglishLot, placed: Placed) -> None:
    """A lot that is sold whole, after one more bid."""
    leader = lot.standing.get(lot.leader)
    one = note(lot, placed)
    if leader is None or lot.leader == placed.account:
        leads = placed.account
    elif (one.maximum, -one.rank) > (leader.maximum, -leader.rank):
        leads, lot.runner_up, leader.filled = placed.account, leader.maximum, 0
    else:
        leads = lot.leader
        lot.runner_up = max(one.maximum, one.maximum if lot.runner_up is None else lot.runner_up)
    lot.leader, top = leads, lot.standing[leads]
    top.filled = plan.bags
    lot.price = _price(terms, plan, top.maximum, lot.runner_up, top.floor)


def rank_whole_again(terms: English, plan: SaleLot, lot: EnglishLot) -> None:
    """The same lot from all that stand on it: what `rank_whole` comes to, bid by bid."""
    ranked = sorted((-one.maximum, one.rank, account) for account, one in lot.standing.items())
    lot.leader = ranked[0][2]
    lot.runner_up = -ranked[1][0] if len(ranked) > 1 else None
    for account, one in lot.standing.items():
        one.filled = plan.bags if account == lot.leader else 0
    top = lot.standing[lot.leader]
    lot.price = _price(terms, plan, top.maximum, lot.runner_up, top.floor)


def share_out(terms: English, plan: SaleLot, lot: EnglishLot) -> None:
    """A lot that is divided, from all that stand on it."""
    ranked = sorted((-one.maximum, one.rank, account) for account, one in lot.standing.items())
    reached = plan.reserve if plan.reserve and -ranked[0][0] >= plan.reserve else 0
    left, lowest, losing = plan.bags, 0, None
    lot.leader = ranked[0][2]
    for below, _, account in ranked:
        one = lot.standing[account]
        filled = min(one.bags, left)
        one.filled = filled if filled >= one.least_bags and one.maximum >= reached else 0
        left -= one.filled
        if one.filled:
            lowest = -below
        if losing is None and one.filled < one.bags:
            losing = -below
    lot.price = _price(terms, plan, lowest, losing, 0)


def bags_left(plan: SaleLot, lot: EnglishLot) -> int:
    """Bags of a divided lot that nobody would get now."""
    return plan.bags - sum(one.filled for one in lot.standing.values())


def _price(terms: English, plan: SaleLot, lowest: int, losing: int | None, floor: int) -> int:
    """From the lowest maximum that wins and the highest that does not."""
    price = plan.opening or terms.opening
    if losing is not None:
        price = lowest if losing >= lowest else next_bid(terms.increments, losing)
    if plan.reserve and lowest >= plan.reserve:
        price = max(price, plan.reserve)
    return max(price, min(floor, lowest))
