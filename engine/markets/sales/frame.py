"""The frame of every sale: its plan, its stages, who may bid, its end. What an offer does, the mechanism says.

Rules. "Ours" where no source says it.

1. A sale is planned with its terms, version 1. Until it opens (pre-bids or live) an operator may change them by the
   next version; from then on they hold (ours; Cup of Excellence and Global Dairy Trade publish the rules beforehand).
2. Stages: viewing, registration, pre-bids, live, finished. Those without a time are left out. An outage moves those
   that have not begun by its length (ours).
3. Who may bid: anyone; or who has registered, accepting the agreement that the terms name by its digest (ACE: "signed
   bidding agreement"); or who also was admitted. A new agreement takes all registrations back (ours). An operator may
   bar an account, and bound what its bids may come to.
4. An offer is refused in this order: sale_unknown, account_unknown, venue_stopped, account_frozen, sale_not_open,
   sale_closed, bid_late, not_registered, not_admitted; then what the mechanism says, commitment_limit last.
5. No bid is taken back by its bidder (ACE). An operator voids one with the reason.
6. An operator may end a sale; or void it, and nothing of it holds (ours).
"""

from __future__ import annotations

import itertools

from engine.codes import BidderFlag, EventKind, Reason, SaleStage, SaleState, TimerKind
from engine.domain.units import UnitError, parse_decimal
from engine.limits import NOTIONAL_MAX, PRICE_TICKS_MAX, SALE_BIDDERS_MAX, TIMERS_MAX
from engine.markets import catalogue
from engine.markets.sales import hammer, seasons
from engine.markets.sales.closing import drop_timers
from engine.markets.sales.mechanism import MECHANISMS, mechanism_of
from engine.markets.turn import Turn
from engine.messages.sales.commands import Admit, Bid, DecideBid, EndSale, Register, VoidSale
from engine.messages.sales.terms import SaleTerms, Stages
from engine.state.sales.sale import Bidder, Sale
from engine.state.venue import Timer

AGREEMENT_BYTES = 32


def plan_sale(turn: Turn, body: SaleTerms) -> Reason:
    """A new sale, or the changed terms of one that has not opened (rule 1)."""
    known = turn.venue.sales.get(body.sale)
    reason = _plan_refused(turn, known, body)
    if reason != Reason.NONE:
        return reason
    body = catalogue.planned(turn, known.terms if known is not None else None, body)
    sale = known or Sale(body)
    if known is None:
        turn.venue.sales[body.sale] = sale
    elif known.terms.agreement != body.agreement:
        for bidder in known.bidders.values():
            bidder.registered_ns = 0
    sale.terms = body
    turn.emit(EventKind.SALE_PLANNED, order=body.sale, qty=body.version, leaves=body.stages.live_ns)
    turn.venue.timers.cancel(sale.stage_timer)
    if body.stages.live_ns:
        _await_stage(turn, sale)
    else:
        _begin(turn, sale, SaleStage.LIVE)
    return Reason.NONE


def stage_due(turn: Turn, timer: Timer) -> None:
    """The next stage begins (rule 2)."""
    sale = turn.venue.sales[timer.subject]
    _begin(turn, sale, SaleStage(timer.phase))


def stage_resumed(turn: Turn, timer: Timer, away_ns: int) -> None:
    """Stages that have not begun move by the outage (rule 2)."""
    sale = turn.venue.sales[timer.subject]
    sale.delay_ns += away_ns
    sale.stage_due_ns = turn.venue.timers.postpone(timer, timer.due_ns + away_ns).due_ns


def due(turn: Turn, timer: Timer) -> None:
    """A timer of a sale's mechanism."""
    sale = turn.venue.sales[timer.subject]
    mechanism_of(sale).due(turn, sale, timer)


def resumed(turn: Turn, timer: Timer, away_ns: int) -> None:
    """The same timer after an outage or the kill switch."""
    sale = turn.venue.sales[timer.subject]
    mechanism_of(sale).resume(turn, sale, timer, away_ns)


