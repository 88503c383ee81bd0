"""Every invariant of the arrays, checked one by one in plain Python. Tests run it after each flow, a live venue may.

Read it as the definition of a sound state: what the kernels may rely on and must leave behind.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.codes import RefForm
from engine.kernels.constants import LIVE, NAMED, RANK_NONE, REF_FORM_MASK, REF_FORM_SHIFT, SIDES, STOPS, UNPRICED
from engine.state.audit_terms import (
    Unsound,
    audit_books,
    audit_chains,
    audit_extras,
    audit_holdings,
    hidden_of,
    place_of,
    rank_of,
)
from engine.state.audit_terms import check as _check
from engine.state.books import Books
from engine.state.layout import NOTHING, State, entries_of

__all__ = ["Unsound", "audit"]


def audit(books: Books) -> None:
    """Raise Unsound unless every invariant of `books` holds. Cost: a few microseconds per order, level and id."""
    s = books.state
    _check(s.meta[0]["taker"] == NOTHING, "a command is half applied")
    audit_extras(s)
    seen: dict[int, int] = {}  # slot -> side
    single_levels: list[int] = []
    for side in range(len(s.sides)):
        _audit_side(s, side, seen, single_levels)
    _audit_slots(s, seen)
    audit_books(s)
    audit_holdings(s)
    audit_chains(s)
    _audit_arenas(s, single_levels)
    _audit_streams(s)
    _audit_client_ids(s)


def _audit_side(s: State, side: int, seen: dict[int, int], single_levels: list[int]) -> None:
    v = s.sides[side]
    where = f"side {side}"
    if not s.books[side // SIDES]["listed"]:
        _check(v["orders"] == 0 and v["ticks"] == 0, f"{where}: not listed, not empty")
        return
    levels = _levels_in_window(s, side) + _far_levels(s, side, single_levels)
    levels.sort()
    ranks = [rank for rank, _ in levels]
    _check(len(set(ranks)) == len(ranks), f"{where}: a rank has two levels")
    _check(int(v["best"]) == (ranks[0] if ranks else RANK_NONE), f"{where}: best is stale")
    total = orders = 0
    for rank, level in levels:
        q = s.levels[level]
        _check(int(q["rank"]) == rank and q["count"] > 0, f"{where}: level {level} has another rank or no orders")
        for slot in _chain(s, level, side, seen):
            unpriced = bool(s.orders[slot]["flags"] & UNPRICED)
            _check(not unpriced or side % SIDES >= STOPS, f"slot {slot}: unpriced on the ladder")
            _check(rank_of(s, slot) == rank, f"slot {slot}: on the level of another price")
        total, orders = total + int(q["total"]), orders + int(q["count"])
    if v["unpriced"] != NOTHING:
        level = int(v["unpriced"])
        _check(side % SIDES < STOPS, f"{where}: stops that wait for nothing")
        single_levels.append(level)
        for slot in _chain(s, level, side, seen):
            o = s.orders[slot]
            _check(bool(o["flags"] & UNPRICED) and o["price"] == 0, f"slot {slot}: priced among the unpriced")
        total, orders = total + int(s.levels[level]["total"]), orders + int(s.levels[level]["count"])
    _check(int(v["total"]) == total and int(v["orders"]) == orders, f"{where}: totals are not those of its levels")


def _levels_in_window(s: State, side: int) -> list[tuple[int, int]]:
    v = s.sides[side]
    ticks, level0, bits0 = int(v["ticks"]), int(v["level0"]), int(v["bits0"])
    if ticks == 0:
        return []
    _check(ticks & (ticks - 1) == 0, f"side {side}: window of {ticks}")
    taken = np.flatnonzero(s.levels["count"][level0 : level0 + ticks])
    words, groups = ticks >> 6, (ticks + 4095) >> 12
    tiers = [s.bits[bits0 : bits0 + words], s.bits[bits0 + words : bits0 + words + groups]]
    tiers.append(s.bits[bits0 + words + groups : bits0 + words + groups + 1])
    expected = taken
    for tier in tiers:
        as_bits = np.unpackbits(tier.view(np.uint8), bitorder="little")
        _check(np.array_equal(np.flatnonzero(as_bits), expected), f"side {side}: bitmap differs from the levels")
        expected = np.unique(expected >> 6)
    return [(int(v["rank0"]) + int(offset), level0 + int(offset)) for offset in taken]


def _far_levels(s: State, side: int, single_levels: list[int]) -> list[tuple[int, int]]:
    v = s.sides[side]
    at, count = int(v["far_at"]), int(v["far_count"])
    _check(0 <= count <= v["far_capacity"], f"side {side}: far levels over their capacity")
    entries = s.far[at : at + count]
    ranks = entries["rank"].astype(np.int64)
    _check(bool(np.all(np.diff(ranks) < 0)), f"side {side}: far levels out of order")
    offsets = ranks - int(v["rank0"])
    _check(not np.any((offsets >= 0) & (offsets < int(v["ticks"]))), f"side {side}: a far level belongs in the window")
    single_levels.extend(entries["level"].tolist())
    return list(zip(ranks.tolist(), entries["level"].tolist(), strict=True))


def _chain(s: State, level: int, side: int, seen: dict[int, int]) -> list[int]:
    """Slots of a level from head to tail, with links, owners and totals checked."""
    q = s.levels[level]
    slots: list[int] = []
    lots, hidden, before, slot = 0, 0, NOTHING, int(q["head"]) if q["count"] else NOTHING
    while slot != NOTHING:
        o = s.orders[slot]
        _check(slot not in seen, f"slot {slot}: in two places")
        seen[slot] = side
        _check(bool(o["flags"] & LIVE) and o["qty"] > 0, f"slot {slot}: a dead order in level {level}")
        _check(int(o["prev"]) == before, f"slot {slot}: prev link")
        _check(place_of(s, slot) == side, f"slot {slot}: on another side")
        lots, hidden = lots + int(o["qty"]), hidden + hidden_of(s, slot)
        slots.append(slot)
        before, slot = slot, int(o["next"])
    _check(len(slots) == q["count"] and lots == q["total"], f"level {level}: count or total")
    _check(hidden == q["hidden"], f"level {level}: lots hidden")
    _check(not slots or int(q["tail"]) == before, f"level {level}: tail")
    return slots


def _audit_slots(s: State, seen: dict[int, int]) -> None:
    m = s.meta[0]
    fresh, issued, ring_count = int(m["slots_fresh"]), int(m["slots_issued"]), int(m["ring_count"])
    _check(fresh <= issued <= len(s.orders) == len(s.cold) == len(s.links), "slots issued beyond the arrays")
    live = np.flatnonzero(s.orders["flags"]).tolist()
    _check(set(live) == set(seen) and len(live) == m["orders_open"], "live orders are not those of the books")
    ring = [int(s.ring[(int(m["ring_first"]) + i) % len(s.ring)]) for i in range(ring_count)]
    retired = np.flatnonzero((s.orders["generation"] >= int(m["generations_max"])) & (s.orders["flags"] == 0))
    _check(len(set(ring)) == ring_count, "a slot is twice in the ring")
    _check(
        sorted([*ring, *live, *retired.tolist()]) == list(range(fresh)),
        "every slot used so far is live, in the ring or retired",
    )
    _check(bool(np.all(s.orders["generation"][fresh:] == 0)), "a fresh slot has lived")


def _audit_arenas(s: State, single_levels: list[int]) -> None:
    m = s.meta[0]
    spare = int(m["level_spare"])
    while spare != NOTHING:
        single_levels.append(spare)
        spare = int(s.levels[spare]["head"])
    _check(len(set(single_levels)) == len(single_levels), "a single level has two owners")
    spans = [(level, 1) for level in single_levels]
    spans += [(int(v["level0"]), int(v["ticks"])) for v in s.sides if v["ticks"]]
    spans.sort()
    _check(all(a + n <= b for (a, n), (b, _) in pairwise(spans)), "windows overlap")
    _check(not spans or sum(spans[-1]) <= m["levels_used"] <= len(s.levels), "levels beyond their arena")
    vectors = sorted((int(v["far_at"]), int(v["far_capacity"])) for v in s.sides if v["far_capacity"])
    _check(all(a + n <= b for (a, n), (b, _) in pairwise(vectors)), "far vectors overlap")
    _check(not vectors or sum(vectors[-1]) <= m["far_used"] <= len(s.far), "far levels beyond their arena")


def _audit_streams(s: State) -> None:
    used = s.stream_keys[s.stream_keys != 0]
    _check(len(used) == s.meta[0]["streams"] == len(set(used.tolist())), "streams counted wrongly")
    _check(bool(np.all(s.stream_last[s.stream_keys != 0] > 0)), "a stream without a number")
    counted = np.bincount(used >> 32, minlength=len(s.accounts))
    _check(np.array_equal(counted, s.accounts["streams"]), "streams of an account counted wrongly")


def _audit_client_ids(s: State) -> None:
    m = s.meta[0]
    entries = entries_of(s.id_index).tolist()
    _check(len(entries) == m["ids"] == len(set(entries)), "client ids counted wrongly")
    counted = np.bincount(s.ids["account"][entries], minlength=len(s.accounts))
    _check(np.array_equal(counted, s.accounts["ids"]), "client ids of an account counted wrongly")
    free: list[int] = []
    entry = int(m["ids_free"])
    while entry != NOTHING:
        free.append(entry)
        entry = int(s.ids[entry]["next"])
    _check(sorted([*entries, *free]) == list(range(int(m["ids_fresh"]))), "a client id is lost")
    closed: list[int] = []
    entry, last_ns = int(m["closed_first"]), -1
    while entry != NOTHING:
        closed.append(entry)
        at = int(s.ids[entry]["closed_ns"])
        _check(at >= last_ns >= -1, "closed client ids out of order")
        last_ns, entry = at, int(s.ids[entry]["next"])
    open_ids: list[int] = []
    for slot in np.flatnonzero(s.orders["flags"] & NAMED).tolist():
        entry = int(s.links[slot]["named"])
        entry = entry if entry >= 0 else -2 - entry
        while entry != NOTHING:
            e = s.ids[entry]
            _check(int(e["order"]) & 0xFFFFFFFF == slot and e["closed_ns"] == NOTHING, f"client id {entry}: its order")
            _check(e["account"] == s.orders[slot]["account"], f"client id {entry}: its account")
            open_ids.append(entry)
            entry = int(e["next"])
    _check(sorted([*closed, *open_ids]) == sorted(entries), "a client id is neither closed nor of an open order")
    for slot in np.flatnonzero(s.orders["flags"]).tolist():
        form = int(s.orders[slot]["flags"]) >> REF_FORM_SHIFT & REF_FORM_MASK
        named = bool(s.orders[slot]["flags"] & NAMED)
        _check(named or form not in (RefForm.TEXT, RefForm.DIGEST), f"slot {slot}: its client id is gone")
