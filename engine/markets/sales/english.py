"""English sales: the Helmsman sale (several lots under a clock that starts again) and the timed sale; maxima by proxy.

Rules, as the Alliance for Coffee Excellence ("How to bid") and the auction houses that copy it publish them; what they
leave open is marked "ours".

1. All lots open together, each at its own opening price or the sale's. A bid names the most that its account will pay;
   only that account ever sees it. Maxima stand on the ladder made by stepping the table of increments from the opening
   price (`ladder.py` says which side a boundary belongs to).
2. The first bid on a lot stands at the opening price. Later ones must be at least one step above the price, except the
   leader's.
3. Price = min(higher maximum, lower maximum + its step). Of equal maxima the first placed leads, at that maximum.
4. A leader may raise or lower its maximum, never below the price. No other bid can be taken back. Raising it changes
   nothing that others can see, except that in a tie it is one step more (rule 3), and that it may reach the reserve.
5. Helmsman: the sale is OPEN until every lot has a bid; then the clocks run (PENDING). A bid that changes a price or a
   leader starts the clock of its scope (all lots, its group, or its lot alone) again; one that changes nothing that
   others can see does not (ours: it would tell them that there was a bid), and one that is refused does not. When a
   clock runs out its lots close, all at that instant.
6. Ours: lots without a bid at `open_until` pass in and the clocks start for the rest; if there is no rest the sale is
   finished.
7. Timed: the clock of each scope ends at its fixed time; a change within `clock_ns` of it moves the end to that long
   after the change (overtime). A hard stop closes all that is still open, whatever the clocks say.
8. A bid at or after the due time is late. A seller, or an account of its group, does not bid on an own lot.
9. Ours: an operator may end a sale; leading bids stand.
10. Ours: an outage gives a Helmsman's whole clock again, and moves `open_until`, ends and the hard stop by its length,
   an end to no less than the overtime from now; so does the kill switch.
11. Reserve: while the leader's maximum reaches it, the price is at least the reserve (eBay, "reserve price": the proxy
   bids up to it). A lot whose price does not reach its reserve passes in. Whoever may not see a reserve sees the price
   alone.
12. Pre-bids are placed before the sale is live, stand when it opens by their arrival, and move nothing public before
   (V-Auction, "pre-bids"). Until then an account's maximum may be changed, never below the opening price (ours).
13. A normal bid, where the terms take them, is taken at its full amount at once (Pieces of the Past): the price becomes
   it, unless a maximum answers with its step.
14. A divided lot (Mombasa: buyers share a lot; PETEX: part or all) goes by maximum, then arrival; each gets what it
   wants of what is left, or nothing where that is less than its smallest part or the lot's. All pay one price: the
   lowest maximum that gets bags, or one step above the highest that wants more, if that is lower. While bags are left a
   bid at the price is enough. Where a maximum reaches the reserve, those below it get nothing. What an account would
   get, it cannot ask less of (ours).
15. Where the operator approves bids, each waits, unseen; one that is taken ranks by its arrival, and must still be high
   enough (ours). Those that wait when their lot closes lapse.
16. A void bid is as if it had never been placed: price and leader follow from the others in their order; a change
   starts the clock again as a bid's does (ours). Not after the lot has closed.
17. What an account may come to: the maxima that lead, wait, or are pre-bids, and the new one, at their worth, with what
   it was sold here (ours).
"""

from __future__ import annotations

from engine.codes import EventKind, Reason, SaleStage, SaleState, TimerKind
from engine.limits import SALE_BIDS_MAX, SALE_CLOCK_NS_MIN
from engine.markets.sales import hammer
from engine.markets.sales.closing import finish, has_limit, own_lot, within_limit
from engine.markets.sales.english_rank import Share, bags_left, note, rank_whole, rank_whole_again, share_out
from engine.markets.sales.ladder import is_rung, next_bid, rises
from engine.markets.turn import Turn
from engine.messages.sales.english import English, EnglishOffer
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.state.sales.english import EnglishLot, EnglishState, Placed, SaleClock
from engine.state.sales.sale import Sale
from engine.state.venue import Timer


