"""An English sale once more, from its rules: nothing is kept but the bids that stand, all else is found again.

Slow and without state of its own beyond the bids and the clocks, so that it cannot share a slip with
`engine/markets/sales/english.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.codes import Reason
from engine.messages.sales.english import English, EnglishOffer
from engine.messages.sales.terms import SaleTerms


@dataclass
class PlainBid:
    seq: int
    account: int
    lot: int
    maximum: int
    bags: int
    least: int
    normal: bool


@dataclass
class PlainSale:
    plan: SaleTerms
    live: bool = False
    bids: list[PlainBid] = field(default_factory=list)
    waiting: list[PlainBid] = field(default_factory=list)
    closed: set[int] = field(default_factory=set)
    sold: list[tuple[int, int, int, int]] = field(default_factory=list)  # lot, account, price, bags
    due: dict[int, int] = field(default_factory=dict)  # of running clocks, by scope
    open_until: int | None = None
    stop: int | None = None
    over: bool = False

    @property
    def terms(self) -> English:
        assert isinstance(self.plan.mechanism, English)
        return self.plan.mechanism

    @property
    def numbers(self) -> range:
        return range(1, len(self.plan.lots) + 1)

    # Prices

    def opening(self, lot: int) -> int:
        return self.plan.lots[lot - 1].opening or self.terms.opening

    def step(self, price: int) -> int:
        return [row.increment for row in self.terms.increments if row.start <= price][-1]

    def rungs(self, lot: int, upto: int) -> list[int]:
        ladder = [self.opening(lot)]
        while ladder[-1] < upto:
            ladder.append(ladder[-1] + self.step(ladder[-1]))
        return ladder

    def standing(self, lot: int) -> list[tuple[PlainBid, int, int]]:
        """(newest bid, arrival, floor) of each account, best first."""
        by_account: dict[int, list[PlainBid]] = {}
        for bid in self.bids:
            if bid.lot == lot:
                by_account.setdefault(bid.account, []).append(bid)
        found = []
        for own in by_account.values():
            arrival = len(own) - 1
            while arrival and own[arrival - 1].maximum == own[-1].maximum:
                arrival -= 1
            found.append((own[-1], own[arrival].seq, max((b.maximum for b in own if b.normal), default=0)))
        return sorted(found, key=lambda one: (-one[0].maximum, one[1]))

    def outcome(self, lot: int) -> tuple[int | None, dict[int, int]]:
        """(price, bags by account) as things stand."""
        ranked, plan = self.standing(lot), self.plan.lots[lot - 1]
        if not ranked or not self.live:
            return None, {}
        best = ranked[0][0].maximum
        if not plan.least_bags:
            shares = {ranked[0][0].account: plan.bags}
            winning, losing, floor = best, [one[0].maximum for one in ranked[1:]], ranked[0][2]
        else:
            shares, losing, left, winning, floor = {}, [], plan.bags, best, 0
            for bid, _, _ in ranked:
                part = min(bid.bags, left)
                if part < bid.least or (plan.reserve and best >= plan.reserve and bid.maximum < plan.reserve):
                    part = 0
                if part:
                    shares[bid.account], left, winning = part, left - part, bid.maximum
                if part < bid.bags:
                    losing.append(bid.maximum)
        price = self.opening(lot)
        if losing:
            price = min(winning, max(losing) + self.step(max(losing)))
        if plan.reserve and winning >= plan.reserve:
            price = max(price, plan.reserve)
        return max(price, min(floor, winning)), shares

    # Bids

    def refused(self, bid: PlainBid, offer: EnglishOffer) -> Reason:
        plan, terms = self.plan.lots[bid.lot - 1], self.terms
        if self.over or bid.lot in self.closed:
            return Reason.BID_LATE
        if bid.account == plan.seller:
            return Reason.SELF_BID
        if offer.normal and not terms.normal_bids:
            return Reason.OFFER_UNFIT
        if not plan.least_bags and (offer.bags not in (0, plan.bags) or offer.least_bags):
            return Reason.OFFER_UNFIT
        return self.too_low(bid)

    def too_low(self, bid: PlainBid) -> Reason:
        plan, opening = self.plan.lots[bid.lot - 1], self.opening(bid.lot)
        first = self.terms.increments[0].increment
        if bid.maximum < opening and (opening - bid.maximum) % first == 0:
            return Reason.BID_LOW
        if bid.maximum not in self.rungs(bid.lot, bid.maximum):
            return Reason.BID_INCREMENT
        if plan.least_bags and not bid.least <= bid.bags <= plan.bags:
            return Reason.BAGS_RANGE
        price, shares = self.outcome(bid.lot)
        if price is None:
            return Reason.NONE
        if bid.account in shares:
            if bid.maximum < price:
                return Reason.MAXIMUM_BELOW_PRICE
            return Reason.BAGS_RANGE if plan.least_bags and bid.bags < shares[bid.account] else Reason.NONE
        some_left = plan.least_bags and plan.bags - sum(shares.values()) >= plan.least_bags
        return Reason.BID_LOW if bid.maximum < price + (0 if some_left else self.step(price)) else Reason.NONE

    def bid(self, seq: int, account: int, offer: EnglishOffer, now: int) -> Reason:
        plan = self.plan.lots[offer.lot - 1]
        bags = (offer.bags or plan.bags) if plan.least_bags else 0
        least = max(offer.least_bags, plan.least_bags)
        bid = PlainBid(seq, account, offer.lot, offer.maximum, bags, least, offer.normal)
        reason = self.refused(bid, offer)
        if reason == Reason.NONE and self.plan.approve_bids:
            self.waiting.append(bid)
        elif reason == Reason.NONE:
            self.take(bid, now)
        return reason

    def decide(self, seq: int, accept: bool, now: int) -> Reason:
        waits = [bid for bid in self.waiting if bid.seq == seq]
        if self.over:
            return Reason.SALE_CLOSED
        if accept:
            if not waits:
                return Reason.BID_UNKNOWN
            if waits[0].lot in self.closed:
                return Reason.SALE_CLOSED
            reason = self.too_low(waits[0])
            if reason == Reason.NONE:
                self.waiting.remove(waits[0])
                self.take(waits[0], now)
            return reason
        if waits:
            self.waiting.remove(waits[0])
            return Reason.NONE
        taken = [bid for bid in self.bids if bid.seq == seq]
        if not taken:
            return Reason.BID_UNKNOWN
        if taken[0].lot in self.closed:
            return Reason.SALE_CLOSED
        before = self.outcome(taken[0].lot)
        self.bids.remove(taken[0])
        if self.outcome(taken[0].lot) != before:
            self.changed(taken[0].lot, now)
        return Reason.NONE

    def take(self, bid: PlainBid, now: int) -> None:
        before = self.outcome(bid.lot)
        self.bids = sorted([*self.bids, bid], key=lambda one: one.seq)
        if self.outcome(bid.lot) != before:
            self.changed(bid.lot, now, by_bid=True)

    # Clocks

    def scope(self, lot: int) -> int:
        return {"all": 0, "lot": lot, "group": self.plan.lots[lot - 1].group}[self.terms.scope]

    def begin(self, now: int) -> None:
        """It is live."""
        self.live, terms = True, self.terms
        self.stop = terms.stop_ns or None
        if terms.style == "helmsman":
            self.open_until = terms.open_until_ns
            self.all_have_bids(now)
        else:
            for lot in self.numbers:
                if self.scope(lot) not in self.due:
                    self.due[self.scope(lot)] = terms.ends_ns + len(self.due) * terms.stagger_ns

    def all_have_bids(self, now: int) -> None:
        if all(lot in self.closed or self.outcome(lot)[0] is not None for lot in self.numbers):
            self.run_clocks(now)

    def run_clocks(self, now: int) -> None:
        self.open_until = None
        for lot in self.numbers:
            if lot not in self.closed:
                self.due[self.scope(lot)] = now + self.terms.clock_ns

    def changed(self, lot: int, now: int, by_bid: bool = False) -> None:
        if not self.live:
            return
        later = now + self.terms.clock_ns
        if self.terms.style == "timed":
            self.due[self.scope(lot)] = max(self.due[self.scope(lot)], later)
        elif self.open_until is None:
            self.due[self.scope(lot)] = later
        elif by_bid:
            self.all_have_bids(now)

    def advance(self, now: int) -> None:
        """What is due at `now` happens, in its order; a late firing counts from `now`."""
        while self.live and not self.over:
            waits = [(at, 2, scope) for scope, at in self.due.items()]
            waits += [(self.open_until, 1, 0)] if self.open_until is not None else []
            waits += [(self.stop, 3, 0)] if self.stop is not None else []
            if not waits or min(waits)[0] > now:
                return
            _, what, scope = min(waits)
            if what == 1:
                self.close([lot for lot in self.numbers if self.outcome(lot)[0] is None])
                if not self.over:
                    self.run_clocks(now)
            elif what == 2:
                del self.due[scope]
                self.close([lot for lot in self.numbers if self.scope(lot) == scope])
            else:
                self.stop = None
                self.close(list(self.numbers))

    def close(self, lots: list[int]) -> None:
        for lot in lots:
            if lot in self.closed:
                continue
            price, shares = self.outcome(lot)
            self.closed.add(lot)
            if price is not None and price >= self.plan.lots[lot - 1].reserve:
                ranked = [one[0].account for one in self.standing(lot)]
                self.sold += [(lot, one, price, shares[one]) for one in ranked if one in shares]
        alive = {self.scope(lot) for lot in self.numbers if lot not in self.closed}
        self.due = {scope: at for scope, at in self.due.items() if scope in alive}
        self.over = not alive
