"""Kinds of orders in the ticket, changes and cancels of them, and the operator's switches, on a real page and venue."""

from __future__ import annotations

import pytest

from tests.browser.running import BOOK, CALL, COOP, IMPORTER, OPERATOR, RIVAL, Refused
from tests.browser.test_page import fill_ticket

CONFIRM = "#dialog button[type=submit]"


def ticket(page, type_: str, side: str, price: str, quantity: int) -> None:
    page.check(f"input[name=type][value={type_}]", force=True)
    fill_ticket(page, side, price, quantity)


def test_an_iceberg_shows_its_part_alone(visit, venue):
    window = visit()
    page = window.sign_in(COOP)
    ticket(page, "iceberg", "sell", "350.00", 40)
    assert page.is_disabled("#ticket .submit"), "how much is shown must be said"
    page.fill("#ticket-display", "7")
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome:has-text('40 bags in the book at 350.00')")
    page.wait_for_selector("#orders .terms:has-text('shows 7')")
    (order,) = venue.open_orders(COOP)
    assert (order["type"], order["display_quantity"], order["open_quantity"]) == ("iceberg", "7", "40")
    other = visit().open()
    other.wait_for_selector(".asks .level-price:has-text('350.00')")
    assert "40" not in other.inner_text(".asks") and "7" in other.inner_text(".asks")
    assert window.complaints == []


def test_a_stop_waits_and_is_seen_by_its_owner_alone(visit, venue):
    page = visit().sign_in(IMPORTER)
    page.check("input[name=type][value=stop]", force=True)
    page.fill("#ticket-stop", "345.00")
    page.fill("#ticket-qty", "3")
    assert page.inner_text("#ticket .submit") == "Buy 3 bags once it trades at 345.00"
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome[data-tone=good]:has-text('waits for a trade at 345.00')")
    page.wait_for_selector("#orders .terms:has-text('waits for 345.00')")
    page.fill("#ticket-price", "346.00")
    page.click("#ticket .submit")
    page.wait_for_selector("#orders tbody tr >> nth=1")
    assert {order["type"] for order in venue.open_orders(IMPORTER)} == {"stop", "stop_limit"}
    other = visit().open()
    other.wait_for_selector(f"h1:has-text('{BOOK}')")
    assert "345.00" not in other.inner_text("body") and "346.00" not in other.inner_text("body")


def test_day_date_and_post_only_orders(visit, venue):
    venue.order(COOP, "sell", "351.00", 5)
    page = visit().sign_in(IMPORTER)
    ticket(page, "limit", "buy", "351.00", 2)
    page.select_option("#ticket-tif", "gtd")
    assert page.is_disabled("#ticket .submit"), "until when must be said"
    page.fill("#ticket-expire", "2199-12-31T10:00")
    page.check("#ticket-post-only")
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome[data-tone=bad]:has-text('would have traded at once')")
    page.fill("#ticket-price", "320.00")
    page.click("#ticket .submit")
    page.wait_for_selector("#orders .terms:has-text('2199')")
    page.select_option("#ticket-tif", "day")
    page.click("#ticket .submit")
    page.wait_for_selector("#orders .terms:has-text('until the day ends')")
    assert sorted(order["time_in_force"] for order in venue.open_orders(IMPORTER)) == ["day", "gtd"]
    page.check("input[name=type][value=stop]", force=True)
    offered = page.eval_on_selector_all("#ticket-tif option:not([hidden])", "options => options.map((o) => o.value)")
    assert offered == ["gtc", "day", "gtd"]


def test_a_change_says_whether_the_place_is_kept(visit, venue):
    venue.order(IMPORTER, "buy", "325.00", 9)
    page = visit().sign_in(IMPORTER)
    for quantity, words in (("4", "its place kept"), ("6", "at the end of the queue"), ("0", "the rest of the order")):
        page.click("#orders button:has-text('Change')")
        page.fill("#amend-qty", quantity)
        page.click(CONFIRM)
        page.wait_for_selector(f"text={words}")
    page.wait_for_selector("#orders .empty:visible")
    assert venue.open_orders(IMPORTER) == []


def test_all_open_orders_are_cancelled_after_a_question(visit, venue):
    for price in ("321.00", "322.00", "323.00"):
        venue.order(RIVAL, "buy", price, 1)
    page = visit().sign_in(RIVAL)
    page.click("#orders button:has-text('Cancel all')")
    assert "all 3 open orders" in page.inner_text("#dialog")
    page.click("#dialog button:has-text('Cancel')")
    assert len(venue.open_orders(RIVAL)) == 3, "asked, and thought better of"
    page.click("#orders button:has-text('Cancel all')")
    page.click(CONFIRM)
    page.wait_for_selector("text=Cancelled: 3 orders.")
    assert venue.open_orders(RIVAL) == []


def test_the_operator_stops_the_venue_and_lets_it_go_on(visit, venue):
    reader = visit(locale="es-PE").open()
    page = visit().sign_in(OPERATOR)
    page.click("[data-view=operator]")
    try:
        page.click(".kill-switch")
        page.click(CONFIRM)
        page.wait_for_selector("text=The venue is stopped:")
        reader.wait_for_selector("text=El operador detuvo el mercado")
        with pytest.raises(Refused) as refused:
            venue.order(RIVAL, "buy", "320.00", 1)
        assert refused.value.code == "venue_stopped"
    finally:
        page.click(".kill-switch:has-text('go on')")
        page.click(CONFIRM)
    reader.wait_for_selector("text=vuelve a tomar órdenes")
    assert venue.order(RIVAL, "buy", "320.00", 1)["state"] == "open"


def test_the_operator_freezes_an_account(visit, venue):
    page = visit().sign_in(OPERATOR)
    page.click("[data-view=operator]")
    row = "table.accounts tr:has-text('Pacific Green Coffee')"
    page.click(f"{row} button")
    page.click(CONFIRM)
    page.wait_for_selector(f"{row}:has-text('frozen')")
    with pytest.raises(Refused) as refused:
        venue.order(RIVAL, "buy", "320.00", 1)
    assert refused.value.code == "account_frozen"
    page.click(f"{row} button:has-text('Unfreeze')")
    page.click(CONFIRM)
    page.wait_for_selector("text=may trade again")
    assert venue.order(RIVAL, "buy", "320.00", 1)["state"] == "open"


def test_a_halt_is_one_press_and_a_question_away(visit, venue):
    page = visit().sign_in(OPERATOR)
    page.click("[data-view=operator]")
    row = f"table.operate tr:has-text('{CALL}')"
    page.click(f"{row} button:has-text('Halt')")
    page.click(CONFIRM)
    try:
        page.wait_for_selector(f"{row}:has-text('Halted')")
        page.wait_for_selector(f"{row} button:has-text('Halt')", state="hidden")
    finally:  # other tests call on it
        venue.call("POST", f"instruments/{CALL}/phase", OPERATOR, {"phase": "call"})
