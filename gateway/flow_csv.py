"""CSV files of `qhatu match`, as messages for a replay. The first row names the columns.

    action        new, cancel, replace, amend
    order_id      any text
    side          buy, sell
    price, qty    decimal; 1 .. 10^12. Types without a limit price leave `price` blank. Of an amend `qty` is the order's
                  new total quantity: no more than was filled of it (0, say) cancels the rest
    instrument    any text
    type          limit, market, market_to_limit, stop, stop_limit, iceberg. Blank: iceberg with a `display_qty`,
                  stop or stop_limit with a `stop_price`, else limit
    tif           gtc, day, gtd, ioc, fok, at_auction. Blank: gtd with an `expire_at`, else gtc
    account       any text; without one there is no self-trade check
    group         of the account, the same wherever it stands: its orders never trade with those of its group
    stp           none, cancel_taker, cancel_maker, cancel_both, decrement. Blank: cancel_taker
    display_qty, min_qty, stop_price
    post_only     0, 1, or slide: one tick behind the best price of the other side instead of a refusal
    time          ns, not falling. Blank: that of the row before. Orders expire between rows
    expire_at     ns

The first five must be there. A cancel reads `action`, `order_id` and `instrument` alone, an amend `qty`, `account` and
`time` too. A replace states all its terms; what it leaves blank of side and account is its order's.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NoReturn

import numpy as np

from engine.codes import CommandKind, OrderFlag, OrderType, Side, StpMode, TimeInForce
from engine.domain.units import UnitError, decimals_of
from engine.limits import ACCOUNTS_MAX, INSTRUMENTS_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.rows import EXTENSION
from engine.state.flow import MESSAGE
from gateway.auction_file import InputError, decimal, whole_number
from gateway.flow import PRICED_TYPES, Flow

NEEDED = ("action", "order_id", "side", "price", "qty")
OPTIONAL = ("instrument", "type", "tif", "account", "group", "stp", "display_qty", "min_qty", "stop_price", "post_only",
            "expire_at", "time")  # fmt: skip
ACTIONS = {kind.name.lower(): kind for kind in (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE,
                                                CommandKind.AMEND)}  # fmt: skip
SIDES = {side.name.lower(): side for side in Side}
TYPES = {kind.name.lower(): kind for kind in OrderType}
TIFS = {tif.name.lower(): tif for tif in TimeInForce}
STP = {"": StpMode.CANCEL_TAKER} | {mode.name.lower(): mode for mode in StpMode}
POST_ONLY = (
    dict.fromkeys(("", "0", "false", "no"), 0)
    | dict.fromkeys(("1", "true", "yes"), OrderFlag.POST_ONLY)
    | {"slide": OrderFlag.POST_ONLY | OrderFlag.SLIDE}
)
SIDE_OF_ORDER = 255
NO_NAME = ""  # the account of rows without one, the first of all
TIME_NS_MAX = 2**63 - 1
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


class Numbers(dict):
    """Text -> 1, 2, 3, ... by first appearance."""

    def __missing__(self, text: str) -> int:
        self[text] = len(self) + 1
        return self[text]


class Line:
    """One row of the file; every complaint names the line and the field."""

    def __init__(self, number: int, cells: dict[str, str]) -> None:
        self.number, self.cells = number, cells

    def __getitem__(self, field: str) -> str:
        return self.cells.get(field, "")

    def fail(self, field: str, what: str) -> NoReturn:
        raise InputError(f"line {self.number}: {field}: {what}")

    def choice(self, field: str, known: Mapping[str, int]) -> int:
        value = known.get(self[field].lower() if field == "post_only" else self[field])
        if value is None:
            named = ", ".join(key for key in known if key)
            self.fail(field, f"{self[field]!r:.40} is not one of {named}")
        return int(value)

    def whole(self, field: str, least: int, most: int) -> int:
        return whole_number(self[field], f"line {self.number}: {field}", least, most)

    def decimal(self, field: str) -> Fraction:
        return decimal(self[field], f"line {self.number}: {field}")


class Reader:
    """Gathers rows; prices wait for the tick, which is known at the end."""

    def __init__(self) -> None:
        self.ids, self.instruments, self.accounts, self.groups = Numbers(), Numbers(), Numbers(), Numbers()
        self.accounts[NO_NAME] = 1
        self.group_of: dict[int, int] = {}
        self.rows: list[tuple] = []
        self.times: list[int] = []
        self.extensions: list[tuple[int, int, int]] = []  # display_qty, min_qty, expire_at
        self.prices: list[tuple[int, int, Fraction]] = []  # row, line, price
        self.stop_prices: list[tuple[int, int, Fraction]] = []  # extension, line, price
        self.timed = False
        self.now_ns = 0

    def read(self, line: Line) -> None:
        kind = line.choice("action", ACTIONS)
        if not line["order_id"]:
            line.fail("order_id", "is blank")
        number = self.ids[line["order_id"]] - 1
        named = "instrument" in line.cells and (line["instrument"] or kind == CommandKind.NEW)
        instrument = self.instruments[line["instrument"]] if named or kind == CommandKind.NEW else 0
        if kind != CommandKind.CANCEL and line["time"]:
            self._at(line)
        self.times.append(self.now_ns)
        if kind == CommandKind.CANCEL:
            self.rows.append((kind, 0, 0, 0, number, 0, 0, 0, instrument, 0, 0, 0))
            return
        qty = line.whole("qty", 0 if kind == CommandKind.AMEND else 1, QTY_LOTS_MAX)
        account = self.accounts[line["account"]] if line["account"] or kind == CommandKind.NEW else 0
        if kind == CommandKind.AMEND:
            self.rows.append((kind, 0, 0, 0, number, 0, account, qty, instrument, 0, 0, 0))
            return
        side = SIDE_OF_ORDER
        if line["side"] or kind == CommandKind.NEW:
            side = line.choice("side", SIDES)
        if line["group"]:
            self._join(line, account)
        type_, tif = self._type(line), self._tif(line)
        if type_ in PRICED_TYPES:
            self.prices.append((len(self.rows), line.number, line.decimal("price")))
        elif line["price"]:
            line.fail("price", f"a {OrderType(type_).name.lower()} order has none")
        flags, stp = line.choice("post_only", POST_ONLY), line.choice("stp", STP)
        self.rows.append((kind, side, type_, tif, number, 0, account, qty, instrument, flags, stp,
                          self._extension(line)))  # fmt: skip

    def _at(self, line: Line) -> None:
        now_ns = line.whole("time", 0, TIME_NS_MAX)
        if now_ns < self.now_ns:
            line.fail("time", f"{now_ns} is before {self.now_ns}")
        self.now_ns, self.timed = now_ns, True

    def _join(self, line: Line, account: int) -> None:
        if not line["account"]:
            line.fail("group", "belongs to an account, which is blank")
        group = self.groups[line["group"]]
        if self.group_of.setdefault(account, group) != group:
            line.fail("group", f"account {line['account']!r:.40} has another one")

    def _type(self, line: Line) -> int:
        if line["type"]:
            return line.choice("type", TYPES)
        if line["display_qty"]:
            return OrderType.ICEBERG
        if line["stop_price"]:
            return OrderType.STOP_LIMIT if line["price"] else OrderType.STOP
        return OrderType.LIMIT

    def _tif(self, line: Line) -> int:
        if line["tif"]:
            return line.choice("tif", TIFS)
        return TimeInForce.GTD if line["expire_at"] else TimeInForce.GTC

    def _extension(self, line: Line) -> int:
        """Number of the row's extension; 0 when it needs none."""
        if not (line["display_qty"] or line["min_qty"] or line["stop_price"] or line["expire_at"]):
            return 0
        terms = [
            line.whole(field, 0, most) if line[field] else 0
            for field, most in (("display_qty", QTY_LOTS_MAX), ("min_qty", QTY_LOTS_MAX), ("expire_at", TIME_NS_MAX))
        ]
        if line["stop_price"]:
            self.stop_prices.append((len(self.extensions), line.number, line.decimal("stop_price")))
        self.extensions.append((terms[0], terms[1], terms[2]))
        return len(self.extensions)

    def flow(self, tick: Fraction | None) -> Flow:
        for what, found, most in (
            ("instruments", self.instruments, INSTRUMENTS_MAX),
            ("accounts", self.accounts, ACCOUNTS_MAX),
        ):
            if len(found) > most:
                raise InputError(f"file: {len(found)} {what}, at most {most}")
        messages = np.array(self.rows, MESSAGE) if self.rows else np.zeros(0, MESSAGE)
        extensions = np.zeros(len(self.extensions), EXTENSION)
        for place, name in enumerate(("display_qty", "min_qty", "expire_at")):
            extensions[name] = [terms[place] for terms in self.extensions]
        if tick is None:
            needed = (_decimals(price, line) for _, line, price in self.prices + self.stop_prices)
            tick = Fraction(1, 10 ** max(needed, default=0))
        _set_ticks(messages["price"], self.prices, tick, "price")
        _set_ticks(extensions["stop_price"], self.stop_prices, tick, "stop_price")
        groups = None
        if self.group_of:
            groups = np.zeros(len(self.accounts) + 1, np.uint32)
            groups[list(self.group_of)] = list(self.group_of.values())
        labels = list(self.ids)
        return Flow(
            messages,
            warm=0,
            ids=max(len(labels), 1),
            instruments=list(self.instruments) or [""],
            accounts=len(self.accounts),
            tick=tick,
            labels=labels,
            values=_values(labels),
            extensions=extensions,
            groups=groups,
            times=np.array(self.times, np.int64) if self.timed else None,
        )


