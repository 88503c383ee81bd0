"""Sealed bids: nobody, the venue's readers included, knows what was bid until bids are closed.

Rules. US FAR 14.3 and 14.4 (sealed bidding: late bids, modification and withdrawal, public opening), 31 CFR 356.20
(uniform price, awards at the margin), Vickrey 1961; what they leave open is marked "ours".

1. A bid is ciphertext and a commitment to its key. It is for one lot, or (lot 0) for any lots, named inside alone.
2. Until the closing time an account may replace its own bid under the same lot number; the last one counts, with its
   own place in time (FAR 14.303: until then nobody has learnt anything that the change could use). A bid without steps
   withdraws. Where bids under 0 and under a lot's number both name the lot, the later one counts for it (ours).
3. At the closing time bids close; a bid at it is late. Nothing public changes before, not even a count.
4. Then the keys come, in parts: the operator's for any bid (those that the gateway keeps), an account's for its own
   (those that it kept itself). A key that does not fit the commitment opens nothing and voids nothing: whoever may hand
   in keys could otherwise void a bid with a made-up one (ours).
5. An opened bid is void as a whole when it does not decrypt, has no contents or names an unknown lot; it is void for
   one lot when it is the seller's own, off the ladder of opening + k x step, below the opening price, or for bags that
   the lot is not sold in; its steps below the reserve are void. Bidder and operator are told, with the reason.
6. When the key of every bid is there, or was due, the lots are sold (`engine/markets/sales/sealed_awards.py`). Of bids
   without a key the terms say: each is void, or nothing is sold (ours).
7. What an account has bid and might have to pay, each step at its own price, stays within the operator's bound: lots
   by rising number, and what goes beyond is void (ours: it cannot be checked before).
8. Ours: an operator ends the bidding early, or the wait for keys. An outage moves either by its length.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.codes import EventKind, Reason, SaleState, TimerKind
from engine.limits import SEALED_ACCOUNT_BYTES_MAX, SEALED_BIDS_MAX
from engine.markets.sales import hammer
from engine.markets.sales.closing import finish
from engine.markets.sales.sealed_awards import Ranked, given_of, parts_of
from engine.markets.turn import Turn
from engine.messages.sales.sealed import WHOLE, OpenBids, Sealed, SealedOffer, Step
from engine.messages.sales.sealing import BadCiphertext, BadSeal, Place, fits
from engine.messages.sales.sealing import opened as contents_of
from engine.messages.sales.terms import SaleLot, SaleTerms
from engine.state.sales.sale import Sale
from engine.state.sales.sealed import Envelope, Part, SealedLot, SealedState, slot_of
from engine.state.venue import Timer

CLOSE, KEYS = 1, 2  # what a timer is for


def check(turn: Turn, terms: SaleTerms) -> Reason:
    """What the form of the terms cannot say."""
    sealed = terms.mechanism
    assert isinstance(sealed, Sealed)
    if sealed.closes_ns <= max(turn.ts_ns, terms.stages.live_ns):
        return Reason.DUE_IN_PAST
    for lot in terms.lots:
        if sealed.payment in WHOLE:
            if lot.least_bags:
                return Reason.BODY_INVALID
        elif not 0 < lot.least_bags <= lot.bags or lot.bags % sealed.bag_step or lot.least_bags % sealed.bag_step:
            return Reason.BODY_INVALID
    return Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    """Bids are taken from here on, for as long as was planned."""
    closes_ns = terms_of(sale).closes_ns + sale.delay_ns
    sale.market = market = SealedState([SealedLot() for _ in sale.terms.lots], closes_ns)
    _set_timer(turn, sale, market, market.closes_ns, CLOSE)
    turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=len(sale.terms.lots), leaves=market.closes_ns - turn.ts_ns)


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """Take a bid, or the one that replaces it (rules 1 to 3)."""
    market = market_of(sale)
    if not isinstance(offer, SealedOffer):
        return Reason.OFFER_UNFIT
    if offer.lot > len(market.lots):
        return Reason.LOT_UNKNOWN
    if market.closed:
        return Reason.BID_LATE
    if offer.lot and _sells(turn, sale, offer.lot, turn.account):
        return Reason.SELF_BID
    slot = slot_of(turn.account, offer.lot)
    before = market.bids.get(market.slots.get(slot, 0))
    if before is None and len(market.bids) >= SEALED_BIDS_MAX:
        return Reason.LIMIT_REACHED
    freed = 0 if before is None else len(before.ciphertext)
    held = market.bytes_of.get(turn.account, 0) - freed + len(offer.ciphertext)
    if held > SEALED_ACCOUNT_BYTES_MAX:
        return Reason.LIMIT_REACHED

    if before is not None:
        del market.bids[before.seq]
    market.bids[turn.seq] = Envelope(turn.seq, turn.account, offer.lot, offer.ciphertext, offer.commitment)
    market.slots[slot], market.bytes_of[turn.account] = turn.seq, held
    turn.emit(
        EventKind.SEALED_BID,
        instrument=offer.lot,
        order=sale.sale,
        account=turn.account,
        counter_order=0 if before is None else before.seq,
    )
    return Reason.NONE


def open_bids(turn: Turn, body: OpenBids) -> Reason:
    """Take keys of bids (rule 4), and sell the lots when the last one is there."""
    sale = turn.venue.sales.get(body.sale)
    if sale is None:
        return Reason.SALE_UNKNOWN
    market = sale.market
    if not isinstance(market, SealedState) or not market.closed:
        return Reason.BIDS_NOT_CLOSED
    if not market.keys_due_ns:
        return Reason.SALE_CLOSED
    if turn.venue.stop is not None:
        return Reason.VENUE_STOPPED
    found: list[tuple[Envelope, bytes, bool]] = []
    for told in body.keys:
        envelope = market.bids.get(told.bid)
        if envelope is None:
            return Reason.BID_UNKNOWN
        if not body.by_operator and turn.account != envelope.account:
            return Reason.NOT_OWNER
        found.append((envelope, told.key, fits(told.key, _place(sale, envelope), envelope.commitment)))
    if not any(fit for _, _, fit in found):
        return Reason.KEY_WRONG

    for envelope, key, fit in found:
        if envelope.void or envelope.steps is not None:
            continue
        if fit:
            _open(turn, sale, envelope, key)
        else:
            envelope.key_refused = True
            _tell(turn, sale, EventKind.KEY_REFUSED, envelope, Reason.KEY_WRONG)
    _sell_if_ready(turn, sale, market)
    return Reason.NONE


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """Bids close, or keys were due."""
    market = market_of(sale)
    market.timer = 0
    if timer.phase == CLOSE:
        _close(turn, sale, market)
    else:
        _sell(turn, sale, market)


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    """Nobody could bid, or hand in a key, for `away_ns` (rule 8)."""
    market = market_of(sale)
    due_ns = turn.venue.timers.postpone(timer, timer.due_ns + away_ns).due_ns
    if market.closed:
        market.keys_due_ns = due_ns
    else:
        market.closes_ns = due_ns


def end(turn: Turn, sale: Sale) -> None:
    """The operator's: bids close now, or no more keys are waited for (rule 8)."""
    market = market_of(sale)
    turn.venue.timers.cancel(market.timer)
    if market.closed:
        _sell(turn, sale, market)
    else:
        _close(turn, sale, market)


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    market = market_of(sale)
    envelope = market.bids.get(seq)
    if envelope is None or envelope.void or not (market.keys_due_ns or not market.closed):
        return Reason.BID_UNKNOWN
    _void(turn, sale, envelope, Reason.BY_OPERATOR)
    if market.closed:
        _sell_if_ready(turn, sale, market)
    return Reason.NONE


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """Secret: (account, own price, bags) of the steps of lot `number` that were not filled, best first."""
    market = market_of(sale)
    ranked = sorted(_steps_of(market, number))
    won = {part.account for part in market.lots[number - 1].parts}
    lot, sealed = sale.terms.lots[number - 1], terms_of(sale)
    if sealed.payment in WHOLE:
        return [(step.account, step.price, step.bags) for step in ranked if step.account not in won]
    given = given_of(ranked, lot.bags, lot.least_bags)
    return [
        (step.account, step.price, step.bags - got) for step, got in zip(ranked, given, strict=True) if got < step.bags
    ]


