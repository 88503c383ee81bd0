"""One sale: its terms, its stage, who may bid, and the state of its mechanism."""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct, field

from engine.codes import SaleStage, SaleState
from engine.domain.units import parse_decimal, round_half_even
from engine.messages.sales.terms import SaleTerms
from engine.state.sales.clock import ClockState
from engine.state.sales.dutch import DutchState
from engine.state.sales.english import EnglishState
from engine.state.sales.japanese import JapaneseState
from engine.state.sales.packages import PackagesState
from engine.state.sales.reverse import ReverseState
from engine.state.sales.sealed import SealedState

Market = EnglishState | SealedState | DutchState | ReverseState | JapaneseState | ClockState | PackagesState


class Bidder(Struct):
    """An account in one sale. Amounts in minor units of the sale's currency; its own and the operator's to know."""

    account: int
    registered_ns: int = 0  # 0: not, or not for the agreement that holds
    admitted: bool = False
    barred: bool = False
    limit_minor: int = 0  # 0: none
    committed_minor: int = 0  # what was sold to it here


class Sale(Struct):
    terms: SaleTerms
    stage: SaleStage = SaleStage.PLANNED
    state: SaleState = SaleState.OPEN
    market: Market | None = None  # None until it opens
    bidders: dict[int, Bidder] = field(default_factory=dict)
    stage_timer: int = 0
    stage_due_ns: int = 0  # of the next stage, outages included; 0: there is none to come
    delay_ns: int = 0  # of outages before it was live: added to the times that the terms name
    ended_by_operator: bool = False
    sold: dict[int, int] = field(default_factory=dict)  # bags by lot
    awards: dict[int, list[int]] = field(default_factory=dict)  # their numbers by lot

    @property
    def sale(self) -> int:
        return self.terms.sale

    @property
    def tick_size(self) -> Fraction:
        return parse_decimal(self.terms.unit.tick_size)

    def grams(self, number: int, bags: int = 0) -> int:
        """Weight of so many bags of lot `number` (from 1); 0: of all."""
        lot = self.terms.lots[number - 1]
        return (bags or lot.bags) * lot.bag_grams

    def value_minor(self, grams: int, ticks: int) -> int:
        """Value of a weight at a price, in minor units: ticks x grams x exact factor, rounded half to even."""
        unit = self.terms.unit
        return round_half_even(Fraction(ticks * grams * unit.value_numerator, unit.value_denominator))