def read_csv(raw: bytes, tick: Fraction | None) -> Flow:
    """Raises InputError naming the line and the field."""
    reader = Reader()
    for line in _lines(raw):
        reader.read(line)
    return reader.flow(tick)


def _set_ticks(places: np.ndarray, prices: list[tuple[int, int, Fraction]], tick: Fraction, field: str) -> None:
    for at, line, price in prices:
        ticks = price / tick
        if ticks.denominator != 1:
            raise InputError(f"line {line}: {field}: {float(price):g} is not a multiple of the tick {tick}")
        if abs(ticks.numerator) > PRICE_TICKS_MAX:
            raise InputError(f"line {line}: {field}: more than {PRICE_TICKS_MAX} ticks")
        places[at] = ticks.numerator


def _decimals(price: Fraction, line: int) -> int:
    """Decimals that a price needs, trailing zeros dropped."""
    try:
        return decimals_of(price)
    except UnitError:
        raise InputError(f"line {line}: price: more than 12 decimals") from None


def _lines(raw: bytes) -> Iterator[Line]:
    """Rows behind the header. Raises InputError."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"line {raw.count(10, 0, error.start) + 1}: not UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(f"line {reader.line_num}: {len(cells)} fields, the header has {len(header)}")
            yield Line(reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}") from None


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in NEEDED and name not in OPTIONAL:
            raise InputError(f"line 1: there is no column {name!r:.40}")
        if header.count(name) > 1:
            raise InputError(f"line 1: column {name} stands twice")
    for name in NEEDED:
        if name not in header:
            raise InputError(f"line 1: column {name} is missing")


def _values(labels: list[str]) -> np.ndarray:
    """What the hash sees of each id: an integer's value; any other text's number by first appearance, from 1."""
    values = np.zeros(max(len(labels), 1), np.int64)
    texts = 0
    for i, label in enumerate(labels):
        if _INTEGER.fullmatch(label) and -(2**63) <= int(label) < 2**63:
            values[i] = int(label)
        else:
            texts += 1
            values[i] = texts
    return values
