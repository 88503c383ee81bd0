"""Invariants of the cold registers, among themselves and with the books. Tests run it after each record of a flow."""

from __future__ import annotations

from engine.codes import UNCROSS_FROM, SaleStage, SaleState, TimerKind
from engine.limits import ACCOUNT_LIMITS_MAX, BUSTS_MAX, CURRENCIES_MAX
from engine.markets.collars import collar_of
from engine.markets.sales.closing import OF_A_SALE
from engine.messages.sales.english import English
from engine.state.hot import Hot
from engine.state.sales.awards import ENDED
from engine.state.sales.english import EnglishState
from engine.state.sales.sale import Sale
from engine.state.sales.sealed import SealedState
from engine.state.venue import CALENDAR, EXTENDED, Timer, Venue


def audit(venue: Venue, hot: Hot) -> None:
    """Raises AssertionError, naming what does not hold."""
    sections = hot.sections()
    _accounts(venue, sections)
    _listings(venue, sections)
    _timers(venue, hot)


def _accounts(venue: Venue, sections: dict) -> None:
    told = {row[0]: (row[1], bool(row[2]), bool(row[3])) for row in sections["accounts"].tolist()}
    assert told == {number: (a.group, a.frozen, a.coop) for number, a in venue.accounts.items()}, "accounts"
    limits = {tuple(row[:2]): tuple(row[2:]) for row in sections["limits"].tolist()}
    kept = {key: (a.buy_max, a.sell_max, a.orders_max) for key, a in venue.account_limits.items()}
    assert limits == kept and len(kept) <= ACCOUNT_LIMITS_MAX, "limits"
    assert bool(sections["switches"][0]) == (venue.stop is not None), "the kill switch"
    assert len(venue.corrections) <= BUSTS_MAX


def _listings(venue: Venue, sections: dict) -> None:
    books = {int(head["instrument"]): head for head in sections["books"]}
    assert books.keys() == venue.instruments.keys(), "each listing has its book"
    assert venue.instruments.keys().isdisjoint(venue.delisted)
    both = {**venue.instruments, **venue.delisted}
    assert venue.by_symbol == {listing.symbol: number for number, listing in both.items()}, "symbols"
    numbers = sorted(venue.currencies.values())
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) <= CURRENCIES_MAX, "currencies"
    for number, listing in venue.instruments.items():
        head = books[number]
        assert (head["collar_low"], head["collar_high"]) == collar_of(listing), f"collar of {listing.symbol}"
        assert head["qty_max"] == listing.qty_max and head["currency"] == venue.currencies[listing.currency]


def _timers(venue: Venue, hot: Hot) -> None:
    timers = venue.timers
    held = [one.timer for one in timers.held]
    assert timers.holding == (venue.stop is not None)
    assert not held or timers.holding, "timers stand still only while the venue is stopped"
    assert not (timers.holding and any(timer.kind in EXTENDED for timer in timers)), "these stand still"
    every: dict[int, Timer] = {timer.timer: timer for timer in [*timers, *held]}
    assert len(every) == len(timers) and max(every, default=0) <= timers.last_id
    for timer in every.values():
        assert timer.kind not in CALENDAR or timer.subject in venue.instruments, "a calendar's book is listed"
        assert bool(timer.seed) == bool(timer.random_ns) == bool(timer.announced_ns), "a random end is whole"
        assert 0 <= timer.due_ns - timer.announced_ns < timer.random_ns or not timer.random_ns
    assert timers.seeds == {timer.seed for timer in every.values() if timer.seed}
    after = {timer.subject: timer.timer for timer in every.values() if timer.kind == TimerKind.CANCEL_AFTER}
    assert after == venue.cancel_after, "one switch of time for each account"
    for instrument, extension in venue.extensions.items():
        assert hot.phase(instrument) in UNCROSS_FROM, "only a call is extended"
        assert 1 <= extension.count <= venue.instruments[instrument].extensions_max
        assert extension.timer not in every or every[extension.timer].kind == TimerKind.UNCROSS
    for sale in venue.sales.values():
        _sale(sale, every)
    _awards(venue, every)


def _awards(venue: Venue, timers: dict[int, Timer]) -> None:
    """No bag is sold twice; whose turn it is has a timer, and nobody else."""
    own = {one.timer for one in timers.values() if one.kind == TimerKind.AWARD_DUE}
    assert own == {award.timer for award in venue.awards.values() if award.timer}, "timers of awards"
    for number, award in venue.awards.items():
        assert number == award.number and award.history[-1].state == award.state
        assert bool(award.timer) == bool(award.due_ns) and (award.state not in ENDED or not award.timer)
        assert number in venue.sales[award.sale].awards[award.lot]
    for sale in venue.sales.values():
        for lot, numbers in sale.awards.items():
            promised = sum(venue.awards[n].bags for n in numbers if venue.awards[n].state not in ENDED)
            assert promised <= sale.terms.lots[lot - 1].bags, f"lot {lot} of sale {sale.sale} is sold twice"


def _sale(sale: Sale, timers: dict[int, Timer]) -> None:
    """Its timers are there, and no others; an English sale's prices follow from its bids."""
    own = {one.timer for one in timers.values() if one.kind in OF_A_SALE and one.subject == sale.sale}
    if sale.stage >= SaleStage.FINISHED:
        assert not own, f"sale {sale.sale} is over"
        return
    assert not sale.stage_timer or timers[sale.stage_timer].kind == TimerKind.SALE_STAGE
    if isinstance(sale.market, SealedState):
        assert own == {sale.stage_timer, sale.market.timer} - {0}, f"timers of {sale.sale}"
        assert set(sale.market.slots.values()) == set(sale.market.bids), "each place has one bid"
    if not isinstance(sale.market, EnglishState):
        return
    market = sale.market
    clocks = {clock.timer for clock in market.clocks.values() if clock.timer}
    assert own == clocks | {sale.stage_timer, market.open_timer, market.stop_timer} - {0}, f"timers of {sale.sale}"
    for lot, plan in zip(market.lots, sale.terms.lots, strict=True):
        assert lot.price is None or lot.price <= lot.standing[lot.leader].maximum
        assert sum(one.filled for one in lot.standing.values()) <= plan.bags
        assert plan.seller not in lot.standing, "nobody bids on an own lot"
        assert lot.standing.keys() == {one.account for one in lot.placed}
    if isinstance(sale.terms.mechanism, English) and sale.terms.mechanism.style == "helmsman":
        assert bool(clocks) == (sale.state == SaleState.PENDING), "its clocks run while it is pending"
