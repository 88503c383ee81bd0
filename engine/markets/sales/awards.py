"""Awards: approval of samples, allowances, the next bidder, splits; what may be done with what the hammer sold.

Rules. Sample terms and allowances as the trade has them (ITC Coffee Guide: "subject to approval of sample", quality
settled by allowance); what it leaves open is marked "ours".

1. What a sale sells is an award: bags of a lot, one buyer, one price. It is final, or, where the terms say so,
   provisional until the buyer approves the sample or its time is over; what silence means the terms declare.
2. A buyer who rejects has nothing to do with the bags any more. They are unsold, or offered to who comes next at that
   bidder's own price (a second-chance offer). The offer stands for a time that the terms say; who takes it approves the
   sample with it, who declines it or says nothing owes nothing (ours). Nobody is offered a lot twice.
3. A buyer may ask for an allowance: a lower price. The seller agrees (the award is final at that price), refuses, or
   says nothing in time, which is a refusal. Then the buyer has the time that was left, or AWARD_NS_MIN (ours).
4. Either party may call for the operator, whose decision is accepted, at a price, or rejected. The operator may void an
   award, with the reason; its bags are offered to nobody (ours).
5. The lead of a buying group says who gets how many bags; they add up to the award. The lead stays liable for all.
6. Deadlines are for people: an outage and the kill switch move them by their length (ours).
7. Results are public: price and bags; who bought only where the terms say so. Changes are published as they come.
"""

from __future__ import annotations

from engine.codes import AwardState, EventKind, Reason
from engine.limits import AWARD_ASKS_MAX, AWARD_NS_MIN
from engine.markets.sales.hammer import awards_of, end, enter, made, passed_in, reprice, tell_changed, tell_sold
from engine.markets.sales.mechanism import mechanism_of
from engine.markets.turn import Turn
from engine.messages.sales import after
from engine.state.sales.awards import ENDED, HOLDING, OPEN_TO_DECISION, Award
from engine.state.sales.sale import Sale
from engine.state.venue import Timer


def settle(turn: Turn, body: after.Settle) -> Reason:
    """An act of a party or the operator, in a state that takes it (rules 1 to 4)."""
    award = turn.venue.awards.get(body.award)
    if award is None:
        return Reason.AWARD_UNKNOWN
    sale, act = turn.venue.sales[award.sale], body.act
    if isinstance(act, after.Decide | after.VoidAward):
        return _by_operator(turn, sale, award, act)
    if turn.venue.stop is not None:
        return Reason.VENUE_STOPPED
    if isinstance(act, after.AgreeAllowance | after.RefuseAllowance):
        return _by_seller(turn, sale, award, act)
    if isinstance(act, after.Dispute):
        if turn.account not in (award.buyer, award.seller):
            return Reason.NOT_OWNER
        if award.state not in HOLDING - {AwardState.DISPUTED}:
            return Reason.ACT_UNFIT
        enter(turn, award, AwardState.DISPUTED, why=act.why)
        return Reason.NONE
    return _by_buyer(turn, sale, award, act)


def split(turn: Turn, body: after.Split) -> Reason:
    """The lead says who gets how many bags (rule 5). A later list takes the place of the one before."""
    award = turn.venue.awards.get(body.award)
    if award is None:
        return Reason.AWARD_UNKNOWN
    if turn.account != award.buyer:
        return Reason.NOT_OWNER
    if award.state not in HOLDING:
        return Reason.ACT_UNFIT
    if any(share.account and share.account not in turn.venue.accounts for share in body.shares):
        return Reason.ACCOUNT_UNKNOWN
    named = [(share.account, share.label.strip()) for share in body.shares]
    if any(bool(account) == bool(label) for account, label in named) or len(set(named)) < len(named):
        return Reason.SHARES_UNFIT
    if sum(share.bags for share in body.shares) != award.bags:
        return Reason.SHARES_UNFIT
    award.shares = body.shares
    turn.emit(
        EventKind.AWARD_SPLIT,
        instrument=award.lot,
        order=award.number,
        account=award.buyer,
        qty=len(body.shares),
        counter_order=award.sale,
    )
    return Reason.NONE


def due(turn: Turn, timer: Timer) -> None:
    """Somebody's time is over."""
    award = turn.venue.awards[timer.subject]
    sale = turn.venue.sales[award.sale]
    award.timer = 0
    if award.state == AwardState.ALLOWANCE_ASKED:
        _back_to_buyer(turn, award)
    elif award.state == AwardState.OFFERED:
        _give_up(turn, sale, award, AwardState.DECLINED)
    elif sale.terms.after.silence == "accepted":
        enter(turn, award, AwardState.FINAL)
    else:
        _give_up(turn, sale, award, AwardState.REJECTED)


