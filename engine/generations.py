"""Generations of the rules, and the migration of a state from one to the next.

A release that changes what a log means ends a generation and opens the next. Records of an older one are verified by
the release that wrote them and never applied by this one; only the state at their end is brought over, and the first
record after it (GENERATION) names it by its hash before and after.

    1  the first
    2  each account has a share of the streams and text ids that are remembered. An account that had more keeps what it
       has and gets no more until it is below; nothing is forgotten early
    3  the complete core: every type of order, limits, stock, groups and classes, collars and extensions, instruments
       that change and end, mass cancels, the kill switch. What there was has none of it; a book's newest price is not
       known before its next fill; currencies are numbered by their first instrument
    4  sales of every mechanism. A Helmsman sale of before is an English sale of version 1, open to all, its clock over
       all lots; the bids on it have no sequence, so none of them can be voided. Of equal maxima that do not lead, which
       came first is not known: it decides nothing while the leader's cannot be voided

`MIGRATIONS` holds one step for each older generation. A step takes a whole snapshot and gives one of the next: it
checks that the sections are the state that the snapshot's hash says, under the rules it was made by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from engine.codes import GENERATION
from engine.limits import PRICE_TICKS_MAX
from engine.log.snapshot import BadSnapshot, Snapshot, section_group, snapshot_name
from engine.state.canonical import hash_of
from engine.state.canonical_form import ordered
from engine.state.hot import (
    ACCOUNT_VIEW,
    BOOK_VIEW,
    CLIENT_ID_VIEW,
    EXTRA_VIEW,
    LIMIT_VIEW,
    ORDER_VIEW,
    SLOTS_VIEW,
    STOCK_VIEW,
    STREAM_VIEW,
)
from engine.state.sections import FORMS, canonical_parts

# Forms of generations 1 and 2. What is not named here has the same form in 3.
BOOK_1 = np.dtype(
    [
        ("instrument", "<u4"),
        ("phase", "<u4"),
        ("multiplier", "<i8"),
        ("price_min", "<i8"),
        ("price_max", "<i8"),
        ("qty_max", "<i8"),
        ("buy_orders", "<i8"),
        ("sell_orders", "<i8"),
    ]
)
FORMS_1: dict[str, np.dtype | None] = {
    "books": BOOK_1,
    "orders": ORDER_VIEW,
    "accounts": np.dtype("<u4"),
    "streams": STREAM_VIEW,
    "client_ids": CLIENT_ID_VIEW,
    "texts": None,
    "slots": SLOTS_VIEW,
    "lives": np.dtype("<u4"),
    "ring": np.dtype("<i4"),
}
COLD_SECTIONS_1 = (
    "config", "accounts", "keys", "revoked_keys", "instruments", "calendars", "schedule_keys", "timers", "sales",
    "remembered",
)  # fmt: skip
COLD_SECTIONS_3 = (
    "config", "accounts", "keys", "revoked_keys", "account_limits", "currencies", "instruments", "delisted",
    "calendars", "schedule_keys", "timers", "stop", "extensions", "cancel_after", "corrections", "sales", "remembered",
)  # fmt: skip
# What is new in 3, as it stands where nothing has used it.
NEW_IN_ACCOUNT_3 = {"group": 0, "coop": False, "frozen": False}
NEW_IN_INSTRUMENT_3 = {
    "deposit": False, "classes": False, "collar_floor": 0, "collar_bps": 0, "extension_ns": 0, "extensions_max": 0,
    "widen_bps": 0, "after_extensions": "print", "call_seq": 0,
}  # fmt: skip
NEW_IN_TIMER_3 = {"random_ns": 0, "announced_ns": 0, "seed": b""}
NEW_COLD_3: dict[str, Any] = {
    "account_limits": [], "delisted": [], "stop": [None, []], "extensions": [], "cancel_after": [], "corrections": [],
}  # fmt: skip
COLD_SECTIONS_4 = (*COLD_SECTIONS_3[:-1], "awards", "auction_lots", "seasons", "remembered")
# What is new in 4, as it stands where nothing has used it.
NEW_COLD_4: dict[str, Any] = {"awards": [], "auction_lots": [], "seasons": []}
NO_AFTER_4 = [0, "accepted", 0, "unsold", 0, False, ["", "", 300, 0, "", "", "", "", "", "", "", []]]
_LIVE, _FINISHED, _PENDING = 4, 5, 1  # SaleStage, SaleStage, SaleState
_SORTED = msgspec.msgpack.Encoder(order="deterministic")


class OtherGeneration(Exception):
    """What is here was made under other rules than this release's."""

    def __init__(self, what: str, generation: int) -> None:
        whose = "the release that wrote it" if generation < GENERATION else "a newer release"
        super().__init__(f"{what} is of generation {generation}, this release applies {GENERATION}: it takes {whose}")
        self.generation = generation


