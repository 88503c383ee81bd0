"""The file of `qhatu clear`: JSON of one call auction, read strictly, as exact decimals.

A file is a whole worked example (`{"rule_set": ..., "input": {...}}`) or the input alone. Whatever is wrong with it is
an `InputError` that names the line or the field; unknown keys are ignored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from engine.codes import Side
from engine.limits import CLEAR_ORDERS_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX

DECIMALS_MAX = 12
_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII)
_DIGITS = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_DIGITS_MAX = 64  # of one number, exponent included
_INTEGER_MAX = 2**62  # of seq and time
_ID_CHARS_MAX = 256
_TYPES = {"limit": False, "market": True, "market_to_limit": True}
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class InputError(ValueError):
    """Bad input; the message names the line or the field."""


class _Number(str):
    """A JSON number, as the text it was written in."""


@dataclass(frozen=True, slots=True)
class AuctionFile:
    """One call, prices still in units of quotation, orders as they stand in the file."""

    rule_set: str | None  # named by the file
    ids: list[str]
    side: np.ndarray  # uint8[n]
    unpriced: np.ndarray  # uint8[n]
    to_limit: np.ndarray  # uint8[n]  market-to-limit
    prices: list[Fraction | None]
    qty_lots: np.ndarray  # int64[n]
    seq: list[int]
    block: list[int | None]
    tick: Fraction | None
    reference: Fraction | None
    nbbo: tuple[Fraction, Fraction] | None


def _fail(field: str, what: str) -> NoReturn:
    raise InputError(f"{field}: {what}")


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, _Number) else json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


@lru_cache(maxsize=65_536)
def _exact(text: str) -> Fraction | str:
    """Value of decimal text, or what is wrong with it."""
    match = _DECIMAL.fullmatch(text) if len(text) <= _DIGITS_MAX else None
    if match is None:
        return "not a decimal number such as 335.25"
    sign, whole, fraction, exponent = match.groups()
    digits, shift = whole + (fraction or ""), int(exponent or 0) - len(fraction or "")
    if abs(shift) > _DIGITS_MAX:
        return "out of range"
    return Fraction(int(sign + digits) * 10 ** max(shift, 0), 10 ** max(-shift, 0))


def decimal(value: object, field: str) -> Fraction:
    """Exact value of a JSON number or of a string with one. Raises InputError naming `field`."""
    exact = _exact(value) if isinstance(value, str) else "not a decimal number such as 335.25"
    if isinstance(exact, str):
        _fail(field, f"{_shown(value)} is {exact}")
    return exact


def whole_number(value: object, field: str, low: int, high: int) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        number = int(value)
    else:
        exact = decimal(value, field)
        if exact.denominator != 1:
            _fail(field, f"{_shown(value)} is not a whole number")
        number = exact.numerator
    if not low <= number <= high:
        _fail(field, f"{_shown(value)} is not in {low}..{high}")
    return number


def _load(raw: bytes) -> tuple[object, list[str]]:
    """JSON with numbers kept as text and no key twice; beside it every NaN and Infinity, which are not JSON."""
    constants: list[str] = []

    def constant(name: str) -> _Number:
        constants.append(name)
        return _Number(name)  # fails, with its name, as soon as a field is read from it

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(found)
        if len(keys) != len(found):
            names = [name for name, _ in found]
            raise InputError(f"key {_shown(next(name for name in names if names.count(name) > 1))} stands twice")
        return keys

    try:
        document = json.loads(
            raw.decode("utf-8"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=constant,
            object_pairs_hook=pairs,
        )
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"line {line}: not UTF-8") from None
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise InputError("nested too deeply") from None
    return document, constants


def read_auction_file(raw: bytes) -> AuctionFile:
    """The call in a file. Raises InputError."""
    document, constants = _load(raw)
    if not isinstance(document, dict):
        _fail("file", "an object with `orders`, or with `input`, is expected")
    rule_set = None
    body, path = document, ""
    if "input" in document:
        body, path = document["input"], "input."
        if not isinstance(body, dict):
            _fail("input", "an object is expected")
        rule_set = document.get("rule_set")
        if rule_set is not None and (not isinstance(rule_set, str) or isinstance(rule_set, _Number)):
            _fail("rule_set", "a name is expected")
    call = _read_input(body, path, rule_set)
    if constants:
        raise InputError(f"{constants[0]} is not JSON")
    return call


def _optional(body: dict[str, Any], key: str, path: str) -> Fraction | None:
    value = body.get(key)
    return None if value is None else decimal(value, path + key)


def _read_input(body: dict[str, Any], path: str, rule_set: str | None) -> AuctionFile:
    orders = body.get("orders")
    if not isinstance(orders, list):
        _fail(path + "orders", "a list of orders is expected")
    if len(orders) > CLEAR_ORDERS_MAX:
        _fail(path + "orders", f"{len(orders)} orders, more than {CLEAR_ORDERS_MAX}")
    tick = _optional(body, "tick", path)
    if tick is not None:
        check_tick(tick, path + "tick")
    call = AuctionFile(
        rule_set=rule_set,
        ids=[],
        side=np.empty(len(orders), np.uint8),
        unpriced=np.empty(len(orders), np.uint8),
        to_limit=np.empty(len(orders), np.uint8),
        prices=[],
        qty_lots=np.empty(len(orders), np.int64),
        seq=[],
        block=[],
        tick=tick,
        reference=_optional(body, "reference_price", path),
        nbbo=_nbbo(body, path),
    )
    seen: set[str] = set()
    for place, order in enumerate(orders):
        _read_order(call, order, place, f"{path}orders[{place}]")
        if call.ids[-1] in seen:
            _fail(f"{path}orders[{place}].id", f"{_shown(call.ids[-1])} stands twice")
        seen.add(call.ids[-1])
    return call


def _nbbo(body: dict[str, Any], path: str) -> tuple[Fraction, Fraction] | None:
    nbbo = body.get("nbbo")
    if nbbo is None:
        return None
    if not isinstance(nbbo, dict):
        _fail(path + "nbbo", "an object with nbb and nbo is expected")
    ends = _optional(nbbo, "nbb", path + "nbbo."), _optional(nbbo, "nbo", path + "nbbo.")
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _read_order(call: AuctionFile, order: object, place: int, path: str) -> None:
    if not isinstance(order, dict):
        _fail(path, "an object is expected")
    call.ids.append(_order_id(order.get("id"), path + ".id"))
    side, kind, price = order.get("side"), order.get("type"), order.get("price")
    if not isinstance(side, str) or side not in _SIDES:
        _fail(path + ".side", f"{_shown(side)} is neither buy nor sell")
    if not isinstance(kind, str) or kind not in _TYPES:
        _fail(path + ".type", f"{_shown(kind)} is none of {', '.join(_TYPES)}")
    if _TYPES[kind] and price is not None:
        _fail(path + ".price", f"a {kind} order has none")
    if not _TYPES[kind] and price is None:
        _fail(path + ".price", "a limit order needs one")
    call.side[place] = _SIDES[side]
    call.unpriced[place], call.to_limit[place] = _TYPES[kind], kind == "market_to_limit"
    call.prices.append(None if price is None else decimal(price, path + ".price"))
    call.qty_lots[place] = whole_number(order.get("qty"), path + ".qty", 1, QTY_LOTS_MAX)
    seq, block = order.get("seq"), order.get("time")
    call.seq.append(place + 1 if seq is None else whole_number(seq, path + ".seq", -_INTEGER_MAX, _INTEGER_MAX))
    call.block.append(block)


def _order_id(value: object, field: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= _ID_CHARS_MAX:
        if not any(0xD800 <= ord(char) < 0xE000 for char in value):
            return str(value)
        _fail(field, "half of a surrogate pair is no text")
    _fail(field, f"text of 1 to {_ID_CHARS_MAX} characters, or a number, is expected")


def check_tick(tick: Fraction, field: str) -> None:
    """Raises InputError unless the tick is positive and has a finite decimal form."""
    if tick <= 0:
        _fail(field, "a tick is positive")
    if _decimals(tick) > DECIMALS_MAX:
        _fail(field, f"a tick has at most {DECIMALS_MAX} decimals")


def _decimals(value: Fraction) -> int:
    """Digits after the point, trailing zeros dropped, of a value that came from decimal text."""
    digits, scaled = 0, value
    while scaled.denominator != 1:
        digits, scaled = digits + 1, scaled * 10
    return digits


def tick_of(call: AuctionFile, references: list[Fraction]) -> Fraction:
    """The coarsest power of ten, at most 1, that every price and reference is a multiple of."""
    digits = 0
    for price in _limits(call):
        digits = max(digits, _decimals(price))
        if digits > DECIMALS_MAX:
            _fail(_first_with(call, price), f"more than {DECIMALS_MAX} decimals")
    for reference in references:
        digits = max(digits, _decimals(reference))
        if digits > DECIMALS_MAX:
            _fail("reference_price", f"more than {DECIMALS_MAX} decimals")
    return Fraction(1, 10**digits)


def limits_in_ticks(call: AuctionFile, tick: Fraction) -> np.ndarray:
    """int32[n] in ticks, 0 where unpriced. Raises InputError for a price off the tick or out of range."""
    ticks: dict[Fraction | None, int] = {None: 0}
    for price in _limits(call):
        count = price / tick
        if count.denominator != 1:
            _fail(_first_with(call, price), f"{float(price):g} is not a multiple of the tick {float(tick):g}")
        if abs(count) > PRICE_TICKS_MAX:
            _fail(_first_with(call, price), f"beyond {PRICE_TICKS_MAX} ticks of {float(tick):g}")
        ticks[price] = count.numerator
    return np.array([ticks[price] for price in call.prices], dtype=np.int32)


def _limits(call: AuctionFile) -> list[Fraction]:
    """Each limit once, in the order of the file."""
    return [price for price in dict.fromkeys(call.prices) if price is not None]


def _first_with(call: AuctionFile, price: Fraction) -> str:
    return f"orders[{call.prices.index(price)}].price"


def reference_in_ticks(reference: Fraction, tick: Fraction) -> int:
    """Nearest tick, half a tick down. Raises InputError when it is out of range."""
    count = reference / tick
    nearest = -((-2 * count + 1) // 2)
    if abs(nearest) > PRICE_TICKS_MAX:
        _fail("reference_price", f"beyond {PRICE_TICKS_MAX} ticks of {float(tick):g}")
    return int(nearest)


def blocks_of(call: AuctionFile) -> list[int] | None:
    """Time blocks, when every order has one; None when none has."""
    given = [place for place, block in enumerate(call.block) if block is not None]
    if not given:
        return None
    for place, block in enumerate(call.block):
        if block is None:
            _fail(f"orders[{place}].time", "the other orders have one")
    return [
        whole_number(block, f"orders[{place}].time", -_INTEGER_MAX, _INTEGER_MAX)
        for place, block in enumerate(call.block)
    ]
