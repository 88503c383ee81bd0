"""What the machine asks of the hot state: order books, client ids, free slots.

Two classes fulfil it: `engine.state.books.Books` (arrays under Numba kernels) and `engine.oracle.books.Books` (plain
Python on sortedcontainers, written from the rules). `Machine(hot)` runs on either; `qhatu verify` runs both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from engine import limits
from engine.domain.curve import Curve

# One price level as readers see it.
LEVEL_VIEW = np.dtype([("price", "<i8"), ("qty", "<i8"), ("orders", "<i8")])

# One open order as readers (and the canonical hash) see it.
ORDER_VIEW = np.dtype(
    [
        ("order", "<i8"),
        ("seq", "<i8"),  # of the command that gave it its present priority
        ("qty", "<i8"),  # open quantity
        ("entered_qty", "<i8"),  # open quantity when it last gained its priority (NEW or REPLACE)
        ("account", "<u4"),
        ("instrument", "<u4"),
        ("price", "<i4"),  # 0 when unpriced
        ("side", "u1"),
        ("type", "u1"),
        ("tif", "u1"),
        ("ref_form", "u1"),
        ("ref_hi", "<u8"),
        ("ref_lo", "<u8"),
    ]
)

# What the canonical hash sees of a book, before its buy and sell orders.
BOOK_VIEW = np.dtype(
    [
        ("instrument", "<u4"),
        ("phase", "<u4"),
        ("multiplier", "<i8"),
        ("price_min", "<i8"),
        ("price_max", "<i8"),
        ("qty_max", "<i8"),
        ("buy_orders", "<i8"),
        ("sell_orders", "<i8"),
    ]
)

# Last number taken of each stream of the packed form.
STREAM_VIEW = np.dtype([("account", "<u4"), ("stream", "<u4"), ("last", "<u8")])

# One text id remembered.
CLIENT_ID_VIEW = np.dtype(
    [
        ("account", "<u4"),
        ("form", "<u2"),
        ("reason", "<u2"),  # of the first answer
        ("hi", "<u8"),
        ("lo", "<u8"),
        ("body_hash", "<u8"),
        ("order", "<i8"),  # the order it made or replaced; 0: refused
        ("seq", "<i8"),  # of the first command that carried it
        ("closed_ns", "<i8"),  # when its order ended or it was refused; -1 while the order is open
    ]
)

# The ring of slots: how many were issued (it doubles), and how many of them were ever used.
SLOTS_VIEW = np.dtype([("issued", "<i8"), ("used", "<i8")])

Section = np.ndarray | bytes  # one named part of a state


class Space(NamedTuple):
    """Logical room of one shard: part of the rules, the same on every machine (smaller in tests)."""

    orders: int = limits.ORDERS_MAX
    slots_initial: int = limits.SLOTS_INITIAL
    generations: int = limits.GENERATION_MAX
    streams: int = limits.STREAMS_MAX
    client_ids: int = limits.CLIENT_IDS_MAX
    streams_share: int = limits.STREAMS_PER_ACCOUNT_MAX  # of one account
    client_ids_share: int = limits.CLIENT_IDS_PER_ACCOUNT_MAX


class Hot(Protocol):
    """Order books of all instruments. Ids are those of the log; known once listed."""

    space: Space

    def list_instrument(
        self, instrument: int, *, multiplier: int, price_min: int, price_max: int, qty_max: int
    ) -> None: ...

    def open_account(self, account: int) -> None: ...

    def set_phase(self, instrument: int, phase: int) -> None: ...

    def phase(self, instrument: int) -> int: ...

    def run(
        self,
        rows: np.ndarray,
        extensions: np.ndarray,
        bodies: list[bytes] | None,
        row: int,
        *,
        first_seq: int,
        ts_ns: int,
        first_index: int = 0,
    ) -> tuple[int, np.ndarray]:
        """Apply hot rows from `row` to the first cold row or the end.

        rows        COMMAND[n]; extensions EXTENSION[m]
        bodies      per row its body (long text ids), or None when no row of the record has one
        first_index index of the first event of `row` (events of timers came before); 0 for every later row
        returns     (first row not applied, EVENT[k] in order; the last event of each row carries EventFlag.LAST)
        """
        ...

    def curve(self, instrument: int) -> Curve: ...

    def uncross(
        self, instrument: int, price_ticks: int | None, volume_lots: int, *, command: int, first_index: int, ts_ns: int
    ) -> np.ndarray:
        """Trade `volume_lots` at one price, both sides in priority order (unpriced by arrival, then price, then time),
        then cancel what is left of unpriced orders (reason UNPRICED_REMAINDER). Without a price only the latter.

        returns EVENT[k]: FILL (order = buy, counter_order = sell, flag AUCTION, side BUY, fee_class CALL), CANCELLED;
        none flagged LAST. `ts_ns` is the record's time: client ids of orders that end are remembered from then on.
        """
        ...

    def sweep_client_ids(self, now_ns: int) -> None:
        """Forget text ids whose order ended (or that were refused) at least CLIENT_ID_MEMORY_NS ago."""
        ...

    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        """LEVEL_VIEW[<= limit], best price first; unpriced orders are left out."""
        ...

    def orders_of(self, account: int) -> np.ndarray:
        """ORDER_VIEW[k]: open orders of an account, by order id."""
        ...

    def order(self, order: int) -> np.void | None:
        """The open order with this engine id, as ORDER_VIEW, or None."""
        ...

    def text_of(self, order: int) -> str | None:
        """Client id of an open order, in full, when it has a text form."""
        ...

    def order_of_text(self, account: int, form: int, hi: int, lo: int) -> int | None:
        """Engine id of the open order that `account` named so, or None."""
        ...

    def sections(self) -> dict[str, Section]:
        """The whole logical state as arrays of its own (copies); `engine/state/sections.py` says which."""
        ...

    def load(self, sections: Mapping[str, Any]) -> None:
        """Become the state that `sections` tell. Only on books that were never used."""
        ...

    def canonical(self) -> Iterator[tuple[str, bytes]]:
        """Named parts of the logical content, in a fixed order, the same bytes from every implementation: per book
        (by id) phase and limits, then orders of each side in priority order as ORDER_VIEW bytes; streams by (account,
        stream); remembered text ids by (account, form, hi, lo). Never free lists, padding or capacity."""
        ...
