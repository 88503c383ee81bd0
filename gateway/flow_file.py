"""Files of `qhatu match`: the benchmark's binary form and CSV, as messages for a replay.

CSV has a header. Columns: `action` (new, cancel, replace), `order_id`, `side` (buy, sell), `price`, `qty`, and where
wanted `instrument`, `type` (limit, market), `tif` (gtc, ioc, fok), `account`, `stp` (none), `time` (ns, not falling).
`group`, `display_qty`, `min_qty`, `stop_price`, `post_only`, `expire_at` may stand in the header, but a value in them
is an error so far, as are `amend`, other types and times in force, and self-trade prevention. A cancel reads `action`,
`order_id` and `instrument` alone; a replace takes what it leaves blank of side and account from its order.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import numpy as np

from engine.codes import CommandKind, OrderType, Side, TimeInForce
from engine.domain.units import UnitError, decimals_of
from engine.limits import ACCOUNTS_MAX, INSTRUMENTS_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX
from gateway.auction_file import InputError, decimal, whole_number

MAGIC = b"OBW1"
HEADER_BYTES = 24
RECORD = np.dtype([("type", "u1"), ("side", "u1"), ("symbol", "<u2"), ("id", "<u4"), ("price", "<i4"), ("qty", "<u4")])
IDS_MAX = 2**28  # the flat array of ids is 8 bytes each
NEEDED = ("action", "order_id", "side", "price", "qty")
KNOWN = (*NEEDED, "instrument", "type", "tif", "account", "stp", "time")
NOT_YET = ("group", "display_qty", "min_qty", "stop_price", "post_only", "expire_at")
ACTIONS = {"new": CommandKind.NEW, "cancel": CommandKind.CANCEL, "replace": CommandKind.REPLACE}
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TYPES = {"": OrderType.LIMIT, "limit": OrderType.LIMIT, "market": OrderType.MARKET}
TIFS = {"": TimeInForce.GTC, "gtc": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
FALSE = ("", "0", "false", "no")
SIDE_OF_ORDER = 255
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


@dataclass(slots=True)
class Flow:
    """A file of messages, its prices in ticks, its ids, instruments and accounts numbered densely."""

    messages: np.ndarray  # MESSAGE[n] of engine.state.flow
    warm: int  # messages before the timed ones
    ids: int
    instruments: list[str]  # name of instrument 1, 2, ...
    accounts: int
    tick: Fraction
    labels: list[str] | None = None  # order id by file id; None: the number itself
    values: np.ndarray | None = None  # int64[ids]: what the hash of the fills sees; None: the file id

    @property
    def price_range(self) -> tuple[int, int]:
        """Lowest and highest price of any message, in ticks."""
        priced = self.messages[(self.messages["kind"] != CommandKind.CANCEL)]["price"]
        return (int(priced.min()), int(priced.max())) if len(priced) else (0, 0)

    def label(self, file_id: int) -> str:
        return self.labels[file_id] if self.labels is not None else str(file_id)


def read_flow(raw: bytes, tick: Fraction | None) -> Flow:
    """The messages of a file, either form. Raises InputError naming the line and the field, or the record."""
    return _binary(raw, tick) if raw[: len(MAGIC)] == MAGIC else _csv(raw, tick)


def _binary(raw: bytes, tick: Fraction | None) -> Flow:
    from engine.state.flow import MESSAGE

    if len(raw) < HEADER_BYTES:
        raise InputError(f"header: {len(raw)} bytes are no header of {HEADER_BYTES}")
    warm, timed, symbols, ids, _ = (int(x) for x in np.frombuffer(raw, "<u4", 5, len(MAGIC)))
    if len(raw) != HEADER_BYTES + (warm + timed) * RECORD.itemsize:
        raise InputError(f"header: {warm} + {timed} records are not the {len(raw) - HEADER_BYTES} bytes that follow")
    if not 1 <= symbols <= INSTRUMENTS_MAX:
        raise InputError(f"header: {symbols} symbols, not 1..{INSTRUMENTS_MAX}")
    if not 1 <= ids <= IDS_MAX:
        raise InputError(f"header: max_id + 1 is {ids}, not 1..{IDS_MAX}")
    records = np.frombuffer(raw, RECORD, warm + timed, HEADER_BYTES)
    for field, wrong in (
        ("type", (records["type"] < 1) | (records["type"] > 3)),
        ("side", (records["side"] > 1) & (records["type"] != 2)),
        ("symbol", records["symbol"] >= symbols),
        ("id", records["id"] >= ids),
        ("price", np.abs(records["price"].astype(np.int64)) > PRICE_TICKS_MAX),
        ("qty", (records["qty"] == 0) & (records["type"] != 2)),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise InputError(f"record {at}: {field}: {int(records[field][at])} is out of range")
    messages = np.zeros(len(records), MESSAGE)
    kinds = np.array([0, CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE], np.uint8)
    messages["kind"] = kinds[records["type"]]
    for name in ("side", "id", "price", "qty"):
        messages[name] = records[name]
    messages["account"] = 1
    messages["instrument"] = records["symbol"].astype(np.uint32) + 1
    return Flow(messages, warm, ids, [str(symbol) for symbol in range(symbols)], 1, tick or Fraction(1))


class _Numbers(dict):
    """Text -> 1, 2, 3, ... by first appearance."""

    def __missing__(self, text: str) -> int:
        self[text] = len(self) + 1
        return self[text]


class _Line:
    """One row of a CSV file; every complaint names the line and the field."""

    def __init__(self, number: int, cells: dict[str, str]) -> None:
        self.number, self.cells = number, cells

    def __getitem__(self, field: str) -> str:
        return self.cells.get(field, "")

    def fail(self, field: str, what: str) -> NoReturn:
        raise InputError(f"line {self.number}: {field}: {what}")

    def choice(self, field: str, known: dict) -> int:
        value = known.get(self[field])
        if value is None:
            named = ", ".join(key for key in known if key)
            self.fail(field, f"{self[field]!r:.40} is not supported; known: {named}")
        return int(value)


def _csv(raw: bytes, tick: Fraction | None) -> Flow:
    from engine.state.flow import MESSAGE

    ids, instruments, accounts = _Numbers(), _Numbers(), _Numbers()
    rows: list[tuple] = []
    prices: list[tuple[int, Fraction]] = []  # (row, price)
    last_ns = 0
    for line in _lines(raw):
        kind = line.choice("action", ACTIONS)
        if not line["order_id"]:
            line.fail("order_id", "is blank")
        file_id = ids[line["order_id"]] - 1
        named = "instrument" in line.cells and (line["instrument"] or kind == CommandKind.NEW)
        instrument = instruments[line["instrument"]] if named or kind == CommandKind.NEW else 0
        if kind == CommandKind.CANCEL:
            rows.append((kind, 0, 0, 0, file_id, 0, 0, 0, instrument, 0))
            continue
        _refuse_what_is_not_yet(line)
        if line["time"]:
            now_ns = whole_number(line["time"], f"line {line.number}: time", 0, 2**63 - 1)
            if now_ns < last_ns:
                line.fail("time", f"{now_ns} is before {last_ns}")
            last_ns = now_ns
        side = SIDE_OF_ORDER
        if line["side"] or kind == CommandKind.NEW:
            side = line.choice("side", SIDES)
        type_, tif = line.choice("type", TYPES), line.choice("tif", TIFS)
        qty = whole_number(line["qty"], f"line {line.number}: qty", 1, QTY_LOTS_MAX)
        if type_ == OrderType.LIMIT:
            prices.append((len(rows), decimal(line["price"], f"line {line.number}: price")))
        elif line["price"]:
            line.fail("price", "a market order has none")
        account = accounts[line["account"]] if line["account"] or kind == CommandKind.NEW else 0
        rows.append((kind, side, type_, tif, file_id, 0, account, qty, instrument, line.number))
    messages = np.array(rows, MESSAGE) if rows else np.zeros(0, MESSAGE)
    if tick is None:
        tick = Fraction(
            1, 10 ** max((_decimals(price, int(messages["spare"][row])) for row, price in prices), default=0)
        )
    for row, price in prices:
        ticks = price / tick
        field = f"line {int(messages['spare'][row])}: price"
        if ticks.denominator != 1:
            raise InputError(f"{field}: {float(price):g} is not a multiple of the tick {tick}")
        if abs(ticks.numerator) > PRICE_TICKS_MAX:
            raise InputError(f"{field}: more than {PRICE_TICKS_MAX} ticks")
        messages["price"][row] = ticks.numerator
    for what, found, most in (("instruments", instruments, INSTRUMENTS_MAX), ("accounts", accounts, ACCOUNTS_MAX)):
        if len(found) > most:
            raise InputError(f"file: {len(found)} {what}, at most {most}")
    labels = list(ids)
    return Flow(messages, 0, max(len(ids), 1), list(instruments) or [""], max(len(accounts), 1), tick, labels,
                _values(labels))  # fmt: skip


def _decimals(price: Fraction, line: int) -> int:
    """Decimals that a price needs, trailing zeros dropped."""
    try:
        return decimals_of(price)
    except UnitError:
        raise InputError(f"line {line}: price: more than 12 decimals") from None


def _lines(raw: bytes):
    """Rows of a CSV file behind its header, as _Line. Raises InputError."""
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
            yield _Line(reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}") from None


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in KNOWN and name not in NOT_YET:
            raise InputError(f"line 1: there is no column {name!r:.40}")
        if header.count(name) > 1:
            raise InputError(f"line 1: column {name} stands twice")
    for name in NEEDED:
        if name not in header:
            raise InputError(f"line 1: column {name} is missing")


def _refuse_what_is_not_yet(line: _Line) -> None:
    for field in NOT_YET:
        if line[field] and not (field == "post_only" and line[field].lower() in FALSE):
            line.fail(field, "is not supported yet")
    if line["stp"] not in ("", "none"):
        line.fail("stp", f"{line['stp']!r:.40} is not supported yet; known: none")
    if line["account"] and not line["stp"]:
        line.fail("stp", "blank with an account means cancel_taker, which is not supported yet; known: none")


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
