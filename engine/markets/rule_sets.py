"""Rule sets of the call auction: named rows of switches, each with its source.

`harvest` is the venue's own. The others carry the names they have in `tests/vectors/auction-vectors.json`, whose
worked examples are their tests. A listed instrument names one of them; nothing else selects a rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.codes import Grid, LastStep, Pressure, ProRata, Rest, Unpriced
from engine.domain.sharing_rule import BY_TIME, SharingRule
from engine.kernels.call_rule import CallRule
from engine.kernels.price_rule import PriceRule


def _sharing(
    pro_rata: ProRata, rest: Rest, *, by_block: bool = False, top_first: bool = False, lot: int = 1, least: int = 1
) -> SharingRule:
    return SharingRule(int(by_block), int(top_first), int(pro_rata), lot, least, int(rest))


SHARINGS: dict[str, SharingRule] = {
    # Xetra, Euronext, ASX, CME FIFO
    "by_time": BY_TIME,
    # BNB Beacon Chain DEX, matcheng tests (MatchEng allocation of a residual); the lot is the instrument's, 1 here
    "pro_rata_floor_to_lot_then_lots_by_time": _sharing(ProRata.FLOOR, Rest.LOT_EACH),
    # the same, docs/beaconchain/match-examples.md: orders of one block (here: of one time) share, earlier blocks first
    "time_blocks_then_pro_rata": _sharing(ProRata.FLOOR, Rest.LOT_EACH, by_block=True),
    # CME Globex pro rata: what the proportion leaves goes by time
    "pro_rata_then_fifo": _sharing(ProRata.FLOOR, Rest.BY_TIME),
    # CME Globex, Complex Match Example, pro-rata step: shares below 2 lots are dropped; what is left over goes to
    # nobody of this level there, so a call that takes this row gives it out by time: `pro_rata_floor_min2_then_fifo`
    "pro_rata_floor_min2": _sharing(ProRata.FLOOR, Rest.NOBODY, least=2),
    "pro_rata_floor_min2_then_fifo": _sharing(ProRata.FLOOR, Rest.BY_TIME, least=2),
    # CME Globex notice of 2005, enhancement to the Eurodollar pro-rata allocation
    "top_order_then_pro_rata_floor_drop_1lots_then_fifo": _sharing(
        ProRata.FLOOR, Rest.BY_TIME, top_first=True, least=2
    ),
    # 31 CFR 356.20 (a)(2), US Treasury auctions; that the last by arrival get what is left, and no more, is ours
    "pro_rata_percentage_rounded_up_to_0.01pct": _sharing(ProRata.PERCENT_UP, Rest.BY_TIME),
}


@dataclass(frozen=True, slots=True)
class CollarRule:
    """Width of a band: the greater of a percentage and a floor. `engine/kernels/collar.py` has the arithmetic."""

    bps: int
    least: str  # a price difference, as decimal text in the unit of quotation
    source: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A price rule and what goes with it. On each side unpriced orders come first or last, then price, then time."""

    price: PriceRule
    source: str
    unpriced: Unpriced = Unpriced.FIRST
    sharing: SharingRule = BY_TIME
    reference_is_nbbo_midpoint: bool = False  # when the national best bid and offer are given, their middle counts
    collar: CollarRule | None = None  # about the reference, where unpriced orders are valued at a collar

    @property
    def switches(self) -> CallRule:
        return CallRule(self.price, self.sharing, int(self.unpriced))


def _rule(
    grid: Grid, pressure: Pressure, last: LastStep, *, least_surplus: bool = True, band_bps: int = 0
) -> PriceRule:
    return PriceRule(int(grid), int(least_surplus), int(pressure), band_bps, int(last))


HARVEST = RuleSet(
    _rule(Grid.TICKS_AND_REFERENCE, Pressure.FULL, LastStep.CLAMP),
    "this venue: the ladder under which more buying, at a price already named, never lowers the price",
)
_XETRA = _rule(Grid.LIMITS, Pressure.FULL, LastStep.CLAMP)

