"""A day of sales against a running venue, by its public API alone: planned, bid in, and read like anyone would.

    Helmsman   the best-scored real lots, one clock for all, proxy maxima
    sealed     the next lots, second price
    clock      a co-op's containers of washed grade by shipment month, half of the buyers by proxy

Values and moods of the bidders come out of a seed; who is faster does not, so prices differ a little between two days.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import aiohttp
import msgspec

from engine.codes import Role
from engine.domain.units import decimal_text, parse_decimal, price_to_ticks, ticks_to_text
from gateway.client import Refused
from gateway.data.tables import Lot, lots
from gateway.demo.market import chance
from gateway.demo.sales import lot_attributes, lot_title
from gateway.tokens import public_token

OPERATOR, COOP, FIRST_BIDDER = 1, 100, 1_000
LOOK_SECONDS = 0.15  # between two looks at a sale
LOOKING = 10  # bidders that act after each look
TICK = "0.01"
MONTHS = ("April", "May", "June", "July", "August", "September")
CONTAINER_BAGS = 275


class Size(NamedTuple):
    """How large the day is: a winners' sale of 30 lots and 120 bidders, 60 containers and 40 buyers."""

    lots: int = 30
    bidders: int = 120
    sealed_lots: int = 12
    containers: int = 60
    buyers: int = 40
    clock_seconds: int = 5  # three minutes in real sales
    round_seconds: int = 3
    open_seconds: int = 60  # for the first bid on each lot
    sealed_seconds: int = 10


def token(venue: str, account: int) -> str:
    return public_token(f"{venue}/{account}")


def config_text(venue: str, size: Size) -> str:
    """A venue with an operator, a co-op, and the bidders."""
    lines = [f'venue = "{venue}"']
    names = {OPERATOR: ("Operator", "operator"), COOP: ("Central of co-ops", "coop")}
    names |= {FIRST_BIDDER + n: (f"Roaster {n + 1}", "importer") for n in range(size.bidders)}
    for account, (label, kind) in names.items():
        roles = Role.READ | (Role.OPERATE | Role.ADMIN if kind == "operator" else Role.TRADE)
        told = ", ".join(f'"{role.name.lower()}"' for role in Role if role.name and role & roles)
        lines += ["", "[[accounts]]", f"account = {account}", f'label = "{label}"', f'kind = "{kind}"']
        lines += ["", "[[keys]]", f"account = {account}", f"roles = [{told}]", f'token = "{token(venue, account)}"']
    return "\n".join(lines) + "\n"


class Sold(NamedTuple):
    """One line of a result."""

    lot: int
    title: str
    buyers: int
    bags: int
    price: str
    value: str


class Played(NamedTuple):
    """What came of one sale, as its results say."""

    title: str
    mechanism: str
    bids: int  # that were taken
    refused: int
    rounds: int  # of a clock
    sold: tuple[Sold, ...]
    passed_in: int

    @property
    def checksum(self) -> str:
        """Of the published results."""
        return hashlib.blake2b(msgspec.json.encode(self.sold), digest_size=8).hexdigest()


