"""Reverse auctions: a buyer asks for lots, suppliers bid the price down; or the premium that they need (Conab, PEP).

The timed English sale in a mirror (`mirror.py`): where one has the highest maximum the other has the lowest minimum.
The numbers in brackets are the English rules that hold mirrored; what has no source is marked "ours".

1. A lot is what its buyer (`seller` in its plan) asks for. It opens at the highest price that is taken. A bid names the
   least that its account will take; only that account ever sees it. Minima stand on the ladder made by stepping the
   table of decrements down from the opening price [1]. The first bid stands at the opening price; later ones must be at
   least one step below the price, except the leader's [2].
2. Price = max(lower minimum, higher minimum - its step). Of equal minima the first placed leads, at that minimum [3]. A
   leader may lower or raise its own, never above the price. No bid is taken back [4].
3. Open bids, where the terms take them instead: the price becomes the bid at once [13].
4. The end is fixed; a change of price or leader within `clock_ns` of it moves it to that long after the change. One
   that changes nothing that others can see does not, nor does one that is refused. A hard stop closes all [7]. At or
   after the end a bid is late; the buyer, or an account of its group, does not bid [8].
5. The most that the buyer pays (the lot's reserve), disclosed or not: while the leader's minimum reaches it the price
   is at most that. A lot whose price does not come down to it is not bought [11].
6. A lot that may be divided goes by minimum, then arrival; all are paid one price: the highest minimum that gets bags,
   or one step below the lowest that would give more, if that is higher [14].
7. A premium may come to 0, a price not.
8. What an account may come to: the lots that it leads and the new one, at their opening prices, with what was bought of
   it here (ours).
9. The buyer buys of the leader; whoever comes second is not asked (ours: a tender is held again).
10. An operator ends a sale, and leading bids stand [9]; a void bid is as if it had never been placed [16]. An outage
   moves the end and the hard stop by its length, the end to no less than the overtime from now [10].
"""

from __future__ import annotations

from engine.codes import EventKind, Reason, SaleState, TimerKind
from engine.limits import SALE_BIDS_MAX
from engine.markets.sales import hammer
from engine.markets.sales.closing import finish, has_limit, own_lot, within_limit
from engine.markets.sales.english_rank import Share, bags_left, note, rank_whole, share_out
from engine.markets.sales.ladder import is_rung, next_bid, rises
from engine.markets.sales.mirror import lot_in, mirrored, table_in, terms_in
from engine.markets.turn import Turn
from engine.messages.sales.reverse import Reverse, ReverseOffer
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.state.sales.english import EnglishLot, Placed, SaleClock
from engine.state.sales.reverse import ReverseState
from engine.state.sales.sale import Sale
from engine.state.venue import Timer


def terms_of(sale: Sale) -> Reverse:
    assert isinstance(sale.terms.mechanism, Reverse)
    return sale.terms.mechanism


def market_of(sale: Sale) -> ReverseState:
    assert isinstance(sale.market, ReverseState)
    return sale.market


def opening_of(terms: Reverse, lot: SaleLot) -> int:
    return lot.opening or terms.opening