def terms_of(sale: Sale) -> English:
    assert isinstance(sale.terms.mechanism, English)
    return sale.terms.mechanism


def market_of(sale: Sale) -> EnglishState:
    assert isinstance(sale.market, EnglishState)
    return sale.market


def opening_of(terms: English, lot: SaleLot) -> int:
    return lot.opening or terms.opening


def check(turn: Turn, plan: SaleTerms) -> Reason:
    """The plan of an English sale: its clocks, its table, its lots."""
    terms = plan.mechanism
    assert isinstance(terms, English)
    if not rises(terms.increments, min(opening_of(terms, lot) for lot in plan.lots)):
        return Reason.BODY_INVALID
    from_ns = max(turn.ts_ns, plan.stages.live_ns)
    if terms.style == "helmsman":
        if terms.clock_ns < SALE_CLOCK_NS_MIN or terms.ends_ns or terms.stagger_ns:
            return Reason.BODY_INVALID
        if terms.open_until_ns <= from_ns:
            return Reason.DUE_IN_PAST
    else:
        if terms.open_until_ns or (terms.stagger_ns and terms.scope == "all"):
            return Reason.BODY_INVALID
        if terms.ends_ns <= from_ns:
            return Reason.DUE_IN_PAST
    if terms.stop_ns and terms.stop_ns <= from_ns:
        return Reason.DUE_IN_PAST
    for lot in plan.lots:
        if lot.reserve and not is_rung(terms.increments, opening_of(terms, lot), lot.reserve):
            return Reason.BID_INCREMENT
        if lot.least_bags and terms.normal_bids:
            return Reason.BODY_INVALID  # full amounts and one price for all do not go together
    return Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    """Pre-bids begin, or the sale is live (rules 1, 7, 12)."""
    if sale.market is None:
        sale.market = EnglishState([EnglishLot() for _ in sale.terms.lots])
    if sale.stage != SaleStage.LIVE:
        return
    terms, market = terms_of(sale), market_of(sale)
    turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=len(market.lots), leaves=terms.clock_ns)
    market.clocks = {_scope_of(sale, number): SaleClock() for number in range(1, len(market.lots) + 1)}
    if terms.style == "helmsman":
        _set_open_until(turn, sale, terms.open_until_ns + sale.delay_ns)
    else:
        for at, scope in enumerate(market.clocks):
            _set_clock(turn, sale, scope, terms.ends_ns + sale.delay_ns + at * terms.stagger_ns)
    if terms.stop_ns:
        _set_stop(turn, sale, terms.stop_ns + sale.delay_ns)
    for number, lot in enumerate(market.lots, 1):
        if lot.placed:
            before = _shares(sale, number)
            _rank_again(sale, number)
            lot.bids = 1
            _tell_places(turn, sale, number, before, everyone=True)
    _start_if_all_have_bids(turn, sale)


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """Place, raise or lower the maximum of the turn's account on one lot."""
    if not isinstance(offer, EnglishOffer):
        return Reason.OFFER_UNFIT
    market = market_of(sale)
    if offer.lot > len(market.lots):
        return Reason.LOT_UNKNOWN
    lot, terms = sale.terms.lots[offer.lot - 1], terms_of(sale)
    if market.lots[offer.lot - 1].closed:
        return Reason.BID_LATE
    if own_lot(turn, sale, offer.lot):
        return Reason.SELF_BID
    if (offer.normal and not terms.normal_bids) or (
        not lot.least_bags and (offer.bags not in (0, lot.bags) or offer.least_bags)
    ):
        return Reason.OFFER_UNFIT
    bags = (offer.bags or lot.bags) if lot.least_bags else 0
    placed = Placed(
        turn.seq, turn.account, offer.lot, offer.maximum, bags, max(offer.least_bags, lot.least_bags), offer.normal
    )
    reason = _refused(sale, placed)
    if reason != Reason.NONE:
        return reason
    if market.bids_taken >= SALE_BIDS_MAX:
        return Reason.LIMIT_REACHED
    market.bids_taken += 1
    if sale.terms.approve_bids:
        market.waiting.append(placed)
        _tell_decided(turn, sale, placed, EventKind.BID_WAITS)
    else:
        _take(turn, sale, placed)
    return Reason.NONE


