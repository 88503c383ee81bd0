"""Views of a sale: what everyone sees, and what one account sees beside it."""

from __future__ import annotations

import msgspec

from engine.machine import Machine
from engine.markets.sales import views
from engine.markets.sales.english_views import EnglishView, LotView
from engine.messages import bodies
from engine.oracle.books import Books
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, open_venue


def held() -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(auction_sale(recorder.ts_ns, lots=3))
    recorder.do(bid_of(2, 1, 500), bid_of(3, 1, 470), bid_of(3, 2, 400))
    return recorder


def lots_of(view: views.SaleView) -> tuple[LotView, ...]:
    assert isinstance(view.market, EnglishView)
    return view.market.lots


def test_the_public_view_of_an_open_sale():
    recorder = held()
    sale = recorder.machine.venue.sales[1]
    shown = msgspec.to_builtins(views.public_view(sale))
    market = shown.pop("market")
    lots = market.pop("lots")
    assert shown == {
        "sale_id": 1,
        "version": 1,
        "title": "best of the season",
        "mechanism": "english",
        "stage": "live",
        "state": "open",
        "season": 0,
        "registration": "open",
        "agreement": "",
        "approve_bids": False,
        "viewing_ns": 0,
        "registration_ns": 0,
        "prebids_ns": 0,
        "live_ns": 0,
        "stage_due_ns": 0,
        "tick_size": "0.01",
        "price_unit": "USD/lb",
        "currency": "USD",
        "value_numerator": 100_000,
        "value_denominator": 45_359_237,
    }
    assert market == {
        "style": "helmsman",
        "scope": "all",
        "opening": "4.00",
        "increment": "0.10",
        "increments": ({"start": "0.00", "increment": "0.10"},),
        "clock_ns": 180 * SECOND_NS,
        "open_until_ns": recorder.ts_ns + 600 * SECOND_NS,
        "ends_ns": 0,
        "stop_ns": 0,
        "clock_due_ns": None,
        "normal_bids": False,
    }
    assert lots[0] == {
        "lot": 1,
        "title": "lot 1",
        "bags": 10,
        "bag_kg": "30",
        "attributes": {},
        "group": 0,
        "least_bags": 0,
        "opening": "4.00",
        "reserve": None,
        "price": "4.80",
        "minimum_bid": "4.90",
        "bids": 2,
        "state": "open",
        "sold_bags": 0,
        "value": None,
        "clock_due_ns": None,
    }
    assert (lots[2]["price"], lots[2]["minimum_bid"], lots[2]["bids"]) == (None, "4.00", 0)


def test_an_account_sees_its_own_place_in_each_lot():
    sale = held().machine.venue.sales[1]
    leader, rival, seller = (lots_of(views.account_view(sale, account)) for account in (2, 3, 1))
    assert [(lot.you_lead, lot.your_maximum) for lot in leader] == [(True, "5.00"), (False, None), (False, None)]
    assert [(lot.you_lead, lot.your_maximum) for lot in rival] == [(False, "4.70"), (True, "4.00"), (False, None)]
    assert all(lot.you_sell for lot in seller) and not any(lot.you_sell for lot in rival)


def test_a_finished_sale_shows_what_each_lot_fetched():
    recorder = held()
    recorder.do(bodies.EndSale(1))
    sale = recorder.machine.venue.sales[1]
    lots = lots_of(views.public_view(sale))
    assert [(lot.state, lot.value, lot.minimum_bid) for lot in lots] == [
        ("sold", "3174.66", None),
        ("sold", "2645.55", None),
        ("passed_in", None, None),
    ]
    assert [lot.you_won for lot in lots_of(views.account_view(sale, 2))] == [True, False, False]
