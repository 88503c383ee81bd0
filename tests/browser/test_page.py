"""The page in real headless Chromium against a real venue process."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from engine.domain.units import QUOTATION_PER_KG, value_factor, value_minor
from tests.browser.conftest import Visit
from tests.browser.running import BOOK, CALL, CONFIG, COOP, IMPORTER, OPERATOR, RIVAL, Venue


def usd(price: str, bags: int) -> str:
    """What the page must show as the value of bags of 69 kg at a price in US cents a pound."""
    tick = Fraction("0.05")
    factor = value_factor(tick, QUOTATION_PER_KG["USc/lb"], Fraction(69))
    minor = value_minor(int(Fraction(price) / tick), bags, factor.numerator, factor.denominator)
    return f"{minor // 100:,}.{minor % 100:02d} USD"


def fill_ticket(page, side: str, price: str, quantity: int) -> None:
    page.check(f"input[name=side][value={side}]", force=True)
    page.fill("#ticket-price", price)
    page.fill("#ticket-qty", str(quantity))


def show_sale(page, number: int) -> None:
    """The room of one sale, from the list of all."""
    page.click("[data-view=sales]")
    page.click(f".sales a[href='#/sales/{number}'] >> nth=0")
    page.wait_for_selector(f".sale h1:has-text('Best of the harvest {number}')")


def test_loads_without_errors_and_under_its_policy(visit, venue):
    venue.order(COOP, "sell", "336.00", 12)
    venue.order(IMPORTER, "buy", "334.00", 7)
    venue.order(RIVAL, "buy", "336.00", 5)
    window = visit()
    page = window.open()
    page.wait_for_selector(f"h1:has-text('{BOOK}')")
    page.wait_for_selector(".asks .level-price:has-text('336.00')")
    page.wait_for_selector("#trades td.price:has-text('336.00')")
    page.wait_for_selector(".price-chart canvas")
    assert page.locator("#tv-attr-logo").count() == 1, "the chart shows whose work it is"
    policy = page.request.get(venue.url).headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert window.complaints == []


def test_first_view_stays_within_its_budget(visit):
    window = visit()
    sizes: dict[str, int] = {}
    window.page.on("response", lambda answer: sizes.update({answer.url: int(answer.headers.get("content-length", 0))}))
    page = window.open(f"#/market/{CALL}")
    page.wait_for_selector(".heading h1")
    before_charts = sum(size for url, size in sizes.items() if "/vendor/" not in url and "/v1/" not in url)
    assert 10_000 < before_charts < 100_000
    assert len([url for url in sizes if "/static/" in url]) >= 15


def test_an_order_from_the_ticket_fills(visit, venue):
    offer = venue.order(COOP, "sell", "335.25", 300)
    window = visit()
    page = window.sign_in(IMPORTER)
    assert page.url.endswith("/"), "the key does not stay in the address"
    page.wait_for_selector(".asks .level-price:has-text('335.25')")
    fill_ticket(page, "buy", "335.25", 275)
    assert page.inner_text("#ticket .sums dd.strong") == usd("335.25", 275) == "140,244.17 USD"
    assert "18,975 kg" in page.inner_text("#ticket .sums")
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome[data-tone=good]:has-text('275 bags at 335.25')")
    page.wait_for_selector("#fills td.value:has-text('140,244.17 USD')")
    left = {order["order_id"]: order["open_quantity"] for order in venue.open_orders(COOP)}
    assert left == {offer["order_id"]: "25"}
    page.wait_for_selector(".asks td.qty:has-text('25')")
    page.wait_for_selector("#trades td.qty:has-text('275')")
    assert window.complaints == []


def test_an_order_rests_and_is_cancelled(visit, venue):
    window = visit()
    page = window.sign_in(IMPORTER)
    fill_ticket(page, "buy", "300.00", 4)
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome:has-text('4 bags in the book at 300.00')")
    page.wait_for_selector(".bids .level-price:has-text('300.00')")
    page.click("#orders td button:has-text('Cancel')")
    page.wait_for_selector("#orders .empty")
    page.wait_for_selector(".bids .level-price:has-text('300.00')", state="detached")
    assert venue.open_orders(IMPORTER) == []
    assert window.complaints == []


def test_the_book_moves_without_reload(visit, venue):
    window = visit()
    page = window.open()
    page.wait_for_selector("#book .empty:visible")
    page.evaluate("window.loadedOnce = true")
    first = venue.order(COOP, "sell", "340.10", 8)
    page.wait_for_selector(".asks .level-price:has-text('340.10')")
    venue.order(COOP, "sell", "340.10", 5)
    page.wait_for_selector(".asks td.qty:has-text('13')")
    venue.call("DELETE", f"orders/{first['order_id']}", COOP)
    page.wait_for_selector(".asks td.qty:text-is('5')")
    venue.order(IMPORTER, "buy", "340.10", 5)
    page.wait_for_selector(".asks .level-price:has-text('340.10')", state="detached")
    page.wait_for_selector(".heading dd.strong:has-text('340.10')")
    assert page.evaluate("window.loadedOnce") is True
    assert window.complaints == []


def test_a_price_of_the_book_goes_into_the_ticket(visit, venue):
    venue.order(COOP, "sell", "341.05", 3)
    page = visit().sign_in(IMPORTER)
    page.click(".asks .level-price:has-text('341.05')")
    assert page.input_value("#ticket-price") == "341.05"
    page.press("#ticket-price", "ArrowUp")
    assert page.input_value("#ticket-price") == "341.10"
    page.press("#ticket-price", "ArrowDown")
    page.press("#ticket-price", "ArrowDown")
    assert page.input_value("#ticket-price") == "341.00"


@pytest.mark.parametrize(
    ("price", "quantity", "field", "words"),
    [
        ("335.27", "1", "price", "steps of 0.05"),
        ("1e400", "1", "price", "not a plain number"),
        ("NaN", "1", "price", "not a plain number"),
        ("335,25", "1", "price", "not a plain number"),
        ("335.25", "1.5", "qty", "whole lots"),
        ("335.25", "0", "qty", "at least one lot"),
        ("335.25", "-3", "qty", "at least one lot"),
    ],
)
def test_what_cannot_be_sent_is_said_beside_the_field(visit, price, quantity, field, words):
    page = visit().sign_in(IMPORTER)
    page.fill("#ticket-price", price)
    page.fill("#ticket-qty", quantity)
    assert words in page.inner_text(f"#ticket-{field}-problem")
    assert page.is_disabled("#ticket .submit")


def test_a_refusal_of_the_venue_is_said_in_plain_words(visit, venue):
    page = visit().sign_in(IMPORTER)
    fill_ticket(page, "buy", "5000.05", 1)
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome[data-tone=bad]:has-text('between 0.05 and 5,000.00')")
    assert page.get_attribute("#ticket-price", "aria-invalid") == "true"
    assert venue.open_orders(IMPORTER) == []


def test_a_lost_answer_is_asked_again_and_not_doubled(visit, venue):
    page = visit().sign_in(IMPORTER)
    bodies = []

    def lose_the_answer(route):
        if route.request.method != "POST":
            route.continue_()
            return
        bodies.append(route.request.post_data_json)
        if len(bodies) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/orders", lose_the_answer)
    fill_ticket(page, "buy", "301.00", 6)
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome:has-text('cannot be doubled')")
    page.click("#ticket .submit:has-text('Ask again')")
    page.wait_for_selector("#ticket .outcome:has-text('not doubled')")
    assert bodies[0] == bodies[1]
    assert [order["quantity"] for order in venue.open_orders(IMPORTER)] == ["6"]


def test_a_wrong_key_is_said_clearly(visit):
    page = visit().open("#key=qk_ThisKeyWasNeverGivenToAnyone00")
    page.wait_for_selector("#notice[data-tone=bad]:has-text('not known here')")
    assert page.is_visible("button:has-text('Use a key')")
    page.click("#bar button:has-text('Use a key')")
    page.fill("#key-field", "hello")
    page.click("dialog button:has-text('Use this key')")
    page.wait_for_selector("#notice[data-tone=bad]:has-text('begins with')")


def test_a_key_can_be_pasted_and_forgotten(visit):
    page = visit().open()
    page.click("#ticket button:has-text('Use a key')")
    page.fill("#key-field", IMPORTER)
    page.press("#key-field", "Enter")
    page.wait_for_selector(".who:has-text('North Sea Roasters')")
    page.wait_for_selector("#ticket-price")
    page.reload()
    page.wait_for_selector(".who:has-text('North Sea Roasters')")
    page.click("button:has-text('Forget key')")
    page.wait_for_selector("#ticket button:has-text('Use a key')")
    page.reload()
    page.wait_for_selector(".link[data-state=live]")
    assert page.inner_text(".who") == ""


def test_the_call_shows_its_indication_and_curves(visit, venue):
    venue.order(COOP, "sell", "6.70", 40, CALL)
    venue.order(IMPORTER, "buy", "6.90", 25, CALL)
    window = visit()
    page = window.open(f"#/market/{CALL}")
    page.locator("#auction.live .indication dd.strong", has_text=re.compile(r"6\.\d\d")).wait_for()
    indication = venue.call("GET", f"instruments/{CALL}/auction")
    assert page.inner_text("#auction .indication dd.strong") == indication["price"]
    assert "25 bags" in page.inner_text("#auction .indication .figures")
    assert "15 bags offered" in page.inner_text("#auction .indication .figures")
    page.wait_for_selector("#auction .curve canvas")
    assert "25 bags wanted and 40 bags offered" in page.get_attribute("#auction .curve", "aria-label")
    venue.order(RIVAL, "buy", "6.95", 30, CALL)
    page.wait_for_selector("#auction .indication .figures:has-text('40 bags')")
    assert window.complaints == []


def test_the_operator_clears_a_call_and_halts(visit, venue):
    venue.order(COOP, "sell", "6.70", 40, CALL)
    venue.order(IMPORTER, "buy", "6.90", 25, CALL)
    window = visit()
    page = window.sign_in(OPERATOR)
    page.click("[data-view=operator]")
    row = page.locator(f".operate tbody tr:has-text('{CALL}')")
    row.locator("button:has-text('Continuous')").click()
    page.wait_for_selector("dialog:has-text('25 bags would trade')")
    page.click("dialog button:has-text('Cancel')")
    assert venue.call("GET", f"instruments/{CALL}")["phase"] == "call"
    row.locator("button:has-text('Continuous')").click()
    page.click("dialog button:has-text('Clear')")
    row.locator(".phase[data-phase=continuous]").wait_for()
    assert venue.call("GET", f"instruments/{CALL}")["phase"] == "continuous"
    for phase, label in (("halted", "Halted"), ("call", "Call")):
        row.locator("select").select_option(phase)
        row.locator("button:has-text('Move')").click()
        page.click("dialog button:has-text('Move')")
        row.locator(f".phase:text-is('{label}')").wait_for()
        assert venue.call("GET", f"instruments/{CALL}")["phase"] == phase
    page.click("[data-view=market]")
    page.click(f".pick:has-text('{CALL}')")
    page.wait_for_selector("#auction table td.traded:has-text('25 bags')")
    assert window.complaints == []


def test_the_sale_room_counts_its_clock(visit, venue):
    venue.open_sale(1, clock_seconds=60)
    window = visit()
    page = window.open("#/sales/1")
    page.wait_for_selector(".sale h1:has-text('Best of the harvest 1')")
    page.wait_for_selector(".clock:has-text('2 lots without a bid')")
    venue.bid(RIVAL, 1, 1, "4.50")
    page.wait_for_selector(".clock:has-text('1 lot without a bid')")
    venue.bid(RIVAL, 1, 2, "4.00")
    page.locator(".clock", has_text=re.compile(r"^0:5\d$|^1:00$")).wait_for()

    def seconds() -> int:
        minutes, rest = re.fullmatch(r"(\d+):(\d\d)", page.inner_text(".clock")).groups()
        return 60 * int(minutes) + int(rest)

    begin = seconds()
    page.wait_for_timeout(2_200)
    assert begin - 4 <= seconds() <= begin - 1
    venue.bid(IMPORTER, 1, 1, "4.80")
    page.wait_for_function("() => Number(document.querySelector('.clock').textContent.slice(-2)) >= 58 || "
                           "document.querySelector('.clock').textContent === '1:00'")  # fmt: skip
    page.wait_for_selector(".lots tbody tr:first-child td.price:has-text('4.60')")
    assert window.complaints == []


def test_bidding_in_the_sale_room(visit, venue):
    venue.open_sale(2, clock_seconds=3600)
    venue.bid(RIVAL, 2, 1, "4.50")
    window = visit()
    page = window.sign_in(IMPORTER)
    show_sale(page, 2)
    first = page.locator(".lots tbody tr").first
    field = first.locator("input:visible")
    assert field.get_attribute("placeholder") == "from 4.10"
    field.fill("4.25")
    field.press("Enter")
    first.locator(".field-problem:has-text('steps of 0.10')").wait_for()
    field.fill("4.30")
    field.press("Enter")
    page.wait_for_selector("#notice:has-text('another bidder')")
    first.locator(".standing:has-text('Outbid')").wait_for()
    field.fill("5.00")
    field.press("Enter")
    page.wait_for_selector("#notice[data-tone=good]:has-text('you lead')")
    first.locator(".standing:has-text('You lead')").wait_for()
    first.locator("td.price:has-text('4.60')").wait_for()
    assert first.locator(".maximum").inner_text() == "5.00"
    rival = visit().sign_in(RIVAL)
    show_sale(rival, 2)
    rival.wait_for_selector(".lots tbody tr:first-child .standing:has-text('Outbid')")
    assert "5.00" not in rival.inner_text(".lots tbody tr:first-child"), "a maximum is its owner's secret"
    venue.bid(RIVAL, 2, 1, "6.00")
    page.wait_for_selector("#notice:has-text('outbid')")
    first.locator(".standing:has-text('Outbid')").wait_for()
    venue.call("POST", "sales/2/end", OPERATOR, {"why": "test"})
    rival.wait_for_selector(".lots tbody tr:first-child .standing:has-text('Yours')")


def test_spanish_is_complete(visit, venue):
    venue.order(COOP, "sell", "336.00", 2)
    window = visit(locale="es-PE")
    page = window.sign_in(IMPORTER)
    assert page.evaluate("document.documentElement.lang") == "es"
    page.wait_for_selector("h2:has-text('Libro de órdenes')")
    fill_ticket(page, "sell", "350.00", 1000)
    assert page.inner_text("#ticket .submit") == "Vender 1,000 sacos a 350.00"
    page.select_option("select[aria-label=Idioma]", "en")
    page.wait_for_selector("h2:has-text('Order book')")
    assert page.inner_text("#ticket .submit") == "Sell 1,000 bags at 350.00"
    page.reload()
    page.wait_for_selector("h2:has-text('Order book')")
    assert window.complaints == []


def test_without_chart_libraries_everything_else_is_there(visit, venue):
    venue.order(COOP, "sell", "336.00", 2)
    venue.order(IMPORTER, "buy", "336.00", 1)
    window = visit()
    # What the page of an installation without the libraries says, before its scripts run.
    window.context.add_init_script(
        "document.addEventListener('readystatechange', () => { document.documentElement.dataset.charts = ''; })"
    )
    page = window.open()
    page.wait_for_selector("#chart .empty:has-text('not part of this installation')")
    page.wait_for_selector(".asks .level-price:has-text('336.00')")
    page.click(f".pick:has-text('{CALL}')")
    page.wait_for_selector("#auction.live")
    assert page.locator("canvas").count() == 0
    assert window.complaints == []


@pytest.mark.parametrize("view", ["market", "sales"])
def test_a_phone_needs_no_sideways_scrolling(visit, venue, view):
    venue.order(COOP, "sell", "336.00", 2)
    page = visit(viewport={"width": 390, "height": 844}).sign_in(IMPORTER)
    page.click(f"[data-view={view}]")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if view == "market":
        fill_ticket(page, "buy", "336.00", 1)
        page.click("#ticket .submit")
        page.wait_for_selector("#ticket .outcome:has-text('Traded in full')")


def test_an_order_by_keyboard_alone(visit, venue):
    venue.order(COOP, "sell", "336.00", 2)
    page = visit().sign_in(IMPORTER)
    page.wait_for_selector(".asks .level-price")
    page.focus("#ticket-price")
    page.keyboard.type("336.00")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ticket .outcome:has-text('Traded in full: 2 bags at 336.00')")


def test_an_empty_venue_says_what_is_awaited(browser, tmp_path):
    bare = Venue(tmp_path, config='venue = "bare"\n')
    bare.start()
    try:
        window = Visit(browser, bare)
        page = window.open()
        page.wait_for_selector(".welcome h1:has-text('still empty')")
        assert not page.is_visible("#book") and not page.is_visible("#ticket")
        page.click("[data-view=sales]")
        page.wait_for_selector(".sale-room .empty:has-text('No sale is open')")
        assert window.complaints == []
        window.context.close()
    finally:
        bare.stop()


def test_the_page_comes_back_after_the_venue_does(visit, venue):
    venue.order(COOP, "sell", "337.00", 4)
    window = visit()
    page = window.sign_in(IMPORTER)
    page.wait_for_selector(".asks .level-price:has-text('337.00')")
    venue.stop()
    page.wait_for_selector(".link[data-state=waiting]")
    venue.start()
    venue.order(COOP, "sell", "338.00", 4)
    page.wait_for_selector(".link[data-state=live]", timeout=40_000)
    page.wait_for_selector(".asks .level-price:has-text('338.00')")
    page.wait_for_selector(".asks .level-price:has-text('337.00')")
    fill_ticket(page, "buy", "337.00", 4)
    page.click("#ticket .submit")
    page.wait_for_selector("#ticket .outcome:has-text('Traded in full')")


def test_a_venue_whose_disk_is_nearly_full_says_so(browser, tmp_path):
    """The mark lies above what any disk here has."""
    low = Venue(
        tmp_path, config=CONFIG.replace("[[accounts]]", "[server]\nstorage_low_mib = 1_000_000_000\n[[accounts]]", 1)
    )
    low.start()
    window = Visit(browser, low)
    try:
        page = window.sign_in(IMPORTER)
        page.wait_for_selector("#notice[data-tone=bad]:has-text('nearly full')")
        fill_ticket(page, "buy", "300.00", 4)
        page.click("#ticket .submit")
        page.wait_for_selector("#ticket .outcome[data-tone=bad]:has-text('takes no new orders')")
        assert low.open_orders(IMPORTER) == []
    finally:
        window.context.close()
        low.stop()
