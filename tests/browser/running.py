"""A venue in a process of its own for the tests of the page: `python -m gateway.cli serve`, nothing in its place."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gateway.tokens import public_token

START_SECONDS_MAX = 120  # a first start compiles the kernels
STOP_SECONDS_MAX = 20
OPERATOR, COOP, IMPORTER, RIVAL = (public_token(f"browser test {n}") for n in ("operator", "coop", "importer", "rival"))
BOOK, CALL = "PE-WASHED-80-69KG", "PE-QUINOA-46KG"
CONFIG = f"""
venue = "browser-test"

[[accounts]]
account = 1
label = "Venue operator"
kind = "operator"
[[accounts]]
account = 2
label = "Cooperativa Alto Jaén"
kind = "coop"
[[accounts]]
account = 3
label = "North Sea Roasters"
kind = "importer"
[[accounts]]
account = 4
label = "Pacific Green Coffee"
kind = "importer"

[[keys]]
account = 1
roles = ["read", "operate", "admin"]
token = "{OPERATOR}"
[[keys]]
account = 2
roles = ["read", "trade"]
token = "{COOP}"
[[keys]]
account = 3
roles = ["read", "trade"]
token = "{IMPORTER}"
[[keys]]
account = 4
roles = ["read", "trade"]
token = "{RIVAL}"

[[instruments]]
symbol = "{BOOK}"
name = "Peru, washed arabica, cup score 80 or more"
commodity = "green coffee"
tick_size = "0.05"
price_unit = "USc/lb"
price_max = "5000.00"
lot_kg = "69"
lot_unit = "bag of 69 kg"
currency = "USD"
reference = "330.00"
opening = "continuous"
attributes = {{ origin = "Peru", process = "washed" }}
source = "World Bank arabica 2026-05"

[[instruments]]
symbol = "{CALL}"
name = "Quinoa, white, Peru"
commodity = "quinoa"
tick_size = "0.01"
price_unit = "PEN/kg"
price_max = "200.00"
lot_kg = "46"
lot_unit = "bag of 46 kg"
currency = "PEN"
reference = "6.80"
opening = "call"
"""


class Refused(Exception):
    """The venue's answer was a problem; `code` is its stable code."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem}")
        self.status, self.code = status, problem.get("code")


class Venue:
    """A venue in a process of its own, and its REST interface as another participant would use it."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        self.config = folder / "venue.toml"
        self.config.write_text(config, "utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None
        self._ids = 0

    def start(self) -> None:
        """Run until it says that it takes orders. Raises RuntimeError with its log when it does not."""
        with (self.folder / "stderr.txt").open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve", "--config", str(self.config), "--data",
                 str(self.folder / "data"), "--port", str(self.port)],
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        deadline = threading.Timer(START_SECONDS_MAX, self.process.kill)
        deadline.start()
        line = self.process.stdout.readline()
        deadline.cancel()
        if self.url not in line:
            self.process.kill()
            raise RuntimeError(f"the venue did not start: {line!r}\n{self.log()}")

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process = None

    def log(self) -> str:
        return (self.folder / "stderr.txt").read_text("utf-8")

    def call(self, method: str, path: str, key: str | None = None, body: Any = None) -> Any:
        """The answer to one request. Raises Refused."""
        self._ids += 1
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"test-{self._ids}"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.load(error)) from None

    def order(self, key: str, side: str, price: str, quantity: int, instrument: str = BOOK) -> dict[str, Any]:
        body = {"instrument": instrument, "side": side, "type": "limit", "price": price, "quantity": str(quantity)}
        return self.call("POST", "orders", key, body | {"client_order_id": f"test-{self._ids}"})

    def bid(self, key: str, sale: int, lot: int, maximum: str) -> dict[str, Any]:
        body = {"lot": lot, "maximum": maximum, "client_bid_id": f"test-{self._ids}"}
        return self.call("POST", f"sales/{sale}/bids", key, body)

    def open_sale(self, number: int, clock_seconds: int, lots: int = 2) -> None:
        """A sale of the co-op's lots, open for an hour."""
        terms = {"sale_id": number, "title": f"Best of the harvest {number}", "opening": "4.00", "increment": "0.10",
                 "tick_size": "0.05", "price_unit": "USD/lb", "currency": "USD", "clock_seconds": clock_seconds,
                 "open_seconds": 3600}  # fmt: skip
        things = [
            {"seller": 2, "title": f"Alto Jaén, lot {lot}", "bags": 10 + lot, "bag_kg": "69",
             "attributes": {"origin": "Peru", "variety": "Bourbon", "score": f"{86 + lot}.25"}}
            for lot in range(1, lots + 1)
        ]  # fmt: skip
        self.call("POST", "sales", OPERATOR, terms | {"lots": things})

    def plan_sale(self, number: int, title: str, mechanism: dict[str, Any], bags: int = 20, **terms: Any) -> None:
        """A sale of any kind of two of the co-op's lots; without stages it opens at once."""
        lots = [{"seller": 2, "title": f"{title}, lot {lot}", "bags": bags, "bag_kg": "69"} for lot in (1, 2)]
        base = {"sale_id": number, "title": title, "tick_size": "0.05", "price_unit": "USD/lb", "currency": "USD"}
        self.call("POST", "sales", OPERATOR, base | {"lots": lots, "mechanism": mechanism} | terms)

    def sale(self, number: int, key: str | None = None) -> dict[str, Any]:
        return self.call("GET", f"sales/{number}", key)

    def open_orders(self, key: str) -> list[dict[str, Any]]:
        return self.call("GET", "orders", key)["orders"]

    def clear(self) -> None:
        """Withdraw every order, so that one test does not trade with another's."""
        for key in (COOP, IMPORTER, RIVAL):
            for order in self.open_orders(key):
                self.call("DELETE", f"orders/{order['order_id']}", key)
