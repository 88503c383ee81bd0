"""The ascending clock with quantities: several products and shipment months at once, one uniform price for each.

After Global Dairy Trade ("how trading events operate"): bidders say quantities at the prices of a round, must bid in
round one, may only keep or lower their total; prices rise where demand exceeds supply; all pay the last price. What it
leaves open is marked "ours".

1. A lot of the plan is a product; its bags are the most that its seller supplies, `least_bags` the least. Round one is
   at the start prices.
2. In each round an account says how many bags of each product it wants at the round's prices, in steps; its last word
   counts (ours). Nobody sees another's; of the demand everyone sees what the terms say, after the round.
3. Who wants nothing in round one is out.
4. Bags of one product are only kept or lowered. Where products form a group, bags may move within it while the total
   of the group is kept or lowered. Of a product whose price has not risen they are not lowered (ours: or demand could
   fall below a supply that it had exceeded, with no price to go back to).
5. Who says nothing in a round: its proxy instruction speaks, product by product, so far as rule 4 lets it; without one
   it wants nothing, or keeps what it wanted, as the terms say.
6. At the end of a round a product's price rises where its demand exceeds its supply, by the row of the table for the
   excess, until no product of its group has an excess.
7. A product whose demand has come to between its least and its greatest supply is sold at the price of this round:
   each gets what it wants (GDT: sellers give a minimum and a maximum).
8. When the last rise took demand below the least supply, the price goes back to that of the round before, at which
   more was wanted than there is: each gets what it still wants, and those that lowered share the rest of the greatest
   supply, never more than they gave up: in proportion, largest remainder first and then by arrival, or by arrival, in
   steps (ours). In round one there is no price before: less than the least is sold (GDT: "only if round-one demand was
   lower"). Within a group too, because what was given up there may have gone to another product (ours).
9. After the last round that the terms allow, or when the operator ends the sale, a product that still has an excess is
   shared in the same way at the price of this round: from nothing up to what each wants (ours).
10. What an account may come to: its quantities at the round's prices, or its proxy's at their highest worth (ours). A
   word that is void by the operator's decision was not said.
11. An outage gives the whole round again (ours). A seller, or an account of its group, does not bid on an own product.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from engine.codes import EventKind, Reason, SaleStage, SaleState, TimerKind
from engine.limits import PRICE_TICKS_MAX, SALE_BIDDERS_MAX
from engine.markets.sales import hammer
from engine.markets.sales.closing import finish, own_lot, within_limit
from engine.markets.turn import Turn
from engine.messages.sales.clock import Clock, ClockOffer, ClockProxy, Limit
from engine.messages.sales.terms import SaleTerms
from engine.state.sales.clock import ClockBidder, ClockProduct, ClockState, Said
from engine.state.sales.sale import Sale
from engine.state.venue import Timer

BPS = 10_000


def terms_of(sale: Sale) -> Clock:
    assert isinstance(sale.terms.mechanism, Clock)
    return sale.terms.mechanism


def market_of(sale: Sale) -> ClockState:
    assert isinstance(sale.market, ClockState)
    return sale.market


def check(turn: Turn, plan: SaleTerms) -> Reason:
    """One product for each lot; supplies in steps; a table that begins with the first bag of excess."""
    terms = plan.mechanism
    assert isinstance(terms, Clock)
    if len(terms.products) != len(plan.lots) or terms.rises[0].excess_bps:
        return Reason.BODY_INVALID
    if any(one.excess_bps >= two.excess_bps for one, two in pairwise(terms.rises)):
        return Reason.BODY_INVALID
    for lot, product in zip(plan.lots, terms.products, strict=True):
        if lot.bags % terms.step_bags or product.least_bags % terms.step_bags:
            return Reason.BAGS_STEP
        if product.least_bags > lot.bags or lot.least_bags or lot.reserve or lot.opening:
            return Reason.BODY_INVALID
    return Reason.NONE


def opened(turn: Turn, sale: Sale) -> None:
    """Before the sale is live proxy instructions are taken; then round one begins."""
    if sale.market is None:
        sale.market = ClockState([ClockProduct(one.start) for one in terms_of(sale).products])
    if sale.stage == SaleStage.LIVE:
        lots, length_ns = len(sale.terms.lots), terms_of(sale).round_ns
        turn.emit(EventKind.SALE_OPENED, order=sale.sale, qty=lots, leaves=length_ns)
        sale.state = SaleState.PENDING
        _begin_round(turn, sale)


def bid(turn: Turn, sale: Sale, offer: object) -> Reason:
    """Quantities of a round, or a proxy instruction (rules 2 to 5)."""
    if isinstance(offer, ClockProxy):
        reason = _proxy_refused(turn, sale, offer)
    elif isinstance(offer, ClockOffer):
        reason = _offer_refused(turn, sale, offer)
    else:
        reason = Reason.OFFER_UNFIT
    if reason != Reason.NONE:
        return reason
    market = market_of(sale)
    bidder = market.bidders.get(turn.account)
    if bidder is None:
        bidder = ClockBidder(turn.seq, [0] * len(market.products))
        market.bidders[turn.account] = bidder
    if isinstance(offer, ClockProxy):
        bidder.proxy = offer if offer.limits else None
        total = sum(row[0].bags for row in offer.limits if row)
    else:
        assert isinstance(offer, ClockOffer)
        bidder.said = Said(turn.seq, list(offer.bags))
        total = sum(offer.bags)
    turn.emit(EventKind.BID_ACCEPTED, order=sale.sale, account=turn.account, qty=total, leaves=market.round)
    return Reason.NONE


def due(turn: Turn, sale: Sale, timer: Timer) -> None:
    """The round is over."""
    market_of(sale).timer = 0
    _end_round(turn, sale, last=False)


def resume(turn: Turn, sale: Sale, timer: Timer, away_ns: int) -> None:
    """The whole round again (rule 11)."""
    _set_round(turn, sale)


def end(turn: Turn, sale: Sale) -> None:
    """This round is the last, and over (rule 9)."""
    turn.venue.timers.cancel(market_of(sale).timer)
    _end_round(turn, sale, last=True)


def void_bid(turn: Turn, sale: Sale, seq: int) -> Reason:
    """A word of this round was not said (rule 10)."""
    for account, bidder in sorted(market_of(sale).bidders.items()):
        if bidder.said is not None and bidder.said.seq == seq:
            bidder.said = None
            turn.emit(EventKind.BID_VOIDED, order=sale.sale, account=account, counter_order=seq)
            return Reason.NONE
    return Reason.BID_UNKNOWN


def offers_next(sale: Sale, number: int) -> list[tuple[int, int, int]]:
    """Nobody comes next: who wanted less had its price."""
    return []


def groups(terms: Clock) -> list[list[int]]:
    """Places of products that are decided together: each by itself, or those between which bags move."""
    by_group: dict[int, list[int]] = {}
    alone = []
    for at, product in enumerate(terms.products):
        if product.group:
            by_group.setdefault(product.group, []).append(at)
        else:
            alone.append([at])
    return alone + [by_group[group] for group in sorted(by_group)]


def shares(wants: Sequence[int], there: int, step: int, *, pro_rata: bool) -> list[int]:
    """`there` bags among those who want `wants`, in order of arrival, each a multiple of `step` and no more than it
    wants: in proportion, rounded down to steps, then a step each by largest remainder and arrival; or by arrival."""
    total = sum(wants)
    if total <= there:
        return list(wants)
    given = []
    if pro_rata:
        given = [want * there // total // step * step for want in wants]
        left = (there - sum(given)) // step
        by_rest = sorted(range(len(wants)), key=lambda at: (-(wants[at] * there - given[at] * total), at))
        for at in by_rest:
            if left and given[at] + step <= wants[at]:
                given[at] += step
                left -= 1
        return given
    for want in wants:
        given.append(min(want, there))
        there -= given[-1]
    return given


def _begin_round(turn: Turn, sale: Sale) -> None:
    market_of(sale).round += 1
    _set_round(turn, sale)


def _set_round(turn: Turn, sale: Sale) -> None:
    market, timers = market_of(sale), turn.venue.timers
    timers.cancel(market.timer)
    market.round_due_ns = turn.ts_ns + terms_of(sale).round_ns
    market.timer = timers.set(turn.ts_ns, market.round_due_ns, TimerKind.SALE_ROUND, subject=sale.sale).timer
    turn.emit(EventKind.ROUND, order=sale.sale, qty=market.round, leaves=market.round_due_ns)


def _offer_refused(turn: Turn, sale: Sale, offer: ClockOffer) -> Reason:
    """Round, step, supply, own products, then rules 3 and 4, then the bound."""
    terms, market = terms_of(sale), market_of(sale)
    if offer.round != market.round:
        return Reason.ROUND_OTHER
    if len(offer.bags) != len(market.products):
        return Reason.OFFER_UNFIT
    if any(bags % terms.step_bags for bags in offer.bags):
        return Reason.BAGS_STEP
    for at, (bags, lot) in enumerate(zip(offer.bags, sale.terms.lots, strict=True)):
        if bags > lot.bags:
            return Reason.BAGS_RANGE
        if bags and own_lot(turn, sale, at + 1):
            return Reason.SELF_BID
    bidder = market.bidders.get(turn.account)
    if bidder is None and len(market.bidders) >= SALE_BIDDERS_MAX:
        return Reason.LIMIT_REACHED
    if market.round > 1:
        if bidder is None or not any(bidder.bags):
            return Reason.ROUND_ONE_MISSED
        reason = _move_refused(terms, market, bidder.bags, offer.bags)
        if reason != Reason.NONE:
            return reason
    worth = sum(
        sale.value_minor(sale.grams(at + 1, bags), market.products[at].price)
        for at, bags in enumerate(offer.bags)
        if bags
    )
    return Reason.NONE if within_limit(sale, turn.account, worth) else Reason.COMMITMENT_LIMIT


def _move_refused(terms: Clock, market: ClockState, before: Sequence[int], now: Sequence[int]) -> Reason:
    """Rule 4."""
    for places in groups(terms):
        if sum(now[at] for at in places) > sum(before[at] for at in places):
            return Reason.BAGS_RISE
    for at, product in enumerate(market.products):
        if now[at] < before[at] and (product.decided or product.price == product.before):
            return Reason.BAGS_HELD
        if now[at] > before[at] and product.decided:
            return Reason.BAGS_RISE
    return Reason.NONE


def _proxy_refused(turn: Turn, sale: Sale, offer: ClockProxy) -> Reason:
    terms, market = terms_of(sale), market_of(sale)
    if not offer.limits:
        return Reason.NONE
    if len(offer.limits) != len(market.products):
        return Reason.OFFER_UNFIT
    worth = 0
    for at, rows in enumerate(offer.limits):
        if any(row.bags % terms.step_bags for row in rows):
            return Reason.BAGS_STEP
        if any(one.price >= two.price or one.bags <= two.bags for one, two in pairwise(rows)):
            return Reason.PROXY_FALLS
        if rows and rows[0].bags > sale.terms.lots[at].bags:
            return Reason.BAGS_RANGE
        if rows and own_lot(turn, sale, at + 1):
            return Reason.SELF_BID
        worth += max((sale.value_minor(sale.grams(at + 1, row.bags), row.price) for row in rows), default=0)
    bidder = market.bidders.get(turn.account)
    if bidder is None and len(market.bidders) >= SALE_BIDDERS_MAX:
        return Reason.LIMIT_REACHED
    if market.round > 1 and (bidder is None or not any(bidder.bags)):
        return Reason.ROUND_ONE_MISSED
    return Reason.NONE if within_limit(sale, turn.account, worth) else Reason.COMMITMENT_LIMIT


def wanted(rows: Sequence[Limit], price: int) -> int:
    """Bags of one product that a proxy instruction wants at a price."""
    return next((row.bags for row in rows if row.price >= price), 0)


def _spoken(terms: Clock, market: ClockState, bidder: ClockBidder) -> list[int]:
    """What a bidder wants in the round that is over (rules 2 and 5)."""
    if bidder.said is not None:
        return bidder.said.bags
    if bidder.proxy is None:
        if terms.absent == "keeps":
            return bidder.bags
        held = [one.decided or one.price == one.before for one in market.products]
        return [bags if held[at] else 0 for at, bags in enumerate(bidder.bags)]
    wants = [wanted(rows, market.products[at].price) for at, rows in enumerate(bidder.proxy.limits)]
    return wants if market.round == 1 else _as_allowed(terms, market, bidder.bags, wants)


def _as_allowed(terms: Clock, market: ClockState, before: Sequence[int], wants: Sequence[int]) -> list[int]:
    """The nearest to what a proxy wants that rule 4 lets it have: what is held first, then product by product."""
    allowed = [0] * len(wants)
    for places in groups(terms):
        room = sum(before[at] for at in places)
        for at in places:
            product = market.products[at]
            if product.decided or product.price == product.before:
                allowed[at] = before[at]
                room -= before[at]
        for at in places:
            if not market.products[at].decided:
                more = max(0, min(wants[at] - allowed[at], room))
                allowed[at] += more
                room -= more
    return allowed


def _end_round(turn: Turn, sale: Sale, *, last: bool) -> None:
    """Rules 6 to 9."""
    terms, market = terms_of(sale), market_of(sale)
    before = {account: bidder.bags for account, bidder in market.bidders.items()}
    for account, bidder in sorted(market.bidders.items()):
        bidder.bags, bidder.said = list(_spoken(terms, market, bidder)), None
        if market.round == 1 and not any(bidder.bags):
            del market.bidders[account]
    for at, product in enumerate(market.products):
        product.demand = sum(bidder.bags[at] for bidder in market.bidders.values())
    last = last or market.round == terms.rounds_max
    for places in groups(terms):
        if all(market.products[at].decided for at in places):
            continue
        rises = {at: _rise(sale, at) for at in places}
        open_at = [at for at in places if rises[at]]
        if not last and open_at and all(market.products[at].price + rises[at] <= PRICE_TICKS_MAX for at in open_at):
            for at in places:
                product = market.products[at]
                product.before, product.price = product.price, product.price + rises[at]
                _tell_price(turn, sale, at)
            continue
        for at in places:
            _decide(sale, at, before, alone=len(places) == 1)
            _tell_price(turn, sale, at)
    if all(product.decided for product in market.products):
        _sell(turn, sale)
    else:
        _begin_round(turn, sale)


def _rise(sale: Sale, at: int) -> int:
    """Ticks by which a price rises: by the row of the table for its excess; 0 where there is none."""
    excess, supply = market_of(sale).products[at].demand - sale.terms.lots[at].bags, sale.terms.lots[at].bags
    if excess <= 0:
        return 0
    row = [one.increment for one in terms_of(sale).rises if one.excess_bps * supply <= excess * BPS]
    return row[-1]


def _decide(sale: Sale, at: int, before: dict[int, list[int]], *, alone: bool) -> None:
    """Who gets how much of a product, and at which price (rules 7 to 9)."""
    terms, market = terms_of(sale), market_of(sale)
    product, supply, least = market.products[at], sale.terms.lots[at].bags, terms.products[at].least_bags
    ranked = [one for _, one in sorted((bidder.first_seq, account) for account, bidder in market.bidders.items())]
    bags = {account: market.bidders[account].bags[at] for account in ranked}
    pro_rata = terms.ration == "pro_rata"
    product.decided = True
    got = bags
    if product.demand > supply:
        got = dict(zip(ranked, shares(list(bags.values()), supply, terms.step_bags, pro_rata=pro_rata), strict=True))
    elif product.demand < least and product.before and alone:
        given_up = [before[account][at] - bags[account] for account in ranked]
        rest = shares(given_up, supply - product.demand, terms.step_bags, pro_rata=pro_rata)
        got = {account: bags[account] + more for account, more in zip(ranked, rest, strict=True)}
        product.price, product.back = product.before, True
    for account in ranked:
        bidder = market.bidders[account]
        bidder.bags[at] = got[account]
    product.sold_bags = sum(got.values())


def _sell(turn: Turn, sale: Sale) -> None:
    market = market_of(sale)
    ranked = sorted((bidder.first_seq, account) for account, bidder in market.bidders.items())
    for at, product in enumerate(market.products):
        for _, account in ranked:
            bags = market.bidders[account].bags[at]
            if bags:
                hammer.sold(turn, sale, at + 1, account, product.price, bags)
        left = sale.terms.lots[at].bags - product.sold_bags
        if left:
            hammer.passed_in(turn, sale, at + 1, left)
    for _, account in ranked:
        market.bidders[account].won, market.bidders[account].proxy = list(market.bidders[account].bags), None
    market.timer = market.round_due_ns = 0
    finish(turn, sale)


def shown_demand(sale: Sale, at: int) -> int | None:
    """Of the last round that is over, as the terms let everyone see it: bags, bags of excess, or None."""
    market, show = market_of(sale), terms_of(sale).show_demand
    if show == "nothing" or (market.round == 1 and not market.products[at].decided):
        return None
    demand = market.products[at].demand
    return demand if show == "total" else max(0, demand - sale.terms.lots[at].bags)


def _tell_price(turn: Turn, sale: Sale, at: int) -> None:
    product = market_of(sale).products[at]
    shown = shown_demand(sale, at) or 0
    turn.emit(EventKind.LOT_CHANGED, instrument=at + 1, order=sale.sale, price=product.price, qty=shown)
