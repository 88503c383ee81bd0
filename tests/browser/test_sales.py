"""The rooms of sales on a real page and venue: bidding in each kind, being admitted, planning and running a sale."""

from __future__ import annotations

import pytest

from tests.browser.running import COOP, IMPORTER, OPERATOR, RIVAL

CONFIRM = "#dialog button[type=submit]"
ENGLISH = {
    "kind": "english", "opening": "4.00", "increments": [{"start": "0", "increment": "0.10"}], "clock_seconds": 3600,
    "open_until": 7200,
}  # fmt: skip


def row(page, lot: int):
    return page.locator(".lots tbody tr").nth(lot - 1)


def enter(visit, key: str, number: int):
    window = visit()
    page = window.sign_in(key)
    page.evaluate(f"location.hash = '#/sales/{number}'")
    page.wait_for_selector(".sale h1")
    return page, window


def test_the_next_bid_stands_ready_and_an_outbid_reader_is_told(visit, venue):
    venue.plan_sale(101, "Jaén", ENGLISH)
    venue.bid(RIVAL, 101, 1, "4.50")
    page, window = enter(visit, IMPORTER, 101)
    first = row(page, 1)
    assert not page.is_visible(".outbid-line:not(:empty)") and not page.is_visible(".filter")
    first.locator("button:text-is('Bid 4.10')").click()
    first.locator(".standing:has-text('Outbid')").wait_for()
    page.wait_for_selector(".outbid-line[role=status]:has-text('lot 1')")
    first.locator("button:text-is('Bid 4.30')").wait_for()
    field = first.locator("input.num:visible")
    field.fill("6.00")
    field.press("Enter")
    first.locator(".standing:has-text('You lead')").wait_for()
    page.wait_for_selector(".outbid-line", state="hidden")
    assert first.locator("button:has-text('Bid 4')").count() == 0, "a leader is not offered to outbid itself"
    page.check(".filter input")
    assert page.locator(".lots tbody tr").count() == 1
    venue.bid(RIVAL, 101, 1, "7.00")
    page.wait_for_selector("#notice[data-tone=bad]:has-text('outbid')")
    page.wait_for_selector(".outbid-line:has-text('lot 1')")
    assert venue.sale(101, IMPORTER)["lots"][0]["your_maximum"] == "6.00"
    assert window.complaints == []


def test_a_bidder_registers_accepts_and_is_admitted(visit, venue):
    terms = {"registration": "admission", "agreement": "ab" * 32}
    venue.plan_sale(102, "Admitted", ENGLISH, **terms)
    page, window = enter(visit, IMPORTER, 102)
    assert not row(page, 1).locator("button:has-text('Bid')").is_visible()
    page.click(".register button")
    page.wait_for_selector(".register .field-problem:has-text('Accept the agreement')")
    page.check("#agreement")
    page.click(".register button")
    page.wait_for_selector(".registration:has-text('admit you')")
    steward, _ = enter(visit, OPERATOR, 102)
    steward.wait_for_selector(".steward th:has-text('North Sea Roasters')")
    steward.select_option("#steward-account", "3")
    steward.fill("#steward-limit", "20000.00")
    steward.click(".steward-admit button")
    page.wait_for_selector(".registration[data-tone=good]:has-text('20,000.00 USD')")
    row(page, 1).locator("button:text-is('Bid 4.00')").click()
    row(page, 1).locator(".standing:has-text('You lead')").wait_for()
    assert venue.sale(102)["lots"][0]["price"] == "4.00"
    assert window.complaints == []


