"""Private feeds without a socket: what they tell of one account, record by record."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codes import Side
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.refs import text_ref
from engine.messages.sales.english import EnglishOffer
from engine.state.books import Books
from gateway.forms import JSON, Form
from gateway.market_data import private
from gateway.market_data.channel import Channel, first_seq_of
from gateway.market_data.frames import Frame
from gateway.market_data.private import PrivateFeeds
from tests.recorder import Recorder, auction_sale, bid_of, open_venue, order_row


class Reader:
    form: Form = JSON

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def feed(self, channel: Channel, frame: Frame) -> None:
        self.told.append(frame._view(JSON))


class Desk:
    """A venue of a few accounts, and the feeds of whoever is followed."""

    def __init__(self) -> None:
        self.recorder = Recorder(Machine(Books()))
        open_venue(self.recorder)
        self.feeds = PrivateFeeds(self.recorder.machine, first_seq_of(1), lambda call: call())

    def do(self, *batches: Batch | bodies.Body) -> None:
        events = self.recorder.do(*batches)
        self.feeds.take(self.recorder.records[-1], events)


@pytest.mark.parametrize("text", ["bid-1", "a-bid-whose-id-is-long"])
def test_a_refused_bid_is_no_order_and_hides_none(text: str) -> None:
    desk, reader = Desk(), Reader()
    desk.do(bodies.SetPhase(1, 2))
    desk.feeds.of(2).executions.begin(reader)
    bid = cold(bodies.Bid(7, EnglishOffer(1, 1_000)), account=2, ref=tuple(map(int, text_ref(text))))
    desk.do(bid, order_row(2, Side.BUY, 6_700, 3))
    assert [message["event"] for message in reader.told[1:]] == ["accepted"]


def test_a_fold_that_was_forgotten_goes_on_above_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes back with a seq of before is given a snapshot, never messages that only bear the same numbers."""
    monkeypatch.setattr(private, "IDLE_ACCOUNTS_MAX", 1)
    desk, reader = Desk(), Reader()
    desk.do(bodies.SetPhase(1, 2))
    desk.feeds.of(2).executions.begin(reader)
    desk.do(order_row(2, Side.BUY, 6_700, 3))
    last = desk.feeds.of(2).executions.seq
    desk.feeds.of(2).executions.end(reader)
    desk.feeds.of(3)
    again = desk.feeds.of(2).executions
    desk.do(order_row(2, Side.BUY, 6_700, 4))
    reader.told.clear()
    again.resync(reader, last)
    assert [message["type"] for message in reader.told] == ["snapshot"]
    assert len(reader.told[0]["orders"]) == 2


def test_a_bid_in_an_empty_room_is_told_to_who_comes_back() -> None:
    """It is numbered although nobody reads: a reader who comes back with its last seq has missed it."""
    desk, reader = Desk(), Reader()
    desk.do(auction_sale(desk.recorder.ts_ns))
    own = desk.feeds.of(2).own_bids
    own.begin(reader)
    own.end(reader)
    desk.do(bid_of(2, 1, 5_000))
    last = reader.told.pop()["seq"]
    own.resync(reader, last)
    assert [(told["type"], told["prev_seq"], told["lot"], told["maximum"]) for told in reader.told] == [
        ("update", last, 1, "50.00"),
        ("update", last + 1, 1, "50.00"),
    ]