class Door:
    """Questions and requests over REST, under the key of any account."""

    def __init__(self, http: aiohttp.ClientSession, url: str, venue: str) -> None:
        self.http, self.url, self.venue = http, url, venue
        self.taken = self.refused = 0

    async def ask(self, path: str, account: int | None = None) -> dict[str, Any]:
        return await self._send("GET", path, account, None, {})

    async def post(self, path: str, account: int, body: dict[str, Any], key: str = "") -> dict[str, Any]:
        """Raises Refused."""
        return await self._send("POST", path, account, body, {"Idempotency-Key": key} if key else {})

    async def bid(self, sale: int, account: int, offer: dict[str, Any], name: str) -> bool:
        """One offer; a refusal is part of bidding: the price has just moved."""
        body = {"client_bid_id": name, "offer": offer}
        try:
            await self.post(f"sales/{sale}/bids", account, body)
        except Refused:
            self.refused += 1
            return False
        self.taken += 1
        return True

    async def _send(
        self, method: str, path: str, account: int | None, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        if account is not None:
            headers = headers | {"Authorization": f"Bearer {token(self.venue, account)}"}
        url = f"{self.url}/v1/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            said = await answer.json(content_type=None)
            if answer.status >= 400:
                raise Refused(said)
            return said


class Worth:
    """What lots are worth to bidders: by cup score, and by a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def cents(self, lot: Lot, account: int) -> int:
        """US cents a pound; 0: not interested."""
        dice = chance(self.seed, "worth", lot.lot_id, account)
        if dice.random() > 0.35:
            return 0
        return int(400 + 60 * max(0.0, float(lot.score) - 83) * dice.lognormvariate(0, 0.6))


def sale_day_lots(count: int) -> tuple[Lot, ...]:
    """The best-scored real lots that one roaster can buy."""
    small = [lot for lot in lots() if 5 <= lot.bags <= 120]
    return tuple(sorted(small, key=lambda lot: (-lot.score, lot.lot_id))[:count])


def plan(sale: int, title: str, said: Iterable[dict[str, Any]], mechanism: dict[str, Any], unit: str) -> dict[str, Any]:
    return {
        "sale_id": sale, "title": title, "tick_size": TICK, "price_unit": unit, "currency": "USD",
        "lots": list(said), "mechanism": mechanism,
    }  # fmt: skip


def planned(lot: Lot, **more: Any) -> dict[str, Any]:
    return {
        "seller": COOP, "title": lot_title(lot), "bags": lot.bags, "bag_kg": decimal_text(lot.bag_kg),
        "attributes": lot_attributes(lot),
    } | more  # fmt: skip


async def helmsman(door: Door, size: Size, seed: int) -> Played:
    """All lots open together; maxima by proxy; the clock of all lots starts again with each visible bid."""
    offered, worth, tick = sale_day_lots(size.lots), Worth(seed), parse_decimal(TICK)
    mechanism = {
        "kind": "english", "opening": "4.00", "increments": [{"start": "0", "increment": "0.10"}],
        "clock_seconds": size.clock_seconds, "open_until": size.open_seconds,
    }  # fmt: skip
    body = plan(1, "Jaén winners' sale", map(planned, offered), mechanism, "USD/lb")
    await door.post("sales", OPERATOR, body, "plan-1")
    limits = {
        (account, n): 400 + (cents - 400) // 10 * 10
        for account in range(FIRST_BIDDER, FIRST_BIDDER + size.bidders)
        for n, lot in enumerate(offered, 1)
        if (cents := worth.cents(lot, account)) >= 400
    }
    maxima: dict[tuple[int, int], int] = {}

    async def look(account: int, seen: list[dict[str, Any]], turn: int) -> None:
        dice = chance(seed, "look", account, turn)
        wanted = []
        for lot in seen:
            at = (account, lot["lot"])
            lowest = 400 if lot["price"] is None else price_to_ticks(lot["price"], tick) + 10
            if lot["state"] == "open" and limits.get(at, 0) >= lowest and maxima.get(at, 0) < lowest:
                wanted.append((at, lowest))
        if wanted:
            at, lowest = dice.choice([one for one in wanted if one[1] == 400] or wanted)
            maximum = min(limits[at], lowest + 10 * dice.randint(0, 6))
            offer = {"kind": "english", "lot": at[1], "maximum": ticks_to_text(maximum, tick)}
            if await door.bid(1, account, offer, f"h-{account}-{at[1]}-{maximum}"):
                maxima[at] = maximum

    async def act(sale: dict[str, Any], turn: int) -> None:
        dice = chance(seed, "who", turn)
        acting = dice.sample(range(FIRST_BIDDER, FIRST_BIDDER + size.bidders), min(LOOKING, size.bidders))
        await asyncio.gather(*(look(account, sale["lots"], turn) for account in acting))

    return await _follow(door, 1, act)


async def sealed(door: Door, size: Size, seed: int) -> Played:
    """Second price: each bids what it is worth. Nothing shows before the operator opens the bids."""
    offered, worth = sale_day_lots(size.lots + size.sealed_lots)[size.lots :], Worth(seed)
    mechanism = {
        "kind": "sealed",
        "payment": "vickrey",
        "opening": "3.00",
        "step": "0.01",
        "closes": size.sealed_seconds,
        "keys_seconds": 3600,
    }
    body = plan(2, "Sealed bids on single lots", map(planned, offered), mechanism, "USD/lb")
    await door.post("sales", OPERATOR, body, "plan-2")
    for n, lot in enumerate(offered, 1):
        for account in range(FIRST_BIDDER, FIRST_BIDDER + size.bidders):
            cents = worth.cents(lot, account)
            if cents >= 300:
                step = {"lot": n, "price": f"{cents / 100:.2f}", "bags": lot.bags}
                await door.bid(2, account, {"kind": "sealed", "lot": n, "steps": [step]}, f"v-{account}-{n}")

    async def act(sale: dict[str, Any], turn: int) -> None:
        if sale["state"] == "pending":
            await door.post("sales/2/open", OPERATOR, {}, "open-2")

    return await _follow(door, 2, act)


async def clock(door: Door, size: Size, seed: int) -> Played:
    """Containers in six shipment months: round after round at prices that rise where more is wanted than there is."""
    per_month = size.containers // len(MONTHS)
    said = [
        {
            "seller": COOP, "title": f"Washed grade 1, {month} shipment", "bags": per_month * CONTAINER_BAGS,
            "bag_kg": "69", "attributes": {"origin": "Peru", "process": "washed", "shipment": month},
        }
        for month in MONTHS
    ]  # fmt: skip
    mechanism = {
        "kind": "clock", "round_seconds": size.round_seconds, "step_bags": CONTAINER_BAGS, "rounds_max": 12,
        "products": [{"start": "2.80", "least_bags": (per_month - 2) * CONTAINER_BAGS} for _ in MONTHS],
        "rises": [{"excess_bps": 0, "increment": "0.05"}, {"excess_bps": 2500, "increment": "0.15"}],
        "show_demand": "excess",
    }  # fmt: skip
    await door.post("sales", OPERATOR, plan(3, "Containers by shipment month", said, mechanism, "USD/lb"), "plan-3")
    buyers = range(FIRST_BIDDER, FIRST_BIDDER + size.buyers)
    wants: dict[int, list[tuple[Fraction, int]]] = {}  # by buyer and month: highest price, containers
    for account in buyers:
        dice = chance(seed, "containers", account)
        wants[account] = [
            (Fraction(280 + int(dice.expovariate(1 / 30)), 100), dice.choice((0, 0, 1, 1, 2))) for _ in MONTHS
        ]
    for account in buyers:
        if account % 2:
            rows = [
                [{"price": f"{float(price):.2f}", "bags": count * CONTAINER_BAGS}] if count else []
                for price, count in wants[account]
            ]
            await door.bid(3, account, {"kind": "clock_proxy", "limits": rows}, f"p-{account}")
    spoken = 0

    async def act(sale: dict[str, Any], turn: int) -> None:
        nonlocal spoken
        if sale["round"] == spoken:
            return
        spoken = sale["round"]
        decided = [lot["state"] != "open" for lot in sale["lots"]]
        prices = [parse_decimal(lot["price"]) for lot in sale["lots"]]
        for account in buyers:
            if account % 2:
                continue
            bags = [
                count * CONTAINER_BAGS if prices[at] <= highest else 0
                for at, (highest, count) in enumerate(wants[account])
            ]
            if any(decided):
                own = (await door.ask("sales/3", account))["lots"]
                bags = [own[at]["your_bags"] if decided[at] else bags[at] for at in range(len(bags))]
            await door.bid(3, account, {"kind": "clock", "round": spoken, "bags": bags}, f"c-{account}-{spoken}")

    return await _follow(door, 3, act)


async def _follow(door: Door, sale: int, act: Callable[[dict[str, Any], int], Awaitable[None]]) -> Played:
    """Look, act, until the sale is over; then its results."""
    turn = 0
    while (seen := await door.ask(f"sales/{sale}"))["stage"] != "finished":
        await act(seen, turn)
        turn += 1
        await asyncio.sleep(LOOK_SECONDS)
    taken, refused, door.taken, door.refused = door.taken, door.refused, 0, 0
    results = await door.ask(f"sales/{sale}/results")
    by_lot: dict[int, Sold] = {}
    for one in results["results"]:
        if one["state"] == "sold":
            before = by_lot.get(one["lot"], Sold(one["lot"], one["title"], 0, 0, one["price"], "0"))
            value = parse_decimal(before.value) + parse_decimal(one["value"])
            by_lot[one["lot"]] = before._replace(
                buyers=before.buyers + 1, bags=before.bags + one["bags"], value=decimal_text(value, 2)
            )
    sold = tuple(by_lot.values())
    passed_in = len(seen["lots"]) - len(sold)
    return Played(seen["title"], seen["mechanism"], taken, refused, seen.get("round", 0), sold, passed_in)


async def play(url: str, venue: str, seed: int, size: Size, say: Callable[[Played], None]) -> None:
    """The three sales one after another. `say` hears of each when it is over."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as http:
        door = Door(http, url, venue)
        for kind in (helmsman, sealed, clock):
            say(await kind(door, size, seed))
