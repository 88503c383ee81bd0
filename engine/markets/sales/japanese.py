"""Japanese clock: the price of a lot rises while two or more hold the button; the last one buys.

Rules, as the Nairobi Coffee Exchange (price rises while more than one buyer holds the button, the last one buys,
reserve not disclosed) and India's tea auctions of 2021-22 (automatic rise every few seconds, history to the seller) are
reported; what they leave open is marked "ours".

1. Each lot begins at its opening price or the sale's. That price stands for the joining time, in which bidders press.
   Who has not pressed by then takes no part in the lot (ours).
2. Then the price rises by one increment after every interval, while two or more hold at the end of it.
3. Who lets go cannot come back. What counts is who holds when an interval ends (ours: so a letting go that was sent in
   time does not lose to a faster line). Until the price rises nobody is told who let go.
4. Who alone holds at the end of an interval buys at its price: the one at which the last other let go.
5. Where all who were left let go in one interval, the one that pressed first buys at the price before: the last that
   all of them held (ours). Those who let go at the opening price held none: with no other the lot passes in.
6. Where the price to pay does not reach the reserve the lot passes in; the clock does not rise for one bidder alone
   (ours: it would tell how far the reserve is). Who may not see a reserve is not told it.
7. A bidder may name a limit, for itself alone: the venue lets go for it when the price rises above. So it does for an
   account that is frozen or barred, and when the price would take what the account holds and was sold here above its
   bound (ours). A limit may be changed while it holds, to no less than the price.
8. At the highest price that a venue has, all let go (ours).
9. An operator ends a sale: the interval ends now; a lot that two or more hold passes in. A pressing that is voided is
   as if it had not been (ours).
10. When its lot is closed the seller sees who pressed and who let go at which price, where the terms say so (India).
11. A seller, or an account of its group, does not press on its own lot.
"""

from __future__ import annotations

from engine.codes import EventKind, Reason, SaleState
from engine.limits import PRICE_TICKS_MAX
from engine.markets.sales import hammer, ticking
from engine.markets.sales.closing import has_limit, own_lot, within_limit
from engine.markets.turn import Turn
from engine.messages.sales.japanese import Japanese, JapaneseOffer
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.state.sales.japanese import Holder, JapaneseLot, JapaneseState
from engine.state.sales.sale import Sale
from engine.state.venue import Timer

JOINING = 1  # round in which bidders press


def terms_of(sale: Sale) -> Japanese:
    assert isinstance(sale.terms.mechanism, Japanese)
    return sale.terms.mechanism


def market_of(sale: Sale) -> JapaneseState:
    assert isinstance(sale.market, JapaneseState)
    return sale.market


def opening_of(terms: Japanese, lot: SaleLot) -> int:
    return lot.opening or terms.opening


def check(turn: Turn, plan: SaleTerms) -> Reason:
    """The plan of a Japanese sale: lots are sold whole."""
    return Reason.BODY_INVALID if any(lot.least_bags for lot in plan.lots) else Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    """The clocks begin, or the first of them (rule 1)."""
    terms = terms_of(sale)
    sale.market = JapaneseState([JapaneseLot(opening_of(terms, lot)) for lot in sale.terms.lots])
    turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=len(sale.terms.lots), leaves=terms.interval_ns)
    ticking.go_on(turn, sale, sale.market.lots, terms.in_turn, _begin)


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """Press, change one's limit, or let go (rules 1, 3, 7, 11)."""
    if not isinstance(offer, JapaneseOffer):
        return Reason.OFFER_UNFIT
    market = market_of(sale)
    if offer.lot > len(market.lots):
        return Reason.LOT_UNKNOWN
    lot = market.lots[offer.lot - 1]
    if lot.closed:
        return Reason.BID_LATE
    if not lot.round:
        return Reason.SALE_NOT_OPEN
    if own_lot(turn, sale, offer.lot):
        return Reason.SELF_BID
    holder = lot.holders.get(turn.account)
    if holder is not None and holder.left_round:
        return Reason.BUTTON_RELEASED
    if not offer.hold:
        if holder is None:
            return Reason.NOT_HOLDING
        _let_go(turn, sale, offer.lot, holder)
        return Reason.NONE
    if holder is None and lot.round > JOINING:
        return Reason.JOINING_OVER
    if offer.limit and offer.limit < lot.price:
        return Reason.BID_LOW if holder is None else Reason.MAXIMUM_BELOW_PRICE
    if holder is None and not _within_limit(sale, turn.account, offer.lot, lot.price):
        return Reason.COMMITMENT_LIMIT

    if holder is None:
        lot.holders[turn.account] = Holder(turn.account, turn.seq, offer.limit)
    else:
        holder.limit = offer.limit
    turn.emit(
        EventKind.BID_ACCEPTED, instrument=offer.lot, order=sale.sale, account=turn.account, price=offer.limit
    )  # fmt: skip
    return Reason.NONE


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """A pressing is as if it had not been (rule 9)."""
    for number, lot in enumerate(market_of(sale).lots, 1):
        for account, holder in lot.holders.items():
            if holder.seq != seq:
                continue
            if lot.closed:
                return Reason.SALE_CLOSED
            del lot.holders[account]
            turn.emit(
                EventKind.BID_VOIDED, instrument=number, order=sale.sale, account=account, price=holder.limit,
                counter_order=seq,
            )  # fmt: skip
            return Reason.NONE
    return Reason.BID_UNKNOWN


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """An interval ends: the price rises, or the lot is decided (rules 2 to 6)."""
    terms, market, number = terms_of(sale), market_of(sale), timer.phase
    lot = market.lots[number - 1]
    holding = _holding(lot)
    price = lot.price + terms.increment
    if len(holding) < 2:
        _decide(turn, sale, number)
    elif price > PRICE_TICKS_MAX:
        for holder in holding:
            holder.left_round = lot.round + 1  # rule 8: they held this one to its end
        _hammer(turn, sale, number, _first(holding), lot.price)
    else:
        sale.state = SaleState.PENDING
        lot.held = len(holding)
        ticking.show(turn, sale, number, lot, price, terms.interval_ns)
        for holder in holding:
            if not _holds_on(turn, sale, number, holder):
                _let_go(turn, sale, number, holder)
        return
    ticking.go_on(turn, sale, market.lots, terms.in_turn, _begin)


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    lot = market_of(sale).lots[timer.phase - 1]
    ticking.stand(turn, sale, timer.phase, lot, lot.wait_ns)


