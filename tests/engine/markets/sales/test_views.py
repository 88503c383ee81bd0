"""Views of a sale: what everyone sees, and what one account sees beside it."""

from __future__ import annotations

import msgspec

from engine.machine import Machine
from engine.markets import sale_views
from engine.messages import bodies
from engine.oracle.books import Books
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, open_venue


def held() -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(auction_sale(recorder.ts_ns, lots=3))
    recorder.do(bid_of(2, 1, 500), bid_of(3, 1, 470), bid_of(3, 2, 400))
    return recorder


def test_the_public_view_of_an_open_sale():
    recorder = held()
    sale = recorder.machine.venue.sales[1]
    shown = msgspec.to_builtins(sale_views.public_view(sale))
    lots = shown.pop("lots")
    assert shown == {
        "sale_id": 1,
        "title": "best of the season",
        "state": "open",
        "opening": "4.00",
        "increment": "0.10",
        "tick_size": "0.01",
        "price_unit": "USD/lb",
        "currency": "USD",
        "clock_ns": 180 * SECOND_NS,
        "open_until_ns": recorder.ts_ns + 600 * SECOND_NS,
        "clock_due_ns": None,
    }
    assert lots[0] == {
        "lot": 1,
        "title": "lot 1",
        "bags": 10,
        "bag_kg": "30",
        "attributes": {},
        "price": "4.80",
        "minimum_bid": "4.90",
        "bids": 2,
        "state": "open",
        "value": None,
    }
    assert (lots[2]["price"], lots[2]["minimum_bid"], lots[2]["bids"]) == (None, "4.00", 0)


def test_an_account_sees_its_own_place_in_each_lot():
    sale = held().machine.venue.sales[1]
    leader, rival, seller = (sale_views.account_view(sale, account).lots for account in (2, 3, 1))
    assert [(lot.you_lead, lot.your_maximum) for lot in leader] == [(True, "5.00"), (False, None), (False, None)]
    assert [(lot.you_lead, lot.your_maximum) for lot in rival] == [(False, "4.70"), (True, "4.00"), (False, None)]
    assert all(lot.you_sell for lot in seller) and not any(lot.you_sell for lot in rival)


def test_a_finished_sale_shows_what_each_lot_fetched():
    recorder = held()
    recorder.do(bodies.EndSale(1))
    sale = recorder.machine.venue.sales[1]
    lots = sale_views.public_view(sale).lots
    assert [(lot.state, lot.value, lot.minimum_bid) for lot in lots] == [
        ("sold", "3174.66", None),
        ("sold", "2645.55", None),
        ("passed_in", None, None),
    ]
    assert [lot.you_won for lot in sale_views.account_view(sale, 2).lots] == [True, False, False]
