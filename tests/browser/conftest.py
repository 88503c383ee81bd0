"""A real venue process and a real Chromium for the tests of the page.

What the page does is answered by the venue alone. Without a browser these tests are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import Venue

CHROMIUM = os.environ.get("QHATU_CHROMIUM", "/usr/bin/chromium")
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium. Skips, naming it, where there is none.

    Of a module and no longer: while the driver lives, its event loop counts as running, and no other may be run.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: the page is not tested"
    )
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"no chromium at {CHROMIUM} (set QHATU_CHROMIUM): the page is not tested")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    venue = Venue(tmp_path_factory.mktemp("venue"))
    venue.start()
    yield venue
    venue.stop()


@pytest.fixture
def venue(browser: Any, running: Venue) -> Venue:
    """The session's venue with empty books. Needs a browser first: without one no venue is started."""
    running.clear()
    return running


class Visit:
    """One browser window on the page, with everything it complained about."""

    def __init__(self, browser: Any, venue: Venue, **options: Any) -> None:
        options = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US"} | options
        self.venue = venue
        self.complaints: list[str] = []
        self.context = browser.new_context(**options)
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self._listen)
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def open(self, fragment: str = "") -> Any:
        """Go to the page and wait until it is live."""
        self.page.goto(f"{self.venue.url}/{fragment}")
        self.page.wait_for_selector(".link[data-state=live]")
        return self.page

    def sign_in(self, key: str) -> Any:
        page = self.open(f"#key={key}")
        page.wait_for_selector(".who:not(:empty)", state="attached")
        return page


@pytest.fixture
def visit(browser: Any, venue: Venue) -> Iterator[Any]:
    """Makes windows; all of them are closed at the end."""
    visits = []

    def make(**options: Any) -> Visit:
        visits.append(Visit(browser, venue, **options))
        return visits[-1]

    yield make
    for one in visits:
        one.context.close()
