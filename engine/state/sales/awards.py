"""Awards: what was sold to whom in sales, and what became of it. Seen by buyer, seller and operator."""

from __future__ import annotations

from msgspec import Struct, field

from engine.codes import AwardState
from engine.messages.sales.after import Share

# The buyer has the bags, for the time being or for good.
HOLDING = frozenset({AwardState.PROVISIONAL, AwardState.ALLOWANCE_ASKED, AwardState.DISPUTED, AwardState.FINAL})
OPEN_TO_DECISION = HOLDING - {AwardState.FINAL}
ENDED = frozenset({AwardState.REJECTED, AwardState.DECLINED, AwardState.VOID})


class Passage(Struct, frozen=True):
    """One step of an award's history."""

    ts_ns: int
    state: AwardState  # from here on
    account: int  # whose act; 0: the venue's
    price: int  # ticks: of the award; of a claim: that is asked for
    why: str = ""


class Award(Struct):
    """Bags of one auction lot, sold to one account at one price. Prices in ticks of the sale."""

    number: int
    sale: int
    lot: int
    seller: int
    buyer: int
    price: int
    bags: int
    value_minor: int  # of the weight at the price, rounded once
    state: AwardState
    due_ns: int = 0  # of the party whose turn it is; 0: nobody's
    timer: int = 0
    asked: int = 0  # price of the allowance asked for
    asks: int = 0  # allowances asked for so far
    left_ns: int = 0  # of the buyer's time, while the seller's runs
    instead_of: int = 0  # award whose bags these were; 0: sold by the hammer
    history: list[Passage] = field(default_factory=list)
    shares: tuple[Share, ...] = ()  # of a buying group; none: the buyer has all