def accept_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """The operator takes a bid that waits (rule 15)."""
    market = market_of(sale)
    placed = next((one for one in market.waiting if one.seq == seq), None)
    if placed is None:
        return Reason.BID_UNKNOWN
    if market.lots[placed.lot - 1].closed:
        return Reason.SALE_CLOSED
    reason = _refused(sale, placed)
    if reason != Reason.NONE:
        return reason
    market.waiting.remove(placed)
    _take(turn, sale, placed)
    return Reason.NONE


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """A bid is as if it had never been placed (rule 16)."""
    market = market_of(sale)
    for one in market.waiting:
        if one.seq == seq:
            market.waiting.remove(one)
            _tell_decided(turn, sale, one, EventKind.BID_VOIDED)
            return Reason.NONE
    placed = next((one for lot in market.lots for one in lot.placed if one.seq == seq), None)
    if placed is None:
        return Reason.BID_UNKNOWN
    lot = market.lots[placed.lot - 1]
    if lot.closed:
        return Reason.SALE_CLOSED
    price, before = lot.price, _shares(sale, placed.lot)
    lot.placed.remove(placed)
    _rank_again(sale, placed.lot)
    _tell_decided(turn, sale, placed, EventKind.BID_VOIDED)
    if sale.stage == SaleStage.LIVE and (lot.price, _shares(sale, placed.lot)) != (price, before):
        lot.bids += 1
        _tell_places(turn, sale, placed.lot, before)
        _start_again(turn, sale, placed.lot)
    return Reason.NONE


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """A clock ran out, no bid came in time, or the hard stop (rules 5 to 7)."""
    market = market_of(sale)
    numbers = range(1, len(market.lots) + 1)
    if timer.kind == TimerKind.SALE_OPEN_UNTIL:
        market.open_timer = 0
        _close(turn, sale, [number for number in numbers if market.lots[number - 1].price is None])
        if sale.stage == SaleStage.LIVE:
            _start_clocks(turn, sale)
    elif timer.kind == TimerKind.SALE_CLOCK:
        market.clocks[timer.phase] = SaleClock()
        _close(turn, sale, [number for number in numbers if _scope_of(sale, number) == timer.phase])
    else:
        market.stop_timer = market.stop_ns = 0
        _close(turn, sale, list(numbers))


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    """Nobody could bid for `away_ns` (rule 10)."""
    timers, terms = turn.venue.timers, terms_of(sale)
    if timer.kind == TimerKind.SALE_OPEN_UNTIL:
        market_of(sale).open_until_ns = timers.postpone(timer, timer.due_ns + away_ns).due_ns
    elif timer.kind == TimerKind.SALE_ROUND:
        market_of(sale).stop_ns = timers.postpone(timer, timer.due_ns + away_ns).due_ns
    elif terms.style == "helmsman":
        _set_clock(turn, sale, timer.phase, turn.ts_ns + terms.clock_ns)
    else:
        _set_clock(turn, sale, timer.phase, max(timer.due_ns + away_ns, turn.ts_ns + terms.clock_ns))


def end(turn: Turn, sale: Sale) -> None:
    """Leading bids stand (rule 9)."""
    _close(turn, sale, list(range(1, len(market_of(sale).lots) + 1)))