def test_a_round_of_the_clock(visit, venue):
    clock = {"kind": "clock", "products": [{"start": "4.00"}] * 2, "rises": [{"excess_bps": 0, "increment": "0.10"}],
             "round_seconds": 12, "show_demand": "excess"}  # fmt: skip
    venue.plan_sale(103, "By month", clock)
    page, window = enter(visit, IMPORTER, 103)
    page.fill("#clock-1", "15")
    page.fill("#clock-2", "3")
    page.wait_for_selector(".activity:has-text('18 bags')")
    page.click(".whole button[type=submit]")
    row(page, 1).locator(".standing:has-text('Said for this round')").wait_for()
    body = {"offer": {"kind": "clock", "round": 1, "bags": [10, 0]}, "client_bid_id": "rival-1"}
    venue.call("POST", "sales/103/bids", RIVAL, body)
    page.wait_for_selector("h2:has-text('round 2')", timeout=25_000)
    row(page, 1).locator("td.price:has-text('4.10')").wait_for()
    row(page, 1).locator("td.bids:has-text('5 too many')").wait_for()
    page.fill("#clock-1", "19")
    page.wait_for_selector(".activity[data-tone=bad]:has-text('at most 18 bags')")
    page.click(".whole button[type=submit]")
    page.wait_for_selector(".whole .field-problem:has-text('never rise')")
    page.click("button:has-text('As in the last round')")
    page.click(".whole button[type=submit]")
    row(page, 1).locator(".standing:has-text('Said for this round')").wait_for()
    own = venue.sale(103, IMPORTER)["lots"]
    assert [lot["your_word"] for lot in own] == [15, 3]
    assert [text for text in window.complaints if "422" not in text] == []


def test_the_operator_plans_and_runs_a_sale(visit, venue):
    window = visit()
    page = window.sign_in(OPERATOR)
    page.evaluate("location.hash = '#/sales/plan'")
    page.fill("#plan-title", "Planned on the page")
    page.fill("#term-opening", "5.02")
    for name, text in (("seller", "2"), ("title", "Jaén A"), ("bags", "30"), ("bag_kg", "69")):
        page.fill(f".plan-lots input[name={name}]", text)
    page.click(".plan button[type=submit]")
    page.wait_for_selector(".plan > .field-problem:has-text('steps')")
    page.fill("#term-opening", "5.00")
    page.click(".plan button[type=submit]")
    page.wait_for_selector(".sale h1:has-text('Planned on the page')")
    number = int(page.url.rsplit("/", 1)[1])
    assert venue.sale(number)["lots"][0]["minimum_bid"] == "5.00"
    venue.bid(IMPORTER, number, 1, "6.00")
    venue.bid(RIVAL, number, 1, "5.50")
    row(page, 1).locator("td.price:has-text('5.60')").wait_for()
    page.click("button[aria-label='Void the bid: Pacific Green Coffee']")
    page.fill("#why", "mistaken lot")
    page.click(CONFIRM)
    row(page, 1).locator("td.price:has-text('5.00')").wait_for()
    page.click(".steward button:has-text('End the sale')")
    page.fill("#why", "early end")
    page.click(CONFIRM)
    page.wait_for_selector(".phase:has-text('Finished')")
    assert venue.sale(number)["lots"][0]["state"] == "sold"
    assert [text for text in window.complaints if "422" not in text] == []


@pytest.mark.parametrize(
    ("number", "mechanism", "button", "standing"),
    [
        (111, {"kind": "dutch", "start": "6.00", "floor": "5.90", "decrement": "0.10", "interval_seconds": 600},
         "Take at 6.00", "Yours"),
        (112, {"kind": "japanese", "opening": "4.00", "increment": "0.10", "interval_seconds": 60,
               "joining_seconds": 600}, "Hold", "You hold"),
        (113, {"kind": "reverse", "opening": "8.00", "decrements": [{"start": "0", "increment": "0.10"}],
               "ends": 3600}, "Bid 8.00", "You lead"),
    ],
)  # fmt: skip
def test_one_press_in_the_other_rooms(visit, venue, number, mechanism, button, standing):
    venue.plan_sale(number, mechanism["kind"], mechanism)
    page, window = enter(visit, IMPORTER, number)
    row(page, 1).locator(f"button:text-is('{button}')").click()
    row(page, 1).locator(f".standing:has-text('{standing}')").wait_for()
    assert window.complaints == []


