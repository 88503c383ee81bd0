"""Secrets of sales occur in no output that another party can read: a scan of everything, over simulated sales.

Each secret is a number that nothing else uses. Sales of every mechanism are played in a running venue with follower and
SQLite; all that anyone is told is kept: every GET route for every reader in both forms, every feed from its beginning,
answers and problems of bids, metrics, log lines, standard error of the children, SQLite, exports. Then each secret is
looked for, as a number and as text. What an output may hold: a bidder its own, a seller the reserves of its lots, the
operator reserves and the bounds that it set.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import structs

from engine.codes import EventKind, Reason
from engine.messages.batch import cold
from engine.messages.body import Body
from engine.messages.sales.after import After
from engine.messages.sales.clock import Clock, ClockOffer, ClockProxy, Limit, Product, Rise
from engine.messages.sales.commands import Admit, Bid, EndSale, Offer
from engine.messages.sales.dutch import Dutch, DutchOffer
from engine.messages.sales.english import English, EnglishOffer, Step
from engine.messages.sales.japanese import Japanese, JapaneseOffer
from engine.messages.sales.packages import Package, Packages, PackagesOffer, Part
from engine.messages.sales.reverse import Reverse, ReverseOffer
from engine.messages.sales.sealed import Payment, Sealed
from engine.messages.sales.sealed import Step as SealedStep
from engine.messages.sales.sealing import Place
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Terms, Unit
from gateway.exporting import write_table
from gateway.history_tables import TABLES, rows_of
from gateway.rest.routes import ROUTES
from gateway.sealed import opening, seal_offer
from tests.gateway.running import CONFIG, House, Socket, running

OPERATOR, SELLER, A, B, C, OUTSIDER = range(1, 7)
ACCOUNTS = (OPERATOR, SELLER, A, B, C, OUTSIDER)
SECOND_NS = 10**9
UNIT = Unit("0.01", "USD/lb", "USD", 100_000, 45_359_237)
ENGLISH, TIMED, SEALED, VICKREY, JAPANESE, CLOCK, PACKAGES, REVERSE, DUTCH = range(1, 10)
PUBLIC_CHANNELS, PRIVATE_CHANNELS = ("sales", "status"), ("own_bids", "executions", "accounts")


class Secret(NamedTuple):
    number: int  # ticks of 0.01, or minor units: the same text
    owners: frozenset[int]  # who may read it
    about: str

    @property
    def text(self) -> str:
        return f"{self.number // 100}.{self.number % 100:02d}"


SECRETS: list[Secret] = []


def secret(about: str, *owners: int, number: int = 0) -> int:
    """A number of its own: 7,303.13, rising by 11.17, which no other amount here comes near."""
    number = number or 730_313 + 1_117 * len(SECRETS)
    SECRETS.append(Secret(number, frozenset(owners), about))
    return number


R_ENGLISH = secret("reserve of an English lot", SELLER, OPERATOR)
R_TIMED = secret("reserve that was reached by nobody, timed", SELLER, OPERATOR)
R_SEALED = secret("reserve of a sealed lot", SELLER, OPERATOR)
R_JAPANESE = secret("reserve of a Japanese lot", SELLER, OPERATOR)
M_LEADS = secret("maximum that leads", A)
M_LOSES = secret("maximum that lost", B)
M_RAISED = secret("leader's maximum, raised in secret", A)
M_BEFORE = secret("pre-bid", C)
M_REFUSED = secret("maximum that was refused", B)
S_LOST = secret("sealed bid that lost", B)
S_REPLACED = secret("sealed bid that was replaced", A)
S_BELOW = secret("sealed bid below the reserve", C)
S_SECOND = secret("highest bid of a Vickrey sale", A)
J_LIMIT = secret("limit of who holds", A)
C_PROXY = secret("limit of a proxy", B)
P_LOST = secret("package bid", B)
V_CEILING = secret("most that a tender pays", SELLER, OPERATOR)
V_LEADS = secret("minimum that leads", A)
V_LOSES = secret("minimum that lost", C)
D_SEEN = secret("most that a take would have paid", B)
BOUND = secret("operator's bound on a bidder", B, OPERATOR, number=98_765_432_19)


def config_in(folder: Path) -> Path:
    """The books of the other tests, and accounts 1 to 6 with a key each."""
    text = CONFIG.read_text("utf-8")
    parts = ['venue = "test"\n']
    for account in ACCOUNTS:
        roles = '["read", "trade", "operate", "admin"]' if account == OPERATOR else '["read", "trade"]'
        parts.append(f'[[accounts]]\naccount = {account}\nlabel = "member {account}"\n')
        parts.append(f'[[keys]]\naccount = {account}\nroles = {roles}\ntoken = "{key_of(account)}"\n')
    path = folder / "venue.toml"
    path.write_text("\n".join([*parts, text[text.index("[[instruments]]") :]]), "utf-8")
    return path


def key_of(account: int) -> str:
    return f"qk_canary{account}canarycanarycanary{account:05d}"


def terms(sale: int, mechanism: Terms, *lots: dict[str, Any], **changes: Any) -> SaleTerms:
    plans = tuple(SaleLot(SELLER, f"lot {n}", 10, 30_000, **lot) for n, lot in enumerate(lots, 1))
    fields: dict[str, Any] = {"title": f"sale {sale}", "unit": UNIT, "stages": Stages(), "lots": plans}
    return SaleTerms(sale=sale, version=1, mechanism=mechanism, **(fields | changes))


class Watch:
    """Keeps whatever anyone is told: (reader, where, content). Reader 0: the public. The operator has the files."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.told: list[tuple[int, str, Any]] = []
        self._sockets: list[tuple[int, Socket]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open_feeds(self) -> None:
        for reader in (0, *ACCOUNTS):
            for packed in (False, True):
                socket = await self.house.socket(key_of(reader) if reader else None, packed=packed)
                for channel in PUBLIC_CHANNELS + (PRIVATE_CHANNELS if reader else ()):
                    await socket.say({"op": "subscribe", "channel": channel, "instrument": "", "id": channel})
                self._tasks.append(asyncio.create_task(self._hear(reader, socket)))
                self._sockets.append((reader, socket))

    async def _hear(self, reader: int, socket: Socket) -> None:
        while True:
            try:
                self.told.append((reader, "feed", await socket.hear(3600)))
            except ConnectionError:
                return

    async def look(self, when: str) -> None:
        """Every GET route for every reader, in each form, with what is there to name."""
        venue = self.house.machine.venue
        named: dict[str, list[object]] = {
            "symbol": ["COFFEE-B"], "sale_id": [*venue.sales, 99], "award": [*venue.awards, 99], "account": ACCOUNTS,
            "order_id": [1], "fill_id": ["1-1"], "hash_prefix": ["00000000"],
        }  # fmt: skip
        for route in ROUTES.table:
            if route.method != "GET":
                continue
            values = [named.get(name, [1]) for name in route.parameters]
            for found in product(*values):
                path = route.path
                for name, value in zip(route.parameters, found, strict=True):
                    path = path.replace(f"{{{name}}}", str(value))
                for reader, accept in product((0, *ACCOUNTS), ("application/json", "application/msgpack", "text/html")):
                    if accept != "text/html" or "contract" in path:
                        await self._get(reader, path, accept, when)
        await self._get(OPERATOR, "/metrics", "text/plain", when)
        await self._get(0, "/metrics", "text/plain", when)

    async def _get(self, reader: int, path: str, accept: str, when: str) -> None:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {key_of(reader)}"} if reader else {})
        async with self.house.session.get(path, headers=headers) as response:
            raw = await response.read()
            content: Any = raw.decode("utf-8", "replace")
            if response.content_type == "application/msgpack":
                content = msgspec.msgpack.decode(raw)
            elif response.content_type.endswith("json"):
                content = msgspec.json.decode(raw)
        self.told.append((reader, f"{when}: GET {path} {accept}", content))

    async def close(self) -> None:
        for _, socket in self._sockets:
            await socket.close()
        await asyncio.gather(*self._tasks)


def numbers_in(content: Any) -> Iterator[int | str]:
    """Every integer and every text in a decoded answer, keys too."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from numbers_in(key)
            yield from numbers_in(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from numbers_in(value)
    elif isinstance(content, bytes):
        yield content.decode("latin-1")
    elif isinstance(content, int | str):
        yield content


def holds(content: Any, number: int) -> bool:
    """The secret as an integer, or as digits or decimal text that stand alone."""
    text = re.compile(rf"(?<![\d.]){number}(?![\d.])|(?<!\d){number // 100:,}\.{number % 100:02d}(?!\d)"
                      rf"|(?<!\d){number // 100}\.{number % 100:02d}(?!\d)")  # fmt: skip
    return any(one == number if isinstance(one, int) else text.search(one) is not None for one in numbers_in(content))


async def do(house: House, body: Body, account: int = 0, reason: Reason = Reason.NONE) -> int:
    """A command, decided as expected."""
    outcome = await house.venue.front.outcome(cold(body, account=account))
    newest = outcome.events[-1]
    found = Reason(int(newest["reason"])) if newest["kind"] in (EventKind.REJECTED, EventKind.BID_LATE) else Reason.NONE
    assert found == reason, (body, found)
    return int(outcome.first_seq + outcome.row0)


async def offer(house: House, sale: int, account: int, said: Offer, reason: Reason = Reason.NONE) -> None:
    await do(house, Bid(sale, said), account, reason)


async def sealed(house: House, sale: int, account: int, price: int, lot: int, nonce: bytes = b"") -> None:
    place = Place(sale, account, lot)
    said = await seal_offer(house.venue.front.vault, place, [SealedStep(lot, price, 10)], nonce)
    await do(house, Bid(sale, said), account)


async def play(house: House) -> None:
    """Sales of every mechanism up to the middle of each."""
    later = house.venue.env.now_ns() + 3_600 * SECOND_NS
    steps = (Step(0, 1),)
    english = English(opening=400, increments=steps, clock_ns=600 * SECOND_NS, open_until_ns=later)
    await do(house, terms(ENGLISH, english, {"reserve": R_ENGLISH}, {}, after=After(sample_ns=86_400 * SECOND_NS)))
    await do(house, Admit(ENGLISH, B, True, BOUND))
    await offer(house, ENGLISH, B, EnglishOffer(2, M_LOSES))
    await offer(house, ENGLISH, A, EnglishOffer(2, M_LEADS))
    await offer(house, ENGLISH, A, EnglishOffer(2, M_RAISED))
    await offer(house, ENGLISH, B, EnglishOffer(2, 399), Reason.BID_LOW)
    await offer(house, ENGLISH, SELLER, EnglishOffer(2, M_REFUSED), Reason.SELF_BID)
    await offer(house, ENGLISH, C, EnglishOffer(1, 500))
    timed = English(opening=400, increments=steps, clock_ns=0, style="timed", scope="lot", ends_ns=later)
    stages = Stages(prebids_ns=house.venue.env.now_ns() + SECOND_NS // 5, live_ns=later - SECOND_NS)
    await do(house, terms(TIMED, timed, {"reserve": R_TIMED}, stages=stages))
    await asyncio.sleep(0.4)
    await offer(house, TIMED, C, EnglishOffer(1, M_BEFORE))
    for sale, payment in ((SEALED, Payment.FIRST_PRICE), (VICKREY, Payment.VICKREY)):
        await do(house, terms(sale, Sealed(payment, later, 60 * SECOND_NS, 400), {"reserve": 0}, {"reserve": R_SEALED}))
    await sealed(house, SEALED, B, S_LOST, 1)
    await sealed(house, SEALED, A, S_REPLACED, 1)
    await sealed(house, SEALED, A, 999_000, 1, b"again")
    await sealed(house, SEALED, C, 500, 2)
    await sealed(house, VICKREY, A, S_SECOND, 1)
    await sealed(house, VICKREY, B, 500, 1)
    japanese = Japanese(400, 1, 300 * SECOND_NS, 300 * SECOND_NS)
    await do(house, terms(JAPANESE, japanese, {"reserve": R_JAPANESE}))
    await offer(house, JAPANESE, A, JapaneseOffer(1, True, J_LIMIT))
    await offer(house, JAPANESE, B, JapaneseOffer(1, True))
    clock = Clock((Product(400),), (Rise(0, 10),), 300 * SECOND_NS)
    await do(house, terms(CLOCK, clock, {}))
    await offer(house, CLOCK, B, ClockProxy(((Limit(C_PROXY, 3),),)))
    await offer(house, CLOCK, A, ClockOffer(1, (4,)))
    await do(house, terms(PACKAGES, Packages(400, later, later + 60 * SECOND_NS), {}, {}))
    await offer(house, PACKAGES, C, PackagesOffer(1, (Package((Part(1, 10), Part(2, 10)), 999_000),)))
    await offer(house, PACKAGES, B, PackagesOffer(1, (Package((Part(1, 10), Part(2, 10)), P_LOST),)))
    reverse = Reverse(999_000, steps, later)
    await do(house, terms(REVERSE, reverse, {"reserve": V_CEILING}))
    await offer(house, REVERSE, C, ReverseOffer(1, V_LOSES))
    await offer(house, REVERSE, A, ReverseOffer(1, V_LEADS))
    await do(house, terms(DUTCH, Dutch(500, 400, 10, 300 * SECOND_NS), {}))
    await offer(house, DUTCH, B, DutchOffer(1, D_SEEN))


async def finish(house: House) -> None:
    """All to their end, as far as an operator can bring it about."""
    for sale in (ENGLISH, SEALED, VICKREY, JAPANESE, CLOCK, PACKAGES, REVERSE):
        await do(house, EndSale(sale))
    for sale in (SEALED, VICKREY):
        for part in await opening(house.venue.front.vault, house.machine.venue.sales[sale]):
            await do(house, structs.replace(part, by_operator=True))


def scanned(told: list[tuple[int, str, Any]]) -> list[str]:
    """Where a secret is told to someone whose it is not."""
    found = []
    for reader, where, content in told:
        for one in SECRETS:
            if reader not in one.owners and holds(content, one.number):
                found.append(f"{one.about} ({one.text}) told to {reader} in {where}")
    return sorted(set(found))


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Every log line, at the lowest level."""
    kept: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(self.format(record))

    handler, root = Keep(logging.DEBUG), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(handler)
    root.setLevel(before)


async def test_secrets_stay_with_their_owners(
    tmp_path: Path, lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    async with running(data, config=config_in(tmp_path), follower=True) as house:
        watch = Watch(house)
        await watch.open_feeds()
        await play(house)
        for account, maximum, lot in ((B, M_REFUSED, 9), (C, 1, 2)):
            said = {"lot": lot, "maximum": f"{maximum // 100}.{maximum % 100:02d}", "client_bid_id": f"r{lot}"}
            _, answer = await house.ask("POST", f"/v1/sales/{ENGLISH}/bids", said, key=key_of(account))
            watch.told.append((account, "POST bid", answer))
        await asyncio.sleep(0.5)
        await watch.look("in the middle")
        await finish(house)
        await asyncio.sleep(0.5)
        await watch.look("after the end")
        seq = house.machine.seq
        await until_stored(data, seq)
        await watch.look("from history")
        await watch.close()
        places = {one.about for _, _, content in watch.told for one in SECRETS if holds(content, one.number)}
    streams = capfd.readouterr()
    watch.told += [
        (OPERATOR, "log lines", lines),
        (OPERATOR, "standard error", streams.err),
        (OPERATOR, "standard output", streams.out),
    ]
    watch.told += [(OPERATOR, f"SQLite {table}", rows) for table, rows in stored(data).items()]
    for name in TABLES:
        watch.told.append((OPERATOR, f"export {name}", exported(data, name, tmp_path)))
    found = scanned(watch.told)
    assert not found, "\n".join(found)
    # The scan can see: owners were told their own, by the same outputs.
    assert {
        "leader's maximum, raised in secret", "maximum that lost", "reserve of a sealed lot", "limit of who holds",
        "limit of a proxy", "package bid", "minimum that leads", "most that a tender pays", "sealed bid that lost",
        "operator's bound on a bidder",
    } <= places  # fmt: skip
    assert len(watch.told) > 500


async def until_stored(data: Path, seq: int) -> None:
    for _ in range(300):
        try:
            with sqlite3.connect(f"file:{data / 'projection.sqlite'}?mode=ro", uri=True) as db:
                if (db.execute("SELECT seq FROM cursor").fetchone() or (0,))[0] >= seq:
                    return
        except sqlite3.Error:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError("SQLite did not catch up")


def stored(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    with sqlite3.connect(data / "projection.sqlite") as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}


def exported(data: Path, name: str, folder: Path) -> str:
    path = folder / f"{name}.jsonl"
    with path.open("wb") as out:
        write_table(TABLES[name], rows_of(name, data, folder, "1m"), "jsonl", out)
    return path.read_text()


def test_the_scan_sees_a_secret_wherever_it_stands() -> None:
    number = SECRETS[0].number
    for content in (number, {"x": [number]}, SECRETS[0].text, {"a": f"price {SECRETS[0].text} USD"}, f"[{number}]",
                    {str(number): 1}, f"{number // 100:,}.{number % 100:02d}",
                    b"\x00" + str(number).encode()):  # fmt: skip
        assert holds(content, number), content
    assert not holds([number + 1, f"1{number}", f"{SECRETS[0].text}5"], number)