def bid(turn: Turn, body: Bid) -> Reason:
    """An offer of the turn's account (rule 4)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    reason = _bidder_refused(turn, sale)
    return reason if reason != Reason.NONE else mechanism_of(sale).bid(turn, sale, body.offer)


def register(turn: Turn, body: Register) -> Reason:
    """The turn's account will bid (rule 3)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if turn.account == 0:
        return Reason.ACCOUNT_UNKNOWN
    if turn.venue.accounts[turn.account].frozen:
        return Reason.ACCOUNT_FROZEN
    if sale.stage >= SaleStage.FINISHED:
        return Reason.SALE_CLOSED
    if sale.stage < SaleStage.REGISTRATION and sale.terms.stages.registration_ns:
        return Reason.SALE_NOT_OPEN
    if body.agreement != sale.terms.agreement:
        return Reason.AGREEMENT_OTHER
    bidder = sale.bidders.get(turn.account)
    if bidder is None and len(sale.bidders) >= SALE_BIDDERS_MAX:
        return Reason.LIMIT_REACHED
    if bidder is not None and bidder.barred:
        return Reason.NOT_ADMITTED
    bidder = sale.bidders.setdefault(turn.account, Bidder(turn.account))
    bidder.registered_ns = bidder.registered_ns or turn.ts_ns
    _tell_bidder(turn, sale, bidder)
    return Reason.NONE


def admit(turn: Turn, body: Admit) -> Reason:
    """The operator admits or bars an account, and bounds what its bids may come to (rule 3)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if body.account not in turn.venue.accounts:
        return Reason.ACCOUNT_UNKNOWN
    if sale.stage >= SaleStage.FINISHED:
        return Reason.SALE_CLOSED
    if body.account not in sale.bidders and len(sale.bidders) >= SALE_BIDDERS_MAX:
        return Reason.LIMIT_REACHED
    bidder = sale.bidders.setdefault(body.account, Bidder(body.account))
    bidder.admitted, bidder.barred, bidder.limit_minor = body.admitted, not body.admitted, body.limit_minor
    _tell_bidder(turn, sale, bidder)
    return Reason.NONE


def decide_bid(turn: Turn, body: DecideBid) -> Reason:
    """The operator takes a bid that waits, or voids one (rule 5)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if sale.market is None:
        return Reason.SALE_NOT_OPEN
    if sale.stage >= SaleStage.FINISHED:
        return Reason.SALE_CLOSED
    mechanism = mechanism_of(sale)
    if not body.accept:
        return mechanism.void_bid(turn, sale, body.bid)
    return mechanism.accept_bid(turn, sale, body.bid) if mechanism.accept_bid else Reason.BID_UNKNOWN


def end_sale(turn: Turn, body: EndSale) -> Reason:
    """End a sale now, as its mechanism understands it (rule 6)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if sale.stage >= SaleStage.FINISHED:
        return Reason.SALE_CLOSED
    if sale.stage != SaleStage.LIVE:
        return Reason.SALE_NOT_OPEN
    sale.ended_by_operator = True
    mechanism_of(sale).end(turn, sale)
    return Reason.NONE


def void_sale(turn: Turn, body: VoidSale) -> Reason:
    """Nothing of it holds: no bid, no sale (rule 6)."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    if sale.stage == SaleStage.VOID:
        return Reason.SALE_CLOSED
    drop_timers(turn, sale)
    sale.stage, sale.state = SaleStage.VOID, SaleState.FINISHED
    turn.emit(EventKind.SALE_VOIDED, order=sale.sale)
    hammer.void_sale(turn, sale, body.why)
    return Reason.NONE


def _plan_refused(turn: Turn, known: Sale | None, body: SaleTerms) -> Reason:
    """Checks in this order: version, sellers, form, times, catalogue, season, room, worth, then the mechanism's."""
    if known is None:
        if body.version != 1:
            return Reason.VERSION_STALE
    elif body.version <= known.terms.version:
        return Reason.ALREADY_EXISTS
    elif known.stage >= SaleStage.PREBIDS:
        return Reason.TERMS_FIXED
    elif body.version != known.terms.version + 1:
        return Reason.VERSION_STALE
    if any(lot.seller not in turn.venue.accounts for lot in body.lots):
        return Reason.ACCOUNT_UNKNOWN
    mechanism = MECHANISMS.get(type(body.mechanism))
    if mechanism is None:
        return Reason.OFFER_UNFIT
    if not _well_formed(body) or (body.approve_bids and mechanism.accept_bid is None):
        return Reason.BODY_INVALID
    if body.stages.prebids_ns and not mechanism.prebids:
        return Reason.BODY_INVALID
    reason = _stages_refused(turn, known, body.stages)
    if reason == Reason.NONE:
        reason = catalogue.plan_refused(turn, body)
    if reason == Reason.NONE:
        reason = seasons.plan_refused(turn, body)
    if reason != Reason.NONE:
        return reason
    if len(turn.venue.timers) + len(body.lots) >= TIMERS_MAX:
        return Reason.LIMIT_REACHED
    worth = Sale(body)
    if any(worth.value_minor(worth.grams(n), PRICE_TICKS_MAX) > NOTIONAL_MAX for n in range(1, len(body.lots) + 1)):
        return Reason.NOTIONAL_RANGE
    reason = hammer.check(body)
    return mechanism.check(turn, body) if reason == Reason.NONE else reason