def minimum_bid(sale: Sale, number: int) -> int:
    """Lowest maximum that an account which gets nothing of a lot may place, in ticks (rules 2 and 14)."""
    terms, plan = terms_of(sale), sale.terms.lots[number - 1]
    if sale.market is None or (lot := market_of(sale).lots[number - 1]).price is None:
        return opening_of(terms, plan)
    if plan.least_bags and bags_left(plan, lot) >= plan.least_bags:
        return lot.price
    return next_bid(terms.increments, lot.price)


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """SECRET. Who did not win, by maximum and arrival: (account, its maximum, bags)."""
    plan, lot = sale.terms.lots[number - 1], market_of(sale).lots[number - 1]
    ranked = sorted((-one.maximum, one.rank, account) for account, one in lot.standing.items())
    return [
        (account, -below, lot.standing[account].bags or plan.bags)
        for below, _, account in ranked
        if not lot.standing[account].filled and -below >= plan.reserve
    ]


def committed(sale: Sale, account: int, besides: int) -> int:
    """What the account's bids on other lots than `besides` could still come to, in minor units (rule 17)."""
    total = 0
    market = market_of(sale)
    for number, lot in enumerate(market.lots, 1):
        one = lot.standing.get(account)
        if one is None or number == besides or lot.closed or not (one.filled or sale.stage != SaleStage.LIVE):
            continue
        total += sale.value_minor(sale.grams(number, one.bags), one.maximum)
    for each in market.waiting:
        if each.account == account and each.lot != besides and not market.lots[each.lot - 1].closed:
            total += sale.value_minor(sale.grams(each.lot, each.bags), each.maximum)
    return total


def _refused(sale: Sale, placed: Placed) -> Reason:
    """Step, bags, amount, bound."""
    terms, plan = terms_of(sale), sale.terms.lots[placed.lot - 1]
    lot = market_of(sale).lots[placed.lot - 1]
    opening = opening_of(terms, plan)
    if placed.maximum < opening:
        off = (opening - placed.maximum) % terms.increments[0].increment
        return Reason.BID_INCREMENT if off else Reason.BID_LOW
    if not is_rung(terms.increments, opening, placed.maximum):
        return Reason.BID_INCREMENT
    if plan.least_bags and not placed.least_bags <= placed.bags <= plan.bags:
        return Reason.BAGS_RANGE
    standing = lot.standing.get(placed.account)
    if standing is not None and standing.filled:
        assert lot.price is not None
        if placed.maximum < lot.price:
            return Reason.MAXIMUM_BELOW_PRICE
        if plan.least_bags and placed.bags < standing.filled:
            return Reason.BAGS_RANGE
    elif lot.price is not None and placed.maximum < minimum_bid(sale, placed.lot):
        return Reason.BID_LOW
    if has_limit(sale, placed.account):
        worth = sale.value_minor(sale.grams(placed.lot, placed.bags), placed.maximum)
        if not within_limit(sale, placed.account, committed(sale, placed.account, placed.lot) + worth):
            return Reason.COMMITMENT_LIMIT
    return Reason.NONE


def _take(turn: Turn, sale: Sale, placed: Placed) -> None:
    """Rank one valid bid and tell what it changed."""
    market = market_of(sale)
    lot = market.lots[placed.lot - 1]
    price, before = lot.price, _shares(sale, placed.lot)
    lot.placed.append(placed)
    if len(lot.placed) > 1 and lot.placed[-2].seq > placed.seq:  # it waited for the operator
        lot.placed.sort(key=lambda one: one.seq)
        _rank_again(sale, placed.lot)
    else:
        _rank(sale, lot, placed)
    moved = sale.stage == SaleStage.LIVE and (lot.price, _shares(sale, placed.lot)) != (price, before)
    lot.bids += moved
    turn.emit(
        EventKind.BID_ACCEPTED,
        instrument=placed.lot,
        order=sale.sale,
        account=placed.account,
        price=placed.maximum,
        qty=lot.bids,
    )
    if moved:
        _tell_places(turn, sale, placed.lot, before, also=placed.account)
        if sale.state == SaleState.OPEN and terms_of(sale).style == "helmsman":
            _start_if_all_have_bids(turn, sale)
        else:
            _start_again(turn, sale, placed.lot)


