"""Who gets how many bags of one lot for what, out of the steps of opened bids: the rule of payment and nothing else.

Steps rank by price, then by the sequence of the bid, then as they stand in it.

- Whole lots (first price, Vickrey): the first step has the lot. It pays its own price, or the higher of the floor and
  the best price of another account.
- Bag by bag (uniform, discriminatory): each step has what it asks for until no bags are left, so at most the last is
  filled in part. Nobody is given less of a lot than `least_bags`: a step whose account would be is passed over, and
  the next one is looked at (ours).
- Uniform at the lowest winning price: the lowest price of a step that got bags. At the highest losing price: the
  highest of a step that got fewer than it asked for, but no more than the lowest that won (a step that was passed over
  may be higher); the floor when every step was filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.messages.sales.sealed import WHOLE, Payment


class Ranked(NamedTuple):
    """A step of an opened bid, in the order in which it ranks."""

    price_below: int  # minus its price in ticks, so that tuples sort as steps rank
    bid: int  # sequence number
    position: int  # in the bid
    account: int
    bags: int

    @property
    def price(self) -> int:
        return -self.price_below


class Part(NamedTuple):
    """Bags of a lot that an account has bought."""

    account: int
    price: int  # ticks
    bags: int


def parts_of(payment: Payment, steps: Iterable[Ranked], *, bags: int, floor: int, least_bags: int) -> list[Part]:
    """What is sold of a lot of `bags`, best price first. Every step's price is at least `floor`; ticks."""
    ranked = sorted(steps)
    assert all(step.price >= floor and step.bags > 0 for step in ranked)
    if payment in WHOLE:
        return _whole(payment, ranked, bags, floor)
    given = given_of(ranked, bags, least_bags)
    won = [(step, got) for step, got in zip(ranked, given, strict=True) if got]
    if not won:
        return []
    lowest = won[-1][0].price
    if payment == Payment.UNIFORM_LOSING:
        lost = [step.price for step, got in zip(ranked, given, strict=True) if got < step.bags]
        lowest = min(lowest, max(lost, default=floor))
    together: dict[tuple[int, int], int] = {}
    for step, got in won:
        paid = step.price if payment == Payment.DISCRIMINATORY else lowest
        together[step.account, paid] = together.get((step.account, paid), 0) + got
    return [Part(account, price, got) for (account, price), got in together.items()]


def _whole(payment: Payment, ranked: list[Ranked], bags: int, floor: int) -> list[Part]:
    if not ranked:
        return []
    best = ranked[0]
    if payment == Payment.FIRST_PRICE:
        return [Part(best.account, best.price, bags)]
    second = next((step.price for step in ranked if step.account != best.account), floor)
    return [Part(best.account, max(floor, second), bags)]


def given_of(ranked: list[Ranked], bags: int, least_bags: int) -> list[int]:
    """Bags that each step of a ranked list gets, where a lot is sold bag by bag."""
    held: dict[int, int] = {}
    given = []
    for step in ranked:
        got, before = min(step.bags, bags), held.get(step.account, 0)
        if before + got < least_bags:
            got = 0
        held[step.account] = before + got
        bags -= got
        given.append(got)
    return given
