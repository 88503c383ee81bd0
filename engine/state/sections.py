"""The hot state as named arrays: logical content alone, the same bytes from every implementation of `Hot`.

Snapshots keep these arrays, any implementation is rebuilt from them, and the canonical hash is taken over most of them.

    books       BOOK_VIEW[k]       by instrument
    orders      ORDER_VIEW[n]      book by book: buys, sells, each in priority order (unpriced first); stop buys, stop
                                   sells that wait, each in the order in which they would be elected
    extras      EXTRA_VIEW[x]      by order id
    accounts    ACCOUNT_VIEW[a]    by account
    limits      LIMIT_VIEW[l]      by (account, currency), those that limit anything
    stock       STOCK_VIEW[t]      by (account, instrument), those with lots
    switches    uint8[1]           1: the venue is stopped
    streams     STREAM_VIEW[s]     by (account, stream)
    client_ids  CLIENT_ID_VIEW[c]  by (account, form, hi, lo)
    texts       bytes              "order=text" lines of open orders whose client id is a digest, by order id
    slots       SLOTS_VIEW[1]      how far the ring of slots has doubled, and how many were ever used
    lives       uint32[used]       generation of each slot used so far
    ring        int32[r]           slots given back, oldest first; those never used stand before them

The last three decide future order ids, so a snapshot needs them; the state hash leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.state.hot import (
    ACCOUNT_VIEW,
    BOOK_VIEW,
    CLIENT_ID_VIEW,
    EXTRA_VIEW,
    LIMIT_VIEW,
    ORDER_VIEW,
    SLOTS_VIEW,
    STOCK_VIEW,
    STREAM_VIEW,
)

FORMS: dict[str, np.dtype | None] = {
    "books": BOOK_VIEW,
    "orders": ORDER_VIEW,
    "extras": EXTRA_VIEW,
    "accounts": ACCOUNT_VIEW,
    "limits": LIMIT_VIEW,
    "stock": STOCK_VIEW,
    "switches": np.dtype("u1"),
    "streams": STREAM_VIEW,
    "client_ids": CLIENT_ID_VIEW,
    "texts": None,
    "slots": SLOTS_VIEW,
    "lives": np.dtype("<u4"),
    "ring": np.dtype("<i4"),
}


class OrdersOfBook(NamedTuple):
    head: np.void  # BOOK_VIEW row
    buys: np.ndarray  # ORDER_VIEW[n] each
    sells: np.ndarray
    stop_buys: np.ndarray
    stop_sells: np.ndarray


def orders_by_book(sections: Mapping[str, Any]) -> Iterator[OrdersOfBook]:
    """Each book with its orders, by instrument."""
    orders, at = sections["orders"], 0
    for head in sections["books"]:
        parts = []
        for name in ("buy_orders", "sell_orders", "stop_buys", "stop_sells"):
            end = at + int(head[name])
            parts.append(orders[at:end])
            at = end
        yield OrdersOfBook(head, *parts)


def texts_of(sections: Mapping[str, Any]) -> dict[int, str]:
    """Full text of long client ids, by order id."""
    lines = (line.split("=", 1) for line in sections["texts"].decode("ascii").splitlines())
    return {int(order): text for order, text in lines}


def canonical_parts(sections: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What the state hash reads of the sections, and the names under which it reads it."""
    for head, *orders in orders_by_book(sections):
        yield f"book/{head['instrument']}", b"".join([head.tobytes(), *(part.tobytes() for part in orders)])
    for name in ("extras", "accounts", "limits", "stock", "switches", "streams", "client_ids", "texts"):
        part = sections[name]
        yield name, part if isinstance(part, bytes) else part.tobytes()