def _rank(sale: Sale, lot: EnglishLot, placed: Placed) -> None:
    """Before the sale is live a bid is noted and nothing else."""
    terms, plan = terms_of(sale), sale.terms.lots[placed.lot - 1]
    if sale.stage == SaleStage.LIVE and not plan.least_bags:
        rank_whole(terms, plan, lot, placed)
        return
    note(lot, placed)
    if sale.stage == SaleStage.LIVE:
        share_out(terms, plan, lot)


def _rank_again(sale: Sale, number: int) -> None:
    """Price and leader from the bids that stand, in their order."""
    lot = market_of(sale).lots[number - 1]
    terms, plan = terms_of(sale), sale.terms.lots[number - 1]
    lot.price, lot.leader, lot.runner_up, lot.standing = None, 0, None, {}
    for placed in lot.placed:
        note(lot, placed)
    if sale.stage == SaleStage.LIVE and lot.standing:
        (share_out if plan.least_bags else rank_whole_again)(terms, plan, lot)


def _shares(sale: Sale, number: int) -> Share:
    """Who gets what of a lot now: its leader, or the bags of each."""
    lot = market_of(sale).lots[number - 1]
    if not sale.terms.lots[number - 1].least_bags:
        return {lot.leader: 0} if lot.leader else {}
    return {account: one.filled for account, one in lot.standing.items() if one.filled}


def _tell_places(turn: Turn, sale: Sale, number: int, before: Share, *, also: int = 0, everyone: bool = False) -> None:
    """Private word to those whose place changed, then the public price.

    also  whoever bid is told that it does not lead, changed or not; everyone: all that have a bid are
    """
    lot, now = market_of(sale).lots[number - 1], _shares(sale, number)
    price = lot.price or 0
    less = [account for account in sorted(before) if account not in now or now[account] < before[account]]
    if everyone:
        less = sorted(lot.standing.keys() - now.keys())
    elif also and also not in now and also not in less:
        less.append(also)
    for account in less:
        turn.emit(
            EventKind.LOT_OUTBID, instrument=number, order=sale.sale, price=price, account=account,
            qty=now.get(account, 0),
        )  # fmt: skip
    for account in sorted(now):
        if sale.terms.lots[number - 1].least_bags == 0 or now[account] != before.get(account):
            turn.emit(
                EventKind.LOT_LEADER, instrument=number, order=sale.sale, price=price, account=account,
                qty=now[account],
            )  # fmt: skip
    kind = EventKind.LOT_PRICE if lot.price is not None else EventKind.LOT_CHANGED
    turn.emit(kind, instrument=number, order=sale.sale, price=price, qty=lot.bids)


def _tell_decided(turn: Turn, sale: Sale, placed: Placed, kind: EventKind) -> None:
    turn.emit(
        kind, instrument=placed.lot, order=sale.sale, account=placed.account, price=placed.maximum,
        counter_order=placed.seq,
    )  # fmt: skip


def _scope_of(sale: Sale, number: int) -> int:
    """Which clock a lot is under: 0 for all, else the number of its group or its own."""
    scope = terms_of(sale).scope
    return 0 if scope == "all" else number if scope == "lot" else sale.terms.lots[number - 1].group


def _start_if_all_have_bids(turn: Turn, sale: Sale) -> None:
    if terms_of(sale).style == "helmsman" and all(lot.price is not None or lot.closed for lot in market_of(sale).lots):
        _start_clocks(turn, sale)