def end(turn: Turn, sale: Sale) -> None:
    """Every interval ends now (rule 9)."""
    lots = market_of(sale).lots
    for number, lot in enumerate(lots, 1):
        if lot.closed:
            continue
        if len(_holding(lot)) < 2:
            _decide(turn, sale, number)
        else:
            _hammer(turn, sale, number, 0, 0)
    ticking.go_on(turn, sale, lots, False, _begin)


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """SECRET. The others, by the last price that they held to its end, then who pressed first."""
    plan, lot = sale.terms.lots[number - 1], market_of(sale).lots[number - 1]
    last = {account: last_held(sale, number, holder) for account, holder in lot.holders.items()}
    others = [one for one in lot.holders.values() if one.account != lot.buyer and last[one.account] >= plan.reserve]
    ranked = sorted(others, key=lambda one: (-last[one.account], one.seq))
    return [(one.account, last[one.account], plan.bags) for one in ranked if last[one.account]]


def last_held(sale: Sale, number: int, holder: Holder) -> int:
    """The last price that it held to the end of its interval, in ticks; 0: none."""
    terms, lot = terms_of(sale), market_of(sale).lots[number - 1]
    rounds = (holder.left_round or lot.round) - 1
    return opening_of(terms, sale.terms.lots[number - 1]) + (rounds - 1) * terms.increment if rounds else 0


def _begin(turn: Turn, sale: Sale, number: int) -> None:
    lot = market_of(sale).lots[number - 1]
    ticking.show(turn, sale, number, lot, lot.price, terms_of(sale).joining_ns)


def _holding(lot: JapaneseLot) -> list[Holder]:
    return [holder for _, holder in sorted(lot.holders.items()) if not holder.left_round]


def _first(holders: list[Holder]) -> int:
    """Account of the one that pressed first."""
    return min(holders, key=lambda holder: holder.seq).account


def _holds_on(turn: Turn, sale: Sale, number: int, holder: Holder) -> bool:
    """At the price that is shown now (rule 7)."""
    price, bidder = market_of(sale).lots[number - 1].price, sale.bidders.get(holder.account)
    if turn.venue.accounts[holder.account].frozen or (bidder is not None and bidder.barred):
        return False
    return (not holder.limit or price <= holder.limit) and _within_limit(sale, holder.account, number, price)


def _within_limit(sale: Sale, account: int, number: int, price: int) -> bool:
    """With all other lots that the account holds, at their prices."""
    if not has_limit(sale, account):
        return True
    total = sale.value_minor(sale.grams(number), price)
    for at, lot in enumerate(market_of(sale).lots, 1):
        holder = lot.holders.get(account)
        if at != number and not lot.closed and holder is not None and not holder.left_round:
            total += sale.value_minor(sale.grams(at), lot.price)
    return within_limit(sale, account, total)


def _let_go(turn: Turn, sale: Sale, number: int, holder: Holder) -> None:
    lot = market_of(sale).lots[number - 1]
    holder.left_round = lot.round
    turn.emit(
        EventKind.LET_GO, instrument=number, order=sale.sale, account=holder.account, price=lot.price, qty=lot.round
    )  # fmt: skip


def _decide(turn: Turn, sale: Sale, number: int) -> None:
    """One holds, or none (rules 4 and 5)."""
    lot = market_of(sale).lots[number - 1]
    holding = _holding(lot)
    together = [one for _, one in sorted(lot.holders.items()) if one.left_round == lot.round > JOINING]
    if holding:
        _hammer(turn, sale, number, holding[0].account, lot.price)
    elif together:
        _hammer(turn, sale, number, _first(together), last_held(sale, number, together[0]))
    else:
        _hammer(turn, sale, number, 0, 0)


def _hammer(turn: Turn, sale: Sale, number: int, buyer: int, price: int) -> None:
    """Sold, where somebody buys at no less than the reserve (rule 6)."""
    lot, plan = market_of(sale).lots[number - 1], sale.terms.lots[number - 1]
    ticking.close(turn, lot)
    if buyer and price >= plan.reserve:
        lot.buyer, lot.paid = buyer, price
        hammer.sold(turn, sale, number, buyer, price, plan.bags)
    else:
        hammer.passed_in(turn, sale, number)
