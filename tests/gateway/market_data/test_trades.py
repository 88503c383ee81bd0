"""The trades feed without a socket: numbers, snapshots and who missed what."""

from __future__ import annotations

from engine.codes import Side
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch
from engine.state.books import Books
from gateway.market_data.trades import TradesFeed
from tests.gateway.market_data.test_private import Reader
from tests.recorder import Recorder, open_venue, order_row


class Market:
    """Two accounts that trade a lot at a time, and the feed."""

    def __init__(self) -> None:
        self.recorder = Recorder(Machine(Books()))
        open_venue(self.recorder)
        self.feed = TradesFeed(self.recorder.machine, 100, lambda call: call(), 0)
        self.do(bodies.SetPhase(1, 2))
        self.do(bodies.Uncross(1, 5))

    def do(self, *batches: Batch | bodies.Body) -> None:
        events = self.recorder.do(*batches)
        self.feed.take(events, self.recorder.ts_ns)

    def trade(self) -> None:
        self.do(order_row(1, Side.SELL, 6_700, 1), order_row(2, Side.BUY, 6_700, 1))


def numbers(reader: Reader) -> list[list[int]]:
    return [[trade["trade_id"] for trade in message["trades"]] for message in reader.told]


def test_who_comes_back_hears_what_was_traded_before_nobody() -> None:
    market, reader = Market(), Reader()
    channel = market.feed.channel(1)
    channel.begin(reader)
    market.trade()
    market.feed.tick()
    seq = channel.seq
    channel.end(reader)
    market.trade()
    market.feed.tick()
    channel.begin(reader)
    channel.resync(reader, seq)
    assert numbers(reader) == [[], [1], [2, 1], [2, 1]]


def test_what_waits_for_readers_who_left_is_not_told_behind_later_trades() -> None:
    market, reader, other = Market(), Reader(), Reader()
    channel = market.feed.channel(1)
    channel.begin(reader)
    market.trade()
    market.feed.recent(1)  # numbered, not yet told
    channel.end(reader)
    market.trade()
    channel.begin(other)
    market.trade()
    market.feed.tick()
    assert numbers(other) == [[2, 1], [3]]
