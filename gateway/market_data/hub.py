"""All feeds behind one door: the hub takes each record's events once, and hands out channels.

record, events -> fold into each feed | every tick: conflated messages to whoever reads
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventKind, Reason
from engine.log.record import Record
from engine.machine import Machine
from gateway.market_data.auction import AuctionFeed
from gateway.market_data.book import DEPTH_DEFAULT, DEPTHS, BookFeed
from gateway.market_data.channel import Channel, Later, first_seq_of
from gateway.market_data.moves import Moves
from gateway.market_data.private import PrivateFeeds
from gateway.market_data.sales import SalesFeed
from gateway.market_data.status import StatusFeed
from gateway.market_data.trades import TradesFeed
from gateway.problems import Problem, of_reason

PUBLIC = ("book", "trades", "auction", "status", "sales", "sale")
PRIVATE = ("executions", "accounts", "own_bids")
OF_INSTRUMENT = frozenset({"book", "trades", "auction"})


class Hub:
    """epoch       of the log's writer: channels begin at numbers that belong to it, above all of earlier starts
    started_ns  venue time of this start

    What a public channel shows as its time is that of the last thing it told (at first `started_ns`), never that of the
    last command: in a quiet venue it would tell that a sealed one came.
    """

    def __init__(self, machine: Machine, epoch: int, started_ns: int, later: Later, curve_seconds: float) -> None:
        first_seq = first_seq_of(epoch)
        self.machine = machine
        self.moves = Moves(machine.venue)
        self.book = BookFeed(machine, first_seq, later, started_ns)
        self.trades = TradesFeed(machine, first_seq, later, started_ns)
        self.auction = AuctionFeed(self.book, self.moves, first_seq, later, round(curve_seconds * 1e9))
        self.sales = SalesFeed(machine, first_seq, later, started_ns)
        self.status = StatusFeed(machine, self.moves, first_seq, later, started_ns)
        self.private = PrivateFeeds(machine, first_seq, later)

    def take(self, record: Record, events: np.ndarray) -> None:
        """A record that was just applied. Before anything of the next one."""
        if not len(events):
            return
        self.book.take(events, record.ts_ns)
        self.trades.take(events, record.ts_ns)
        kinds = events["kind"]
        if kinds.max() >= EventKind.TIMER:  # more than orders
            self.moves.take(kinds)
            self.sales.take(events, kinds, record.ts_ns)
            self.status.take(events, kinds, record.ts_ns)
            for instrument in events["instrument"][kinds == EventKind.INSTRUMENT_DELISTED].tolist():
                for feed in (self.book, self.trades, self.auction):
                    feed.delist(instrument)
        self.private.take(record, events)

    def tick(self) -> None:
        """All feeds but the sales', which have a pace of their own."""
        self.auction.mark(self.book.tick())
        self.trades.tick()
        self.private.tick()

    def channel(
        self, channel: str, symbol: str | None, account: int | None, depth: int | None = None, sale: int | None = None
    ) -> Channel:
        """The channel that a subscription names; `account` is the reader's own, None without a key.

        Raises Problem: channel_unknown, instrument_unknown, sale_unknown, invalid_field, missing_field, missing_key.
        """
        if sale is not None and channel != "sale":
            raise Problem("invalid_field", "The channel of one sale is `sale`.", pointer="/sale")
        if channel in PRIVATE:
            if account is None:
                raise Problem("missing_key", "This channel needs a key: send auth first.", pointer="/channel")
            return getattr(self.private.of(account), channel)
        if channel not in PUBLIC:
            names = ", ".join(PUBLIC + PRIVATE)
            raise Problem("channel_unknown", f"The channels are {names}.", pointer="/channel")
        if channel == "sale":
            if sale is None:
                raise Problem("missing_field", "It names the sale.", pointer="/sale")
            found = self.sales.of(sale)
            if found is None:
                raise of_reason(Reason.SALE_UNKNOWN)
            return found
        if channel not in OF_INSTRUMENT:
            return self.status.channel if channel == "status" else self.sales.channel
        listing = self.machine.venue.instrument(symbol or "")
        if listing is None:
            raise Problem("instrument_unknown", "There is no such instrument.", pointer="/instrument")
        if channel == "book":
            if depth is not None and depth not in DEPTHS:
                raise Problem("invalid_field", f"The depths are {', '.join(map(str, DEPTHS))}.", pointer="/depth")
            return self.book.channel(listing.instrument, depth or DEPTH_DEFAULT)
        feeds: dict[str, Any] = {"trades": self.trades, "auction": self.auction}
        return feeds[channel].channel(listing.instrument)
