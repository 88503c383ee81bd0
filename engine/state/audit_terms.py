"""Invariants of what only some orders have: extras, expiry, hidden lots, waiting stops, limits and stock, own chains.

A part of `engine.state.audit`, which calls these.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from engine.codes import BookFlag, OrderType, Side, TimeInForce
from engine.kernels.constants import CHAINED, EXTRA, HELD, SIDES, STOPS, UNPRICED
from engine.kernels.holdings import USED_BITS
from engine.limits import SIDE_TOTAL_LOTS_MAX
from engine.state.layout import NOTHING, State

UNPRICED_TYPES = (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP)


class Unsound(AssertionError):
    """The arrays contradict each other. The message names what and where."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Unsound(what)


def place_of(s: State, slot: int) -> int:
    """The side on which an order stands."""
    o = s.orders[slot]
    return SIDES * int(o["instrument"]) + int(o["side"]) + (STOPS if is_waiting(s, slot) else 0)


def is_waiting(s: State, slot: int) -> bool:
    return bool(s.orders[slot]["flags"] & EXTRA) and bool(s.extras[s.links[slot]["extra"]]["waiting"])


def rank_of(s: State, slot: int) -> int:
    """Rank of the level on which a priced order, or a stop that waits, must stand."""
    o, side = s.orders[slot], place_of(s, slot)
    price = int(s.extras[s.links[slot]["extra"]]["stop_price"]) if is_waiting(s, slot) else int(o["price"])
    rank = price if side % SIDES in (Side.SELL, STOPS + Side.BUY) else -price
    if s.sides[side]["classes"]:
        rank = 2 * rank + (0 if s.accounts[o["account"]]["coop"] else 1)
    return rank


def hidden_of(s: State, slot: int) -> int:
    """Lots of an order that are not shown."""
    o = s.orders[slot]
    if not o["flags"] & EXTRA or is_waiting(s, slot):
        return 0
    x = s.extras[s.links[slot]["extra"]]
    return int(o["qty"]) - int(x["shown"]) if x["type"] == OrderType.ICEBERG else 0


def audit_extras(s: State) -> None:
    """Each row has one order, each order its row; what it says fits the order."""
    m, owners = s.meta[0], {}
    for slot in np.flatnonzero(s.orders["flags"] & EXTRA).tolist():
        row, o = int(s.links[slot]["extra"]), s.orders[slot]
        check(0 <= row < m["extras_used"] and row not in owners, f"slot {slot}: its extra is another's")
        owners[row] = slot
        x = s.extras[row]
        check(int(x["order"]) == int(o["generation"]) << 32 | slot, f"slot {slot}: its extra names another order")
        check(x["type"] in list(OrderType) and x["tif"] in list(TimeInForce), f"slot {slot}: type or tif")
        check(x["tif"] not in (TimeInForce.IOC, TimeInForce.FOK), f"slot {slot}: ioc or fok at rest")
        check((x["type"] in UNPRICED_TYPES) == bool(o["flags"] & UNPRICED), f"slot {slot}: type and price")
        check(bool(x["waiting"]) == (x["type"] in (OrderType.STOP, OrderType.STOP_LIMIT)), f"slot {slot}: a stop waits")
        if x["type"] == OrderType.ICEBERG:
            shown = 1 <= x["shown"] <= min(int(x["peak"]), int(o["qty"]))
            check(shown, f"slot {slot}: an iceberg of {o['qty']} shows {x['shown']} of {x['peak']}")
    free: list[int] = []
    row = int(m["extra_free"])
    while row != NOTHING:
        free.append(row)
        row = int(s.extras[row]["heap_place"])
    check(sorted([*owners, *free]) == list(range(int(m["extras_used"]))), "a row of extras is lost")
    check(int(m["extras_used"]) <= len(s.extras) <= len(s.expiries), "extras beyond their array")
    _audit_expiries(s, [row for row in owners if s.extras[row]["tif"] == TimeInForce.GTD])
    _audit_auction_orders(s, [row for row in owners if s.extras[row]["tif"] == TimeInForce.AT_AUCTION])


def _audit_expiries(s: State, expected: list[int]) -> None:
    rows = s.expiries[: int(s.meta[0]["expiries"])].tolist()
    check(sorted(rows) == sorted(expected), "the heap of expiries is not the gtd orders")
    keys = [(int(s.extras[row]["expire_at"]), int(s.extras[row]["order"])) for row in rows]
    for place, row in enumerate(rows):
        check(int(s.extras[row]["heap_place"]) == place, f"extra {row}: its place in the heap")
        check(place == 0 or keys[(place - 1) >> 1] < keys[place], f"extra {row}: expires before its parent")


def _audit_auction_orders(s: State, expected: list[int]) -> None:
    """Each order for one uncross is in the list of its book, linked both ways, and nothing else is."""
    found: list[int] = []
    for instrument in range(len(s.books)):
        before, link = 0, int(s.books[instrument]["at_auction"])
        while link and len(found) <= len(expected):
            x = s.extras[link - 1]
            check(int(x["auction_prev"]) == before, f"extra {link - 1}: what comes before it")
            book = int(s.orders[int(x["order"]) & 0xFFFFFFFF]["instrument"])
            check(book == instrument, f"extra {link - 1}: in the list of another book")
            found.append(link - 1)
            before, link = link, int(x["auction_next"])
    check(sorted(found) == sorted(expected), "the lists of orders for one uncross are not those orders")


