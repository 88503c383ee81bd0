"""From a journal on which two implementations differ to a short one on which they still do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.codes import CommandKind, EventKind, OrderType, Side, TimeInForce
from engine.messages.rows import COMMAND, EXTENSION
from engine.state.hot import Hot
from tests.engine.book_flows import Difference, Twins

Call = tuple[str, tuple, dict[str, Any]]
READERS = frozenset({"next_expiry", "has_orders", "limits_of", "stock_of", "depth", "order", "orders_of", "extra_of",
                     "text_of", "order_of_text", "last", "phase"})  # fmt: skip


def by_single_rows(journal: list[Call]) -> list[Call]:
    calls: list[Call] = []
    for method, arguments, said in journal:
        if method != "run":
            calls.append((method, arguments, said))
            continue
        rows, extensions, bodies, _ = arguments
        for at in range(len(rows)):
            number, row = int(rows["extension"][at]), rows[at : at + 1]
            own = extensions[:0]
            if 1 <= number <= len(extensions):
                own, row = extensions[number - 1 : number], row.copy()
                row["extension"] = 1
            body = bodies and bodies[at : at + 1]
            calls.append(("run", (row, own, body, 0), said | {"first_seq": said["first_seq"] + at}))
    return calls


def difference(calls: list[Call], make: Callable[[], list[Hot]]) -> str:
    """What the implementations differ in after these calls; empty when in nothing, or when the first refuses them."""
    hots = make()
    twins = Twins(*hots, compare_every=len(calls) + 1)
    try:
        for method, arguments, said in calls:
            if method == "reload" or (method == "expire" and twins.first.next_expiry() != arguments[0]):
                continue  # the earliest alone is expired
            twins.do(method, *arguments, **said)
        twins.compare()
    except Difference as found:
        return str(found)
    except Exception as error:
        trusted = make()[0]
        try:
            for method, arguments, said in twins.journal:
                getattr(trusted, method)(*arguments, **said)
        except Exception:
            return ""
        return f"{type(error).__name__} {error}"
    return ""


def without_effect(calls: list[Call], trusted: Hot) -> set[int]:
    """Places of calls that only read or were only refused."""
    idle = set()
    for place, (method, arguments, said) in enumerate(calls):
        if method == "reload":
            continue
        answer = getattr(trusted, method)(*arguments, **said)
        if method in READERS or (method == "run" and set(answer[1]["kind"].tolist()) == {EventKind.REJECTED}):
            idle.add(place)
    return idle


def shrunk(journal: list[Call], make: Callable[[], list[Hot]], seconds: float) -> list[Call]:
    """Calls left out, in ever smaller runs of them, for as long as a difference remains."""
    calls, until = by_single_rows(journal), time.monotonic() + seconds
    if not difference(calls, make):
        return journal
    idle = without_effect(calls[:-1], make()[0])
    fewer = [call for place, call in enumerate(calls) if place not in idle]
    if difference(fewer, make):
        calls = fewer
    size = len(calls) // 2
    while size and time.monotonic() < until:
        at = 0
        while at < len(calls) and time.monotonic() < until:
            fewer = calls[:at] + calls[at + size :]
            if difference(fewer, make):
                calls = fewer
            else:
                at += size
        size //= 2
    return calls


def told(call: Call) -> str:
    """One line: a row by its fields that say something, with those of its extension."""
    method, arguments, said = call
    if method != "run":
        return f"{method}{arguments} {said or ''}".rstrip()
    rows, extensions = arguments[:2]
    (fields,) = (_fields(row, COMMAND) for row in rows[:1])
    for extension in extensions[:1]:
        fields |= _fields(extension, EXTENSION)
    for name, enum in (("kind", CommandKind), ("side", Side), ("type", OrderType), ("tif", TimeInForce)):
        known = {int(code): code.name for code in enum}
        fields[name] = known.get(int(rows[0][name]), rows[0][name])
    text = ", ".join(f"{name}={value}" for name, value in fields.items() if name not in ("version", "extension"))
    return f"run {text} ({', '.join(f'{name}={value}' for name, value in said.items())})"


def _fields(row: np.void, dtype: np.dtype) -> dict[str, Any]:
    return {name: row[name].tolist() for name in dtype.names or () if np.any(row[name])}
