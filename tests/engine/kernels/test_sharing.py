"""Shares at one margin: kernel against oracle over every switch, the published examples, and what always holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import ProRata, Rest
from engine.domain.sharing_rule import SharingRule
from engine.kernels import sharing as kernel
from engine.limits import QTY_LOTS_MAX
from engine.markets.rule_sets import SHARINGS
from engine.oracle import sharing as oracle
from tests.auctions import conformance_vectors

RULES = st.builds(
    SharingRule,
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from([int(kind) for kind in ProRata]),
    st.sampled_from([1, 1, 2, 5]),
    st.sampled_from([1, 1, 2, 4]),
    st.sampled_from([int(rest) for rest in Rest]),
)
QUANTITIES = st.lists(st.integers(1, 30), min_size=1, max_size=12)


def by_the_kernel(quantities: list[int], blocks: list[int], lots: int, rule: SharingRule) -> tuple[list[int], int]:
    """Shares, and what is left over."""
    shares = np.full(len(quantities), -1, np.int64)
    over = kernel.share_margin(
        np.arange(len(quantities)), np.array(blocks, np.int64), np.array(quantities, np.int64), lots, rule, shares
    )
    return shares.tolist(), over


def agreed(quantities: list[int], blocks: list[int], lots: int, rule: SharingRule) -> list[int]:
    """The shares of both, after they were found equal."""
    shares, over = by_the_kernel(quantities, blocks, lots, rule)
    assert shares == oracle.share_margin(quantities, blocks, lots, rule)
    assert sum(shares) + over == lots
    return shares


@settings(max_examples=800)
@given(QUANTITIES, st.lists(st.integers(0, 1), min_size=12, max_size=12), RULES, st.data())
def test_the_kernel_agrees_with_the_oracle_under_every_combination_of_switches(quantities, gaps, rule, data):
    blocks = np.cumsum(gaps[: len(quantities)]).tolist()
    lots = data.draw(st.integers(0, sum(quantities)))
    shares = agreed(quantities, blocks, lots, rule)
    assert all(0 <= share <= qty for share, qty in zip(shares, quantities, strict=True))
    if rule.rest != Rest.NOBODY:
        assert sum(shares) == lots


@settings(max_examples=300)
@given(st.lists(st.integers(1, QTY_LOTS_MAX), min_size=1, max_size=8), RULES, st.data())
def test_nothing_overflows_at_the_bounds(quantities, rule, data):
    lots = data.draw(st.integers(max(0, sum(quantities) - 100), sum(quantities)))
    if rule.rest == Rest.LOT_EACH and rule.pro_rata == ProRata.NONE:
        rule = rule._replace(rest=int(Rest.BY_TIME))  # a lot each of 10^12 is no rule for anyone
    agreed(quantities, [0] * len(quantities), lots, rule._replace(least=1))


@given(st.integers(0, 2**62), st.integers(1, 2**62), st.data())
def test_shares_are_exact_without_a_wider_integer(part, total, data):
    whole = data.draw(st.integers(0, total))
    part = min(part, total)
    assert kernel.share_floor(part, whole, total) == part * whole // total


@given(st.integers(1, 2**62), st.data())
def test_percentages_round_up_to_a_hundredth(total, data):
    part = data.draw(st.integers(1, total))
    assert kernel.percentage_up(part, total) == -(-part * 10_000 // total)


def test_a_percentage_of_the_format_of_the_regulation():
    assert kernel.percentage_up(1_712_001, 10**7) == 1_713, "17.12001 % is 17.13 %"
    assert kernel.percentage_up(1_713, 10**4) == 1_713


PUBLISHED = conformance_vectors("margin_allocation") + conformance_vectors("margin_allocation_rule")


@pytest.mark.parametrize("vector", PUBLISHED, ids=lambda vector: str(vector["id"]))
def test_published_shares(vector):
    given_, expected, rule = vector["input"], vector["expected"], SHARINGS[vector["rule_set"]]
    if "rule" in given_:
        assert rule.pro_rata == ProRata.PERCENT_UP and expected["rounding"] == "up to 0.01%"
        return
    rows = given_.get("orders") or [{"qty": qty} for qty in given_["order_qty"]]
    quantities = [row["qty"] for row in rows]
    rule = rule._replace(lot=given_.get("lot", 1), least=given_.get("min_alloc", rule.least))
    shares = agreed(quantities, [row.get("time", 0) for row in rows], given_["allocate"], rule)
    if "alloc" in expected:
        assert shares == expected["alloc"]
        assert given_["allocate"] - sum(shares) == expected.get("left_over", 0)
        return
    assert [row.get("top", False) for row in rows] == [True] + [False] * (len(rows) - 1), "the top order is the first"
    first = agreed(quantities, [0] * len(rows), given_["allocate"], rule._replace(rest=int(Rest.NOBODY)))
    for place, row in enumerate(rows):
        assert first[place] == expected["first_pass"].get(row["id"], first[place])
        assert shares[place] - first[place] == expected["second_pass"].get(row["id"], 0)


CASES = [
    # what is shown, rule, quantities, blocks, lots, shares
    ("by arrival", "by_time", [5, 5, 5], [0, 0, 0], 7, [5, 2, 0]),
    ("in proportion, the rest a lot each", "pro_rata_floor_to_lot_then_lots_by_time", [5, 5, 5], [0] * 3, 8, [3, 3, 2]),
    ("in proportion, the rest by arrival", "pro_rata_then_fifo", [5, 5, 5], [0] * 3, 8, [4, 2, 2]),
    ("the block before in full", "time_blocks_then_pro_rata", [5, 5, 5, 5], [0, 1, 1, 2], 8, [5, 2, 1, 0]),
    ("shares below two dropped", "pro_rata_floor_min2", [9, 3, 3], [0] * 3, 5, [3, 0, 0]),
    ("dropped, then by arrival", "pro_rata_floor_min2_then_fifo", [3, 3, 9], [0] * 3, 5, [2, 0, 3]),
    (
        "the top order first",
        "top_order_then_pro_rata_floor_drop_1lots_then_fifo",
        [4, 2, 8, 10],
        [0] * 4,
        10,
        [4, 1, 2, 3],
    ),
    ("the top order alone", "top_order_then_pro_rata_floor_drop_1lots_then_fifo", [9, 9], [0, 0], 4, [4, 0]),
    (
        "a percentage, rounded up",
        "pro_rata_percentage_rounded_up_to_0.01pct",
        [100, 100, 100],
        [0] * 3,
        100,
        [34, 34, 32],
    ),
]


@pytest.mark.parametrize(("shown", "name", "quantities", "blocks", "lots", "shares"), CASES)
def test_one_rule_at_a_time(shown, name, quantities, blocks, lots, shares):
    assert agreed(quantities, blocks, lots, SHARINGS[name]) == shares, shown


@given(QUANTITIES, st.data())
def test_pro_rata_does_not_depend_on_the_order_of_arrival_but_for_the_rest(quantities, data):
    """Each gets its exact proportion, or one lot more: nobody gains more than a lot by coming first."""
    lots = data.draw(st.integers(0, sum(quantities)))
    shares = agreed(quantities, [0] * len(quantities), lots, SHARINGS["pro_rata_floor_to_lot_then_lots_by_time"])
    for qty, share in zip(quantities, shares, strict=True):
        assert qty * lots // sum(quantities) <= share <= qty * lots // sum(quantities) + 1


@given(QUANTITIES, st.integers(1, 1_000), st.data())
def test_by_time_scales_with_the_quantities(quantities, factor, data):
    lots = data.draw(st.integers(0, sum(quantities)))
    blocks = [0] * len(quantities)
    shares = agreed(quantities, blocks, lots, SHARINGS["by_time"])
    scaled = agreed([qty * factor for qty in quantities], blocks, lots * factor, SHARINGS["by_time"])
    assert scaled == [share * factor for share in shares]
