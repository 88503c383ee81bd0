"""Random bytes as command rows and extension rows: only valid events, sound arrays, and nothing that random bytes could
have meant.

Three mixes: pure noise (rejects only); noise with a right kind, version and account; orders of every type with every
term, cancels, amends and replaces, right but for a byte here and there. Between the blocks time passes, phases move,
limits, stock and collars change, and whole accounts and books are cancelled. Each event is looked at, the arrays are
audited and told and taken anew now and then; a canonical dump closes the run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from hashlib import blake2b
from time import perf_counter
from typing import Any

import numpy as np

from engine.codes import (
    COLD_FIRST,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Phase,
    Reason,
    RefForm,
    StpMode,
    TimeInForce,
)
from engine.limits import CLIENT_ID_MEMORY_NS, PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot, Space, Which

BLOCK_ROWS = 4_000
AUDITS = 40
ENDED_KEPT = 300  # orders that later rows may name beside those that are open
OPEN_MOST = 8_000  # more are cancelled, so that an audit stays quick
KINDS = np.array([*(kind for kind in EventKind if kind <= EventKind.AMENDED), EventKind.CLASS_REPORT])
REASONS = np.array([int(reason) for reason in Reason])
SPACE = Space(orders=65_536, streams=4_096, client_ids=65_536)
BOOKS = {  # instrument -> its terms beside the widest range
    1: {},
    2: dict(currency=1),
    300: dict(currency=1, classes=True),
    301: dict(deposit=True),
}
ACCOUNTS = (1, 2, 3, 4)
KNOWN = np.dtype([("order", "<i8"), ("account", "<u4"), ("instrument", "<u4"), ("side", "u1"), ("type", "u1")])
LASTING = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)

Mix = tuple[np.ndarray, np.ndarray]  # COMMAND[n], EXTENSION[m]
Maker = Callable[[Space], Hot]


def venue(make: Maker, space: Space = SPACE) -> Hot:
    books = make(space)
    for instrument, terms in BOOKS.items():
        books.list_instrument(
            instrument,
            multiplier=1,
            price_min=-PRICE_TICKS_MAX,
            price_max=PRICE_TICKS_MAX,
            qty_max=QTY_LOTS_MAX,
            **terms,
        )
        books.set_phase(instrument, Phase.CALL if instrument == 2 else Phase.CONTINUOUS)
    for account in ACCOUNTS:
        books.open_account(account)
        books.set_account(account, frozen=False, group=account // 2, coop=account == 1)
        books.add_stock(account, 301, 10**9)
    return books


def noise(random: np.random.Generator, count: int, known: np.ndarray, ts_ns: int) -> Mix:
    """Random bytes; cold kinds, which a kernel hands back, become hot ones."""
    rows = random.integers(0, 256, (count, COMMAND.itemsize), np.uint8).view(COMMAND).reshape(count)
    rows["kind"] %= COLD_FIRST
    return rows, random.integers(0, 256, (64, EXTENSION.itemsize), np.uint8).view(EXTENSION).reshape(64)


def plausible_noise(random: np.random.Generator, count: int, known: np.ndarray, ts_ns: int) -> Mix:
    """Noise whose kind, version, account and instrument are mostly right; extensions are noise or say one thing."""
    rows, extensions = noise(random, count, known, ts_ns)
    rows["kind"] = random.integers(1, 6, count)
    rows["version"] = ROW_VERSION
    rows["account"], rows["instrument"] = random.integers(0, 6, count), random.choice([*BOOKS, 9], count)
    rows["extension"] = random.choice([0, 0, 0, 1, 40, 64, 65], count)
    for name, end in (("flags", 16), ("stp", 6), ("side", 3), ("type", 7), ("tif", 7), ("ref_form", 5)):
        rows[name] = random.integers(0, end, count)
    rows["body_length"] = 0
    for name in EXTENSION.names or ():
        extensions[name][32:] = 0
    for i in range(33, 64):
        name = random.choice(["display_qty", "min_qty", "stop_price", "expire_at", "valid_until", "target_form"])
        extensions[name][i] = random.integers(0, 5)
    return rows, extensions


def nearly_right(random: np.random.Generator, count: int, known: np.ndarray, ts_ns: int) -> Mix:
    """Rows that mean something; one in eight has a byte changed, one extension in sixteen."""
    rows, x = np.zeros(count, COMMAND), np.zeros(count, EXTENSION)

    def some(share: float) -> np.ndarray:
        chosen: np.ndarray = random.random(count) < share
        return chosen

    def fill(array: np.ndarray, name: str, where: np.ndarray, values: Any) -> None:
        array[name][where] = np.broadcast_to(values, count)[where]

    rows["kind"] = random.choice([1, 1, 1, 1, 1, 1, 1, 2, 3, 4], count)
    rows["version"] = ROW_VERSION
    rows["side"], rows["type"] = random.integers(0, 2, count), random.choice([0, 0, 0, 0, 1, 2, 3, 4, 5, 5], count)
    rows["account"], rows["instrument"] = random.choice(ACCOUNTS, count), random.choice([1, 1, *BOOKS], count)
    rows["qty"] = random.integers(1, 100, count)
    if len(known):
        target, names = known[random.integers(0, len(known), count)], rows["kind"] != CommandKind.NEW
        for name in KNOWN.names or ():
            fill(rows, name, names, target[name])
    unpriced = np.isin(rows["type"], (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP))
    stops, iceberg = np.isin(rows["type"], STOPS), rows["type"] == OrderType.ICEBERG
    rows["tif"] = np.where(
        stops | iceberg, random.choice(LASTING, count), random.choice([0, 0, 0, 0, 1, 2, 3, 4, 5], count)
    )
    fill(rows, "price", ~unpriced, 100 + random.integers(-30, 31, count))
    fill(rows, "price", some(0.02) & ~unpriced, random.integers(-(10**9), 10**9))
    rows["stp"] = random.choice([0, 0, 0, *StpMode], count)
    fill(rows, "flags", (rows["stp"] != StpMode.NONE) & some(0.3), OrderFlag.STP_GROUP)
    lasting = np.isin(rows["tif"], LASTING)
    posting = lasting & ((rows["type"] == OrderType.LIMIT) | iceberg) & some(0.2)
    rows["flags"] |= np.where(
        posting, random.choice([OrderFlag.POST_ONLY, OrderFlag.POST_ONLY | OrderFlag.SLIDE], count), 0
    ).astype(np.uint8)
    entry = ~stops & ~iceberg & ~posting & (rows["tif"] != TimeInForce.AT_AUCTION)
    whole = entry & some(0.1)
    rows["flags"] |= np.where(whole, OrderFlag.ALL_OR_NONE, 0).astype(np.uint8)
    fill(x, "min_qty", entry & ~whole & some(0.2), random.integers(0, 60, count))
    fill(x, "display_qty", iceberg, np.minimum(random.integers(1, 20, count), rows["qty"]))
    fill(x, "stop_price", stops, 100 + random.integers(-40, 41, count))
    fill(x, "expire_at", rows["tif"] == TimeInForce.GTD, ts_ns + random.integers(1, 3 * BLOCK_ROWS, count))
    fill(x, "valid_until", some(0.1), ts_ns + random.integers(-10, 100, count))
    terse = np.isin(rows["kind"], (CommandKind.CANCEL, CommandKind.AMEND))
    for name in ("flags", "stp"):
        rows[name][terse] = 0
    for name in ("display_qty", "min_qty", "stop_price", "expire_at"):
        x[name][terse] = 0
    fill(rows, "qty", rows["kind"] == CommandKind.AMEND, random.integers(0, 130, count))
    text = some(0.1)
    fill(rows, "ref_form", text, RefForm.TEXT)
    fill(rows, "ref_hi", text, 0x30303030 + random.integers(0, 10, count) * 0x101 + random.integers(0, 10, count))
    stated = (rows["kind"] != CommandKind.CANCEL) & (x.view(np.uint8).reshape(count, -1).any(axis=1) | some(0.1))
    rows["extension"][stated] = 1 + np.flatnonzero(stated)
    for array, share in ((rows, 0.125), (x, 0.0625)):
        raw, hit = array.view(np.uint8).reshape(count, -1), np.flatnonzero(some(share))
        raw[hit, random.integers(0, raw.shape[1], len(hit))] = random.integers(0, 256, len(hit))
    rows["kind"] %= COLD_FIRST
    return rows, x


MIXES = (noise, plausible_noise, nearly_right, nearly_right)


def check_events(rows: np.ndarray, events: np.ndarray) -> None:
    """What holds for the answers to any rows whatever."""
    last = events["flags"] & 1 == 1
    assert np.array_equal(events["command"][last], np.arange(len(rows))), "every row is answered once, in order"
    assert np.array_equal(events["index"] == 0, np.r_[True, last[:-1]]), "indexes start over with each row"
    check_amounts(events)


def check_amounts(events: np.ndarray) -> None:
    """What holds for any events of orders."""
    assert np.isin(events["kind"], KINDS).all() and np.isin(events["reason"], REASONS).all()
    assert (events["leaves"] >= 0).all() and (np.abs(events["price"].astype(np.int64)) <= PRICE_TICKS_MAX).all()
    for kind in (EventKind.FILL, EventKind.CANCELLED, EventKind.REDUCED, EventKind.TRIGGERED):
        amounts = events["qty"][events["kind"] == kind]
        assert ((amounts >= 1) & (amounts <= QTY_LOTS_MAX)).all(), kind.name
    assert (events["reason"][events["kind"] == EventKind.REJECTED] != 0).all()


def known_of(books: Hot, rows: np.ndarray, events: np.ndarray) -> np.ndarray:
    """KNOWN[k] of what is open, and of some that were accepted just now and may have ended since."""
    accepted = events[events["kind"] == EventKind.ACCEPTED][-ENDED_KEPT:]
    newest = np.zeros(len(accepted), KNOWN)
    for name in ("order", "account", "instrument", "side"):
        newest[name] = accepted[name]
    newest["type"] = rows["type"][accepted["command"]]
    views = np.concatenate([books.orders_of(account) for account in ACCOUNTS])
    still = np.zeros(len(views), KNOWN)
    for name in KNOWN.names or ():
        still[name] = views[name]
    return np.concatenate([still, newest])


def meanwhile(random: np.random.Generator, books: Hot, seq: int, ts_ns: int) -> list[np.ndarray]:
    """What happens between two records: orders expire; registers, phases and calls by chance. EVENT blocks."""
    said: dict[str, int] = dict(command=0, first_index=0, ts_ns=ts_ns)
    found = []
    while (due := books.next_expiry()) is not None and due <= ts_ns:
        found.append(books.expire(due, **said))
    instrument, account = int(random.choice(list(BOOKS))), int(random.choice(ACCOUNTS))
    chance = int(random.integers(0, 12))
    books.set_stopped(chance == 7)
    if books.phase(instrument) == Phase.HALTED:
        books.set_phase(instrument, Phase.CALL)
    elif chance == 0:
        books.set_phase(instrument, int(random.choice([Phase.CALL, Phase.PRE_OPEN, Phase.NO_CANCEL, Phase.HALTED])))
    elif chance in (1, 8, 9) and books.phase(instrument) not in (Phase.CONTINUOUS, Phase.HALTED):
        found.append(books.uncross(instrument, *crossing(books, instrument), **said))
        books.set_phase(instrument, Phase.CONTINUOUS)
        found.append(books.elect(instrument, seq=seq, **said))
    elif chance == 2:
        low, high = sorted(random.integers(60, 140, 2).tolist())
        wide = random.random() < 0.5
        books.set_collar(instrument, -PRICE_TICKS_MAX if wide else low, PRICE_TICKS_MAX if wide else high)
    elif chance == 3:
        most = [int(x) for x in random.choice([0, 0, 0, 10**6, 2**62], 2)]
        books.set_limits(account, int(random.integers(0, 2)), buy_max=most[0], sell_max=most[1],
                         orders_max=int(random.choice([0, 0, 0, 300])))  # fmt: skip
    elif chance == 4:
        books.add_stock(account, 301, int(random.integers(-(10**9), 10**9)))
    elif chance == 5:
        which = Which(account if random.random() < 0.5 else 0, instrument if random.random() < 0.7 else 0,
                      int(random.choice([0, 1, 255])), int(random.choice([0, 3, 255])))  # fmt: skip
        found.append(books.cancel(which, Reason.BY_MASS_CANCEL, **said))
        assert not books.has_orders(which)
    elif chance == 6:
        books.sweep_client_ids(ts_ns + CLIENT_ID_MEMORY_NS)
    if len(books.orders_of(account)) > OPEN_MOST // len(ACCOUNTS):
        found.append(books.cancel(Which(account=account), Reason.BY_OPERATOR, **said))
    return found


def crossing(books: Hot, instrument: int) -> tuple[int | None, int]:
    """A limit at which most lots trade, and how many."""
    curve = books.curve(instrument)
    demand = np.cumsum(curve.buy_lots[::-1])[::-1] + curve.unpriced_buy_lots
    volumes = np.minimum(demand, np.cumsum(curve.sell_lots) + curve.unpriced_sell_lots)
    if not len(volumes) or not volumes.max():
        return None, 0
    return int(curve.prices_ticks[volumes.argmax()]), int(volumes.max())


def reloaded(make: Maker, books: Hot) -> Hot:
    """Other books, which say the same."""
    again, told = make(books.space), books.sections()
    again.load(told)
    for name, part in again.sections().items():
        other = told[name]
        assert (part if isinstance(part, bytes) else part.tobytes()) == (
            other if isinstance(other, bytes) else other.tobytes()
        ), name
    return again


def fuzz(count: int, seed: int = 1, make: Maker = Books) -> dict[str, object]:
    """Feed `count` rows. Raises AssertionError (Unsound is one) at the first answer or array that is wrong.

    What `make` makes is not seen in the answer's hash: the oracle's is the same.
    """
    random = np.random.default_rng(seed)
    books = venue(make)
    totals, rejected, digest, done = np.zeros(256, np.int64), np.zeros(1 << 16, np.int64), blake2b(digest_size=8), 0
    known = np.zeros(0, KNOWN)
    start = perf_counter()
    blocks = -(-count // BLOCK_ROWS)
    for block in range(blocks):
        mix = MIXES[block % len(MIXES)]
        rows, extensions = mix(random, min(BLOCK_ROWS, count - done), known, done)
        for between in meanwhile(random, books, 1 + done, done):
            check_amounts(between)
            digest.update(between.tobytes())
        stop, events = books.run(rows, extensions, None, 0, first_seq=1 + done, ts_ns=done)
        assert stop == len(rows)
        check_events(rows, events)
        if mix is noise:
            assert (events["kind"] == EventKind.REJECTED).all(), "noise is refused"
        known = known_of(books, rows, events)
        totals += np.bincount(events["kind"], minlength=256)
        rejected += np.bincount(events["reason"][events["kind"] == EventKind.REJECTED], minlength=1 << 16)
        digest.update(events.tobytes())
        done += len(rows)
        if block % max(1, blocks // AUDITS) == 0:
            if isinstance(books, Books):
                audit(books)
            books = reloaded(make, books)
    if isinstance(books, Books):
        audit(books)
    for name, part in books.canonical():
        digest.update(name.encode() + part)
    return {
        "rows": done,
        "rejected": int(rejected.sum()),
        "reasons": int(np.count_nonzero(rejected)),
        "events": {kind.name.lower(): int(totals[kind]) for kind in EventKind if totals[kind]},
        "seconds": round(perf_counter() - start, 1),
        "hash": digest.hexdigest(),
        "seed": seed,
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench fuzz_rows", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000, help="rows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--oracle", action="store_true", help="and the oracle answers the same")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    answer = fuzz(options.count, options.seed)
    if options.oracle:
        assert fuzz(options.count, options.seed, Oracle)["hash"] == answer["hash"], "kernel and oracle differ"
    print(json.dumps(answer) if options.json else "  ".join(f"{name} {value}" for name, value in answer.items()))
