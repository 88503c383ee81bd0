"""`qhatu match` once more, slowly: a CSV read by the standard library, each row a command of its own to the oracle.

Nothing of the fast way is used: neither its reader nor its kernels.
"""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np

from engine.codes import CommandKind, EventKind, OrderFlag, OrderType, Phase, Reason, RefForm, Side, StpMode
from engine.codes import TimeInForce as Tif
from engine.limits import GENERATION_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.oracle.books import Books

FNV_START, FNV_PRIME = 14695981039346656037, 1099511628211
COLUMNS = [
    *("action", "order_id", "side", "price", "qty", "instrument", "type", "tif", "account", "group", "stp"),
    *("display_qty", "min_qty", "stop_price", "post_only", "expire_at", "time"),
]


def slowly_matched(text: str, decimals: int) -> dict[str, Any]:
    """The answer to a well-formed file whose prices have so many decimals; its fills too."""
    rows = list(csv.DictReader(io.StringIO(text)))
    said = [row for row in rows if row["action"] in ("new", "replace")]
    prices = [_ticks(row[name], decimals) for row in said for name in ("price", "stop_price") if row.get(name)]
    slides = any(row.get("post_only") == "slide" for row in said)
    low, high = min(prices, default=0) - slides, max(prices, default=0) + slides
    accounts, books = {"": 1}, Books()
    for row in rows:
        accounts.setdefault(row.get("account") or "", len(accounts) + 1)
    for name, number in accounts.items():
        books.open_account(number)
        groups = {row["group"] for row in rows if row.get("account") == name and row.get("group")}
        if groups:
            group = 1 + sorted({row["group"] for row in rows if row.get("group")}).index(groups.pop())
            books.set_account(number, frozen=False, group=group, coop=False)
    instruments: dict[str, int] = {}
    for row in rows:
        if row["action"] == "new" or row.get("instrument"):
            instruments.setdefault(row.get("instrument") or "", len(instruments) + 1)
    for number in (instruments or {"": 1}).values():
        books.list_instrument(number, multiplier=1, price_min=low, price_max=high, qty_max=QTY_LOTS_MAX)
        books.set_phase(number, Phase.CONTINUOUS)

    orders: dict[str, int] = {}  # by file id
    names: dict[int, str] = {}
    rejects: Counter[str] = Counter()
    fills: list[tuple[str, str, int, int]] = []
    now = 0
    for number, row in enumerate(rows, 1):
        if row["action"] != "cancel" and row.get("time"):
            now = int(row["time"])
        due = books.next_expiry()
        while due is not None and due <= now and any(r.get("time") for r in rows):
            books.expire(due, command=0, first_index=0, ts_ns=due)
            due = books.next_expiry()
        if row["action"] == "new" and row["order_id"] in orders:
            rejects["client_id_reused"] += 1
            continue
        command, extension = _command(row, number, orders, accounts, instruments, books, decimals)
        _, events = books.run(command, extension, None, 0, first_seq=number, ts_ns=now)
        for event in events:
            if event["kind"] == EventKind.REJECTED:
                rejects[Reason(int(event["reason"])).name.lower()] += 1
            elif event["kind"] == EventKind.ACCEPTED:
                orders[row["order_id"]] = int(event["order"])
                names[int(event["order"])] = row["order_id"]
            elif event["kind"] == EventKind.FILL:
                taker, maker = names[int(event["order"])], names[int(event["counter_order"])]
                fills.append((taker, maker, int(event["price"]), int(event["qty"])))
    heads = books.sections()["books"]
    resting = [order for side in Side for number in instruments.values() for order in books.depth(number, side, 10**6)]
    open_lots = sum(int(order["qty"]) for order in books.sections()["orders"]) - _waiting_lots(books)
    return {
        "messages": len(rows),
        "accepted": len(rows) - sum(rejects.values()),
        "rejects": dict(rejects),
        "fills": len(fills),
        "volume": sum(qty for *_, qty in fills),
        "fnv": _fnv(fills, rows),
        "resting_orders": int(heads["buy_orders"].sum() + heads["sell_orders"].sum()),
        "resting_qty": open_lots,
        "levels": len(resting),
    }


