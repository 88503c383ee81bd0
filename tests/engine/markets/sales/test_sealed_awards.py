"""Who gets what and pays what, against plain statements of each rule: bag by bag, and by trying everything."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.markets.sales.sealed_awards import Part, Ranked, given_of, parts_of
from engine.messages.sales.sealed import Payment

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "auction-vectors.json").read_text(encoding="utf-8"))
FLOOR = 100


def steps_of(*bids: tuple[int, int, int]) -> list[Ranked]:
    """(account, price, bags), each a bid of its own, by arrival."""
    return [Ranked(-price, seq, 0, account, bags) for seq, (account, price, bags) in enumerate(bids, 1)]


def sold(payment: Payment, *bids: tuple[int, int, int], bags: int = 10, floor: int = FLOOR, least: int = 1):
    return parts_of(payment, steps_of(*bids), bags=bags, floor=floor, least_bags=least)


# --- published -------------------------------------------------------------------------------------------------------

MULTI_UNIT = [vector for vector in VECTORS["vectors"] if vector["kind"] == "multi_unit_forward"]


@pytest.mark.parametrize("vector", MULTI_UNIT, ids=lambda vector: vector["id"])
def test_the_published_multi_unit_sales(vector):
    """Prices have four decimals: scaled to ticks of 0.0001."""
    assert vector["rule_set"] == "uniform_lowest_winning_bid"
    accounts = {name: at for at, (name, _, _) in enumerate(vector["input"]["bids"], 1)}
    bids = [(accounts[name], round(price * 10_000), bags) for name, bags, price in vector["input"]["bids"]]
    parts = sold(Payment.UNIFORM, *bids, bags=vector["input"]["supply"], floor=1)
    assert {part.account: part.bags for part in parts} == {
        accounts[name]: bags for name, bags in vector["expected"]["alloc"].items()
    }
    assert {part.price for part in parts} == {round(vector["expected"]["clearing_price"] * 10_000)}


def test_the_vector_file_has_such_sales():
    assert MULTI_UNIT


# --- tables ----------------------------------------------------------------------------------------------------------

WANT = ((1, 500, 4), (2, 480, 4), (3, 450, 4), (4, 430, 4))


@pytest.mark.parametrize(
    ("payment", "parts"),
    [
        (Payment.UNIFORM, [Part(1, 450, 4), Part(2, 450, 4), Part(3, 450, 2)]),
        (Payment.UNIFORM_LOSING, [Part(1, 450, 4), Part(2, 450, 4), Part(3, 450, 2)]),  # two more were wanted
        (Payment.DISCRIMINATORY, [Part(1, 500, 4), Part(2, 480, 4), Part(3, 450, 2)]),
    ],
)
def test_who_pays_what(payment, parts):
    assert sold(payment, *WANT) == parts


def test_the_highest_losing_price():
    assert {part.price for part in sold(Payment.UNIFORM_LOSING, *WANT, bags=8)} == {450}
    assert {part.price for part in sold(Payment.UNIFORM_LOSING, *WANT, bags=16)} == {FLOOR}, "nobody lost"


@pytest.mark.parametrize(
    ("payment", "bids", "floor", "expected"),
    [
        (Payment.FIRST_PRICE, ((1, 500, 10), (2, 480, 10)), 100, (1, 500)),
        (Payment.VICKREY, ((1, 500, 10), (2, 480, 10)), 100, (1, 480)),
        (Payment.VICKREY, ((1, 500, 10), (2, 480, 10)), 490, (1, 490)),  # the reserve counts as a bid
        (Payment.VICKREY, ((1, 500, 10),), 100, (1, 100)),
        (Payment.VICKREY, ((2, 500, 10), (1, 500, 10)), 100, (2, 500)),  # of equals the first, at that price
        (Payment.FIRST_PRICE, ((2, 500, 10), (1, 500, 10)), 100, (2, 500)),
    ],
)
def test_whole_lots(payment, bids, floor, expected):
    bids = tuple(bid for bid in bids if bid[1] >= floor)
    assert sold(payment, *bids, floor=floor, least=0) == [Part(*expected, 10)]


@pytest.mark.parametrize("payment", list(Payment))
def test_without_a_bid_nothing_is_sold(payment):
    assert sold(payment) == []


def test_nobody_gets_less_than_the_smallest_part():
    """Two bags are left for the third, who takes no fewer than four; the fourth has four already and takes them."""
    bids = ((1, 500, 4), (4, 490, 4), (3, 450, 4), (4, 430, 2))
    assert sold(Payment.DISCRIMINATORY, *bids, least=4) == [Part(1, 500, 4), Part(4, 490, 4), Part(4, 430, 2)]
    assert {part.price for part in sold(Payment.UNIFORM_LOSING, *bids, least=4)} == {430}, "never above what won"


# --- against plain statements of the rule ----------------------------------------------------------------------------

BIDS = st.lists(st.tuples(st.integers(1, 4), st.integers(FLOOR, FLOOR + 8), st.integers(1, 4)), min_size=0, max_size=6)


def bag_by_bag(bids, bags):
    """(price, account) of each bag that is sold, best first, and of the first that is not."""
    wanted = [(price, account) for account, price, n in sorted(bids, key=lambda bid: -bid[1]) for _ in range(n)]
    return wanted[:bags], wanted[bags : bags + 1]


@given(bids=BIDS, bags=st.integers(1, 12))
def test_multi_unit_sales_bag_by_bag(bids, bags):
    won, lost = bag_by_bag(bids, bags)
    counts = {account: sum(1 for _, other in won if other == account) for _, account in won}
    for payment in (Payment.UNIFORM, Payment.UNIFORM_LOSING, Payment.DISCRIMINATORY):
        parts = sold(payment, *bids, bags=bags)
        got: dict[int, int] = {}
        for part in parts:
            got[part.account] = got.get(part.account, 0) + part.bags
        assert got == counts
        paid = sum(part.price * part.bags for part in parts)
        if payment == Payment.DISCRIMINATORY:
            assert paid == sum(price for price, _ in won)
        elif won:
            price = won[-1][0] if payment == Payment.UNIFORM else (lost[0][0] if lost else FLOOR)
            assert paid == price * len(won)


FEW = st.lists(st.tuples(st.integers(1, 3), st.integers(100, 105), st.integers(1, 3)), max_size=4)


@given(bids=FEW, bags=st.integers(1, 6))
def test_no_other_allocation_is_worth_more(bids, bags):
    best = 0
    for tried in product(*(range(n + 1) for _, _, n in bids)):
        if sum(tried) <= bags:
            best = max(best, sum(price * n for (_, price, _), n in zip(bids, tried, strict=True)))
    assert sum(part.price * part.bags for part in sold(Payment.DISCRIMINATORY, *bids, bags=bags)) == best


@given(bids=BIDS, bags=st.integers(1, 12), least=st.integers(1, 4))
def test_smallest_parts(bids, bags, least):
    """Each account's best step is at least the smallest part, as bids that count are."""
    first = {account: max(price for other, price, _ in bids if other == account) for account, _, _ in bids}
    bids = [(account, price, max(n, least) if price == first[account] else n) for account, price, n in bids]
    ranked = sorted(steps_of(*bids))
    given_bags = given_of(ranked, bags, least)
    left = bags - sum(given_bags)
    held: dict[int, int] = {}
    for step, got in zip(ranked, given_bags, strict=True):
        held[step.account] = held.get(step.account, 0) + got
    assert left >= 0
    assert all(n == 0 or n >= least for n in held.values())
    for at, (step, got) in enumerate(zip(ranked, given_bags, strict=True)):
        if got < step.bags and any(given_bags[at + 1 :]):  # passed over while bags were left
            free = bags - sum(given_bags[:at])
            before = sum(n for one, n in zip(ranked[:at], given_bags, strict=False) if one.account == step.account)
            assert before + min(step.bags, free) < least
    for payment in (Payment.UNIFORM, Payment.UNIFORM_LOSING, Payment.DISCRIMINATORY):
        for part in sold(payment, *bids, bags=bags, least=least):
            won = [s.price for s, got in zip(ranked, given_bags, strict=True) if got and s.account == part.account]
            assert FLOOR <= part.price <= max(won)
            assert payment == Payment.DISCRIMINATORY or part.price <= min(won), "nobody pays more than it bid"


