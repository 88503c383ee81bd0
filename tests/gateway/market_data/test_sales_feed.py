"""The sales feeds without a socket: what an update has in it, and what each account alone is told."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch
from engine.messages.sales.clock import Clock, ClockOffer, Product, Rise
from engine.messages.sales.dutch import Dutch, DutchOffer
from engine.messages.sales.japanese import Japanese, JapaneseOffer
from engine.messages.sales.terms import SaleTerms
from engine.oracle.books import Books
from gateway.forms import JSON, Form
from gateway.market_data.channel import Channel, first_seq_of
from gateway.market_data.frames import Frame
from gateway.market_data.private import PrivateFeeds
from gateway.market_data.sales import WHOLE_LOTS_MAX, SalesFeed
from tests.engine.markets.sales.plans import offer_of, plan
from tests.recorder import SECOND_NS, Recorder, auction_lots, auction_sale, bid_of, open_venue

MANY = WHOLE_LOTS_MAX + 20
SECRET = 77_700


class Reader:
    form: Form = JSON

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def feed(self, channel: Channel, frame: Frame) -> None:
        self.told.append(msgspec.json.decode(JSON.encode(frame._view(JSON))))

    def take(self) -> list[dict[str, Any]]:
        told, self.told = self.told, []
        return told


class Room:
    """A venue of a few accounts and its sales feeds."""

    def __init__(self) -> None:
        self.recorder = Recorder(Machine(Books()))
        open_venue(self.recorder)
        machine = self.recorder.machine
        self.sales = SalesFeed(machine, first_seq_of(1), lambda call: call(), 0)
        self.private = PrivateFeeds(machine, first_seq_of(1), lambda call: call())

    def do(self, *batches: Batch | bodies.Body, **more: Any) -> None:
        events = self.recorder.do(*batches, **more)
        record = self.recorder.records[-1]
        self.sales.take(events, events["kind"], record.ts_ns)
        self.private.take(record, events)

    def opened(self, terms: SaleTerms) -> Room:
        self.do(terms)
        self.sales.tick()
        return self

    def english(self, lots: int, sale: int = 1) -> Room:
        return self.opened(auction_sale(self.recorder.ts_ns, sale, lots=lots))


def merged(state: dict[int, Any], message: dict[str, Any]) -> dict[int, Any]:
    """Lots after a message, as a reader keeps them."""
    lots = {lot["lot"]: lot for lot in message["lots"]}
    return state | lots if message.get("partial") else lots


def test_an_update_of_a_large_sale_has_the_lots_that_changed() -> None:
    room, reader = Room().english(MANY), Reader()
    room.sales.channel.begin(reader)
    (snapshot,) = reader.take()
    lots = merged({}, snapshot["sales"][0])
    assert len(lots) == MANY
    room.do(bid_of(2, 3, 500))
    room.do(bid_of(3, 7, 600))
    room.do(bid_of(4, 7, 700))
    room.sales.tick()
    (update,) = reader.take()  # three bids, one update
    assert update["partial"] and [lot["lot"] for lot in update["lots"]] == [3, 7]
    lots = merged(lots, update)
    late = Reader()
    room.sales.channel.begin(late)
    (whole,) = late.take()
    assert "partial" not in whole["sales"][0]
    assert merged({}, whole["sales"][0]) == lots
    room.do(bodies.EndSale(1, "dark"))
    room.sales.tick()
    assert merged(lots, reader.take()[-1]) == merged(merged({}, whole["sales"][0]), late.take()[-1])


def test_an_update_of_a_small_sale_is_whole() -> None:
    room, reader = Room().english(WHOLE_LOTS_MAX), Reader()
    room.sales.channel.begin(reader)
    reader.take()
    room.do(bid_of(2, 3, 500))
    room.sales.tick()
    (update,) = reader.take()
    assert "partial" not in update and len(update["lots"]) == WHOLE_LOTS_MAX


def test_the_channel_of_one_sale_tells_nothing_of_another() -> None:
    room, one, all_of_them = Room().english(MANY).english(2, sale=2), Reader(), Reader()
    channel = room.sales.of(1)
    assert channel is not None and room.sales.of(3) is None
    channel.begin(one)
    room.sales.channel.begin(all_of_them)
    assert (one.take()[0]["sale_id"], len(all_of_them.take()[0]["sales"])) == (1, 2)
    room.do(bid_of(2, 1, 500, sale=2))
    room.sales.tick()
    assert not one.take() and len(all_of_them.take()) == 1
    room.do(bid_of(2, 9, 500))
    room.sales.tick()
    (own,), (same,) = one.take(), all_of_them.take()
    assert (own["channel"], own["sale"], same["channel"]) == ("sale", 1, "sales")
    assert own["lots"] == same["lots"] and [lot["lot"] for lot in own["lots"]] == [9]


def test_who_comes_back_to_an_empty_room_is_given_a_snapshot() -> None:
    """Nobody was told of what happened meanwhile: the ring would go on from before it."""
    room, reader = Room().english(MANY), Reader()
    room.sales.channel.begin(reader)
    last = reader.take()[0]["seq"]
    room.sales.channel.end(reader)
    room.do(bid_of(2, 3, 500))
    room.sales.tick()
    room.sales.channel.resync(reader, last)
    (snapshot,) = reader.take()
    assert snapshot["type"] == "snapshot" and snapshot["sales"][0]["lots"][2]["price"] == "4.00"


def test_a_plan_of_other_lots_is_told_whole() -> None:
    room = Room()
    planned = auction_sale(room.recorder.ts_ns, lots=MANY)
    late_ns = room.recorder.ts_ns + 3_600 * SECOND_NS
    planned = msgspec.structs.replace(planned, stages=msgspec.structs.replace(planned.stages, live_ns=late_ns))
    planned = msgspec.structs.replace(
        planned, mechanism=msgspec.structs.replace(planned.mechanism, open_until_ns=late_ns + 600 * SECOND_NS)
    )
    reader = Reader()
    room.opened(planned).sales.channel.begin(reader)
    room.do(msgspec.structs.replace(planned, version=2, lots=auction_lots(MANY + 3)))
    room.sales.tick()
    assert "partial" not in reader.told[-1] and len(reader.told[-1]["lots"]) == MANY + 3


def test_bids_of_every_kind_are_told_to_their_account_alone() -> None:
    """At once, one message an event; a maximum, a limit in nobody else's."""
    lots = auction_lots(2)
    for mechanism, offer, word in (
        (Dutch(start=900, floor=500, decrement=50, interval_ns=10 * SECOND_NS), DutchOffer(1, 900), ("price", "9.00")),
        (
            Japanese(opening=400, increment=50, interval_ns=10 * SECOND_NS, joining_ns=10 * SECOND_NS),
            JapaneseOffer(1, True, SECRET),
            ("limit", "777.00"),
        ),
        (
            Clock((Product(400), Product(400)), (Rise(0, 10),), round_ns=10 * SECOND_NS),
            ClockOffer(1, (3, 0)),
            ("bags", 3),
        ),
    ):
        room, own, rival, watcher = Room(), Reader(), Reader(), Reader()
        terms = plan(mechanism, lots)
        room.opened(terms).sales.channel.begin(watcher)
        room.private.of(2).own_bids.begin(own)
        room.private.of(3).own_bids.begin(rival)
        own.take(), rival.take()
        room.do(offer_of(2, offer))
        room.sales.tick()
        accepted = [told for told in own.take() if told["event"] == "bid_accepted"]
        assert [told[word[0]] for told in accepted] == [word[1]], (mechanism, accepted)
        assert not rival.take()
        if word[0] == "limit":
            assert word[1] not in str(watcher.told)


def test_an_award_is_told_to_buyer_and_seller() -> None:
    room, buyer, seller, rival = Room().english(2), Reader(), Reader(), Reader()
    for account, reader in ((2, buyer), (1, seller), (3, rival)):
        room.private.of(account).own_bids.begin(reader)
    room.do(bid_of(2, 1, SECRET))
    room.do(bodies.EndSale(1, ""))
    events = [told["event"] for told in buyer.told[1:]]
    assert events == ["bid_accepted", "lot_leader", "lot_sold", "award_set"]
    award = buyer.told[-1]
    assert (award["award"], award["you_are"], award["state"], award["price"], award["bags"]) == (
        1, "buyer", "final", "4.00", 10,
    )  # fmt: skip
    assert [(told["event"], told.get("you_are")) for told in seller.told[1:]] == [
        ("lot_sold", None), ("award_set", "seller"),
    ]  # fmt: skip
    assert "777.00" not in str(seller.told) and buyer.told[1]["maximum"] == "777.00"
    assert len(rival.told) == 1
