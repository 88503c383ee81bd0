"""Co-ops that offer their lots and importers that bid for them: decisions only, no socket, no clock.

`act(second, phases)` is the next step of one account, `heard` tells it what became of its orders. Client ids are
derived from (seed, account, step), so a client that starts again after a crash never places anything twice: what it
sends again is a duplicate, and what it does not know any more is among its open orders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from random import Random

from engine.codes import CANCEL_PHASES, Phase, Side, TimeInForce
from gateway.demo.actions import Action, Heard, Place, Reprice, Withdraw
from gateway.demo.market import TRADING, Good, chance, fair_ticks, priced
from gateway.demo.offers import Offer


class OpenOrder:
    """An own order in a book."""

    __slots__ = ("client_id", "open_lots", "order", "price_ticks", "side", "since")

    def __init__(self, heard: Heard, since: int) -> None:
        self.order, self.client_id, self.side = heard.order, heard.client_id, heard.side
        self.price_ticks, self.open_lots, self.since = heard.price_ticks, heard.open_lots, since


class Trader(ABC):
    """What co-ops and importers share: a seed, an account, and the orders it has open in each book."""

    def __init__(self, seed: int, account: int, goods: Mapping[str, Good]) -> None:
        self.seed, self.account, self.goods = seed, account, goods
        self.open: dict[str, dict[str, OpenOrder]] = defaultdict(dict)  # symbol -> order id -> order
        self._since = 0

    def heard(self, news: Heard) -> None:
        """An order was taken, filled in part, repriced or ended."""
        book = self.open[news.symbol]
        if news.open_lots <= 0:
            book.pop(news.order, None)
        elif news.order in book:
            book[news.order].open_lots, book[news.order].price_ticks = news.open_lots, news.price_ticks
        else:
            self._since += 1
            book[news.order] = OpenOrder(news, self._since)

    @abstractmethod
    def act(self, second: int, phases: Mapping[str, Phase]) -> Action | None:
        """The next step at a second of the season; None when there is nothing to do."""

    @abstractmethod
    def fill(self, second: int, phases: Mapping[str, Phase]) -> list[Action]:
        """What it takes to have as many orders open in each book as this trader keeps there."""

    @abstractmethod
    def step_of(self, client_id: str) -> None:
        """Note a client id of an earlier run: this one goes on after it."""

    def fair(self, symbol: str, second: int) -> int:
        return fair_ticks(self.goods[symbol], self.seed, second)

    def _oldest(self, symbol: str) -> OpenOrder:
        return min(self.open[symbol].values(), key=lambda order: order.since)

    def _touch(self, order: OpenOrder) -> None:
        self._since += 1
        order.since = self._since


class Coop(Trader):
    """Offers its real lots part by part, and moves the oldest offer when enough are open.

    An offer is moved by taking it back and offering what the venue said was left of it. A replace would name a quantity
    from before its own arrival: what trades in between would be offered, and perhaps sold, a second time.
    """

    def __init__(
        self, seed: int, account: int, goods: Mapping[str, Good], offers: Mapping[str, tuple[Offer, ...]], keep: int
    ) -> None:
        super().__init__(seed, account, goods)
        self.offers = offers  # symbol -> parts of lots, in the order in which they are offered
        self.keep = keep  # offers open in each book
        self.placed: dict[str, int] = dict.fromkeys(offers, 0)  # offers made in each book so far
        self.repeat = True  # when all is offered the next season begins with the same lots
        self._left: list[tuple[str, str, int]] = []  # (symbol, client id, bags) of offers taken back
        self._turn = 0

    def client_id(self, symbol: str, number: int) -> str:
        return f"s{self.seed}-a{self.account}-i{self.goods[symbol].instrument}-{number}"

    def step_of(self, client_id: str) -> None:
        base = client_id.split("r")[0]
        for symbol in self.placed:
            number = base.removeprefix(self.client_id(symbol, 0)[:-1])
            if number != base and number.isdigit():
                self.placed[symbol] = max(self.placed[symbol], int(number) + 1)

    def heard(self, news: Heard) -> None:
        order = self.open[news.symbol].get(news.order)
        if order is not None and news.cancelled:
            base, _, times = order.client_id.partition("r")
            self._left.append((news.symbol, f"{base}r{int(times or 0) + 1}", order.open_lots))
        super().heard(news)

    def act(self, second: int, phases: Mapping[str, Phase]) -> Action | None:
        """Serve one book, the neediest of those it may trade in; None when there is nothing to do."""
        self._turn += 1
        books = [symbol for symbol in self.offers if phases.get(symbol) in TRADING]
        for place, (symbol, client_id, bags) in enumerate(self._left):
            if symbol in books:
                del self._left[place]
                return self._sell(symbol, client_id, bags, second, keen=0.3)
        wanting = [s for s in books if len(self.open[s]) < self.keep and self.next_offer(s) is not None]
        if wanting:
            return self.offer(min(wanting, key=lambda s: (len(self.open[s]), s)), second)
        movable = [s for s in books if self.open[s] and phases[s] in CANCEL_PHASES]
        if not movable:
            return None
        symbol = chance(self.seed, self.account, "turn", self._turn).choice(movable)
        return Withdraw(symbol, self._oldest(symbol).order)

    def fill(self, second: int, phases: Mapping[str, Phase]) -> list[Action]:
        return [
            self.offer(symbol, second)
            for symbol in self.offers
            if phases.get(symbol) in TRADING
            for _ in range(self.keep - len(self.open[symbol]))
            if self.next_offer(symbol) is not None
        ]

    def next_offer(self, symbol: str) -> Offer | None:
        offers, number = self.offers[symbol], self.placed[symbol]
        return offers[number % len(offers)] if self.repeat or number < len(offers) else None

    def offer(self, symbol: str, second: int) -> Place:
        """The next part of a lot, as a sell order. The same number always means the same part."""
        number, offer = self.placed[symbol], self.next_offer(symbol)
        assert offer is not None, "asked only while there is something to offer"
        self.placed[symbol] = number + 1
        return self._sell(symbol, self.client_id(symbol, number), offer.bags, second, keen=0.12)

    def _sell(self, symbol: str, client_id: str, bags: int, second: int, keen: float) -> Place:
        """An offer above fair value, or, `keen` times in one, a little below it to meet the bids."""
        dice = chance(client_id)
        away_ppm = -2_500 if dice.random() < keen else 300 + int(dice.triangular(0, 26_000, 2_500))
        price = priced(self.goods[symbol], self.fair(symbol, second), away_ppm)
        return Place(symbol, Side.SELL, price, bags, TimeInForce.GTC, client_id)


class Importer(Trader):
    """Bids below fair value in every book and now and then takes what is offered; more eagerly in a call."""

    def __init__(self, seed: int, account: int, goods: Mapping[str, Good], sizes: Mapping[str, int], keep: int) -> None:
        super().__init__(seed, account, goods)
        self.sizes = sizes  # symbol -> usual quantity of an order
        self.keep = keep  # bids open in each book
        self.step = 0

    def client_id(self, step: int) -> str:
        return f"s{self.seed}-a{self.account}-{step}"

    def step_of(self, client_id: str) -> None:
        number = client_id.removeprefix(f"s{self.seed}-a{self.account}-")
        if number.isdigit():
            self.step = max(self.step, int(number) + 1)

    def act(self, second: int, phases: Mapping[str, Phase]) -> Action | None:
        books = [symbol for symbol in self.goods if phases.get(symbol) in TRADING]
        if not books:
            return None
        dice = chance(self.seed, self.account, self.step)
        thin = [symbol for symbol in books if len(self.open[symbol]) < self.keep]
        symbol = dice.choice(thin if thin and dice.random() < 0.5 else books)
        return self.bid(symbol, second, phases[symbol], dice)

    def fill(self, second: int, phases: Mapping[str, Phase]) -> list[Action]:
        return [
            self.bid(symbol, second, phases[symbol])
            for symbol in self.goods
            if phases.get(symbol) in TRADING
            for _ in range(self.keep - len(self.open[symbol]))
        ]

    def bid(self, symbol: str, second: int, phase: Phase, dice: Random | None = None) -> Action:
        """One step in one book: a bid that waits, one that takes, or the oldest bid moved."""
        step, self.step = self.step, self.step + 1
        dice = dice or chance(self.seed, self.account, step)
        good, fair = self.goods[symbol], self.fair(symbol, second)
        calling = phase is not Phase.CONTINUOUS
        qty = max(1, int(self.sizes[symbol] * dice.uniform(0.3, 1.7)))
        name = self.client_id(step)
        if dice.random() < (0.8 if calling else 0.25):
            if calling and dice.random() < 0.1:
                return Place(symbol, Side.BUY, None, qty, TimeInForce.GTC, name)
            tif = TimeInForce.GTC if calling else TimeInForce.IOC
            above_ppm = int(dice.uniform(2_000, 14_000) if calling else dice.uniform(1_000, 9_000))
            return Place(symbol, Side.BUY, priced(good, fair, above_ppm), qty, tif, name)
        price = priced(good, fair, -400 - int(dice.triangular(0, 28_000, 3_000)))
        if len(self.open[symbol]) < self.keep:
            return Place(symbol, Side.BUY, price, qty, TimeInForce.GTC, name)
        order = self._oldest(symbol)
        self._touch(order)
        if phase in CANCEL_PHASES and (order.price_ticks is None or len(self.open[symbol]) > self.keep):
            return Withdraw(symbol, order.order)
        if order.price_ticks is None:
            return Place(symbol, Side.BUY, price, qty, TimeInForce.GTC, name)
        return Reprice(symbol, Side.BUY, order.order, price, order.open_lots, name)