def check(turn: Turn, plan: SaleTerms) -> Reason:
    """The plan of a reverse auction: its table, its times, its lots."""
    terms = plan.mechanism
    assert isinstance(terms, Reverse)
    if terms.decrements[0].start or not rises(terms.decrements, 0):
        return Reason.BODY_INVALID
    from_ns = max(turn.ts_ns, plan.stages.live_ns)
    if terms.ends_ns <= from_ns or 0 < terms.stop_ns <= from_ns:
        return Reason.DUE_IN_PAST
    for lot in plan.lots:
        if lot.reserve and not _is_rung(terms, lot, lot.reserve):
            return Reason.BID_INCREMENT
        if lot.least_bags and terms.open_bids:
            return Reason.BODY_INVALID  # full amounts and one price for all do not go together
    return Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    """All lots are asked for, and the clocks of their ends run (rule 4)."""
    terms = terms_of(sale)
    sale.market = market = ReverseState([EnglishLot() for _ in sale.terms.lots])
    turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=len(market.lots), leaves=terms.clock_ns)
    market.clocks = {_scope_of(sale, number): SaleClock() for number in range(1, len(market.lots) + 1)}
    for scope in market.clocks:
        _set_clock(turn, sale, scope, terms.ends_ns + sale.delay_ns)
    if terms.stop_ns:
        market.stop_ns = max(terms.stop_ns + sale.delay_ns, turn.ts_ns + 1)
        timer = turn.venue.timers.set(turn.ts_ns, market.stop_ns, TimerKind.SALE_ROUND, subject=sale.sale)
        market.stop_timer = timer.timer


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """Place, lower or raise the minimum of the turn's account on one lot."""
    if not isinstance(offer, ReverseOffer):
        return Reason.OFFER_UNFIT
    market, terms = market_of(sale), terms_of(sale)
    if offer.lot > len(market.lots):
        return Reason.LOT_UNKNOWN
    lot, plan = market.lots[offer.lot - 1], sale.terms.lots[offer.lot - 1]
    if lot.closed:
        return Reason.BID_LATE
    if own_lot(turn, sale, offer.lot):
        return Reason.SELF_BID
    if not plan.least_bags and (offer.bags not in (0, plan.bags) or offer.least_bags):
        return Reason.OFFER_UNFIT
    bags = (offer.bags or plan.bags) if plan.least_bags else 0
    least = max(offer.least_bags, plan.least_bags)
    maximum = mirrored(offer.minimum)
    placed = Placed(turn.seq, turn.account, offer.lot, maximum, bags, least, terms.open_bids)
    reason = _refused(sale, offer.minimum, placed)
    if reason != Reason.NONE:
        return reason
    if market.bids_taken >= SALE_BIDS_MAX:
        return Reason.LIMIT_REACHED
    market.bids_taken += 1
    price, before = lot.price, _shares(sale, offer.lot)
    lot.placed.append(placed)
    _rank(sale, placed)
    moved = (lot.price, _shares(sale, offer.lot)) != (price, before)
    lot.bids += moved
    turn.emit(
        EventKind.BID_ACCEPTED, instrument=offer.lot, order=sale.sale, account=turn.account, price=offer.minimum,
        qty=lot.bids,
    )  # fmt: skip
    if moved:
        _tell_places(turn, sale, offer.lot, before, also=turn.account)
        _start_again(turn, sale, offer.lot)
    return Reason.NONE


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """A bid is as if it had never been placed (rule 10)."""
    placed = next((one for lot in market_of(sale).lots for one in lot.placed if one.seq == seq), None)
    if placed is None:
        return Reason.BID_UNKNOWN
    lot = market_of(sale).lots[placed.lot - 1]
    if lot.closed:
        return Reason.SALE_CLOSED
    price, before = lot.price, _shares(sale, placed.lot)
    lot.placed.remove(placed)
    lot.price, lot.leader, lot.runner_up, lot.standing = None, 0, None, {}
    for one in lot.placed:
        _rank(sale, one)
    turn.emit(
        EventKind.BID_VOIDED, instrument=placed.lot, order=sale.sale, account=placed.account,
        price=mirrored(placed.maximum), counter_order=seq,
    )  # fmt: skip
    if (lot.price, _shares(sale, placed.lot)) != (price, before):
        lot.bids += 1
        _tell_places(turn, sale, placed.lot, before)
        _start_again(turn, sale, placed.lot)
    return Reason.NONE


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """An end, or the hard stop (rule 4)."""
    market = market_of(sale)
    numbers = range(1, len(market.lots) + 1)
    if timer.kind == TimerKind.SALE_CLOCK:
        _close(turn, sale, [number for number in numbers if _scope_of(sale, number) == timer.phase])
    else:
        _close(turn, sale, list(numbers))


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    """Nobody could bid for `away_ns` (rule 10)."""
    if timer.kind == TimerKind.SALE_ROUND:
        market_of(sale).stop_ns = turn.venue.timers.postpone(timer, timer.due_ns + away_ns).due_ns
    else:
        _set_clock(turn, sale, timer.phase, max(timer.due_ns + away_ns, turn.ts_ns + terms_of(sale).clock_ns))


def end(turn: Turn, sale: Sale) -> None:
    """Leading bids stand (rule 10)."""
    _close(turn, sale, list(range(1, len(market_of(sale).lots) + 1)))


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """Nobody is asked (rule 9)."""
    return []


def price_of(sale: Sale, number: int) -> int | None:
    """In ticks; None: no bid yet."""
    price = None if sale.market is None else market_of(sale).lots[number - 1].price
    return None if price is None else mirrored(price)


def maximum_bid(sale: Sale, number: int) -> int:
    """Highest minimum that who gets nothing of a lot may place, in ticks (rules 1 and 6). Below 0: none."""
    terms, plan = terms_of(sale), sale.terms.lots[number - 1]
    price = price_of(sale, number)
    if price is None:
        return opening_of(terms, plan)
    if plan.least_bags and bags_left(plan, market_of(sale).lots[number - 1]) >= plan.least_bags:
        return price
    return mirrored(next_bid(table_in(terms.decrements), mirrored(price)))


def _is_rung(terms: Reverse, lot: SaleLot, price: int) -> bool:
    return is_rung(table_in(terms.decrements), mirrored(opening_of(terms, lot)), mirrored(price))


def _refused(sale: Sale, minimum: int, placed: Placed) -> Reason:
    """Range, step, bags, amount, bound."""
    terms, plan = terms_of(sale), sale.terms.lots[placed.lot - 1]
    lot = market_of(sale).lots[placed.lot - 1]
    if minimum == 0 and not terms.premium:
        return Reason.PRICE_RANGE
    if minimum > opening_of(terms, plan):
        return Reason.BID_HIGH
    if not _is_rung(terms, plan, minimum):
        return Reason.BID_INCREMENT
    if plan.least_bags and not placed.least_bags <= placed.bags <= plan.bags:
        return Reason.BAGS_RANGE
    standing = lot.standing.get(placed.account)
    if standing is not None and standing.filled:
        assert lot.price is not None
        if placed.maximum < lot.price:
            return Reason.MINIMUM_ABOVE_PRICE
        if plan.least_bags and placed.bags < standing.filled:
            return Reason.BAGS_RANGE
    elif minimum > maximum_bid(sale, placed.lot):
        return Reason.BID_HIGH
    if has_limit(sale, placed.account):
        worth = sale.value_minor(sale.grams(placed.lot, placed.bags), opening_of(terms, plan))
        if not within_limit(sale, placed.account, _committed(sale, placed.account, placed.lot) + worth):
            return Reason.COMMITMENT_LIMIT
    return Reason.NONE


