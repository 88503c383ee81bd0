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
from engine.domain.sharing_rule import BY_TIME, SharingRule

SIDE_BOTH = 255
TIF_ANY = 255

# One price level as readers see it.
LEVEL_VIEW = np.dtype([("price", "<i8"), ("qty", "<i8"), ("orders", "<i8")])

# One open order as readers (and the canonical hash) see it.
ORDER_VIEW = np.dtype(
    [
        ("order", "<i8"),
        ("seq", "<i8"),  # of the command that gave it its present priority
        ("qty", "<i8"),  # open quantity, hidden lots included
        ("entered_qty", "<i8"),  # total quantity of NEW or the last REPLACE or AMEND; less qty: what was filled of it
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

# What the canonical hash sees of a book, before its orders: buys, sells, waiting stop buys, waiting stop sells.
BOOK_VIEW = np.dtype(
    [
        ("instrument", "<u4"),
        ("phase", "<u4"),
        ("multiplier", "<i8"),
        ("price_min", "<i8"),
        ("price_max", "<i8"),
        ("qty_max", "<i8"),
        ("collar_low", "<i8"),  # -PRICE_TICKS_MAX and PRICE_TICKS_MAX: no collar
        ("collar_high", "<i8"),
        ("last", "<i8"),  # price of the newest fill; 0 before the first
        ("currency", "<u4"),
        ("flags", "<u4"),  # BookFlag bits
        ("buy_orders", "<i8"),
        ("sell_orders", "<i8"),
        ("stop_buys", "<i8"),
        ("stop_sells", "<i8"),
    ]
)

# What an order has beside its ORDER_VIEW: one row for each iceberg, waiting stop and gtd order.
EXTRA_VIEW = np.dtype(
    [
        ("order", "<i8"),
        ("expire_at", "<i8"),  # ns; 0: not gtd
        ("peak", "<i8"),  # lots an iceberg shows at a time; 0: no iceberg
        ("shown", "<i8"),  # of which are still there
        ("stop_price", "<i4"),  # of a waiting stop
        ("waiting", "u1"),  # 1: a stop that was not elected
        ("stp", "u1"),  # StpMode of a waiting stop, for when it is elected; else 0
        ("stp_group", "u1"),  # 1: looks at the group; of a waiting stop, else 0
        ("spare", "u1"),
    ]
)

ACCOUNT_VIEW = np.dtype([("account", "<u4"), ("group", "<u4"), ("frozen", "u1"), ("coop", "u1"), ("spare", "<u2")])

# What an account may have open in one currency; 0: no limit.
LIMIT_VIEW = np.dtype(
    [("account", "<u4"), ("currency", "<u4"), ("buy_max", "<i8"), ("sell_max", "<i8"), ("orders_max", "<i8")]
)

# Lots deposited, in instruments that ask for it; a row without lots is left out.
STOCK_VIEW = np.dtype([("account", "<u4"), ("instrument", "<u4"), ("lots", "<i8")])

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


class Which(NamedTuple):
    """Open orders, waiting stops included: those that fulfil all that is said."""

    account: int = 0  # 0: of any account
    instrument: int = 0  # 0: of any instrument
    side: int = SIDE_BOTH
    tif: int = TIF_ANY  # a TimeInForce


class Hot(Protocol):
    """Order books of all instruments. Ids are those of the log; known once listed.

    A method that gives events takes `command` (row in the record), `first_index` (of its first event), `ts_ns` (the
    record's time: client ids of orders that end are remembered from then on); none of its events is flagged LAST.
    """

    space: Space

    # Registers. The caller has checked what it asks for: a breach is an AssertionError.

    def list_instrument(
        self,
        instrument: int,
        *,
        multiplier: int,
        price_min: int,
        price_max: int,
        qty_max: int,
        currency: int = 0,
        deposit: bool = False,
        classes: bool = False,
    ) -> None:
        """A new book, CLOSED, without a collar.

        deposit  sells need lots that were deposited
        classes  inside one price the orders of co-op accounts come first
        """
        ...

    def change_instrument(self, instrument: int, *, qty_max: int) -> None: ...

    def delist_instrument(self, instrument: int) -> None:
        """Forget a book without open orders, and its stock. Its number never comes back."""
        ...

    def set_collar(self, instrument: int, low: int, high: int) -> None:
        """Prices, both included, within which takers trade; -PRICE_TICKS_MAX, PRICE_TICKS_MAX: no collar."""
        ...

    def set_phase(self, instrument: int, phase: int) -> None: ...

    def phase(self, instrument: int) -> int: ...

    def last(self, instrument: int) -> int | None:
        """Price of the book's newest fill."""
        ...

    def open_account(self, account: int) -> None: ...

    def set_account(self, account: int, *, frozen: bool, group: int, coop: bool) -> None:
        """`group` (0: none) and `coop` change only while the account has no open orders."""
        ...

    def has_orders(self, which: Which) -> bool: ...

    def set_limits(self, account: int, currency: int, *, buy_max: int, sell_max: int, orders_max: int) -> None:
        """What an account may have open in a currency: worth of its buys, of its sells, number of orders; 0: no limit.
        What is open already stays, whatever it is worth."""
        ...

    def limits_of(self, account: int, currency: int) -> tuple[int, int, int]:
        """What is used now: (worth of open buys, of open sells, open orders). (0, 0, 0) where no limit was set."""
        ...

    def add_stock(self, account: int, instrument: int, lots: int) -> bool:
        """Deposit lots, or take them out (negative). False, and nothing done, when they are not free or too many."""
        ...

    def stock_of(self, account: int, instrument: int) -> tuple[int, int]:
        """(lots, of which promised to open sells)."""
        ...

    def move_stock(self, instrument: int, seller: int, buyer: int, lots: int) -> bool:
        """Give a fill's lots back from its buyer to its seller. False, and nothing done, when they are not free."""
        ...

    def set_stopped(self, stopped: bool) -> None:
        """The kill switch: no new, replaced or amended orders in any book; cancels go on."""
        ...

    # Commands

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

    def cancel(self, which: Which, reason: int, *, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        """Cancel orders, by rising id. EVENT[k]: CANCELLED."""
        ...

    def next_expiry(self) -> int | None:
        """The earliest `expire_at` of an open gtd order."""
        ...

    def expire(self, due_ns: int, *, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        """End the gtd orders whose `expire_at` is `due_ns`, the earliest, by rising id. EVENT[k]: CANCELLED."""
        ...

    def elect(self, instrument: int, *, seq: int, command: int, first_index: int, ts_ns: int) -> np.ndarray:
        """The book has just begun to trade continuously: elect the stops that its last price concerns, and what follows
        from it. `seq` is the command's. EVENT[k]: TRIGGERED, FILL, CANCELLED, REDUCED."""
        ...

    # Calls

    def curve(self, instrument: int) -> Curve:
        """Hidden lots of icebergs included, waiting stops left out."""
        ...

    def uncross(
        self,
        instrument: int,
        price_ticks: int | None,
        volume_lots: int,
        *,
        sharing: SharingRule = BY_TIME,
        unpriced_last: bool = False,
        block_seq: int = 0,
        command: int,
        first_index: int,
        ts_ns: int,
    ) -> np.ndarray:
        """Trade `volume_lots` at one price, both sides in priority order (unpriced by arrival, then price, then time),
        then end what cannot stay: market orders, and orders for one uncross; market-to-limit orders get the price.
        Without a price nothing trades.

        sharing        how the orders of a level share what is less than all of it
        unpriced_last  unpriced orders come after the last limit that may trade
        block_seq      orders older than this seq are a time block before the others, for rules that share by block
        returns        EVENT[k]: FILL (order = buy, counter_order = sell, flag AUCTION, side BUY, fee_class CALL),
                       CLASS_REPORT, CANCELLED, REPRICED
        """
        ...

    def sweep_client_ids(self, now_ns: int) -> None:
        """Forget text ids whose order ended (or that were refused) at least CLIENT_ID_MEMORY_NS ago."""
        ...

    def depth(self, instrument: int, side: int, limit: int) -> np.ndarray:
        """LEVEL_VIEW[<= limit], best price first: what is shown. Unpriced orders and waiting stops are left out."""
        ...

    def orders_of(self, account: int) -> np.ndarray:
        """ORDER_VIEW[k]: open orders of an account, waiting stops included, by order id."""
        ...

    def extra_of(self, order: int) -> np.void | None:
        """What an open order has beside its ORDER_VIEW, as EXTRA_VIEW, or None."""
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
        """Named parts of the logical content, in a fixed order, the same bytes from every implementation; see
        `engine.state.sections.canonical_parts`. Never free lists, padding or capacity."""
        ...
