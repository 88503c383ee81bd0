"""Rule sets of the call auction: named rows of switches, each with its source.

`harvest` is the venue's own. The others carry the names they have in `tests/vectors/auction-vectors.json`, whose
worked examples are their tests. A listed instrument names one of them; nothing else selects a rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.codes import Grid, LastStep, Pressure, Sharing
from engine.kernels.price_rule import PriceRule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A price rule and what goes with it. On each side unpriced orders come first or last, then price, then time."""

    price: PriceRule
    source: str
    unpriced_first: bool = True
    sharing: Sharing = Sharing.TIME
    reference_is_nbbo_midpoint: bool = False  # when the national best bid and offer are given, their middle counts


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
        sharing=Sharing.TIME_BLOCKS,
    ),
    "cme_iop": RuleSet(
        _rule(Grid.TICKS, Pressure.FULL, LastStep.NEAREST),
        "CME Globex, Application of the Indicative Opening Price Rules (without the election of stop orders)",
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
        unpriced_first=False,
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
        "IEX Auction Process Specification, clearing-price examples, as modelled in imandra-ai/iex-auction-model",
        reference_is_nbbo_midpoint=True,
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