def migrated(snapshot: Snapshot) -> Snapshot:
    """The snapshot of an older generation as one of this. Raises BadSnapshot when it is not what its hash says;
    OtherGeneration for one that no step leads from."""
    before = snapshot.generation, snapshot.state_hash
    while snapshot.generation != GENERATION:
        step = MIGRATIONS.get(snapshot.generation)
        if step is None:
            raise OtherGeneration(f"snapshot {snapshot_name(snapshot.number)}", snapshot.generation)
        snapshot = step(snapshot)
    return replace(snapshot, migrated=before)


def _from_1(snapshot: Snapshot) -> Snapshot:
    """Sections stay as they are: how much each account holds is counted when they are loaded."""
    _check(snapshot, _parts_1)
    return replace(snapshot, generation=2, state_hash=_hash(2, snapshot, _parts_1))


def _from_2(snapshot: Snapshot) -> Snapshot:
    _check(snapshot, _parts_1)
    cold = section_group(snapshot.sections, "cold/")
    listings = msgspec.msgpack.decode(cold["instruments"])
    currencies: dict[str, int] = {}
    for listing in listings:
        number = currencies.setdefault(listing["currency"], len(currencies) + 1)
        listing |= NEW_IN_INSTRUMENT_3 | {"currency_number": number}
    hot = _hot_3(section_group(snapshot.sections, "hot/"))
    hot["books"]["currency"] = [listing["currency_number"] for listing in listings]
    cold |= _cold_3(cold, listings, currencies)
    sections = snapshot.sections | {f"hot/{name}": part for name, part in hot.items()}
    sections |= {f"cold/{name}": part for name, part in cold.items()}
    new = replace(snapshot, generation=3, sections=sections)
    return replace(new, state_hash=_hash(3, new, _parts_3))


def _hot_3(old: dict[str, Any]) -> dict[str, Any]:
    books = np.zeros(len(old["books"]), BOOK_VIEW)
    for name in BOOK_1.names or ():
        books[name] = old["books"][name]
    books["collar_low"], books["collar_high"] = -PRICE_TICKS_MAX, PRICE_TICKS_MAX
    accounts = np.zeros(len(old["accounts"]), ACCOUNT_VIEW)
    accounts["account"] = old["accounts"]
    empty = {"extras": EXTRA_VIEW, "limits": LIMIT_VIEW, "stock": STOCK_VIEW}
    new = {name: np.zeros(0, form) for name, form in empty.items()}
    return old | new | {"books": books, "accounts": accounts, "switches": np.zeros(1, np.uint8)}


def _cold_3(old: dict[str, bytes], listings: list[Any], currencies: dict[str, int]) -> dict[str, bytes]:
    """The sections that change. Plain values, not the structs of today: what this step does never changes."""
    accounts, (last_id, timers) = map(msgspec.msgpack.decode, (old["accounts"], old["timers"]))
    told = {
        "accounts": [account | NEW_IN_ACCOUNT_3 for account in accounts],
        "timers": [last_id, [timer | NEW_IN_TIMER_3 for timer in timers]],
    }
    by_key = NEW_COLD_3 | {"instruments": listings, "currencies": sorted(currencies.items())}
    # Fields of structs stand in their own order, those of an instrument by name.
    return {name: msgspec.msgpack.encode(part) for name, part in told.items()} | {
        name: _SORTED.encode(part) for name, part in by_key.items()
    }


def _from_3(snapshot: Snapshot) -> Snapshot:
    _check(snapshot, _parts_3)
    sales = [_sale_4(one) for one in msgspec.msgpack.decode(_cold(snapshot, "sales"))]
    sections = snapshot.sections | {"cold/sales": msgspec.msgpack.encode(ordered(sales))}
    sections |= {f"cold/{name}": _SORTED.encode(part) for name, part in NEW_COLD_4.items()}
    new = replace(snapshot, generation=4, sections=sections)
    return replace(new, state_hash=_hash(4, new, _parts_4))


