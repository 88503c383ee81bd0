"""The Helmsman sales of a season: which lots come to which sale, and what bidders think they are worth."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from engine.domain.units import KG_PER, QUOTATION_PER_KG, decimal_text, parse_decimal, value_factor
from engine.messages.sales.english import English, Step
from engine.messages.sales.terms import SaleLot as PlannedLot
from engine.messages.sales.terms import SaleTerms, Stages, Unit
from gateway.config import Config
from gateway.data.tables import Lot
from gateway.demo.actions import BidOn, SaleView
from gateway.demo.catalogue import sale_lots
from gateway.demo.market import chance
from gateway.demo.parties import parties

SECOND_NS = 10**9


class SaleLot(NamedTuple):
    lot: Lot
    seller: int


class Catalogue:
    """Which lots come to which sale, in the words of the engine and of the public API."""

    def __init__(self, config: Config) -> None:
        assert config.season is not None, "the configuration has a season"
        self.rule = config.season.sale
        everyone = reversed(parties(config.season, config.coffee))
        sellers = {party.origin: party.account for party in everyone if party.origin}  # the first of each origin
        self.lots = tuple(SaleLot(lot, sellers[lot.country]) for lot in sale_lots(self.rule))

    def lots_of(self, sale: int) -> tuple[SaleLot, ...]:
        """The lots of sale number `sale` (from 1). After the last different sale the first comes again."""
        first = (sale - 1) % self.rule.sales * self.rule.lots
        return self.lots[first : first + self.rule.lots]

    def title_of(self, sale: int) -> str:
        lots = self.lots_of(sale)
        best = max(float(lot.lot.score) for lot in lots)
        return f"Best of the harvest, sale {sale}: {len(lots)} lots, up to {best:.2f} points"

    def open_sale(self, sale: int, now_ns: int) -> SaleTerms:
        """The command that opens a sale."""
        rule = self.rule
        tick = parse_decimal(rule.tick_size)
        per_gram = value_factor(tick, QUOTATION_PER_KG[rule.price_unit], KG_PER["g"])
        return SaleTerms(
            sale=sale,
            version=1,
            title=self.title_of(sale),
            unit=Unit(rule.tick_size, rule.price_unit, rule.currency, per_gram.numerator, per_gram.denominator),
            stages=Stages(),
            lots=tuple(
                PlannedLot(seller, lot_title(lot), lot.bags, int(lot.bag_kg * 1000), lot_attributes(lot))
                for lot, seller in self.lots_of(sale)
            ),
            mechanism=English(
                opening=int(parse_decimal(rule.opening) / tick),
                increments=(Step(0, int(parse_decimal(rule.increment) / tick)),),
                clock_ns=rule.clock_seconds * SECOND_NS,
                open_until_ns=now_ns + rule.open_seconds * SECOND_NS,
            ),
        )

    def request(self, sale: int) -> dict[str, object]:
        """The same as a request to the public API."""
        rule = self.rule
        return {
            "sale_id": sale,
            "title": self.title_of(sale),
            "opening": rule.opening,
            "increment": rule.increment,
            "tick_size": rule.tick_size,
            "price_unit": rule.price_unit,
            "currency": rule.currency,
            "clock_seconds": rule.clock_seconds,
            "open_seconds": rule.open_seconds,
            "lots": [
                {
                    "seller": seller,
                    "title": lot_title(lot),
                    "bags": lot.bags,
                    "bag_kg": decimal_text(lot.bag_kg),
                    "attributes": lot_attributes(lot),
                }
                for lot, seller in self.lots_of(sale)
            ],
        }


def lot_title(lot: Lot) -> str:
    place = f"{lot.region.title()}, {lot.country}" if lot.region else lot.country
    return f"{place}: {lot.process or 'process not stated'}, {float(lot.score):.2f} points"


def lot_attributes(lot: Lot) -> dict[str, str]:
    named = {
        "lot_id": lot.lot_id,
        "origin": lot.country,
        "region": lot.region,
        "variety": lot.variety,
        "process": lot.process,
        "score": f"{float(lot.score):.2f}",
        "crop_year": lot.harvest_year,
        "moisture_pct": lot.moisture_pct,
    }
    return {name: value for name, value in named.items() if value}


class Bidder:
    """An importer in the sale room. Its limits come out of (seed, sale, lot, account) and the lot's score."""

    def __init__(self, seed: int, account: int, bidders: int, number: int, catalogue: Catalogue) -> None:
        self.seed, self.account, self.bidders, self.number = seed, account, bidders, number
        self.catalogue = catalogue
        self._turn = 0

    def limit_steps(self, sale: int, lot: int) -> int:
        """Most increments above the opening price that the lot is worth to this bidder; -1: not interested."""
        dice = chance(self.seed, "limit", sale, lot, self.account)
        above_85 = max(Fraction(0), self.catalogue.lots_of(sale)[lot - 1].lot.score - 85)
        if lot % self.bidders == self.number:
            return 1 + int(dice.expovariate(1 / 10) + float(above_85) * dice.uniform(4, 10))
        if dice.random() > 0.55:
            return -1
        return int(dice.expovariate(1 / 10) + float(above_85) * dice.uniform(4, 10))

    def act(self, view: SaleView) -> BidOn | None:
        """Raise on one lot that is worth more than its price and led by another; None when there is none."""
        if not view.running:
            return None
        self._turn += 1
        dice = chance(self.seed, self.account, "bid", view.sale, self._turn)
        step = view.increment_ticks
        wanted = []
        for lot in view.lots:
            lowest = view.opening_ticks if lot.price_ticks is None else lot.price_ticks + step
            steps = (lowest - view.opening_ticks) // step
            if lot.on_sale and not lot.leads and steps <= self.limit_steps(view.sale, lot.lot):
                wanted.append((lot.lot, steps))
        if not wanted:
            return None
        fresh = [one for one in wanted if one[1] == 0]
        number, steps = dice.choice(fresh or wanted)
        steps = min(self.limit_steps(view.sale, number), steps + dice.randint(0, 4))
        maximum = view.opening_ticks + steps * step
        return BidOn(view.sale, number, maximum, f"s{self.seed}-a{self.account}-sale{view.sale}-{number}-{steps}")