WHOLE = st.lists(st.integers(FLOOR, FLOOR + 12), min_size=1, max_size=5)


@given(prices=WHOLE, floor=st.integers(FLOOR, FLOOR + 12))
def test_vickrey_by_trying_everything(prices, floor):
    """The winner pays the lowest price with which it would still have won."""
    bids = [(account, price, 10) for account, price in enumerate(prices, 1) if price >= floor]
    parts = sold(Payment.VICKREY, *bids, floor=floor, least=0)
    if not bids:
        assert parts == []
        return
    winner = parts[0].account
    assert prices[winner - 1] == max(prices) and winner == prices.index(max(prices)) + 1
    others = [bid for bid in bids if bid[0] != winner]
    enough = [
        price
        for price in range(floor, max(prices) + 1)
        if all(other < price or (other == price and account > winner) for account, other, _ in others)
    ]
    assert parts[0].price in (enough[0], enough[0] - 1)  # a tie that it would lose is one tick below
    assert parts[0].price == max([floor, *(price for _, price, _ in others)])


@given(values=WHOLE, floor=st.integers(FLOOR, FLOOR + 6), data=st.data())
def test_truth_is_never_worse_under_vickrey(values, floor, data):
    who = data.draw(st.integers(1, len(values)))
    lie = data.draw(st.integers(FLOOR, FLOOR + 14))

    def gain(bid: int) -> int:
        prices = [bid if account == who else value for account, value in enumerate(values, 1)]
        bids = [(account, price, 10) for account, price in enumerate(prices, 1) if price >= floor]
        parts = sold(Payment.VICKREY, *bids, floor=floor, least=0)
        return values[who - 1] - parts[0].price if parts and parts[0].account == who else 0

    assert gain(values[who - 1]) >= gain(lie)
    assert gain(values[who - 1]) >= 0