def _start_clocks(turn: Turn, sale: Sale) -> None:
    """Every lot that is left has a bid: the clocks of a Helmsman sale run (rule 5)."""
    market = market_of(sale)
    turn.venue.timers.cancel(market.open_timer)
    market.open_timer = 0
    sale.state = SaleState.PENDING
    open_scopes = {_scope_of(sale, number) for number, lot in enumerate(market.lots, 1) if not lot.closed}
    for scope in market.clocks:
        if scope in open_scopes:
            _set_clock(turn, sale, scope, turn.ts_ns + terms_of(sale).clock_ns)


def _start_again(turn: Turn, sale: Sale, number: int) -> None:
    """Something that all may see changed on a lot: its clock, by rule 5 or 7."""
    terms, scope = terms_of(sale), _scope_of(sale, number)
    if terms.style == "helmsman":
        if sale.state == SaleState.PENDING:
            _set_clock(turn, sale, scope, turn.ts_ns + terms.clock_ns)
    elif market_of(sale).clocks[scope].due_ns < turn.ts_ns + terms.clock_ns:
        sale.state = SaleState.PENDING
        _set_clock(turn, sale, scope, turn.ts_ns + terms.clock_ns)


def _set_clock(turn: Turn, sale: Sale, scope: int, due_ns: int) -> None:
    timers, clock = turn.venue.timers, market_of(sale).clocks[scope]
    timers.cancel(clock.timer)
    due_ns = max(due_ns, turn.ts_ns + 1)
    clock.timer = timers.set(turn.ts_ns, due_ns, TimerKind.SALE_CLOCK, subject=sale.sale, phase=scope).timer
    clock.due_ns = due_ns
    turn.emit(EventKind.CLOCK, instrument=scope, order=sale.sale, leaves=due_ns)


def _set_open_until(turn: Turn, sale: Sale, due_ns: int) -> None:
    market, due_ns = market_of(sale), max(due_ns, turn.ts_ns + 1)
    market.open_until_ns = due_ns
    market.open_timer = turn.venue.timers.set(turn.ts_ns, due_ns, TimerKind.SALE_OPEN_UNTIL, subject=sale.sale).timer


def _set_stop(turn: Turn, sale: Sale, due_ns: int) -> None:
    market, due_ns = market_of(sale), max(due_ns, turn.ts_ns + 1)
    market.stop_ns = due_ns
    market.stop_timer = turn.venue.timers.set(turn.ts_ns, due_ns, TimerKind.SALE_ROUND, subject=sale.sale).timer


def _close(turn: Turn, sale: Sale, numbers: list[int]) -> None:
    """The hammer falls on those of these lots that are open; the sale is finished when none is left."""
    market = market_of(sale)
    for number in numbers:
        lot, plan = market.lots[number - 1], sale.terms.lots[number - 1]
        if lot.closed:
            continue
        lot.closed = True
        if lot.price is None or lot.price < plan.reserve:
            hammer.passed_in(turn, sale, number)
        elif not plan.least_bags:
            lot.sold_bags = plan.bags
            hammer.sold(turn, sale, number, lot.leader, lot.price, plan.bags)
        else:
            ranked = sorted((-one.maximum, one.rank, account) for account, one in lot.standing.items())
            for account in (account for _, _, account in ranked if lot.standing[account].filled):
                lot.sold_bags += lot.standing[account].filled
                hammer.sold(turn, sale, number, account, lot.price, lot.standing[account].filled)
            if lot.sold_bags < plan.bags:
                hammer.passed_in(turn, sale, number, plan.bags - lot.sold_bags)
    scopes = {_scope_of(sale, number) for number, lot in enumerate(market.lots, 1) if not lot.closed}
    for scope, clock in market.clocks.items():
        if scope not in scopes:
            turn.venue.timers.cancel(clock.timer)
            clock.timer = clock.due_ns = 0
    if not scopes:
        market.waiting = []
        market.open_timer = market.stop_timer = 0
        finish(turn, sale)
