"""Ascending clock with quantities. The rule is in `engine/markets/sales/clock.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine import limits
from engine.messages.body import Body, PositiveTicks

Bags = Annotated[int, Meta(ge=0, le=limits.QTY_LOTS_MAX)]
Round = Annotated[int, Meta(ge=1, le=limits.CLOCK_ROUNDS_MAX)]


class Product(Body, frozen=True):
    """One lot of the plan as a product of the clock: its `bags` are the most that the seller supplies."""

    start: PositiveTicks  # price of round one
    least_bags: Bags = 0  # the least that the seller supplies
    group: Annotated[int, Meta(ge=0, le=limits.CLOCK_PRODUCTS_MAX)] = 0  # bags may move within it; 0: they stay


class Rise(Body, frozen=True):
    """From an excess of demand of `excess_bps` of the supply on, the price rises by `increment`."""

    excess_bps: Annotated[int, Meta(ge=0, le=limits.CLOCK_EXCESS_BPS_MAX)]
    increment: Annotated[int, Meta(ge=1, le=limits.SALE_INCREMENTS_MAX)]


class Clock(Body, frozen=True, tag="clock"):
    products: Annotated[tuple[Product, ...], Meta(min_length=1, max_length=limits.CLOCK_PRODUCTS_MAX)]  # lot by lot
    rises: Annotated[tuple[Rise, ...], Meta(min_length=1, max_length=limits.SALE_INCREMENT_ROWS_MAX)]
    round_ns: Annotated[int, Meta(ge=limits.SALE_CLOCK_NS_MIN, le=limits.SALE_CLOCK_NS_MAX)]
    step_bags: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)] = 1  # of every quantity: a container
    rounds_max: Round = limits.CLOCK_ROUNDS_MAX
    absent: Annotated[str, Meta(pattern=r"^(nothing|keeps)\Z")] = "nothing"  # who says nothing in a round
    show_demand: Annotated[str, Meta(pattern=r"^(nothing|excess|total)\Z")] = "nothing"
    ration: Annotated[str, Meta(pattern=r"^(pro_rata|arrival)\Z")] = "pro_rata"


class ClockOffer(Body, frozen=True, tag="clock"):
    """What the account wants of each product at the prices of a round; the last word of a round counts."""

    round: Round
    bags: Annotated[tuple[Bags, ...], Meta(min_length=1, max_length=limits.CLOCK_PRODUCTS_MAX)]


class Limit(Body, frozen=True):
    """Up to this price so many bags."""

    price: PositiveTicks
    bags: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)]


class ClockProxy(Body, frozen=True, tag="clock_proxy"):
    """What to say in the rounds in which the account says nothing: of each product limits with rising prices and
    falling quantities. No product at all: the instruction is taken back. Only its owner ever sees it."""

    limits: Annotated[
        tuple[Annotated[tuple[Limit, ...], Meta(max_length=limits.CLOCK_PROXY_LIMITS_MAX)], ...],
        Meta(max_length=limits.CLOCK_PRODUCTS_MAX),
    ]