def _close(turn: Turn, sale: Sale, market: SealedState) -> None:
    market.closed, market.closes_ns, sale.state = True, turn.ts_ns, SaleState.PENDING
    _set_timer(turn, sale, market, turn.ts_ns + terms_of(sale).keys_ns, KEYS)
    turn.emit(EventKind.BIDS_CLOSED, order=sale.sale, leaves=market.keys_due_ns)
    _sell_if_ready(turn, sale, market)


def _open(turn: Turn, sale: Sale, envelope: Envelope, key: bytes) -> None:
    """Look into one bid under its own key (rule 5)."""
    try:
        contents = contents_of(key, _place(sale, envelope), envelope.ciphertext)
    except BadSeal as error:
        reason = Reason.SEAL_BROKEN if isinstance(error, BadCiphertext) else Reason.CONTENTS_INVALID
        _void(turn, sale, envelope, reason)
        return
    by_lot: dict[int, list[Step]] = {}
    for step in contents.steps:
        if step.lot > len(sale.terms.lots) or envelope.lot not in (0, step.lot):
            _void(turn, sale, envelope, Reason.LOT_UNKNOWN)
            return
        by_lot.setdefault(step.lot, []).append(step)
    kept: list[Step] = []
    for number, steps in sorted(by_lot.items()):
        reserve = sale.terms.lots[number - 1].reserve
        reason = _unfit(turn, sale, envelope, number, steps)
        if reason == Reason.NONE and any(step.price < reserve for step in steps):
            reason = Reason.BELOW_RESERVE
            kept += [step for step in steps if step.price >= reserve]
        elif reason == Reason.NONE:
            kept += steps
        if reason != Reason.NONE:
            _tell(turn, sale, EventKind.BID_VOIDED, envelope, reason, number)
    envelope.steps = tuple(kept)
    _tell(turn, sale, EventKind.BID_OPENED, envelope, Reason.NONE)


