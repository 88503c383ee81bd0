"""Registers of Helmsman sales: what the rule in `engine/markets/helmsman.py` reads and writes.

`maximum`, `runner_up` and `maxima` are secret: `engine/markets/sale_views.py` alone decides who is shown what.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct, field

from engine.codes import SaleState
from engine.domain.units import parse_decimal, round_half_even
from engine.messages.bodies import AuctionLot, OpenSale


class LotState(Struct):
    """One auction lot while and after it is on sale. Prices in ticks of the sale."""

    terms: AuctionLot
    price: int | None = None  # None: no bid yet
    leader: int = 0  # account; 0: none
    maximum: int = 0  # secret: the leader's
    runner_up: int | None = None  # secret: highest maximum that does not lead
    bids: int = 0  # bids that moved a price or a leader, the only ones that may be counted in public
    passed_in: bool = False
    maxima: dict[int, int] = field(default_factory=dict)  # secret: account -> its last accepted maximum

    @property
    def weight_grams(self) -> int:
        return self.terms.bags * self.terms.bag_grams


class Sale(Struct):
    """One sale. `open_until_ns` and `clock_due_ns` move with outages and bids; 0 means that the timer is not set."""

    terms: OpenSale
    lots: list[LotState]
    state: SaleState = SaleState.OPEN
    open_until_ns: int = 0
    clock_due_ns: int = 0
    timer: int = 0  # id of the one timer that a running sale has: open_until, then the clock
    ended_by_operator: bool = False

    @property
    def sale(self) -> int:
        return self.terms.sale

    @property
    def tick_size(self) -> Fraction:
        return parse_decimal(self.terms.tick_size)

    def value_minor(self, lot: LotState, ticks: int) -> int:
        """Value of an auction lot at a price, in minor units: ticks x grams x exact factor, rounded half to even."""
        terms = self.terms
        return round_half_even(Fraction(ticks * lot.weight_grams * terms.value_numerator, terms.value_denominator))