def _command(row, number, orders, accounts, instruments, books, decimals):
    command = np.zeros(1, COMMAND)
    c, kind = command[0], CommandKind[row["action"].upper()]
    target = orders.get(row["order_id"], 0) if kind != CommandKind.NEW else 0
    known = books.order(target) if target else None
    c["kind"], c["version"], c["ref_form"], c["ref_hi"], c["ref_lo"] = kind, ROW_VERSION, RefForm.STREAM, 1, number
    c["order"] = target if target or kind == CommandKind.NEW else GENERATION_MAX << 32  # an id that no order has
    own = int(known["account"]) if known is not None else 1
    c["account"] = own if kind == CommandKind.CANCEL else accounts[row.get("account") or ""]
    if kind != CommandKind.NEW and not row.get("account"):
        c["account"] = own
    c["instrument"] = instruments.get(row.get("instrument") or "", 0)
    if kind != CommandKind.NEW and not row.get("instrument"):
        c["instrument"] = int(known["instrument"]) if known is not None else 1
    extension = np.zeros(1, EXTENSION)
    if kind in (CommandKind.NEW, CommandKind.REPLACE, CommandKind.AMEND):
        c["qty"] = int(row["qty"])
    if kind in (CommandKind.NEW, CommandKind.REPLACE):
        side = row["side"] or (Side(int(known["side"])).name if known is not None else "buy")
        c["side"] = Side[side.upper()]
        c["type"] = OrderType[row["type"].upper()] if row.get("type") else _type_of(row)
        c["tif"] = Tif[row["tif"].upper()] if row.get("tif") else Tif.GTD if row.get("expire_at") else Tif.GTC
        c["price"] = _ticks(row["price"], decimals) if row["price"] else 0
        c["stp"] = StpMode[(row.get("stp") or "cancel_taker").upper()] if c["account"] != 1 else StpMode.NONE
        posts = {"1": OrderFlag.POST_ONLY, "slide": OrderFlag.POST_ONLY | OrderFlag.SLIDE}
        c["flags"] = posts.get(row.get("post_only") or "", 0)
        if c["stp"] and books.accounts[int(c["account"])].group:
            c["flags"] |= OrderFlag.STP_GROUP
        for name in ("display_qty", "min_qty", "expire_at"):
            extension[0][name] = int(row.get(name) or 0)
        if row.get("stop_price"):
            extension[0]["stop_price"] = _ticks(row["stop_price"], decimals)
        c["extension"] = bool(extension.tobytes().strip(b"\0"))
    return command, extension


def _type_of(row: dict[str, str]) -> OrderType:
    if row.get("display_qty"):
        return OrderType.ICEBERG
    if row.get("stop_price"):
        return OrderType.STOP_LIMIT if row["price"] else OrderType.STOP
    return OrderType.LIMIT


def _ticks(text: str, decimals: int) -> int:
    ticks = Decimal(text).scaleb(decimals)
    assert ticks == int(ticks) and abs(ticks) <= PRICE_TICKS_MAX
    return int(ticks)


def _waiting_lots(books: Books) -> int:
    sections = books.sections()
    waiting = sections["extras"]["order"][sections["extras"]["waiting"] == 1]
    orders = sections["orders"]
    return int(orders["qty"][np.isin(orders["order"], waiting)].sum())


def _fnv(fills: list[tuple[str, str, int, int]], rows: list[dict[str, str]]) -> str:
    """Ids that are no integers are numbered by first appearance."""
    values: dict[str, int] = {}
    texts = 0
    for row in rows:
        name = row["order_id"]
        if name not in values:
            if name.lstrip("-").isdigit():
                values[name] = int(name)
            else:
                texts += 1
                values[name] = texts
    value = FNV_START
    for taker, maker, price, qty in fills:
        for part in (values[taker], values[maker], price, qty):
            value = (value ^ part % 2**64) * FNV_PRIME % 2**64
    return f"{value:016x}"


def generated(seed: int, rows: int) -> str:
    """A well-formed file with everything in it, prices with two decimals around 10.00."""
    chance = random.Random(seed)
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    groups = {"a": "g", "b": "g", "c": "h"}
    ids: list[str] = []
    now = 1_000
    for _ in range(rows):
        now += chance.choice((0, 0, 1, 5, 40))
        action = chance.choices(("new", "cancel", "replace", "amend"), (10, 2, 2, 2))[0]
        if action == "new" and (not ids or chance.random() < 0.97):
            ids.append(str(len(ids) + 1) if chance.random() < 0.8 else f"x{len(ids)}")
            name = ids[-1]
        else:
            name = chance.choice(ids[-12:]) if ids else "none"
        account = chance.choice(("", "", "a", "b", "c", "d"))
        row: dict[str, Any] = {"action": action, "order_id": name, "qty": chance.randint(1, 30)}
        row["time"] = now if chance.random() < 0.8 else ""
        if action == "amend":
            row["qty"] = chance.choice((0, *range(1, 40)))
        if action in ("new", "replace"):
            kind = chance.choices((*OrderType, ""), (10, 2, 2, 3, 3, 4, 6))[0]
            kind = "" if kind == "" else OrderType(kind).name.lower()
            row |= {"side": chance.choice(("buy", "sell")), "type": kind, "account": account}
            if action == "replace" and chance.random() < 0.7:
                row |= {"side": "", "account": ""}
            if account and row["account"]:
                row |= {"group": groups.get(account, "") if chance.random() < 0.7 else ""}
                row["stp"] = chance.choice(("", *(mode.name.lower() for mode in StpMode)))
            if kind in ("stop", "stop_limit") or (kind == "" and chance.random() < 0.1):
                row["stop_price"] = f"{chance.randint(990, 1010) / 100:.2f}"
            if kind == "iceberg" or (kind == "" and chance.random() < 0.2):
                row["display_qty"] = chance.randint(1, 35)
            if kind not in ("market", "market_to_limit", "stop"):
                row["price"] = f"{chance.randint(988, 1012) / 100:.2f}"
            if chance.random() < 0.1:
                row["min_qty"] = chance.randint(1, 30)
            if chance.random() < 0.1:
                row["post_only"] = chance.choice(("1", "slide"))
            row["tif"] = chance.choices(("", "gtc", "day", "ioc", "fok", "at_auction"), (12, 2, 2, 2, 1, 1))[0]
            if chance.random() < 0.15:
                row |= {"tif": chance.choice(("gtd", "")), "expire_at": now + chance.randint(-5, 200)}
        if chance.random() < 0.5:
            row["instrument"] = chance.choice(("", "", "i", "j"))
        writer.writerow(row)
    return out.getvalue()