def _unfit(turn: Turn, sale: Sale, envelope: Envelope, number: int, steps: list[Step]) -> Reason:
    """Why a bid is void for one lot. Checks in this order: seller, step, opening price, bags."""
    sealed, lot = terms_of(sale), sale.terms.lots[number - 1]
    opening = lot.opening or sealed.opening
    if _sells(turn, sale, number, envelope.account):
        return Reason.SELF_BID
    if any((step.price - opening) % sealed.step for step in steps):
        return Reason.BID_INCREMENT
    if any(step.price < opening for step in steps):
        return Reason.BID_LOW
    return Reason.NONE if _bags_fit(sealed, lot, steps) else Reason.BAGS_RANGE


def _bags_fit(sealed: Sealed, lot: SaleLot, steps: list[Step]) -> bool:
    if sealed.payment in WHOLE:
        return len(steps) == 1 and steps[0].bags == lot.bags
    best = max(steps, key=lambda step: step.price)
    return (
        all(step.bags % sealed.bag_step == 0 for step in steps)
        and sum(step.bags for step in steps) <= lot.bags
        and best.bags >= lot.least_bags
    )


def _sell_if_ready(turn: Turn, sale: Sale, market: SealedState) -> None:
    if all(envelope.void or envelope.steps is not None for envelope in market.bids.values()):
        turn.venue.timers.cancel(market.timer)
        _sell(turn, sale, market)


def _sell(turn: Turn, sale: Sale, market: SealedState) -> None:
    """Sell what can be sold, with the bids that are open by now (rule 6)."""
    market.timer = market.keys_due_ns = 0
    missing = [one for one in market.bids.values() if not one.void and one.steps is None]
    for envelope in missing:
        _void(turn, sale, envelope, Reason.KEY_WRONG if envelope.key_refused else Reason.KEY_MISSING)
    sells = not missing or terms_of(sale).without_key == "void_bid"
    _keep_within_bounds(turn, sale, market)
    for number, lot in enumerate(sale.terms.lots, 1):
        floor = max(lot.opening or terms_of(sale).opening, lot.reserve)
        steps = _steps_of(market, number) if sells else ()
        payment = terms_of(sale).payment
        parts = parts_of(payment, steps, bags=lot.bags, floor=floor, least_bags=lot.least_bags)
        state = market.lots[number - 1]
        state.parts = [Part(*part) for part in parts]
        state.passed_in = lot.bags - sum(part.bags for part in parts)
        for part in parts:
            hammer.sold(turn, sale, number, part.account, part.price, part.bags)
        if state.passed_in:
            hammer.passed_in(turn, sale, number, state.passed_in)
    for envelope in market.bids.values():
        envelope.ciphertext = envelope.commitment = b""
    market.slots.clear()
    market.bytes_of.clear()
    finish(turn, sale)