def _sale_4(old: dict[str, Any]) -> dict[str, Any]:
    """A Helmsman sale as an English one. Plain values, as above."""
    (
        number, title, lots, opening, increment, clock_ns, open_until_ns, tick_size, price_unit, currency, numerator,
        denominator,
    ) = old["terms"]  # fmt: skip
    finished, pending = old["state"] == 2, old["state"] == _PENDING
    market = {
        "type": "english",
        "lots": [_lot_4(at, lot, finished) for at, lot in enumerate(old["lots"], 1)],
        "clocks": {0: {"due_ns": old["clock_due_ns"], "timer": old["timer"] if pending else 0}},
        "open_until_ns": old["open_until_ns"],
        "open_timer": 0 if finished or pending else old["timer"],
        "stop_ns": 0,
        "stop_timer": 0,
        "waiting": [],
        "bids_taken": sum(len(lot["maxima"]) for lot in old["lots"]),
    }
    english = [
        "english", opening, [[0, increment]], clock_ns, open_until_ns, "helmsman", "all", 0, 0, 0, False,
    ]  # fmt: skip
    return {
        "terms": [
            number, 1, title, [tick_size, price_unit, currency, numerator, denominator], [0, 0, 0, 0],
            [[*lot, 0, 0, 0, 0, False, 0] for lot in lots], english, 0, "open", b"", False,
            NO_AFTER_4,
        ],
        "stage": _FINISHED if finished else _LIVE,
        "state": old["state"],
        "market": market,
        "bidders": {},
        "stage_timer": 0,
        "stage_due_ns": 0,
        "delay_ns": 0,
        "ended_by_operator": old["ended_by_operator"],
        "sold": {at: lot["sold_bags"] for at, lot in enumerate(market["lots"], 1) if lot["sold_bags"]},
        "awards": {},
    }  # fmt: skip


def _lot_4(number: int, old: dict[str, Any], finished: bool) -> dict[str, Any]:
    """The leader's bid first, then the others upwards: the order that gives this price and this leader."""
    bags, leader = old["terms"][2], old["leader"]
    bids = sorted(old["maxima"], key=lambda one: (one[0] != leader, one[1], one[0]))
    sold = finished and not old["passed_in"] and old["price"] is not None
    return {
        "price": old["price"],
        "leader": leader,
        "bids": old["bids"],
        "closed": finished or old["passed_in"],
        "sold_bags": bags if sold else 0,
        "placed": [[0, account, number, maximum, 0, 0, False] for account, maximum in bids],
        "standing": {account: [maximum, 0, 0, 0, 0, bags if account == leader else 0] for account, maximum in bids},
        "runner_up": old["runner_up"],
    }


Parts = Callable[[Snapshot], Iterator[tuple[str, bytes]]]


def _parts_1(snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    """What the state hash of generations 1 and 2 reads."""
    hot = section_group(snapshot.sections, "hot/", FORMS_1)
    orders, at = hot["orders"], 0
    for head in hot["books"]:
        end = at + int(head["buy_orders"]) + int(head["sell_orders"])
        yield f"book/{head['instrument']}", head.tobytes() + orders[at:end].tobytes()
        at = end
    for name in ("streams", "client_ids", "texts"):
        yield name, bytes(hot[name])
    cold = section_group(snapshot.sections, "cold/")
    for name in COLD_SECTIONS_1:
        yield name, cold[name]


def _parts_3(snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    yield from canonical_parts(section_group(snapshot.sections, "hot/", FORMS))
    for name in COLD_SECTIONS_3:
        yield name, _cold(snapshot, name)


def _parts_4(snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    yield from canonical_parts(section_group(snapshot.sections, "hot/", FORMS))
    for name in COLD_SECTIONS_4:
        yield name, _cold(snapshot, name)


def _cold(snapshot: Snapshot, name: str) -> bytes:
    part = snapshot.sections[f"cold/{name}"]
    assert isinstance(part, bytes)
    return part


def _check(snapshot: Snapshot, parts: Parts) -> None:
    """Raises BadSnapshot when the sections are not the state that the snapshot's hash says."""
    generation = snapshot.generation
    if _hash(generation, snapshot, parts) != snapshot.state_hash:
        why = f"its state has another hash under the rules of generation {generation}"
        raise BadSnapshot(snapshot_name(snapshot.number), why)


def _hash(generation: int, snapshot: Snapshot, parts: Parts) -> bytes:
    try:
        return hash_of(generation, snapshot.seq, snapshot.ts_ns, parts(snapshot))
    except (KeyError, ValueError) as error:
        raise BadSnapshot(snapshot_name(snapshot.number), f"its sections are no state: {error}") from error


MIGRATIONS: dict[int, Callable[[Snapshot], Snapshot]] = {1: _from_1, 2: _from_2, 3: _from_3}
assert set(MIGRATIONS) == set(range(1, GENERATION)), "every older generation has a way on"
