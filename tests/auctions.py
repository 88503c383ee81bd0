"""Orders, curves and books of call auctions for tests, plain and generated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.domain.curve import Curve
from engine.markets.call_auction import FlatOrders
from engine.oracle.allocation import Order

VECTORS = Path(__file__).parent / "vectors" / "auction-vectors.json"


def conformance_vectors(kind: str = "call_auction") -> list[dict[str, Any]]:
    """Worked examples that an engine has to agree with."""
    document = json.loads(VECTORS.read_text(encoding="utf-8"))
    return [vector for vector in document["vectors"] if vector["kind"] == kind and vector["conformance"]]


def curve_of(orders: list[Order]) -> Curve:
    """The curve of a book that holds these orders."""
    prices = sorted({order.price_ticks for order in orders if order.price_ticks is not None})

    def lots(is_buy: bool, price: int | None) -> int:
        return sum(o.qty_lots for o in orders if o.is_buy == is_buy and o.price_ticks == price)

    return Curve(
        np.array(prices, dtype=np.int64),
        np.array([lots(True, price) for price in prices], dtype=np.int64),
        np.array([lots(False, price) for price in prices], dtype=np.int64),
        lots(True, None),
        lots(False, None),
    )


def flat_of(orders: list[Order], dtype: type = np.int32, blocks: bool = False) -> FlatOrders:
    """The same orders as columns; a price where there is none is rubbish on purpose."""
    return FlatOrders(
        np.array([0 if order.is_buy else 1 for order in orders], dtype=np.uint8),
        np.array([-(10**9) if o.price_ticks is None else o.price_ticks for o in orders], dtype=dtype),
        np.array([order.price_ticks is None for order in orders], dtype=np.uint8),
        np.array([order.qty_lots for order in orders], dtype=np.int64),
        np.array([order.block for order in orders], dtype=np.int64) if blocks else None,
    )


def buy(qty: int, price: int | None = None) -> Order:
    return Order(True, price, qty)


def sell(qty: int, price: int | None = None) -> Order:
    return Order(False, price, qty)


def orders(
    low: int = -6, high: int = 6, qty_max: int = 5, unpriced: bool = True, max_size: int = 12
) -> st.SearchStrategy[list[Order]]:
    """Small books on few prices, so that ties, gaps and one-sided books are common."""
    price = st.integers(low, high)
    return st.lists(
        st.builds(
            Order,
            st.booleans(),
            st.one_of(price, price, price, st.none()) if unpriced else price,
            st.integers(1, qty_max),
            st.just(0),
        ),
        max_size=max_size,
    )


def references(low: int = -8, high: int = 8) -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), st.integers(low, high))


def in_blocks(book: list[Order], gaps: list[int]) -> list[Order]:
    """The same orders with time blocks that never fall."""
    placed, block = [], 0
    for place, order in enumerate(book):
        block += gaps[place % len(gaps)] if gaps else 0
        placed.append(order._replace(block=block))
    return placed
