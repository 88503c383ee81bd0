"""Dutch clock: the price of a lot falls by itself, and the first to take it has it at the price shown.

Rules, as the flower auctions of Aalsmeer practise them (the clock falls, the first who stops it names how much it
takes, the clock goes on for the rest); what is ours is marked so.

1. Each lot begins at its opening price or the sale's start; after every interval the price is one decrement lower, but
   not below the lot's floor: its reserve, or the sale's floor. The floor stands for one interval; what nobody has taken
   by then passes in.
2. A reserve has to be shown (ours: the clock stops at it, so it is nobody's secret).
3. The first to take has it, at the price of the clock when the venue decides the command, by sequence. A take names the
   price that its bidder saw, and never pays more: while the clock is above it, it is refused. When the clock is below,
   it pays the clock's, or is refused, as the terms say (`exact`).
4. Of a divided lot a take is at least its smallest part, or all that is left. Then the price stands at least for the
   pause, and may be taken meanwhile; the clock goes on for the rest.
5. A take is a sale at once: there is nothing to void and no next bidder. What it is worth, with what the account was
   sold here, is within its bound.
6. A seller, or an account of its group, does not take its own lot.
7. An operator ends a sale: what is left of each lot passes in (ours).
"""

from __future__ import annotations

from engine.codes import EventKind, Reason
from engine.limits import SALE_STEPS_MAX
from engine.markets.sales import hammer, ticking
from engine.markets.sales.closing import own_lot, within_limit
from engine.markets.turn import Turn
from engine.messages.sales.dutch import Dutch, DutchOffer
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.state.sales.dutch import DutchLot, DutchState, Take
from engine.state.sales.sale import Sale
from engine.state.venue import Timer


def terms_of(sale: Sale) -> Dutch:
    assert isinstance(sale.terms.mechanism, Dutch)
    return sale.terms.mechanism


def market_of(sale: Sale) -> DutchState:
    assert isinstance(sale.market, DutchState)
    return sale.market


def start_of(terms: Dutch, lot: SaleLot) -> int:
    return lot.opening or terms.start


def floor_of(terms: Dutch, lot: SaleLot) -> int:
    return lot.reserve or terms.floor


def check(turn: Turn, plan: SaleTerms) -> Reason:
    """The plan of a Dutch sale: floors that are shown, and not above the start (rules 1 and 2)."""
    terms = plan.mechanism
    assert isinstance(terms, Dutch)
    for lot in plan.lots:
        falls = start_of(terms, lot) - floor_of(terms, lot)
        if not 0 <= falls <= SALE_STEPS_MAX * terms.decrement or (lot.reserve and not lot.reserve_shown):
            return Reason.BODY_INVALID
        if terms.pause_ns and not lot.least_bags:
            return Reason.BODY_INVALID  # nothing is left to pause for
    return Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    """The clocks begin, or the first of them (rule 1)."""
    terms = terms_of(sale)
    sale.market = DutchState([DutchLot(start_of(terms, lot), left=lot.bags) for lot in sale.terms.lots])
    turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=len(sale.terms.lots), leaves=terms.interval_ns)
    ticking.go_on(turn, sale, sale.market.lots, terms.in_turn, _begin)


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """Take a lot, or a part of it (rules 3 to 6)."""
    if not isinstance(offer, DutchOffer):
        return Reason.OFFER_UNFIT
    terms, market = terms_of(sale), market_of(sale)
    if offer.lot > len(market.lots):
        return Reason.LOT_UNKNOWN
    lot, plan = market.lots[offer.lot - 1], sale.terms.lots[offer.lot - 1]
    if lot.closed:
        return Reason.BID_LATE
    if not lot.round:
        return Reason.SALE_NOT_OPEN
    if own_lot(turn, sale, offer.lot):
        return Reason.SELF_BID
    bags = offer.bags or lot.left
    if bags != lot.left and not (plan.least_bags and plan.least_bags <= bags < lot.left):
        return Reason.BAGS_RANGE
    if offer.price < lot.price:
        return Reason.BID_LOW
    if terms.exact and offer.price != lot.price:
        return Reason.PRICE_MOVED
    if not within_limit(sale, turn.account, sale.value_minor(sale.grams(offer.lot, bags), lot.price)):
        return Reason.COMMITMENT_LIMIT

    lot.left -= bags
    lot.takes.append(Take(turn.seq, turn.account, lot.price, bags))
    about = {"instrument": offer.lot, "order": sale.sale}
    turn.emit(EventKind.BID_ACCEPTED, account=turn.account, price=offer.price, qty=bags, **about)
    hammer.sold(turn, sale, offer.lot, turn.account, lot.price, bags)
    turn.emit(EventKind.LOT_CHANGED, price=lot.price, qty=lot.left, **about)
    if not lot.left:
        ticking.close(turn, lot)
        ticking.go_on(turn, sale, market.lots, terms.in_turn, _begin)
    elif lot.due_ns < turn.ts_ns + terms.pause_ns:
        ticking.stand(turn, sale, offer.lot, lot, terms.pause_ns)
    return Reason.NONE


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """A take is a sale: none stands (rule 5)."""
    return Reason.BID_UNKNOWN


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """The price falls, or the lot passes in (rule 1)."""
    terms, number = terms_of(sale), timer.phase
    lot, floor = market_of(sale).lots[number - 1], floor_of(terms, sale.terms.lots[number - 1])
    if lot.price > floor:
        ticking.show(turn, sale, number, lot, max(floor, lot.price - terms.decrement), terms.interval_ns)
    else:
        _pass_in(turn, sale, number)
        ticking.go_on(turn, sale, market_of(sale).lots, terms.in_turn, _begin)


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    lot = market_of(sale).lots[timer.phase - 1]
    ticking.stand(turn, sale, timer.phase, lot, lot.wait_ns)


def end(turn: Turn, sale: Sale) -> None:
    """What is left passes in (rule 7)."""
    lots = market_of(sale).lots
    for number, lot in enumerate(lots, 1):
        if not lot.closed:
            _pass_in(turn, sale, number)
    ticking.go_on(turn, sale, lots, False, _begin)


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """Nobody else has said anything (rule 5)."""
    return []


def _begin(turn: Turn, sale: Sale, number: int) -> None:
    lot = market_of(sale).lots[number - 1]
    ticking.show(turn, sale, number, lot, lot.price, terms_of(sale).interval_ns)


def _pass_in(turn: Turn, sale: Sale, number: int) -> None:
    lot = market_of(sale).lots[number - 1]
    ticking.close(turn, lot)
    hammer.passed_in(turn, sale, number, lot.left)