def _committed(sale: Sale, account: int, besides: int) -> int:
    """What the account's lots other than `besides` come to, or could, in minor units (rule 8)."""
    total = 0
    for number, lot in enumerate(market_of(sale).lots, 1):
        one, price = lot.standing.get(account), price_of(sale, number)
        if one is None or not one.filled or number == besides or (lot.closed and not lot.sold_bags):
            continue
        if not lot.closed or price is None:
            price = opening_of(terms_of(sale), sale.terms.lots[number - 1])
        total += sale.value_minor(sale.grams(number, one.filled if lot.closed else one.bags), price)
    return total


def _rank(sale: Sale, placed: Placed) -> None:
    terms, plan = terms_in(terms_of(sale)), lot_in(sale.terms.lots[placed.lot - 1])
    lot = market_of(sale).lots[placed.lot - 1]
    if plan.least_bags:
        note(lot, placed)
        share_out(terms, plan, lot)
    else:
        rank_whole(terms, plan, lot, placed)


def _shares(sale: Sale, number: int) -> Share:
    """Who supplies how many bags now."""
    return {account: one.filled for account, one in market_of(sale).lots[number - 1].standing.items() if one.filled}


def _tell_places(turn: Turn, sale: Sale, number: int, before: Share, *, also: int = 0) -> None:
    """Private word to those whose place changed (`also`: and to who bid in vain), then the public price."""
    lot, now, price = market_of(sale).lots[number - 1], _shares(sale, number), price_of(sale, number)
    about = {"instrument": number, "order": sale.sale, "price": price or 0}
    less = [account for account in sorted(before) if now.get(account, 0) < before[account]]
    if also and also not in now and also not in less:
        less.append(also)
    for account in less:
        turn.emit(EventKind.LOT_OUTBID, account=account, qty=now.get(account, 0), **about)
    for account in sorted(now):
        turn.emit(EventKind.LOT_LEADER, account=account, qty=now[account], **about)
    turn.emit(EventKind.LOT_CHANGED if price is None else EventKind.LOT_PRICE, qty=lot.bids, **about)


def _scope_of(sale: Sale, number: int) -> int:
    scope = terms_of(sale).scope
    return 0 if scope == "all" else number if scope == "lot" else sale.terms.lots[number - 1].group


def _start_again(turn: Turn, sale: Sale, number: int) -> None:
    """Overtime (rule 4)."""
    due_ns, scope = turn.ts_ns + terms_of(sale).clock_ns, _scope_of(sale, number)
    if market_of(sale).clocks[scope].due_ns < due_ns:
        sale.state = SaleState.PENDING
        _set_clock(turn, sale, scope, due_ns)


def _set_clock(turn: Turn, sale: Sale, scope: int, due_ns: int) -> None:
    timers, clock = turn.venue.timers, market_of(sale).clocks[scope]
    timers.cancel(clock.timer)
    clock.due_ns = max(due_ns, turn.ts_ns + 1)
    clock.timer = timers.set(turn.ts_ns, clock.due_ns, TimerKind.SALE_CLOCK, subject=sale.sale, phase=scope).timer
    turn.emit(EventKind.CLOCK, instrument=scope, order=sale.sale, leaves=clock.due_ns)


def _close(turn: Turn, sale: Sale, numbers: list[int]) -> None:
    """The hammer falls on those of these lots that are open; the sale is finished when none is left."""
    market = market_of(sale)
    for number in numbers:
        lot, plan = market.lots[number - 1], sale.terms.lots[number - 1]
        if lot.closed:
            continue
        lot.closed = True
        price = price_of(sale, number)
        if price is None or (plan.reserve and price > plan.reserve):
            hammer.passed_in(turn, sale, number)
            continue
        ranked = sorted((-one.maximum, one.rank, account) for account, one in lot.standing.items() if one.filled)
        for _, _, account in ranked:
            filled = lot.standing[account].filled
            lot.sold_bags += filled
            hammer.sold(turn, sale, number, plan.seller, price, filled, seller=account)
        if lot.sold_bags < plan.bags:
            hammer.passed_in(turn, sale, number, plan.bags - lot.sold_bags)
    scopes = {_scope_of(sale, number) for number, lot in enumerate(market.lots, 1) if not lot.closed}
    for scope, clock in market.clocks.items():
        if scope not in scopes:
            turn.venue.timers.cancel(clock.timer)
            clock.timer = clock.due_ns = 0
    if not scopes:
        market.stop_timer = market.stop_ns = 0
        finish(turn, sale)