def test_a_sealed_bid_and_a_package(visit, venue):
    sealed = {"kind": "sealed", "opening": "4.00", "payment": "first_price", "closes": 3600, "keys_seconds": 60}
    venue.plan_sale(114, "Sealed", sealed)
    page, window = enter(visit, IMPORTER, 114)
    row(page, 1).locator("input.num:visible").fill("4.85")
    row(page, 1).locator("button:has-text('Seal the bid')").click()
    page.wait_for_selector(".whole li:has-text('Lot 1: sealed')")
    steward, _ = enter(visit, OPERATOR, 114)
    steward.click(".steward button:has-text('End the sale')")
    steward.fill("#why", "all are here")
    steward.click(CONFIRM)
    steward.click(".steward button:has-text('Open the bids')")
    steward.wait_for_selector(".phase:has-text('Finished')")
    assert [lot["state"] for lot in venue.sale(114)["lots"]].count("sold") == 1
    venue.plan_sale(115, "Packages", {"kind": "packages", "opening": "4.00", "closes": 3600, "until": 7200})
    page.evaluate("location.hash = '#/sales/115'")
    page.fill("#package-1", "20")
    page.fill("#package-2", "20")
    page.fill("#package-price", "4.50")
    page.click("button:has-text('Add the package')")
    page.wait_for_selector("li:has-text('Set 1: Lot 1 · 20 bags + Lot 2 · 20 bags · 4.50')")
    (held,) = venue.sale(115, IMPORTER)["your_sets"]
    assert held["packages"][0]["price"] == "4.50"
    assert window.complaints == []


def test_a_sample_is_approved_with_its_deadline_shown(visit, venue):
    venue.plan_sale(116, "Approval", ENGLISH, after={"sample_seconds": 864_000})
    venue.bid(IMPORTER, 116, 1, "5.00")
    venue.call("POST", "sales/116/end", OPERATOR, {"why": "test"})
    window = visit()
    page = window.sign_in(IMPORTER)
    page.evaluate("location.hash = '#/sales/awards'")
    card = page.locator(".award:has-text('Approval, lot 1')")
    card.locator(".award-state:has-text('Sample to be approved · until')").wait_for()
    card.locator("button:text-is('Accept')").click()
    page.click(CONFIRM)
    card.locator(".award-state:text-is('Final')").wait_for()
    (award,) = venue.call("GET", "awards?sale=116", IMPORTER)["awards"]
    assert award["state"] == "final"
    with page.expect_download() as download:
        card.locator("button:has-text('Contract')").click()
    assert "Approval" in download.value.path().read_text("utf-8")
    assert window.complaints == []


def test_a_file_of_lots_is_taken_after_its_findings_were_read(visit, venue):
    window = visit()
    page = window.sign_in(COOP)
    page.evaluate("location.hash = '#/sales/lots'")
    rows = (
        "number,title,product,country,bags,bag_kg",
        "901,<b>Alto</b> 1,coffee_green,PE,10,69",
        "902,,coffee_green,PE,-1,69",
    )
    page.set_input_files(
        "#lots-file", [{"name": "lots.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}]
    )
    page.wait_for_selector(".findings tr[data-status=error] .finding-error:has-text('bags')")
    assert venue.call("GET", "lots", COOP)["lots"] == [], "a preview takes nothing"
    page.click("button:has-text('Take what has no error (1)')")
    page.wait_for_selector("th:text-is('<b>Alto</b> 1')")
    assert [lot["number"] for lot in venue.call("GET", "lots", COOP)["lots"]] == [901]
    assert window.complaints == []


CLOCK = {"kind": "clock", "products": [{"start": "4.00"}] * 2, "rises": [{"excess_bps": 0, "increment": "0.10"}],
         "round_seconds": 600}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "mechanism"),
    [("", None), ("121", ENGLISH), ("122", CLOCK), ("plan", None), ("awards", None), ("lots", None)],
)
def test_a_phone_needs_no_sideways_scrolling_in_sales(visit, venue, part, mechanism):
    if mechanism:
        venue.plan_sale(int(part), "Narrow", mechanism)
    page = visit(viewport={"width": 390, "height": 844}, locale="es-PE").sign_in(IMPORTER if mechanism else OPERATOR)
    page.evaluate(f"location.hash = '#/sales/{part}'")
    page.wait_for_selector(".sale-room .panel" if part else ".sale-room")
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