RULE_SETS: dict[str, RuleSet] = {
    "harvest": HARVEST,
    "harvest_pro_rata": RuleSet(
        HARVEST.price,
        "this venue: harvest's price; at the margin everyone gets a part, so that the last kilo is no race",
        sharing=SHARINGS["pro_rata_floor_to_lot_then_lots_by_time"],
    ),
    "xetra": RuleSet(
        _XETRA,
        "Deutsche Boerse T7 R10 market model, 11.1.1 (price determination); examples in hroptatyr/clob",
    ),
    "xetra_no_reference_midpoint": RuleSet(
        _XETRA,
        "as xetra; the middle that hroptatyr/clob takes without a reference is what CLAMP does without one",
    ),
    "euronext_utp": RuleSet(
        _rule(Grid.LIMITS_AND_REFERENCE, Pressure.FULL, LastStep.NEAREST),
        "Euronext UTP order-type leaflets 414806 and 414808, examples in mattdavey/EuronextClone",
    ),
    "euronext_optiq": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.NEAREST),
        "Euronext Optiq trading manual in a secondary digest, which names no pressure step",
    ),
    "bnb_four_step_5pct": RuleSet(
        _rule(Grid.TICKS, Pressure.BANDED, LastStep.NEAREST, band_bps=500),
        "BNB Beacon Chain DEX, docs/beaconchain/match-examples.md; rounding outwards as in its test suite",
        sharing=SHARINGS["time_blocks_then_pro_rata"],
    ),
    "cme_iop": RuleSet(
        _rule(Grid.TICKS, Pressure.FULL, LastStep.NEAREST),
        "CME Globex, Application of the Indicative Opening Price Rules (without the election of stop orders)",
    ),
    "cme_iop_pro_rata": RuleSet(
        _rule(Grid.TICKS, Pressure.FULL, LastStep.NEAREST),
        "the same price; allocation of CME's pro-rata products: shares below 2 lots dropped, the rest by time",
        sharing=SHARINGS["pro_rata_floor_min2_then_fifo"],
    ),
    "cme_iop_top_order": RuleSet(
        _rule(Grid.TICKS, Pressure.FULL, LastStep.NEAREST),
        "the same price; allocation of the CME Globex notice of 2005 on Eurodollars: top order, pro rata, then by time",
        sharing=SHARINGS["top_order_then_pro_rata_floor_drop_1lots_then_fifo"],
    ),
    "tsx_cop": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.NEAREST),
        "TSX Order Types and Functionality Guide, Calculated Opening Price",
    ),
    "hkex_iep": RuleSet(
        _rule(Grid.OVERLAP, Pressure.FULL, LastStep.NEAREST),
        "HKEX closing auction session, examples of the indicative equilibrium price; reference price when none forms",
    ),
    "sgx": RuleSet(
        _rule(Grid.TICKS, Pressure.FULL, LastStep.NEAREST),
        "SGX-ST Practice Note 8.2.1, section 3",
    ),
    "nse": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.NEAREST_OR_REFERENCE),
        "NSE India pre-open session page (limit orders match before market orders); ties as brokers' pages tell them",
        unpriced=Unpriced.LAST,
    ),
    "asx_four_step": RuleSet(
        _rule(Grid.TICKS, Pressure.FULL, LastStep.NEAREST),
        "ASX call auction algorithm of 2002 (every tick is a candidate), UNSW trading engine course appendix",
    ),
    "max_volume": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.MIDPOINT, least_surplus=False),
        "MarketGrid single-price auction; msilb/auction-order-matching. The middle, where several tie, is ours",
    ),
    "max_volume_min_surplus_pressure": RuleSet(
        _rule(Grid.LIMITS, Pressure.FULL, LastStep.CLAMP),
        "research-ag/auction (README and tests). The last step, where surplus is on both sides, is harvest's",
    ),
    "iex": RuleSet(
        _rule(Grid.TICKS_AND_REFERENCE, Pressure.NONE, LastStep.NEAREST),
        "IEX Auction Process Specification, clearing-price examples, as modelled in imandra-ai/iex-auction-model; "
        "without a reference there is no collar, and unpriced orders are willing at any price",
        unpriced=Unpriced.AT_COLLAR,
        reference_is_nbbo_midpoint=True,
        collar=CollarRule(1_000, "0.50", "the same model: greater of 10 % and 0.50 about the midpoint"),
    ),
    "midpoint_of_max_volume_range": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.MIDPOINT, least_surplus=False),
        "Vega protocol, opening auction (feature 2952)",
    ),
    "max_volume_highest_price": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.HIGHEST, least_surplus=False),
        "China Computer Federation CSP 2014-12, problem 3 (collective bidding)",
    ),
    "pay_as_clear_marginal_supply": RuleSet(
        _rule(Grid.LIMITS, Pressure.NONE, LastStep.LOWEST, least_surplus=False),
        "merit order: limit of the last offer accepted; assume-framework/assume and kiedanski/pymarket tests",
    ),
}
