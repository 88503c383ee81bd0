"""What the public hears is the same whether or not something sealed has happened, and counts nothing of the log."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.rest.routes import ROUTES
from tests.gateway.running import ADMIN, BOOK, CALL_BOOK, TRADER_A, TRADER_B, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

SALE = {
    "sale_id": 1, "title": "Best lots", "opening": "4.00", "increment": "0.10", "tick_size": "0.05",
    "price_unit": "USD/lb", "currency": "USD", "clock_seconds": 600, "open_seconds": 3_600,
    "lots": [{"seller": 2, "title": "Lot 1", "bags": 10, "bag_kg": "60"}],
}  # fmt: skip
CANARY = "777.70"
CLOCK = {"now"}  # the venue's clock moves by itself
CHANNELS = (
    ("book", BOOK),
    ("book", CALL_BOOK),
    ("trades", BOOK),
    ("auction", CALL_BOOK),
    ("status", ""),
    ("sales", ""),
)


async def everything_public(house: House) -> dict[str, Any]:
    """Every answer to someone without a key, by what was asked."""
    found: dict[str, Any] = {}
    paths = [route.path for route in ROUTES.table if route.method == "GET" and route.role is None]
    for path in [*paths, "/readyz", "/healthz"]:
        path = path.replace("{symbol}", CALL_BOOK).replace("{sale_id}", "1")
        _, answer = await house.ask("GET", path)
        found[path] = {name: value for name, value in answer.items() if name not in CLOCK | {"trace_id"}}
    for channel, instrument in CHANNELS:
        socket = await house.socket()
        await socket.ask({"op": "subscribe", "channel": channel, "instrument": instrument})
        found[f"{channel} {instrument}"] = await socket.feed(channel)
        await socket.close()
    return found


async def test_a_secret_raise_is_seen_nowhere(house: House) -> None:
    await house.ask("POST", "/v1/sales", SALE, key=ADMIN, headers={"Idempotency-Key": "sale"})
    await house.order(TRADER_A, instrument=CALL_BOOK, price="300.00")
    bid = {"lot": 1, "maximum": "5.00", "client_bid_id": "first"}
    status, answer = await house.ask("POST", "/v1/sales/1/bids", bid, key=TRADER_B)
    assert status == 201, answer
    await house.venue.env.sleep(2 * house.venue.settings.feed_tick_seconds)  # what that changed has been told
    before, seq = await everything_public(house), house.machine.seq
    bid |= {"maximum": CANARY, "client_bid_id": "secret"}
    status, answer = await house.ask("POST", "/v1/sales/1/bids", bid, key=TRADER_B)
    assert status == 201 and answer["maximum"] == CANARY and house.machine.seq > seq
    await house.venue.env.sleep(2 * house.venue.settings.feed_tick_seconds)
    after = await everything_public(house)
    assert after == before
    assert CANARY.encode() not in msgspec.json.encode(after)


async def test_the_log_cannot_be_measured_without_a_key(house: House) -> None:
    for seq in (1, house.machine.seq, house.machine.seq + 1_000):
        status, problem = await house.ask("GET", "/v1/time", params={"min_seq": str(seq)})
        assert (status, problem["code"]) == (401, "missing_key")
        assert str(house.machine.seq) not in problem["detail"]


async def test_metrics_are_the_operators(house: House) -> None:
    """On the venue's own machine they need no key; through a proxy or from elsewhere, the role."""
    assert (await house.session.get("/metrics")).status == 200
    for header in ("X-Forwarded-For", "Forwarded"):
        afar = {header: "for=203.0.113.9"}
        for key, status in ((None, 401), (TRADER_A, 403)):
            assert (await house.ask("GET", "/metrics", key=key, headers=afar))[0] == status
        headers = afar | {"Authorization": f"Bearer {ADMIN}"}
        assert (await house.session.get("/metrics", headers=headers)).status == 200
