"""Questions about history, answered from the SQLite sink's file: read-only, blocking, for a thread beside the loop.

Every answer is one snapshot and says with `as_of` how far it goes (0: nothing was followed yet). Pages are newest
first; their opaque cursors name a place in the log's order, so a page stays what it was while history grows. What an
account may see of an order or a fill is decided by the columns selected here: nothing of the other side is ever read.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from engine.codes import AwardState, OrderType, Reason, TimeInForce, name_of
from engine.domain.units import MINOR_PER_MAJOR, decimal_text, value_minor
from engine.limits import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from engine.state.sales.awards import HOLDING
from gateway.forms import JSON, Form, Scale, scale_of_text
from gateway.order_terms import STOP_TYPES, UNPRICED_TYPES
from gateway.projections.fold import NO_TAKER
from gateway.projections.reading import (
    PLACE_MAX,
    candles_of,
    closed_before,
    fill_of,
    first_fill,
    instrument_of,
    life_of,
    order_of,
    sides_before,
    trades_before,
)

INTERVALS_NS = {
    "1s": 10**9,
    "1m": 60 * 10**9,
    "5m": 300 * 10**9,
    "15m": 900 * 10**9,
    "1h": 3_600 * 10**9,
    "1d": 86_400 * 10**9,
}
BUSY_SECONDS = 2.0
_PLACE = re.compile(r"([a-z]+)((?::\d{1,19}){1,2})", re.ASCII)

_SIDES = ("buy", "sell")
_FILL_STATES = ("done", "corrected", "busted")
_TYPES = [name_of(OrderType, code) for code in range(256)]
_TIFS = [name_of(TimeInForce, code) for code in range(256)]


class BadCursor(ValueError):
    """A cursor that was not given out by this question."""


class NotYet(Exception):
    """The file is being created; there is nothing in it yet."""


class Page(NamedTuple):
    rows: list[dict[str, Any]]
    next_cursor: str | None  # None: there is nothing older
    as_of: int  # log sequence


class FillTerms(NamedTuple):
    """A fill as it holds now."""

    instrument: int
    price: int  # ticks
    qty: int  # lots
    buyer: int
    seller: int


class Listing(NamedTuple):
    symbol: str
    scale: Scale
    currency: str
    value_numerator: int
    value_denominator: int


class History:
    """Each thread that asks has a connection of its own; a file that was rebuilt is opened anew."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._local = threading.local()

    # Questions

    def as_of(self) -> int:
        """Log sequence that every answer now includes."""
        with self._snapshot() as db:
            return _as_of(db)

    def closed_orders(
        self, account: int, cursor: str | None = None, limit: int = PAGE_LIMIT_DEFAULT, *, form: Form = JSON
    ) -> Page:
        """Orders of an account that were filled or cancelled, the last closed first."""
        closed_seq, seq = _place("closed", cursor, 2) or (PLACE_MAX, PLACE_MAX)
        with self._snapshot() as db:
            found = list(islice(closed_before(db, account, (closed_seq, seq)), _limit(limit) + 1))
            rows, more = found[: _limit(limit)], len(found) > _limit(limit)
            place = _cursor("closed", rows[-1][11], rows[-1][9]) if more else None
            return Page([self._order_view(db, form, row) for row in rows], place, _as_of(db))

    def order(self, account: int, order: int, *, form: Form = JSON) -> dict[str, Any] | None:
        """One order of this account, open or closed; None when there is none (another account's included)."""
        with self._snapshot() as db:
            row = order_of(db, account, order)
            return None if row is None else self._order_view(db, form, row) | {"as_of": _as_of(db)}

    def fill(self, seq: int, index: int) -> tuple[FillTerms | None, int]:
        """The fill of this name, and the log sequence that the answer includes. Both sides: an operator's question."""
        with self._snapshot() as db:
            found = fill_of(db, seq, index)
            return None if found is None else FillTerms(*found), _as_of(db)

    def fills(
        self,
        account: int,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT_DEFAULT,
        *,
        order: int | None = None,
        form: Form = JSON,
    ) -> Page:
        """Own sides of an account's fills, with their value; of one order alone when `order` is given."""
        limit = _limit(limit)
        last, last_side = _place("fill", cursor, 2) or (PLACE_MAX, 0)
        with self._snapshot() as db:
            life = (0, PLACE_MAX) if order is None else life_of(db, account, order)
            found = list(islice(sides_before(db, account, (last, last_side), order, *life), limit + 1))
            rows = found[:limit]
            place = _cursor("fill", *rows[-1][:2]) if len(found) > limit else None
            return Page([self._fill_view(db, form, row) for row in rows], place, _as_of(db))

    def trades(
        self, symbol: str, cursor: str | None = None, limit: int = PAGE_LIMIT_DEFAULT, *, form: Form = JSON
    ) -> Page:
        """Public trades of an instrument."""
        (before,) = _place("trade", cursor, 1) or (PLACE_MAX,)
        with self._snapshot() as db:
            instrument = instrument_of(db, symbol)
            found = list(islice(trades_before(db, instrument, before, _limit(limit) + 1), _limit(limit) + 1))
            rows, more = found[: _limit(limit)], len(found) > _limit(limit)
            views = [
                {
                    "trade_id": trade_id,
                    "price": form.price(price, self._listing(db, instrument).scale),
                    "quantity": form.qty(qty),
                    "side": None if taker_side == NO_TAKER else _SIDES[taker_side],
                    "kind": _kind(taker_side),
                    "state": _FILL_STATES[state],
                    "ts_engine": form.time(ts_ns),
                }
                for _, trade_id, price, qty, taker_side, state, ts_ns in rows
            ]
            return Page(views, _cursor("trade", rows[-1][0]) if more else None, _as_of(db))

    def candles(
        self,
        symbol: str,
        interval: str,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT_DEFAULT,
        *,
        form: Form = JSON,
    ) -> Page:
        """Candles of a stretch of at most `limit` intervals that ends with the last trade (or the cursor), the oldest
        first, as charts want them; intervals without a trade are left out. The cursor leads to the stretch before.

        Raises KeyError for an interval that is not in INTERVALS_NS.
        """
        length_ns = INTERVALS_NS[interval]
        (before_ns,) = _place("candle", cursor, 1) or (PLACE_MAX,)
        with self._snapshot() as db:
            instrument = instrument_of(db, symbol)
            end = PLACE_MAX if before_ns == PLACE_MAX else first_fill(db, "ts_ns", before_ns)
            last = next(trades_before(db, instrument, end, 1), None)
            if last is None:
                return Page([], None, _as_of(db))
            start_ns = (last[-1] // length_ns - _limit(limit) + 1) * length_ns
            start = first_fill(db, "ts_ns", start_ns)
            scale = self._listing(db, instrument).scale
            views = [_candle_view(form, scale, row) for row in candles_of(db, instrument, length_ns, start, end)]
            older = next(trades_before(db, instrument, start, 1), None)
            return Page(views, _cursor("candle", start_ns) if older else None, _as_of(db))

    def random_ends(
        self, symbol: str, cursor: str | None = None, limit: int = PAGE_LIMIT_DEFAULT, *, form: Form = JSON
    ) -> Page:
        """Calls of an instrument with a random end: what was committed to, and the seed once it was told."""
        seq, idx = _place("end", cursor, 2) or (PLACE_MAX, PLACE_MAX)
        with self._snapshot() as db:
            found = db.execute(
                "SELECT seq, idx, ts_ns, announced_ns, window_ns, commitment, seed, revealed_ns FROM random_ends"
                " WHERE instrument = ? AND (seq, idx) < (?, ?) ORDER BY seq DESC, idx DESC LIMIT ?",
                (instrument_of(db, symbol), seq, idx, _limit(limit) + 1),
            ).fetchall()
            rows, more = found[: _limit(limit)], len(found) > _limit(limit)
            views = [
                {
                    "announced_at": form.time(announced_ns),
                    "window_ns": str(window_ns),
                    "commitment": commitment,
                    "committed_at": form.time(ts_ns),
                    "seed": seed,
                    "revealed_at": None if revealed_ns is None else form.time(revealed_ns),
                }
                for _, _, ts_ns, announced_ns, window_ns, commitment, seed, revealed_ns in rows
            ]
            return Page(views, _cursor("end", *rows[-1][:2]) if more else None, _as_of(db))

    def auctions(
        self,
        symbol: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT_DEFAULT,
        *,
        form: Form = JSON,
    ) -> Page:
        """Uncrosses of one instrument, or of all."""
        (before,) = _place("auction", cursor, 1) or (PLACE_MAX,)
        with self._snapshot() as db:
            found = db.execute(
                "SELECT auction, symbol, number, price_ticks, volume_lots, surplus_lots, reference_ticks, rules, ts_ns"
                " FROM auctions WHERE auction < ?" + (" AND symbol = ?" if symbol is not None else "")
                + " ORDER BY auction DESC LIMIT ?",
                (before, *([] if symbol is None else [symbol]), _limit(limit) + 1),
            ).fetchall()  # fmt: skip
            rows, more = found[: _limit(limit)], len(found) > _limit(limit)
            views = [_auction_view(form, self._listing(db, instrument_of(db, row[1])).scale, row) for row in rows]
            return Page(views, _cursor("auction", rows[-1][0]) if more else None, _as_of(db))

    def sales_past(
        self,
        cursor: str | None = None,
        limit: int = PAGE_LIMIT_DEFAULT,
        *,
        account: int | None = None,
        form: Form = JSON,
    ) -> Page:
        """Finished sales, in the form of the live ones. `account` adds its own part: what it won and what it sold."""
        ended_ns, sale = _place("sale", cursor, 2) or (PLACE_MAX, PLACE_MAX)
        with self._snapshot() as db:
            found = db.execute(
                "SELECT sale, title, state, opening, increment, tick_size, price_unit, currency,"
                " value_numerator, value_denominator, version, mechanism, season, stage, clock_ns, open_until_ns,"
                " finished_ns FROM sales"
                " WHERE finished_ns IS NOT NULL AND (finished_ns, sale) < (?, ?)"
                " ORDER BY finished_ns DESC, sale DESC LIMIT ?",
                (ended_ns, sale, _limit(limit) + 1),
            ).fetchall()
            rows, more = found[: _limit(limit)], len(found) > _limit(limit)
            place = _cursor("sale", rows[-1][-1], rows[-1][0]) if more else None
            return Page([_sale_view(db, form, row, account) for row in rows], place, _as_of(db))

    # How rows look

    def _order_view(self, db: sqlite3.Connection, form: Form, row: tuple) -> dict[str, Any]:
        order, instrument, side, type, price, qty, filled, tif, reason, *more = row
        seq, entered_ns, closed_seq, closed_ns, stream, number, text, display, stop_price, expire_ns = more
        listing = self._listing(db, instrument)
        return {
            "order_id": form.order_id(order),
            "client_order_id": text if stream is None else f"{stream}/{number % 2**64}",
            "instrument": listing.symbol,
            "side": _SIDES[side],
            "type": _TYPES[type],
            "price": None if type in UNPRICED_TYPES else form.price(price, listing.scale),
            "quantity": form.qty(qty),
            "filled_quantity": form.qty(filled),
            "open_quantity": form.qty(0 if closed_seq else qty - filled),
            "time_in_force": _TIFS[tif],
            "display_quantity": None if display is None else form.qty(display),
            "stop_price": None if stop_price is None else form.price(stop_price, listing.scale),
            "expire_at": None if expire_ns is None else form.time(expire_ns),
            "state": _order_state(type, filled, closed_seq, reason),
            "reason": name_of(Reason, reason) if reason else None,
            "seq": seq,
            "ts_engine": form.time(entered_ns),
            "closed_seq": closed_seq or None,
            "closed_at": form.time(closed_ns) if closed_seq else None,
        }

    def _fill_view(self, db: sqlite3.Connection, form: Form, row: tuple) -> dict[str, Any]:
        _, side, seq, idx, order, instrument, trade_id, taker_side, price, qty, state, ts_ns = row
        listing = self._listing(db, instrument)
        value = value_minor(price, qty, listing.value_numerator, listing.value_denominator)
        return {
            "fill_id": f"{seq}-{idx}",
            "order_id": form.order_id(order),
            "instrument": listing.symbol,
            "trade_id": trade_id,
            "side": _SIDES[side],
            "role": "call" if taker_side == NO_TAKER else "taker" if taker_side == side else "maker",
            "kind": _kind(taker_side),
            "price": form.price(price, listing.scale),
            "quantity": form.qty(qty),
            "value": money_text(value),
            "currency": listing.currency,
            "state": _FILL_STATES[state],
            "seq": seq,
            "ts_engine": form.time(ts_ns),
        }

    def _listing(self, db: sqlite3.Connection, instrument: int) -> Listing:
        listings: dict[int, Listing] = self._local.listings
        if instrument not in listings:
            for known, symbol, tick_size, *terms in db.execute(
                "SELECT instrument, symbol, tick_size, currency, value_numerator, value_denominator FROM instruments"
            ):
                listings[known] = Listing(symbol, scale_of_text(tick_size), *terms)
        return listings[instrument]

    # Connections

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A read transaction on this thread's connection. Raises sqlite3.Error when the file cannot be read."""
        db = self._connection()
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("ROLLBACK")

    def _connection(self) -> sqlite3.Connection:
        try:
            found = os.stat(self.path)
            file: tuple[int, int] | None = (found.st_dev, found.st_ino)
        except FileNotFoundError:
            file = None
        if getattr(self._local, "db", None) is None or self._local.file != file:
            self.close()
            self._local.file, self._local.listings = file, {}
            self._local.db = self._open() if file else _nothing_yet()
        return self._local.db

    def _open(self) -> sqlite3.Connection:
        try:
            return open_readonly(self.path)
        except sqlite3.OperationalError:
            if self.path.exists():
                raise
        except NotYet:
            pass
        self._local.file = None  # being made or remade just now: the next question looks again
        return _nothing_yet()

    def close(self) -> None:
        """Close this thread's connection; the next question opens another."""
        if getattr(self._local, "db", None) is not None:
            self._local.db.close()
            self._local.db = None


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises NotYet while the file has no tables, sqlite3.Error."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except BaseException:
        db.close()
        raise
    if version == 0:
        db.close()
        raise NotYet
    return db


def _nothing_yet() -> sqlite3.Connection:
    """An empty history: what there is before the sink's first transaction."""
    from gateway.projections.sqlite import create

    db = sqlite3.connect(":memory:", isolation_level=None)
    create(db, shard=0)
    return db


def _order_state(type: int, filled: int, closed_seq: int, reason: int) -> str:
    if closed_seq:
        return "cancelled" if reason else "filled"
    if type in STOP_TYPES:
        return "waiting"
    return "partial" if filled else "open"


def _kind(taker_side: int) -> str:
    return "call" if taker_side == NO_TAKER else "continuous"


def _candle_view(form: Form, scale: Scale, row: tuple) -> dict[str, Any]:
    start_ns, first, high, low, last, volume, trades = row
    return {
        "start": form.time(start_ns),
        "open": form.price(first, scale),
        "high": form.price(high, scale),
        "low": form.price(low, scale),
        "close": form.price(last, scale),
        "volume": form.qty(volume),
        "trades": trades,
    }


def _auction_view(form: Form, scale: Scale, row: tuple) -> dict[str, Any]:
    _, symbol, number, price, volume, surplus, reference, rules, ts_ns = row
    return {
        "instrument": symbol,
        "auction": number,
        "price": None if price is None else form.price(price, scale),
        "volume": form.qty(volume),
        "surplus": form.qty(surplus),
        "imbalance": form.qty(abs(surplus)),
        "side": None if not surplus else "buy" if surplus > 0 else "sell",
        "reference": None if reference is None else form.price(reference, scale),
        "rules": rules,
        "ts_engine": form.time(ts_ns),
    }


def _sale_view(db: sqlite3.Connection, form: Form, row: tuple, account: int | None) -> dict[str, Any]:
    sale, title, state, opening, increment, tick_size, unit, currency, numerator, denominator, *more = row
    version, mechanism, season, stage, clock_ns, open_until_ns, finished_ns = more
    lots = db.execute(
        "SELECT lot, title, bags, bag_grams, attributes, price, bids, state, seller, sold_bags, value_minor"
        " FROM sale_lots WHERE sale = ? ORDER BY lot",
        (sale,),
    )
    results: dict[int, list[tuple]] = {}
    for lot, *result in db.execute(_RESULTS, {"sale": sale}):
        results.setdefault(lot, []).append(tuple(result))
    return {
        "sale_id": sale,
        "version": version,
        "title": title,
        "mechanism": mechanism,
        "stage": stage,
        "state": state,
        "season": season,
        "opening": opening,
        "increment": increment,
        "tick_size": tick_size,
        "price_unit": unit,
        "currency": currency,
        "value_numerator": str(numerator),
        "value_denominator": str(denominator),
        "clock_seconds": clock_ns // 10**9,
        "open_until": form.time(open_until_ns),
        "clock_due": None,
        "finished_at": form.time(finished_ns),
        "lots": [_lot_view(lot, results.get(lot[0], []), account) for lot in lots],
    }


# What holds of a lot: its awards, or in what was told before there were any, each hammer.
_RESULTS = (
    "SELECT lot, price, bags, value_minor, buyer, award AS place FROM awards WHERE sale = :sale AND state IN ("
    + ", ".join(f"'{name_of(AwardState, state)}'" for state in sorted(HOLDING))
    + ") UNION ALL SELECT lot, price, bags, value_minor, buyer, seq FROM sale_results AS told WHERE sale = :sale"
    " AND NOT EXISTS (SELECT 1 FROM awards WHERE awards.sale = told.sale AND awards.lot = told.lot)"
    " ORDER BY lot, place"
)


def _lot_view(row: tuple, results: list[tuple], account: int | None) -> dict[str, Any]:
    lot, title, bags, bag_grams, attributes, price, bids, state, seller, sold_bags, value = row
    view = {
        "lot": lot,
        "title": title,
        "bags": bags,
        "bag_kg": decimal_text(Fraction(bag_grams, 1000)),
        "attributes": json.loads(attributes),
        "price": price,
        "minimum_bid": None,
        "bids": bids,
        "state": state,
        "sold_bags": sold_bags,
        "value": None if value is None else money_text(value),
        "results": [{"price": price, "bags": bags, "value": money_text(worth)} for price, bags, worth, _, _ in results],
    }
    if account is not None:
        own = sum(bags for _, bags, _, buyer, _ in results if buyer == account)
        view |= {"you_won": own > 0, "your_bags": own, "you_sell": seller == account}
    return view


def money_text(value_minor: int | str) -> str:
    """Stored minor units as decimal text of the currency."""
    return decimal_text(Fraction(int(value_minor), MINOR_PER_MAJOR), 2)


def _as_of(db: sqlite3.Connection) -> int:
    return db.execute("SELECT seq FROM cursor").fetchone()[0]


def _limit(limit: int) -> int:
    return max(1, min(limit, PAGE_LIMIT_MAX))


def _cursor(kind: str, *place: int) -> str:
    text = f"{kind}:" + ":".join(map(str, place))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(kind: str, cursor: str | None, parts: int) -> tuple[int, ...] | None:
    """The place that a cursor names, None without one. Raises BadCursor."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True).decode(
            "ascii"
        )
    except ValueError as error:
        raise BadCursor("this cursor was not given out here") from error
    found = _PLACE.fullmatch(text)
    if not found or found[1] != kind:
        raise BadCursor("this cursor belongs to another question")
    place = tuple(int(part) for part in found[2][1:].split(":"))
    if len(place) != parts or max(place) > PLACE_MAX:
        raise BadCursor("this cursor belongs to another question")
    return place