def _well_formed(body: SaleTerms) -> bool:
    try:
        if parse_decimal(body.unit.tick_size) <= 0:
            return False
    except UnitError:
        return False
    if len(body.agreement) not in (0, AGREEMENT_BYTES) or (body.registration == "agreement" and not body.agreement):
        return False
    return all(lot.least_bags <= lot.bags for lot in body.lots)


def _times(stages: Stages) -> list[tuple[SaleStage, int]]:
    every = (
        (SaleStage.VIEWING, stages.viewing_ns),
        (SaleStage.REGISTRATION, stages.registration_ns),
        (SaleStage.PREBIDS, stages.prebids_ns),
        (SaleStage.LIVE, stages.live_ns),
    )
    return [(stage, at_ns) for stage, at_ns in every if at_ns]


def _stages_refused(turn: Turn, known: Sale | None, stages: Stages) -> Reason:
    times = _times(stages)
    if times and not stages.live_ns:
        return Reason.BODY_INVALID
    if any(first[1] >= second[1] for first, second in itertools.pairwise(times)):
        return Reason.BODY_INVALID
    begun = SaleStage.PLANNED if known is None else known.stage
    if known is not None:
        past = [one for one in _times(known.terms.stages) if one[0] <= begun]
        if past != [one for one in times if one[0] <= begun] or (begun and not times):
            return Reason.TERMS_FIXED
    if any(at_ns <= turn.ts_ns for stage, at_ns in times if stage > begun):
        return Reason.DUE_IN_PAST
    return Reason.NONE


def _await_stage(turn: Turn, sale: Sale) -> None:
    """Set the timer of the next stage. One that is due already, in a record that came late, begins at once."""
    sale.stage_timer = sale.stage_due_ns = 0
    for stage, at_ns in _times(sale.terms.stages):
        if stage > sale.stage:
            at_ns += sale.delay_ns
            if at_ns <= turn.ts_ns:
                _begin(turn, sale, stage)
                return
            timer = turn.venue.timers.set(turn.ts_ns, at_ns, TimerKind.SALE_STAGE, subject=sale.sale, phase=stage)
            sale.stage_timer, sale.stage_due_ns = timer.timer, timer.due_ns
            return


def _begin(turn: Turn, sale: Sale, stage: SaleStage) -> None:
    sale.stage = stage
    turn.emit(EventKind.SALE_STAGE, order=sale.sale, qty=stage)
    if stage in (SaleStage.PREBIDS, SaleStage.LIVE):
        catalogue.opened(turn, sale)
        mechanism_of(sale).opened(turn, sale)
    _await_stage(turn, sale)


def _bidder_refused(turn: Turn, sale: Sale) -> Reason:
    """The frame's own checks of an offer, in the order of rule 4."""
    if turn.account == 0:
        return Reason.ACCOUNT_UNKNOWN
    if turn.venue.stop is not None:
        return Reason.VENUE_STOPPED
    if turn.venue.accounts[turn.account].frozen:
        return Reason.ACCOUNT_FROZEN
    if sale.stage < SaleStage.PREBIDS:
        return Reason.SALE_NOT_OPEN
    if sale.ended_by_operator or sale.stage == SaleStage.VOID:
        return Reason.SALE_CLOSED
    if sale.stage == SaleStage.FINISHED:
        return Reason.BID_LATE
    bidder = sale.bidders.get(turn.account)
    if bidder is not None and bidder.barred:
        return Reason.NOT_ADMITTED
    if sale.terms.registration == "open":
        return Reason.NONE
    if bidder is None or not bidder.registered_ns:
        return Reason.NOT_REGISTERED
    if sale.terms.registration == "admission" and not bidder.admitted:
        return Reason.NOT_ADMITTED
    return Reason.NONE


def _tell_bidder(turn: Turn, sale: Sale, bidder: Bidder) -> None:
    flags = (
        BidderFlag.REGISTERED * bool(bidder.registered_ns)
        | BidderFlag.ADMITTED * bidder.admitted
        | BidderFlag.BARRED * bidder.barred
    )
    turn.emit(EventKind.BIDDER_SET, order=sale.sale, account=bidder.account, qty=int(flags), leaves=bidder.limit_minor)