def audit_books(s: State) -> None:
    """What a book sums up of its sides."""
    for instrument in np.flatnonzero(s.books["listed"]).tolist():
        b, sides = s.books[instrument], s.sides[SIDES * instrument : SIDES * (instrument + 1)]
        check(int(b["stops"]) == int(sides["orders"][STOPS:].sum()), f"book {instrument}: stops counted wrongly")
        for side in Side:
            waiting = int(sides[STOPS + side]["total"])
            check(int(sides[side]["waiting"]) == waiting, f"book {instrument}: lots of waiting stops")
            check(int(sides[side]["total"]) + waiting <= SIDE_TOTAL_LOTS_MAX, f"book {instrument}: too many lots")
            classed = bool(b["flags"] & BookFlag.CLASSES)
            check(bool(sides[side]["classes"]) == classed, f"book {instrument}: classes of a side")


def _worth(s: State, slot: int) -> int:
    o, b = s.orders[slot], s.books[s.orders[slot]["instrument"]]
    widest = max(abs(int(b["price_min"])), abs(int(b["price_max"])))
    return (widest if o["flags"] & UNPRICED else abs(int(o["price"]))) * int(b["multiplier"]) * int(o["qty"])


def audit_holdings(s: State) -> None:
    """Limits and stock are the sums over open orders."""
    used: Counter[tuple[int, int, int]] = Counter()  # (account, currency, side)
    orders: Counter[tuple[int, int]] = Counter()
    promised: Counter[int] = Counter()  # by key of stock
    in_book: Counter[int] = Counter()
    deposited: Counter[int] = Counter()
    limit_keys = s.limits["key"][s.limits["key"] != 0].tolist()
    for slot in np.flatnonzero(s.orders["flags"]).tolist():
        o, b = s.orders[slot], s.books[s.orders[slot]["instrument"]]
        account, currency = int(o["account"]), int(b["currency"])
        orders[account, currency] += 1
        used[account, currency, int(o["side"])] += _worth(s, slot)
        held = (account << 32 | currency) in limit_keys
        if b["flags"] & BookFlag.DEPOSIT:
            key = account << 32 | int(o["instrument"])
            in_book[key] += 1
            promised[key] += int(o["qty"]) if o["side"] == Side.SELL else 0
            held = True
        check(bool(o["flags"] & HELD) or not held, f"slot {slot}: holds nothing, but should")
    check(len(limit_keys) == s.meta[0]["limits"] == len(set(limit_keys)), "limits counted wrongly")
    limited = np.flatnonzero(s.accounts["limited"]).tolist()
    check(limited == sorted({key >> 32 for key in limit_keys}), "an account is limited without a limit, or the reverse")
    for row in s.limits[s.limits["key"] != 0]:
        account, currency = int(row["key"]) >> 32, int(row["key"]) & 0xFFFFFFFF
        where = f"limit of account {account}, currency {currency}"
        check(int(row["orders"]) == orders[account, currency], f"{where}: orders")
        for side, name in zip(Side, ("buy_used", "sell_used"), strict=True):
            low, high = int(row[name]), int(row[f"{name}_high"])
            check(0 <= low < 1 << USED_BITS, f"{where}: a low word")
            check((high << USED_BITS) + low == used[account, currency, side], f"{where}: {name}")
    stock = s.stocks[s.stocks["key"] != 0]
    keys = stock["key"].tolist()
    check(len(keys) == s.meta[0]["stocks"] == len(set(keys)), "rows of stock counted wrongly")
    check(set(in_book) <= set(keys), "an order in a book of deposits has no row of stock")
    for row in stock:
        key, lots = int(row["key"]), int(row["lots"])
        where = f"stock of account {key >> 32} in {key & 0xFFFFFFFF}"
        check(int(row["orders"]) == in_book[key], f"{where}: orders")
        check(int(row["reserved"]) == promised[key] <= lots, f"{where}: lots promised")
        check(lots > 0 or in_book[key] > 0, f"{where}: empty")
        deposited[key & 0xFFFFFFFF] += lots
    for instrument, row in enumerate(s.books):
        check(int(row["deposited"]) == deposited[instrument], f"book {instrument}: lots deposited")
        check(deposited[instrument] <= SIDE_TOTAL_LOTS_MAX, f"book {instrument}: too many lots deposited")


def audit_chains(s: State) -> None:
    """Once they are kept, every open order is in its owner's chain; before, none is in any."""
    m = s.meta[0]
    live = np.flatnonzero(s.orders["flags"]).tolist()
    if not m["chained"]:
        check(not np.any(s.orders["flags"] & CHAINED), "an order is in a chain that is not kept")
        return
    check(bool(np.all(s.orders["flags"][live] & CHAINED)), "an order is in no chain")
    used = np.flatnonzero(s.chain_keys).tolist()
    check(len(used) == m["chains"] <= len(s.chain_keys) // 2, "chains counted wrongly")
    seen: set[int] = set()
    for place in used:
        key, before, slot = int(s.chain_keys[place]), NOTHING, int(s.chain_heads[place])
        owner, instrument, side, is_group = key >> 18, key >> 2 & 0xFFFF, key >> 1 & 1, bool(key & 1)
        while slot != NOTHING:
            o, link = s.orders[slot], s.links[slot]
            group = int(s.accounts[o["account"]]["group"])
            check(slot not in seen, f"slot {slot}: in two chains")
            seen.add(slot)
            check(owner == (group or int(o["account"])) and is_group == bool(group), f"slot {slot}: another's chain")
            check((instrument, side) == (int(o["instrument"]), int(o["side"])), f"slot {slot}: chain of another side")
            check(int(link["own_prev"]) == before, f"slot {slot}: link to the order before it in its chain")
            before, slot = slot, int(link["own_next"])
    check(seen == set(live), "chains are not all open orders")