def resume(turn: Turn, timer: Timer, away_ns: int) -> None:
    """Nobody could act for `away_ns` (rule 6)."""
    turn.venue.awards[timer.subject].due_ns = turn.venue.timers.postpone(timer, timer.due_ns + away_ns).due_ns


def _by_buyer(turn: Turn, sale: Sale, award: Award, act: after.Accept | after.Reject | after.AskAllowance) -> Reason:
    if turn.account != award.buyer:
        return Reason.NOT_OWNER
    offered = award.state == AwardState.OFFERED
    if not offered and award.state not in (AwardState.PROVISIONAL, AwardState.ALLOWANCE_ASKED):
        return Reason.ACT_UNFIT
    if isinstance(act, after.Accept):
        enter(turn, award, AwardState.FINAL)
        if offered:
            tell_sold(turn, sale, award)
        return Reason.NONE
    if isinstance(act, after.Reject):
        _give_up(turn, sale, award, AwardState.DECLINED if offered else AwardState.REJECTED, act.why)
        return Reason.NONE
    if award.state != AwardState.PROVISIONAL or award.asks >= AWARD_ASKS_MAX:
        return Reason.ACT_UNFIT
    if act.price >= award.price:
        return Reason.ALLOWANCE_RANGE
    award.asked, award.asks, award.left_ns = act.price, award.asks + 1, award.due_ns - turn.ts_ns
    said = sale.terms.after
    enter(turn, award, AwardState.ALLOWANCE_ASKED, due_in_ns=said.answer_ns or said.sample_ns, why=act.why)
    return Reason.NONE


def _by_seller(turn: Turn, sale: Sale, award: Award, act: after.AgreeAllowance | after.RefuseAllowance) -> Reason:
    if turn.account != award.seller:
        return Reason.NOT_OWNER
    if award.state != AwardState.ALLOWANCE_ASKED:
        return Reason.ACT_UNFIT
    if isinstance(act, after.RefuseAllowance):
        _back_to_buyer(turn, award, act.why)
        return Reason.NONE
    if act.price != award.asked:
        return Reason.ALLOWANCE_RANGE
    reprice(sale, award, award.asked)
    enter(turn, award, AwardState.FINAL)
    tell_changed(turn, sale, award)
    return Reason.NONE


def _by_operator(turn: Turn, sale: Sale, award: Award, act: after.Decide | after.VoidAward) -> Reason:
    if isinstance(act, after.VoidAward):
        if award.state in ENDED:
            return Reason.ACT_UNFIT
        end(turn, sale, award, AwardState.VOID, act.why)
        return Reason.NONE
    if award.state not in OPEN_TO_DECISION:
        return Reason.ACT_UNFIT
    if act.outcome == "rejected":
        _give_up(turn, sale, award, AwardState.REJECTED, act.why)
        return Reason.NONE
    if act.price > award.price:
        return Reason.ALLOWANCE_RANGE
    changes = act.price not in (0, award.price)
    if changes:
        reprice(sale, award, act.price)
    enter(turn, award, AwardState.FINAL, why=act.why)
    if changes:
        tell_changed(turn, sale, award)
    return Reason.NONE


def _back_to_buyer(turn: Turn, award: Award, why: str = "") -> None:
    """No allowance (rule 3)."""
    enter(turn, award, AwardState.PROVISIONAL, due_in_ns=max(award.left_ns, AWARD_NS_MIN), why=why)
    award.left_ns = 0


def _give_up(turn: Turn, sale: Sale, award: Award, state: AwardState, why: str = "") -> None:
    """The bags go to who comes next, or to nobody (rule 2)."""
    end(turn, sale, award, state, why)
    left = award.bags
    if sale.terms.after.rejected == "next_bidder":
        left = _offer_on(turn, sale, award)
    if left:
        passed_in(turn, sale, award.lot, left)


def _offer_on(turn: Turn, sale: Sale, award: Award) -> int:
    """Offer the bags of an award to those who come next. Returns how many nobody is left for."""
    left, least_bags = award.bags, sale.terms.lots[award.lot - 1].least_bags or award.bags
    asked = {one.buyer for one in awards_of(turn, sale, award.lot) if one.instead_of or one.state in ENDED}
    for account, price, wanted in mechanism_of(sale).offers_next(sale, award.lot):
        bags = min(wanted, left)
        if account in asked or bags < min(least_bags, left):
            continue
        asked.add(account)
        offer = made(turn, sale, award.lot, account, price, bags, award.seller)
        offer.instead_of = award.number
        enter(turn, offer, AwardState.OFFERED, due_in_ns=sale.terms.after.offer_ns)
        left -= bags
        if not left:
            break
    return left
