"""The hammer: the one place that says a lot is sold or passed in, and what an award is from then on.

`engine/markets/sales/awards.py` has the rules of what parties and operator may do with one.
"""

from __future__ import annotations

from engine.codes import AwardState, EventKind, FeeClass, Reason, TimerKind
from engine.limits import AWARD_NS_MIN, AWARDS_MAX
from engine.markets.turn import Turn
from engine.messages.sales.terms import SaleTerms
from engine.state.sales.awards import ENDED, HOLDING, Award, Passage
from engine.state.sales.sale import Sale


def check(terms: SaleTerms) -> Reason:
    """What the form of `After` cannot say: a time where one is needed, a place with an Incoterm, dates in order."""
    said, contract = terms.after, terms.after.contract
    if any(0 < ns < AWARD_NS_MIN for ns in (said.sample_ns, said.answer_ns, said.offer_ns)):
        return Reason.BODY_INVALID
    if said.rejected == "next_bidder" and not (said.sample_ns and said.offer_ns):
        return Reason.BODY_INVALID
    if bool(contract.incoterm) != bool(contract.place.strip()):
        return Reason.BODY_INVALID
    if contract.shipment_to and contract.shipment_from > contract.shipment_to:
        return Reason.BODY_INVALID
    return Reason.NONE


def sold(turn: Turn, sale: Sale, lot: int, buyer: int, price: int, bags: int, seller: int | None = None) -> None:
    """So many bags of a lot go to `buyer` at `price`. `seller`: of a reverse auction, where the lot names the buyer."""
    award = made(turn, sale, lot, buyer, price, bags, seller or sale.terms.lots[lot - 1].seller)
    sample_ns = sale.terms.after.sample_ns
    tell_sold(turn, sale, award)
    enter(turn, award, AwardState.PROVISIONAL if sample_ns else AwardState.FINAL, due_in_ns=sample_ns)


def passed_in(turn: Turn, sale: Sale, lot: int, bags: int = 0) -> None:
    """A lot, or the bags of it that nobody took, stays with its seller."""
    terms = sale.terms.lots[lot - 1]
    turn.emit(
        EventKind.LOT_PASSED_IN,
        instrument=lot,
        order=sale.sale,
        counter_account=terms.seller,
        qty=bags or terms.bags,
    )


def void_sale(turn: Turn, sale: Sale, why: str = "") -> None:
    """Nothing of a sale holds: nor do its awards."""
    for award in awards_of(turn, sale):
        if award.state not in ENDED:
            end(turn, sale, award, AwardState.VOID, why)


def awards_of(turn: Turn, sale: Sale, lot: int = 0) -> list[Award]:
    """Awards of a sale, or of one lot of it, by number."""
    numbers = (number for at in ([lot] if lot else sorted(sale.awards)) for number in sale.awards.get(at, ()))
    return [turn.venue.awards[number] for number in sorted(numbers)]


def made(turn: Turn, sale: Sale, lot: int, buyer: int, price: int, bags: int, seller: int) -> Award:
    """A new award, not told yet."""
    number = len(turn.venue.awards) + 1
    assert number <= AWARDS_MAX, "there is a number for every award"
    value_minor = sale.value_minor(sale.grams(lot, bags), price)
    award = Award(number, sale.sale, lot, seller, buyer, price, bags, value_minor, AwardState.PROVISIONAL)
    turn.venue.awards[number] = award
    sale.awards.setdefault(lot, []).append(number)
    return award


def enter(turn: Turn, award: Award, state: AwardState, *, due_in_ns: int = 0, why: str = "") -> None:
    """A state of an award: its deadline, its place in the history, a word to both parties."""
    timers = turn.venue.timers
    timers.cancel(award.timer)
    award.state, award.timer, award.due_ns = state, 0, 0
    if due_in_ns:
        award.due_ns = turn.ts_ns + due_in_ns
        award.timer = timers.set(turn.ts_ns, award.due_ns, TimerKind.AWARD_DUE, subject=award.number).timer
    if state != AwardState.ALLOWANCE_ASKED:
        award.asked = 0
    price = award.asked or award.price
    by = 0 if turn.by_timer else turn.account
    award.history.append(Passage(turn.ts_ns, state, by, price, why))
    turn.emit(
        EventKind.AWARD_SET,
        reason=state,
        instrument=award.lot,
        price=price,
        account=award.buyer,
        counter_account=award.seller,
        order=award.number,
        counter_order=award.sale,
        qty=award.bags,
        leaves=award.due_ns,
    )


def end(turn: Turn, sale: Sale, award: Award, state: AwardState, why: str = "") -> None:
    """Nothing more comes of an award. What held in public until here no longer does."""
    held = award.state in HOLDING
    enter(turn, award, state, why=why)
    if held:
        count(sale, award, -award.bags, -award.value_minor)
        tell_changed(turn, sale, award)


def reprice(sale: Sale, award: Award, price: int) -> None:
    """The award holds at another price."""
    before = award.value_minor
    award.price = price
    award.value_minor = sale.value_minor(sale.grams(award.lot, award.bags), price)
    count(sale, award, 0, award.value_minor - before)


def count(sale: Sale, award: Award, bags: int, minor: int) -> None:
    """Bags sold of the lot, and what was sold to the bidder."""
    sale.sold[award.lot] = sale.sold.get(award.lot, 0) + bags
    if not sale.sold[award.lot]:
        del sale.sold[award.lot]
    bidder = sale.bidders.get(award.buyer)
    if bidder is not None:
        bidder.committed_minor += minor


def tell_sold(turn: Turn, sale: Sale, award: Award) -> None:
    """The lot, or a part of it, has a buyer."""
    count(sale, award, award.bags, award.value_minor)
    turn.emit(
        EventKind.LOT_SOLD,
        instrument=award.lot,
        order=sale.sale,
        price=award.price,
        qty=award.bags,
        account=award.buyer,
        counter_account=award.seller,
        fee_class=FeeClass.SALE,
    )


def tell_changed(turn: Turn, sale: Sale, award: Award) -> None:
    """Public: the result of a lot is another one now. No bags: an award of this price no longer holds."""
    turn.emit(
        EventKind.LOT_CHANGED,
        instrument=award.lot,
        order=sale.sale,
        price=award.price,
        qty=award.bags if award.state in HOLDING else 0,
    )
