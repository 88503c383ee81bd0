"""The hot state as named arrays: logical content alone, the same bytes from every implementation of `Hot`.

Snapshots keep these arrays, any implementation is rebuilt from them, and the canonical hash is taken over most of them.

    books       BOOK_VIEW[k]       by instrument
    orders      ORDER_VIEW[n]      book by book, buys then sells, each in priority order (unpriced first)
    accounts    uint32[a]          that are open, rising
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
from typing import Any

import numpy as np

from engine.state.hot import BOOK_VIEW, CLIENT_ID_VIEW, ORDER_VIEW, SLOTS_VIEW, STREAM_VIEW

FORMS: dict[str, np.dtype | None] = {
    "books": BOOK_VIEW,
    "orders": ORDER_VIEW,
    "accounts": np.dtype("<u4"),
    "streams": STREAM_VIEW,
    "client_ids": CLIENT_ID_VIEW,
    "texts": None,
    "slots": SLOTS_VIEW,
    "lives": np.dtype("<u4"),
    "ring": np.dtype("<i4"),
}


def orders_by_book(sections: Mapping[str, Any]) -> Iterator[tuple[np.void, np.ndarray, np.ndarray]]:
    """(BOOK_VIEW row, its buys, its sells), by instrument."""
    orders, at = sections["orders"], 0
    for head in sections["books"]:
        middle = at + int(head["buy_orders"])
        end = middle + int(head["sell_orders"])
        yield head, orders[at:middle], orders[middle:end]
        at = end


def texts_of(sections: Mapping[str, Any]) -> dict[int, str]:
    """Full text of long client ids, by order id."""
    lines = (line.split("=", 1) for line in sections["texts"].decode("ascii").splitlines())
    return {int(order): text for order, text in lines}


def canonical_parts(sections: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """See `Hot.canonical`."""
    for head, buys, sells in orders_by_book(sections):
        yield f"book/{head['instrument']}", head.tobytes() + buys.tobytes() + sells.tobytes()
    for name in ("streams", "client_ids", "texts"):
        part = sections[name]
        yield name, part if isinstance(part, bytes) else part.tobytes()