def _keep_within_bounds(turn: Turn, sale: Sale, market: SealedState) -> None:
    """Void what an account has bid beyond the operator's bound (rule 7)."""
    bounded = {number: one for number, one in sale.bidders.items() if one.limit_minor}
    bid_minor = {number: one.committed_minor for number, one in bounded.items()}
    if not bounded:
        return
    for number in range(1, len(sale.terms.lots) + 1):
        for envelope, steps in _counting(market, number):
            if envelope.account not in bounded:
                continue
            worth = sum(sale.value_minor(sale.grams(number, step.bags), step.price) for _, step in steps)
            if bid_minor[envelope.account] + worth <= bounded[envelope.account].limit_minor:
                bid_minor[envelope.account] += worth
                continue
            assert envelope.steps is not None
            envelope.steps = tuple(step for step in envelope.steps if step.lot != number)
            _tell(turn, sale, EventKind.BID_VOIDED, envelope, Reason.COMMITMENT_LIMIT, number)


def _counting(market: SealedState, number: int) -> list[tuple[Envelope, list[tuple[int, Step]]]]:
    """The bid of each account that counts for a lot, with its steps and their places in it (rule 2)."""
    newest: dict[int, tuple[Envelope, list[tuple[int, Step]]]] = {}
    for _, envelope in sorted(market.bids.items()):
        steps = [(at, step) for at, step in enumerate(envelope.steps or ()) if step.lot == number]
        if steps and not envelope.void:
            newest[envelope.account] = (envelope, steps)
    return sorted(newest.values(), key=lambda one: one[0].seq)


def _steps_of(market: SealedState, number: int) -> Iterable[Ranked]:
    return [
        Ranked(-step.price, envelope.seq, at, envelope.account, step.bags)
        for envelope, steps in _counting(market, number)
        for at, step in steps
    ]


def _void(turn: Turn, sale: Sale, envelope: Envelope, reason: Reason) -> None:
    envelope.void, envelope.steps = reason, None
    _tell(turn, sale, EventKind.BID_VOIDED, envelope, reason)


def _tell(turn: Turn, sale: Sale, kind: EventKind, envelope: Envelope, reason: Reason, lot: int = 0) -> None:
    turn.emit(
        kind,
        reason=reason,
        instrument=lot or envelope.lot,
        order=sale.sale,
        account=envelope.account,
        counter_order=envelope.seq,
    )


def _set_timer(turn: Turn, sale: Sale, market: SealedState, due_ns: int, phase: int) -> None:
    market.timer = turn.venue.timers.set(
        turn.ts_ns, due_ns, TimerKind.SALE_OPEN_UNTIL, subject=sale.sale, phase=phase
    ).timer
    if phase == KEYS:
        market.keys_due_ns = due_ns


def _sells(turn: Turn, sale: Sale, number: int, account: int) -> bool:
    """The account is the lot's seller, or of its owner."""
    accounts, seller = turn.venue.accounts, sale.terms.lots[number - 1].seller
    return account == seller or 0 < accounts[account].group == accounts[seller].group


def _place(sale: Sale, envelope: Envelope) -> Place:
    return Place(sale.sale, envelope.account, envelope.lot)


def terms_of(sale: Sale) -> Sealed:
    assert isinstance(sale.terms.mechanism, Sealed)
    return sale.terms.mechanism


def market_of(sale: Sale) -> SealedState:
    assert isinstance(sale.market, SealedState)
    return sale.market
